//! Lenient numbers and strings as tools write them into JSON: `221.0`, `"79"`, `null`, `true`.
//! Values that cannot be parsed become missing, so that one odd value does not make a file
//! unreadable.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value of any scalar JSON type.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Loose {
    /// `null`, missing, or of another type (list, object).
    #[default]
    Nothing,
    /// `true` or `false`.
    Flag(bool),
    /// A non-negative integer.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// A string.
    Text(String),
}

impl Loose {
    /// Returns the finite number, also if it is written as a string.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match self {
            Self::Nothing => return None,
            Self::Flag(flag) => f64::from(*flag),
            Self::Whole(n) => *n as f64,
            Self::Number(v) => *v,
            Self::Text(text) => {
                let text = text.trim();
                let parsed = text.parse().or_else(|_| text.replacen(',', ".", 1).parse());
                parsed.ok()?
            }
        };
        Some(number).filter(|v| v.is_finite())
    }

    /// Returns the value as an id. A non-numeric string is hashed to 53 bits, so that separate
    /// files agree on its id.
    pub(super) fn id(&self) -> Option<u64> {
        if let Self::Whole(n) = self {
            return Some(*n);
        }
        if let Self::Text(text) = self
            && let Ok(n) = text.trim().parse()
        {
            return Some(n);
        }
        match (self, self.number()) {
            (Self::Nothing | Self::Flag(_), _) => None,
            (_, Some(v)) if v >= 0.0 && v.fract() == 0.0 && v < 1e15 => Some(v as u64),
            (Self::Text(text), _) if text.trim().is_empty() => None,
            _ => Some(hash(&self.to_string())),
        }
    }

    /// Returns the string if it is not a number.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Text(text) if self.number().is_none() => Some(text.trim()),
            _ => None,
        }
    }

    /// Returns whether the value is truthy: `true`, or a number other than 0.
    pub(super) fn flag(&self) -> bool {
        match self {
            Self::Text(text) if text.trim().eq_ignore_ascii_case("true") => true,
            other => other.number().is_some_and(|v| v != 0.0),
        }
    }

    /// Returns whether the value is present and not truthy: `false`, `0` or `"false"`.
    pub(super) fn is_false(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().eq_ignore_ascii_case("false"),
            other => other.number() == Some(0.0),
        }
    }

    /// Returns the value as written; `None` if it is missing.
    pub(super) fn text(&self) -> Option<String> {
        (*self != Self::Nothing).then(|| self.to_string())
    }
}

impl fmt::Display for Loose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(n) => n.fmt(f),
            Self::Number(v) => v.fmt(f),
            Self::Text(text) => f.write_str(text.trim()),
        }
    }
}

/// FNV-1a, cut to the 53 bits that every JSON reader preserves.
fn hash(text: &str) -> u64 {
    let fold = |h: u64, byte: u8| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold) >> 11
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Loose, E> {
        Ok(Loose::Flag(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Loose, E> {
        Ok(Loose::Whole(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Loose, E> {
        Ok(u64::try_from(v).map_or(Loose::Number(v as f64), Loose::Whole))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Loose, E> {
        Ok(Loose::Number(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Loose, E> {
        Ok(Loose::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Loose, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::numbers::Numbers;
    use proptest::prelude::*;

    fn loose(text: &str) -> Loose {
        serde_json::from_str(text).unwrap()
    }

    /// Fails when one of the spellings of numbers, ids or booleans is not understood.
    #[test]
    fn values_are_written_in_many_ways() {
        for (text, number, id, flag) in [
            ("221", Some(221.0), Some(221), true),
            ("221.0", Some(221.0), Some(221), true),
            ("\"221\"", Some(221.0), Some(221), true),
            ("\" 221.0 \"", Some(221.0), Some(221), true),
            ("\"000221\"", Some(221.0), Some(221), true),
            ("\"2,5\"", Some(2.5), Some(hash("2,5")), true),
            ("0", Some(0.0), Some(0), false),
            ("false", Some(0.0), None, false),
            ("true", Some(1.0), None, true),
            ("\"true\"", None, Some(hash("true")), true),
            ("null", None, None, false),
            ("[1, [2], {\"a\": 3}]", None, None, false),
            ("{\"x\": 1}", None, None, false),
            ("\"NaN\"", None, Some(hash("NaN")), false),
            ("\"inf\"", None, Some(hash("inf")), false),
            ("\"\"", None, None, false),
            ("-1", Some(-1.0), Some(hash("-1")), true),
            (
                "18446744073709551615",
                Some(u64::MAX as f64),
                Some(u64::MAX),
                true,
            ),
        ] {
            let value = loose(text);
            assert_eq!(
                (value.number(), value.id(), value.flag()),
                (number, id, flag),
                "{text}"
            );
        }
        assert_eq!(
            (loose("\"a.jpg\"").word(), loose("\"7\"").word()),
            (Some("a.jpg"), None)
        );
    }

    proptest! {
        /// Fails when a number changes when read, or differs when written as a string.
        #[test]
        fn numbers_are_kept(hundredths in -100_000_000..100_000_000i64) {
            let v = hundredths as f64 / 100.0;
            let text = serde_json::to_string(&v).unwrap();
            prop_assert_eq!(loose(&text).number(), Some(v));
            prop_assert_eq!(loose(&format!("\"{text}\"")).number(), Some(v));
            let list = format!("[{text}, \"{text}\"]");
            prop_assert_eq!(serde_json::from_str::<Numbers>(&list).unwrap().values, [v, v]);
        }

        /// Fails when the id of a number differs when written as a string or with the fraction
        /// `.0`.
        #[test]
        fn ids_agree_across_spellings(n in 0..1u64 << 49) {
            for text in [format!("{n}"), format!("{n}.0"), format!("\"{n}\""), format!("\"0{n}\"")] {
                prop_assert_eq!(loose(&text).id(), Some(n));
            }
        }

        /// Fails when any JSON value makes a file unreadable.
        #[test]
        fn any_value_is_read(text in any_json(3)) {
            serde_json::from_str::<Loose>(&text).unwrap();
            serde_json::from_str::<Numbers>(&text).unwrap();
        }
    }

    fn any_json(depth: u32) -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|v| v.to_string()),
            any::<i64>().prop_map(|v| v.to_string()),
            "[a-z0-9 .]{0,6}".prop_map(|t| format!("\"{t}\"")),
            (-1e6..1e6f64).prop_map(|v| v.to_string()),
        ];
        leaf.prop_recursive(depth, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|v| format!("[{}]", v.join(","))),
                prop::collection::vec(inner, 0..3).prop_map(|v| {
                    let pairs = v.iter().enumerate().map(|(i, v)| format!("\"{i}\":{v}"));
                    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }
}

//! Lenient lists of numbers: joints and boxes as tools write them into JSON. Values that cannot be
//! parsed become missing, so that one odd value does not make a file unreadable.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::loose::Loose;

/// A list of numbers with NaN for missing ones: `[1, null, "2.5"]`; one list per joint, `[[1, 2,
/// true], null]`; one object per joint, `[{"x": 1, "y": 2, "v": 2}]`; or joints by their names,
/// `{"nose": [1, 2, 2]}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Numbers {
    /// All numbers flattened; nested lists and objects give three each, a missing third is
    /// [`Self::NO_FLAG`].
    pub values: Vec<f64>,
    /// Whether the numbers were written as nested lists or objects.
    pub is_nested: bool,
    /// Names of the joints, of those that have none an empty one; empty if none has.
    pub names: Vec<String>,
    /// Fields of the first object that is not a joint.
    pub unknown: Option<String>,
}

/// Fields that hold the visibility of a joint that is an object.
const FLAGS: &[&str] = &["v", "visibility", "visible", "vis", "flag"];
/// Fields that hold its name.
const NAMES: &[&str] = &["name", "label", "joint", "keypoint", "part", "bodypart"];

impl Numbers {
    /// Stands for the visibility of a joint that has only two numbers.
    pub(super) const NO_FLAG: f64 = f64::INFINITY;

    /// Creates joints with names: `[x, y, visibility]` of each.
    pub(super) fn named(joints: impl IntoIterator<Item = (String, [f64; 3])>) -> Self {
        let mut this = Self::default();
        for (name, numbers) in joints {
            this.push_joint(Some(name), numbers);
        }
        this
    }

    /// Returns exactly `N` numbers, none of them missing.
    pub(super) fn exactly<const N: usize>(&self) -> Option<[f64; N]> {
        let numbers: [f64; N] = self.values.as_slice().try_into().ok()?;
        numbers.iter().all(|v| v.is_finite()).then_some(numbers)
    }

    fn push_joint(&mut self, name: Option<String>, numbers: [f64; 3]) {
        let n_before = self.values.len() / 3;
        self.is_nested = true;
        self.values.extend(numbers);
        if name.is_some() && self.names.is_empty() {
            self.names = vec![String::new(); n_before];
        }
        if name.is_some() || !self.names.is_empty() {
            self.names.push(name.unwrap_or_default());
        }
    }

    /// Adds an element of a list; `name` is that of a joint, where the file has it.
    fn push(&mut self, item: Item, name: Option<String>) {
        match item {
            Item::One(_) if self.is_nested => self.push_joint(name, ABSENT),
            Item::One(one) => self.values.push(value(&one)),
            Item::Several(several) => {
                let get = |i: usize, none| several.get(i).map_or(none, value);
                let (x, y) = (get(0, f64::NAN), get(1, f64::NAN));
                self.push_joint(name, [x, y, get(2, Self::NO_FLAG)]);
            }
            Item::Object(fields) => {
                let get = |names: &[&str]| {
                    let is_called =
                        |field: &str| names.iter().any(|name| field.eq_ignore_ascii_case(name));
                    let field = fields.iter().find(|(field, _)| is_called(field));
                    field.map(|(_, value)| value)
                };
                let own = get(NAMES).and_then(Loose::text);
                let joint = if let (Some(x), Some(y)) = (get(&["x"]), get(&["y"])) {
                    [value(x), value(y), get(FLAGS).map_or(Self::NO_FLAG, value)]
                } else {
                    let names = fields.iter().map(|(field, _)| field.as_str());
                    let names = names.collect::<Vec<_>>().join(", ");
                    self.unknown.get_or_insert(names);
                    ABSENT
                };
                self.push_joint(name.or(own), joint);
            }
        }
    }
}

/// A joint that is not there.
const ABSENT: [f64; 3] = [f64::NAN, f64::NAN, 0.0];

/// An element of [`Numbers`].
enum Item {
    One(Loose),
    Several(Vec<Loose>),
    Object(Vec<(String, Loose)>),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a list of numbers or an object")
            }

            fn visit_unit<E>(self) -> Result<Item, E> {
                Ok(Item::One(Loose::Nothing))
            }

            fn visit_bool<E>(self, v: bool) -> Result<Item, E> {
                Ok(Item::One(Loose::Flag(v)))
            }

            fn visit_u64<E>(self, v: u64) -> Result<Item, E> {
                Ok(Item::One(Loose::Whole(v)))
            }

            fn visit_i64<E>(self, v: i64) -> Result<Item, E> {
                Ok(Item::One(Loose::Number(v as f64)))
            }

            fn visit_f64<E>(self, v: f64) -> Result<Item, E> {
                Ok(Item::One(Loose::Number(v)))
            }

            fn visit_str<E>(self, v: &str) -> Result<Item, E> {
                Ok(Item::One(Loose::Text(v.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
                let mut several = Vec::new();
                while let Some(value) = list.next_element()? {
                    several.push(value);
                }
                Ok(Item::Several(several))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Item, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = object.next_entry()? {
                    fields.push(field);
                }
                Ok(Item::Object(fields))
            }
        }
        from.deserialize_any(ItemVisitor)
    }
}

/// Converts a list element to a number; `true` becomes 2 ("visible" in COCO).
fn value(loose: &Loose) -> f64 {
    match loose {
        Loose::Flag(true) => 2.0,
        other => other.number().unwrap_or(f64::NAN),
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct NumbersVisitor;
        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers")
            }

            fn visit_unit<E>(self) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
                let mut numbers = Numbers::default();
                // Whether these are numbers or joints shows in the first that is not missing.
                let mut n_nothing = 0;
                while let Some(item) = list.next_element()? {
                    match item {
                        Item::One(Loose::Nothing) if numbers.values.is_empty() => n_nothing += 1,
                        item => {
                            let is_number = matches!(item, Item::One(_));
                            for _ in 0..std::mem::take(&mut n_nothing) {
                                if is_number {
                                    numbers.values.push(f64::NAN);
                                } else {
                                    numbers.push_joint(None, ABSENT);
                                }
                            }
                            numbers.push(item, None);
                        }
                    }
                }
                numbers
                    .values
                    .extend(std::iter::repeat_n(f64::NAN, n_nothing));
                Ok(numbers)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Numbers, A::Error> {
                let mut numbers = Numbers::default();
                while let Some((name, item)) = object.next_entry::<String, Item>()? {
                    // Other objects have numbers, for example a box with its width.
                    if !matches!(item, Item::One(_)) {
                        numbers.push(item, Some(name));
                    }
                }
                Ok(numbers)
            }

            fn visit_str<E>(self, _: &str) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Numbers, E> {
                Ok(Numbers::default())
            }
        }
        from.deserialize_any(NumbersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Numbers {
        serde_json::from_str(text).unwrap()
    }

    fn numbers(text: &str) -> Vec<f64> {
        read(text).values
    }

    /// Fails when a missing value shifts the rest of the list, or nested joints are not read.
    #[test]
    fn lists_keep_their_places() {
        let same = |a: &[f64], b: &[f64]| format!("{a:?}") == format!("{b:?}");
        let (none, flag) = (f64::NAN, Numbers::NO_FLAG);
        for (text, expected) in [
            ("[1, \"2.5\", null, 4]", vec![1.0, 2.5, none, 4.0]),
            ("[null, null, 0, 4]", vec![none, none, 0.0, 4.0]),
            ("[null, null]", vec![none, none]),
            (
                "[[1, 2, true], null, [3, 4], []]",
                vec![
                    1.0, 2.0, 2.0, none, none, 0.0, 3.0, 4.0, flag, none, none, flag,
                ],
            ),
            ("[null, [3, 4, 1]]", vec![none, none, 0.0, 3.0, 4.0, 1.0]),
            ("null", vec![]),
            ("{\"x\": 1, \"width\": 2}", vec![]),
            ("\"1 2\"", vec![]),
            ("7", vec![]),
        ] {
            assert!(
                same(&numbers(text), &expected),
                "{text}: {:?}",
                numbers(text)
            );
        }
    }

    /// Fails when joints that are objects lose their place, visibility or name, or an object without
    /// a position passes for a joint.
    #[test]
    fn joints_may_be_objects() {
        let flag = Numbers::NO_FLAG;
        let list = read(
            r#"[{"x": 1, "y": "2", "v": 2}, {"X": 3.5, "Y": 4, "visible": true}, {"x": 5, "y": 6}]"#,
        );
        assert_eq!(list.values, [1.0, 2.0, 2.0, 3.5, 4.0, 2.0, 5.0, 6.0, flag]);
        assert!(list.is_nested && list.names.is_empty() && list.unknown.is_none());
        let list = read(r#"[{"x": 1, "y": 2}, {"name": "nose", "x": 3, "y": 4, "visibility": 1}]"#);
        assert_eq!(list.names, ["", "nose"]);
        assert_eq!(list.values[3..], [3.0, 4.0, 1.0]);
        let by_name = read(r#"{"nose": [1, 2, 2], "left_eye": {"x": 3, "y": 4, "v": 1}, "id": 7}"#);
        assert_eq!(by_name.names, ["nose", "left_eye"]);
        assert_eq!(by_name.values, [1.0, 2.0, 2.0, 3.0, 4.0, 1.0]);
        let other = read(r#"[{"px": 1, "py": 2}]"#);
        assert_eq!(
            (other.unknown.as_deref(), other.values.len()),
            (Some("px, py"), 3)
        );
    }
}

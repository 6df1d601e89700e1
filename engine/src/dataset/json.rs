//! JSON as files of labels have it.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserializer;
use serde::de::{DeserializeOwned, Visitor};

use crate::error::{Error, Result};

/// Some editors begin a UTF-8 file with it; no part of JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a file; `what` it should be stands in the complaint.
///
/// # Errors
/// When the file cannot be read, or a field is missing or of the wrong kind.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut text = BufReader::with_capacity(1 << 20, file);
    let head = text.fill_buf().map_err(Error::io("read", path))?;
    if head.starts_with(BYTE_ORDER_MARK) {
        text.consume(BYTE_ORDER_MARK.len());
    }
    serde_json::from_reader(text).map_err(|e| Error::data(path, format!("not a {what}: {e}")))
}

/// First byte of a JSON file that says something; `None` when there is none to be read.
pub(super) fn first_json_byte(path: &Path) -> Option<u8> {
    let mut head = [0; 64];
    let n = File::open(path).ok()?.read(&mut head).ok()?;
    let head = &head[..n];
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    text.iter().copied().find(|b| !b.is_ascii_whitespace())
}

/// Whether the name ends in `.json` and the file begins with `first`.
pub(super) fn is_json(path: &Path, first: u8) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"))
        && first_json_byte(path) == Some(first)
}

/// Yes or no: `true`, `false`, or a number, which means yes unless it is 0.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false, 0 or 1")
        }

        fn visit_bool<E>(self, v: bool) -> Result<bool, E> {
            Ok(v)
        }

        fn visit_u64<E>(self, v: u64) -> Result<bool, E> {
            Ok(v != 0)
        }

        fn visit_i64<E>(self, v: i64) -> Result<bool, E> {
            Ok(v != 0)
        }

        fn visit_f64<E>(self, v: f64) -> Result<bool, E> {
            Ok(v != 0.0)
        }
    }
    from.deserialize_any(Flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when an editor's mark at the beginning makes a file unreadable.
    #[test]
    fn marks_of_byte_order_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, b"\xef\xbb\xbf [1, 2]").unwrap();
        assert!(is_json(&path, b'['));
        assert_eq!(read_json::<Vec<u8>>(&path, "list").unwrap(), [1, 2]);
    }

    /// Fails when a way of writing yes or no makes a file unreadable, or is taken for the other.
    #[test]
    fn flags_are_written_in_many_ways() {
        let read = |text: &str| flag(&mut serde_json::Deserializer::from_str(text));
        for (text, expected) in [
            ("true", true),
            ("1", true),
            ("1.0", true),
            ("-1", true),
            ("false", false),
            ("0", false),
            ("0.0", false),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        let message = read("\"yes\"").unwrap_err().to_string();
        assert!(message.contains("true, false, 0 or 1"), "{message}");
    }
}

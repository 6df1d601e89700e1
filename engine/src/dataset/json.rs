//! Lenient JSON for label files: accepts a byte order mark, UTF-16, `NaN` and `Infinity`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::loose::Loose;
use crate::error::{Error, Result};

/// UTF-8 byte order mark that some editors write; not part of JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads and parses a file; `what` names the expected content in the error message.
///
/// # Errors
/// When the file cannot be read, is not JSON, or a field has the wrong type.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
    let text = plain(&bytes);
    serde_json::from_slice(&text).map_err(|e| {
        let reason = if text.iter().all(u8::is_ascii_whitespace) {
            "the file is empty; save or download it again".to_owned()
        } else if e.is_eof() {
            let line = e.line();
            format!("the file ends early, in line {line}: it is cut off; save or download it again")
        } else {
            format!("not a {what}: {e}")
        };
        Error::data(path, reason)
    })
}

/// Returns the field names of the top-level object for error messages; empty if it is not an
/// object.
pub(super) fn fields(path: &Path) -> Vec<String> {
    let read = read_json::<BTreeMap<String, Loose>>(path, "object");
    read.map_or_else(|_| Vec::new(), |object| object.into_keys().collect())
}

/// Converts the text to UTF-8 without byte order mark, with `null` for NaN and infinity.
fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let utf16 = |from: fn([u8; 2]) -> u16| {
        let (units, _) = bytes[2..].as_chunks::<2>();
        let units = units.iter().map(|unit| from(*unit));
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        text.collect::<String>().into_bytes()
    };
    match bytes {
        [0xff, 0xfe, ..] => Cow::Owned(without_nan(&utf16(u16::from_le_bytes)).into_owned()),
        [0xfe, 0xff, ..] => Cow::Owned(without_nan(&utf16(u16::from_be_bytes)).into_owned()),
        _ => without_nan(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)),
    }
}

/// Replaces `NaN`, `Infinity` and `-Infinity` (Python), `nan` and `inf` (other tools) by `null`.
fn without_nan(text: &[u8]) -> Cow<'_, [u8]> {
    let mut clean: Vec<u8> = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'"' {
            at = after_string(text, at + 1);
            continue;
        }
        if !(byte.is_ascii_alphabetic() || byte == b'-' || byte == b'+') {
            at += 1;
            continue;
        }
        let is_inside = |b: &&u8| b.is_ascii_alphanumeric() || b"+-.#".contains(b);
        let length = text[at..].iter().take_while(is_inside).count();
        let token = &text[at..at + length];
        let word = token
            .strip_prefix(b"-")
            .or_else(|| token.strip_prefix(b"+"));
        let word = word.unwrap_or(token);
        let is = |name: &&str| word.eq_ignore_ascii_case(name.as_bytes());
        if ["nan", "inf", "infinity"].iter().any(is) {
            clean.extend_from_slice(&text[copied..at]);
            clean.extend_from_slice(b"null");
            copied = at + length;
        }
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.extend_from_slice(&text[copied..]);
    Cow::Owned(clean)
}

/// Returns the index after the string that begins at `at`.
fn after_string(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Number of bytes in which the kind of a file shows: enough for a few people with all their joints.
const HEAD: usize = 1 << 16;

/// Returns the start of a file as text; empty if it cannot be read.
pub(super) fn head(path: &Path) -> Vec<u8> {
    start(path, HEAD)
}

/// Returns up to `length` bytes from the start of a file as text; empty if it cannot be read.
fn start(path: &Path, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(length as u64));
    match file.and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => plain(&bytes).into_owned(),
        Err(_) => Vec::new(),
    }
}

/// Returns the first byte of a JSON file that is not white space; `None` if there is none.
pub(super) fn first_json_byte(path: &Path) -> Option<u8> {
    let start = start(path, 256);
    start.into_iter().find(|b| !b.is_ascii_whitespace())
}

/// Returns whether the file name ends in `.json` and the content begins with `first`.
pub(super) fn is_json(path: &Path, first: u8) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("json"))
        && first_json_byte(path) == Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Fails when a byte order mark, or the UTF-16 of the Windows shell, makes a file unreadable.
    #[test]
    fn encodings_of_editors_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let utf16 = |mark: [u8; 2], to: fn(u16) -> [u8; 2]| {
            let units = " [1, 2]".encode_utf16().flat_map(to);
            mark.into_iter().chain(units).collect::<Vec<u8>>()
        };
        for bytes in [
            b"\xef\xbb\xbf [1, 2]".to_vec(),
            utf16([0xff, 0xfe], u16::to_le_bytes),
            utf16([0xfe, 0xff], u16::to_be_bytes),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(is_json(&path, b'['));
            assert_eq!(read_json::<Vec<u8>>(&path, "list").unwrap(), [1, 2]);
        }
    }

    /// Fails when a file that was cut off is reported in the words of the parser.
    #[test]
    fn a_file_that_was_cut_off_is_named_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for (text, words) in [
            ("[1,\n 2", "ends early, in line 2: it is cut off"),
            ("[\"a", "ends early, in line 1: it is cut off"),
            (" \n", "is empty; save or download it again"),
            ("[1, x]", "not a list of numbers: "),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read_json::<Vec<u8>>(&path, "list of numbers").unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    /// Fails when Python's `NaN` or `Infinity` makes a file unreadable, or a string that contains
    /// such a word is changed.
    #[test]
    fn nan_and_infinity_become_null() {
        let clean = |text: &str| String::from_utf8(plain(text.as_bytes()).into_owned()).unwrap();
        for text in ["NaN", "nan", "Infinity", "-Infinity", "-inf", "+NaN"] {
            assert_eq!(clean(&format!("[1, {text}, 2]")), "[1, null, 2]");
            assert_eq!(clean(&format!("{{\"a\":{text}}}")), "{\"a\":null}");
            let quoted = format!("{{\"{text}\": \"a \\\" {text}\", \"b\": -1.5e-3}}");
            assert_eq!(clean(&quoted), quoted);
        }
        assert_eq!(
            clean("[true, false, null, 1E5, -2]"),
            "[true, false, null, 1E5, -2]"
        );
        assert_eq!(clean("\"NaN"), "\"NaN");
        assert_eq!(clean("\"\\"), "\"\\");
    }

    proptest! {
        /// Fails when the clean-up panics or changes valid JSON.
        #[test]
        fn valid_files_are_unchanged(text in "(\\PC|[\"\\\\a-zN{}:,+-]){0,60}") {
            let clean = plain(text.as_bytes());
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(&clean[..], text.as_bytes());
            }
        }
    }
}

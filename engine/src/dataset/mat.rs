//! Numeric arrays in MATLAB level 5 files (written by `save` without `-v7.3`), plain or compressed.
//! <https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf>
//!
//! A file consists of a header of 128 bytes followed by elements. An element has a tag (type and
//! length) and data padded to 8 bytes; an array is an element that contains elements: flags,
//! dimensions, name, numbers.

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;

use crate::error::{Error, Result};

/// A real array in column-major order: the first index varies fastest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub dims: Vec<usize>,
    pub values: Vec<f64>,
}

/// Maximum decompressed size of an element in bytes: eight times what LSPET needs.
const MAX_BYTES: u64 = 32 << 20;

const HEADER: usize = 128;

/// Element types.
mod kind {
    pub(super) const INT8: u32 = 1;
    pub(super) const UINT8: u32 = 2;
    pub(super) const INT16: u32 = 3;
    pub(super) const UINT16: u32 = 4;
    pub(super) const INT32: u32 = 5;
    pub(super) const UINT32: u32 = 6;
    pub(super) const SINGLE: u32 = 7;
    pub(super) const DOUBLE: u32 = 9;
    pub(super) const INT64: u32 = 12;
    pub(super) const UINT64: u32 = 13;
    pub(super) const MATRIX: u32 = 14;
    pub(super) const COMPRESSED: u32 = 15;
}

/// Reads the array called `name`.
///
/// # Errors
/// When the file cannot be read, is not a MATLAB level 5 file, or lacks a numeric array of this
/// name.
pub(super) fn read(path: &Path, name: &str) -> Result<Array> {
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    find(&bytes, name).map_err(|reason| Error::data(path, reason))
}

fn find(file: &[u8], name: &str) -> Result<Array, String> {
    if file.starts_with(b"MATLAB 7.3") || file.starts_with(b"\x89HDF") {
        return Err("a MATLAB file of version 7.3; save it again with `-v7`".to_owned());
    }
    let (Some(order), Some(mut rest)) = (file.get(126..HEADER), file.get(HEADER..)) else {
        return Err("not a MATLAB file: shorter than its header".to_owned());
    };
    let big = match order {
        b"IM" => false,
        b"MI" => true,
        _ => return Err("not a MATLAB file of level 5".to_owned()),
    };
    while rest.len() >= 8 {
        let element = next(&mut rest, big)?;
        let found = match element.kind {
            kind::MATRIX => array(element.data, big, name)?,
            kind::COMPRESSED => {
                let unfolded = unfold(element.data)?;
                let inner = next(&mut &unfolded[..], big)?;
                if inner.kind == kind::MATRIX {
                    array(inner.data, big, name)?
                } else {
                    None
                }
            }
            _ => None,
        };
        if let Some(array) = found {
            return Ok(array);
        }
    }
    Err(format!("no array is called `{name}`"))
}

fn unfold(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(data)
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("a compressed array is damaged: {e}"))?;
    Ok(bytes)
}

struct Element<'a> {
    kind: u32,
    data: &'a [u8],
}

/// Takes the first element off `bytes`.
fn next<'a>(bytes: &mut &'a [u8], big: bool) -> Result<Element<'a>, String> {
    let cut = || "the file is truncated in the middle of an array".to_owned();
    let all: &'a [u8] = bytes;
    let (tag, rest) = all.split_at_checked(8).ok_or_else(cut)?;
    let first = word(&tag[..4], big);
    // Data of up to four bytes share the tag: its upper half then holds the length.
    if first >> 16 != 0 {
        let data = tag[4..].get(..(first >> 16) as usize).ok_or_else(cut)?;
        *bytes = rest;
        return Ok(Element {
            kind: first & 0xffff,
            data,
        });
    }
    let length = word(&tag[4..], big) as usize;
    let data = rest.get(..length).ok_or_else(cut)?;
    // Compressed elements are not padded; the last one's padding may be missing.
    let padding = if first == kind::COMPRESSED {
        0
    } else {
        length.wrapping_neg() % 8
    };
    *bytes = rest.get(length + padding..).unwrap_or_default();
    Ok(Element { kind: first, data })
}

fn word(bytes: &[u8], big: bool) -> u32 {
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if big {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

/// Parses the array in `data` if it is called `name`.
fn array(data: &[u8], big: bool, name: &str) -> Result<Option<Array>, String> {
    let mut rest = data;
    let _flags = next(&mut rest, big)?;
    let dims = numbers(&next(&mut rest, big)?, big);
    let called = next(&mut rest, big)?;
    if called.data != name.as_bytes() {
        return Ok(None);
    }
    let values = next(&mut rest, big).map_err(|e| format!("`{name}`: {e}"))?;
    let values =
        numbers(&values, big).ok_or_else(|| format!("`{name}` has a type without numbers"))?;
    let dims: Vec<usize> = dims
        .unwrap_or_default()
        .iter()
        .map(|&d| d.max(0.0) as usize)
        .collect();
    let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if count != Some(values.len()) {
        return Err(format!(
            "`{name}` should be {dims:?} and has {} numbers",
            values.len()
        ));
    }
    Ok(Some(Array { dims, values }))
}

/// Returns the numbers of an element; `None` if it is not numeric.
fn numbers(element: &Element<'_>, big: bool) -> Option<Vec<f64>> {
    macro_rules! read {
        ($t:ty) => {{
            let (chunks, _) = element.data.as_chunks();
            let number = |b: &[u8; size_of::<$t>()]| {
                let n = if big {
                    <$t>::from_be_bytes(*b)
                } else {
                    <$t>::from_le_bytes(*b)
                };
                n as f64
            };
            Some(chunks.iter().map(number).collect())
        }};
    }
    match element.kind {
        kind::INT8 => read!(i8),
        kind::UINT8 => read!(u8),
        kind::INT16 => read!(i16),
        kind::UINT16 => read!(u16),
        kind::INT32 => read!(i32),
        kind::UINT32 => read!(u32),
        kind::SINGLE => read!(f32),
        kind::DOUBLE => read!(f64),
        kind::INT64 => read!(i64),
        kind::UINT64 => read!(u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_golden;
    use proptest::prelude::*;

    /// Fails when a file written by SciPy, compressed or not, of any number type, reads back as
    /// different numbers. Value `i` in MATLAB's order is `i + 0.5` for floats, `i` for integers.
    #[test]
    fn files_of_another_writer_are_read() {
        for file in ["lsp.mat", "plain.mat"] {
            let path = test_golden::path(&format!("dataset/{file}"));
            for (name, offset) in [("doubles", 0.5), ("singles", 0.5), ("bytes", 0.0)] {
                let array = read(&path, name).unwrap();
                assert_eq!(array.dims, [3, 2, 4]);
                let expected: Vec<f64> = (0..24).map(|i| f64::from(i) + offset).collect();
                assert_eq!(array.values, expected, "{file} {name}");
            }
            assert_eq!(read(&path, "joints").unwrap().dims, [3, 14, 3]);
            let missing = read(&path, "nothing").unwrap_err().to_string();
            assert!(missing.contains("`nothing`"), "{missing}");
        }
    }

    /// Fails when another kind of file is not reported as such.
    #[test]
    fn other_files_are_refused() {
        for (bytes, expected) in [
            (b"MATLAB 7.3 MAT-file".to_vec(), "-v7"),
            (b"PK".to_vec(), "header"),
            (vec![0; 200], "level 5"),
        ] {
            let message = find(&bytes, "joints").unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        /// Fails when a damaged file causes a panic or exhausts memory.
        #[test]
        fn damaged_files_never_panic(at in 0usize..100_000, byte: u8, cut in 0usize..100_000) {
            for file in ["lsp.mat", "plain.mat"] {
                let mut bytes = std::fs::read(test_golden::path(&format!("dataset/{file}"))).unwrap();
                let n = bytes.len();
                bytes[at % n] = byte;
                let _ = find(&bytes, "joints");
                let _ = find(&bytes[..cut % n], "joints");
            }
        }
    }
}

//! Directory of a zip archive as written by `torch.save`.
//!
//! Torch stores its entries uncompressed, so that tensors are aligned and can be memory-mapped.
//! Archives repacked by another program contain deflated entries; these are decompressed up to a
//! bounded multiple of their length, so that no archive can claim much more memory than its own
//! size. (The `zip` crate keeps some 300 bytes for every 46 of a hostile directory without a
//! limit.)

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::shown;

/// First bytes of an archive.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// Maximum decompression ratio of an entry, which trained weights do not come near, and the size
/// that a small entry may have in any case: pickles compress most.
const MAX_GROWTH: u64 = 16;
const MAX_SMALL: u64 = 16 << 20;

/// Maximum size of the directory in bytes: about 150,000 entries.
const MAX_TABLE: u64 = 16 << 20;
/// Size of the end record with the longest comment.
const MAX_END: u64 = 22 + 0xffff;

const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// Value of a 32-bit field that refers to the 64-bit extension.
const ELSEWHERE: u64 = 0xffff_ffff;

/// Location of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    local: u64,
    /// Uncompressed size in bytes.
    pub size: u64,
    /// Size in the file in bytes.
    packed: u64,
    crc: u32,
    form: Form,
}

/// Compression method of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Stored,
    Deflated,
    /// Encrypted, or another method that is not used for weights.
    Other,
}

/// Reads the directory: entries by name. Fails with a reason.
pub(super) fn contents(
    file: &mut (impl Read + Seek),
    file_size: u64,
) -> Result<HashMap<String, Entry>, String> {
    let (start, size) = table(file, file_size)?;
    if size > MAX_TABLE {
        return Err("has far more entries than any list of tensors: refused".into());
    }
    let table = read_at(file, start, size)?;
    let mut entries = HashMap::new();
    let mut rest = Fields(&table);
    while !rest.0.is_empty() {
        let (name, entry) = one_entry(&mut rest)?;
        let end = entry.local.checked_add(entry.packed);
        if entry.form != Form::Other && end.is_none_or(|end| end > start) {
            let name = shown(&name);
            return Err(format!("has an entry {name} that does not fit into it"));
        }
        if entries.insert(name.clone(), entry).is_some() {
            return Err(format!("lists {} twice", shown(&name)));
        }
    }
    Ok(entries)
}

/// Returns offset and length of the directory.
fn table(file: &mut (impl Read + Seek), file_size: u64) -> Result<(u64, u64), String> {
    let n_tail = file_size.min(MAX_END);
    let tail_start = file_size - n_tail;
    let tail = read_at(file, tail_start, n_tail)?;
    let end = tail
        .windows(22)
        .rposition(|w| w.starts_with(&END.to_le_bytes()))
        .ok_or("is a truncated zip archive: download the file again")?;
    let mut fields = Fields(&tail[end..]);
    fields.skip(12)?;
    let (mut size, mut start) = (fields.number(4)?, fields.number(4)?);
    let mut table_end = tail_start + end as u64;
    if size == ELSEWHERE || start == ELSEWHERE {
        let locator = end.checked_sub(20).ok_or_else(broken)?;
        let mut fields = Fields(&tail[locator..]);
        fields.expect(LOCATOR64)?;
        fields.skip(4)?;
        table_end = fields.number(8)?;
        let record = read_at(file, table_end, 56)?;
        let mut fields = Fields(&record);
        fields.expect(END64)?;
        fields.skip(36)?;
        (size, start) = (fields.number(8)?, fields.number(8)?);
    }
    if start.checked_add(size).is_none_or(|end| end > table_end) {
        return Err(broken());
    }
    Ok((start, size))
}

fn one_entry(fields: &mut Fields<'_>) -> Result<(String, Entry), String> {
    fields.expect(ENTRY)?;
    fields.skip(4)?;
    let (flags, method) = (fields.number(2)?, fields.number(2)?);
    fields.skip(4)?;
    let crc = fields.number(4)? as u32;
    let (mut packed, mut size) = (fields.number(4)?, fields.number(4)?);
    let [n_name, n_extra, n_comment] = [fields.number(2)?, fields.number(2)?, fields.number(2)?];
    fields.skip(8)?;
    let mut local = fields.number(4)?;
    let name = String::from_utf8_lossy(fields.take(n_name as usize)?).into_owned();
    let mut extra = Fields(fields.take(n_extra as usize)?);
    fields.skip(n_comment as usize)?;
    if size == ELSEWHERE || packed == ELSEWHERE || local == ELSEWHERE {
        let mut long = extension(&mut extra)?;
        // Only fields that overflowed are present, in this order.
        if size == ELSEWHERE {
            size = long.number(8)?;
        }
        if packed == ELSEWHERE {
            packed = long.number(8)?;
        }
        if local == ELSEWHERE {
            local = long.number(8)?;
        }
    }
    let entry = Entry {
        local,
        size,
        // A stored entry has the same size in the file.
        packed: if method == 0 { size } else { packed },
        crc,
        form: match method {
            _ if flags & 1 == 1 => Form::Other,
            0 => Form::Stored,
            8 => Form::Deflated,
            _ => Form::Other,
        },
    };
    Ok((name, entry))
}

/// Returns the 64-bit extension of an entry.
fn extension<'a>(extra: &mut Fields<'a>) -> Result<Fields<'a>, String> {
    loop {
        let (id, n) = (extra.number(2)?, extra.number(2)?);
        let body = extra.take(n as usize)?;
        if id == 1 {
            return Ok(Fields(body));
        }
    }
}

/// Reads the bytes of an entry and verifies their checksum.
pub(super) fn read(
    file: &mut (impl Read + Seek),
    name: &str,
    entry: &Entry,
) -> Result<Vec<u8>, String> {
    if entry.form == Form::Other {
        return Err(format!(
            "has an entry ({}) that is encrypted or compressed in a way that torch.save never \
             uses: load and save it again in PyTorch",
            shown(name)
        ));
    }
    if entry.size > MAX_SMALL.max(entry.packed.saturating_mul(MAX_GROWTH)) {
        return Err(format!(
            "has an entry ({}) that grows {} times: refused",
            shown(name),
            entry.size / entry.packed.max(1)
        ));
    }
    let head = read_at(file, entry.local, 30)?;
    let mut fields = Fields(&head);
    fields.expect(LOCAL)?;
    fields.skip(22)?;
    let skipped = 30 + fields.number(2)? + fields.number(2)?;
    let start = entry.local.checked_add(skipped).ok_or_else(broken)?;
    let mut bytes = read_at(file, start, entry.packed)?;
    if entry.form == Form::Deflated {
        bytes = inflated(&bytes, entry.size).ok_or_else(|| damaged(name))?;
    }
    if crc32(&bytes) != entry.crc {
        return Err(damaged(name));
    }
    Ok(bytes)
}

/// Decompresses to exactly `n` bytes, never more.
fn inflated(packed: &[u8], n: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut unpacked = DeflateDecoder::new(packed).take(n.saturating_add(1));
    let n_read = unpacked.read_to_end(&mut bytes).ok()?;
    (n_read as u64 == n).then_some(bytes)
}

fn damaged(name: &str) -> String {
    let name = shown(name);
    format!("is damaged: the checksum of {name} is wrong; download the file again")
}

/// Reads `n` bytes from `start`; memory is only reserved for bytes that exist.
pub(super) fn read_at(
    file: &mut (impl Read + Seek),
    start: u64,
    n: u64,
) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("cannot be read: {e}");
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    let n_read = file.take(n).read_to_end(&mut bytes).map_err(failed)?;
    if n_read as u64 == n {
        Ok(bytes)
    } else {
        Err("is truncated: download the file again".into())
    }
}

fn broken() -> String {
    "is a zip archive with a damaged table of contents: download the file again".into()
}

/// Reader of consecutive little-endian fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, n: usize) -> Result<(), String> {
        self.take(n).map(|_| ())
    }

    fn number(&mut self, n: usize) -> Result<u64, String> {
        let bytes = self.take(n)?.iter().rev();
        Ok(bytes.fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn expect(&mut self, signature: u32) -> Result<(), String> {
        if self.number(4)? == u64::from(signature) {
            Ok(())
        } else {
            Err(broken())
        }
    }
}

/// Computes the checksum of zip archives (polynomial 0xedb88320), one byte at a time.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 8 {
                value = (value >> 1) ^ (0xedb8_8320 * (value & 1));
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| {
        (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the checksum is wrong, so that intact files are refused or damage is missed. Uses
    /// the standard's check value.
    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}

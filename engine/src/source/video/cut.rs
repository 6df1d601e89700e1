//! Recognition of files that were cut off, as by an interrupted copy, by the lengths that their
//! containers state. ffmpeg calls the last packet of such a file damaged, or does not say anything.

use std::fs::File;
use std::io::{Read, Result as IoResult, Seek, SeekFrom};
use std::path::Path;

use super::mkv_blocks;

/// Number of bytes at the beginning of a file that are examined.
const HEAD: u64 = 4096;
/// Sync byte of every packet of a transport stream.
const SYNC: u8 = 0x47;
/// Length of the header of an FLV tag, and of the number that repeats a tag's length after it.
const FLV_TAG: u64 = 11;
const FLV_LENGTH: u64 = 4;

/// Returns whether a file is shorter than its container states; false if it states nothing.
pub(super) fn is_cut_off(path: &Path) -> bool {
    File::open(path)
        .and_then(|mut file| {
            let length = file.metadata()?.len();
            is_shorter(&mut file, length)
        })
        .unwrap_or_default()
}

fn is_shorter(file: &mut (impl Read + Seek), length: u64) -> IoResult<bool> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    // Packets of 188 bytes, in files of cameras preceded by a time of 4 bytes.
    for (packet, sync) in [(188, 0), (192, 4)] {
        let is_stream = |i: usize| head.get(sync + i * packet) == Some(&SYNC);
        if (0..3).all(is_stream) {
            return Ok(!length.is_multiple_of(packet as u64));
        }
    }
    Ok(match head[..] {
        // Some programs count the first eight bytes as well, some never write the length.
        [b'R', b'I', b'F', b'F', a, b, c, d, ..] => {
            let stated = u32::from_le_bytes([a, b, c, d]);
            stated != u32::MAX && length < u64::from(stated)
        }
        [b'F', b'L', b'V', ..] => !ends_with_tag(file, length)?,
        _ if head.starts_with(&mkv_blocks::MAGIC) => {
            segment_end(&head).is_some_and(|end| end > length)
        }
        _ => false,
    })
}

/// Returns whether an FLV file ends with a whole tag and its length.
fn ends_with_tag(file: &mut (impl Read + Seek), length: u64) -> IoResult<bool> {
    let mut stated = [0; FLV_LENGTH as usize];
    file.seek(SeekFrom::End(-(FLV_LENGTH as i64)))?;
    file.read_exact(&mut stated)?;
    let stated = u64::from(u32::from_be_bytes(stated));
    let Some(begin) = length.checked_sub(FLV_LENGTH + stated) else {
        return Ok(false);
    };
    let mut tag = [0; 4];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut tag)?;
    let [_, a, b, c] = tag;
    Ok(u64::from(u32::from_be_bytes([0, a, b, c])) + FLV_TAG == stated)
}

/// Returns where the segment of a Matroska file ends; `None` if it does not state its length.
fn segment_end(head: &[u8]) -> Option<u64> {
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let (size, n) = element_size(head.get(4..)?)?;
    let begin = usize::try_from(size).ok()?.checked_add(4 + n)?;
    let segment = head.get(begin..)?.strip_prefix(&SEGMENT)?;
    let (size, n) = element_size(segment)?;
    size.checked_add((begin + SEGMENT.len() + n) as u64)
}

/// Returns the size of an EBML element and the number of bytes that state it; `None` if it is
/// unknown.
fn element_size(bytes: &[u8]) -> Option<(u64, usize)> {
    let n = bytes.first()?.leading_zeros() as usize + 1;
    let field = bytes.get(..n).filter(|_| n <= 8)?;
    let all = (1 << (7 * n)) - 1;
    let value = field
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
        & all;
    (value != all).then_some((value, n))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::open;
    use super::super::tests::{golden, has_ffmpeg};
    use super::*;

    /// Fails when a cut file counts as whole, or a whole one, also one that states no length, as cut.
    #[test]
    fn the_stated_length_decides() {
        let mut stream = vec![0; 188 * 4];
        stream.iter_mut().step_by(188).for_each(|byte| *byte = SYNC);
        let mut camera = vec![0; 192 * 4];
        camera[4..]
            .iter_mut()
            .step_by(192)
            .for_each(|byte| *byte = SYNC);
        let avi = b"RIFF\x14\0\0\0AVI LIST0123456789ab".to_vec();
        let flv = b"FLV\x01\x01\0\0\0\x09\0\0\0\0\x09\0\0\x02\0\0\0\0\0\0\0ab\0\0\0\x0d".to_vec();
        let mkv = b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x01\0\0\0\0\0\0\x04abcd".to_vec();
        for (whole, n_lost) in [(stream, 9), (camera, 9), (avi, 9), (flv, 9), (mkv, 1)] {
            let shorter = |n: usize| {
                let bytes = &whole[..whole.len() - n];
                is_shorter(&mut Cursor::new(bytes), bytes.len() as u64).unwrap()
            };
            assert!(!shorter(0) && shorter(n_lost), "{whole:?}");
        }
        let unknown = b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffabcd";
        let live = b"RIFF\xff\xff\xff\xffAVI LIST";
        for bytes in [&unknown[..], live, b"", b"G", b"FLV"] {
            let shorter = is_shorter(&mut Cursor::new(bytes), bytes.len() as u64);
            assert!(!shorter.unwrap_or_default(), "{bytes:?}");
        }
    }

    /// Fails when a cut file that ffmpeg reads is called damaged without a word on the cut, or ends
    /// like a whole one.
    #[test]
    fn a_cut_file_is_called_cut_off() {
        if !has_ffmpeg() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["vp9.webm", "mjpeg.avi"] {
            let bytes = std::fs::read(golden(name)).unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes[..bytes.len() * 3 / 4]).unwrap();
            let mut video = open(&path).unwrap();
            let mut n = 0;
            while video.next_frame().unwrap().is_some() {
                n += 1;
            }
            let warning = video.warning().unwrap();
            let line = format!("{name}: ends after {n} frame");
            assert!(warning.starts_with(&line), "{warning}");
            assert!(warning.ends_with("the file is cut off"), "{warning}");
            assert!(video.is_damaged());
        }
    }
}

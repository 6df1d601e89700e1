//! The boxes of MP4 and QuickTime files (ISO/IEC 14496-12).
//!
//! A file is a sequence of boxes. `moov` describes the tracks and, in a plain file, lists every
//! sample; in a fragmented file each `moof` lists the samples of the following `mdat`. Our own
//! traversal of boxes is not recursive and bounded by the file's length, so that truncated or
//! hostile files cost nothing; leaf boxes are parsed by `mp4_atom`.

use mp4_atom::{Atom, Elst, Mvhd};

use super::stream::{CUT_OFF, Input, read_at};

/// A top-level part of a file, found by [`walk`].
pub(in crate::source) enum Part<'a> {
    /// The body of `moov`.
    Index(&'a [u8]),
    /// The body of a `moof` and the position of the box.
    Fragment(&'a [u8], u64),
}

/// Iterates over the top-level boxes and passes on those that list samples. Returns an error in the
/// rest of the file, if any.
pub(in crate::source) fn walk(
    input: &mut dyn Input,
    file_length: u64,
    mut take: impl FnMut(Part<'_>) -> Result<(), String>,
) -> Result<Option<String>, String> {
    let mut position = 0;
    let mut body = Vec::new();
    let mut has_index = false;
    while position < file_length {
        let header = read_header(input, position, file_length)?;
        let Some(found) = header.filter(|found| !found.is_cut) else {
            // The length is damaged, or the file is cut off.
            let next = next_fragment(input, position + 1, file_length)?;
            match next.filter(|_| has_index) {
                Some(next) => position = next,
                // Media data are read up to the cut.
                None if header.is_some_and(|found| found.kind == *b"mdat") => return Ok(None),
                None => return Ok(Some(CUT_OFF.to_owned())),
            }
            continue;
        };
        let length = found.end - found.body;
        match &found.kind {
            b"moov" if !has_index => {
                read_at(input, found.body, length, &mut body)?;
                take(Part::Index(&body))?;
                has_index = true;
            }
            b"moof" if has_index => {
                if let Err(what) = read_at(input, found.body, length, &mut body) {
                    return Ok(Some(what));
                }
                take(Part::Fragment(&body, position))?;
            }
            _ => {}
        }
        position = found.end;
    }
    Ok(None)
}

/// Number of bytes searched first for a fragment, and most at once: many false ones close together
/// must not cost much.
const SEARCH_BYTES: (u64, u64) = (1 << 12, 1 << 20);

/// Returns the position of the first `moof` from `position` on; it begins with an `mfhd`.
fn next_fragment(
    input: &mut dyn Input,
    position: u64,
    file_length: u64,
) -> Result<Option<u64>, String> {
    const LENGTH: usize = 16;
    let is_fragment = |bytes: &[u8]| &bytes[4..8] == b"moof" && &bytes[12..] == b"mfhd";
    let mut position = position;
    let (mut most, max) = SEARCH_BYTES;
    let mut bytes = Vec::new();
    while file_length.saturating_sub(position) >= LENGTH as u64 {
        let n = most.min(file_length - position);
        most = (2 * most).min(max);
        read_at(input, position, n, &mut bytes)?;
        if let Some(i) = bytes.windows(LENGTH).position(is_fragment) {
            return Ok(Some(position + i as u64));
        }
        position += n - LENGTH as u64 + 1;
    }
    Ok(None)
}

/// A top-level box; `end` lies within the file.
#[derive(Clone, Copy)]
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
    is_cut: bool,
}

/// Returns `None` if there is no complete, plausible header at `position`.
fn read_header(
    input: &mut dyn Input,
    position: u64,
    file_length: u64,
) -> Result<Option<Found>, String> {
    let mut bytes = Vec::new();
    let available = (file_length - position).min(16);
    read_at(input, position, available, &mut bytes)?;
    Ok(split_header(&bytes).and_then(|(kind, header, size)| {
        let end = match size {
            Some(size) => position.checked_add(size)?,
            // Only a media data box may extend to the end of the file; zeros there come from a disk
            // that was never written.
            None if kind == *b"mdat" => file_length,
            None => return None,
        };
        Some(Found {
            kind,
            body: position + header,
            end: end.min(file_length),
            is_cut: end > file_length,
        })
    }))
}

/// Returns kind, length of the header and length of the whole box (`None`: to the end).
fn split_header(bytes: &[u8]) -> Option<([u8; 4], u64, Option<u64>)> {
    let size = u32::from_be_bytes(*bytes.first_chunk()?);
    let kind = *bytes.get(4..)?.first_chunk()?;
    match size {
        0 => Some((kind, 8, None)),
        1 => {
            let size = u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
            (size >= 16).then_some((kind, 16, Some(size)))
        }
        2..8 => None,
        size => Some((kind, 8, Some(u64::from(size)))),
    }
}

/// Iterates over the boxes inside a box's body, up to the first incomplete one.
pub(in crate::source) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, size) = split_header(bytes)?;
        let end = size.map_or(bytes.len(), |s| usize::try_from(s).unwrap_or(usize::MAX));
        let body = bytes.get(header as usize..end)?;
        bytes = &bytes[end..];
        Some((kind, body))
    })
}

/// Returns the body of the first box at `path`.
pub(in crate::source) fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, &wanted| {
        boxes(bytes).find_map(|(kind, body)| (kind == *wanted).then_some(body))
    })
}

/// Parses a box without child boxes.
pub(in crate::source) fn leaf<T: Atom>(mut body: &[u8]) -> Option<T> {
    T::decode_body(&mut body).ok()
}

/// Parses the leaf box at `path`.
pub(in crate::source) fn find_leaf<T: Atom>(bytes: &[u8], path: &[&[u8; 4]]) -> Option<T> {
    find(bytes, path).and_then(leaf)
}

/// Returns the bodies of the boxes of one kind, `trak` or `trex`.
pub(in crate::source) fn all<'a>(
    bytes: &'a [u8],
    wanted: &'a [u8; 4],
) -> impl Iterator<Item = &'a [u8]> {
    boxes(bytes).filter_map(move |(kind, body)| (kind == *wanted).then_some(body))
}

/// Returns whether the body of a `trak` has this handler: `vide`, `soun`.
pub(in crate::source) fn has_handler(trak: &[u8], kind: [u8; 4]) -> bool {
    let handler = find(trak, &[b"mdia", b"hdlr"]);
    handler.and_then(|h| h.get(8..12)) == Some(kind.as_slice())
}

/// The presented part of a track by its edit list. Editors trim clips by such a list and leave the
/// hidden samples in the file; encoders hide the samples that only initialise a decoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::source) struct Edit {
    /// Start of the track's presentation in seconds.
    pub(in crate::source) begin_secs: f64,
    /// Range of composition times presented from then on: from, up to; in ticks of the track.
    pub(in crate::source) window: (i64, i64),
    /// Composition time that is presented at `begin_secs`.
    pub(in crate::source) media_time: i64,
}

impl Edit {
    /// Parses the body of a `trak`.
    pub(in crate::source) fn of(
        trak: &[u8],
        movie: &Mvhd,
        media_scale: u32,
    ) -> Result<Self, String> {
        let list = find_leaf::<Elst>(trak, &[b"edts", b"elst"]);
        let entries = list.map(|e| e.entries).unwrap_or_default();
        let mut parts = entries.iter().filter(|e| e.media_time.is_some());
        let Some(part) = parts.next() else {
            return Ok(Self {
                begin_secs: 0.0,
                window: (i64::MIN, i64::MAX),
                media_time: 0,
            });
        };
        if parts.next().is_some() {
            return Err("was edited into several parts".into());
        }
        if part.media_rate.integer() != 1 {
            return Err("was edited to another speed".into());
        }
        let start = i64::try_from(part.media_time.unwrap_or(0)).unwrap_or(0);
        let movie_scale = movie.timescale.max(1);
        let length =
            u128::from(part.segment_duration) * u128::from(media_scale) / u128::from(movie_scale);
        // A fragmented file is written before its length is known.
        let end = match i64::try_from(length) {
            Ok(0) | Err(_) => i64::MAX,
            Ok(length) => start.saturating_add(length),
        };
        let empty = entries.iter().take_while(|e| e.media_time.is_none());
        let delay: u128 = empty.map(|e| u128::from(e.segment_duration)).sum();
        Ok(Self {
            begin_secs: delay as f64 / f64::from(movie_scale),
            window: (start, end),
            media_time: start,
        })
    }
}

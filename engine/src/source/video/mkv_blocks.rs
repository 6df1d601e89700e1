//! Matroska and WebM files (RFC 9559 based on EBML, RFC 8794).
//!
//! A file is a tree of elements; the blocks with the frames are in clusters. The reader goes
//! through the file from front to back and enters only the few elements it needs, so that it
//! follows no offset that a file declares, works without the index at the end and reads a truncated
//! file up to the cut. (The crate `matroska-demuxer` refuses a file whose index is cut off, and
//! loops forever on an index that points at itself.)

use super::ebml::{DAMAGED, Elements, child, children, number, read_id, read_size, unsigned};
use super::stream::MAX_PACKET_BYTES;

/// Element ids, with their length marker, as the RFC prints them.
pub(in crate::source) mod id {
    pub(in crate::source) const EBML: u32 = 0x1A45_DFA3;
    pub(in crate::source) const SEGMENT: u32 = 0x1853_8067;
    pub(in crate::source) const INFO: u32 = 0x1549_A966;
    pub(in crate::source) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(in crate::source) const DURATION: u32 = 0x4489;
    pub(in crate::source) const TRACKS: u32 = 0x1654_AE6B;
    pub(in crate::source) const TRACK_ENTRY: u32 = 0xAE;
    pub(in crate::source) const TRACK_NUMBER: u32 = 0xD7;
    pub(in crate::source) const TRACK_TYPE: u32 = 0x83;
    pub(in crate::source) const CODEC_ID: u32 = 0x86;
    pub(in crate::source) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(in crate::source) const LANGUAGE: u32 = 0x22_B59C;
    pub(in crate::source) const CODEC_DELAY: u32 = 0x56AA;
    pub(in crate::source) const AUDIO: u32 = 0xE1;
    pub(in crate::source) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(in crate::source) const CHANNELS: u32 = 0x9F;
    pub(in crate::source) const BIT_DEPTH: u32 = 0x6264;
    pub(in crate::source) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(in crate::source) const DEFAULT_DURATION: u32 = 0x23_E383;
    pub(in crate::source) const VIDEO: u32 = 0xE0;
    pub(in crate::source) const PIXEL_WIDTH: u32 = 0xB0;
    pub(in crate::source) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(in crate::source) const DISPLAY_WIDTH: u32 = 0x54B0;
    pub(in crate::source) const DISPLAY_HEIGHT: u32 = 0x54BA;
    pub(in crate::source) const DISPLAY_UNIT: u32 = 0x54B2;
    pub(in crate::source) const COLOUR: u32 = 0x55B0;
    pub(in crate::source) const MATRIX_COEFFICIENTS: u32 = 0x55B1;
    pub(in crate::source) const RANGE: u32 = 0x55B9;
    pub(in crate::source) const CLUSTER: u32 = 0x1F43_B675;
    pub(in crate::source) const TIMESTAMP: u32 = 0xE7;
    pub(in crate::source) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(in crate::source) const BLOCK_GROUP: u32 = 0xA0;
    pub(in crate::source) const BLOCK: u32 = 0xA1;
    /// Other elements that may occur between and inside clusters.
    pub(in crate::source) const OTHERS: [u32; 22] = [
        0xEC,
        0xBF,
        0xA7,
        0xAB,
        0x5854,
        0x9B,
        0xFB,
        0xFA,
        0xFD,
        0xA4,
        0x75A2,
        0x75A1,
        0x8E,
        0xAF,
        0x1C53_BB6B,
        0x1254_C367,
        0x1043_A770,
        0x1941_A469,
        0x114D_9B74,
        INFO,
        TRACKS,
        SEGMENT,
    ];
}

/// First bytes of every Matroska file.
pub(in crate::source) const MAGIC: [u8; 4] = id::EBML.to_be_bytes();

/// Maximum length of track descriptions, which are some hundred bytes; fonts and covers are
/// elsewhere.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;

/// Content of a file before its first cluster.
pub(in crate::source) struct Head {
    /// Nanoseconds per tick.
    pub(in crate::source) tick_nanos: u64,
    /// Declared duration in ticks: absent until a recording is finished.
    pub(in crate::source) duration_ticks: Option<f64>,
    /// The body of `Tracks`.
    pub(in crate::source) tracks: Vec<u8>,
}

impl Head {
    /// Reads up to the first cluster.
    pub(in crate::source) fn read(elements: &mut Elements) -> Result<Self, String> {
        let mut tick_nanos = 1_000_000;
        let mut duration_ticks = None;
        let mut tracks = None;
        let mut body = Vec::new();
        loop {
            let element = elements.next()?.ok_or("a Matroska file without frames")?;
            match element.id {
                id::SEGMENT => elements.enter(&element),
                id::INFO => {
                    elements.read(&element, MAX_DESCRIPTION_BYTES, &mut body)?;
                    tick_nanos = number(&body, id::TIMESTAMP_SCALE).unwrap_or(tick_nanos);
                    duration_ticks = child(&body, id::DURATION).and_then(float);
                }
                id::TRACKS => {
                    elements.read(&element, MAX_DESCRIPTION_BYTES, &mut body)?;
                    tracks = Some(std::mem::take(&mut body));
                }
                id::CLUSTER => {
                    elements.enter(&element);
                    break;
                }
                _ => elements.skip(&element)?,
            }
        }
        let tracks = tracks.ok_or("a Matroska file that describes its tracks after the frames")?;
        Ok(Self {
            tick_nanos,
            duration_ticks,
            tracks,
        })
    }

    /// Returns the descriptions of the tracks of a kind.
    pub(in crate::source) fn entries(&self, kind: u64) -> impl Iterator<Item = &[u8]> {
        children(&self.tracks)
            .filter(|(id, _)| *id == id::TRACK_ENTRY)
            .map(|(_, body)| body)
            .filter(move |entry| number(entry, id::TRACK_TYPE) == Some(kind))
    }

    /// Returns the numbers of all tracks.
    fn track_numbers(&self) -> Vec<u64> {
        children(&self.tracks)
            .filter(|(id, _)| *id == id::TRACK_ENTRY)
            .filter_map(|(_, entry)| number(entry, id::TRACK_NUMBER))
            .collect()
    }
}

/// Parses a floating-point number of 4 or 8 bytes; `None` if it is not positive.
fn float(bytes: &[u8]) -> Option<f64> {
    let value = match *bytes {
        [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
        _ => f64::from_be_bytes(bytes.try_into().ok()?),
    };
    (value.is_finite() && value > 0.0).then_some(value)
}

/// Kind of video tracks for [`Head::entries`].
pub(in crate::source) const VIDEO: u64 = 1;
/// Kind of audio tracks for [`Head::entries`].
pub(in crate::source) const AUDIO: u64 = 2;

/// Reads the blocks of one track.
pub(in crate::source) struct Blocks {
    elements: Elements,
    track: u64,
    /// Numbers of all tracks.
    tracks: Vec<u64>,
    cluster_time: i64,
    is_at_end: bool,
}

/// Header of a block whose frames were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Block {
    /// Time in ticks.
    pub(in crate::source) time: i64,
    flags: u8,
}

impl Block {
    /// Returns the lacing type of several frames that share the block; 0 for a single frame.
    pub(in crate::source) fn lacing(self) -> u8 {
        self.flags >> 1 & 3
    }
}

/// Result of reading an element.
enum Found {
    Block(Block),
    Other,
    End,
}

/// Number of bytes searched at once for a place to resume reading.
const SEARCH_BYTES: u64 = 1 << 20;
/// Maximum length of a block header: track number, time, flags.
const HEAD_BYTES: u64 = 11;

impl Blocks {
    /// Reads a track from the first cluster on, which `elements` has entered after `head`.
    pub(in crate::source) fn new(elements: Elements, head: &Head, track: u64) -> Self {
        Self {
            elements,
            track,
            tracks: head.track_numbers(),
            cluster_time: 0,
            is_at_end: false,
        }
    }

    /// Returns the position of the reader, and the time that blocks there are relative to.
    pub(in crate::source) fn place(&self) -> (u64, i64) {
        (self.elements.position, self.cluster_time)
    }

    /// Seeks to an earlier position of the reader.
    pub(in crate::source) fn go_to(&mut self, (position, time): (u64, i64)) -> Result<(), String> {
        self.cluster_time = time;
        self.is_at_end = false;
        self.elements.go_to(position)
    }

    /// Reads the next block's first bytes, at most `max`, into `data`. After an error the next call
    /// continues after the damage.
    pub(in crate::source) fn next_block(
        &mut self,
        max: u64,
        data: &mut Vec<u8>,
    ) -> Result<Option<Block>, String> {
        let mut start = self.elements.position;
        while !self.is_at_end {
            match self.element(max, data) {
                Ok(Found::Block(block)) => return Ok(Some(block)),
                Ok(Found::Other) => start = self.elements.position,
                Ok(Found::End) => break,
                Err(reason) => {
                    self.is_at_end = true;
                    self.is_at_end = !self.find_again(start + 1)?;
                    return Err(if self.is_at_end {
                        reason
                    } else {
                        DAMAGED.to_owned()
                    });
                }
            }
        }
        Ok(None)
    }

    /// Reads the next element.
    fn element(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Found, String> {
        let Some(element) = self.elements.next()? else {
            return Ok(Found::End);
        };
        match element.id {
            id::CLUSTER | id::BLOCK_GROUP => self.elements.enter(&element),
            id::TIMESTAMP => {
                self.elements.read(&element, 8, data)?;
                let time = unsigned(data).and_then(|t| i64::try_from(t).ok());
                self.cluster_time = time.ok_or(DAMAGED)?;
            }
            id::SIMPLE_BLOCK | id::BLOCK => {
                let mut behind =
                    self.elements
                        .peek(&element, MAX_PACKET_BYTES, HEAD_BYTES, data)?;
                let mut bytes = data.as_slice();
                let track = read_size(&mut bytes);
                let (Some(track), Some(&[high, low, flags])) = (track, bytes.first_chunk()) else {
                    return Err(DAMAGED.into());
                };
                if track != self.track {
                    if !self.tracks.contains(&track) {
                        return Err(DAMAGED.into());
                    }
                    self.elements.pass(behind)?;
                    return Ok(Found::Other);
                }
                let head = data.len() - bytes.len() + 3;
                data.drain(..head);
                let wanted = max.saturating_sub(data.len() as u64).min(behind);
                let there = data.len();
                data.resize(there + wanted as usize, 0);
                self.elements.fill(&mut data[there..])?;
                behind -= wanted;
                self.elements.pass(behind)?;
                let shift = i64::from(i16::from_be_bytes([high, low]));
                let time = self.cluster_time.saturating_add(shift);
                return Ok(Found::Block(Block { time, flags }));
            }
            id if id::OTHERS.contains(&id) => self.elements.skip(&element)?,
            _ => return Err(DAMAGED.into()),
        }
        Ok(Found::Other)
    }

    /// Seeks to the first place from `position` on at which a cluster or a block of the track
    /// begins; returns `false` if there is none.
    fn find_again(&mut self, position: u64) -> Result<bool, String> {
        let mut position = position;
        let mut bytes = Vec::new();
        while position < self.elements.file_length {
            self.elements.go_to(position)?;
            let n = SEARCH_BYTES.min(self.elements.file_length - position);
            bytes.resize(n as usize, 0);
            self.elements.fill(&mut bytes)?;
            let is_last = position + n == self.elements.file_length;
            let begins = |i: &usize| {
                let left = self.elements.file_length - position - *i as u64;
                let is_cluster = bytes[*i..].starts_with(&id::CLUSTER.to_be_bytes());
                is_cluster || (bytes[*i] == 0xA3 && self.is_block(&bytes[*i..], left))
            };
            // The bytes at the border are searched together with the next ones.
            let end = if is_last { n } else { n - 16 };
            if let Some(i) = (0..end as usize).find(begins) {
                self.elements.go_to(position + i as u64)?;
                return Ok(true);
            }
            if is_last {
                break;
            }
            position += end;
        }
        Ok(false)
    }

    /// Returns whether these bytes look like a block of the track that lies within the file and is
    /// followed by a known element.
    fn is_block(&self, bytes: &[u8], left: u64) -> bool {
        let mut rest = &bytes[1..];
        let Some(size) = read_size(&mut rest).filter(|&size| size > 4 && size < left) else {
            return false;
        };
        let after = rest.get(size as usize..).unwrap_or_default();
        let track = read_size(&mut rest);
        let flags = rest.get(2).copied().unwrap_or(u8::MAX);
        let is_followed = match read_id(&mut { after }) {
            Some(id) => {
                let known = [
                    id::CLUSTER,
                    id::TIMESTAMP,
                    id::SIMPLE_BLOCK,
                    id::BLOCK_GROUP,
                ];
                known.contains(&id) || id::OTHERS.contains(&id)
            }
            // The end of the file, or of the bytes read.
            None => after.is_empty(),
        };
        track == Some(self.track) && flags & !0x87 == 0 && is_followed
    }
}

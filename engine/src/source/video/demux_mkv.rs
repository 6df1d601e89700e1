//! Matroska and WebM files (RFC 9559 on top of EBML, RFC 8794).
//!
//! A file is a tree of elements; the blocks with the pictures lie in clusters. The reader goes
//! through the file from front to back and steps into the few elements it needs, so it follows no
//! offset that a file declares, works without the index at the end and reads a file that is cut
//! anywhere up to the cut. (The crate `matroska-demuxer` refuses a file whose index is cut off,
//! and follows an index that points at itself for ever.)

use super::aspect::PixelAspect;
use super::colour::ColourHint;
use super::ebml::{DAMAGED, Elements, child, children, number, read_id, read_size, unsigned};
use super::orientation::Orientation;
use super::stream::{
    Description, Input, MAX_PACKET_BYTES, Packet, Packets, Place, Stream, codec_name,
};

/// Element numbers, with their length marker, as the RFC prints them.
mod id {
    pub(super) const EBML: u32 = 0x1A45_DFA3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_A966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(super) const TRACKS: u32 = 0x1654_AE6B;
    pub(super) const TRACK_ENTRY: u32 = 0xAE;
    pub(super) const TRACK_NUMBER: u32 = 0xD7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const CODEC_ID: u32 = 0x86;
    pub(super) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(super) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(super) const DEFAULT_DURATION: u32 = 0x23_E383;
    pub(super) const VIDEO: u32 = 0xE0;
    pub(super) const PIXEL_WIDTH: u32 = 0xB0;
    pub(super) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(super) const DISPLAY_WIDTH: u32 = 0x54B0;
    pub(super) const DISPLAY_HEIGHT: u32 = 0x54BA;
    pub(super) const DISPLAY_UNIT: u32 = 0x54B2;
    pub(super) const COLOUR: u32 = 0x55B0;
    pub(super) const MATRIX_COEFFICIENTS: u32 = 0x55B1;
    pub(super) const RANGE: u32 = 0x55B9;
    pub(super) const CLUSTER: u32 = 0x1F43_B675;
    pub(super) const TIMESTAMP: u32 = 0xE7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(super) const BLOCK_GROUP: u32 = 0xA0;
    pub(super) const BLOCK: u32 = 0xA1;
    /// What else may stand between and inside clusters.
    pub(super) const OTHERS: [u32; 22] = [
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

/// The first bytes of every such file.
pub(super) const MAGIC: [u8; 4] = id::EBML.to_be_bytes();

/// Track descriptions are some hundred bytes; fonts and covers lie elsewhere.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;

/// Reads up to the first cluster. The error says why the file cannot be read.
pub(super) fn open(input: Box<dyn Input>) -> Result<Stream, String> {
    let mut elements = Elements::new(input)?;
    let mut tick_nanos = 1_000_000;
    let mut track = None;
    let mut body = Vec::new();
    loop {
        let element = elements.next()?.ok_or("a Matroska file without pictures")?;
        match element.id {
            id::SEGMENT => elements.enter(&element),
            id::INFO => {
                elements.read(&element, MAX_DESCRIPTION_BYTES, &mut body)?;
                tick_nanos = number(&body, id::TIMESTAMP_SCALE).unwrap_or(tick_nanos);
            }
            id::TRACKS => {
                elements.read(&element, MAX_DESCRIPTION_BYTES, &mut body)?;
                track = Some(Track::new(&body)?);
            }
            id::CLUSTER => {
                elements.enter(&element);
                break;
            }
            _ => elements.skip(&element)?,
        }
    }
    let track = track.ok_or("a Matroska file that describes its tracks behind the pictures")?;
    Ok(Stream {
        descriptions: vec![track.description],
        orientation: Orientation::UPRIGHT,
        tick_secs: tick_nanos as f64 * 1e-9,
        rate: track.frame_nanos.map(|nanos| 1e9 / nanos as f64),
        n_frames: None,
        packets: Box::new(MkvPackets {
            elements,
            track: track.number,
            cluster_time: 0,
            is_at_end: false,
        }),
    })
}

/// The first video track.
struct Track {
    number: u64,
    description: Description,
    frame_nanos: Option<u64>,
}

impl Track {
    /// From the body of `Tracks`.
    fn new(tracks: &[u8]) -> Result<Self, String> {
        const VIDEO: u64 = 1;
        let entry = children(tracks)
            .filter(|(id, _)| *id == id::TRACK_ENTRY)
            .map(|(_, body)| body)
            .find(|entry| number(entry, id::TRACK_TYPE) == Some(VIDEO))
            .ok_or("a Matroska file without video")?;
        let codec = child(entry, id::CODEC_ID).unwrap_or_default();
        if codec != b"V_MPEG4/ISO/AVC" {
            return Err(codec_name(&String::from_utf8_lossy(codec)));
        }
        if child(entry, id::CONTENT_ENCODINGS).is_some() {
            return Err("compressed or encrypted H.264 video".into());
        }
        let configuration = child(entry, id::CODEC_PRIVATE);
        let video = child(entry, id::VIDEO).unwrap_or_default();
        let colour = child(video, id::COLOUR).unwrap_or_default();
        let configuration = configuration
            .ok_or("H.264 video without parameters")?
            .to_vec();
        let colour = ColourHint {
            full_range: match number(colour, id::RANGE) {
                Some(1) => Some(false),
                Some(2) => Some(true),
                _ => None,
            },
            matrix: number(colour, id::MATRIX_COEFFICIENTS),
        };
        Ok(Self {
            number: number(entry, id::TRACK_NUMBER).unwrap_or(0),
            description: Description {
                configuration,
                colour,
                aspect: pixel_aspect(video),
            },
            frame_nanos: number(entry, id::DEFAULT_DURATION).filter(|&n| n > 0),
        })
    }
}

/// From the sizes in `Video`: pixels, centimetres, inches or a ratio, all of which tell the shape.
fn pixel_aspect(video: &[u8]) -> Option<PixelAspect> {
    const UNKNOWN_UNIT: u64 = 4;
    if number(video, id::DISPLAY_UNIT).is_some_and(|unit| unit >= UNKNOWN_UNIT) {
        return None;
    }
    let size = |width, height| Some((number(video, width)?, number(video, height)?));
    let stored = size(id::PIXEL_WIDTH, id::PIXEL_HEIGHT)?;
    let shown = (
        number(video, id::DISPLAY_WIDTH).unwrap_or(stored.0),
        number(video, id::DISPLAY_HEIGHT).unwrap_or(stored.1),
    );
    // What says no more than the default leaves the word to the stream.
    (shown != stored)
        .then(|| PixelAspect::of_sizes(stored, shown))
        .flatten()
}

/// Reads the blocks of one track.
struct MkvPackets {
    elements: Elements,
    track: u64,
    cluster_time: i64,
    is_at_end: bool,
}

impl Packets for MkvPackets {
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        let mut start = self.elements.position;
        while !self.is_at_end {
            match self.element(max, data) {
                Ok(Found::Packet(packet)) => return Ok(Some(packet)),
                Ok(Found::Other) => start = self.elements.position,
                Ok(Found::End) => break,
                Err(reason) => {
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

    fn place(&self) -> Place {
        Place {
            position: self.elements.position,
            base_time: self.cluster_time,
        }
    }

    fn go_to(&mut self, place: Place) -> Result<(), String> {
        self.cluster_time = place.base_time;
        self.is_at_end = false;
        self.elements.go_to(place.position)
    }
}

/// What the next element was.
enum Found {
    Packet(Packet),
    Other,
    End,
}

/// Bytes that are searched at once for the place where reading can go on.
const SEARCH_BYTES: u64 = 1 << 20;

impl MkvPackets {
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
                // The head of the block itself has 4 to 11 bytes.
                let max = max.saturating_add(11);
                self.elements
                    .read_head(&element, MAX_PACKET_BYTES, max, data)?;
                if let Some(packet) = self.unwrap_block(data)? {
                    return Ok(Found::Packet(packet));
                }
            }
            id if id::OTHERS.contains(&id) => self.elements.skip(&element)?,
            _ => return Err(DAMAGED.into()),
        }
        Ok(Found::Other)
    }

    /// Goes to the first place from `position` on at which a cluster or a block of the track
    /// begins; `false` when there is none.
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
            // What lies across the border is looked at with the next bytes.
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

    /// Whether these bytes look like a block of the track that lies within the file, with a known
    /// element behind it.
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
            // The end of the file, or of what has been read.
            None => after.is_empty(),
        };
        track == Some(self.track) && flags & !0x81 == 0 && is_followed
    }
}

/// The bits of a block's flags that say how many pictures share it.
const LACING: u8 = 0b110;

impl MkvPackets {
    /// Takes the head off a block; `None` when it belongs to another track.
    fn unwrap_block(&self, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        let mut bytes = data.as_slice();
        let track = read_size(&mut bytes);
        let (Some(track), Some(&[high, low, flags])) = (track, bytes.first_chunk()) else {
            return Err(DAMAGED.into());
        };
        if track != self.track {
            return Ok(None);
        }
        if flags & LACING != 0 {
            return Err("H.264 video with laced blocks".into());
        }
        let head = data.len() - bytes.len() + 3;
        data.drain(..head);
        let shift = i64::from(i16::from_be_bytes([high, low]));
        Ok(Some(Packet {
            pts: self.cluster_time.saturating_add(shift),
            is_shown: true,
            description: 0,
        }))
    }
}

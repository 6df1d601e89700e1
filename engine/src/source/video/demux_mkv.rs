//! Matroska and WebM files (RFC 9559 on top of EBML, RFC 8794).
//!
//! A file is a tree of elements; the blocks with the pictures lie in clusters. The reader goes
//! through the file from front to back and steps into the few elements it needs, so it follows no
//! offset that a file declares, works without the index at the end and reads a file that is cut
//! anywhere up to the cut. (The crate `matroska-demuxer` refuses a file whose index is cut off,
//! and follows an index that points at itself for ever.)

use std::io::{BufReader, Read};

use super::colour::ColourHint;
use super::orientation::Orientation;
use super::stream::{
    CUT_OFF, Input, MAX_PACKET_BYTES, Packet, Packets, Place, Stream, codec_name, length,
    read_error,
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
    pub(super) const COLOUR: u32 = 0x55B0;
    pub(super) const MATRIX_COEFFICIENTS: u32 = 0x55B1;
    pub(super) const RANGE: u32 = 0x55B9;
    pub(super) const CLUSTER: u32 = 0x1F43_B675;
    pub(super) const TIMESTAMP: u32 = 0xE7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(super) const BLOCK_GROUP: u32 = 0xA0;
    pub(super) const BLOCK: u32 = 0xA1;
}

/// The first bytes of every such file.
pub(super) const MAGIC: [u8; 4] = id::EBML.to_be_bytes();

/// Track descriptions are some hundred bytes; fonts and covers lie elsewhere.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;

/// Reads up to the first cluster. The error says why the file cannot be read.
pub(super) fn open(mut input: Box<dyn Input>) -> Result<Stream, String> {
    let file_length = length(&mut input)?;
    input.rewind().map_err(|e| read_error(&e))?;
    let mut elements = Elements {
        input: BufReader::new(input),
        position: 0,
        declared_end: 0,
        file_length,
    };
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
        configuration: track.configuration,
        orientation: Orientation::UPRIGHT,
        colour: track.colour,
        tick_secs: tick_nanos as f64 * 1e-9,
        rate: track.frame_nanos.map(|nanos| 1e9 / nanos as f64),
        n_frames: None,
        packets: Box::new(MkvPackets {
            elements,
            track: track.number,
            cluster_time: 0,
        }),
    })
}

/// The first video track.
struct Track {
    number: u64,
    configuration: Vec<u8>,
    colour: ColourHint,
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
        let colour = child(entry, id::VIDEO).and_then(|video| child(video, id::COLOUR));
        let colour = colour.unwrap_or_default();
        Ok(Self {
            number: number(entry, id::TRACK_NUMBER).unwrap_or(0),
            configuration: configuration
                .ok_or("H.264 video without parameters")?
                .to_vec(),
            colour: ColourHint {
                full_range: match number(colour, id::RANGE) {
                    Some(1) => Some(false),
                    Some(2) => Some(true),
                    _ => None,
                },
                matrix: number(colour, id::MATRIX_COEFFICIENTS),
            },
            frame_nanos: number(entry, id::DEFAULT_DURATION).filter(|&n| n > 0),
        })
    }
}

/// The elements inside an element's body, up to the first that is not whole.
fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let id = read_id(&mut bytes)?;
        let size = read_size(&mut bytes)?;
        let (body, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
        bytes = rest;
        Some((id, body))
    })
}

/// The body of the first child with this number.
fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    children(bytes).find_map(|(found, body)| (found == id).then_some(body))
}

/// An unsigned integer among the children.
fn number(bytes: &[u8], id: u32) -> Option<u64> {
    child(bytes, id).and_then(unsigned)
}

/// A big-endian integer of up to 8 bytes.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// An element's number of 1 to 4 bytes, length marker kept.
fn read_id(bytes: &mut &[u8]) -> Option<u32> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (id, rest) = bytes.split_at_checked(length).filter(|_| length <= 4)?;
    *bytes = rest;
    unsigned(id).map(|id| id as u32)
}

/// A length that live recorders write because they do not know the true one.
const UNKNOWN: u64 = u64::MAX;

/// A length of 1 to 8 bytes; all ones mean [`UNKNOWN`].
fn read_size(bytes: &mut &[u8]) -> Option<u64> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (size, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    *bytes = rest;
    let mask = (1 << (7 * length)) - 1;
    let size = unsigned(size)? & mask;
    Some(if size == mask { UNKNOWN } else { size })
}

/// An element that was met in the file; the reader stands at its body.
struct Element {
    id: u32,
    size: u64,
}

/// Goes through the file from front to back.
struct Elements {
    input: BufReader<Box<dyn Input>>,
    position: u64,
    /// Where the elements that were entered say they end.
    declared_end: u64,
    file_length: u64,
}

impl Elements {
    /// The next element's head, `None` at the file's end.
    fn next(&mut self) -> Result<Option<Element>, String> {
        if self.position == self.file_length {
            let is_cut = self.declared_end > self.file_length;
            return if is_cut {
                Err(CUT_OFF.into())
            } else {
                Ok(None)
            };
        }
        let mut head = [0; 12];
        self.fill(&mut head[..1])?;
        let id_length = head[0].leading_zeros() as usize + 1;
        if id_length > 4 {
            return Err("there is damage in the file".into());
        }
        self.fill(&mut head[1..=id_length])?;
        let size_length = head[id_length].leading_zeros() as usize + 1;
        if size_length > 8 {
            return Err("there is damage in the file".into());
        }
        self.fill(&mut head[id_length + 1..id_length + size_length])?;
        let mut bytes = &head[..];
        let id = read_id(&mut bytes).unwrap_or(0);
        let size = read_size(&mut bytes).unwrap_or(UNKNOWN);
        Ok(Some(Element { id, size }))
    }

    /// The element's whole body.
    fn read(&mut self, element: &Element, max: u64, body: &mut Vec<u8>) -> Result<(), String> {
        self.read_head(element, max, u64::MAX, body)
    }

    /// The first `wanted` bytes of the element's body; the reader then stands behind all of it.
    fn read_head(
        &mut self,
        element: &Element,
        max: u64,
        wanted: u64,
        body: &mut Vec<u8>,
    ) -> Result<(), String> {
        let size = self.size_within_file(element)?;
        if size > max {
            return Err(format!("a part of it claims to be {size} bytes long"));
        }
        let wanted = size.min(wanted);
        body.resize(wanted as usize, 0);
        self.fill(body)?;
        self.pass(size - wanted)
    }

    /// Goes on with the element's children.
    fn enter(&mut self, element: &Element) {
        if element.size != UNKNOWN {
            let end = self.position.saturating_add(element.size);
            self.declared_end = self.declared_end.max(end);
        }
    }

    fn skip(&mut self, element: &Element) -> Result<(), String> {
        let size = self.size_within_file(element)?;
        self.pass(size)
    }

    fn pass(&mut self, n: u64) -> Result<(), String> {
        self.position += n;
        self.input
            .seek_relative(n as i64)
            .map_err(|e| read_error(&e))
    }

    fn go_to(&mut self, position: u64) -> Result<(), String> {
        let distance = position as i64 - self.position as i64;
        self.position = position;
        self.input
            .seek_relative(distance)
            .map_err(|e| read_error(&e))
    }

    fn size_within_file(&self, element: &Element) -> Result<u64, String> {
        if element.size > self.file_length - self.position {
            return Err(CUT_OFF.into());
        }
        Ok(element.size)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.input.read_exact(bytes).map_err(|e| read_error(&e))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

/// Reads the blocks of one track.
struct MkvPackets {
    elements: Elements,
    track: u64,
    cluster_time: i64,
}

impl Packets for MkvPackets {
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        while let Some(element) = self.elements.next()? {
            match element.id {
                id::CLUSTER | id::BLOCK_GROUP => self.elements.enter(&element),
                id::TIMESTAMP => {
                    self.elements.read(&element, 8, data)?;
                    let time = unsigned(data).and_then(|t| i64::try_from(t).ok());
                    self.cluster_time = time.ok_or("there is damage in the file")?;
                }
                id::SIMPLE_BLOCK | id::BLOCK => {
                    // The head of the block itself has 4 to 11 bytes.
                    let max = max.saturating_add(11);
                    self.elements
                        .read_head(&element, MAX_PACKET_BYTES, max, data)?;
                    if let Some(packet) = self.unwrap_block(data)? {
                        return Ok(Some(packet));
                    }
                }
                _ => self.elements.skip(&element)?,
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
        self.elements.go_to(place.position)
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
            return Err("there is damage in the file".into());
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
        }))
    }
}

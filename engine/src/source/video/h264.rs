//! H.264 decoding from packets to frames in presentation order.
//!
//! The decoder returns frames in presentation order but without their times, and delayed by some
//! packets. Times are therefore kept in a heap: each frame takes the earliest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::aspect::PixelAspect;
use super::colour::{Colour, ColourHint, Planes};
use super::sps;
use super::stream::{Description, Packet};
use crate::geometry::Size;

/// NAL unit types that are passed to the decoder (H.264 table 7-1): slices and parameter sets.
/// Others are hints, or layers and views (SVC, MVC) that are not shown.
const SLICE: u8 = 1;
const SLICE_OF_KEY_PICTURE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

/// Maximum number of delayed frames (H.264 clause A.3.1: 16 frames); if more times are waiting,
/// frames were lost and times would be wrong.
const MAX_WAITING: usize = 18;

/// A frame's time and display parameters, ordered by presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) packet: Packet,
    pub(super) colour: Colour,
    pub(super) aspect: PixelAspect,
}

/// A decoder for one stream.
pub(super) struct H264 {
    decoder: Decoder,
    descriptions: Arc<[Description]>,
    /// Index of the description whose parameter sets the decoder has.
    active: u16,
    colour: Colour,
    aspect: PixelAspect,
    /// Display parameters in the active description's first parameter set.
    #[expect(
        clippy::option_option,
        reason = "not told yet differs from told without an aspect"
    )]
    first_told: Option<Option<PixelAspect>>,
    /// Parameter sets by NAL unit type and id, each as it was last received.
    parameters: BTreeMap<(u8, u64), Vec<u8>>,
    /// The most recent sequence parameter set.
    sequence: Vec<u8>,
    /// Whether it differs from those that the decoder has: the decoder confuses them if the frame
    /// size stays the same.
    is_other_sequence: bool,
    /// Whether delayed frames were taken from the decoder, which then fails to decode the frames of
    /// the next group that refer to several others: it has to be replaced.
    is_spent: bool,
    waiting: BinaryHeap<Reverse<Stamp>>,
    /// A frame that could not be decoded; the decoder may return a part of it.
    broken: Option<Stamp>,
    /// A packet with start codes for the decoder; kept to reuse its memory.
    annex_b: Vec<u8>,
}

impl H264 {
    /// Creates a decoder for the first description. The error names the kind of stream that is not
    /// supported here.
    pub(super) fn new(descriptions: Arc<[Description]>) -> Result<Self, String> {
        let mut this = Self {
            decoder: new_decoder()?,
            descriptions,
            active: 0,
            colour: ColourHint::default().resolve()?,
            aspect: PixelAspect::SQUARE,
            first_told: None,
            parameters: BTreeMap::new(),
            sequence: Vec::new(),
            is_other_sequence: false,
            is_spent: false,
            waiting: BinaryHeap::new(),
            broken: None,
            annex_b: Vec::new(),
        };
        // Later descriptions must be supported as well: otherwise the whole file goes to another
        // decoder.
        for description in (0..this.descriptions.len() as u16).rev() {
            this.annex_b.clear();
            this.activate(description)?;
        }
        this.is_other_sequence = false;
        // An empty record is allowed: the parameter sets are then in the packets.
        if !this.annex_b.is_empty() {
            let parameters = std::mem::take(&mut this.annex_b);
            let taken = this.decoder.decode(&parameters).map(drop);
            taken.map_err(|_| DAMAGED_PARAMETERS.to_owned())?;
        }
        Ok(this)
    }

    /// Prepends the parameter sets of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 clause
    /// 5.3.3.1) to the next packet.
    fn activate(&mut self, description: u16) -> Result<(), String> {
        let damaged = || DAMAGED_PARAMETERS.to_owned();
        let descriptions = Arc::clone(&self.descriptions);
        let of = descriptions
            .get(usize::from(description))
            .ok_or_else(damaged)?;
        self.active = description;
        self.first_told = None;
        self.colour = of.colour.resolve()?;
        self.aspect = of.aspect.unwrap_or(PixelAspect::SQUARE);
        let &[1, _, _, _, _, n_sequence] = of.configuration.first_chunk().ok_or_else(damaged)?
        else {
            return Err(damaged());
        };
        let mut rest = &of.configuration[6..];
        for _ in 0..n_sequence & 31 {
            let nal = take_nal(&mut rest, 2).ok_or_else(damaged)?;
            self.add_nal(nal)?;
        }
        let (&n_picture, mut rest) = rest.split_first().ok_or_else(damaged)?;
        for _ in 0..n_picture {
            let nal = take_nal(&mut rest, 2).ok_or_else(damaged)?;
            self.add_nal(nal)?;
        }
        Ok(())
    }

    /// Decodes one packet; `show` receives the frame that is due, if any. After an error only call
    /// [`H264::finish`].
    pub(super) fn decode(
        &mut self,
        packet: Packet,
        data: &[u8],
        mut show: impl FnMut(Stamp, &Planes),
    ) -> Result<(), String> {
        let annex_b = self.annex_b(packet, data);
        let (colour, aspect) = (self.colour, self.aspect);
        let stamp = Stamp {
            packet,
            colour,
            aspect,
        };
        let picture = annex_b.and_then(|()| {
            let is_other = std::mem::take(&mut self.is_other_sequence) && self.waiting.is_empty();
            let is_spent = std::mem::take(&mut self.is_spent);
            if is_other || is_spent {
                self.decoder = new_decoder()?;
                // Sequence parameters first. Those that are in the packet, too, do no harm.
                let sets = self.parameters.values();
                let known: Vec<u8> = sets.flat_map(|nal| with_start_code(nal)).collect();
                self.annex_b.splice(0..0, known);
            }
            let decoded = self.decoder.decode(&self.annex_b);
            decoded.map_err(|_| "a frame cannot be decoded".to_owned())
        });
        let picture = match picture {
            Ok(picture) => picture,
            Err(reason) => {
                self.broken = Some(stamp);
                return Err(reason);
            }
        };
        self.waiting.push(Reverse(stamp));
        if let Some(picture) = picture
            && let Some(Reverse(stamp)) = self.waiting.pop()
        {
            show(stamp, &planes(&picture));
        }
        if self.waiting.len() > MAX_WAITING {
            return Err("frames are missing".into());
        }
        Ok(())
    }

    /// Converts a packet to the decoder's format.
    fn annex_b(&mut self, packet: Packet, data: &[u8]) -> Result<(), String> {
        self.annex_b.clear();
        if packet.description != self.active {
            self.activate(packet.description)?;
        }
        let length_bytes = self.descriptions[usize::from(self.active)].length_bytes();
        let mut has_picture = false;
        let mut rest = data;
        while !rest.is_empty() {
            let nal = take_nal(&mut rest, length_bytes).ok_or("an invalid length")?;
            has_picture |= self.add_nal(nal)?;
        }
        if has_picture {
            Ok(())
        } else {
            Err("a frame is missing".into())
        }
    }

    /// Returns the delayed frames through `show`, and the packets that were lost.
    pub(super) fn finish(&mut self, mut show: impl FnMut(Stamp, &Planes)) -> Vec<Packet> {
        let pictures = self.decoder.flush_remaining().unwrap_or_default();
        self.is_spent |= !pictures.is_empty();
        let mut lost = Vec::new();
        let broken = self.broken.take();
        if let Some(broken) = broken {
            if pictures.len() > self.waiting.len() {
                self.waiting.push(Reverse(broken));
            } else {
                lost.push(broken.packet);
            }
        }
        // A lost frame precedes those that come after it, so the earliest times are the lost ones.
        while self.waiting.len() > pictures.len() {
            lost.extend(self.waiting.pop().map(|Reverse(stamp)| stamp.packet));
        }
        for picture in &pictures {
            match self.waiting.pop() {
                Some(Reverse(stamp)) if Some(stamp) == broken => lost.push(stamp.packet),
                Some(Reverse(stamp)) => show(stamp, &planes(picture)),
                None => {}
            }
        }
        lost
    }

    /// Appends a relevant NAL unit to the packet for the decoder; returns whether it is part of a
    /// frame.
    fn add_nal(&mut self, nal: &[u8]) -> Result<bool, String> {
        let kind = nal.first().map_or(0, |byte| byte & 31);
        match kind {
            SEQUENCE_PARAMETERS => {
                let told = sps::check(nal)?;
                if self.sequence != nal {
                    self.is_other_sequence = !self.sequence.is_empty();
                    self.sequence = nal.to_vec();
                }
                let container = &self.descriptions[usize::from(self.active)];
                self.colour = told.colour.or(container.colour).resolve()?;
                // The container's declaration applies to the stream at its start.
                let first = *self.first_told.get_or_insert(told.aspect);
                let aspect = if told.aspect == first {
                    container.aspect.or(told.aspect)
                } else {
                    told.aspect.or(container.aspect)
                };
                self.aspect = aspect.unwrap_or(PixelAspect::SQUARE);
            }
            SLICE | SLICE_OF_KEY_PICTURE | PICTURE_PARAMETERS => {}
            _ => return Ok(false),
        }
        if let SEQUENCE_PARAMETERS | PICTURE_PARAMETERS = kind {
            let id = sps::parameter_set_id(nal).unwrap_or_default();
            self.parameters.insert((kind, id), nal.to_vec());
        }
        self.annex_b.extend(with_start_code(nal));
        Ok(matches!(kind, SLICE | SLICE_OF_KEY_PICTURE))
    }
}

fn new_decoder() -> Result<Decoder, String> {
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    Decoder::with_api_config(OpenH264API::from_source(), config)
        .map_err(|e| format!("H.264 video, but the decoder does not start ({e})"))
}

/// Returns a NAL unit as in a byte stream (H.264 annex B).
fn with_start_code(nal: &[u8]) -> impl Iterator<Item = u8> {
    [0, 0, 0, 1].into_iter().chain(nal.iter().copied())
}

const DAMAGED_PARAMETERS: &str = "H.264 video with damaged parameters";

/// Takes a NAL unit, preceded by its big-endian length of `length_bytes`, off `bytes`.
fn take_nal<'a>(bytes: &mut &'a [u8], length_bytes: usize) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_at_checked(length_bytes)?;
    let length = length.iter().fold(0, |n, &b| n << 8 | usize::from(b));
    let (nal, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(nal)
}

fn planes<'a>(picture: &'a DecodedYUV) -> Planes<'a> {
    let (width, height) = picture.dimensions();
    let (y_stride, uv_stride, _) = picture.strides();
    Planes {
        size: Size::new(width, height),
        y: picture.y(),
        u: picture.u(),
        v: picture.v(),
        y_stride,
        uv_stride,
    }
}

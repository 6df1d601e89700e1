//! H.264 pictures from packets, in the order in which they are shown.
//!
//! The decoder gives pictures back in order of presentation but without their times, some packets
//! later. Times are therefore kept in a heap: each picture that comes out takes the earliest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::colour::{Colour, ColourHint, Planes};
use super::sps;
use super::stream::Packet;
use crate::geometry::Size;

/// NAL unit types that reach the decoder (H.264 table 7-1): slices and parameter sets. The others
/// are hints, or layers and views (SVC, MVC) that are not shown.
const SLICE: u8 = 1;
const SLICE_OF_KEY_PICTURE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;

/// More pictures than this are never held back (H.264 clause A.3.1: 16 frames); when more times
/// wait, pictures were lost and times would be off.
const MAX_WAITING: usize = 18;

/// A picture's time and colours, in order of presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) packet: Packet,
    pub(super) colour: Colour,
}

/// A decoder for one stream.
pub(super) struct H264 {
    decoder: Decoder,
    /// Bytes of the length in front of each NAL unit.
    length_bytes: usize,
    container_colour: ColourHint,
    colour: Colour,
    waiting: BinaryHeap<Reverse<Stamp>>,
    /// A packet with start codes, as the decoder wants it; kept for its memory.
    annex_b: Vec<u8>,
}

impl H264 {
    /// From an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 clause 5.3.3.1). The error says
    /// what the stream is that cannot be decoded here.
    pub(super) fn new(configuration: &[u8], container_colour: ColourHint) -> Result<Self, String> {
        let damaged = || "H.264 video with damaged parameters".to_owned();
        let &[1, _, _, _, length_field, n_sequence] =
            configuration.first_chunk().ok_or_else(damaged)?
        else {
            return Err(damaged());
        };
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|e| format!("H.264 video, but the decoder does not start ({e})"))?;
        let mut this = Self {
            decoder,
            length_bytes: usize::from(length_field & 3) + 1,
            container_colour,
            colour: container_colour.resolve()?,
            waiting: BinaryHeap::new(),
            annex_b: Vec::new(),
        };
        let mut rest = &configuration[6..];
        for _ in 0..n_sequence & 31 {
            let nal = take_nal(&mut rest, 2).ok_or_else(damaged)?;
            this.add_nal(nal)?;
        }
        let (&n_picture, mut rest) = rest.split_first().ok_or_else(damaged)?;
        for _ in 0..n_picture {
            let nal = take_nal(&mut rest, 2).ok_or_else(damaged)?;
            this.add_nal(nal)?;
        }
        // An empty record is allowed: the parameters then come with the pictures.
        if !this.annex_b.is_empty() {
            this.decoder.decode(&this.annex_b).map_err(|_| damaged())?;
        }
        Ok(this)
    }

    /// Decodes one packet; `show` gets the picture that is due, if any.
    pub(super) fn decode(
        &mut self,
        packet: Packet,
        data: &[u8],
        mut show: impl FnMut(Stamp, &Planes),
    ) -> Result<(), String> {
        self.annex_b.clear();
        let mut has_picture = false;
        let mut rest = data;
        while !rest.is_empty() {
            let nal = take_nal(&mut rest, self.length_bytes)
                .ok_or("there is damage in the file (a length does not fit)")?;
            has_picture |= self.add_nal(nal)?;
        }
        if self.annex_b.is_empty() {
            return Ok(());
        }
        let picture = self
            .decoder
            .decode(&self.annex_b)
            .map_err(|_| "there is damage in the file (a picture cannot be decoded)")?;
        if has_picture {
            let colour = self.colour;
            self.waiting.push(Reverse(Stamp { packet, colour }));
        }
        if let Some(picture) = picture
            && let Some(Reverse(stamp)) = self.waiting.pop()
        {
            show(stamp, &planes(&picture));
        }
        if self.waiting.len() > MAX_WAITING {
            return Err("there is damage in the file (pictures are missing)".into());
        }
        Ok(())
    }

    /// Gives the pictures that are still held back, and says whether all came.
    pub(super) fn finish(&mut self, mut show: impl FnMut(Stamp, &Planes)) -> Result<(), String> {
        let pictures = self
            .decoder
            .flush_remaining()
            .map_err(|_| "there is damage in the file (the last pictures are lost)")?;
        let n_lost = self.waiting.len().saturating_sub(pictures.len());
        // A picture is lost before those that come after it, so the earliest times are the lost.
        for _ in 0..n_lost {
            self.waiting.pop();
        }
        for picture in &pictures {
            if let Some(Reverse(stamp)) = self.waiting.pop() {
                show(stamp, &planes(picture));
            }
        }
        match n_lost {
            0 => Ok(()),
            n => Err(format!("{n} pictures could not be decoded")),
        }
    }

    /// Appends a NAL unit to the packet for the decoder if it is of use; says whether it is a
    /// part of a picture.
    fn add_nal(&mut self, nal: &[u8]) -> Result<bool, String> {
        let kind = nal.first().map_or(0, |byte| byte & 31);
        match kind {
            SEQUENCE_PARAMETERS => {
                let hint = sps::check(nal)?.or(self.container_colour);
                self.colour = hint.resolve()?;
            }
            SLICE | SLICE_OF_KEY_PICTURE | PICTURE_PARAMETERS => {}
            _ => return Ok(false),
        }
        self.annex_b.extend([0, 0, 0, 1]);
        self.annex_b.extend_from_slice(nal);
        Ok(matches!(kind, SLICE | SLICE_OF_KEY_PICTURE))
    }
}

/// Takes a NAL unit with a big-endian length of `length_bytes` in front off `bytes`.
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

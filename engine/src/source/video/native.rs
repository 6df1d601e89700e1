//! Videos that are read without any help: H.264 in MP4 and Matroska.

use std::collections::VecDeque;
use std::time::Instant;

use super::colour::{Colour, Planes, rgba_from_yuv420};
use super::h264::{H264, Stamp};
use super::orientation::Orientation;
use super::stream::{Input, Packets, Stream, read_error};
use super::{demux_mkv, demux_mp4};
use crate::error::Result;
use crate::frame::{BYTES_PER_PIXEL, Frame, FramePool};
use crate::source::{FrameSource, SourceInfo};

/// A container with an H.264 stream.
pub(super) struct NativeVideo {
    info: SourceInfo,
    packets: Box<dyn Packets>,
    decoder: H264,
    developer: Developer,
    /// A packet's bytes; kept for their memory.
    data: Vec<u8>,
    is_ended: bool,
    /// Why it ended, if not by itself.
    damage: Option<String>,
    warning: Option<String>,
}

/// Makes frames of decoded pictures, in order.
struct Developer {
    darkroom: Darkroom,
    tick_secs: f64,
    first_pts: Option<i64>,
    n_frames: u64,
    last_secs: f64,
    ready: VecDeque<Frame>,
}

/// Turns decoded pictures into colours, the right way up.
pub(super) struct Darkroom {
    pool: FramePool,
    orientation: Orientation,
    /// A picture before it is turned; kept for its memory.
    lying: Vec<u8>,
}

impl Darkroom {
    pub(super) fn new(orientation: Orientation) -> Self {
        Self {
            pool: FramePool::new(),
            orientation,
            lying: Vec::new(),
        }
    }

    /// The frame `id` of this picture.
    pub(super) fn frame(&mut self, id: u64, secs: f64, planes: &Planes, colour: Colour) -> Frame {
        let size = self.orientation.apply_to(planes.size);
        let mut pixels = self.pool.take(size);
        if self.orientation == Orientation::UPRIGHT {
            rgba_from_yuv420(planes, colour, pixels.bytes_mut());
        } else {
            self.lying.resize(size.area() * BYTES_PER_PIXEL, 0);
            rgba_from_yuv420(planes, colour, &mut self.lying);
            self.orientation
                .turn(&self.lying, planes.size, pixels.bytes_mut());
        }
        Frame::new(id, secs, size, pixels)
    }
}

impl NativeVideo {
    /// Opens a video and decodes its first frame. The error says what the input is instead, or
    /// what is wrong with it; the caller adds the name.
    pub(super) fn open(input: Box<dyn Input>, name: &str) -> Result<Self, String> {
        Self::start(open_stream(input)?, name)
    }

    fn start(stream: Stream, name: &str) -> Result<Self, String> {
        let mut this = Self {
            info: SourceInfo {
                name: name.to_owned(),
                size: None,
                rate: stream.rate,
                n_frames: stream.n_frames,
                is_live: false,
            },
            decoder: H264::new(&stream.configuration, stream.colour)?,
            packets: stream.packets,
            developer: Developer {
                darkroom: Darkroom::new(stream.orientation),
                tick_secs: stream.tick_secs,
                first_pts: None,
                n_frames: 0,
                last_secs: 0.0,
                ready: VecDeque::new(),
            },
            data: Vec::new(),
            is_ended: false,
            damage: None,
            warning: None,
        };
        this.fill();
        let Some(first) = this.developer.ready.front() else {
            let reason = this.damage.as_deref().unwrap_or("it is empty");
            return Err(format!("H.264 video without a first frame ({reason})"));
        };
        this.info.size = Some(first.size());
        Ok(this)
    }

    /// Decodes until a frame is ready or there are no more.
    fn fill(&mut self) {
        while self.developer.ready.is_empty() && !self.is_ended {
            if let Some(end) = self.step().transpose() {
                self.is_ended = true;
                let finished = self.decoder.finish(|s, p| self.developer.develop(s, p));
                self.damage = end.and(finished).err();
            }
        }
    }

    /// Decodes one packet; `Some` at the end.
    fn step(&mut self) -> Result<Option<()>, String> {
        let Some(packet) = self.packets.next_packet(&mut self.data)? else {
            return Ok(Some(()));
        };
        self.decoder
            .decode(packet, &self.data, |s, p| self.developer.develop(s, p))?;
        Ok(None)
    }
}

/// The H.264 stream in a container, whichever it is. The error says what the input is instead.
pub(super) fn open_stream(mut input: Box<dyn Input>) -> Result<Stream, String> {
    let mut magic = [0; 8];
    input
        .read_exact(&mut magic)
        .map_err(|_| "neither MP4 nor Matroska")?;
    input.rewind().map_err(|e| read_error(&e))?;
    // QuickTime files from before the `ftyp` box start with one of the others.
    if magic.starts_with(&demux_mkv::MAGIC) {
        demux_mkv::open(input)
    } else if matches!(&magic[4..], b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide") {
        demux_mp4::open(input)
    } else {
        Err("neither MP4 nor Matroska".into())
    }
}

impl Developer {
    fn develop(&mut self, stamp: Stamp, planes: &Planes) {
        if !stamp.packet.is_shown {
            return;
        }
        let pts = stamp.packet.pts;
        let first = *self.first_pts.get_or_insert(pts);
        // A stream with contradictory times must not run backwards.
        let secs = pts.saturating_sub(first) as f64 * self.tick_secs;
        self.last_secs = secs.max(self.last_secs);
        let frame = self
            .darkroom
            .frame(self.n_frames, self.last_secs, planes, stamp.colour);
        self.n_frames += 1;
        self.ready.push_back(frame);
    }
}

impl FrameSource for NativeVideo {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.fill();
        let Some(mut frame) = self.developer.ready.pop_front() else {
            if let Some(damage) = self.damage.take() {
                let (n, secs) = (self.developer.n_frames, self.developer.last_secs);
                let name = &self.info.name;
                let warning = format!("{name}: ends after {n} frames, at {secs:.2} s: {damage}");
                self.warning = Some(warning);
            }
            return Ok(None);
        };
        // It may have been decoded ahead of its turn: latency counts from here.
        frame.captured = Instant::now();
        Ok(Some(frame))
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

//! Videos with native decoding: H.264 in MP4 and Matroska.
//!
//! A key frame and the frames up to the next one are a group. Frames after damage inside a group
//! are unreliable: decoding resumes at the next group. Lost frames keep their ids.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::colour::{Planes, rgba_from_yuv420};
use super::damage::Losses;
use super::h264::{H264, Stamp};
use super::orientation::Orientation;
use super::pace::Pace;
use super::stream::{
    CUT_OFF, Description, Input, Packet, Packets, Stream, first_slice, read_error,
};
use super::{demux_mkv, demux_mp4, mkv_blocks};
use crate::error::Result;
use crate::frame::{BYTES_PER_PIXEL, Frame, FramePool, resample};
use crate::source::{FrameSource, SourceInfo};

/// A container with an H.264 stream.
pub(super) struct NativeVideo {
    info: SourceInfo,
    descriptions: Arc<[Description]>,
    packets: Box<dyn Packets>,
    decoder: H264,
    assembler: FrameAssembler,
    /// Bytes of a packet; kept to reuse the memory.
    data: Vec<u8>,
    /// Whether a packet has been read.
    is_begun: bool,
    is_ended: bool,
    warning: Option<String>,
}

/// Converts decoded frames to output frames, in order.
struct FrameAssembler {
    converter: FrameConverter,
    tick_secs: f64,
    first_pts: Option<i64>,
    pace: Pace,
    n_frames: u64,
    last_secs: f64,
    ready: VecDeque<Frame>,
    /// The current group, once it is damaged.
    damaged: Option<DamagedGroup>,
    losses: Losses,
}

/// The rest of a group whose frame ids are known once its last packet has been read.
struct DamagedGroup {
    reason: String,
    /// Whether packets may be missing from it.
    has_gap: bool,
    /// Frames decoded before the damage, but not yet returned.
    held: Vec<(i64, Frame)>,
    lost: Vec<Packet>,
}

impl DamagedGroup {
    fn new(reason: String) -> Self {
        Self {
            reason,
            has_gap: false,
            held: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// Converts decoded frames to RGBA with square pixels and upright orientation.
pub(super) struct FrameConverter {
    pool: FramePool,
    orientation: Orientation,
    /// A frame before scaling and rotation; kept to reuse the memory.
    stored: Vec<u8>,
    stretched: Vec<u8>,
}

impl FrameConverter {
    pub(super) fn new(orientation: Orientation) -> Self {
        Self {
            pool: FramePool::new(),
            orientation,
            stored: Vec::new(),
            stretched: Vec::new(),
        }
    }

    /// Returns the decoded picture as frame `id`.
    pub(super) fn frame(&mut self, id: u64, secs: f64, planes: &Planes, stamp: &Stamp) -> Frame {
        let stored = planes.size;
        let square = stamp.aspect.apply_to(stored);
        let shown = self.orientation.apply_to(square);
        let mut pixels = self.pool.take(shown);
        let (is_upright, is_square) = (self.orientation == Orientation::UPRIGHT, square == stored);
        let out = pixels.bytes_mut();
        if is_upright && is_square {
            rgba_from_yuv420(planes, stamp.colour, out);
        } else {
            self.stored.resize(stored.area() * BYTES_PER_PIXEL, 0);
            rgba_from_yuv420(planes, stamp.colour, &mut self.stored);
            if is_square {
                self.orientation.turn(&self.stored, stored, out);
            } else if is_upright {
                resample(&self.stored, stored, out, square);
            } else {
                self.stretched.resize(square.area() * BYTES_PER_PIXEL, 0);
                resample(&self.stored, stored, &mut self.stretched, square);
                self.orientation.turn(&self.stretched, square, out);
            }
        }
        Frame::new(id, secs, shown, pixels)
    }
}

impl NativeVideo {
    /// Opens a video and decodes its first frame. The error names the actual content of the input
    /// or the problem; the caller adds the name.
    pub(super) fn open(input: Box<dyn Input>, name: &str) -> Result<Self, String> {
        Self::start(open_stream(input)?, name)
    }

    fn start(stream: Stream, name: &str) -> Result<Self, String> {
        let descriptions: Arc<[Description]> = stream.descriptions.into();
        let mut this = Self {
            info: SourceInfo {
                name: name.to_owned(),
                size: None,
                rate: stream.rate,
                n_frames: stream.n_frames,
                is_live: false,
            },
            decoder: H264::new(Arc::clone(&descriptions))?,
            descriptions,
            packets: stream.packets,
            assembler: FrameAssembler {
                converter: FrameConverter::new(stream.orientation),
                tick_secs: stream.tick_secs,
                first_pts: None,
                pace: Pace::new(stream.step_ticks),
                n_frames: 0,
                last_secs: 0.0,
                ready: VecDeque::new(),
                damaged: None,
                losses: Losses::default(),
            },
            data: Vec::new(),
            is_begun: false,
            is_ended: false,
            warning: None,
        };
        this.fill();
        let Some(first) = this.assembler.ready.front() else {
            let reason = this.assembler.losses.text();
            let reason = reason.unwrap_or_else(|| "it is empty".to_owned());
            return Err(format!("H.264 video without a first frame ({reason})"));
        };
        this.info.size = Some(first.size());
        Ok(this)
    }

    /// Decodes until a frame is ready or the end is reached.
    fn fill(&mut self) {
        while self.assembler.ready.is_empty() && !self.is_ended {
            match self.packets.next_packet(&mut self.data) {
                Ok(Some(packet)) => self.take(packet),
                Ok(None) => {
                    self.end_group(None);
                    self.is_ended = true;
                }
                Err(reason) => {
                    if !self.is_begun {
                        let start = self.packets.place().base_time;
                        self.assembler.pace.begin(start);
                    }
                    // Nothing follows a cut, and the last group may lack frames anywhere.
                    let is_gap = !reason.starts_with(CUT_OFF);
                    self.damage(reason).has_gap |= is_gap;
                }
            }
        }
    }

    /// Decodes one packet, or counts it as lost.
    fn take(&mut self, packet: Packet) {
        self.is_begun = true;
        let description = self.descriptions.get(usize::from(packet.description));
        let length_bytes = description.map_or(4, Description::length_bytes);
        if first_slice(&self.data, length_bytes) == Some(true) {
            self.end_group(Some(packet.pts));
        }
        if let Some(damaged) = &mut self.assembler.damaged {
            damaged.lost.push(packet);
            return;
        }
        let assembler = &mut self.assembler;
        let decoded = self
            .decoder
            .decode(packet, &self.data, |s, p| assembler.develop(&s, p));
        if let Err(reason) = decoded {
            self.damage(reason);
        }
    }

    /// Abandons the rest of the group.
    fn damage(&mut self, reason: String) -> &mut DamagedGroup {
        if self.assembler.damaged.is_none() {
            // Set first: the decoder's delayed frames are held back.
            self.assembler.damaged = Some(DamagedGroup::new(reason.clone()));
            self.finish_decoder();
        }
        let damaged = &mut self.assembler.damaged;
        damaged.get_or_insert_with(|| DamagedGroup::new(reason))
    }

    /// Takes the delayed frames from the decoder.
    fn finish_decoder(&mut self) {
        let assembler = &mut self.assembler;
        let lost = self.decoder.finish(|s, p| assembler.develop(&s, p));
        if lost.is_empty() {
            return;
        }
        let reason = "frames could not be decoded".to_owned();
        let damaged = &mut assembler.damaged;
        let damaged = damaged.get_or_insert_with(|| DamagedGroup::new(reason));
        damaged.lost.extend(lost);
    }

    /// Completes a group; `next` is the time of the frame after it.
    fn end_group(&mut self, next: Option<i64>) {
        if self.assembler.damaged.is_none() {
            self.finish_decoder();
        }
        if self.assembler.finish_group(next) {
            match H264::new(Arc::clone(&self.descriptions)) {
                Ok(decoder) => self.decoder = decoder,
                Err(reason) => {
                    self.assembler.losses.note_end(reason);
                    self.is_ended = true;
                }
            }
        }
    }
}

/// Opens the H.264 stream in any supported container. The error names the actual content of the
/// input.
pub(super) fn open_stream(mut input: Box<dyn Input>) -> Result<Stream, String> {
    let mut magic = [0; 8];
    input
        .read_exact(&mut magic)
        .map_err(|_| "neither MP4 nor Matroska")?;
    input.rewind().map_err(|e| read_error(&e))?;
    // QuickTime files older than the `ftyp` box start with one of the others.
    if magic.starts_with(&mkv_blocks::MAGIC) {
        demux_mkv::open(input)
    } else if matches!(&magic[4..], b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide") {
        demux_mp4::open(input)
    } else {
        Err("neither MP4 nor Matroska".into())
    }
}

impl FrameAssembler {
    fn develop(&mut self, stamp: &Stamp, planes: &Planes) {
        if !stamp.packet.is_shown {
            return;
        }
        let pts = stamp.packet.pts;
        if self.damaged.is_some() {
            let frame = self.converter.frame(0, 0.0, planes, stamp);
            if let Some(damaged) = &mut self.damaged {
                damaged.held.push((pts, frame));
            }
            return;
        }
        let (id, secs) = self.count(pts);
        let frame = self.converter.frame(id, secs, planes, stamp);
        self.ready.push_back(frame);
    }

    /// Returns index and time of the next frame.
    fn count(&mut self, pts: i64) -> (u64, f64) {
        let first = *self.first_pts.get_or_insert(pts);
        // A stream with contradictory times must not run backwards.
        let secs = pts.saturating_sub(first) as f64 * self.tick_secs;
        self.last_secs = secs.max(self.last_secs);
        self.pace.pass(pts);
        self.n_frames += 1;
        (self.n_frames - 1, self.last_secs)
    }

    /// Assigns ids to the frames of a damaged group, including lost ones; returns whether there was
    /// one. `next` is the time of the frame after it.
    fn finish_group(&mut self, next: Option<i64>) -> bool {
        let Some(damaged) = self.damaged.take() else {
            return false;
        };
        let lost = damaged.lost.iter().filter(|packet| packet.is_shown);
        let lost = lost.map(|packet| (packet.pts, None));
        let held = damaged.held.into_iter();
        let held = held.map(|(pts, frame)| (pts, Some(frame)));
        let mut all: Vec<_> = lost.chain(held).collect();
        all.sort_by_key(|(pts, _)| *pts);
        if damaged.has_gap {
            let times = all.iter().map(|(pts, _)| *pts);
            let missing = self.pace.missing(times.chain(next));
            all.extend(missing.into_iter().map(|pts| (pts, None)));
            all.sort_by_key(|(pts, _)| *pts);
        }
        let n_whole = all.iter().take_while(|(_, frame)| frame.is_some()).count();
        let behind = all.split_off(n_whole);
        self.emit_frames(all);
        self.losses
            .begin(damaged.reason, self.n_frames, self.last_secs);
        self.emit_frames(behind);
        true
    }

    /// Assigns ids to frames in presentation order; `None` are lost to the latest damage.
    fn emit_frames(&mut self, frames: Vec<(i64, Option<Frame>)>) {
        for (pts, frame) in frames {
            let (id, secs) = self.count(pts);
            match frame {
                Some(mut frame) => {
                    (frame.id, frame.time_secs) = (id, secs);
                    self.ready.push_back(frame);
                }
                None => self.losses.lost(id, secs),
            }
        }
    }
}

impl FrameSource for NativeVideo {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        self.fill();
        let losses = self.assembler.losses.text();
        self.warning = losses.map(|text| format!("{}: {text}", self.info.name));
        let Some(mut frame) = self.assembler.ready.pop_front() else {
            return Ok(None);
        };
        // It may have been decoded ahead of time: latency is measured from here.
        frame.captured = Instant::now();
        Ok(Some(frame))
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn is_damaged(&self) -> bool {
        self.assembler.losses.is_damage()
    }
}

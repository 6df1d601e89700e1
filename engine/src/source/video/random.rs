//! Random access to H.264 files: decodes forward from the preceding key frame.

use std::cell::Cell;
use std::sync::Arc;

use super::colour::Planes;
use super::damage::Losses;
use super::h264::{H264, Stamp};
use super::index::{Group, Index};
use super::native::{FrameConverter, open_stream};
use super::pace::Pace;
use super::stream::{Description, Input, Packets};
use crate::error::{Error, Result};
use crate::source::scrub::{Keep, RandomAccess};
use crate::source::{OpenOptions, SourceInfo};

/// A decoded frame whose time is not among this many frames due next counts as damaged.
const MAX_MISSING: usize = 64;

/// Error message after the stop flag was raised.
pub(super) const STOPPED: &str = "reading was stopped";

/// An indexed file and the decoder that reads it.
pub(super) struct NativeRandom {
    info: SourceInfo,
    index: Index,
    packets: Box<dyn Packets>,
    descriptions: Arc<[Description]>,
    converter: FrameConverter,
    run: Option<Run>,
    /// Bytes of a packet; kept to reuse the memory.
    data: Vec<u8>,
    warning: Option<String>,
}

/// A decoder within the stream.
struct Run {
    decoder: H264,
    /// Index of the packet that it reads next.
    next_packet: usize,
    /// Index of the frame that it returns next.
    next_frame: usize,
}

impl NativeRandom {
    /// Indexes a video and decodes its first frame. The error names the actual content of the input
    /// or the problem; the caller adds the name.
    pub(super) fn open(
        input: Box<dyn Input>,
        name: &str,
        options: &OpenOptions,
    ) -> Result<Self, String> {
        let stream = open_stream(input)?;
        let mut packets = stream.packets;
        let (tick_secs, pace) = (stream.tick_secs, Pace::new(stream.step_ticks));
        let descriptions = &stream.descriptions;
        let index = Index::new(packets.as_mut(), descriptions, tick_secs, pace, options);
        if options.stop.is_stopped() {
            return Err(STOPPED.into());
        }
        let n = index.times.len();
        let mut losses = Losses::default();
        for (n_before, reason) in &index.damage {
            let last = n_before.checked_sub(1).map_or(0.0, |i| index.times[i]);
            losses.begin(reason.clone(), *n_before as u64, last);
        }
        let warning = losses.text().map(|text| format!("{name}: {text}"));
        let mut this = Self {
            info: SourceInfo {
                name: name.to_owned(),
                size: None,
                rate: stream.rate,
                n_frames: Some(n as u64),
                is_live: false,
            },
            index,
            packets,
            descriptions: stream.descriptions.into(),
            converter: FrameConverter::new(stream.orientation),
            run: None,
            data: Vec::new(),
            warning,
        };
        // The first frames may be lost to damage.
        let mut size = None;
        let mut first = 0;
        while size.is_none() && first < n {
            this.forward(first, first, &mut |_, frame| size = Some(frame.size()))?;
            first = this.next_group(first).unwrap_or(n);
        }
        this.info.size = size;
        this.run = None;
        match size {
            Some(_) => Ok(this),
            None => Err("H.264 video without a first frame".into()),
        }
    }

    /// Returns the first frame of the group after the one that contains `frame`.
    fn next_group(&self, frame: usize) -> Option<usize> {
        let group = self.index.group_of(frame);
        let next = self.index.group_from(group.first_packet + 1)?;
        Some(next.first_frame)
    }

    /// Decodes up to frame `to`. Frames lost to damage are skipped.
    fn forward(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<(), String> {
        let group = self.index.group_of(to);
        let can_go_on = |run: &Run| run.next_frame <= to && group.first_packet <= run.next_packet;
        let mut run = match self.run.take().filter(can_go_on) {
            Some(run) => run,
            None => Run::at(&self.descriptions, group)?,
        };
        let (index, converter, data) = (&self.index, &mut self.converter, &mut self.data);
        while run.next_frame <= to {
            let next_frame = Cell::new(run.next_frame);
            let mut show = |stamp: Stamp, planes: &Planes<'_>| {
                let next = next_frame.get();
                let due = next..index.times.len().min(next + MAX_MISSING);
                let pts = stamp.packet.pts;
                let Some(i) = { due }.find(|&i| index.pts(i) == pts) else {
                    return;
                };
                next_frame.set(i + 1);
                if stamp.packet.is_shown && (from..=to).contains(&i) {
                    let secs = index.times[i];
                    keep(i, converter.frame(i as u64, secs, planes, &stamp));
                }
            };
            let Some((place, is_torn_off)) = index.place(run.next_packet) else {
                // Frames that the decoder still delays.
                run.decoder.finish(&mut show);
                return Ok(());
            };
            let begun = index.group_at(run.next_packet);
            if begun.is_some() {
                run.decoder.finish(&mut show);
            }
            if self.packets.place() != place {
                self.packets.go_to(place)?;
            }
            let read = if is_torn_off {
                Err("packets are missing".to_owned())
            } else {
                self.packets.next_packet(data)
            };
            run.next_packet += 1;
            let decoded = read.and_then(|packet| match packet {
                Some(packet) => run.decoder.decode(packet, data, &mut show),
                None => Err("the file was changed while it was open".into()),
            });
            if decoded.is_err() {
                // The rest of the group is lost, as in sequential reading.
                run.decoder.finish(&mut show);
                let Some(group) = index.group_from(run.next_packet) else {
                    return Ok(());
                };
                run = Run::at(&self.descriptions, group)?;
            } else {
                run.next_frame = next_frame.get();
            }
        }
        self.run = Some(run);
        Ok(())
    }
}

impl Run {
    fn at(descriptions: &Arc<[Description]>, group: Group) -> Result<Self, String> {
        Ok(Self {
            decoder: H264::new(Arc::clone(descriptions))?,
            next_packet: group.first_packet,
            next_frame: group.first_frame,
        })
    }
}

impl RandomAccess for NativeRandom {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn times(&self) -> &[f64] {
        &self.index.times
    }

    fn key_before(&self, i: usize) -> usize {
        self.index.group_of(i).first_frame
    }

    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()> {
        self.forward(from, to, keep)
            .map_err(|reason| Error::source(&self.info.name, reason))
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

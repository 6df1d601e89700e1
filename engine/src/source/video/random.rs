//! Any frame of an H.264 file: from the key picture before it, forward.

use super::colour::{ColourHint, Planes};
use super::h264::{H264, Stamp};
use super::index::Index;
use super::native::{Darkroom, open_stream};
use super::stream::{Input, Packets};
use crate::error::{Error, Result};
use crate::source::scrub::{Keep, RandomAccess};
use crate::source::{OpenOptions, SourceInfo};

/// A shown picture whose time is not among so many frames that are due next is a damaged one.
const MAX_MISSING: usize = 64;

/// Said to who has asked for it.
pub(super) const STOPPED: &str = "reading was stopped";

/// An indexed file and the decoder that runs in it.
pub(super) struct NativeRandom {
    info: SourceInfo,
    index: Index,
    packets: Box<dyn Packets>,
    configuration: Vec<u8>,
    colour: ColourHint,
    darkroom: Darkroom,
    run: Option<Run>,
    /// A packet's bytes; kept for their memory.
    data: Vec<u8>,
    warning: Option<String>,
}

/// A decoder on its way.
struct Run {
    decoder: H264,
    /// The packet that it takes next.
    next_packet: usize,
    /// The frame that it gives next.
    next_frame: usize,
}

impl NativeRandom {
    /// Indexes a video and decodes its first frame. The error says what the input is instead, or
    /// what is wrong with it; the caller adds the name.
    pub(super) fn open(
        input: Box<dyn Input>,
        name: &str,
        options: &OpenOptions,
    ) -> Result<Self, String> {
        let stream = open_stream(input)?;
        let mut packets = stream.packets;
        let length_bytes = stream.configuration.get(4).map_or(4, |b| b & 3) + 1;
        let tick_secs = stream.tick_secs;
        let index = Index::new(packets.as_mut(), length_bytes.into(), tick_secs, options);
        if options.stop.is_stopped() {
            return Err(STOPPED.into());
        }
        let n = index.times.len();
        let warning = index.damage.as_ref().map(|damage| {
            let secs = index.times.last().copied().unwrap_or(0.0);
            format!("{name}: ends after {n} frames, at {secs:.2} s: {damage}")
        });
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
            configuration: stream.configuration,
            colour: stream.colour,
            darkroom: Darkroom::new(stream.orientation),
            run: None,
            data: Vec::new(),
            warning,
        };
        let mut size = None;
        if n > 0 {
            this.forward(0, 0, &mut |_, frame| size = Some(frame.size()))?;
        }
        this.info.size = size;
        match size {
            Some(_) => Ok(this),
            None => Err("H.264 video without a first frame".into()),
        }
    }

    /// Decodes to frame `to`.
    fn forward(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<(), String> {
        let group = self.index.group_of(to);
        let can_go_on = |run: &Run| run.next_frame <= to && group.first_packet <= run.next_packet;
        let mut run = match self.run.take().filter(can_go_on) {
            Some(run) => run,
            None => Run {
                decoder: H264::new(&self.configuration, self.colour)?,
                next_packet: group.first_packet,
                next_frame: group.first_frame,
            },
        };
        let mut has_come = false;
        let (index, darkroom, data) = (&self.index, &mut self.darkroom, &mut self.data);
        while run.next_frame <= to {
            let next_frame = &mut run.next_frame;
            let mut show = |stamp: Stamp, planes: &Planes<'_>| {
                let due = *next_frame..index.times.len().min(*next_frame + MAX_MISSING);
                let pts = stamp.packet.pts;
                let Some(i) = due.clone().find(|&i| index.pts(i) == pts) else {
                    return;
                };
                *next_frame = i + 1;
                has_come |= i == to;
                if stamp.packet.is_shown && (from..=to).contains(&i) {
                    let secs = index.times[i];
                    keep(i, darkroom.frame(i as u64, secs, planes, stamp.colour));
                }
            };
            let Some(place) = index.place(run.next_packet) else {
                // Pictures that the decoder still holds back.
                let finished = run.decoder.finish(&mut show);
                return if has_come { Ok(()) } else { finished };
            };
            if self.packets.place() != place {
                self.packets.go_to(place)?;
            }
            let Some(packet) = self.packets.next_packet(data)? else {
                return Err("the file was changed meanwhile".into());
            };
            run.next_packet += 1;
            run.decoder.decode(packet, data, show)?;
        }
        self.run = Some(run);
        Ok(())
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

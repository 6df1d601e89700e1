//! A running stream: its format, buffers and frames.

use std::ffi::c_int;
use std::io;
use std::time::{Duration, Instant};

use v4l::v4l_sys::{v4l2_format, v4l2_requestbuffers, v4l2_streamparm};

use super::clock::{Clock, monotonic};
use super::formats::{self, Offer, interval, rate};
use super::layout::{Kind, Layout, MEMORY_MMAP};
use super::node::{
    Argument, Buffer, Mapping, Node, VIDIOC_DQBUF, VIDIOC_G_PARM, VIDIOC_QBUF, VIDIOC_QUERYBUF,
    VIDIOC_REQBUFS, VIDIOC_S_FMT, VIDIOC_S_PARM, VIDIOC_STREAMOFF, VIDIOC_STREAMON,
};
use crate::geometry::Size;
use crate::source::camera::driver::{CameraFormat, Reading, Shot};
use crate::source::colour::Colour;
use crate::source::pixels::{PixelFormat, Plane, RawImage};

/// Number of buffers: one is read, one is filled, and two compensate for a busy machine.
const N_BUFFERS: u32 = 4;

/// Maximum time that one read waits for a frame.
const WAIT: Duration = Duration::from_millis(100);

/// Pause after a driver reported a ready frame but then had none.
const CONTRADICTION: Duration = Duration::from_millis(10);

// Constants of linux/videodev2.h.
const FLAG_ERROR: u32 = 0x40;
const FLAG_CLOCK: u32 = 0xE000;
const FLAG_CLOCK_MONOTONIC: u32 = 0x2000;

/// A running stream. Dropping it stops it and frees its buffers.
pub(super) struct Stream {
    kind: Kind,
    /// Format that the camera delivers.
    pub(super) format: CameraFormat,
    colour: Colour,
    /// Bytes per row, for every plane of a buffer.
    strides: Vec<usize>,
    /// Maximum bytes of a frame, for every plane of a buffer; more indicate damage.
    limits: Vec<usize>,
    /// The planes of every buffer.
    buffers: Vec<Vec<Mapping>>,
    /// Buffer borrowed by the last reading; it is queued again before the next one.
    held: Option<u32>,
    clock: Clock,
}

/// A frame dequeued from the driver.
struct Taken {
    index: u32,
    /// Range of the data in the planes' mappings; empty if the frame is unusable.
    used: Vec<std::ops::Range<usize>>,
    stamp: Option<Duration>,
}

impl Stream {
    /// Sets the format, which the driver may change, and starts streaming.
    pub(super) fn start(node: &Node, kind: Kind, offer: &Offer) -> io::Result<Self> {
        let size = offer.format.size;
        let mut format = v4l2_format::zeroed();
        kind.write(
            &mut format,
            offer.code,
            size.width as u32,
            size.height as u32,
        );
        node.ask(VIDIOC_S_FMT, &mut format)?;
        let layout = Layout::of(kind, &format);
        let pixels = formats::pixel_format(layout.code).ok_or_else(|| {
            let code = formats::code_text(layout.code);
            io::Error::other(format!(
                "it delivers {code} instead, which is not read here"
            ))
        })?;
        let size = Size::new(layout.size.0 as usize, layout.size.1 as usize);
        let mut stream = Self {
            kind,
            format: CameraFormat {
                size,
                rate: set_rate(node, kind, offer),
                pixels,
            },
            colour: layout.colour(),
            strides: strides(&layout, pixels, size),
            limits: limits(&layout, pixels, size),
            buffers: Vec::new(),
            held: None,
            clock: Clock::new(Instant::now()),
        };
        let begun = stream.begin(node);
        if begun.is_err() {
            stream.stop(node);
        }
        begun.map(|()| stream)
    }

    fn begin(&mut self, node: &Node) -> io::Result<()> {
        let n_buffers = request_buffers(node, self.kind, N_BUFFERS)?;
        for index in 0..n_buffers {
            let mut buffer = Buffer::new(self.kind, index);
            node.ask_buffer(VIDIOC_QUERYBUF, &mut buffer)?;
            self.buffers.push(self.map(node, &buffer)?);
        }
        for index in 0..n_buffers {
            node.ask_buffer(VIDIOC_QBUF, &mut Buffer::new(self.kind, index))?;
        }
        node.ask(VIDIOC_STREAMON, &mut self.number())
    }

    fn map(&self, node: &Node, buffer: &Buffer) -> io::Result<Vec<Mapping>> {
        if self.kind.has_planes() {
            let planes = buffer.planes.iter().take(self.strides.len());
            let map = |p: &v4l::v4l_sys::v4l2_plane| {
                // SAFETY: integers; for mapped buffers the driver fills in the offset.
                let offset = unsafe { p.m.mem_offset };
                node.map(p.length as usize, offset)
            };
            planes.map(map).collect()
        } else {
            // SAFETY: as above.
            let offset = unsafe { buffer.raw.m.offset };
            Ok(vec![node.map(buffer.raw.length as usize, offset)?])
        }
    }

    /// Stops streaming and frees the buffers. Failures are irrelevant: the node is closed next.
    pub(super) fn stop(&mut self, node: &Node) {
        let outcome = node.ask(VIDIOC_STREAMOFF, &mut self.number());
        self.buffers.clear();
        let freed = request_buffers(node, self.kind, 0);
        tracing::trace!(?outcome, ?freed, "camera stream stopped");
    }

    fn number(&self) -> c_int {
        self.kind.number() as c_int
    }

    /// Waits briefly for a frame; returns the newest of those that are ready.
    pub(super) fn read(&mut self, node: &Node) -> io::Result<Reading<'_>> {
        if let Some(held) = self.held.take() {
            self.give_back(node, held)?;
        }
        let mut reading = Reading::default();
        if !node.wait(WAIT)? {
            return Ok(reading);
        }
        let Some(first) = self.take(node)? else {
            std::thread::sleep(CONTRADICTION);
            return Ok(reading);
        };
        let mut newest = self.keep(node, first, None, &mut reading)?;
        // Later H.264 frames depend on this one.
        let may_skip = self.format.pixels != PixelFormat::H264;
        for _ in 1..self.buffers.len() {
            if !may_skip || !node.wait(Duration::ZERO)? {
                break;
            }
            let Some(next) = self.take(node)? else { break };
            newest = self.keep(node, next, newest, &mut reading)?;
        }
        if let Some(taken) = newest {
            self.held = Some(taken.index);
            let captured = self
                .clock
                .captured(taken.stamp, monotonic(), Instant::now());
            reading.shot = Some(Shot {
                picture: self.picture(&taken),
                captured,
            });
        }
        Ok(reading)
    }

    /// Selects one of two consecutive frames; the other one is queued again and counted.
    fn keep(
        &self,
        node: &Node,
        taken: Taken,
        before: Option<Taken>,
        reading: &mut Reading<'_>,
    ) -> io::Result<Option<Taken>> {
        let is_damaged = taken.used.is_empty();
        let (kept, other) = if is_damaged {
            reading.n_damaged += 1;
            (before, Some(taken))
        } else {
            reading.n_skipped += u64::from(before.is_some());
            (Some(taken), before)
        };
        if let Some(other) = other {
            self.give_back(node, other.index)?;
        }
        Ok(kept)
    }

    fn give_back(&self, node: &Node, index: u32) -> io::Result<()> {
        node.ask_buffer(VIDIOC_QBUF, &mut Buffer::new(self.kind, index))
    }

    /// Dequeues the next ready frame, if any.
    fn take(&self, node: &Node) -> io::Result<Option<Taken>> {
        let mut buffer = Buffer::new(self.kind, 0);
        match node.ask_buffer(VIDIOC_DQBUF, &mut buffer) {
            Ok(()) => {}
            // Nothing is ready, or the signal was lost briefly.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EIO)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let Buffer { raw, planes, .. } = &buffer;
        let mappings = self.buffers.get(raw.index as usize).ok_or_else(|| {
            io::Error::other(format!(
                "its driver returned an invalid buffer {}",
                raw.index
            ))
        })?;
        let used: Vec<_> = mappings
            .iter()
            .zip(planes)
            .map(|(mapping, plane)| {
                let (start, end) = match self.kind {
                    Kind::SinglePlanar => (0, raw.bytesused),
                    Kind::MultiPlanar => (plane.data_offset, plane.bytesused),
                };
                let end = mapping.bytes().len().min(end as usize);
                (start as usize).min(end)..end
            })
            .collect();
        let fits = used
            .iter()
            .zip(&self.limits)
            .all(|(u, n)| (1..=*n).contains(&u.len()));
        let is_whole = raw.flags & FLAG_ERROR == 0 && fits;
        let is_monotonic = raw.flags & FLAG_CLOCK == FLAG_CLOCK_MONOTONIC;
        let stamp = is_monotonic.then(|| {
            let (secs, micros) = (raw.timestamp.tv_sec, raw.timestamp.tv_usec);
            Duration::from_secs(secs.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
        });
        Ok(Some(Taken {
            index: raw.index,
            used: if is_whole { used } else { Vec::new() },
            stamp,
        }))
    }

    fn picture(&self, taken: &Taken) -> RawImage<'_> {
        let CameraFormat { size, pixels, .. } = self.format;
        let mappings = &self.buffers[taken.index as usize];
        let bytes = |i: usize| &mappings[i].bytes()[taken.used[i].clone()];
        let mut picture = RawImage::in_one_buffer(pixels, size, self.strides[0], bytes(0));
        if mappings.len() > 1 {
            for (i, plane) in picture.planes.iter_mut().enumerate().take(mappings.len()) {
                *plane = Plane {
                    bytes: bytes(i),
                    stride: self.strides[i],
                };
            }
        }
        picture.colour = self.colour;
        picture
    }
}

fn request_buffers(node: &Node, kind: Kind, count: u32) -> io::Result<u32> {
    let mut request = v4l2_requestbuffers {
        count,
        type_: kind.number(),
        memory: MEMORY_MMAP,
        ..v4l2_requestbuffers::zeroed()
    };
    node.ask(VIDIOC_REQBUFS, &mut request)?;
    if request.count == 0 && count > 0 {
        return Err(io::Error::other("its driver gave no buffers"));
    }
    Ok(request.count)
}

/// Sets the rate; returns the one that the driver then reports.
fn set_rate(node: &Node, kind: Kind, offer: &Offer) -> Option<f64> {
    let mut parameters = v4l2_streamparm::zeroed();
    parameters.type_ = kind.number();
    let done = match offer.interval {
        Some((numerator, denominator)) => {
            // SAFETY: the variants are integers.
            let wished = unsafe { &mut parameters.parm.capture.timeperframe };
            (wished.numerator, wished.denominator) = (numerator, denominator);
            node.ask(VIDIOC_S_PARM, &mut parameters)
        }
        None => node.ask(VIDIOC_G_PARM, &mut parameters),
    };
    // SAFETY: the variants are integers.
    let told = interval(unsafe { parameters.parm.capture.timeperframe });
    // Many drivers do not support this request: their rate is the listed one.
    done.ok().and(told).map(rate).or(offer.format.rate)
}

/// Returns the maximum bytes of a frame, for every plane of a buffer: the driver's value if a frame
/// fits into it.
fn limits(layout: &Layout, pixels: PixelFormat, size: Size) -> Vec<usize> {
    let is_one = layout.planes.len() == 1;
    let needed = pixels.n_bytes(size).map(|n| if is_one { n } else { 1 });
    let limit = |&(_, total): &(usize, usize)| match needed {
        Some(needed) if total >= needed => total,
        _ => usize::MAX,
    };
    layout.planes.iter().map(limit).collect()
}

/// Returns the bytes per row, for every plane of a buffer: the driver's value if it is plausible.
fn strides(layout: &Layout, pixels: PixelFormat, size: Size) -> Vec<usize> {
    let is_one = layout.planes.len() == 1;
    let stride = |(plane, &(told, total)): (usize, &(usize, usize))| {
        let least = pixels.row_bytes(size, plane);
        // Some drivers report the bytes of all planes as those of a row.
        let needed = pixels.n_bytes(size).unwrap_or(0);
        let is_too_much = is_one && (needed..told * size.height).contains(&total);
        if is_too_much { least } else { told.max(least) }
    };
    layout.planes.iter().enumerate().map(stride).collect()
}

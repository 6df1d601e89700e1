//! An open camera: its format, its buffers and the frames that are due.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::fs::File;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use libc::{EIO, ENOMEM};

use crate::scenario::{Camera, Damage, Format};

/// Size of one plane of one buffer; a multiple of the page size, so that each can be mapped.
const PLANE_STEP: u32 = 1 << 22;
/// Maximum number of planes per buffer.
const MAX_PLANES: u32 = 3;

/// The current format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set {
    pub(crate) format: usize,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Bytes per row and per plane.
pub(crate) type Plane = (u32, u32);

/// Returns the planes of a buffer in this format.
pub(crate) fn planes(format: &Format, width: u32, height: u32) -> Vec<Plane> {
    let half = height.div_ceil(2);
    let pixel_bytes = match format.code.as_str() {
        "YUYV" | "YVYU" | "UYVY" | "VYUY" | "Y16 " => 2,
        "RGB3" | "BGR3" => 3,
        "XR24" | "BGR4" => 4,
        _ => 1,
    };
    let row = width * pixel_bytes + format.padding;
    match format.code.as_str() {
        "MJPG" | "JPEG" | "H264" => vec![(0, width * height * 2)],
        "NV12" | "NV21" | "YU12" | "YV12" => vec![(row, row * height + row * half)],
        "NM12" | "NM21" => vec![(row, row * height), (row, row * half)],
        "YM12" => vec![
            (row, row * height),
            (row / 2, row / 2 * half),
            (row / 2, row / 2 * half),
        ],
        _ => vec![(row, row * height)],
    }
}

/// A frame in a buffer.
pub(crate) struct Done {
    pub(crate) index: u32,
    pub(crate) sequence: u64,
    pub(crate) used: Vec<u32>,
    pub(crate) is_marked: bool,
    pub(crate) stamp: Duration,
}

/// One descriptor of a camera.
pub(crate) struct Open {
    pub(crate) fd: c_int,
    pub(crate) camera: usize,
    pub(crate) set: Option<Set>,
    pub(crate) n_buffers: u32,
    pub(crate) queued: VecDeque<u32>,
    pub(crate) done: VecDeque<Done>,
    /// Time of `STREAMON`.
    pub(crate) since: Option<Instant>,
    /// Number of frames since then, including those dropped for lack of a buffer.
    pub(crate) n_frames: u64,
}

/// Reads the clock of the timestamps.
pub(crate) fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: only the structure is written to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

impl Open {
    /// Creates a descriptor with memory for the buffers of a camera.
    pub(crate) fn new(camera: usize) -> Result<Self, c_int> {
        // SAFETY: the name ends with a NUL byte.
        let fd = unsafe { libc::memfd_create(c"camera".as_ptr(), 0) };
        if fd < 0 {
            return Err(ENOMEM);
        }
        Ok(Self {
            fd,
            camera,
            set: None,
            n_buffers: 0,
            queued: VecDeque::new(),
            done: VecDeque::new(),
            since: None,
            n_frames: 0,
        })
    }

    /// Returns the offset of a buffer's plane in the memory file.
    pub(crate) fn offset(index: u32, plane: usize) -> u32 {
        (index * MAX_PLANES + plane as u32) * PLANE_STEP
    }

    /// Allocates `n` buffers, or frees all of them.
    pub(crate) fn allot(&mut self, n: u32) -> Result<(), c_int> {
        self.n_buffers = n;
        self.queued.clear();
        self.done.clear();
        let length = u64::from(Self::offset(n, 0));
        self.memory(|file| file.set_len(length))
    }

    fn memory<T>(&self, work: impl FnOnce(&File) -> std::io::Result<T>) -> Result<T, c_int> {
        // SAFETY: the descriptor is open and stays open, because it is taken out of the `File`
        // again.
        let file = unsafe { File::from_raw_fd(self.fd) };
        let outcome = work(&file);
        let _ = file.into_raw_fd();
        outcome.map_err(|e| e.raw_os_error().unwrap_or(EIO))
    }

    pub(crate) fn stop(&mut self) {
        self.since = None;
        self.queued.clear();
        self.done.clear();
    }

    /// Returns when the next frame is due; `None` if there will be none.
    pub(crate) fn next_due(
        &self,
        camera: &Camera,
        n_ever: u64,
        has_stalled: bool,
    ) -> Option<Instant> {
        let since = self.since?;
        let stalls = camera.stalls_after.is_some_and(|n| n_ever >= n) && !has_stalled;
        let is_gone = camera.unplugged_after.is_some_and(|n| n_ever >= n);
        let wait = camera.first_millis + self.n_frames * camera.millis;
        (!stalls && !is_gone).then(|| since + Duration::from_millis(wait))
    }

    /// Delivers the frame that is due into a buffer, or drops it if there is none.
    pub(crate) fn deliver(&mut self, camera: &Camera, number: u64) -> Result<(), c_int> {
        self.n_frames += 1;
        let (Some(set), Some(index)) = (self.set, self.queued.pop_front()) else {
            return Ok(());
        };
        let format = &camera.formats[set.format];
        let planes = planes(format, set.width, set.height);
        let mut bytes = match format
            .frames
            .get(number as usize % format.frames.len().max(1))
        {
            Some(path) => std::fs::read(path).map_err(|_| EIO)?,
            None => vec![0; planes.iter().map(|(_, n)| *n as usize).sum()],
        };
        let is_hit = |f: &&crate::scenario::Fault| {
            number >= f.offset && (number - f.offset).is_multiple_of(f.every)
        };
        let damage = camera.faults.iter().find(is_hit).map(|f| f.how);
        match damage {
            Some(Damage::Empty) => bytes.clear(),
            Some(Damage::Short) => bytes.truncate(bytes.len() / 3),
            Some(Damage::Endless) => bytes.truncate(bytes.len().saturating_sub(2)),
            Some(Damage::Marked) | None => {}
        }
        let mut rest = &bytes[..];
        let mut used = Vec::new();
        for (i, (_, n)) in planes.iter().enumerate() {
            let part = rest
                .split_off(..rest.len().min(*n as usize))
                .unwrap_or_default();
            let at = u64::from(Self::offset(index, i));
            self.memory(|file| file.write_all_at(part, at))?;
            used.push(part.len() as u32);
        }
        let now = monotonic();
        let stamp = match camera.clock.as_str() {
            "wall" => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
            "zero" => Duration::ZERO,
            "still" => Duration::from_secs(now.as_secs() & !0xFF),
            _ => now,
        };
        self.done.push_back(Done {
            index,
            sequence: self.n_frames,
            used,
            is_marked: damage == Some(Damage::Marked),
            stamp,
        });
        Ok(())
    }
}

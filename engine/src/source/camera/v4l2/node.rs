//! A video node: all system calls of the driver, with their unsafe parts.
//!
//! The calls use the raw layer of the `v4l` crate. Its streams are not used: they wait without a
//! time-out, treat EINTR as a failure, support one plane only and panic when dropped.

use std::ffi::{c_int, c_void};
use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use v4l::v4l_sys::{
    v4l2_buffer, v4l2_capability, v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum,
    v4l2_plane, v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2;
use v4l::v4l2::vidioc::{self, _IOC_TYPE as Request};

use super::layout::{Kind, MAX_PLANES, MEMORY_MMAP};

/// Maximum number of consecutive retries of interrupted calls; more indicate another problem.
const MAX_INTERRUPTS: usize = 1000;

/// Arguments of requests that consist of integers alone.
///
/// # Safety
/// Every pattern of bytes is a value of the type, and the kernel follows no pointer in it.
pub(super) unsafe trait Argument: Copy {
    /// Returns a value with all bytes zero, which the kernel requires for unused fields.
    fn zeroed() -> Self {
        // SAFETY: every pattern of bytes is a value.
        unsafe { std::mem::zeroed() }
    }
}

// SAFETY: integers and arrays of them.
unsafe impl Argument for c_int {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_capability {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_fmtdesc {}
// SAFETY: integers; of the union's variants only overlays have pointers, and none is asked for.
unsafe impl Argument for v4l2_format {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_frmsizeenum {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_frmivalenum {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_streamparm {}
// SAFETY: integers and arrays of them.
unsafe impl Argument for v4l2_requestbuffers {}

/// An open video node; closed when dropped.
#[derive(Debug)]
pub(super) struct Node(c_int);

impl Node {
    /// Opens `/dev/videoN` in non-blocking mode: only [`Node::wait`] blocks.
    pub(super) fn open(index: u32) -> Result<Self> {
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        uninterrupted(|| v4l2::open(path(index), flags)).map(Self)
    }

    /// Sends a request to the driver.
    pub(super) fn ask<T: Argument>(&self, request: Request, argument: &mut T) -> Result<()> {
        self.control(request, argument)
    }

    /// Like [`Node::ask`], for requests about one buffer.
    pub(super) fn ask_buffer(&self, request: Request, buffer: &mut Buffer) -> Result<()> {
        if buffer.has_planes {
            buffer.raw.m.planes = buffer.planes.as_mut_ptr();
            buffer.raw.length = MAX_PLANES as u32;
        }
        self.control(request, &mut buffer.raw)
    }

    fn control<T: Copy>(&self, request: Request, argument: &mut T) -> Result<()> {
        // The upper half of a request holds the size of its argument.
        if (request >> 16 & 0x3FFF) as usize != size_of::<T>() {
            return Err(Error::from(ErrorKind::InvalidInput));
        }
        let argument: *mut T = argument;
        uninterrupted(|| {
            // SAFETY: the kernel reads and writes as many bytes as the request says, which are
            // the argument's. A buffer's planes are an array of the length it states, owned by
            // the same value; other arguments hold no pointers.
            unsafe { v4l2::ioctl(self.0, request, argument.cast::<c_void>()) }
        })
    }

    /// Waits for a frame; returns `false` after `limit` without one. An interrupted wait ends
    /// early.
    pub(super) fn wait(&self, limit: Duration) -> Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.0,
            events: libc::POLLIN,
            revents: 0,
        };
        let millis = limit.as_millis().try_into().unwrap_or(c_int::MAX);
        // SAFETY: one structure is passed, and one announced.
        match unsafe { libc::poll(&raw mut poll, 1, millis) } {
            -1 => match Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
            // Errors count as ready, too: the next request returns them.
            n => Ok(n > 0),
        }
    }

    /// Maps a buffer of the driver into memory.
    pub(super) fn map(&self, length: usize, offset: u32) -> Result<Mapping> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: the system chooses where, so that no other memory is touched.
        let start = uninterrupted(|| unsafe {
            v4l2::mmap(
                std::ptr::null_mut(),
                length,
                access,
                kind,
                self.0,
                libc::off_t::from(offset),
            )
        })?;
        Ok(Mapping { start, length })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = v4l2::close(self.0) {
            tracing::debug!(%error, "a camera did not close cleanly");
        }
    }
}

/// Returns the path of a video node.
pub(super) fn path(index: u32) -> String {
    format!("/dev/video{index}")
}

fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..MAX_INTERRUPTS {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
    call()
}

/// A buffer in the form that requests use.
pub(super) struct Buffer {
    pub(super) raw: v4l2_buffer,
    pub(super) planes: [v4l2_plane; MAX_PLANES],
    has_planes: bool,
}

impl Buffer {
    /// Describes buffer `index` of a stream of this type.
    pub(super) fn new(stream: Kind, index: u32) -> Self {
        // SAFETY: integers and a pointer that may be null.
        let mut raw: v4l2_buffer = unsafe { std::mem::zeroed() };
        (raw.index, raw.type_) = (index, stream.number());
        raw.memory = MEMORY_MMAP;
        Self {
            raw,
            // SAFETY: integers.
            planes: unsafe { std::mem::zeroed() },
            has_planes: stream.has_planes(),
        }
    }
}

/// Memory shared with the driver; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    /// Returns the bytes. Only call this for a buffer that was dequeued and not yet queued again.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has this length and lives as long as `self`. Between DQBUF and QBUF,
        // which is when callers look, the driver writes nothing.
        unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those of `mmap`, and nothing borrows from `self` any more.
        if let Err(error) = unsafe { v4l2::munmap(self.start, self.length) } {
            tracing::debug!(%error, "a camera's buffer was not unmapped");
        }
    }
}

/// Requests under their names in the kernel documentation.
pub(super) use vidioc::{
    VIDIOC_DQBUF, VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMEINTERVALS, VIDIOC_ENUM_FRAMESIZES,
    VIDIOC_G_PARM, VIDIOC_QBUF, VIDIOC_QUERYBUF, VIDIOC_QUERYCAP, VIDIOC_REQBUFS, VIDIOC_S_FMT,
    VIDIOC_S_PARM, VIDIOC_STREAMOFF, VIDIOC_STREAMON, VIDIOC_TRY_FMT,
};

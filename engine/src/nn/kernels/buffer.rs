//! Feature maps: [`Nhwc`], channels last, in memory that a [`Buffers`] pool takes back when the
//! map is dropped, and the borrowed [`View`] and [`ViewMut`] of all or some of its channels.

use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

/// One cache line; maps start on one, so that a 16-lane load of 16 channels touches one line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

/// Lines that hold `floats` floats.
pub(super) fn lines(floats: usize) -> usize {
    floats.div_ceil(16)
}

/// Free memory for feature maps, shared by the maps it has given out.
///
/// After the first pass through a network every request is served from the pool.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<Line>>>>);

/// Free buffers a pool keeps: more than the maps of a deep network, which all come back at once
/// after a training step.
const MAX_FREE: usize = 1024;

impl Buffers {
    /// A pool with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map of `n` images of `h` x `w` pixels and `c` channels; its contents are arbitrary.
    pub fn map(&self, n: usize, h: usize, w: usize, c: usize) -> Nhwc {
        let need = lines(volume([n, h, w, c]));
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The tightest fit, and none that would waste more than it holds.
        let best = (0..free.len())
            .filter(|&i| (need..=2 * need).contains(&free[i].len()))
            .min_by_key(|&i| free[i].len());
        let buf = best.map_or_else(|| vec![Line::zeroed(); need], |i| free.swap_remove(i));
        drop(free);
        Nhwc {
            n,
            h,
            w,
            c,
            buf,
            home: self.clone(),
        }
    }

    /// A map filled from `data`, `n * h * w * c` floats with channels innermost.
    pub fn map_from(&self, n: usize, h: usize, w: usize, c: usize, data: &[f32]) -> Nhwc {
        let mut map = self.map(n, h, w, c);
        map.data_mut().copy_from_slice(data);
        map
    }

    fn give_back(&self, buf: Vec<Line>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= MAX_FREE {
            free.swap_remove(0);
        }
        free.push(buf);
    }
}

/// `n` images of `h` x `w` pixels with `c` channels innermost; dropping it returns the memory.
pub struct Nhwc {
    n: usize,
    h: usize,
    w: usize,
    c: usize,
    buf: Vec<Line>,
    home: Buffers,
}

impl Drop for Nhwc {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buf));
    }
}

impl Nhwc {
    /// Images.
    pub fn n(&self) -> usize {
        self.n
    }
    /// Rows.
    pub fn h(&self) -> usize {
        self.h
    }
    /// Pixels per row.
    pub fn w(&self) -> usize {
        self.w
    }
    /// Channels.
    pub fn c(&self) -> usize {
        self.c
    }
    /// Images, rows, columns, channels.
    pub fn dims(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }
    /// The pool it came from: results of operations on this map come from there too.
    pub fn buffers(&self) -> &Buffers {
        &self.home
    }
    /// All values.
    pub fn data(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.buf)[..self.n * self.h * self.w * self.c]
    }
    /// All values, to be written.
    pub fn data_mut(&mut self) -> &mut [f32] {
        let len = self.n * self.h * self.w * self.c;
        &mut bytemuck::cast_slice_mut(&mut self.buf)[..len]
    }
    /// All channels.
    pub fn view(&self) -> View<'_> {
        View::new(self.data(), self.dims(), self.c)
    }
    /// Channels `from..from + c` only.
    pub fn channels(&self, from: usize, c: usize) -> View<'_> {
        assert!(from + c <= self.c, "channel slice outside the map");
        let data = self.data();
        View::new(
            &data[from.min(data.len())..],
            [self.n, self.h, self.w, c],
            self.c,
        )
    }
    /// All channels, to be written.
    pub fn view_mut(&mut self) -> ViewMut<'_> {
        let (dims, c) = (self.dims(), self.c);
        ViewMut::new(self.data_mut(), dims, c)
    }
    /// Channels `from..from + c`, to be written: concatenation without a copy.
    pub fn channels_mut(&mut self, from: usize, c: usize) -> ViewMut<'_> {
        assert!(from + c <= self.c, "channel slice outside the map");
        let (dims, stride) = ([self.n, self.h, self.w, c], self.c);
        let data = self.data_mut();
        let from = from.min(data.len());
        ViewMut::new(&mut data[from..], dims, stride)
    }
    /// The same values under other dimensions of the same total.
    pub fn reshape(mut self, n: usize, h: usize, w: usize, c: usize) -> Self {
        assert_eq!(
            volume([n, h, w, c]),
            self.data().len(),
            "reshape keeps the size"
        );
        (self.n, self.h, self.w, self.c) = (n, h, w, c);
        self
    }
}

/// Number of values; panics where the product would wrap, which would make every bound wrong.
fn volume(dims: [usize; 4]) -> usize {
    let product = dims.iter().try_fold(1_usize, |all, &d| all.checked_mul(d));
    assert!(product.is_some(), "a map of {dims:?} is too large");
    product.unwrap_or(0)
}

/// Floats a map of `dims` spans when its pixels lie `stride` floats apart.
fn span([n, h, w, c]: [usize; 4], stride: usize) -> usize {
    match volume([n, h, w, stride.max(1)]) {
        0 => 0,
        _ => (n * h * w - 1) * stride + c,
    }
}

/// Borrowed pixels of `c` channels that lie `stride >= c` floats apart.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// From the first pixel's first channel.
    pub(super) data: &'a [f32],
    /// Images, rows, columns, channels.
    pub(super) dims: [usize; 4],
    /// Floats from a pixel to the next.
    pub(super) stride: usize,
}

impl<'a> View<'a> {
    /// A view of `data`; panics when it is too short.
    pub fn new(data: &'a [f32], dims: [usize; 4], stride: usize) -> Self {
        assert!(stride >= dims[3], "pixels overlap");
        assert!(data.len() >= span(dims, stride), "view outside its data");
        Self { data, dims, stride }
    }

    /// Images, rows, columns, channels.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The same pixels for the tasks of a kernel, which do not write them.
    pub(super) fn shared(&self) -> Shared {
        Shared {
            ptr: self.data.as_ptr().cast_mut(),
            stride: self.stride,
        }
    }
}

/// Like [`View`], to be written.
pub struct ViewMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) dims: [usize; 4],
    pub(super) stride: usize,
}

impl<'a> ViewMut<'a> {
    /// A view of `data`; panics when it is too short.
    pub fn new(data: &'a mut [f32], dims: [usize; 4], stride: usize) -> Self {
        assert!(stride >= dims[3], "pixels overlap");
        assert!(data.len() >= span(dims, stride), "view outside its data");
        Self { data, dims, stride }
    }

    /// Images, rows, columns, channels.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// The same pixels for the tasks of a kernel.
    pub(super) fn shared(&mut self) -> Shared {
        Shared {
            ptr: self.data.as_mut_ptr(),
            stride: self.stride,
        }
    }
}

/// Pixels that several threads read, or write, each its own.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    ptr: *mut f32,
    /// Floats from a pixel to the next.
    pub(super) stride: usize,
}

// SAFETY: kernels hand every task a disjoint set of pixels (or channels of them), and the view the
// pointer came from outlives the call.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Where pixel number `pixel` starts.
    ///
    /// # Safety
    /// The pixel lies in the view that this was made from.
    #[inline(always)]
    pub(super) unsafe fn pixel(self, pixel: usize) -> *mut f32 {
        // SAFETY: inside the view, see above.
        unsafe { self.ptr.add(pixel * self.stride) }
    }

    /// The pixels from `pixel` and the channels from `channel` on.
    ///
    /// # Safety
    /// Both lie in the view that this was made from.
    pub(super) unsafe fn part(self, pixel: usize, channel: usize) -> Self {
        Self {
            // SAFETY: inside the view, see above.
            ptr: unsafe { self.pixel(pixel).add(channel) },
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a dropped map's memory is not reused, so that every frame allocates anew, or
    /// when a map much larger than needed is handed out.
    #[test]
    fn memory_returns_to_the_pool() {
        let pool = Buffers::new();
        let a = pool.map(1, 4, 4, 16);
        let place = a.data().as_ptr();
        assert_eq!(place as usize % 64, 0);
        drop(a);
        let small = pool.map(1, 1, 1, 16);
        assert_ne!(small.data().as_ptr(), place);
        let b = pool.map(1, 2, 8, 15);
        assert_eq!(b.data().as_ptr(), place);
    }
}

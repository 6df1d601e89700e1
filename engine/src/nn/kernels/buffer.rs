//! Feature maps: [`Nhwc`], channels-last, whose memory returns to a [`Buffers`] pool when the map
//! is dropped, and [`View`] and [`ViewMut`], which borrow all or some of its channels.

use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};

/// One cache line. Maps are aligned to it, so that a 16-lane load of 16 channels touches one line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

/// Returns the number of lines that hold `floats` floats.
pub(super) fn lines(floats: usize) -> usize {
    floats.div_ceil(16)
}

/// A pool of memory for feature maps, shared with the maps allocated from it.
///
/// After the first pass through a network, every request is served from the pool.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<Line>>>>);

/// Maximum number of free buffers in the pool: more than a deep network has maps, all of which are
/// returned after a training step.
const MAX_FREE: usize = 1024;

impl Buffers {
    /// Creates an empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allocates a map of `n` images of `h` x `w` pixels and `c` channels with arbitrary contents.
    pub fn map(&self, n: usize, h: usize, w: usize, c: usize) -> Nhwc {
        let need = lines(volume([n, h, w, c]));
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Best fit; a buffer of more than twice the size is not used.
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

    /// Allocates a map filled from `data`, `n * h * w * c` floats with channels innermost.
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

/// `n` images of `h` x `w` pixels with `c` channels innermost; the memory returns to its pool on
/// drop.
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
    /// Returns the number of images.
    pub fn n(&self) -> usize {
        self.n
    }
    /// Returns the height: the number of rows.
    pub fn h(&self) -> usize {
        self.h
    }
    /// Returns the width: the number of pixels per row.
    pub fn w(&self) -> usize {
        self.w
    }
    /// Returns the number of channels.
    pub fn c(&self) -> usize {
        self.c
    }
    /// Returns `[images, rows, columns, channels]`.
    pub fn dims(&self) -> [usize; 4] {
        [self.n, self.h, self.w, self.c]
    }
    /// Returns the pool of this map, from which results of operations on it are allocated too.
    pub fn buffers(&self) -> &Buffers {
        &self.home
    }
    /// Returns all values.
    pub fn data(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.buf)[..self.n * self.h * self.w * self.c]
    }
    /// Returns all values, mutably.
    pub fn data_mut(&mut self) -> &mut [f32] {
        let len = self.n * self.h * self.w * self.c;
        &mut bytemuck::cast_slice_mut(&mut self.buf)[..len]
    }
    /// Returns a view of all channels.
    pub fn view(&self) -> View<'_> {
        View::new(self.data(), self.dims(), self.c)
    }
    /// Returns a view of channels `from..from + c`.
    pub fn channels(&self, from: usize, c: usize) -> View<'_> {
        assert!(from + c <= self.c, "channel slice outside the map");
        let data = self.data();
        View::new(
            &data[from.min(data.len())..],
            [self.n, self.h, self.w, c],
            self.c,
        )
    }
    /// Returns a mutable view of all channels.
    pub fn view_mut(&mut self) -> ViewMut<'_> {
        let (dims, c) = (self.dims(), self.c);
        ViewMut::new(self.data_mut(), dims, c)
    }
    /// Returns a mutable view of channels `from..from + c`: for concatenation without a copy.
    pub fn channels_mut(&mut self, from: usize, c: usize) -> ViewMut<'_> {
        assert!(from + c <= self.c, "channel slice outside the map");
        let (dims, stride) = ([self.n, self.h, self.w, c], self.c);
        let data = self.data_mut();
        let from = from.min(data.len());
        ViewMut::new(&mut data[from..], dims, stride)
    }
    /// Changes the dimensions; the values are arbitrary afterwards. Memory is only allocated when
    /// the map has never been that large.
    pub fn resize(&mut self, [n, h, w, c]: [usize; 4]) {
        let need = lines(volume([n, h, w, c]));
        if self.buf.len() < need {
            self.buf = vec![Line::zeroed(); need];
        }
        (self.n, self.h, self.w, self.c) = (n, h, w, c);
    }
    /// Reinterprets the values with other dimensions of the same product.
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

/// Returns the number of values; panics on overflow, which would invalidate every bound.
fn volume(dims: [usize; 4]) -> usize {
    let product = dims.iter().try_fold(1_usize, |all, &d| all.checked_mul(d));
    assert!(product.is_some(), "a map of {dims:?} is too large");
    product.unwrap_or(0)
}

/// Returns the number of floats spanned by a map of `dims` whose pixels are `stride` floats apart.
fn span([n, h, w, c]: [usize; 4], stride: usize) -> usize {
    match volume([n, h, w, stride.max(1)]) {
        0 => 0,
        _ => (n * h * w - 1) * stride + c,
    }
}

/// Borrowed pixels of `c` channels that are `stride >= c` floats apart.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Floats from the first pixel's first channel on.
    pub(super) data: &'a [f32],
    /// `[images, rows, columns, channels]`.
    pub(super) dims: [usize; 4],
    /// Floats from one pixel to the next.
    pub(super) stride: usize,
}

impl<'a> View<'a> {
    /// Creates a view of `data`; panics when `data` is too short.
    pub fn new(data: &'a [f32], dims: [usize; 4], stride: usize) -> Self {
        assert!(stride >= dims[3], "pixels overlap");
        assert!(data.len() >= span(dims, stride), "view outside its data");
        Self { data, dims, stride }
    }

    /// Returns `[images, rows, columns, channels]`.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// Returns the values of each pixel of image `i` in row-major order, channels innermost.
    pub fn pixels(&self, i: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let [_, h, w, c] = self.dims;
        let (data, stride) = (self.data, self.stride);
        (0..h * w).map(move |pixel| &data[(i * h * w + pixel) * stride..][..c])
    }

    /// Returns a pointer for the tasks of a kernel, which must not write through it.
    pub(super) fn shared(&self) -> Shared {
        Shared {
            ptr: self.data.as_ptr().cast_mut(),
            stride: self.stride,
        }
    }
}

/// Mutably borrowed pixels; see [`View`].
pub struct ViewMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) dims: [usize; 4],
    pub(super) stride: usize,
}

impl<'a> ViewMut<'a> {
    /// Creates a view of `data`; panics when `data` is too short.
    pub fn new(data: &'a mut [f32], dims: [usize; 4], stride: usize) -> Self {
        assert!(stride >= dims[3], "pixels overlap");
        assert!(data.len() >= span(dims, stride), "view outside its data");
        Self { data, dims, stride }
    }

    /// Returns `[images, rows, columns, channels]`.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// Returns a pointer for the tasks of a kernel.
    pub(super) fn shared(&mut self) -> Shared {
        Shared {
            ptr: self.data.as_mut_ptr(),
            stride: self.stride,
        }
    }
}

/// Pixels that several threads access; each thread reads or writes its own.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    ptr: *mut f32,
    /// Floats from one pixel to the next.
    pub(super) stride: usize,
}

// SAFETY: kernels hand every task a disjoint set of pixels (or channels of them), and the view the
// pointer came from outlives the call.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Returns a pointer to pixel number `pixel`.
    ///
    /// # Safety
    /// The pixel must lie in the view from which this was made.
    #[inline(always)]
    pub(super) unsafe fn pixel(self, pixel: usize) -> *mut f32 {
        // SAFETY: inside the view, see above.
        unsafe { self.ptr.add(pixel * self.stride) }
    }

    /// Returns the pixels from `pixel` and the channels from `channel` on.
    ///
    /// # Safety
    /// Both must lie in the view from which this was made.
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

    /// Fails when a dropped map's memory is not reused, so that every frame allocates again, or
    /// when a map much larger than requested is returned.
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

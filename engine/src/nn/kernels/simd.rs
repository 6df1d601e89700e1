//! One vector type per instruction set behind a common trait, so that every kernel is written once.
//!
//! A [`Simd`] value is a token that can only be created on a CPU with the instructions, which makes
//! arithmetic on it safe. A [`Job`] is a kernel body with its arguments; [`Simd::enter`] compiles
//! it with the instruction set enabled.

/// A kernel body, compiled once per instruction set.
pub(crate) trait Job {
    /// Return type of the body.
    type Out;
    /// Runs the body. Every implementation must be `#[inline(always)]`, otherwise it is compiled
    /// without the instruction set.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Declares a job: a struct of arguments whose body may use the token and its type `S`.
macro_rules! job {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* $(,)? }, $s:ident => $body:block) => {
        $(#[$doc])*
        struct $name<'a> { $($field: $ty),* }

        impl $crate::nn::kernels::simd::Job for $name<'_> {
            type Out = ();
            #[inline(always)]
            fn run<S: $crate::nn::kernels::simd::Simd>(self, $s: S) {
                let Self { $($field),* } = self;
                $body
            }
        }
    };
}
pub(super) use job;

/// A vector of `LANES` floats on one instruction set.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Vector type.
    type V: Copy;
    /// Number of floats in a vector; divides 16, the width of a weight panel.
    const LANES: usize;
    /// Pixels of the largest register tile; see `tile`.
    const MAX_PIXELS: usize;

    /// Runs a job with this instruction set enabled, as a separate function.
    fn enter<J: Job>(self, job: J) -> J::Out;

    /// Sets all lanes to `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Lane-wise sum.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Lane-wise difference.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Lane-wise product.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// Lane-wise quotient.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// Lane-wise maximum.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// Lane-wise minimum.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`; fused except on the portable set.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`; fused except on the portable set.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Rounds each lane to the nearest integer.
    fn round(self, a: Self::V) -> Self::V;
    /// `2^n` for integer-valued lanes in -126..=127.
    fn pow2(self, n: Self::V) -> Self::V;
    /// Sum of the lanes.
    fn sum(self, a: Self::V) -> f32;
    /// Largest lane.
    fn max_lane(self, a: Self::V) -> f32;

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// `p` is readable for `LANES` floats.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Reads `n` floats, the other lanes are 0.
    ///
    /// # Safety
    /// `p` is readable for `n` floats, `n <= LANES`.
    unsafe fn load_n(self, p: *const f32, n: usize) -> Self::V;
    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// `p` is writable for `LANES` floats.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// `p` is writable for `n` floats, `n <= LANES`.
    unsafe fn store_n(self, p: *mut f32, v: Self::V, n: usize);

    /// Reads `min(n, LANES)` floats; the usual case `n >= LANES` is one load.
    ///
    /// # Safety
    /// `p` is readable for that many floats.
    #[inline(always)]
    unsafe fn load_upto(self, p: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise covers both cases.
        unsafe {
            if n >= Self::LANES {
                self.load(p)
            } else {
                self.load_n(p, n)
            }
        }
    }

    /// Writes `min(n, LANES)` floats.
    ///
    /// # Safety
    /// `p` is writable for that many floats.
    #[inline(always)]
    unsafe fn store_upto(self, p: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's promise covers both cases.
        unsafe {
            if n >= Self::LANES {
                self.store(p, v);
            } else {
                self.store_n(p, v, n);
            }
        }
    }
}

/// Four lanes in plain Rust: runs on any CPU, and LLVM still compiles it to SSE2 or similar.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Applies `f` to each lane.
#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; 4] {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    // As on NEON, so that every machine tests that tile; 2 would be 14 % faster on SSE2, but only
    // CPUs without AVX2 use this.
    const MAX_PIXELS: usize = 6;

    fn enter<J: Job>(self, job: J) -> J::Out {
        job.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        lanes(|i| (a[i] + 0.5).floor())
    }
    #[inline(always)]
    fn pow2(self, n: Self::V) -> Self::V {
        lanes(|i| f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        (a[0] + a[1]) + (a[2] + a[3])
    }
    #[inline(always)]
    fn max_lane(self, a: Self::V) -> f32 {
        a[0].max(a[1]).max(a[2].max(a[3]))
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        // SAFETY: the caller promises four readable floats; any alignment is allowed.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize) -> Self::V {
        let mut v = [0.0; 4];
        // SAFETY: the caller promises n readable floats, n <= 4.
        unsafe { p.copy_to_nonoverlapping(v.as_mut_ptr(), n) };
        v
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller promises four writable floats; any alignment is allowed.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller promises n writable floats, n <= 4.
        unsafe { p.copy_from_nonoverlapping(v.as_ptr(), n) }
    }
}

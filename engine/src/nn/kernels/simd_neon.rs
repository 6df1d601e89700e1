//! 64-bit ARM vectors: NEON with 4 lanes, present on every such CPU.

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vaddvq_f32, vcvtnq_s32_f32, vdivq_f32, vdupq_n_f32,
    vdupq_n_s32, vfmaq_f32, vfmsq_f32, vld1q_f32, vmaxq_f32, vmaxvq_f32, vminq_f32, vmulq_f32,
    vreinterpretq_f32_s32, vrndnq_f32, vshlq_n_s32, vst1q_f32, vsubq_f32,
};

use super::simd::{Job, Simd};

/// NEON is part of the aarch64 baseline, so the token needs no check.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

#[target_feature(enable = "neon")]
fn enter_neon<J: Job>(s: Neon, job: J) -> J::Out {
    job.run(s)
}

/// Defines methods that consist of one expression of intrinsics.
macro_rules! pure {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $out {
            // SAFETY: NEON is part of the aarch64 base; no memory is touched.
            unsafe { $body }
        }
    )*};
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    // 6 pixels x 4 vectors (16 channels) are 24 of the 32 registers.
    const MAX_PIXELS: usize = 6;

    #[inline(always)]
    fn enter<J: Job>(self, job: J) -> J::Out {
        // SAFETY: NEON is part of the aarch64 base.
        unsafe { enter_neon(self, job) }
    }
    pure! {
        splat(x: f32) -> float32x4_t = vdupq_n_f32(x);
        add(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        sub(a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        mul(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        div(a: float32x4_t, b: float32x4_t) -> float32x4_t = vdivq_f32(a, b);
        max(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmaxq_f32(a, b);
        min(a: float32x4_t, b: float32x4_t) -> float32x4_t = vminq_f32(a, b);
        fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        fnma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmsq_f32(c, a, b);
        round(a: float32x4_t) -> float32x4_t = vrndnq_f32(a);
        pow2(n: float32x4_t) -> float32x4_t = vreinterpretq_f32_s32(vshlq_n_s32::<23>(
            vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127))));
        sum(a: float32x4_t) -> f32 = vaddvq_f32(a);
        max_lane(a: float32x4_t) -> f32 = vmaxvq_f32(a);
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller promises four readable floats.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize) -> float32x4_t {
        let mut v = [0.0_f32; 4];
        // SAFETY: the caller promises n readable floats, n <= 4.
        unsafe {
            p.copy_to_nonoverlapping(v.as_mut_ptr(), n);
            vld1q_f32(v.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller promises four writable floats.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: float32x4_t, n: usize) {
        let mut lanes = [0.0_f32; 4];
        // SAFETY: the caller promises n writable floats, n <= 4.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            p.copy_from_nonoverlapping(lanes.as_ptr(), n);
        }
    }
}

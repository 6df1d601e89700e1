//! Vectorised exponential, tanh and sigmoid.

use super::simd::Simd;

/// Activation function applied to a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Identity.
    #[default]
    None,
    /// Rectified linear unit, `max(x, 0)`.
    Relu,
    /// Hyperbolic tangent; absolute error below 1e-6.
    Tanh,
    /// `1 / (1 + exp(-x))`; absolute error below 1e-6.
    Sigmoid,
}

impl Activation {
    /// Applies the activation to a vector.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, s: S, x: S::V) -> S::V {
        match self {
            Self::None => x,
            Self::Relu => s.max(s.splat(0.0), x),
            Self::Tanh => tanh(s, x),
            Self::Sigmoid => sigmoid(s, x),
        }
    }
}

/// Computes `e^x` with a relative error of 2e-7; arguments are clamped to -87..=88, and NaN stays
/// NaN.
///
/// Uses `x = n ln 2 + r` with |r| <= ln 2 / 2 and the polynomial of degree 6 of Moshier's Cephes.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.min(s.splat(88.0), s.max(s.splat(-87.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first with few bits, so that n times it is exact.
    let r = s.fnma(n, s.splat(0.693_359_375), x);
    let r = s.fnma(n, s.splat(-2.121_944_4e-4), r);
    let mut p = s.splat(1.987_569_15e-4);
    for c in [
        1.398_199_95e-3,
        8.333_451_9e-3,
        4.166_579_6e-2,
        1.666_666_55e-1,
        5.000_000_1e-1,
        1.0,
        1.0,
    ] {
        p = s.fma(p, r, s.splat(c));
    }
    s.mul(p, s.pow2(n))
}

/// Computes `tanh x = 1 - 2 / (e^2x + 1)`.
#[inline(always)]
fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let e = exp(s, s.add(x, x));
    s.sub(one, s.div(s.splat(2.0), s.add(e, one)))
}

/// Computes `1 / (1 + e^-x)`.
#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

//! CPU kernels for inference and for training's convolutions: f32, channels last, one source for all instruction sets.
//!
//! The nouns: [`Threads`] says on which instruction set ([`Isa`]) and how many threads to
//! compute; [`Buffers`] is the memory that feature maps ([`Nhwc`]) come from and return to;
//! [`PackedConv`] is a layer's weights, packed once at load. An operation is a function of maps:
//! `conv2d(&weights, &map, Epilogue::RELU, &threads)` answers with a new map.
//!
//! Mismatched sizes are faults of a network's definition: the functions panic, saying which.
//!
//! Channels last won over 16-channel blocks because linear layers, layer norms and the dot
//! product over channels then need no second format, and a band of rows is copied into blocks
//! anyway where that pays (`strip`).

#![allow(
    clippy::inline_always,
    reason = "a kernel body that is not inlined is compiled without its instruction set"
)]

mod affine;
mod attention;
mod buffer;
mod conv;
mod depthwise;
mod grad;
mod isa;
mod math;
mod pack;
mod point;
mod pointwise;
pub mod reference;
mod resample;
mod rows;
mod simd;
#[cfg(target_arch = "aarch64")]
mod simd_neon;
#[cfg(target_arch = "x86_64")]
mod simd_x86;
mod strip;
#[cfg(test)]
mod tests;
mod threads;
mod tile;
mod winograd;

pub use affine::affine;
pub use attention::{Heads, attention};
pub use buffer::{Buffers, Nhwc, View, ViewMut};
pub use conv::{Epilogue, Residual, conv2d, conv2d_into, conv2d_transposed};
pub use depthwise::{PackedDepthwise, depthwise};
pub use grad::{bias_gradient, conv2d_weight_gradient};
pub use isa::{ISA_VARIABLE, Isa};
pub use math::Activation;
pub use pack::{ConvShape, PackedConv, PackedTransposed, Plan};
pub use pointwise::{add, gate, project, scale_pixels, upsample_add};
pub use resample::{from_nchw, max_pool, to_nchw, upsample_bilinear2};
pub use rows::{Factor, layer_norm, matmul, softmax};
pub use threads::Threads;

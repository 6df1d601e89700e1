//! CPU kernels for inference and training: f32, channels last, one source for all instruction sets.
//!
//! [`Threads`] holds the instruction set ([`Isa`]) and the thread pool. [`Buffers`] is the memory
//! pool for feature maps ([`Nhwc`]). [`PackedConv`] holds a layer's weights, packed once at load
//! time. An operation is a function of maps: `conv2d(&weights, &map, Epilogue::RELU, &threads)`
//! returns a new map.
//!
//! Mismatched sizes are errors in a network's definition: the functions panic and name the size.
//!
//! Channels-last was chosen over 16-channel blocks because linear layers, layer norms and the dot
//! product over channels then need no second format, and bands of rows are copied into blocks
//! anyway where this is faster (`strip`).

#![allow(
    clippy::inline_always,
    reason = "a kernel body that is not inlined is compiled without its instruction set"
)]

mod affine;
mod attention;
mod attention_grad;
mod buffer;
mod concat;
mod conv;
mod conv1x1;
mod conv_grad;
mod depthwise;
mod depthwise_grad;
mod dropout;
mod elementwise;
mod elementwise_grad;
mod factor;
mod isa;
mod layer_norm;
mod math;
mod norm;
mod pack;
mod panels;
mod reduce;
pub mod reference;
mod resample;
mod resample_grad;
mod shape;
mod simd;
#[cfg(target_arch = "aarch64")]
mod simd_neon;
#[cfg(target_arch = "x86_64")]
mod simd_x86;
mod softmax;
mod strip;
#[cfg(test)]
mod tests;
mod threads;
mod tile;
mod unpack;
mod winograd;
mod winograd_grad;
mod winograd_patch;

pub use affine::{affine, affine_into};
pub use attention::{Heads, attention};
pub use attention_grad::attention_gradient;
pub use buffer::{Buffers, Nhwc, View, ViewMut};
pub use concat::{concat, concat_gradient};
pub use conv::{
    Epilogue, Residual, conv2d, conv2d_into, conv2d_transposed, conv2d_transposed_into,
};
pub use conv_grad::conv2d_weight_gradient;
pub use depthwise::{PackedDepthwise, depthwise, depthwise_into};
pub use depthwise_grad::depthwise_weight_gradient;
pub use dropout::{Dropout, apply_dropout};
pub use elementwise::{
    add, add_bias, add_to_each, add_to_each_into, copy_channels, gate, gate_into, project,
    project_into, scale_pixels, upsample_add, upsample_add_into,
};
pub use elementwise_grad::{
    activation_grad, add_to, copy, multiply_by, project_input_gradient, project_weight_gradient,
    scaled, scaled_gradient,
};
pub use isa::{ISA_VARIABLE, Isa};
pub use layer_norm::{layer_norm, layer_norm_gradient};
pub use math::Activation;
pub use norm::{Moments, moments, norm_gradient, norm_sums};
pub use pack::{PackedConv, PackedTransposed, Plan};
pub use reduce::bias_gradient;
pub use resample::{
    from_nchw, from_nchw_into, max_pool, max_pool_into, planes, to_nchw, upsample_bilinear2,
    upsample_bilinear2_into, upsample_nearest, upsample_nearest_into,
};
pub use resample_grad::{max_pool_gradient, upsample_bilinear2_gradient, upsample_gradient};
pub use shape::ConvShape;
pub use softmax::softmax_over_pixels_into;
pub use threads::Threads;

//! Neural network layers, with one definition for training and inference.
//!
//! Layers take and return [`Features`]: tensors, which candle differentiates, channels-last maps for
//! our own [`kernels`], traced for training, or values of a recorded [`graph`], which an executor of
//! [`execute`] computes. All implementations agree to 1e-4. Each forward call takes a [`Pass`], which
//! holds the [`Mode`] and tells whether attention maps are wanted.
//!
//! Layers avoid candle's operations whose gradients are wrong or missing (they are banned in
//! `clippy.toml`, with the reasons).

mod attention;
mod autograd;
mod batch_norm;
mod common;
mod concat;
mod conv;
mod conv_bn;
mod cpu;
mod depthwise;
mod dropout;
mod elementwise;
pub mod execute;
mod features;
mod gate;
#[cfg(test)]
mod gradcheck;
pub mod graph;
pub mod kernels;
mod linear;
mod pass;
mod pool;
mod query_key;
mod random;
mod transposed;
mod upsample;

pub use attention::{Attended, MultiHeadAttention};
pub use autograd::Traced;
pub use batch_norm::BatchNorm;
pub use concat::{concat, slice};
pub use conv::Conv2d;
pub use conv_bn::ConvBn;
pub use cpu::Kernels;
pub use depthwise::DepthwiseConv;
pub use dropout::dropout;
pub use elementwise::{add, add_bias, multiply};
pub use features::Features;
pub use gate::{GateMaps, SpatialGate};
pub use linear::{LayerNorm, Linear, softmax, softmax_over_pixels};
pub use pass::{Mode, Pass};
pub use pool::{Pool, max_pool};
pub use query_key::attention_weights;
pub use random::Random;
pub use transposed::TransposedConvBn;
pub use upsample::{resize_bilinear, upsample_bilinear2, upsample_nearest, upsample_nearest_add};

//! Layers: one definition for training and inference.
//!
//! A [`Pass`] accompanies a forward call: it carries the [`Mode`], says whether attention maps
//! are wanted, and collects the work done in a [`Tally`].
//!
//! Layers avoid candle's operations whose gradients are wrong or missing (they are banned in
//! `clippy.toml`, with the reasons).

mod conv;
mod conv_op;
mod features;
mod gate;
pub mod kernels;
mod pass;
mod upsample;

pub use conv::{Conv2d, ConvBn};
pub use features::{Features, Kernels};
pub use gate::{GateMaps, SpatialGate};
pub use pass::{LayerWork, Mode, Pass, Tally};
pub use upsample::upsample_nearest2;

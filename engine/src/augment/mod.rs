//! Augmentation of training samples. A labelled person is cropped from a region that is shifted,
//! rotated, scaled or mirrored at random ([`Augment::view`], a [`View`]). Then the pixels of the
//! crop are changed like under different light or by a different camera ([`Augment::augment_pixels`]).
//! Inputs of bottom-up networks may combine four images ([`Mosaic`]).
//!
//! All geometry is one affine map, so that pixels are resampled only once, by the same crop as in
//! live inference. An [`Augment`] is a plain value that can be saved to a file; published recipes
//! are rows of [`PRESETS`]. Each sample draws its random numbers from its own [`Rng`].

mod config;
mod distribution;
mod mosaic;
mod pixels;
mod presets;
mod rng;
mod view;

pub use config::{Augment, Blur, Color, CutOut, HalfBody, Noise, Rotation, UpperBody};
pub use distribution::Distribution;
pub use mosaic::{Mosaic, Tile};
pub use presets::{PRESETS, PresetSpec, preset};
pub use rng::Rng;
pub use view::{CropTarget, View};

//! Augmentation: a labelled person is seen from a region moved, turned, scaled or mirrored at
//! random ([`Augment::view`], a [`View`]), and the pixels of the crop are changed as another
//! light or camera would change them ([`Augment::pixels`]). Inputs that show everybody may be put
//! together from four pictures ([`Mosaic`]).
//!
//! All geometry is one affine map, so that pixels are resampled once, by the same crop that live
//! inference uses. An [`Augment`] is a plain value that can be written to a file; published
//! recipes are rows of [`PRESETS`]. Random numbers come from an [`Rng`] of the sample's own.

mod config;
mod draw;
mod mosaic;
mod pixels;
mod presets;
mod rng;
mod view;

pub use config::{Augment, Blur, Color, CutOut, HalfBody, Noise, Rotation, UpperBody};
pub use draw::Draw;
pub use mosaic::{Mosaic, Tile};
pub use presets::{PRESETS, PresetSpec, preset};
pub use rng::Rng;
pub use view::{Subject, View};

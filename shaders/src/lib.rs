//! Colour maps and drawing primitives in WGSL, with CPU twins that draw the same.
//!
//! A [`scene::Scene`] describes the overlays of an image, and a [`view::View`] the position of the
//! image on a screen. Laid out, a scene is a list of shapes in screen pixels: float maps
//! ([`heat::HeatLayer`], through a [`colormap::ColorMap`]), limbs, joints and boxes as signed
//! distance fields ([`sdf`]), trails ([`trail`]), and labels as strokes ([`text`]). They are drawn
//! on a [`canvas::Canvas`], a borrowed image, or by the shaders ([`wgsl`]) through
#![cfg_attr(feature = "gpu", doc = "[`gpu::Renderer`].")]
#![cfg_attr(not(feature = "gpu"), doc = "the renderer of feature `gpu`.")]
//!
//! Coordinates are pixels with pixel centres at integers: the first pixel covers [-0.5, 0.5).

pub mod canvas;
pub mod colormap;
pub mod frame;
mod glyphs;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod heat;
pub mod instance;
pub mod legend;
pub mod scene;
pub mod sdf;
mod shape;
pub mod text;
pub mod trail;
pub mod view;
pub mod wgsl;

/// An sRGB colour: red, green, blue, 8 bits each.
pub type Rgb = [u8; 3];

/// The person's own left: sky blue of the Okabe-Ito palette, #56B4E9.
pub const LEFT: Rgb = [0x56, 0xb4, 0xe9];
/// The person's own right: orange of the Okabe-Ito palette, #E69F00.
pub const RIGHT: Rgb = [0xe6, 0x9f, 0x00];
/// Joints and limbs on the body's midline.
pub const CENTER: Rgb = [0xff, 0xff, 0xff];
/// Outlines, and the background of labels.
pub const INK: Rgb = [0x10, 0x12, 0x16];

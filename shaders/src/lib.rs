//! Colour maps and drawing primitives: data shared by shaders and their CPU twins.
//!
//! A [`canvas::Canvas`] is a borrowed picture. Bones and joints are drawn on it as signed
//! distance fields ([`sdf`]), labels as strokes ([`text`]), and a float map of any size as a
//! [`heat::HeatLayer`] through a [`colormap::ColorMap`].
//!
//! Coordinates are pixels with pixel centres at integers: the first pixel covers [-0.5, 0.5).

pub mod canvas;
pub mod colormap;
mod glyphs;
pub mod heat;
pub mod sdf;
pub mod text;

/// Red, green, blue, 8 bits each, sRGB.
pub type Rgb = [u8; 3];

/// The person's own left: sky blue of the Okabe-Ito palette, #56B4E9.
pub const LEFT: Rgb = [0x56, 0xb4, 0xe9];
/// The person's own right: orange of the Okabe-Ito palette, #E69F00.
pub const RIGHT: Rgb = [0xe6, 0x9f, 0x00];
/// Joints and limbs on the middle line.
pub const CENTER: Rgb = [0xff, 0xff, 0xff];
/// Rims, outlines and the ground of labels.
pub const INK: Rgb = [0x10, 0x12, 0x16];

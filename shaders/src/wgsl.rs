//! The shaders: one WGSL file per primitive, concatenated with its includes.
//!
//! A shader has the entry points `vertex` and `fragment`, draws four vertices per instance (a strip
//! of two triangles), and returns premultiplied colours. The fields of an instance are defined both
//! in WGSL and in [`crate::instance`]; tests compare the two.

use crate::instance::{self, Attribute, Instance};

/// The shader of one primitive.
#[derive(Debug)]
pub struct Shader {
    /// The primitive it draws.
    pub kind: Kind,
    /// Name of the file, such as `line`; the CPU twin has the same name.
    pub name: &'static str,
    /// WGSL source, with the includes first.
    pub source: &'static str,
    /// Fields of an instance, in the order of their locations.
    pub attributes: &'static [Attribute],
    /// Size of an instance in bytes.
    pub stride: usize,
}

/// A row of [`SHADERS`]: the file `wgsl/NAME.wgsl` after `common` and the named includes.
macro_rules! shader {
    ($kind:ident, $name:literal $(, $include:literal)*) => {
        Shader {
            kind: Kind::$kind,
            name: $name,
            source: concat!(
                include_str!("wgsl/common.wgsl"),
                $(include_str!(concat!("wgsl/", $include, ".wgsl")),)*
                include_str!(concat!("wgsl/", $name, ".wgsl")),
            ),
            attributes: instance::$kind::ATTRIBUTES,
            stride: size_of::<instance::$kind>(),
        }
    };
}

/// All shaders, in the order of [`Kind`].
pub const SHADERS: &[Shader] = &[
    shader!(Frame, "frame"),
    shader!(Heat, "heat"),
    shader!(Line, "line", "sdf", "stroke"),
    shader!(Disc, "disc", "sdf"),
    shader!(Rect, "rect", "sdf"),
    shader!(Trail, "trail", "sdf", "stroke"),
    shader!(Text, "text", "sdf"),
];

/// The primitives, as indices of [`SHADERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The image of a source.
    Frame,
    /// A float map in false colours.
    Heat,
    /// Limbs, as lines with round caps.
    Line,
    /// Joints, as discs or rings.
    Disc,
    /// Boxes, as axis-aligned rectangles.
    Rect,
    /// Fading trails.
    Trail,
    /// Labels.
    Text,
}

//! The shaders: one WGSL file per primitive behind the includes it needs.
//!
//! A shader has the entry points `vertex` and `fragment`, draws four vertices an instance (a
//! strip of two triangles), and gives premultiplied colours. What an instance consists of is
//! said twice, in WGSL and in [`crate::instance`]; tests hold both equal.

use crate::instance::{self, Attribute, Instance};

/// One primitive's shader.
#[derive(Debug)]
pub struct Shader {
    /// What it draws.
    pub kind: Kind,
    /// `line`; its CPU twin is called the same.
    pub name: &'static str,
    /// WGSL, includes in front.
    pub source: &'static str,
    /// The fields of an instance, location by location.
    pub attributes: &'static [Attribute],
    /// Bytes of an instance.
    pub stride: usize,
}

/// A row of [`SHADERS`]: the file `wgsl/NAME.wgsl` behind `common` and the includes named.
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

/// Every primitive, in the order of [`Kind`].
pub const SHADERS: &[Shader] = &[
    shader!(Frame, "frame"),
    shader!(Heat, "heat"),
    shader!(Line, "line", "sdf", "stroke"),
    shader!(Disc, "disc", "sdf"),
    shader!(Rect, "rect", "sdf"),
    shader!(Trail, "trail", "sdf", "stroke"),
    shader!(Text, "text", "sdf"),
];

/// The primitives, as numbers of [`SHADERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The picture.
    Frame,
    /// A float map.
    Heat,
    /// Bones.
    Line,
    /// Joints.
    Disc,
    /// Boxes.
    Rect,
    /// Trails.
    Trail,
    /// Labels.
    Text,
}

//! Instance data of the shaders: the Rust side of the structs in `wgsl/`.
//!
//! Fields are ordered by decreasing alignment, so that their offsets match those of WGSL; a test
//! compares them with naga's layout.

use bytemuck::{Pod, Zeroable};

/// WGSL type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `f32`.
    F32,
    /// `vec2f`.
    Vec2f,
    /// `vec4f`.
    Vec4f,
    /// `u32`.
    U32,
    /// `vec2u`.
    Vec2u,
}

/// A field of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Name in Rust and in WGSL.
    pub name: &'static str,
    /// Byte offset in the instance.
    pub offset: usize,
    /// WGSL type.
    pub format: Format,
}

/// A Rust type with a counterpart in WGSL.
trait Field {
    const FORMAT: Format;
}

macro_rules! fields {
    ($($type:ty => $format:ident),*) => { $(impl Field for $type { const FORMAT: Format = Format::$format; })* };
}

fields!(f32 => F32, [f32; 2] => Vec2f, [f32; 4] => Vec4f, u32 => U32, [u32; 2] => Vec2u);

/// Data of one instance drawn by a shader.
pub trait Instance: Pod {
    /// The fields, in the order of their shader locations.
    const ATTRIBUTES: &'static [Attribute];
}

macro_rules! instances {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Instance for $name {
            const ATTRIBUTES: &'static [Attribute] = &[$(Attribute {
                name: stringify!($field),
                offset: std::mem::offset_of!($name, $field),
                format: <$type as Field>::FORMAT,
            },)*];
        }
    )* };
}

/// Uniform shared by all shaders.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Screen {
    /// Width and height in pixels.
    pub size: [f32; 2],
    /// Padding: uniform buffers have a granularity of 16 bytes.
    pub unused: [f32; 2],
}

impl Screen {
    /// Names and byte offsets of the fields.
    pub const FIELDS: [(&'static str, usize); 2] = [
        ("size", std::mem::offset_of!(Self, size)),
        ("unused", std::mem::offset_of!(Self, unused)),
    ];
}

instances! {
    /// The image of a source: `image = screen * scale + shift` per axis.
    struct Frame {
        /// Image pixels per screen pixel; the x component is negative when mirrored.
        scale: [f32; 2],
        /// Image pixel at the screen's first pixel.
        shift: [f32; 2],
        /// Width and height of the image in pixels.
        size: [f32; 2],
        /// 1: nearest neighbour, 0: bilinear.
        nearest: u32,
    }

    /// A float map; its coordinates are `(u.xyz . p, v.xyz . p)` with `p = (x, y, 1)` on the
    /// screen.
    struct Heat {
        /// First row of the transformation, then the width of the visible part.
        u: [f32; 4],
        /// Second row of the transformation, then the height of the visible part.
        v: [f32; 4],
        /// Maximum opacity, [0, 1].
        alpha: f32,
        /// Strength below which nothing is drawn.
        threshold: f32,
        /// Row of the colour table.
        colors: u32,
        /// 1: strength is the distance from the centre of the range, 0: the fraction of the range.
        diverging: u32,
        /// Index of the [`crate::heat::Fade`].
        fade: u32,
        /// 1: nearest neighbour, 0: bilinear.
        nearest: u32,
    }

    /// A line with round caps.
    struct Line {
        /// Colour and opacity.
        color: [f32; 4],
        /// Start point, in screen pixels.
        a: [f32; 2],
        /// End point, in screen pixels.
        b: [f32; 2],
        /// Line width in pixels.
        width: f32,
    }

    /// A disc or a ring.
    struct Disc {
        /// Colour and opacity.
        color: [f32; 4],
        /// Centre, in screen pixels.
        center: [f32; 2],
        /// Radius in pixels.
        radius: f32,
        /// Line width of a ring; 0 fills the disc.
        stroke: f32,
    }

    /// An axis-aligned rectangle.
    struct Rect {
        /// Colour and opacity.
        color: [f32; 4],
        /// Centre, in screen pixels.
        center: [f32; 2],
        /// Half the width and height.
        half: [f32; 2],
        /// Corner radius in pixels.
        corner: f32,
        /// Line width of an outline; 0 fills the rectangle.
        stroke: f32,
    }

    /// One straight piece of a trail.
    struct Trail {
        /// Colour and opacity.
        color: [f32; 4],
        /// The older end.
        a: [f32; 2],
        /// The newer end.
        b: [f32; 2],
        /// Normal of the line on which it meets the previous piece; 0 at the trail's end.
        cut_a: [f32; 2],
        /// Normal of the line on which it meets the next piece; 0 at the trail's end.
        cut_b: [f32; 2],
        /// Opacity at both ends.
        alpha: [f32; 2],
        /// Line width in pixels.
        width: f32,
    }

    /// One label.
    struct Text {
        /// Colour and opacity.
        color: [f32; 4],
        /// Colour and opacity of the outline.
        ink: [f32; 4],
        /// First corner of the bounding rectangle.
        min: [f32; 2],
        /// Opposite corner of the bounding rectangle.
        max: [f32; 2],
        /// Index of the first stroke, and number of strokes.
        strokes: [u32; 2],
        /// Half the pen's width, and the outline's width.
        pen: [f32; 2],
    }
}

//! What the shaders read: the Rust side of the structs in `wgsl/`.
//!
//! Fields are ordered by falling alignment, so that their offsets here are the ones WGSL gives
//! them; a test compares them with naga's layout.

use bytemuck::{Pod, Zeroable};

/// Type of a field as WGSL names it.
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
    /// Its name on both sides.
    pub name: &'static str,
    /// Bytes before it.
    pub offset: usize,
    /// Its type.
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

/// One thing a shader draws.
pub trait Instance: Pod {
    /// Its fields, location by location.
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

/// The uniform all shaders share.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Screen {
    /// Width and height in pixels.
    pub size: [f32; 2],
    /// Uniform buffers come in steps of 16 bytes.
    pub unused: [f32; 2],
}

impl Screen {
    /// Its fields and their offsets.
    pub const FIELDS: [(&'static str, usize); 2] = [
        ("size", std::mem::offset_of!(Self, size)),
        ("unused", std::mem::offset_of!(Self, unused)),
    ];
}

instances! {
    /// The picture of a source: `image = screen * scale + shift` by axis.
    struct Frame {
        /// Image pixels per screen pixel; the first is negative in a mirror.
        scale: [f32; 2],
        /// Image pixel at the screen's first pixel.
        shift: [f32; 2],
        /// Width and height of the picture.
        size: [f32; 2],
        /// 1: its own pixels as squares, 0: bilinear.
        nearest: u32,
    }

    /// A float map: its position is `(u.xyz . p, v.xyz . p)` with `p = (x, y, 1)` on the screen.
    struct Heat {
        /// First row of the map, then the width of the shown part.
        u: [f32; 4],
        /// Second row of the map, then the height of the shown part.
        v: [f32; 4],
        /// Opacity.
        alpha: f32,
        /// Strength below which nothing is shown.
        threshold: f32,
        /// Row of the colour table.
        colors: u32,
        /// 1: strength is the distance from the middle of the range, 0: the share of the range.
        diverging: u32,
        /// Number of the [`crate::heat::Fade`].
        fade: u32,
        /// 1: the map's own pixels as squares, 0: bilinear.
        nearest: u32,
    }

    /// A line with round ends.
    struct Line {
        /// Colour and opacity.
        color: [f32; 4],
        /// One end.
        a: [f32; 2],
        /// The other end.
        b: [f32; 2],
        /// Pixels.
        width: f32,
    }

    /// A disc or a ring.
    struct Disc {
        /// Colour and opacity.
        color: [f32; 4],
        /// Middle.
        center: [f32; 2],
        /// Pixels.
        radius: f32,
        /// Width of the ring's line; 0 fills the disc.
        stroke: f32,
    }

    /// An upright rectangle.
    struct Rect {
        /// Colour and opacity.
        color: [f32; 4],
        /// Middle.
        center: [f32; 2],
        /// Half its sides.
        half: [f32; 2],
        /// Radius of its corners.
        corner: f32,
        /// Width of the outline; 0 fills the rectangle.
        stroke: f32,
    }

    /// One piece of a trail.
    struct Trail {
        /// Colour and opacity.
        color: [f32; 4],
        /// The older end.
        a: [f32; 2],
        /// The newer end.
        b: [f32; 2],
        /// Normal of the line on which it meets the piece before; 0 at the trail's end.
        cut_a: [f32; 2],
        /// The same for the piece behind.
        cut_b: [f32; 2],
        /// Opacity at both ends.
        alpha: [f32; 2],
        /// Pixels.
        width: f32,
    }

    /// One label.
    struct Text {
        /// Colour and opacity.
        color: [f32; 4],
        /// Colour and opacity of the outline.
        ink: [f32; 4],
        /// The rectangle it reaches: first corner.
        min: [f32; 2],
        /// Opposite corner.
        max: [f32; 2],
        /// The first of its strokes, and how many there are.
        strokes: [u32; 2],
        /// Half the pen's width, and the outline's width.
        pen: [f32; 2],
    }
}

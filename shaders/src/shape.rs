//! The primitives drawn by the shaders and their CPU twins, in screen pixels.

use crate::canvas::{Canvas, Paint};
use crate::heat::HeatLayer;
use crate::text::TextStyle;
use crate::trail::Trail;

/// A primitive in screen pixels.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A float map whose transformation starts from screen pixels.
    Heat(HeatLayer),
    /// A line with round caps.
    Line(Line),
    /// A disc or a ring.
    Disc(Disc),
    /// An axis-aligned rectangle, filled or outlined.
    Rect(Rect),
    /// A fading trail.
    Trail(Trail),
    /// One line of text.
    Text(Text),
}

/// A line with round caps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Start point in pixels.
    pub a: [f32; 2],
    /// End point in pixels.
    pub b: [f32; 2],
    /// Width in pixels; below one pixel, opacity is reduced instead of the width.
    pub width: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// A disc or a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disc {
    /// Centre in pixels.
    pub center: [f32; 2],
    /// Radius in pixels.
    pub radius: f32,
    /// Line width of a ring; 0 fills the disc.
    pub stroke: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// An axis-aligned rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// First corner: edges, not pixel centres.
    pub min: [f32; 2],
    /// Opposite corner.
    pub max: [f32; 2],
    /// Corner radius in pixels.
    pub corner: f32,
    /// Line width of an outline; 0 fills the rectangle.
    pub stroke: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// One line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Top left corner of its first letter, in pixels.
    pub at: [f32; 2],
    /// Text; characters missing from the font become question marks.
    pub text: String,
    /// Size and colours.
    pub style: TextStyle,
}

impl Shape {
    /// Draws the shape: the CPU reference of the shader of the same name.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        match self {
            Self::Heat(heat) => heat.draw(canvas),
            Self::Line(line) => canvas.line(line.a, line.b, line.width, line.paint),
            Self::Disc(disc) if disc.stroke > 0.0 => {
                canvas.ring(disc.center, disc.radius, disc.stroke, disc.paint);
            }
            Self::Disc(disc) => canvas.disc(disc.center, disc.radius, disc.paint),
            Self::Rect(rect) if rect.stroke > 0.0 => {
                canvas.outline(rect.min, rect.max, rect.corner, rect.stroke, rect.paint);
            }
            Self::Rect(rect) => canvas.rect(rect.min, rect.max, rect.corner, rect.paint),
            Self::Trail(trail) => canvas.trail(trail),
            Self::Text(text) => canvas.text(text.at, &text.text, &text.style),
        }
    }
}

//! The primitives that the shaders and their CPU twins draw, in screen pixels.

use crate::canvas::{Canvas, Paint};
use crate::heat::HeatLayer;
use crate::text::TextStyle;
use crate::trail::Trail;

/// One primitive on a screen, in its pixels.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A float map; it maps from screen pixels.
    Heat(HeatLayer),
    /// A line.
    Line(Line),
    /// A disc or ring.
    Disc(Disc),
    /// A rectangle.
    Rect(Rect),
    /// A trail.
    Trail(Trail),
    /// A line of text.
    Text(Text),
}

/// A line with round ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// One end.
    pub a: [f32; 2],
    /// The other end.
    pub b: [f32; 2],
    /// Below one pixel a line grows fainter, not thinner.
    pub width: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// A disc or a ring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disc {
    /// Middle.
    pub center: [f32; 2],
    /// Radius.
    pub radius: f32,
    /// Width of the ring's line; 0 fills the disc.
    pub stroke: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// An upright rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// First corner: edges, not pixel centres.
    pub min: [f32; 2],
    /// Opposite corner.
    pub max: [f32; 2],
    /// Radius of its corners.
    pub corner: f32,
    /// Width of the outline; 0 fills the rectangle.
    pub stroke: f32,
    /// Colour and opacity.
    pub paint: Paint,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Top left corner of its first letter.
    pub at: [f32; 2],
    /// What it says.
    pub text: String,
    /// Size and colours.
    pub style: TextStyle,
}

impl Shape {
    /// Draws it: the oracle of the shader of the same name.
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

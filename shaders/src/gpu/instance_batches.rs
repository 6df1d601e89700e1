//! A scene in GPU format: instances in drawing order, batched by primitive.

use std::ops::Range;

use crate::canvas::{Paint, Upright, finite, opacity, visible_part};
use crate::heat::{HeatLayer, Sampling};
use crate::instance::{self, Instance};
use crate::scene::{Disc, Line, Rect, Scene, Shape, Text};
use crate::text::{Extent, strokes};
use crate::trail::Trail;
use crate::view::View;
use crate::wgsl::Kind;
use crate::{INK, Rgb};

/// Shapes further out than this, in pixels, are not drawn: f32 would be too coarse for their edges,
/// and no screen shows them.
const FAR: f32 = 1e6;

/// Consecutive instances of one primitive, drawn with one call.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) kind: Kind,
    /// Byte range in [`InstanceBatches::bytes`].
    pub(super) bytes: Range<usize>,
    /// Number of instances.
    pub(super) n: u32,
    /// Index in [`InstanceBatches::maps`] of the map of a heat layer.
    pub(super) map: usize,
}

/// All instances of a frame; kept between frames to reuse its memory.
#[derive(Debug, Default)]
pub(super) struct InstanceBatches {
    bytes: Vec<u8>,
    batches: Vec<Batch>,
    strokes: Vec<[f32; 4]>,
    maps: Vec<HeatLayer>,
}

impl InstanceBatches {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Returns the ends of the labels' pen strokes, two points each.
    pub(super) fn strokes(&self) -> &[[f32; 4]] {
        &self.strokes
    }

    pub(super) fn maps(&self) -> &[HeatLayer] {
        &self.maps
    }

    /// Replaces the contents by an image of size `picture`, if there is one, and the scene on it.
    pub(super) fn fill(&mut self, scene: &Scene, view: &View, picture: Option<[usize; 2]>) {
        self.bytes.clear();
        self.batches.clear();
        self.strokes.clear();
        self.maps.clear();
        if let Some(size) = picture {
            self.frame(view, size);
        }
        scene.lay_out(view, |shape| self.shape(shape, view.screen));
    }

    fn push(&mut self, kind: Kind, instance: &impl Instance) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytemuck::bytes_of(instance));
        let end = self.bytes.len();
        match self.batches.last_mut() {
            // Every heat layer has its own texture.
            Some(last) if last.kind == kind && kind != Kind::Heat => {
                last.bytes.end = end;
                last.n += 1;
            }
            _ => self.batches.push(Batch {
                kind,
                bytes: start..end,
                n: 1,
                map: self.maps.len().saturating_sub(1),
            }),
        }
    }

    fn frame(&mut self, view: &View, size: [usize; 2]) {
        let frame = instance::Frame {
            scale: view.scales().map(|s| (1.0 / s) as f32),
            shift: view.to_image([0.0; 2]).map(|v| v as f32),
            size: size.map(|n| n as f32),
            nearest: is_nearest(view.picture_sampling()),
        };
        self.push(Kind::Frame, &frame);
    }

    fn shape(&mut self, shape: Shape, screen: [f64; 2]) {
        match shape {
            Shape::Heat(heat) => self.heat(heat),
            Shape::Line(line) => self.line(&line, screen),
            Shape::Disc(disc) => self.disc(&disc),
            Shape::Rect(rect) => self.rect(&rect),
            Shape::Trail(trail) => self.trail(&trail),
            Shape::Text(text) => self.text(&text),
        }
    }

    fn line(&mut self, line: &Line, screen: [f64; 2]) {
        let reach = f64::from(line.width.max(1.0)) / 2.0 + 0.5;
        let numbers = [line.a[0], line.a[1], line.b[0], line.b[1], line.width];
        if !finite(&numbers) || line.width <= 0.0 {
            return;
        }
        if let Some((a, b)) = visible_part(line.a, line.b, reach, screen) {
            let instance = instance::Line {
                color: color(line.paint),
                a: a.map(|v| v as f32),
                b: b.map(|v| v as f32),
                width: line.width,
            };
            self.push(Kind::Line, &instance);
        }
    }

    fn disc(&mut self, disc: &Disc) {
        let numbers = [disc.center[0], disc.center[1], disc.radius, disc.stroke];
        if are_near(&numbers) && disc.radius > 0.0 {
            let instance = instance::Disc {
                color: color(disc.paint),
                center: disc.center,
                radius: disc.radius,
                stroke: disc.stroke,
            };
            self.push(Kind::Disc, &instance);
        }
    }

    fn rect(&mut self, rect: &Rect) {
        let [left, top] = rect.min;
        let [right, bottom] = rect.max;
        if are_near(&[left, top, right, bottom, rect.stroke])
            && let Some(upright) = Upright::between(rect.min, rect.max, rect.corner)
        {
            let instance = instance::Rect {
                color: color(rect.paint),
                center: upright.center.map(|v| v as f32),
                half: upright.half.map(|v| v as f32),
                corner: upright.corner as f32,
                stroke: rect.stroke,
            };
            self.push(Kind::Rect, &instance);
        }
    }

    fn trail(&mut self, trail: &Trail) {
        if !trail.width.is_finite() || trail.width <= 0.0 {
            return;
        }
        for piece in trail.pieces() {
            let instance = instance::Trail {
                color: color(trail.paint),
                a: piece.a,
                b: piece.b,
                cut_a: piece.cut_a,
                cut_b: piece.cut_b,
                alpha: piece.alpha,
                width: trail.width,
            };
            self.push(Kind::Trail, &instance);
        }
    }

    fn text(&mut self, text: &Text) {
        let unit = text.style.unit;
        let Some(extent) = Extent::of(text.at, &text.text, unit) else {
            return;
        };
        let first = self.strokes.len();
        strokes(text.at, &text.text, unit, |a, b| {
            self.strokes
                .push([a[0], a[1], b[0], b[1]].map(|v| v as f32));
        });
        let paint = text.style.paint;
        let outline = opacity(text.style.outline) * opacity(paint.alpha);
        let instance = instance::Text {
            color: color(paint),
            ink: color(Paint::new(INK, outline)),
            min: extent.lo.map(|v| v as f32),
            max: extent.hi.map(|v| v as f32),
            strokes: [first as u32, (self.strokes.len() - first) as u32],
            pen: [extent.radius as f32, extent.rim as f32],
        };
        self.push(Kind::Text, &instance);
    }

    fn heat(&mut self, heat: HeatLayer) {
        let Some([w, h]) = heat.shown() else { return };
        let row = |[a, b, c]: [f64; 3], size: usize| {
            [a, b, c - heat.cut as f64, size as f64].map(|v| v as f32)
        };
        let [u, v] = heat.map_from_pixel;
        let instance = instance::Heat {
            u: row(u, w),
            v: row(v, h),
            alpha: opacity(heat.alpha),
            threshold: heat.threshold,
            colors: heat.colors as u32,
            diverging: u32::from(heat.colors.is_diverging()),
            fade: heat.fade as u32,
            nearest: is_nearest(heat.sampling),
        };
        self.maps.push(heat);
        self.push(Kind::Heat, &instance);
    }
}

fn is_nearest(sampling: Sampling) -> u32 {
    u32::from(sampling == Sampling::Nearest)
}

fn are_near(numbers: &[f32]) -> bool {
    numbers.iter().all(|v| v.abs() < FAR)
}

fn color(paint: Paint) -> [f32; 4] {
    let [r, g, b]: Rgb = paint.rgb;
    let [r, g, b] = [r, g, b].map(|c| f32::from(c) / 255.0);
    [r, g, b, opacity(paint.alpha)]
}

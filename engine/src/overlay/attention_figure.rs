//! A figure of one attention map on its image, for print or sharing. The title stands above the
//! image and the labelled colour bar below it, so that neither covers the image.

use poselens_shaders::canvas::{Canvas, Paint};
use poselens_shaders::heat::Fade;
use poselens_shaders::legend::{CAPITALS, ColorScale, GAP, ScaleBar, number, write};
use poselens_shaders::scene::{Shape, label_unit};
use poselens_shaders::text::text_size;
use poselens_shaders::view::View;
use poselens_shaders::{CENTER, INK};

use super::caption::{Caption, copy};
use super::{OverlayStyle, attention};
use crate::frame::{Frame, Pixels};
use crate::geometry::{Point, Size};
use crate::output::AttentionMap;

/// Radius in label units of the ring around a joint.
const MARK: f32 = 5.0;

/// A figure of one attention map on its image.
#[derive(Debug)]
pub struct AttentionFigure<'a> {
    /// Image below the map.
    pub frame: &'a Frame,
    /// Attention map with one plane.
    pub map: &'a AttentionMap,
    /// Title of one or more lines.
    pub title: &'a str,
    /// Values closer than this to the map's neutral value (0 for maps without one) are transparent.
    /// The map is interpolated first and thresholded afterwards. `None` shows all values.
    pub threshold: Option<f32>,
    /// Query joint to be marked by a ring, in image pixels.
    pub joint: Option<Point>,
}

impl AttentionFigure<'_> {
    /// Draws the figure, which is at least as large as the image.
    pub fn draw(&self, style: &OverlayStyle) -> Frame {
        let picture = self.frame.size();
        let mut rgba = self.frame.rgba().to_vec();
        let mut canvas = Canvas::new(&mut rgba, picture.width, picture.height);
        let unit = label_unit(&View::whole([picture.width, picture.height]));
        let (range, colors, fade) = attention::scale(&[self.map], style);
        let hidden = self.hidden(range);
        let style = OverlayStyle {
            map_threshold: match self.map.neutral() {
                None => hidden[1],
                Some(_) => 2.0 * hidden[1] - 1.0,
            },
            ..style.clone()
        };
        let fade = self.threshold.map_or(fade, |_| Fade::Even);
        if let Some(heat) = attention::heat(self.map, range, colors, fade, &style) {
            heat.draw(&mut canvas);
        }
        self.mark(&mut canvas, unit);

        let u = unit as f32;
        let values = attention::visible(&[self.map]);
        let bar = ScaleBar::new(&ColorScale::of(colors, range, &values), unit);
        let below = self.threshold.map(|t| match self.map.neutral() {
            None => format!("not shown: below {}", number(t, t)),
            Some(middle) => format!("not shown: {} +- {}", number(middle, 1.0), number(t, t)),
        });
        let caption = Caption::new(self.title, unit);
        let below_width = below.as_ref().map_or(0.0, |t| text_size(t, unit)[0]);
        let inner = caption.width().max(below_width).max(bar.min_width);
        let pad = caption.margin();
        let width = picture.width.max((inner + 2.0 * pad) as usize);
        let above = caption.height();
        let line = below.as_ref().map_or(0.0, |_| (CAPITALS + GAP) * u);
        let size = Size::new(
            width,
            above + picture.height + (bar.height + line + 2.0 * pad) as usize,
        );

        let [r, g, b] = INK;
        let mut figure = [r, g, b, 255].repeat(size.area());
        copy(&rgba, picture.width, &mut figure, width, above);
        let mut canvas = Canvas::new(&mut figure, size.width, size.height);
        let mut put = |shape: Shape| shape.draw(&mut canvas);
        caption.lay_out(0, &mut put);
        let at = [pad, (above + picture.height) as f32 + pad];
        let length = (width as f32 - 2.0 * pad).floor();
        bar.lay_out(at, length, &mut put);
        if let Some(text) = &below {
            bar.shade(at, length, hidden, &mut put);
            write([pad, at[1] + bar.height + GAP * u], text, unit, &mut put);
        }
        Frame::new(
            self.frame.id,
            self.frame.time_secs,
            size,
            Pixels::unpooled(figure),
        )
    }

    /// Returns the hidden part of the value range, as fractions of the range.
    fn hidden(&self, (lo, hi): (f32, f32)) -> [f32; 2] {
        let share = |value: f32| (value - lo) / (hi - lo).max(f32::MIN_POSITIVE);
        let threshold = self.threshold.unwrap_or(0.0);
        match self.map.neutral() {
            None => [0.0, share(threshold)],
            Some(middle) => [share(middle - threshold), share(middle + threshold)],
        }
    }

    /// Draws a ring that leaves the joint itself visible.
    fn mark(&self, canvas: &mut Canvas<'_>, unit: usize) {
        let Some(Point { x, y }) = self.joint else {
            return;
        };
        let (at, u) = ([x as f32, y as f32], unit as f32);
        canvas.ring(at, MARK * u, 3.0 * u, Paint::solid(INK));
        canvas.ring(at, MARK * u, 1.5 * u, Paint::solid(CENTER));
        canvas.disc(at, u, Paint::solid(CENTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine2;
    use crate::output::{AttentionKind, MapPlace, Planes};
    use poselens_shaders::colormap::{ColorMap, sample};

    const SIZE: Size = Size::new(200, 100);
    const GROUND: [u8; 4] = [120, 120, 120, 255];

    /// Returns a map that rises from 0 at the left to 1 at the right over the whole image.
    fn ramp(kind: AttentionKind) -> AttentionMap {
        let values = (0..SIZE.area()).map(|i| (i % SIZE.width) as f32 / 199.0);
        AttentionMap {
            name: "s0_att".into(),
            title: "attention to the whole body, stack 0".into(),
            kind,
            place: MapPlace::default(),
            map: Planes {
                n: 1,
                size: SIZE,
                values: match kind {
                    AttentionKind::Signed => values.map(|v| 2.0 * v - 1.0).collect(),
                    _ => values.collect(),
                },
            },
            range: match kind {
                AttentionKind::Signed => (-1.0, 1.0),
                _ => (0.0, 1.0),
            },
            image_from_map: Affine2::IDENTITY,
        }
    }

    fn drawn(map: &AttentionMap, threshold: Option<f32>, title: &str) -> Frame {
        let frame = Frame::new(0, 0.0, SIZE, Pixels::unpooled(GROUND.repeat(SIZE.area())));
        let style = OverlayStyle {
            attention_range: super::super::RangeMode::Fixed,
            opacity: 1.0,
            ..OverlayStyle::default()
        };
        let figure = AttentionFigure {
            frame: &frame,
            map,
            title,
            threshold,
            joint: Some(Point::new(20.0, 50.0)),
        };
        figure.draw(&style)
    }

    /// Height of the title in pixels: the image starts at this row.
    const ABOVE: usize = 21;

    fn pixel(frame: &Frame, x: usize, y: usize) -> [u8; 4] {
        let at = 4 * (y * frame.size().width + x);
        frame.rgba()[at..at + 4].try_into().unwrap()
    }

    /// Fails when the image is misplaced, the ring is missing, or the title runs out of the figure.
    #[test]
    fn a_figure_holds_image_title_and_scale() {
        let map = ramp(AttentionKind::QueryKey);
        let figure = drawn(&map, None, "T");
        assert_eq!(figure.size().width, 200);
        let [r, g, b] = sample(ColorMap::Viridis, 1.0);
        assert_eq!(pixel(&figure, 199, ABOVE + 50), [r, g, b, 255]);
        assert_eq!(pixel(&figure, 0, ABOVE + 99), GROUND);
        let [r, g, b] = CENTER;
        assert_eq!(pixel(&figure, 25, ABOVE + 50), [r, g, b, 255], "the ring");
        let bar = ABOVE + 100 + 7 + 2;
        let [r, g, b] = sample(ColorMap::Viridis, 1.0);
        assert_eq!(pixel(&figure, 192, bar), [r, g, b, 255], "the bar's end");
        let wide = drawn(&map, None, &"a long title ".repeat(20));
        assert!(wide.size().width > 1000);
    }

    /// Fails when values at or below the threshold are shown, higher values are hidden, or the
    /// colour bar hides a different part of the range than the map.
    #[test]
    fn the_threshold_cuts_the_map_and_its_scale() {
        for (kind, at, shown, hidden) in [
            (AttentionKind::QueryKey, 0.5, [105, 199], [2, 95]),
            (AttentionKind::Signed, 0.5, [5, 195], [60, 140]),
        ] {
            let figure = drawn(&ramp(kind), Some(at), "T");
            let bar = ABOVE + 100 + 7 + 2;
            // The bar is inset by 7 pixels on both sides.
            let on_bar = |x: usize| 7 + x * 186 / 200;
            for x in shown {
                assert_ne!(pixel(&figure, x, ABOVE + 5), GROUND, "{kind:?} {x}");
                let [r, g, b, _] = pixel(&figure, on_bar(x), bar);
                assert!(r.max(g).max(b) > 100, "{kind:?} {x}");
            }
            for x in hidden {
                assert_eq!(pixel(&figure, x, ABOVE + 5), GROUND, "{kind:?} {x}");
                let [r, g, b, _] = pixel(&figure, on_bar(x), bar);
                assert!(r.max(g).max(b) < 90, "{kind:?} {x}");
            }
        }
    }
}

//! A figure of the part affinity fields on their image, for print or sharing: title above, sample
//! arrows and their meaning below.

use poselens_shaders::CENTER;
use poselens_shaders::INK;
use poselens_shaders::canvas::Canvas;
use poselens_shaders::legend::{CAPITALS, GAP, number, write};
use poselens_shaders::scene::{Scene, Shape, label_unit};
use poselens_shaders::text::text_size;
use poselens_shaders::view::View;

use super::OverlayStyle;
use super::caption::{Caption, copy};
use super::fields::{self, Arrow, COLORS, MEANING, NOISE};
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::output::PoseOutput;

/// Strengths of the sample arrows.
const SAMPLES: [f32; 3] = [0.25, 0.5, 1.0];

/// Length in label units of the longest sample arrow.
const SAMPLE: f32 = 20.0;

/// A figure of the part affinity fields of an image.
#[derive(Debug)]
pub struct FieldsFigure<'a> {
    /// The image, with the fields in its regions.
    pub output: &'a PoseOutput,
    /// Title of one or more lines.
    pub title: &'a str,
    /// Vectors shorter than this are not drawn; `None` for the threshold of the overlay.
    pub threshold: Option<f32>,
}

impl FieldsFigure<'_> {
    /// Draws the figure, which is at least as large as the image, with the limbs chosen by the
    /// style.
    pub fn draw(&self, style: &OverlayStyle) -> Frame {
        let frame = &self.output.frame;
        let picture = frame.size();
        let view = View::whole([picture.width, picture.height]);
        let threshold = self.threshold.unwrap_or(NOISE).max(f32::MIN_POSITIVE);
        let mut rgba = frame.rgba().to_vec();
        let mut scene = Scene::default();
        let style = OverlayStyle {
            opacity: 1.0,
            map_threshold: threshold,
            legends: false,
            ..style.clone()
        };
        fields::mark(&mut scene, self.output, &style);
        scene.draw(
            &mut Canvas::new(&mut rgba, picture.width, picture.height),
            &view,
        );

        let unit = label_unit(&view);
        let u = unit as f32;
        let title = Caption::new(self.title, unit);
        let least = number(threshold, 1.0);
        let meaning = format!(
            "{MEANING}, as long as the field is strong\n{COLORS}; not drawn: below {least}"
        );
        let meaning = Caption::new(&meaning, unit);
        let pad = title.margin();
        let samples = Samples { unit };
        let inner = title.width().max(meaning.width()).max(samples.width());
        let width = picture.width.max((inner + 2.0 * pad) as usize);
        let above = title.height();
        let below = above + picture.height;
        let row = (pad + CAPITALS * u) as usize;
        let size = Size::new(width, below + row + meaning.height());
        let [r, g, b] = INK;
        let mut figure = [r, g, b, 255].repeat(size.area());
        copy(&rgba, picture.width, &mut figure, width, above);
        let mut canvas = Canvas::new(&mut figure, size.width, size.height);
        let mut put = |shape: Shape| shape.draw(&mut canvas);
        title.lay_out(0, &mut put);
        samples.lay_out([pad, below as f32 + pad], &mut put);
        meaning.lay_out(below + row, &mut put);
        Frame::new(frame.id, frame.time_secs, size, Pixels::unpooled(figure))
    }
}

/// A row of arrows of known strength, each in front of its number.
struct Samples {
    unit: usize,
}

impl Samples {
    /// Returns the position of every arrow in front of its number, and the width of the row.
    fn places(&self) -> ([f32; SAMPLES.len()], f32) {
        let u = self.unit as f32;
        let mut x = 0.0;
        let places = SAMPLES.map(|strength| {
            let place = x;
            let text = number(strength, 1.0);
            x += (SAMPLE + 2.0 * GAP + 4.0 * GAP) * u + text_size(&text, self.unit)[0];
            place
        });
        (places, x)
    }

    fn width(&self) -> f32 {
        self.places().1
    }

    fn lay_out(&self, [x, y]: [f32; 2], put: &mut impl FnMut(Shape)) {
        let u = self.unit as f32;
        for (strength, place) in SAMPLES.into_iter().zip(self.places().0) {
            let arrow = Arrow {
                center: [x + place + SAMPLE * u / 2.0, y + CAPITALS * u / 2.0],
                direction: [1.0, 0.0],
                strength,
                cell: SAMPLE * u,
                rgb: CENTER,
            };
            for line in arrow.lines(1.0, u) {
                put(Shape::Line(line));
            }
            let at = [x + place + (SAMPLE + 2.0 * GAP) * u, y];
            write(at, &number(strength, 1.0), self.unit, put);
        }
    }
}

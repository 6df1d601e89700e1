//! Lines of text above an image, so that they cover no part of it.

use poselens_shaders::canvas::Canvas;
use poselens_shaders::legend::{CAPITALS, GAP, PADDING, write_colored};
use poselens_shaders::scene::{Shape, label_unit};
use poselens_shaders::text::text_size;
use poselens_shaders::view::View;
use poselens_shaders::{CENTER, INK, Rgb};

use crate::frame::{BYTES_PER_PIXEL, Frame, Pixels};
use crate::geometry::Size;

/// Lines of text with a margin around them.
pub(super) struct Caption<'a> {
    lines: Vec<(&'a str, Rgb)>,
    unit: usize,
}

impl<'a> Caption<'a> {
    /// Lays out `text` in white with letters of size `unit` (pixels).
    pub(super) fn new(text: &'a str, unit: usize) -> Self {
        Self {
            lines: text.lines().map(|line| (line, CENTER)).collect(),
            unit,
        }
    }

    /// Returns the margin around the text in pixels.
    pub(super) fn margin(&self) -> f32 {
        (PADDING + GAP) * self.unit as f32
    }

    /// Returns the width of the longest line without margins, in pixels.
    pub(super) fn width(&self) -> f32 {
        let lines = self.lines.iter();
        let widths = lines.map(|(line, _)| text_size(line, self.unit)[0]);
        widths.fold(0.0, f32::max)
    }

    /// Returns the height including margins, in pixels.
    pub(super) fn height(&self) -> usize {
        let (n, u) = (self.lines.len() as f32, self.unit as f32);
        (n * CAPITALS * u + (n - 1.0).max(0.0) * self.spacing() + 2.0 * self.margin()) as usize
    }

    /// Emits the lines at the left edge, below row `top`.
    pub(super) fn lay_out(&self, top: usize, put: &mut impl FnMut(Shape)) {
        let step = CAPITALS * self.unit as f32 + self.spacing();
        let first = top as f32 + self.margin();
        for (i, (line, rgb)) in self.lines.iter().enumerate() {
            let at = [self.margin(), first + i as f32 * step];
            write_colored(at, line, self.unit, *rgb, put);
        }
    }

    /// Returns the gap between two lines; lower-case letters have descenders.
    fn spacing(&self) -> f32 {
        (GAP + 2.0) * self.unit as f32
    }
}

/// Returns `frame` below lines of text, each in its colour, widened if the text needs it.
pub fn with_caption(frame: &Frame, lines: &[(&str, Rgb)]) -> Frame {
    let Size { width, height } = frame.size();
    let caption = Caption {
        lines: lines.to_vec(),
        unit: label_unit(&View::whole([width, height])),
    };
    let widest = (caption.width() + 2.0 * caption.margin()) as usize;
    let above = caption.height();
    let size = Size::new(width.max(widest), height + above);
    let [r, g, b] = INK;
    let mut rgba = [r, g, b, 255].repeat(size.area());
    copy(frame.rgba(), width, &mut rgba, size.width, above);
    let mut canvas = Canvas::new(&mut rgba, size.width, size.height);
    caption.lay_out(0, &mut |shape: Shape| shape.draw(&mut canvas));
    Frame::new(frame.id, frame.time_secs, size, Pixels::unpooled(rgba))
}

/// Copies an image of width `from_width` into the centre of a wider one, starting at row `above`.
pub(super) fn copy(from: &[u8], from_width: usize, to: &mut [u8], to_width: usize, above: usize) {
    let left = (to_width - from_width) / 2;
    let rows = to.chunks_exact_mut(to_width * BYTES_PER_PIXEL).skip(above);
    for (to, from) in rows.zip(from.chunks_exact(from_width * BYTES_PER_PIXEL)) {
        to[left * BYTES_PER_PIXEL..][..from.len()].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a caption covers a part of the image, is cut off at the side, or loses a line
    /// or its colour.
    #[test]
    fn a_caption_stands_above_the_image() {
        let size = Size::new(40, 30);
        let frame = Frame::new(7, 0.5, size, Pixels::unpooled([9, 9, 9, 255].repeat(1200)));
        let one = with_caption(&frame, &[("i", CENTER)]);
        let second = [0xFF, 0x80, 0xC0];
        let lines = [
            ("a line that is longer than this", CENTER),
            ("and another one", second),
        ];
        let two = with_caption(&frame, &lines);
        let has_second = |frame: &Frame| frame.rgba().chunks(4).any(|p| p[..3] == second);
        assert!(has_second(&two) && !has_second(&one));
        assert_eq!((one.size().width, two.id), (40, 7));
        assert!(two.size().width > 150 && two.size().height > one.size().height);
        for captioned in [&one, &two] {
            let Size { width, height } = captioned.size();
            let row = |y: usize| &captioned.rgba()[4 * y * width..][..4 * width];
            let n = row(height - 1).chunks(4).filter(|p| p[0] == 9).count();
            assert_eq!(n, 40);
            let [r, ..] = INK;
            let above = height - 30;
            let texts = (0..above).filter(|y| row(*y).chunks(4).any(|p| p[0] > r));
            assert!(texts.count() >= 5);
            // The last columns belong to the margin.
            assert!((0..above).all(|y| row(y)[4 * (width - 3)..].chunks(4).all(|p| p[0] == r)));
        }
    }
}

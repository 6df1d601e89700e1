//! The legend of a map: a caption, the colours, and the numbers at both ends and in the middle.

use poselens_shaders::canvas::{Canvas, Paint};
use poselens_shaders::colormap::{ColorMap, sample};
use poselens_shaders::text::{TextStyle, text_size};
use poselens_shaders::{CENTER, INK};

use super::label_unit;

/// The lower corner of the picture a legend stands in: one for each kind of map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Corner {
    Left,
    Right,
}

/// Sides in label units: about 150 x 70 pixels at 640x480.
pub(super) const PADDING: f32 = 4.0;
pub(super) const GAP: f32 = 3.0;
const BAR: f32 = 5.0;
pub(super) const CAPITALS: f32 = 7.0;
/// Least space between two numbers.
const BETWEEN: f32 = 5.0;
const MIN_WIDTH: f32 = 66.0;

/// Draws caption and colour bar in a corner.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    corner: Corner,
    caption: &str,
    colors: ColorMap,
    range: (f32, f32),
) {
    let unit = label_unit(canvas);
    let u = unit as f32;
    let bar = ScaleBar::new(colors, range, unit);
    let width = bar.min_width.max(text_size(caption, unit)[0]);
    let height = (CAPITALS + GAP) * u + bar.height;
    let [x, y] = panel(canvas, corner, width, height);
    write(canvas, [x, y], unit, caption);
    bar.draw(canvas, [x, y + (CAPITALS + GAP) * u], width);
}

/// The colours of a range above the numbers at its ends and in its middle.
pub(super) struct ScaleBar {
    colors: ColorMap,
    numbers: [String; 3],
    /// Widths of the numbers.
    widths: [f32; 3],
    /// Least width, pixels.
    pub min_width: f32,
    /// Height, pixels.
    pub height: f32,
    unit: usize,
}

impl ScaleBar {
    pub fn new(colors: ColorMap, (lo, hi): (f32, f32), unit: usize) -> Self {
        let u = unit as f32;
        let numbers = [lo, f32::midpoint(lo, hi), hi].map(|v| number(v, hi - lo));
        let widths = numbers.each_ref().map(|n| text_size(n, unit)[0]);
        Self {
            colors,
            numbers,
            min_width: (widths.iter().sum::<f32>() + 2.0 * BETWEEN * u).max(MIN_WIDTH * u),
            widths,
            height: (BAR + GAP + CAPITALS) * u,
            unit,
        }
    }

    /// Draws it with its top left corner at (`x`, `y`).
    pub fn draw(&self, canvas: &mut Canvas<'_>, [x, y]: [f32; 2], width: f32) {
        let u = self.unit as f32;
        let top = y - 0.5;
        for column in 0..width as usize {
            let left = x + column as f32 - 0.5;
            let color = sample(self.colors, column as f32 / (width - 1.0));
            let bottom = top + BAR * u;
            canvas.rect([left, top], [left + 1.0, bottom], 0.0, Paint::solid(color));
        }
        let line = y + (BAR + GAP) * u;
        let [first, middle, last] = self.widths;
        for (number, at) in self.numbers.iter().zip([
            0.0,
            ((width - middle) / 2.0)
                .clamp(first + BETWEEN * u, width - last - middle - BETWEEN * u),
            width - last,
        ]) {
            write(canvas, [x + at, line], self.unit, number);
        }
    }

    /// Darkens the colours between two shares of the width: values that are not shown.
    pub fn shade(&self, canvas: &mut Canvas<'_>, [x, y]: [f32; 2], width: f32, from: f32, to: f32) {
        let edge = |share: f32| x + share.clamp(0.0, 1.0) * width - 0.5;
        let bottom = y + BAR * self.unit as f32 - 0.5;
        let (min, max) = ([edge(from), y - 0.5], [edge(to), bottom]);
        canvas.rect(min, max, 0.0, Paint::new(INK, 0.8));
    }
}

/// Says in a corner why there is no map.
pub(super) fn note(canvas: &mut Canvas<'_>, corner: Corner, text: &str) {
    let unit = label_unit(canvas);
    let [width, height] = text_size(text, unit);
    let at = panel(canvas, corner, width, height);
    write(canvas, at, unit, text);
}

/// A dark panel for contents of this size; returns the contents' top left corner.
fn panel(canvas: &mut Canvas<'_>, corner: Corner, width: f32, height: f32) -> [f32; 2] {
    let u = label_unit(canvas) as f32;
    let (pad, margin) = (PADDING * u, GAP * u);
    let x = match corner {
        Corner::Left => margin + pad,
        Corner::Right => canvas.width() as f32 - margin - pad - width,
    };
    let y = canvas.height() as f32 - margin - pad - height;
    canvas.rect(
        [x - pad - 0.5, y - pad - 0.5],
        [x + width + pad - 0.5, y + height + pad - 0.5],
        3.0 * u,
        Paint::new(INK, 0.72),
    );
    [x, y]
}

/// Writes on a dark ground.
pub(super) fn write(canvas: &mut Canvas<'_>, at: [f32; 2], unit: usize, text: &str) {
    let style = TextStyle {
        unit,
        paint: Paint::solid(CENTER),
        outline: 0.0,
    };
    canvas.text(at, text, &style);
}

/// `value` with as many decimals as tell 100 steps of `span` apart, without empty zeros.
pub(super) fn number(value: f32, span: f32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = span.abs().max(value.abs());
    if !(1e-4..1e5).contains(&size) {
        return format!("{value:.1e}");
    }
    let decimals = (2.0 - span.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    // -0.001 rounded to two decimals.
    if text == "-0" { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a scale bar shows ends that cannot be told apart or a tail of empty digits.
    #[test]
    fn numbers_are_short_and_distinct() {
        let shown = |lo: f32, hi: f32| [lo, f32::midpoint(lo, hi), hi].map(|v| number(v, hi - lo));
        assert_eq!(shown(0.0, 1.0), ["0", "0.5", "1"]);
        assert_eq!(shown(-0.374, 0.374), ["-0.374", "0", "0.374"]);
        assert_eq!(shown(0.001, 0.002), ["0.001", "0.0015", "0.002"]);
        assert_eq!(shown(-20.0, 300.0), ["-20", "140", "300"]);
        assert_eq!(
            shown(0.0, 2e-7),
            ["0", "1.0e-7", "2.0e-7"].map(String::from)
        );
    }
}

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
const PADDING: f32 = 4.0;
const GAP: f32 = 3.0;
const BAR: f32 = 5.0;
const CAPITALS: f32 = 7.0;
/// Least space between two numbers.
const BETWEEN: f32 = 5.0;
const MIN_WIDTH: f32 = 66.0;

/// Draws caption and colour bar in a corner.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    corner: Corner,
    caption: &str,
    colors: ColorMap,
    (lo, hi): (f32, f32),
) {
    let unit = label_unit(canvas);
    let u = unit as f32;
    let numbers = [lo, f32::midpoint(lo, hi), hi].map(|v| number(v, hi - lo));
    let widths = numbers.each_ref().map(|n| text_size(n, unit)[0]);
    let numbers_width = widths.iter().sum::<f32>() + 2.0 * BETWEEN * u;
    let width = text_size(caption, unit)[0]
        .max(numbers_width)
        .max(MIN_WIDTH * u);
    let height = (2.0 * CAPITALS + 2.0 * GAP + BAR) * u;
    let [x, y] = panel(canvas, corner, width, height);
    write(canvas, [x, y], caption);

    let top = y + (CAPITALS + GAP) * u - 0.5;
    for column in 0..width as usize {
        let left = x + column as f32 - 0.5;
        let color = sample(colors, column as f32 / (width - 1.0));
        let bottom = top + BAR * u;
        canvas.rect([left, top], [left + 1.0, bottom], 0.0, Paint::solid(color));
    }
    let line = top + 0.5 + (BAR + GAP) * u;
    let [first, middle, last] = widths;
    for (number, at) in numbers.iter().zip([
        0.0,
        ((width - middle) / 2.0).clamp(first + BETWEEN * u, width - last - middle - BETWEEN * u),
        width - last,
    ]) {
        write(canvas, [x + at, line], number);
    }
}

/// Says in a corner why there is no map.
pub(super) fn note(canvas: &mut Canvas<'_>, corner: Corner, text: &str) {
    let [width, height] = text_size(text, label_unit(canvas));
    let at = panel(canvas, corner, width, height);
    write(canvas, at, text);
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

fn write(canvas: &mut Canvas<'_>, at: [f32; 2], text: &str) {
    let style = TextStyle {
        unit: label_unit(canvas),
        paint: Paint::solid(CENTER),
        outline: 0.0,
    };
    canvas.text(at, text, &style);
}

/// `value` with as many decimals as tell 100 steps of `span` apart, without empty zeros.
fn number(value: f32, span: f32) -> String {
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

//! The legend of a map: caption, colour bar, and the values at both ends and in the centre.

use crate::canvas::Paint;
use crate::colormap::{ColorMap, sample};
use crate::shape::{Rect, Shape, Text};
use crate::text::{TextStyle, text_size};
use crate::{CENTER, INK, Rgb};

/// The lower corner of the image in which a legend stands. Mirroring the image does not swap the
/// corners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corner {
    /// Lower left corner.
    Left,
    /// Lower right corner.
    Right,
}

/// Colours of the values of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColorScale {
    /// Colour map.
    pub colors: ColorMap,
    /// Values at both ends.
    pub range: (f32, f32),
    /// Whether there are values below and above the range, which have the colours of its ends.
    pub beyond: [bool; 2],
}

impl ColorScale {
    /// Returns the scale of these values.
    pub fn of<'a>(
        colors: ColorMap,
        range: (f32, f32),
        values: impl IntoIterator<Item = &'a f32>,
    ) -> Self {
        let mut beyond = [false; 2];
        for value in values {
            beyond[0] |= *value < range.0;
            beyond[1] |= *value > range.1;
        }
        Self {
            colors,
            range,
            beyond,
        }
    }

    /// Returns the numbers at both ends and in the centre.
    fn numbers(&self) -> [String; 3] {
        let (lo, hi) = self.range;
        let [first, middle, last] = [lo, f32::midpoint(lo, hi), hi].map(|v| number(v, hi - lo));
        let [below, above] = self.beyond;
        let marked = |mark: &str, text: String, is_marked: bool| {
            if is_marked {
                format!("{mark}{text}")
            } else {
                text
            }
        };
        [
            marked("<=", first, below),
            middle,
            marked(">=", last, above),
        ]
    }
}

/// Caption and colour scale of a map, or the reason why there is no map.
#[derive(Debug, Clone, PartialEq)]
pub struct Legend {
    /// Corner of the image.
    pub corner: Corner,
    /// Name of the map, or what is missing; long lines are wrapped. May be empty.
    pub caption: String,
    /// Colours of the values.
    pub scale: Option<ColorScale>,
}

/// Padding around a legend in label units; the legend takes about 170 x 45 pixels at 640x480.
pub const PADDING: f32 = 4.0;
/// Gap between its parts in label units.
pub const GAP: f32 = 3.0;
/// Height of the colour bar in label units.
const BAR: f32 = 5.0;
/// Height of a capital letter in label units.
pub const CAPITALS: f32 = 7.0;
/// Minimum gap between two numbers.
const BETWEEN: f32 = 5.0;
const MIN_WIDTH: f32 = 66.0;
/// Distance of two lines of a caption in label units; lower-case letters have descenders.
const LINE: f32 = CAPITALS + GAP + 2.0;
/// Part of the image's width that a caption may take before it is wrapped.
const MAX_SHARE: f32 = 0.45;
/// Part of the width and height of an area that a legend may take with its margins.
const MAX_COVERED: [f64; 2] = [0.6, 0.45];

/// Edges of a rectangle in screen pixels: first and opposite corner.
pub(crate) type Area = [[f64; 2]; 2];

impl Legend {
    /// Emits the legend's shapes in its corner of the first area that has room for it, with labels of
    /// size `unit`. If none has, the caption is left out, and if that is not enough, the legend.
    /// Returns the height that it takes, with its margin.
    pub(crate) fn lay_out(&self, areas: &[Area], unit: usize, put: &mut impl FnMut(Shape)) -> f64 {
        for caption in [self.caption.as_str(), ""] {
            if caption.is_empty() && self.scale.is_none() {
                break;
            }
            for area in areas {
                let width = (area[1][0] - area[0][0]) as f32;
                let contents = Contents::new(caption, self.scale, width, unit);
                if contents.fit(area) {
                    self.draw(&contents, area, put);
                    return f64::from(contents.size[1] + (2.0 * PADDING + GAP) * unit as f32);
                }
            }
        }
        0.0
    }

    fn draw(&self, contents: &Contents, area: &Area, put: &mut impl FnMut(Shape)) {
        let u = contents.unit as f32;
        let [x, y] = self.panel(area, contents.size, u, put);
        for (i, line) in contents.lines.iter().enumerate() {
            write([x, y + LINE * i as f32 * u], line, contents.unit, put);
        }
        if let Some(bar) = &contents.bar {
            bar.lay_out([x, y + contents.bar_top], contents.size[0], put);
        }
    }

    /// Emits a dark panel for contents of this size; returns the contents' top left corner.
    fn panel(
        &self,
        [lo, hi]: &Area,
        [width, height]: [f32; 2],
        u: f32,
        put: &mut impl FnMut(Shape),
    ) -> [f32; 2] {
        let (pad, margin) = (PADDING * u, GAP * u);
        let whole = |v: f64| (v + 0.5).round() as f32;
        let x = match self.corner {
            Corner::Left => whole(lo[0]) + margin + pad,
            Corner::Right => whole(hi[0]) - margin - pad - width,
        };
        let y = whole(hi[1]) - margin - pad - height;
        put(Shape::Rect(Rect {
            min: [x - pad - 0.5, y - pad - 0.5],
            max: [x + width + pad - 0.5, y + height + pad - 0.5],
            corner: 3.0 * u,
            stroke: 0.0,
            paint: Paint::new(INK, 0.72),
        }));
        [x, y]
    }
}

/// The lines and the colour bar of a legend.
#[derive(Debug)]
struct Contents {
    lines: Vec<String>,
    bar: Option<ScaleBar>,
    /// Distance of the bar from the top of the first line.
    bar_top: f32,
    /// Width and height without margins, in pixels.
    size: [f32; 2],
    unit: usize,
}

impl Contents {
    /// Breaks the caption for an area of this width.
    fn new(caption: &str, scale: Option<ColorScale>, width: f32, unit: usize) -> Self {
        let u = unit as f32;
        let lines = wrapped(caption, (MAX_SHARE * width).max(MIN_WIDTH * u), unit);
        let widths = lines.iter().map(|line| text_size(line, unit)[0]);
        let caption_width = widths.fold(0.0, f32::max);
        let (caption_height, gap) = match lines.len() {
            0 => (0.0, 0.0),
            n => ((CAPITALS + LINE * (n - 1) as f32) * u, GAP * u),
        };
        let bar = scale.map(|scale| ScaleBar::new(&scale, unit));
        let bar_top = caption_height + gap;
        let size = match &bar {
            None => [caption_width, caption_height],
            Some(bar) => [caption_width.max(bar.min_width), bar_top + bar.height],
        };
        Self {
            lines,
            bar,
            bar_top,
            size,
            unit,
        }
    }

    /// Returns whether most of an area stays visible beside them.
    fn fit(&self, [lo, hi]: &Area) -> bool {
        let margins = f64::from(2.0 * (PADDING + GAP)) * self.unit as f64;
        (0..2).all(|i| {
            let taken = f64::from(self.size[i]) + margins;
            taken <= MAX_COVERED[i] * (hi[i] - lo[i])
        })
    }
}

/// Breaks lines between words where they would be wider than `most` pixels.
fn wrapped(text: &str, most: f32, unit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = if line.is_empty() {
                word.to_owned()
            } else {
                format!("{line} {word}")
            };
            if text_size(&longer, unit)[0] <= most || line.is_empty() {
                line = longer;
            } else {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            }
        }
        lines.push(line);
    }
    lines
}

/// A colour bar above the values at its ends and in its centre.
#[derive(Debug)]
pub struct ScaleBar {
    colors: ColorMap,
    numbers: [String; 3],
    widths: [f32; 3],
    /// Minimum width in pixels.
    pub min_width: f32,
    /// Height in pixels.
    pub height: f32,
    unit: usize,
}

impl ScaleBar {
    /// Creates the bar of a scale with labels of size `unit`.
    pub fn new(scale: &ColorScale, unit: usize) -> Self {
        let u = unit as f32;
        let numbers = scale.numbers();
        let widths = numbers.each_ref().map(|n| text_size(n, unit)[0]);
        Self {
            colors: scale.colors,
            numbers,
            min_width: (widths.iter().sum::<f32>() + 2.0 * BETWEEN * u).max(MIN_WIDTH * u),
            widths,
            height: (BAR + GAP + CAPITALS) * u,
            unit,
        }
    }

    /// Emits its shapes with the top left corner at (`x`, `y`).
    pub fn lay_out(&self, [x, y]: [f32; 2], width: f32, put: &mut impl FnMut(Shape)) {
        let u = self.unit as f32;
        let top = y - 0.5;
        for column in 0..width as usize {
            let left = x + column as f32 - 0.5;
            put(Shape::Rect(Rect {
                min: [left, top],
                max: [left + 1.0, top + BAR * u],
                corner: 0.0,
                stroke: 0.0,
                paint: Paint::solid(sample(self.colors, column as f32 / (width - 1.0))),
            }));
        }
        let line = y + (BAR + GAP) * u;
        let [first, middle, last] = self.widths;
        let center = ((width - middle) / 2.0)
            .min(width - last - middle - BETWEEN * u)
            .max(first + BETWEEN * u);
        for (number, at) in self.numbers.iter().zip([0.0, center, width - last]) {
            write([x + at, line], number, self.unit, put);
        }
    }

    /// Darkens the colours between two fractions of the width, for values that are not shown.
    pub fn shade(
        &self,
        [x, y]: [f32; 2],
        width: f32,
        [from, to]: [f32; 2],
        put: &mut impl FnMut(Shape),
    ) {
        let edge = |share: f32| x + share.clamp(0.0, 1.0) * width - 0.5;
        put(Shape::Rect(Rect {
            min: [edge(from), y - 0.5],
            max: [edge(to), y + BAR * self.unit as f32 - 0.5],
            corner: 0.0,
            stroke: 0.0,
            paint: Paint::new(INK, 0.8),
        }));
    }
}

/// Emits a line of white text on a dark background.
pub fn write(at: [f32; 2], text: &str, unit: usize, put: &mut impl FnMut(Shape)) {
    write_colored(at, text, unit, CENTER, put);
}

/// Emits a line of text on a dark background.
pub fn write_colored(at: [f32; 2], text: &str, unit: usize, rgb: Rgb, put: &mut impl FnMut(Shape)) {
    let style = TextStyle {
        unit,
        paint: Paint::solid(rgb),
        outline: 0.0,
    };
    put(Shape::Text(Text {
        at,
        text: text.to_owned(),
        style,
    }));
}

/// Formats `value` with enough decimals to resolve 100 steps of `span`, without trailing zeros.
pub fn number(value: f32, span: f32) -> String {
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

    /// Fails when a colour bar shows equal numbers at both ends, or trailing zeros.
    #[test]
    fn legend_numbers_are_short_and_distinct() {
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

    /// Fails when the end of a scale looks like the largest value although larger ones exist.
    #[test]
    fn values_beyond_the_range_are_told() {
        let numbers =
            |values: &[f32]| ColorScale::of(ColorMap::Viridis, (0.0, 0.5), values).numbers();
        assert_eq!(numbers(&[0.0, 0.5]), ["0", "0.25", "0.5"]);
        assert_eq!(numbers(&[0.1, 0.9]), ["0", "0.25", ">=0.5"]);
        assert_eq!(numbers(&[-0.1, f32::NAN]), ["<=0", "0.25", "0.5"]);
    }

    /// Fails when a long caption runs out of the image, or words are lost or cut.
    #[test]
    fn long_captions_are_wrapped() {
        let caption = "x51.M\ncoarse attention, first pyramid";
        for (width, unit, n_lines) in [(640.0, 2, 3), (320.0, 1, 3), (900.0, 2, 2)] {
            let legend = Legend {
                corner: Corner::Right,
                caption: caption.to_owned(),
                scale: Some(ColorScale::of(ColorMap::Viridis, (0.0, 1.0), [])),
            };
            let mut lines = Vec::new();
            let area = [[0.0, 0.0], [width, 480.0]];
            legend.lay_out(&[area], unit, &mut |shape| match shape {
                Shape::Text(text) => lines.push(text),
                Shape::Rect(rect) => assert!(rect.min[0] >= 0.0 && rect.max[1] <= 480.0),
                _ => {}
            });
            // The last three are the numbers.
            lines.truncate(lines.len() - 3);
            let words: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(words.join(" "), caption.replace('\n', " "));
            assert_eq!(words.len(), n_lines, "{words:?}");
        }
    }
}

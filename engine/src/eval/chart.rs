//! An evaluation report as an image: one bar per joint and per COCO metric.

use poselens_shaders::canvas::{Canvas, Paint};
use poselens_shaders::text::{TextStyle, text_size};
use poselens_shaders::{CENTER, INK, LEFT, RIGHT, Rgb};

use super::EvalReport;
use super::pckh::PckhReport;
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::skeleton::Skeleton;

/// Pixels per unit of the letters' grid.
const UNIT: usize = 2;
/// Space at the borders and between columns, in pixels.
const SPACE: f32 = 16.0;
/// Line height including spacing, in pixels.
const LINE: f32 = 26.0;
/// Height of capital letters, in pixels.
const CAPITALS: f32 = 14.0;
/// Length of a 100 % bar, in pixels.
const FULL: f32 = 400.0;

/// A row of the chart.
enum Row {
    /// A heading.
    Text(String),
    /// Name, bar colour and value from 0 to 1; `None` where no joint is labelled.
    Bar(String, Rgb, Option<f64>),
    Empty,
}

/// Draws a bar chart of `report`, whose joints are `skeleton`'s. Left joints are blue, right ones
/// orange; thin lines mark every quarter.
pub fn chart(skeleton: &Skeleton, report: &EvalReport, title: &str) -> Frame {
    let rows = rows(skeleton, report, title);
    let width = |text: &str| text_size(text, UNIT)[0];
    let names = rows.iter().map(|row| match row {
        Row::Bar(name, ..) => width(name),
        _ => 0.0,
    });
    let bars = 2.0 * SPACE + names.fold(0.0, f32::max);
    let headings = rows.iter().map(|row| match row {
        Row::Text(text) => width(text) + 2.0 * SPACE,
        _ => 0.0,
    });
    let right = bars + FULL + width(&percent(Some(1.0))) + 2.0 * SPACE;
    let size = Size::new(
        headings.fold(right, f32::max).ceil() as usize,
        (2.0 * SPACE + LINE * rows.len() as f32) as usize,
    );
    let [r, g, b] = INK;
    let mut rgba = [r, g, b, 255].repeat(size.area());
    let mut canvas = Canvas::new(&mut rgba, size.width, size.height);
    let style = TextStyle {
        unit: UNIT,
        paint: Paint::solid(CENTER),
        outline: 0.0,
    };
    for (i, row) in rows.iter().enumerate() {
        let top = SPACE + LINE * i as f32;
        match row {
            Row::Empty => {}
            Row::Text(text) => canvas.text([SPACE, top], text, &style),
            Row::Bar(name, colour, share) => {
                canvas.text([SPACE, top], name, &style);
                for quarter in 0..=4u8 {
                    let x = bars + FULL * f32::from(quarter) / 4.0;
                    let low = top + LINE;
                    canvas.line([x, top], [x, low], 1.0, Paint::new(CENTER, 0.25));
                }
                let length = FULL * share.unwrap_or(0.0).clamp(0.0, 1.0) as f32;
                let paint = Paint::solid(*colour);
                canvas.rect([bars, top], [bars + length, top + CAPITALS], 0.0, paint);
                canvas.text([bars + FULL + SPACE, top], &percent(*share), &style);
            }
        }
    }
    Frame::new(0, 0.0, size, Pixels::unpooled(rgba))
}

/// Formats a value as `60.1 %`, or `-` where nothing was measured.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |v| format!("{:.1} %", 100.0 * v))
}

fn rows(skeleton: &Skeleton, report: &EvalReport, title: &str) -> Vec<Row> {
    let mut rows = vec![Row::Text(title.to_owned())];
    if let Some(oks) = &report.oks {
        rows.extend([Row::Empty, Row::Text("COCO".to_owned())]);
        let bars = oks.numbers().into_iter();
        rows.extend(bars.map(|(name, value)| Row::Bar(name.to_owned(), CENTER, value)));
    }
    let pck = report.pck.as_ref();
    let pckh = report.pckh.as_ref();
    let heading = |name, threshold, mean| format!("{name}@{threshold}: {}", percent(mean));
    let by_head = |p: &PckhReport| {
        let heading = heading("PCKh", p.threshold, p.mean);
        format!("{heading}, by {}", p.reference())
    };
    let shares = [
        pck.map(|p| (heading("PCK", p.threshold, p.mean), &p.per_joint)),
        pckh.map(|p| (by_head(p), &p.per_joint)),
    ];
    for (heading, per_joint) in shares.into_iter().flatten() {
        rows.extend([Row::Empty, Row::Text(heading)]);
        rows.extend(skeleton.joints.iter().map(|joint| {
            let colour = match joint.get(..2) {
                Some("l_") => LEFT,
                Some("r_") => RIGHT,
                _ => CENTER,
            };
            let share = per_joint.get(joint).copied().flatten();
            Row::Bar(joint.clone(), colour, share)
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::coco_ap::CocoAp;
    use super::super::pck::PckReport;
    use super::*;

    /// Fails when a bar's length does not match its value, it has the other side's colour, a part
    /// of the report is left out, or an empty report cannot be drawn.
    #[test]
    fn bars_are_as_long_as_their_values() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let shares = [("l_wrist", 0.5), ("r_wrist", 0.25), ("nose", 1.0)];
        let report = EvalReport {
            n_people: 1,
            pck: Some(PckReport {
                mean: Some(0.5),
                mean_all: None,
                threshold: 0.2,
                per_joint: shares.map(|(j, s)| (j.to_owned(), Some(s))).into(),
                groups: std::collections::BTreeMap::new(),
                n_people: 1,
                n_joints: 8,
            }),
            hits: std::collections::BTreeMap::new(),
            pckh: None,
            oks: Some(CocoAp::default()),
        };
        let frame = chart(coco, &report, "a title");
        let width = frame.size().width;
        assert_eq!(rows(coco, &report, "").len(), 1 + 2 + 10 + 2 + 17);
        let longest = |colour: Rgb| {
            let is_it = |p: &[u8; 4]| p[..3] == colour;
            let (pixels, _) = frame.rgba().as_chunks::<4>();
            let rows = pixels.chunks(width);
            rows.map(|row| row.iter().filter(|p| is_it(p)).count())
                .max()
        };
        for (colour, wanted) in [(LEFT, FULL * 0.5), (RIGHT, FULL * 0.25)] {
            let found = longest(colour).unwrap() as f32;
            assert!((found - wanted).abs() <= 2.0, "{found}, not {wanted}");
        }
        let nothing = EvalReport {
            pck: None,
            oks: None,
            ..report
        };
        assert!(chart(coco, &nothing, "").size().area() > 0);
    }
}

//! Draws the training targets. Each joint and limb touches only the cells within its reach, so the
//! cost grows with the number of people, not with people times map size.

use std::ops::Range;

use crate::geometry::{Point, Size};

/// Cells whose heatmap value exceeds this have an offset target; the offset loss counts only these.
pub(super) const OFFSET_GATE: f64 = 0.4;

/// Gaussians are cut off where the exponent reaches this value, at 1 % of the peak (as in
/// OpenPose).
const CUTOFF: f64 = 4.6052;

/// Half the width of a limb in its affinity field, in heatmap pixels.
const LIMB_RADIUS: f64 = 1.0;

/// Limbs shorter than this (in heatmap pixels) have no direction.
pub(super) const MIN_LENGTH: f64 = 1e-8;

/// Draws the joints' heatmaps, with the background map last, and their offsets. Both slices must be
/// all zero and not empty.
pub(super) fn draw_joints(
    people: &[Vec<Option<Point>>],
    sigma: f64,
    size: Size,
    heatmaps: &mut [f32],
    offsets: &mut [f32],
) {
    let area = size.area();
    let (joints, background) = heatmaps.split_at_mut(heatmaps.len() - area);
    background.fill(1.0);
    let maps = joints
        .chunks_exact_mut(area)
        .zip(offsets.chunks_exact_mut(2 * area));
    for (j, (heatmap, offsets)) in maps.enumerate() {
        let (x, y) = offsets.split_at_mut(area);
        for joint in people.iter().filter_map(|p| labelled(p, j)) {
            draw_joint(joint, sigma, size, |i, value, offset| {
                // The nearest of several people's joints wins: its Gaussian is the highest here.
                if value as f32 > heatmap[i] {
                    heatmap[i] = value as f32;
                    background[i] = background[i].min((1.0 - value) as f32);
                    if value > OFFSET_GATE {
                        x[i] = offset.x as f32;
                        y[i] = offset.y as f32;
                    }
                }
            });
        }
    }
}

/// Draws the part affinity fields of `limbs` into maps that are all zero.
pub(super) fn draw_limbs(
    people: &[Vec<Option<Point>>],
    limbs: &[[usize; 2]],
    size: Size,
    paf: &mut [f32],
) {
    let area = size.area();
    let mut drawn = vec![0.0f32; area];
    for (limb, maps) in limbs.iter().zip(paf.chunks_exact_mut(2 * area)) {
        let (x, y) = maps.split_at_mut(area);
        drawn.fill(0.0);
        for person in people {
            let ends = labelled(person, limb[0]).zip(labelled(person, limb[1]));
            if let Some((a, b)) = ends {
                // Where limbs of several people cross, the field is their mean.
                draw_limb(a, b, size, |i, v| {
                    drawn[i] += 1.0;
                    x[i] += (v.x as f32 - x[i]) / drawn[i];
                    y[i] += (v.y as f32 - y[i]) / drawn[i];
                });
            }
        }
    }
}

fn labelled(person: &[Option<Point>], j: usize) -> Option<Point> {
    let joint = person.get(j).copied().flatten();
    joint.filter(|p| p.x.is_finite() && p.y.is_finite())
}

/// Calls `draw` for each cell within reach of a joint's Gaussian, with the cell's index, its value,
/// and the offset from the cell's centre to the joint, clamped to the cell.
fn draw_joint(joint: Point, sigma: f64, size: Size, mut draw: impl FnMut(usize, f64, Point)) {
    let radius = sigma * (2.0 * CUTOFF).sqrt();
    let reach = |center: f64, n: usize| span(center - radius, center + radius + 1.0, n);
    for row in reach(joint.y, size.height) {
        let dy = joint.y - row as f64;
        for column in reach(joint.x, size.width) {
            let dx = joint.x - column as f64;
            let exponent = (dx * dx + dy * dy) / (2.0 * sigma * sigma);
            if exponent <= CUTOFF {
                let offset = Point::new(dx.clamp(-0.5, 0.5), dy.clamp(-0.5, 0.5));
                draw(row * size.width + column, (-exponent).exp(), offset);
            }
        }
    }
}

/// Calls `draw` with the index and unit vector of each cell on the limb from `a` to `b`.
fn draw_limb(a: Point, b: Point, size: Size, mut draw: impl FnMut(usize, Point)) {
    let length = a.distance(b);
    if length < MIN_LENGTH || !length.is_finite() {
        return;
    }
    let v = Point::new((b.x - a.x) / length, (b.y - a.y) / length);
    let around = |p: f64, q: f64, n| span(p.min(q) - LIMB_RADIUS, p.max(q) + LIMB_RADIUS, n);
    for row in around(a.y, b.y, size.height) {
        for column in around(a.x, b.x, size.width) {
            let (dx, dy) = (column as f64 - a.x, row as f64 - a.y);
            if (dx * v.y - dy * v.x).abs() <= LIMB_RADIUS {
                draw(row * size.width + column, v);
            }
        }
    }
}

/// Returns the cells from `low` (rounded) up to and excluding `high` (rounded) that lie on a map of
/// `n` cells.
fn span(low: f64, high: f64, n: usize) -> Range<usize> {
    let cell = |v: f64| (v + 0.5).floor().clamp(0.0, n as f64) as usize;
    cell(low)..cell(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::codec::fields::FieldCodec;
    use crate::skeleton::Skeleton;
    use proptest::prelude::*;

    const SIZE: Size = Size::new(9, 7);

    fn coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => -3.0..12.0,
            1 => (-4i32..24).prop_map(|v| f64::from(v) / 2.0),
            1 => prop_oneof![
                Just(f64::NAN),
                Just(f64::INFINITY),
                Just(f64::MAX),
                Just(-f64::MAX),
                Just(1e9),
            ],
        ]
    }

    fn joint() -> impl Strategy<Value = Option<Point>> {
        proptest::option::weighted(0.9, (coordinate(), coordinate()))
            .prop_map(|p| p.map(|(x, y)| Point::new(x, y)))
    }

    /// Computes one cell of every map directly from the definitions.
    fn cell(
        skeleton: &Skeleton,
        people: &[Vec<Option<Point>>],
        sigma: f64,
        column: usize,
        row: usize,
    ) -> Vec<f64> {
        let g = Point::new(column as f64, row as f64);
        let finite = |p: Option<Point>| p.filter(|p| p.x.is_finite() && p.y.is_finite());
        let (mut heat, mut paf, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for j in 0..skeleton.n_joints() {
            let distance = |p: &Point| (p.x - g.x).powi(2) + (p.y - g.y).powi(2);
            let nearest = people
                .iter()
                .filter_map(|p| finite(p[j]))
                .min_by(|p, q| distance(p).total_cmp(&distance(q)));
            let exponent = nearest.map_or(f64::INFINITY, |p| distance(&p) / (2.0 * sigma * sigma));
            let value = if exponent > 4.6052 {
                0.0
            } else {
                (-exponent).exp()
            };
            heat.push(value);
            offsets.extend(nearest.filter(|_| value > 0.4).map_or([0.0; 2], |p| {
                [(p.x - g.x).clamp(-0.5, 0.5), (p.y - g.y).clamp(-0.5, 0.5)]
            }));
        }
        heat.push((1.0 - heat.iter().fold(0.0, |m: f64, &v| m.max(v))).max(0.0));
        for &[a, b] in &skeleton.limbs {
            let round = |v: f64| (v + 0.5).floor();
            let inside =
                |p: f64, q: f64, g: f64| round(p.min(q) - 1.0) <= g && g < round(p.max(q) + 1.0);
            let mut sum = [0.0; 3];
            for person in people {
                let Some((a, b)) = finite(person[a]).zip(finite(person[b])) else {
                    continue;
                };
                let length = a.distance(b);
                let v = Point::new((b.x - a.x) / length, (b.y - a.y) / length);
                let across = ((g.x - a.x) * v.y - (g.y - a.y) * v.x).abs();
                if (1e-8..f64::INFINITY).contains(&length)
                    && across <= 1.0
                    && inside(a.x, b.x, g.x)
                    && inside(a.y, b.y, g.y)
                {
                    sum = [sum[0] + v.x, sum[1] + v.y, sum[2] + 1.0];
                }
            }
            let n = f64::max(sum[2], 1.0);
            paf.extend([sum[0] / n, sum[1] / n]);
        }
        [heat, paf, offsets].concat()
    }

    proptest! {
        /// Fails when a cell within reach of a joint or limb is skipped, a joint that is NaN or
        /// outside the map draws where it should not, one person's target hides another's, or an
        /// offset belongs to the farther of two people.
        #[test]
        fn targets_are_as_defined(
            people in proptest::collection::vec(proptest::collection::vec(joint(), 18), 0..4),
            sigma in 0.55f64..2.0,
        ) {
            let skeleton = Skeleton::by_name("openpose18").unwrap();
            let fields = FieldCodec::new(skeleton, sigma).encode(&people, SIZE);
            for i in 0..SIZE.area() {
                let expected = cell(skeleton, &people, sigma, i % SIZE.width, i / SIZE.width);
                prop_assert_eq!(expected.len(), fields.n);
                for (n, expected) in expected.into_iter().enumerate() {
                    let value = f64::from(fields.plane(n)[i]);
                    prop_assert!((value - expected).abs() < 1e-6, "map {}: got {}, expected {}", n, value, expected);
                }
            }
        }
    }
}

//! Gaussian heatmaps: the target of a joint is a Gaussian of peak 1 around its sub-pixel position.
//! The prediction is the map's highest pixel, refined by a [`Refine`] step.

use super::{Codec, DecodedPerson, PersonJoints};
use crate::geometry::{Point, Size};
use crate::output::Planes;
use crate::pose::{Keypoint, Pose};

/// The highest pixel of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Column index, from 0.
    pub x: usize,
    /// Row index, from 0.
    pub y: usize,
    /// Value at that pixel, > 0 and finite.
    pub value: f32,
}

impl Peak {
    fn point(self) -> Point {
        Point::new(self.x as f64, self.y as f64)
    }
}

/// Refines a map's peak to sub-pixel precision.
pub type Refine = fn(map: &[f32], size: Size, peak: Peak) -> Point;

/// Top-down heatmap codec: one person per region, one heatmap per joint.
#[derive(Debug, Clone, Copy)]
pub struct HeatmapCodec {
    sigma: f64,
    refine: Refine,
}

impl HeatmapCodec {
    /// Creates a codec with targets of standard deviation `sigma` (heatmap pixels) whose
    /// predictions are refined by `refine`.
    pub fn new(sigma: f64, refine: Refine) -> Self {
        Self { sigma, refine }
    }
}

impl HeatmapCodec {
    /// Draws a joint into its map, keeping the higher value at every pixel.
    fn draw(&self, map: &mut [f32], size: Size, p: Point) {
        // exp(-(dx^2 + dy^2) / (2 sigma^2)) as a product: W + H exponentials instead of W * H.
        let along = |n: usize, center: f64| -> Vec<f64> {
            let weight = |i| (-((i as f64 - center) / self.sigma).powi(2) / 2.0).exp();
            (0..n).map(weight).collect()
        };
        let (gx, gy) = (along(size.width, p.x), along(size.height, p.y));
        for (row, gy) in map.chunks_exact_mut(size.width.max(1)).zip(gy) {
            for (value, gx) in row.iter_mut().zip(&gx) {
                *value = value.max((gx * gy) as f32);
            }
        }
    }
}

impl Codec for HeatmapCodec {
    /// The Gaussian is not truncated, so a joint slightly outside the map still shapes its edge.
    fn encode(&self, people: &[PersonJoints], size: Size) -> Planes {
        let n = people.first().map_or(0, Vec::len);
        let mut values = vec![0.0; n * size.area()];
        let finite = |p: &Point| p.x.is_finite() && p.y.is_finite();
        for joints in people {
            for (joint, map) in joints
                .iter()
                .zip(values.chunks_exact_mut(size.area().max(1)))
            {
                if let Some(p) = joint.filter(finite) {
                    self.draw(map, size, p);
                }
            }
        }
        Planes { n, size, values }
    }

    fn weights(&self, _: &Planes, known: &[bool]) -> Planes {
        Planes {
            n: known.len(),
            size: Size::square(1),
            values: known.iter().map(|k| f32::from(u8::from(*k))).collect(),
        }
    }

    /// The score is the raw maximum. A map without a positive maximum yields a joint at (0, 0); a
    /// map whose maximum is NaN or infinite yields one with score 0.
    fn decode(&self, heatmaps: &Planes) -> Vec<DecodedPerson> {
        let joint = |j| {
            let map = heatmaps.plane(j);
            let max = max_of(map);
            if !max.is_finite() {
                return Keypoint::default();
            }
            let Some(peak) = (max > 0.0)
                .then(|| peak_at(map, heatmaps.size.width, max))
                .flatten()
            else {
                return Keypoint::from([0.0, 0.0, max]);
            };
            let refined = (self.refine)(map, heatmaps.size, peak);
            // An infinite or NaN neighbour must not make the joint NaN.
            let (x, y) = (refined.x as f32, refined.y as f32);
            if x.is_finite() && y.is_finite() {
                Keypoint::from([x, y, max])
            } else {
                Keypoint::from([peak.x as f32, peak.y as f32, max])
            }
        };
        let joints: Vec<_> = (0..heatmaps.n).map(joint).collect();
        let score = f64::from(Pose::mean_score(&joints));
        vec![DecodedPerson { joints, score }]
    }
}

/// Performs no refinement: returns the highest pixel itself.
pub fn stay(_: &[f32], _: Size, peak: Peak) -> Point {
    peak.point()
}

/// Moves the peak by HRNet's quarter offset: 0.25 towards the higher neighbour on each axis, none
/// on a tie.
///
/// The gate is HRNet's, `1 < x < W-1` and `1 < y < H-1`: peaks in the first two rows and columns
/// and in the last ones are not moved. SFM's recipe has no such gate (it clamps at the border); the
/// two differ only for joints in those rows and columns.
pub fn quarter(map: &[f32], size: Size, peak: Peak) -> Point {
    let Peak { x, y, .. } = peak;
    let mut p = peak.point();
    if x > 1 && x + 1 < size.width && y > 1 && y + 1 < size.height {
        let at = y * size.width + x;
        p.x += quarter_step(map[at - 1], map[at + 1]);
        p.y += quarter_step(map[at - size.width], map[at + size.width]);
    }
    p
}

fn quarter_step(before: f32, after: f32) -> f64 {
    if after > before {
        0.25
    } else if after < before {
        -0.25
    } else {
        0.0
    }
}

/// Returns the largest value, ignoring NaNs, or minus infinity if there is none. Sixteen running
/// maxima instead of one let the compiler use vector registers: 17 maps of 128x128 decode in 60 us.
pub(super) fn max_of(map: &[f32]) -> f32 {
    const LANES: usize = 16;
    let larger = |a: f32, v: f32| if v > a { v } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = map.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, v);
        }
    }
    lanes
        .into_iter()
        .chain(rest.iter().copied())
        .fold(f32::NEG_INFINITY, larger)
}

/// Returns the first pixel in row-major order that holds `value`.
fn peak_at(map: &[f32], width: usize, value: f32) -> Option<Peak> {
    // Whole chunks are compared first (vectorised), then the one that matches is searched.
    const CHUNK: usize = 64;
    let holds = |chunk: &[f32]| chunk.iter().map(|&v| u32::from(v == value)).sum::<u32>() > 0;
    let chunk = map.chunks(CHUNK).position(holds)?;
    let start = chunk * CHUNK;
    let i = start + map[start..].iter().position(|&v| v == value)?;
    Some(Peak {
        x: i % width,
        y: i / width,
        value,
    })
}

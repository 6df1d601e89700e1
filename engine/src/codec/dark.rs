//! DARK (Zhang et al. 2020, <https://arxiv.org/abs/1910.06278>): near the joint, the logarithm of
//! the blurred heatmap is close to a paraboloid. One Newton step from the highest pixel finds its
//! maximum.

use super::heatmap::{Peak, max_of};
use crate::geometry::{Point, Size};

/// Blur taps on each side of the centre (kernel size 11, as TransPose configures it).
const RADIUS: usize = 5;
/// Standard deviation that OpenCV derives from kernel size 11: `0.3 * ((11 - 1) / 2 - 1) + 0.8`.
const BLUR_SIGMA: f64 = 2.0;
/// Lower bound on values before the logarithm is taken.
const FLOOR: f64 = 1e-10;

/// Refines `peak` by one Newton step `-H^-1 g` on the log of the blurred map, using central
/// differences of step 1 (gradient, mixed term) and 2 (second derivatives). The step is not
/// clamped. Peaks closer than two pixels to a border, and flat or degenerate neighbourhoods, are
/// returned unchanged.
pub fn refine(map: &[f32], size: Size, peak: Peak) -> Point {
    let (px, py) = (peak.x as f64, peak.y as f64);
    let stay = Point::new(px, py);
    let inside = |at: usize, n: usize| at > 1 && at + 2 < n;
    if !(inside(peak.x, size.width) && inside(peak.y, size.height)) {
        return stay;
    }
    let kernel = kernel();
    let mut window = blurred_window(map, size, peak, &kernel);
    // The official code rescales the blurred map to the raw peak before it clamps. The factor is at
    // least 1 and cancels in every difference of logarithms, so the whole map is blurred only if
    // one of the values could be clamped.
    if NEEDED.iter().any(|&(x, y)| window[y][x] < FLOOR) {
        let scale = f64::from(peak.value) / blurred_max(map, size, &kernel);
        for v in window.as_flattened_mut() {
            *v *= scale;
        }
    }
    let log = |x: usize, y: usize| window[y][x].max(FLOOR).ln();
    let dx = (log(3, 2) - log(1, 2)) / 2.0;
    let dy = (log(2, 3) - log(2, 1)) / 2.0;
    let dxx = (log(4, 2) - 2.0 * log(2, 2) + log(0, 2)) / 4.0;
    let dyy = (log(2, 4) - 2.0 * log(2, 2) + log(2, 0)) / 4.0;
    let dxy = (log(3, 3) - log(3, 1) - log(1, 3) + log(1, 1)) / 4.0;
    let det = dxx * dyy - dxy * dxy;
    if det == 0.0 {
        return stay;
    }
    Point::new(
        px - (dyy * dx - dxy * dy) / det,
        py - (dxx * dy - dxy * dx) / det,
    )
}

/// (column, row) entries of the 5x5 window used by the differences; (2, 2) is the peak.
const NEEDED: [(usize, usize); 13] = [
    (2, 0),
    (1, 1),
    (2, 1),
    (3, 1),
    (0, 2),
    (1, 2),
    (2, 2),
    (3, 2),
    (4, 2),
    (1, 3),
    (2, 3),
    (3, 3),
    (2, 4),
];

type Kernel = [f64; 2 * RADIUS + 1];

fn kernel() -> Kernel {
    let weight = |i: usize| (-((i as f64 - RADIUS as f64) / BLUR_SIGMA).powi(2) / 2.0).exp();
    let weights: Kernel = std::array::from_fn(weight);
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// Returns the blurred map (zero padding) in the 5x5 pixels around `peak`, as
/// `window[row][column]`.
fn blurred_window(map: &[f32], size: Size, peak: Peak, kernel: &Kernel) -> [[f64; 5]; 5] {
    let mut window = [[0.0; 5]; 5];
    // Every row that reaches one of the five window rows is blurred along x, then spread along y.
    let rows = peak.y.saturating_sub(2 + RADIUS)..(peak.y + 3 + RADIUS).min(size.height);
    for y in rows {
        let row = &map[y * size.width..(y + 1) * size.width];
        for i in 0..5 {
            let x = peak.x + i - 2;
            let from = x.saturating_sub(RADIUS);
            let taps = &kernel[from + RADIUS - x..];
            let blurred: f64 = row[from..]
                .iter()
                .zip(taps)
                .map(|(&v, w)| f64::from(v) * w)
                .sum();
            for (j, line) in window.iter_mut().enumerate() {
                let distance = (y + RADIUS).wrapping_sub(peak.y + j - 2);
                if let Some(w) = kernel.get(distance) {
                    line[i] += blurred * w;
                }
            }
        }
    }
    window
}

/// Returns the maximum of the whole blurred map. It is only used as a common factor, so f32
/// suffices and is faster.
fn blurred_max(map: &[f32], size: Size, kernel: &Kernel) -> f64 {
    let Size { width, height } = size;
    let mut along_y = vec![0.0f32; width];
    let mut blurred = vec![0.0f32; width];
    let mut max = f32::NEG_INFINITY;
    for y in 0..height {
        along_y.fill(0.0);
        let from = y.saturating_sub(RADIUS);
        for source in from..(y + RADIUS + 1).min(height) {
            let w = kernel[source + RADIUS - y] as f32;
            let row = &map[source * width..(source + 1) * width];
            for (sum, &v) in along_y.iter_mut().zip(row) {
                *sum += w * v;
            }
        }
        blurred.fill(0.0);
        for (tap, &w) in kernel.iter().enumerate() {
            // Tap `tap` reads the pixel `tap - RADIUS` to the right.
            let left = RADIUS.saturating_sub(tap).min(width);
            let right = tap.saturating_sub(RADIUS).min(width);
            for (sum, &v) in blurred[left..].iter_mut().zip(&along_y[right..]) {
                *sum += w as f32 * v;
            }
        }
        max = max.max(max_of(&blurred));
    }
    f64::from(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_golden::Golden;

    /// Fails when the blur kernel, its padding or its normalisation differ from OpenCV's.
    #[test]
    fn the_blur_equals_the_official_one() {
        let golden = Golden::open("transpose/post_decode.safetensors");
        let size = Size::new(48, 64);
        let maps = golden.f32s("heatmaps");
        let official = golden.f64s("blurred_item0");
        let kernel = kernel();
        for (ours, theirs) in kernel.iter().zip(golden.f64s("gauss_kernel_11")) {
            assert!((ours - theirs).abs() < 1e-12);
        }
        // The golden map is rescaled to the raw peak, as the official code leaves it.
        let mut worst = 0.0f64;
        for j in 0..17 {
            let map = &maps[j * size.area()..(j + 1) * size.area()];
            let official = &official[j * size.area()..(j + 1) * size.area()];
            let scale = f64::from(max_of(map)) / blurred_max(map, size, &kernel);
            for (x, y) in [(2, 2), (5, 30), (24, 33), (45, 61), (44, 3)] {
                let peak = Peak { x, y, value: 1.0 };
                let window = blurred_window(map, size, peak, &kernel);
                for (row, line) in window.iter().enumerate() {
                    for (column, ours) in line.iter().enumerate() {
                        let theirs = official[(y + row - 2) * size.width + x + column - 2];
                        worst = worst.max((ours * scale - theirs).abs());
                    }
                }
            }
        }
        println!("blur: {worst:e}");
        assert!(worst < 1e-6, "{worst}");
    }
}

//! Tests of heat layers.

use proptest::prelude::*;

use super::*;
use crate::colormap::sample;

const W: usize = 50;
const H: usize = 40;

fn layer(values: &[f32], width: usize) -> HeatLayer {
    HeatLayer {
        values: values.into(),
        width,
        height: values.len() / width,
        cut: 0,
        map_from_pixel: [[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]],
        range: (0.0, 1.0),
        colors: ColorMap::Viridis,
        alpha: 1.0,
        threshold: 0.0,
        fade: Fade::Even,
        sampling: Sampling::Bilinear,
    }
}

/// Returns the image after drawing; untouched pixels stay pure red, which no colour map contains.
fn drawn(layer: &HeatLayer) -> Vec<[u8; 4]> {
    let mut rgba = [255, 0, 0, 255].repeat(W * H);
    layer.draw(&mut Canvas::new(&mut rgba, W, H));
    rgba.chunks_exact(4)
        .map(|p| [p[0], p[1], p[2], p[3]])
        .collect()
}

/// Interpolates the map by definition, with the edge replicated outwards.
fn reference(layer: &HeatLayer, u: f64, v: f64) -> f64 {
    let (w, h) = (layer.width as f64 - 1.0, layer.height as f64 - 1.0);
    let at = |x: f64, y: f64| {
        let (x, y) = (x.clamp(0.0, w) as usize, y.clamp(0.0, h) as usize);
        f64::from(layer.values[y * layer.width + x])
    };
    let (x, y) = (u.floor(), v.floor());
    let (fx, fy) = (u - x, v - y);
    let top = at(x, y) * (1.0 - fx) + at(x + 1.0, y) * fx;
    let bottom = at(x, y + 1.0) * (1.0 - fx) + at(x + 1.0, y + 1.0) * fx;
    top * (1.0 - fy) + bottom * fy
}

proptest! {
    /// Fails when the fast integer implementation differs from the definition of bilinear sampling,
    /// or covers other pixels than the map's.
    #[test]
    fn sampling_follows_its_definition(values in prop::collection::vec(0.0..1.0_f32, 42),
                                       a in -0.3..0.3_f64, b in -0.1..0.1_f64, c in -3.0..6.0_f64,
                                       d in -0.1..0.1_f64, e in 0.05..0.3_f64, f in -3.0..4.0_f64) {
        let mut layer = layer(&values, 7);
        layer.map_from_pixel = [[a, b, c], [d, e, f]];
        for (i, pixel) in drawn(&layer).iter().enumerate() {
            let (x, y) = ((i % W) as f64, (i / W) as f64);
            let (u, v) = (a * x + b * y + c, d * x + e * y + f);
            // Distance of the point from the map's edge; on the edge itself either result is
            // accepted.
            let depth = (u + 0.5).min(6.5 - u).min(v + 0.5).min(5.5 - v);
            if depth < -1e-6 {
                prop_assert_eq!(*pixel, [255, 0, 0, 255]);
            } else if depth > 1e-6 {
                // Coordinates and values are rounded to 1/256, which gives up to two levels of 255.
                let level = 255.0 * reference(&layer, u, v);
                let table = ColorMap::Viridis.table();
                let near = (level - 2.0).max(0.0) as usize..=(level + 3.0).min(255.0) as usize;
                prop_assert!(table[near].iter().any(|c| pixel[..3] == c[..]), "{u} {v} {level}");
            }
        }
    }

    /// Fails when NaN or infinite values or an invalid transformation cause a panic.
    #[test]
    fn any_map_can_be_drawn(values in prop::collection::vec(any::<f32>(), 12), m in any::<[f64; 6]>(),
                           range in any::<(f32, f32)>(), alpha in any::<f32>(),
                           cut in 0..4_usize, small in any::<bool>()) {
        for sampling in [Sampling::Bilinear, Sampling::Nearest] {
            let mut layer = HeatLayer { cut, range, alpha, sampling, ..layer(&values, 4) };
            layer.map_from_pixel = if small {
                [[m[0] % 2.0, m[1] % 2.0, m[2] % 9.0], [m[3] % 2.0, m[4] % 2.0, m[5] % 9.0]]
            } else {
                [[m[0], m[1], m[2]], [m[3], m[4], m[5]]]
            };
            prop_assert!(drawn(&layer).iter().all(|p| p[3] == 255));
        }
    }
}

/// Fails when nearest-neighbour sampling blurs the map's pixels or shifts them by half a pixel.
#[test]
fn nearest_shows_squares() {
    let values = [0.0, 1.0, 1.0, 0.0];
    let mut layer = layer(&values, 2);
    layer.sampling = Sampling::Nearest;
    layer.map_from_pixel = [[0.1, 0.0, -0.45], [0.0, 0.1, -0.45]];
    for (i, pixel) in drawn(&layer).iter().enumerate() {
        let (x, y) = (i % W, i / W);
        let want = match (x < 20 && y < 20, (x < 10) == (y < 10)) {
            (false, _) => [255, 0, 0],
            (true, true) => sample(ColorMap::Viridis, 0.0),
            (true, false) => sample(ColorMap::Viridis, 1.0),
        };
        assert_eq!(pixel[..3], want, "{x} {y}");
    }
}

/// Fails when the border of zero padding is shown or enters the interpolation.
#[test]
fn cut_pixels_are_neither_shown_nor_interpolated() {
    let mut values = vec![0.5; 64];
    for (i, v) in values.iter_mut().enumerate() {
        if i % 8 == 0 || i % 8 == 7 || i / 8 == 0 || i / 8 == 7 {
            *v = 1.0;
        }
    }
    let mut layer = layer(&values, 8);
    layer.cut = 1;
    layer.map_from_pixel = [[0.2, 0.0, -0.45], [0.0, 0.2, -0.45]];
    let middle = sample(ColorMap::Viridis, 0.5);
    for (i, pixel) in drawn(&layer).iter().enumerate() {
        let shown = (5..35).contains(&(i % W)) && (5..35).contains(&(i / W));
        let want = if shown { middle } else { [255, 0, 0] };
        assert_eq!(pixel[..3], want, "{} {}", i % W, i / W);
    }
}

/// Fails when low values hide the image although the layer should fade there.
#[test]
fn low_values_are_transparent_when_fading() {
    let values = [0.0; 4];
    let mut layer = layer(&values, 2);
    layer.fade = Fade::Low;
    assert!(drawn(&layer).iter().all(|p| *p == [255, 0, 0, 255]));
    assert_eq!(layer.alpha_at(1.0), 1.0);
    layer.fade = Fade::Middle;
    assert_eq!([0.0, 0.5, 1.0].map(|t| layer.alpha_at(t)), [1.0, 0.0, 1.0]);
}

/// Fails when a threshold hides the wrong values, shows values below it, or treats the neutral
/// centre of a signed map as stronger than its negative end.
#[test]
fn values_below_the_threshold_are_not_drawn() {
    let values = [0.0, 0.25, 0.5, 1.0];
    let mut layer = layer(&values, 4);
    layer.sampling = Sampling::Nearest;
    layer.map_from_pixel = [[0.1, 0.0, -0.45], [0.0, 0.1, -0.45]];
    layer.threshold = 0.4;
    for (colors, shown) in [
        (ColorMap::Viridis, [false, false, true, true]),
        (ColorMap::Coolwarm, [true, true, false, true]),
    ] {
        layer.colors = colors;
        for (i, pixel) in drawn(&layer).iter().enumerate() {
            let (x, y) = (i % W, i / W);
            let is_shown = y < 10 && x < 40 && shown[x / 10];
            assert_eq!(pixel[..3] != [255, 0, 0], is_shown, "{colors:?} {x} {y}");
        }
    }
}

//! Tests of the drawing primitives.

use proptest::prelude::*;

use super::*;

const W: usize = 40;
const H: usize = 30;
const GROUND: [u8; 4] = [10, 20, 30, 255];
const COLOR: Rgb = [200, 150, 100];

fn drawn(draw: impl FnOnce(&mut Canvas<'_>)) -> Vec<[u8; 4]> {
    let mut rgba = GROUND.repeat(W * H);
    draw(&mut Canvas::new(&mut rgba, W, H));
    rgba.chunks_exact(4)
        .map(|p| [p[0], p[1], p[2], p[3]])
        .collect()
}

/// Compares a drawing pixel by pixel with the coverage given by its distance field.
fn agrees(pixels: &[[u8; 4]], sdf: impl Fn(Vec2) -> f64) -> Result<(), TestCaseError> {
    for (i, pixel) in pixels.iter().enumerate() {
        let p = [(i % W) as f64, (i / W) as f64];
        let inside = sdf::coverage(sdf(p));
        for c in 0..3 {
            let (from, to) = (f64::from(GROUND[c]), f64::from(COLOR[c]));
            let want = from + inside * (to - from);
            prop_assert!(
                (f64::from(pixel[c]) - want).abs() < 1.5,
                "{p:?} {pixel:?} {want}"
            );
        }
        prop_assert_eq!(pixel[3], 255);
    }
    Ok(())
}

/// Coordinates on the canvas, next to it, and far away.
fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![-20.0..60.0_f32, -500.0..500.0_f32]
}

proptest! {
    /// Fails when the clipped, row-wise line differs from its distance field: gaps, wrong caps, or
    /// changed pixels outside.
    #[test]
    fn a_line_is_its_distance_field(a in [coordinate(), coordinate()],
                                    b in [coordinate(), coordinate()], width in 1.0..12.0_f32) {
        let pixels = drawn(|c| c.line(a, b, width, Paint::solid(COLOR)));
        let radius = f64::from(width) / 2.0;
        agrees(&pixels, |p| sdf::segment(p, wide(a), wide(b)) - radius)?;
    }

    /// Fails when discs or rings have wrong edges or change pixels outside.
    #[test]
    fn discs_and_rings_are_their_distance_fields(c in [coordinate(), coordinate()],
                                                 r in 0.5..30.0_f32, width in 0.5..9.0_f32) {
        let pixels = drawn(|canvas| canvas.disc(c, r, Paint::solid(COLOR)));
        agrees(&pixels, |p| sdf::disc(p, wide(c), f64::from(r)))?;
        let pixels = drawn(|canvas| canvas.ring(c, r, width, Paint::solid(COLOR)));
        agrees(&pixels, |p| sdf::ring(p, wide(c), f64::from(r), f64::from(width)))?;
    }

    /// Fails when a joint with NaN, infinite or very large coordinates causes a panic, or a NaN
    /// shape is drawn.
    #[test]
    fn any_coordinate_can_be_drawn(v in any::<[f32; 7]>()) {
        let pixels = drawn(|c| {
            let paint = Paint::new(COLOR, v[6]);
            c.line([v[0], v[1]], [v[2], v[3]], v[4], paint);
            c.disc([v[0], v[1]], v[4], paint);
            c.ring([v[0], v[1]], v[4], v[5], paint);
            c.rect([v[0], v[1]], [v[2], v[3]], v[4], paint);
        });
        prop_assert!(pixels.iter().all(|p| p[3] == 255));
        let nothing = drawn(|c| {
            c.line([f32::NAN, 5.0], [9.0, 9.0], v[4], Paint::solid(COLOR));
            c.disc([5.0, f32::INFINITY], v[4], Paint::solid(COLOR));
            c.line([5.0, 5.0], [9.0, 9.0], 3.0, Paint::new(COLOR, f32::NAN));
        });
        prop_assert!(nothing.iter().all(|p| *p == GROUND));
    }
}

/// Fails when a line to a point very far away is interrupted or bent in its visible part.
#[test]
fn far_ends_keep_the_line_in_place() {
    for far in [1e4, 1e8, 1e30, f32::MAX] {
        let pixels = drawn(|c| c.line([-far, 10.0], [far, 10.0], 3.0, Paint::solid(COLOR)));
        for (i, pixel) in pixels.iter().enumerate() {
            let inside = (9..=11).contains(&(i / W));
            assert_eq!(pixel[..3] == COLOR, inside, "{far} row {}", i / W);
        }
    }
}

/// Fails when a thin line vanishes between pixel centres or is drawn at full opacity.
#[test]
fn a_thin_line_is_a_faint_line() {
    let pixels = drawn(|c| c.line([5.0, 10.0], [30.0, 10.0], 0.5, Paint::solid(COLOR)));
    let [r, ..] = pixels[10 * W + 20];
    assert_eq!(r, u8::midpoint(GROUND[0], COLOR[0]));
}

/// Fails when panels and colour bars are blurred at whole-pixel edges, or rounded corners are
/// square.
#[test]
fn a_rectangle_is_sharp_with_round_corners() {
    let pixels = drawn(|c| c.rect([4.5, 4.5], [24.5, 14.5], 0.0, Paint::solid(COLOR)));
    for (i, pixel) in pixels.iter().enumerate() {
        let inside = (5..25).contains(&(i % W)) && (5..15).contains(&(i / W));
        assert_eq!(pixel[..3] == COLOR, inside);
        assert_eq!(*pixel == GROUND, !inside);
    }
    let round = drawn(|c| c.rect([4.5, 4.5], [24.5, 14.5], 4.0, Paint::solid(COLOR)));
    assert_eq!(round[5 * W + 5], GROUND);
    assert_eq!(round[9 * W + 5][..3], COLOR);
}

/// Fails when translucent drawing has the wrong strength, or alpha 0 and 1 are not exact.
#[test]
fn mixing_is_linear_and_exact_at_its_ends() {
    let mixed = |alpha| {
        let mut pixel = GROUND;
        mix(&mut pixel, COLOR, alpha);
        pixel
    };
    assert_eq!(mixed(0.0), GROUND);
    assert_eq!(mixed(1.0)[..3], COLOR);
    assert_eq!(mixed(0.5), [105, 85, 65, 255]);
}

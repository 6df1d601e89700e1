//! Tests of the geometry of crops.

use super::super::{HalfBody, PRESETS, Rng, UpperBody, preset};
use super::*;
use crate::preprocess::{InputSpec, warp};
use crate::sample::Visibility;
use proptest::prelude::*;

const IMAGE: Size = Size::new(200, 160);

fn joint(x: f64, y: f64) -> Joint {
    Joint {
        point: Point::new(x, y),
        visibility: Visibility::Visible,
    }
}

/// A standing person in the centre of [`IMAGE`], facing the camera.
fn standing(skeleton: &Skeleton) -> Vec<Joint> {
    let place = |name: &str| {
        let side = match name.get(..2) {
            Some("l_") => 1.0,
            Some("r_") => -1.0,
            _ => 0.0,
        };
        let parts = [
            ("eye", 2.0, 29.0),
            ("ear", 5.0, 30.0),
            ("shoulder", 12.0, 48.0),
            ("elbow", 18.0, 64.0),
            ("wrist", 21.0, 80.0),
            ("hip", 9.0, 86.0),
            ("knee", 10.0, 108.0),
            ("ankle", 11.0, 130.0),
        ];
        let part = parts.iter().find(|(part, ..)| name.ends_with(part));
        let (_, x, y) = *part.unwrap_or(&("head", 0.0, 34.0));
        joint(100.0 + side * x, y)
    };
    skeleton.joints.iter().map(|name| place(name)).collect()
}

fn input(size: Size, alignment: Alignment) -> InputSpec {
    InputSpec {
        size,
        mean: [0.0; 3],
        std: [1.0; 3],
        alignment,
        padding: 1.25,
        border: [0; 3],
    }
}

fn subject<'a>(joints: &'a [Joint], skeleton: &'a Skeleton, spec: &InputSpec) -> CropTarget<'a> {
    let bbox = BBox::around(joints.iter().map(|j| j.point)).unwrap();
    CropTarget {
        skeleton,
        joints,
        image: IMAGE,
        roi: spec.roi(bbox),
        input: spec.size,
        alignment: spec.alignment,
    }
}

/// A black image with a soft white spot at `p`.
fn spot(p: Point) -> Vec<u8> {
    let pixel = |i: usize| {
        let (x, y) = ((i % IMAGE.width) as f64, (i / IMAGE.width) as f64);
        let d2 = (x - p.x).powi(2) + (y - p.y).powi(2);
        let v = (255.0 * (-d2 / (2.0 * 4.0)).exp()).round() as u8;
        [v, v, v, 255]
    };
    (0..IMAGE.area()).flat_map(pixel).collect()
}

/// Returns the centre of gravity of the red plane.
fn centroid(values: &[f32], size: Size) -> Point {
    let mut sums = [0.0f64; 3];
    for (i, v) in values[..size.area()].iter().enumerate() {
        let v = f64::from(*v);
        sums[0] += v;
        sums[1] += v * (i % size.width) as f64;
        sums[2] += v * (i / size.width) as f64;
    }
    Point::new(sums[1] / sums[0], sums[2] / sums[0])
}

proptest! {
    /// Fails when points and pixels are transformed differently. Under every preset, a spot
    /// painted on a joint must be found at the joint's transformed position, under the mirror
    /// partner's name if the view is mirrored.
    #[test]
    fn points_and_pixels_move_together(seed in any::<u64>(), j in 0usize..17, tall: bool) {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let (size, alignment) = if tall {
            (Size::new(48, 64), Alignment::MinusOne)
        } else {
            (Size::square(64), Alignment::HalfPixel)
        };
        let spec = input(size, alignment);
        let joints = standing(skeleton);
        let picture = spot(joints[j].point);
        for preset in PRESETS {
            let augment = (preset.build)();
            let view = augment
                .view(&subject(&joints, skeleton, &spec), &mut Rng::new(&[seed]))
                .unwrap();
            let seen = view.joints(&joints, skeleton);
            let named = if view.flipped { skeleton.mirror[j] } else { j };
            let expected = seen[named].point;
            // The whole spot must be in view: 4 sigma of 2 pixels, enlarged up to 6 times.
            let [xx, xy, _] = view.image_from_input.m[0];
            let rim = 8.0 / xx.hypot(xy) + 1.0;
            let inside = |v: f64, n: usize| v > rim && v < n as f64 - 1.0 - rim;
            if !inside(expected.x, size.width) || !inside(expected.y, size.height) {
                continue;
            }
            let mut values = vec![0.0; spec.n_values()];
            warp(&picture, IMAGE, &view.image_from_input, &spec, &mut values);
            let found = centroid(&values, size);
            prop_assert!(
                found.distance(expected) < 0.3,
                "{}: got {found:?}, expected {expected:?}, flipped {}", preset.name, view.flipped
            );
        }
    }

    /// Fails when joints at arbitrary positions or a box without area cause a panic, or yield a
    /// map that is not finite.
    #[test]
    fn any_person_gives_a_finite_map(
        seed in any::<u64>(),
        coordinates in proptest::collection::vec((-2000.0f64..2000.0, 0u8..3), 17),
    ) {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let spec = input(Size::new(48, 64), Alignment::MinusOne);
        let person: Vec<Joint> = coordinates
            .iter()
            .map(|&(x, v)| Joint {
                point: Point::new(x, x / 2.0),
                visibility: match v {
                    0 => Visibility::Unlabelled,
                    1 => Visibility::Hidden,
                    _ => Visibility::Visible,
                },
            })
            .collect();
        for preset in PRESETS {
            let mut subject = subject(&person, skeleton, &spec);
            subject.roi = spec.roi(BBox::new(3.0, 4.0, 40.0, 2.0));
            let view = (preset.build)().view(&subject, &mut Rng::new(&[seed])).unwrap();
            let m = view.image_from_input.m;
            prop_assert!(m.iter().flatten().all(|v| v.is_finite()));
            let det = m[0][0] * m[1][1] - m[0][1] * m[1][0];
            prop_assert_eq!(det < 0.0, view.flipped);
        }
    }
}

/// Fails when a mirrored person keeps the joint names: seen from the front, the person's left
/// is on the right of the image, also after mirroring.
#[test]
fn left_stays_left_in_the_mirror() {
    let flip = Augment {
        flip: 1.0,
        ..Augment::default()
    };
    for skeleton in Skeleton::all() {
        let spec = input(Size::square(64), Alignment::HalfPixel);
        let joints = standing(skeleton);
        let subject = subject(&joints, skeleton, &spec);
        let view = flip.view(&subject, &mut Rng::new(&[1])).unwrap();
        assert!(view.flipped);
        let seen = view.joints(&joints, skeleton);
        let plain = Augment::default()
            .view(&subject, &mut Rng::new(&[1]))
            .unwrap()
            .joints(&joints, skeleton);
        for name in ["shoulder", "wrist", "hip", "ankle"] {
            let at = |side: &str| skeleton.joint(&format!("{side}_{name}")).unwrap();
            assert!(seen[at("l")].point.x > seen[at("r")].point.x);
            // This person is symmetrical, so the mirror image equals the original.
            assert!(seen[at("l")].point.distance(plain[at("l")].point) < 1e-6);
        }
    }
}

/// Fails when a view without augmentation differs from the region that evaluation crops.
#[test]
fn without_augmentation_the_region_is_the_given_one() {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let joints = standing(skeleton);
    for alignment in [Alignment::HalfPixel, Alignment::MinusOne] {
        let spec = input(Size::new(48, 64), alignment);
        let subject = subject(&joints, skeleton, &spec);
        let view = Augment::default()
            .view(&subject, &mut Rng::new(&[1]))
            .unwrap();
        assert_eq!(view.image_from_input, spec.image_from_input(&subject.roi));
    }
}

/// Fails when an upper-body crop shows the legs or loses the head, or a half-body crop is not a
/// half.
#[test]
fn partial_body_crops_show_their_part() {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let joints = standing(skeleton);
    let spec = input(Size::square(64), Alignment::HalfPixel);
    let subject = subject(&joints, skeleton, &spec);
    let mut augment = Augment {
        upper_body: UpperBody {
            probability: 1.0,
            shift: 0.0,
            ..(preset("default").unwrap().build)().upper_body
        },
        ..Augment::default()
    };
    let visible = |augment: &Augment, seed, name: &str| {
        let view = augment.view(&subject, &mut Rng::new(&[seed])).unwrap();
        let j = skeleton.joint(name).unwrap();
        view.joints(&joints, skeleton)[j]
            .inside(spec.size)
            .is_some()
    };
    for seed in 0..50 {
        assert!(visible(&augment, seed, "nose") && visible(&augment, seed, "l_wrist"));
        assert!(!visible(&augment, seed, "l_ankle"));
    }
    augment.upper_body.probability = 0.0;
    augment.half_body = HalfBody {
        probability: 1.0,
        ..HalfBody::default()
    };
    let halves: Vec<bool> = (0..100)
        .map(|seed| {
            let upper = visible(&augment, seed, "nose");
            assert_ne!(upper, visible(&augment, seed, "l_ankle"));
            upper
        })
        .collect();
    let n_upper = halves.iter().filter(|upper| **upper).count();
    assert!((50..90).contains(&n_upper), "{n_upper}");
}

/// Fails when a half-body crop differs from HRNet's code: centred on the mean of its joints,
/// and 1.5 times as large as their extent.
#[test]
fn a_half_is_cropped_around_the_mean_of_its_joints() {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let joints = standing(skeleton);
    let spec = input(Size::square(64), Alignment::HalfPixel);
    // Upper: eyes (y = 29) to wrists (80), eleven joints. Lower: hips (86) to ankles (130).
    for (share, mean, extent) in [(1.0, 536.0 / 11.0, 51.0), (0.0, 108.0, 44.0)] {
        let half_body = HalfBody {
            probability: 1.0,
            upper_share: share,
            ..HalfBody::default()
        };
        let augment = Augment {
            half_body,
            ..Augment::default()
        };
        let subject = subject(&joints, skeleton, &spec);
        let view = augment.view(&subject, &mut Rng::new(&[1])).unwrap();
        let middle = view.image_from_input.apply(Point::new(31.5, 31.5));
        assert!(middle.distance(Point::new(100.0, mean)) < 1e-9);
        let side = 64.0 * view.image_from_input.m[0][0];
        assert!((side - 1.5 * extent).abs() < 1e-9, "{side}");
    }
}

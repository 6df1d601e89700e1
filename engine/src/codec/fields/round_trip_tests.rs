//! Round trips of the field codec, and robustness against meaningless maps.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::golden_tests::{Joint, SCENES, SIZE, on_grid, openpose, toy};
use super::*;
use crate::geometry::Point;
use crate::pose::Keypoint;
use crate::test_golden::json;

/// A standing person around `center` at 8 pixels per cell, rotated and scaled. The bits of `hidden`
/// remove wrists, ankles and ears.
fn posed(center: Point, angle: f64, scale: f64, hidden: u8) -> Vec<Option<Point>> {
    const ENDS: [usize; 6] = [4, 7, 10, 13, 16, 17];
    let (sin, cos) = angle.sin_cos();
    let turned = |(j, &[x, y, _]): (usize, &Joint)| {
        let (x, y) = (scale * (x - 95.3) / 8.0, scale * (y - 165.7) / 8.0);
        let bit = ENDS.iter().position(|&end| end == j);
        let seen = bit.is_none_or(|bit| hidden >> bit & 1 == 0);
        seen.then(|| Point::new(center.x + cos * x - sin * y, center.y + sin * x + cos * y))
    };
    let person = &SCENES["two_apart"].people[0];
    person.iter().enumerate().map(turned).collect()
}

fn person() -> impl Strategy<Value = (f64, f64, f64, f64, u8)> {
    (-1.0..1.0, -1.0..1.0, 0.0..7.0, 0.35..0.65, 0u8..64)
}

proptest! {
    /// Fails when decoding the training targets does not recover every person's joints.
    #[test]
    fn decoding_undoes_encoding(
        people in proptest::collection::vec(person(), 1..=4),
        sigma in 0.6f64..1.2,
    ) {
        let codec = FieldCodec::new(Skeleton::by_name("openpose18").unwrap(), sigma);
        // Each person stands in a separate quarter of the map.
        let people: Vec<_> = people.iter().enumerate().map(|(n, &(x, y, angle, scale, hidden))| {
            let corner = |n: usize| 11.25 + 22.5 * n as f64;
            posed(Point::new(corner(n % 2) + x, corner(n / 2) + y), angle, scale, hidden)
        }).collect();
        let decoded = codec.decode(&codec.encode(&people, SIZE));
        prop_assert_eq!(decoded.len(), people.len());
        prop_assert!(decoded.is_sorted_by(|p, q| p.score >= q.score));
        for person in &people {
            let neck = person[1].unwrap();
            let distance = |p: &DecodedPerson| p.joints[1].point().distance(neck);
            let found = decoded.iter().min_by(|p, q| distance(p).total_cmp(&distance(q))).unwrap();
            for (joint, k) in person.iter().zip(&found.joints) {
                if let Some(p) = joint {
                    prop_assert!(p.distance(k.point()) < 1e-5, "got {:?}, expected {:?}", k, p);
                } else {
                    prop_assert_eq!(*k, Keypoint::default());
                }
            }
        }
    }

    /// Fails when the maps of a diverged network (NaN, infinities) or a tiny map cause a panic, or
    /// yield a joint with NaN coordinates.
    #[test]
    fn anything_decodes_to_finite_people(
        width in 0usize..7,
        height in 0usize..7,
        values in proptest::collection::vec(
            prop_oneof![
                8 => -1.0f32..1.0,
                8 => 0.5f32..1.0,
                1 => Just(f32::NAN),
                1 => Just(f32::INFINITY),
                1 => Just(f32::NEG_INFINITY),
                1 => Just(f32::MAX),
            ],
            24 * 36,
        ),
    ) {
        static TOYS: LazyLock<[FieldCodec; 2]> = LazyLock::new(|| {
            let golden = json("ssa/ssa_encode.json");
            [toy(&golden, 4), toy(&golden, 0)]
        });
        let size = Size::new(width, height);
        for codec in TOYS.iter() {
            let n = codec.layout().total();
            let fields = Planes { n, size, values: values[..n * size.area()].to_vec() };
            for person in codec.decode(&fields) {
                prop_assert_eq!(person.joints.len(), 5);
                prop_assert!(person.score.is_finite());
                for k in person.joints {
                    prop_assert!(k.x.is_finite() && k.y.is_finite() && k.score.is_finite());
                }
            }
        }
    }
}

/// Fails when maps with another network's channel layout are decoded as if they had this one.
#[test]
fn maps_with_another_layout_yield_no_people() {
    let codec = openpose();
    let mut fields = codec.encode(&on_grid(&SCENES["two_apart"].people), SIZE);
    assert_eq!(codec.decode(&fields).len(), 2);
    fields.n -= 1;
    fields.values.truncate(fields.n * SIZE.area());
    assert_eq!(codec.decode(&fields), []);
}

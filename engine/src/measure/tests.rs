//! Tests of the measures.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::geometry::{Affine2, Size};
use crate::pose::PastStep;
use crate::source::synthetic::joints_at;

const CLOSE: f64 = 1e-3;

fn coco() -> &'static Skeleton {
    Skeleton::by_name("coco17").unwrap()
}

/// Returns a pose with these joints; all others are absent.
fn pose(joints: &[(&str, f32, f32)]) -> Pose {
    let mut keypoints = vec![Keypoint::default(); coco().n_joints()];
    for &(name, x, y) in joints {
        keypoints[coco().joint(name).unwrap()] = [x, y, 0.9].into();
    }
    Pose::from_keypoints(keypoints)
}

fn measured(spec: &str, pose: &Pose) -> Option<f64> {
    let spec = spec.parse().unwrap();
    Measures::default().value(&spec, coco(), pose, 1.0, 0.3)
}

#[track_caller]
fn check(spec: &str, pose: &Pose, expected: f64) {
    let value = measured(spec, pose).unwrap();
    assert!((value - expected).abs() < CLOSE, "{spec}: {value}");
}

/// Fails when an angle is computed at another joint, as its supplement, or depends on the side.
#[test]
fn angles_have_the_values_computed_by_hand() {
    for (x, y, expected) in [
        (200.0, 200.0, 90.0),
        (100.0, 300.0, 180.0),
        (100.0, 150.0, 0.0),
        (150.0, 150.0, 45.0),
        (0.0, 300.0, 135.0),
        (100.0 + 86.602_54, 250.0, 120.0),
    ] {
        let arm = |s: f32, side: &str| {
            let [shoulder, elbow, wrist] =
                ["shoulder", "elbow", "wrist"].map(|part| format!("{side}_{part}"));
            pose(&[
                (shoulder.as_str(), s * 100.0, 100.0),
                (elbow.as_str(), s * 100.0, 200.0),
                (wrist.as_str(), s * x, y),
            ])
        };
        check("left_elbow", &arm(1.0, "l"), expected);
        check("right_elbow", &arm(-1.0, "r"), expected);
        check("l_wrist-l_elbow-l_shoulder", &arm(1.0, "l"), expected);
        assert_eq!(measured("right_elbow", &arm(1.0, "l")), None);
    }
    // Near 180 degrees an arc cosine of single precision is off by hundredths.
    let almost = pose(&[
        ("l_shoulder", 0.0, 0.0),
        ("l_elbow", 1000.0, 0.0),
        ("l_wrist", 2000.0, 0.25),
    ]);
    check("left_elbow", &almost, 180.0 - 0.014_324);
}

/// Fails when the sign, the zero or the range of an inclination differ from the documented ones.
#[test]
fn inclinations_count_clockwise_from_straight_up() {
    for (x, y, expected) in [
        (100.0, 50.0, 0.0),
        (150.0, 50.0, 45.0),
        (150.0, 100.0, 90.0),
        (50.0, 100.0, -90.0),
        (50.0, 150.0, -135.0),
        (100.0, 150.0, 180.0),
    ] {
        let leg = pose(&[("l_hip", 100.0, 100.0), ("l_knee", x, y)]);
        check("left_hip-left_knee|vertical", &leg, expected);
    }
    let down = inclination(Point::new(0.0, 0.0), Point::new(-0.0, 5.0));
    assert_eq!(down, Some(180.0));
}

/// Fails when points that coincide, joints below the threshold or without a finite position give a
/// value.
#[test]
fn undefined_measures_have_no_value() {
    let folded = pose(&[
        ("l_shoulder", 100.0, 100.0),
        ("l_elbow", 100.0, 100.0),
        ("l_wrist", 150.0, 100.0),
    ]);
    assert_eq!(measured("left_elbow", &folded), None);
    assert_eq!(measured("l_shoulder-l_elbow|vertical", &folded), None);
    check("l_shoulder-l_elbow", &folded, 0.0);
    let mut arm = pose(&[
        ("l_shoulder", 100.0, 100.0),
        ("l_elbow", 100.0, 200.0),
        ("l_wrist", 200.0, 200.0),
    ]);
    check("left_elbow", &arm, 90.0);
    let wrist = coco().joint("l_wrist").unwrap();
    arm.keypoints[wrist].score = 0.29;
    assert_eq!(measured("left_elbow", &arm), None);
    arm.keypoints[wrist] = [f32::NAN, 200.0, 0.9].into();
    assert_eq!(measured("left_elbow", &arm), None);
    let nobody = Pose::from_keypoints(vec![Keypoint::default(); 17]);
    for spec in MeasureSpec::named() {
        let value = Measures::default().value(&spec, coco(), &nobody, 0.0, 0.0);
        assert_eq!(value, None, "{spec}");
    }
}

/// Fails when a length is not scaled, or its unit does not follow the scale.
#[test]
fn lengths_follow_the_scale() {
    let arms = pose(&[("l_wrist", 10.0, 20.0), ("r_wrist", 40.0, 60.0)]);
    check("l_wrist-r_wrist", &arms, 50.0);
    let spec = "l_wrist-r_wrist".parse().unwrap();
    let scaled = Measures {
        list: Vec::new(),
        scale: Some("250px = 1.8 m".parse().unwrap()),
    };
    let value = scaled.value(&spec, coco(), &arms, 0.0, 0.3).unwrap();
    assert!((value - 0.36).abs() < 1e-9, "{value}");
    let units = ["l_wrist-r_wrist", "l_wrist|speed", "left_knee"].map(|text| {
        let spec = text.parse().unwrap();
        (scaled.unit(&spec), Measures::default().unit(&spec))
    });
    let expected = [("m", "px"), ("m/s", "px/s"), ("deg", "deg")];
    assert_eq!(units, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    for wrong in [
        "",
        "250",
        "250px",
        "250px=",
        "250px=1.8",
        "250px=m",
        "0px=1m",
        "-1px=1m",
        "1px=0m",
        "1px=-1m",
        "px=1m",
        "infpx=1m",
        "1px=nanm",
        "1px=1m2",
        "1px=1verylongunit",
    ] {
        assert!(wrong.parse::<Scale>().is_err(), "{wrong}");
    }
    let scale: Scale = "250px=1e2cm".parse().unwrap();
    assert_eq!((scale.per_pixel(), scale.unit()), (0.4, "cm"));
    assert_eq!(scale.to_string().parse::<Scale>(), Ok(scale));
}

/// Fails when a speed is taken over another time than documented, or from a frame long ago.
#[test]
fn a_speed_is_the_mean_of_the_last_tenth_of_a_second() {
    let walking = |times: &[f64], now: f64| {
        // 300 pixels per second to the right, but a jump before 0.5 s.
        let x = |t: f64| (300.0 * t + if t < 0.5 { 1000.0 } else { 0.0 }) as f32;
        let mut pose = pose(&[("l_wrist", x(now), 50.0)]);
        let step = |&t: &f64| {
            Arc::new(PastStep {
                time_secs: t,
                keypoints: self::pose(&[("l_wrist", x(t), 50.0)]).keypoints,
                keypoints_raw: Vec::new(),
            })
        };
        pose.past = times.iter().map(step).collect();
        let spec = "left_wrist|speed".parse().unwrap();
        Measures::default().value(&spec, coco(), &pose, now, 0.3)
    };
    let close = |value: Option<f64>| (value.unwrap() - 300.0).abs() < CLOSE;
    assert!(close(walking(&[0.4, 0.9, 0.95], 1.0)));
    assert!(close(walking(&[0.4, 0.7], 1.0)), "slow frames");
    assert_eq!(walking(&[0.6], 1.2), None, "too long ago");
    assert_eq!(walking(&[], 1.0), None);
    assert_eq!(walking(&[1.0, 1.5], 1.0), None, "not earlier");
}

/// Fails when an angle of the synthetic person differs from the one between the bones that are
/// drawn.
#[test]
fn angles_of_the_synthetic_person_are_those_of_its_bones() {
    for i in 0..50 {
        let points = joints_at(f64::from(i) * 0.13, Size::new(640, 480));
        let keypoints: Vec<Keypoint> = points
            .iter()
            .map(|p| [p.x as f32, p.y as f32, 0.9].into())
            .collect();
        let pose = Pose::from_keypoints(keypoints);
        for (spec, [a, b, c]) in [
            ("left_elbow", [5, 7, 9]),
            ("right_elbow", [6, 8, 10]),
            ("left_shoulder", [11, 5, 7]),
            ("right_hip", [6, 12, 14]),
            ("left_knee", [11, 13, 15]),
            ("right_knee", [12, 14, 16]),
        ] {
            let [a, b, c] = [a, b, c].map(|j: usize| points[j]);
            // The law of cosines, independent of the code.
            let (p, q, r) = (a.distance(b), c.distance(b), a.distance(c));
            let cosine = (p * p + q * q - r * r) / (2.0 * p * q);
            check(spec, &pose, cosine.clamp(-1.0, 1.0).acos().to_degrees());
        }
        let all = MeasureSpec::named();
        let value = |spec: &MeasureSpec| measured(spec.name(), &pose);
        assert!(all.iter().all(|spec| value(spec).is_some()));
    }
}

/// Fails when a skeleton lacks an angle that its joints define, or one is named differently from
/// its joint.
#[test]
fn every_skeleton_has_every_named_angle() {
    let names: Vec<_> = MeasureSpec::named()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names.join(" "),
        "left_elbow right_elbow left_shoulder right_shoulder left_hip right_hip left_knee \
         right_knee neck"
    );
    for skeleton in Skeleton::all() {
        for spec in MeasureSpec::named() {
            assert_eq!(spec.check(skeleton), Ok(()), "{}", skeleton.name);
        }
    }
    let spec: MeasureSpec = "nose-neck-pelvis".parse().unwrap();
    assert_eq!(spec.check(coco()), Ok(()));
    let refused = spec.check(Skeleton::by_name("lsp14").unwrap()).unwrap_err();
    assert!(refused.contains("nose") && refused.contains("left_wrist"));
}

/// Fails when a usual spelling is refused, a name is not read back, or doubles stay in a list.
#[test]
fn lists_are_read_in_every_usual_spelling() {
    for (text, name) in [
        ("l_elbow", "left_elbow"),
        ("Left Elbow", "left_elbow"),
        ("LElbow-l_hip - nose", "left_elbow-left_hip-nose"),
        ("l_hip-l_knee | vertical", "left_hip-left_knee|vertical"),
        ("nose|speed", "nose|speed"),
        ("left_ear-right_ear", "left_ear-right_ear"),
        ("neck", "neck"),
    ] {
        let spec: MeasureSpec = text.parse().unwrap();
        assert_eq!(spec.name(), name);
        assert_eq!(name.parse::<MeasureSpec>(), Ok(spec));
    }
    let list = Measures::parse("left_knee, all,l_knee,nose|speed").unwrap();
    assert_eq!(list.len(), MeasureSpec::named().len() + 1);
    assert_eq!(list[0].name(), "left_knee");
}

/// Fails when an entry that is not a measure is accepted, or the message does not say what is
/// known, or has several lines.
#[test]
fn wrong_entries_are_refused_with_what_is_known() {
    for (text, known) in [
        ("", "left_elbow"),
        ("left_elbow,", "left_elbow"),
        ("tail", "A-B-C"),
        ("left_wrist", "named angles"),
        ("left_ankle", "foot"),
        ("tail-nose", "left_wrist"),
        ("nose-", "left_wrist"),
        ("nose-left_ear-nose", "twice"),
        ("nose-left_ear-right_ear-left_eye", "A-B-C"),
        ("nose-left_ear|horizontal", "A-B|vertical"),
        ("nose|vertical", "A-B|vertical"),
        ("nose-left_ear|speed", "A|speed"),
        ("nose|", "A|speed"),
    ] {
        let error = Measures::parse(text).unwrap_err();
        assert!(error.contains(known) && !error.contains('\n'), "{error}");
    }
}

proptest! {
    /// Fails when an angle depends on position, orientation, size or mirroring of the image, or the
    /// inclination does not turn with it.
    #[test]
    fn angles_do_not_depend_on_the_view(
        x in prop::array::uniform6(-400.0..400.0_f64),
        turn in -180.0..180.0_f64, factor in 0.1..10.0_f64, shift in -500.0..500.0_f64,
    ) {
        let [a, b, c] = [0, 2, 4].map(|i| Point::new(x[i], x[i + 1]));
        prop_assume!(a.distance(b) > 1.0 && c.distance(b) > 1.0);
        let origin = Point::default();
        let map = Affine2::shift(shift, -shift)
            .after(&Affine2::scale(origin, factor))
            .after(&Affine2::turn(origin, turn));
        let before = angle(a, b, c).unwrap();
        let after = angle(map.apply(a), map.apply(b), map.apply(c)).unwrap();
        prop_assert!((before - after).abs() < 1e-6);
        prop_assert!((0.0..=180.0).contains(&before));
        let mirrored = [a, b, c].map(|p| Point::new(-p.x, p.y));
        let [ma, mb, mc] = mirrored;
        prop_assert!((angle(ma, mb, mc).unwrap() - before).abs() < 1e-9);
        let (plain, turned) = (
            inclination(a, b).unwrap(),
            inclination(map.apply(a), map.apply(b)).unwrap(),
        );
        let off = (turned - plain - turn).rem_euclid(360.0);
        prop_assert!(off.min(360.0 - off) < 1e-6, "{plain} {turned} {turn}");
        prop_assert!(plain > -180.0 && plain <= 180.0);
    }

    /// Fails when some text causes a panic, or an accepted one is not read back from its name.
    #[test]
    fn any_text_can_be_read(text in "[a-z_|, -]{0,24}|(nose|l_hip|tail)([-|,](nose|l_hip|speed|vertical)){0,3}") {
        if let Ok(list) = Measures::parse(&text) {
            for spec in list {
                prop_assert_eq!(spec.name().parse::<MeasureSpec>(), Ok(spec.clone()));
            }
        }
        let _ = text.parse::<Scale>();
    }
}

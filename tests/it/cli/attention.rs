//! `poselens attention`: one map over one picture.

use image::RgbaImage;
use poselens_engine::source::SourceSpec;

use super::{Desk, read_all};

/// A desk with one picture of the sample clip, 640x480.
fn desk() -> Desk {
    let desk = Desk::new();
    let frame = read_all(&SourceSpec::parse("sample").unwrap()).swap_remove(40);
    let size = frame.size();
    let picture = RgbaImage::from_raw(size.width as u32, size.height as u32, frame.rgba().to_vec());
    picture.unwrap().save(desk.path("person.png")).unwrap();
    desk
}

fn picture(desk: &Desk, name: &str) -> RgbaImage {
    image::open(desk.path(name)).unwrap().into_rgba8()
}

/// Share of the pixels in which two pictures of one size differ.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let n = a.pixels().zip(b.pixels()).filter(|(a, b)| a != b).count();
    n as f64 / a.pixels().len() as f64
}

/// Fails when the picture lacks its map, its frame of title and scale, or shows the same whatever
/// layer, map, joint or threshold was asked for.
#[test]
fn a_picture_shows_the_map_that_was_asked_for() {
    let desk = desk();
    let draw = |options: &str, name: &str| {
        let arguments = format!("attention --input person.png {options} --out {name}");
        let outcome = desk.succeed(&arguments);
        assert_eq!(outcome.stdout, "");
        (picture(&desk, name), outcome.stderr)
    };
    let (whole, said) = draw("--keypoint l_wrist", "whole.png");
    assert!(said.contains("sfm x13.gate - l_wrist 0."), "{said}");
    let (width, height) = whole.dimensions();
    assert!(width >= 640 && height > 480 + 40, "{width}x{height}");
    for (options, name) in [
        ("--keypoint l_wrist --layer 1", "x12.gate"),
        ("--keypoint l_wrist --mode hsa --map M", "x13.M"),
        ("--keypoint l_wrist --threshold 0.1", "x13.gate"),
        ("--keypoint nose", "x13.gate - nose"),
    ] {
        let (other, said) = draw(options, "other.png");
        assert!(said.contains(name), "{options}: {said}");
        let inner = |p: &RgbaImage| {
            let above = 35;
            image::imageops::crop_imm(p, (p.width() - 640) / 2, above, 640, 480).to_image()
        };
        let share = difference(&inner(&whole), &inner(&other));
        // Another joint moves the mark, everything else changes the map.
        let (least, most) = if options.ends_with("nose") {
            (1e-4, 0.02)
        } else {
            (0.1, 1.0)
        };
        assert!((least..most).contains(&share), "{options}: {share}");
    }
    let (again, _) = draw("--keypoint l_wrist", "again.png");
    assert_eq!(again, whole, "the same picture every time");
}

/// Fails when a question without an answer draws something, or does not say what there is.
#[test]
fn what_cannot_be_drawn_is_said_in_one_line() {
    let desk = desk();
    image::RgbImage::new(320, 240)
        .save(desk.path("empty.png"))
        .unwrap();
    for (arguments, parts) in [
        (
            "--input person.png --keypoint tail",
            &["tail", "coco17", "l_wrist"][..],
        ),
        (
            "--input person.png --keypoint nose --layer 9",
            &["layers 0 to 3"],
        ),
        (
            "--input person.png --keypoint nose --map nosuch",
            &["M_deeper"],
        ),
        (
            "--input person.png --keypoint nose --iteration 1",
            &["no such map"],
        ),
        ("--input person.png --keypoint nose --mode crf", &["mode"]),
        ("--input missing.png --keypoint nose", &["missing.png"]),
        (
            "--input empty.png --keypoint nose",
            &["empty.png", "no person"],
        ),
    ] {
        let line = desk.complaint(&format!("attention {arguments} --out out.png"));
        for part in parts {
            assert!(line.contains(part), "{arguments}: {line}");
        }
        assert!(!desk.path("out.png").exists(), "{arguments}");
    }
    for arguments in ["--threshold -1", "--mode nosuch", "--layer x"] {
        let arguments = format!("attention --input p.png --keypoint nose --out o.png {arguments}");
        assert_eq!(desk.run(&arguments).code, Some(2), "{arguments}");
    }
}

//! `poselens attention`: one map over one image.

use std::collections::HashMap;

use candle_core::{Tensor, safetensors};
use image::RgbaImage;
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, model};
use poselens_engine::source::SourceSpec;

use super::{Workdir, read_all};
use crate::{mca, transpose};

/// A workdir with one frame of the sample clip, 640x480.
fn workdir() -> Workdir {
    let workdir = Workdir::new();
    let frame = read_all(&SourceSpec::parse("sample").unwrap()).swap_remove(40);
    let size = frame.size();
    let picture = RgbaImage::from_raw(size.width as u32, size.height as u32, frame.rgba().to_vec());
    picture.unwrap().save(workdir.path("person.png")).unwrap();
    workdir
}

fn picture(workdir: &Workdir, name: &str) -> RgbaImage {
    image::open(workdir.path(name)).unwrap().into_rgba8()
}

/// Returns the fraction of pixels that differ between two images of equal size.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let n = a.pixels().zip(b.pixels()).filter(|(a, b)| a != b).count();
    n as f64 / a.pixels().len() as f64
}

/// Returns the image without the title above and the scale below it.
fn inner(plate: &RgbaImage) -> RgbaImage {
    // Below three lines of title.
    let (left, above) = ((plate.width() - 640) / 2, 90);
    image::imageops::crop_imm(plate, left, above, 640, 480).to_image()
}

/// Writes weights with high scores everywhere: the bias of the last layer is that of a peak.
fn write_sure(workdir: &Workdir, name: &str, mut tensors: HashMap<String, Tensor>, last: &str) {
    for (name, tensor) in &mut tensors {
        if name.ends_with(last) {
            *tensor = (&*tensor + 2.0).unwrap();
        }
    }
    safetensors::save(&tensors, workdir.path(name)).unwrap();
}

/// Fails when the figure lacks its map, title or scale, or does not depend on the selected layer,
/// map, joint and threshold.
#[test]
fn the_figure_shows_the_requested_map() {
    let workdir = workdir();
    let draw = |options: &str, name: &str| {
        let arguments = format!("attention --input person.png {options} --out {name}");
        let outcome = workdir.succeed(&arguments);
        assert_eq!(outcome.stdout, "");
        (picture(&workdir, name), outcome.stderr)
    };
    let (whole, said) = draw("--keypoint l_wrist", "whole.png");
    assert!(said.contains("sfm x13.gate - l_wrist 0."), "{said}");
    assert!(
        said.contains("fine gate as applied, second pyramid - person.png - frame 0 - 0.000 s"),
        "{said}"
    );
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
        let share = difference(&inner(&whole), &inner(&other));
        // Another joint moves only the marker; all other options change the map.
        let (least, most) = if options.ends_with("nose") {
            (1e-4, 0.02)
        } else {
            (0.1, 1.0)
        };
        assert!((least..most).contains(&share), "{options}: {share}");
    }
    // The same figure every time, however the joint is spelled.
    for spelled in ["l_wrist", "left_wrist", "leftWrist", "Left-Wrist", "LWRIST"] {
        let (again, said) = draw(&format!("--keypoint {spelled}"), "again.png");
        assert!(said.contains("x13.gate - l_wrist 0."), "{said}");
        assert_eq!(again, whole, "{spelled}");
    }
}

/// Fails when an invalid request draws something, or the error does not list the valid values.
#[test]
fn invalid_requests_are_rejected_in_one_line() {
    let workdir = workdir();
    image::RgbImage::new(320, 240)
        .save(workdir.path("empty.png"))
        .unwrap();
    for (arguments, parts) in [
        (
            "--input person.png --keypoint leftwirst",
            &["leftwirst", "coco17", "l_wrist"][..],
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
        ("--input person.png --keypoint nose --head 0", &["--head"]),
    ] {
        let line = workdir.misuse(&format!("attention {arguments} --out out.png"));
        for part in parts {
            assert!(line.contains(part), "{arguments}: {line}");
        }
        assert!(!workdir.path("out.png").exists(), "{arguments}");
    }
    for (arguments, parts) in [
        ("--input missing.png --keypoint nose", &["missing.png"][..]),
        (
            "--input empty.png --keypoint nose",
            &["empty.png", "no person"],
        ),
    ] {
        let line = workdir.complaint(&format!("attention {arguments} --out out.png"));
        for part in parts {
            assert!(line.contains(part), "{arguments}: {line}");
        }
        assert!(!workdir.path("out.png").exists(), "{arguments}");
    }
    for arguments in ["--threshold -1", "--mode nosuch", "--layer x"] {
        let arguments = format!("attention --input p.png --keypoint nose --out o.png {arguments}");
        assert_eq!(workdir.run(&arguments).code, Some(2), "{arguments}");
    }
}

/// Fails when self-attention is not drawn, or does not depend on direction, layer and head.
#[test]
fn self_attention_is_drawn_by_direction_layer_and_head() {
    let workdir = workdir();
    let spec = model("tp-r-a3s").unwrap();
    let options = BuildOptions {
        n_joints: 17,
        n_limbs: 19,
        input: Size::new(192, 256),
    };
    let tensors = transpose::filled_weights(spec, &options);
    write_sure(&workdir, "tp.safetensors", tensors, "final_layer.bias");
    let network = "--input person.png --model tp-r-a3s --weights tp.safetensors --keypoint nose";
    let mut seen: Vec<RgbaImage> = Vec::new();
    for (options, name) in [
        ("", "dependency"),
        (" --mode affected", "affected"),
        (" --layer 0", "dependency"),
        (" --head 5 --threshold 0.0005", "head5"),
    ] {
        let said = workdir
            .succeed(&format!("attention {network}{options} --out out.png"))
            .stderr;
        assert!(said.contains(name), "{options}: {said}");
        let drawn = inner(&picture(&workdir, "out.png"));
        for other in &seen {
            assert!(difference(other, &drawn) > 0.02, "{options}");
        }
        seen.push(drawn);
    }
    for (options, part) in [
        ("--layer 3", "layers 0 to 2"),
        ("--head 8", "8 heads"),
        ("--map gate", "--map"),
        ("--mode hsa", "no attention maps"),
    ] {
        let line = workdir.misuse(&format!("attention {network} {options} --out no.png"));
        assert!(line.contains(part), "{options}: {line}");
    }
}

/// Fails when a joint is shown with the map of another joint, or an iteration with that of another.
#[test]
fn each_part_has_its_own_map() {
    let workdir = workdir();
    let spec = model("mca-2-slim").unwrap();
    let options = spec.card().unwrap().build_options().unwrap();
    let shapes = spec.shapes(&options).unwrap().0.into_iter();
    let tensors = shapes
        .map(|(name, shape)| {
            let tensor = mca::filled(&name, &shape);
            (name, tensor)
        })
        .collect();
    write_sure(&workdir, "mca.safetensors", tensors, "part_cls.bias");
    let network = "--input person.png --model mca-2-slim --weights mca.safetensors";
    let mut seen: Vec<RgbaImage> = Vec::new();
    for (options, name) in [
        ("--keypoint nose", "s1_part "),
        ("--keypoint l_knee", "s1_part "),
        ("--keypoint nose --iteration 1", "s1_part.iter1 "),
        ("--keypoint nose --layer 0", "s0_att_sum "),
        ("--keypoint nose --layer 0 --map att_l1", "s0_att_l1 "),
    ] {
        let said = workdir
            .succeed(&format!("attention {network} {options} --out out.png"))
            .stderr;
        assert!(said.contains(name), "{options}: {said}");
        let drawn = inner(&picture(&workdir, "out.png"));
        for other in &seen {
            assert!(difference(other, &drawn) > 0.02, "{options}");
        }
        seen.push(drawn);
    }
    let line = workdir.misuse(&format!(
        "attention {network} --keypoint nose --head 0 --out no.png"
    ));
    assert!(line.contains("--head"), "{line}");
}

/// Fails when the affinity fields are not drawn, not those of the chosen limbs, or an invalid
/// request is not refused in one line.
#[test]
fn limb_fields_are_drawn_for_all_limbs_or_some() {
    let workdir = workdir();
    let network = "--input person.png --model ssa-sfm-2 --mode fields";
    let draw = |options: &str| {
        let arguments = format!("attention {network} {options} --out out.png");
        let said = workdir.succeed(&arguments).stderr;
        (inner(&picture(&workdir, "out.png")), said)
    };
    let (bare, said) = draw("--threshold 1000");
    assert!(
        said.contains("limb fields - all limbs - where the network sees limbs"),
        "{said}"
    );
    let mut n_before = 0.0;
    // Ever more limbs.
    for (options, name) in [
        ("--limb left_wrist-left_elbow", "l_elbow to l_wrist"),
        ("--keypoint leftElbow", "limbs at l_elbow"),
        ("", "all limbs"),
    ] {
        let (drawn, said) = draw(format!("{options} --threshold 0.000001").trim());
        assert!(said.contains(name), "{options}: {said}");
        let n = difference(&bare, &drawn);
        assert!(n > n_before, "{options}: {n} {n_before}");
        n_before = n;
    }
    for (options, parts) in [
        ("--limb nose-l_wrist", &["nose-l_wrist", "neck-nose"][..]),
        ("--keypoint tail", &["tail", "openpose18"]),
        ("--head 0", &["--head"]),
        (
            "--limb neck-nose --keypoint nose",
            &["--limb", "--keypoint"],
        ),
    ] {
        let outcome = workdir.run(&format!("attention {network} {options} --out no.png"));
        assert_eq!(outcome.code, Some(2), "{options}: {outcome:?}");
        for part in parts {
            assert!(
                outcome.stderr.contains(part),
                "{options}: {}",
                outcome.stderr
            );
        }
    }
    for (options, part) in [
        (
            "--mode fields",
            "sfm has no limb fields; choose one of: ssa-sfm-2",
        ),
        ("--keypoint nose --limb neck-nose", "--limb"),
        ("", "--keypoint is needed"),
    ] {
        let arguments = format!("attention --input person.png {options} --out no.png");
        let outcome = workdir.run(&arguments.replace("  ", " "));
        assert_eq!(outcome.code, Some(2), "{options}: {outcome:?}");
        assert!(
            outcome.stderr.contains(part),
            "{options}: {}",
            outcome.stderr
        );
    }
    assert!(!workdir.path("no.png").exists());
}

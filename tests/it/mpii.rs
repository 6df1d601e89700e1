//! MPII from the label file to the metrics: crops of people, and the held-out split.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam::channel::bounded;
use image::{Rgb, RgbImage};
use poselens_engine::augment::Augment;
use poselens_engine::codec::TargetSpec;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::dataset::loader::{Loader, LoaderOptions, People, Position, SetOptions};
use poselens_engine::dataset::{Request, Split, guess_format};
use poselens_engine::device::DeviceSpec;
use poselens_engine::eval::{EvalOptions, evaluate_top_down};
use poselens_engine::geometry::{Alignment, Size};
use poselens_engine::pose::Keypoint;
use poselens_engine::preprocess::InputSpec;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::train::recipe::recipe;
use poselens_engine::train::{DataConfig, Event, Hardware, Trainer};
use poselens_tests::golden;
use serde_json::{Value, json};

use crate::cli::Workdir;

/// Writes labels of one image of 320 x 240 pixels; every person has their own `center` and `scale`,
/// while all have the same joint positions.
fn label(folder: &Path, people: impl IntoIterator<Item = Value>) -> PathBuf {
    let picture = RgbImage::from_pixel(320, 240, Rgb([90; 3]));
    picture.save(folder.join("a.png")).unwrap();
    let joints: Vec<[f64; 2]> = (0..16)
        .map(|j| [101.0 + 3.0 * f64::from(j), 51.0 + 5.0 * f64::from(j)])
        .collect();
    let people = people.into_iter().map(|mut person| {
        person["image"] = json!("a.png");
        person["joints"] = json!(joints);
        person["joints_vis"] = json!(vec![1; 16]);
        person
    });
    let file = folder.join("mpii.json");
    std::fs::write(&file, Value::from(people.collect::<Vec<_>>()).to_string()).unwrap();
    file
}

/// Fails when crops of MPII people differ from those of the official code: clipped at the image
/// border, which all of these exceed, or shifted by a box convention; or when training and
/// evaluation use different crops.
#[test]
fn crops_follow_the_mpii_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(golden("transpose/post.json")).unwrap();
    let post: Value = serde_json::from_str(&text).unwrap();
    let cases = post["mpii_center_scale"].as_array().unwrap();
    let person = |case: &Value| json!({ "center": case["in_center"], "scale": case["in_scale"] });
    let file = label(folder.path(), cases.iter().map(person));
    let format = guess_format(&file).unwrap();
    assert_eq!(format.name, "mpii");
    let mpii = Skeleton::by_name("mpii16").unwrap();
    for alignment in [Alignment::MinusOne, Alignment::HalfPixel] {
        let data = format
            .load(&Request::new(&file, folder.path(), Split::HeldOut))
            .unwrap();
        let input = InputSpec {
            size: Size::square(256),
            mean: InputSpec::IMAGENET_MEAN,
            std: InputSpec::IMAGENET_STD,
            alignment,
            padding: 1.25,
            border: [0; 3],
        };
        let mut regions = Vec::new();
        evaluate_top_down(
            mpii,
            &data.samples,
            &EvalOptions::new(input),
            &mut |_, roi| {
                regions.push(*roi);
                Ok(vec![Keypoint::default(); 16])
            },
        )
        .unwrap();
        assert_eq!(regions.len(), cases.len());
        for (roi, case) in regions.iter().zip(cases) {
            // The official transform uses the minus-one convention; the region uses none.
            let map = Alignment::MinusOne.image_from_input(roi, input.size);
            let map = map.inverse().unwrap();
            let official: [[f64; 3]; 2] =
                serde_json::from_value(case["fwd_256x256"].clone()).unwrap();
            for (ours, theirs) in map.m.iter().flatten().zip(official.iter().flatten()) {
                assert!((ours - theirs).abs() < 1e-4, "{map:?} for {official:?}");
            }
        }

        let mut people = People::new(mpii);
        people.add("mpii", data, &SetOptions::default()).unwrap();
        let options = LoaderOptions {
            input,
            target: TargetSpec::default(),
            augment: Augment::default(),
            seed: 1,
            batch: cases.len(),
            empty_share: 0.0,
            variants: 0,
            workers: 1,
            prefetch: 0,
        };
        let loader = Loader::new(Arc::new(people), options, Position::default());
        let batch = loader.unwrap().next_batch().unwrap();
        assert_eq!(batch.len(), cases.len());
        for seen in &batch.inputs {
            let tile = &seen.tiles[0];
            let roi = &regions[tile.annotation_id.unwrap() as usize];
            assert_eq!(tile.image_from_tile, input.image_from_input(roi));
        }
    }
}

/// Fails when training uses the people that the file holds out, validation uses others, `eval` uses
/// the training split, or the output does not say that a part was held out.
#[test]
fn held_out_people_are_used_for_validation_only() {
    let workdir = Workdir::new();
    let person = |is_validation: bool| {
        json!({ "center": [130.0, 90.0], "scale": 0.5,
                "isValidation": f64::from(u8::from(is_validation)) })
    };
    let file = label(&workdir.path(""), [false, true, false, false].map(person));

    let eval = workdir.succeed("eval --annotations mpii.json --threads 1 --device cpu --json");
    let report: Value = serde_json::from_str(&eval.stdout).unwrap();
    assert_eq!(report["n_people"], 1);
    let said = "3 of 4 people are set aside: they are not marked as held out";
    assert!(eval.stderr.contains(said), "{}", eval.stderr);

    let mut config = recipe("sfm", "fine-tune").unwrap();
    config.input_size = Some([64, 64]);
    config.workers = 1;
    config.data = vec![DataConfig::new(file.clone(), None)];
    config.validation = Some(DataConfig::new(file, None));
    let hardware = Hardware {
        device: DeviceSpec::Cpu,
        threads: 1,
    };
    let mut trainer = Trainer::begin(config, &workdir.path("out"), hardware).unwrap();
    let (sender, events) = bounded(100);
    trainer.run(Some(0), &sender, &StopFlag::new()).unwrap();
    drop(sender);
    let (mut learned, mut measured) = (0, 0);
    for event in events {
        match event {
            Event::Started(started) => learned = started.people,
            Event::HeldOut { people, .. } => measured = people.len(),
            _ => {}
        }
    }
    assert_eq!((learned, measured), (3, 1));
}

//! Resuming: every kind of network, stopped anywhere, on the same labels, with missing images.

use std::path::Path;

use candle_core::{Device, Tensor};
use crossbeam::channel::bounded;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::train::recipe::recipe;
use poselens_engine::train::{
    DataConfig, Event, Freeze, InitialWeights, RelocatedData, ResumeOptions, StopReason,
    TrainConfig, Trainer,
};

use super::{HARDWARE, assert_same, draw_people, run, tensors};
use crate::cli::Workdir;

/// Two epochs of two steps from scratch, with nothing frozen.
fn short(model: &str, labels: &Path) -> TrainConfig {
    let mut config = recipe(model, "fine-tune").unwrap();
    config.init = InitialWeights::Scratch;
    config.freeze = Freeze::None;
    config.fixed_norms = false;
    config.input_size = Some([64, 64]);
    config.data = vec![DataConfig::new(labels.to_owned(), None)];
    (config.epochs, config.batch_size, config.workers) = (2, 2, 1);
    config
}

/// Trains until an event matches, or to the end.
fn stop_at(trainer: &mut Trainer, mut is_there: impl FnMut(&Event) -> bool + Send) -> StopReason {
    // With a channel of capacity 0, important events block until they are received.
    let (sender, receiver) = bounded(0);
    let stop = StopFlag::new();
    std::thread::scope(|scope| {
        let flag = stop.clone();
        scope.spawn(move || {
            for event in receiver {
                if is_there(&event) {
                    flag.stop();
                }
            }
        });
        let reason = trainer.run(None, &sender, &stop);
        drop(sender);
        reason.unwrap()
    })
}

/// Returns the metrics of all epochs, without times.
fn figures(trainer: &Trainer) -> Vec<String> {
    let timeless = trainer.history().iter().cloned().map(|mut record| {
        (record.secs, record.images_per_sec) = (0.0, 0.0);
        format!("{record:?}")
    });
    timeless.collect()
}

/// Fails when a network with dropout or a stacked hourglass continues differently after it was
/// stopped within an epoch.
#[test]
fn other_networks_resume_exactly() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 4);
    for model in ["tp-r-a3s", "mca-2-slim"] {
        let mut config = short(model, &labels);
        let [whole, parts] =
            ["whole", "parts"].map(|name| workdir.path(&format!("{model}-{name}")));
        let mut trainer = Trainer::begin(config.clone(), &whole, HARDWARE).unwrap();
        assert_eq!(run(&mut trainer, None).unwrap(), StopReason::Finished);
        let wanted = figures(&trainer);

        config.save_steps = 1;
        let mut trainer = Trainer::begin(config, &parts, HARDWARE).unwrap();
        let mut saves = 0;
        let reason = stop_at(&mut trainer, |event| {
            saves += usize::from(matches!(event, Event::Saved { .. }));
            saves == 2
        });
        assert_eq!(reason, StopReason::Requested);
        assert!((1..4).contains(&trainer.steps()), "{}", trainer.steps());
        drop(trainer);
        let mut trainer = Trainer::resume(&parts, None, HARDWARE).unwrap();
        assert_eq!(run(&mut trainer, None).unwrap(), StopReason::Finished);
        assert_eq!(figures(&trainer), wanted, "{model}");
        assert_same(&whole, &parts);
    }
}

/// Fails when stopping has to wait for a validation, or a validation that was stopped counts, is
/// never repeated, or changes the training.
#[test]
fn a_stopped_validation_is_repeated() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 4);
    let others = workdir.path("others");
    std::fs::create_dir(&others).unwrap();
    let mut config = short("sfm", &labels);
    config.validation = Some(DataConfig::new(draw_people(&others, 24), None));
    let [whole, parts] = ["whole", "parts"].map(|name| workdir.path(name));
    let mut trainer = Trainer::begin(config.clone(), &whole, HARDWARE).unwrap();
    run(&mut trainer, None).unwrap();
    let wanted = figures(&trainer);
    assert_eq!(wanted.len(), 3);

    let mut trainer = Trainer::begin(config, &parts, HARDWARE).unwrap();
    for epoch in 0..3 {
        let is_measured = |event: &Event| *event == Event::Measuring { epoch };
        assert_eq!(stop_at(&mut trainer, is_measured), StopReason::Requested);
        assert_eq!(
            figures(&trainer),
            wanted[..epoch as usize],
            "before {epoch}"
        );
        assert_eq!(trainer.steps(), 2 * epoch);
        drop(trainer);
        trainer = Trainer::resume(&parts, None, HARDWARE).unwrap();
    }
    assert_eq!(run(&mut trainer, None).unwrap(), StopReason::Finished);
    assert_eq!(figures(&trainer), wanted);
    assert_same(&whole, &parts);
    let [a, b] = [whole, parts].map(|out| tensors(&out.join("best.safetensors")));
    for (name, tensor) in &a {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(tensor), values(&b[name]), "{name}");
    }
}

/// Fails when a training resumes with other labels without an error, or does not resume with the
/// same labels at another path.
#[test]
fn changed_labels_are_refused() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 4);
    let held_out = workdir.path("held-out.json");
    std::fs::copy(&labels, &held_out).unwrap();
    let mut config = short("sfm", &labels);
    config.validation = Some(DataConfig::new(held_out.clone(), Some(workdir.path(""))));
    let out = workdir.path("out");
    let mut trainer = Trainer::begin(config, &out, HARDWARE).unwrap();
    run(&mut trainer, Some(1)).unwrap();
    drop(trainer);
    let resume = || Trainer::resume(&out, None, HARDWARE);
    for file in [&labels, &held_out] {
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text.replacen("60.0", "61.0", 1)).unwrap();
        let message = resume().err().unwrap().to_string();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(
            message.starts_with(file.to_str().unwrap()) && message.contains("--init"),
            "{name}: {message}"
        );
        std::fs::write(file, text).unwrap();
        resume().unwrap();
    }
    // The same labels at another path.
    let moved = workdir.path("moved.json");
    std::fs::rename(&labels, &moved).unwrap();
    let changes = ResumeOptions {
        data: vec![RelocatedData {
            annotations: moved.clone(),
            images: Some(workdir.path("")),
        }],
        ..ResumeOptions::default()
    };
    Trainer::resume_with(&out, &changes, HARDWARE).unwrap();

    // A state without a hash of its labels resumes with any.
    let state = out.join("state.safetensors");
    let mut all = tensors(&state);
    let text = String::from_utf8(all["progress"].to_vec1().unwrap()).unwrap();
    let older: Vec<&str> = text
        .lines()
        .filter(|l| !l.starts_with("labels = "))
        .collect();
    assert_eq!(older.len() + 1, text.lines().count());
    let older = older.join("\n").into_bytes();
    let n = older.len();
    let older = Tensor::from_vec(older, n, &Device::Cpu).unwrap();
    all.insert("progress".to_owned(), older);
    candle_core::safetensors::save(&all, &state).unwrap();
    let text = std::fs::read_to_string(&moved).unwrap();
    std::fs::write(&moved, text.replacen("60.0", "61.0", 1)).unwrap();
    Trainer::resume_with(&out, &changes, HARDWARE).unwrap();
}

/// Fails when unreadable images are reported only by a warning, or counted twice.
#[test]
fn broken_images_are_counted() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 4);
    workdir.write("2.png", "not an image");
    let begun = workdir.json(
        "train --annotations people.json --out out --epochs 1 --batch-size 1 --input-size 64 \
         --device cpu --threads 2 --json",
    );
    assert_eq!(begun["history"][0]["broken"], 0);
    assert_eq!(begun["history"][1]["broken"], 1);
    assert_eq!(begun["broken_pictures"], 1);
    let first = begun["first_broken"].as_str().unwrap();
    assert!(first.contains("2.png"), "{first}");
    let outcome = workdir.succeed("train --resume --out out --epochs 3 --device cpu --threads 2");
    let closing = "1 image could not be used; the first: ";
    assert!(outcome.stdout.contains(closing), "{outcome:?}");
    let line = outcome.stderr.lines().find(|l| l.starts_with("epoch 3:"));
    assert!(line.unwrap().contains("1 image could not be used"));
    let log = workdir.read("out/log.csv");
    let mut lines = log.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let column = lines
        .next()
        .unwrap()
        .iter()
        .position(|name| *name == "broken");
    let counts: Vec<_> = lines
        .map(|cells| cells[column.unwrap()].to_owned())
        .collect();
    assert_eq!(counts, ["0", "1", "1", "1"]);
}

/// Fails when a damaged held-out image ends a training after its first epoch, or is not counted.
#[test]
fn broken_held_out_images_are_left_out() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    std::fs::create_dir(workdir.path("held")).unwrap();
    draw_people(&workdir.path("held"), 3);
    workdir.write("held/1.png", "not an image");
    let done = workdir.json(
        "train --annotations people.json --val-annotations held/people.json --out out --epochs 1 \
         --batch-size 2 --input-size 64 --device cpu --threads 2 --json",
    );
    let left_out = &done["left_out"]["validation"]["people"];
    assert_eq!(left_out["in images that cannot be read"], 1, "{done}");
    assert!(done["history"][1]["pck"].is_number(), "{done}");
}

/// Fails when resuming in a mistyped folder creates it.
#[test]
fn a_mistyped_folder_is_not_created() {
    let workdir = Workdir::new();
    let message = workdir.complaint("train --resume --out typo");
    assert!(
        message.contains("typo") && message.contains("no training"),
        "{message}"
    );
    assert!(!workdir.path("typo").exists());
}

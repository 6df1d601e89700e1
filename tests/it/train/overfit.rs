//! Every network overfits eight people.
//!
//! `POSELENS_PEOPLE=labels.json` and `POSELENS_PICTURES=folder` replace the drawn people by others:
//! the first eight people in COCO labels that are alone in their image.

use std::path::{Path, PathBuf};

use poselens_engine::augment::{Augment, Distribution};
use poselens_engine::model::MODELS;
use poselens_engine::output::Approach;
use poselens_engine::train::recipe::recipe;
use poselens_engine::train::{DataConfig, Freeze, InitialWeights, TrainConfig, Trainer};
use serde_json::{Value, json};

use super::people::{draw_groups, draw_people};
use super::{HARDWARE, run};
use crate::cli::Workdir;

/// Hyperparameters with which a network overfits from random initialisation.
struct OverfitCase {
    /// Name of the network.
    model: &'static str,
    /// Network whose targets and loss are used.
    like: &'static str,
    /// Side of the square input.
    side: usize,
    /// Batch size.
    batch: usize,
    /// Learning rate.
    lr: f64,
    /// Maximum number of epochs of 80 people.
    epochs: u64,
}

const fn case(model: &'static str, lr: f64, epochs: u64) -> OverfitCase {
    OverfitCase {
        model,
        like: model,
        side: 64,
        batch: 4,
        lr,
        epochs,
    }
}

/// With the paper's targets, a randomly initialised MCA predicts empty heatmaps for longer than a
/// test may take, and heatmaps of 16 pixels are too coarse for 95 %.
const fn hourglass(model: &'static str) -> OverfitCase {
    OverfitCase {
        like: "mca-2-slim",
        side: 128,
        ..case(model, 1e-3, 12)
    }
}

const CASES: &[OverfitCase] = &[
    OverfitCase {
        batch: 8,
        ..case("sfm", 1e-3, 12)
    },
    case("sfm-no-hsa", 1e-3, 12),
    case("sfm-cascaded", 1e-3, 12),
    case("tp-r-a3s", 5e-4, 16),
    case("tp-r-a3", 5e-4, 16),
    case("tp-r-a4", 5e-4, 16),
    case("tp-h-s", 1e-3, 24),
    case("tp-h-a4", 1e-3, 16),
    case("tp-h-a6", 1e-3, 20),
    case("mca-2-slim", 1e-3, 12),
    hourglass("mca-2"),
    hourglass("mca-2-released-m4"),
    hourglass("mca-8"),
    hourglass("mca-8-released"),
    case("ssa-sfm-2", 2e-3, 30),
    case("ssa-vgg-6", 1e-4, 30),
];

/// Fails when a network does not learn because a target, a loss, an optimizer or the backward pass
/// is wrong, running statistics are not updated, or the saved weights are not the trained ones.
#[test]
fn a_few_people_are_overfitted() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 8);
    let trainer = overfitted(&workdir, "sfm", DataConfig::new(labels, None));
    let history = trainer.history();
    assert!(history[0].pck < Some(0.3), "{history:?}");
    let last = &history[history.len() - 1];
    assert!(last.loss < history[1].loss, "{history:?}");
    assert_eq!(last.gates.len(), 4, "{history:?}");
    // `eval` gives the same result with the card next to the weights, including the input size.
    let eval = workdir.json(
        "eval --annotations people.json --images . --weights out/best.safetensors --json \
         --threads 2 --device cpu",
    );
    let best = trainer.best().unwrap();
    assert!((eval["pck"]["mean"].as_f64().unwrap() - best.score).abs() < 1e-9);
    let log = workdir.read("out/log.csv");
    assert_eq!(log.lines().count(), history.len() + 1, "{log}");
}

/// Fails when a TransPose does not learn because its backward pass, dropout or position table is
/// wrong.
#[test]
fn transpose_overfits_a_few_people() {
    learns("tp-r-a3");
}

/// Fails when a stacked hourglass does not learn because one of its outputs, the recurrence of its
/// attention or its backward pass is wrong.
#[test]
fn an_hourglass_overfits_a_few_people() {
    learns("mca-2-slim");
}

/// Fails when a bottom-up network does not learn because targets of two people in an image or
/// mosaic, the loss of its stages, its backward pass or its evaluation is wrong.
#[test]
fn bottom_up_networks_overfit_people_next_to_each_other() {
    learns("ssa-sfm-2");
}

/// Fails when a network is added without an overfitting test.
#[test]
fn every_network_has_an_overfitting_test() {
    let cases: Vec<_> = CASES.iter().map(|case| case.model).collect();
    let models: Vec<_> = MODELS.iter().map(|model| model.name).collect();
    assert_eq!(cases, models);
}

/// A test for each of the other networks, which takes minutes.
macro_rules! others {
    ($($name:ident: $model:literal,)*) => {
        mod others {$(
            /// Fails when this network does not overfit.
            #[test]
            #[ignore = "takes minutes"]
            fn $name() {
                super::learns($model);
            }
        )*}
    };
}

others! {
    sfm: "sfm",
    sfm_no_hsa: "sfm-no-hsa",
    sfm_cascaded: "sfm-cascaded",
    tp_r_a3s: "tp-r-a3s",
    tp_r_a4: "tp-r-a4",
    tp_h_s: "tp-h-s",
    tp_h_a4: "tp-h-a4",
    tp_h_a6: "tp-h-a6",
    mca_2: "mca-2",
    mca_2_released_m4: "mca-2-released-m4",
    mca_8: "mca-8",
    mca_8_released: "mca-8-released",
    ssa_vgg_6: "ssa-vgg-6",
}

/// Overfits `model` on eight people: the given ones, else drawn ones.
fn learns(model: &str) {
    let workdir = Workdir::new();
    let spec = MODELS.iter().find(|spec| spec.name == model).unwrap();
    let data = match std::env::var_os("POSELENS_PEOPLE") {
        Some(labels) => given_people(Path::new(&labels), &workdir.path("people.json")),
        None if spec.approach == Approach::BottomUp => {
            DataConfig::new(draw_groups(&workdir.path(""), 8, 2), None)
        }
        None => DataConfig::new(draw_people(&workdir.path(""), 8), None),
    };
    overfitted(&workdir, model, data);
}

/// Writes the first eight people of `labels` that are alone in their image to `file`.
fn given_people(labels: &Path, file: &Path) -> DataConfig {
    let mut labels: Value = serde_json::from_slice(&std::fs::read(labels).unwrap()).unwrap();
    let people = labels["annotations"].as_array().unwrap();
    let image = |person: &Value| person["image_id"].as_u64().unwrap();
    let alone = |id: u64| people.iter().filter(|&p| image(p) == id).count() == 1;
    let eight: Vec<Value> = people
        .iter()
        .filter(|&p| alone(image(p)))
        .take(8)
        .cloned()
        .collect();
    assert_eq!(eight.len(), 8, "too few people");
    let shown = |id: &Value| eight.iter().any(|person| person["image_id"] == *id);
    labels["images"]
        .as_array_mut()
        .unwrap()
        .retain(|image| shown(&image["id"]));
    labels["annotations"] = json!(eight);
    std::fs::write(file, labels.to_string()).unwrap();
    let pictures = std::env::var_os("POSELENS_PICTURES").expect("POSELENS_PICTURES");
    DataConfig::new(file.to_owned(), Some(PathBuf::from(pictures)))
}

/// Trains `model` from scratch until it predicts 95 % of these people's joints correctly; fails
/// after the maximum number of epochs.
fn overfitted(workdir: &Workdir, model: &str, data: DataConfig) -> Trainer {
    let case = CASES.iter().find(|case| case.model == model).unwrap();
    let config = TrainConfig {
        model: model.to_owned(),
        ..overfit(case, data)
    };
    let mut trainer = Trainer::begin(config, &workdir.path("out"), HARDWARE).unwrap();
    let pck = |trainer: &Trainer| trainer.history().last().and_then(|r| r.pck);
    while trainer.epochs() < case.epochs && pck(&trainer) <= Some(0.95) {
        run(&mut trainer, Some(1)).unwrap();
    }
    let history = trainer.history();
    println!(
        "{model}: {:?}",
        history.iter().map(|r| (r.pck, r.secs)).collect::<Vec<_>>()
    );
    assert!(pck(&trainer) > Some(0.95), "{model}: {history:?}");
    trainer
}

/// Returns the options of a training from scratch on these people only.
fn overfit(case: &OverfitCase, data: DataConfig) -> TrainConfig {
    let mut config = recipe(case.like, "fine-tune").unwrap();
    config.init = InitialWeights::Scratch;
    config.freeze = Freeze::None;
    config.fixed_norms = false;
    config.augment = Augment::default();
    config.input_size = Some([case.side; 2]);
    config.workers = 2;
    config.batch_size = case.batch;
    config.epochs = case.epochs;
    config.optimizer.lr = case.lr;
    if case.model.starts_with("ssa-") && data.images.is_none() {
        // Two drawn people next to each other, as large as in the whole image on which the network
        // is evaluated.
        config.input_size = Some([192, 96]);
        config.augment.scale = Distribution::Fixed { value: 0.69 };
        config.augment.mosaic.probability = 0.2;
    }
    config.validation = Some(data.clone());
    // The data are repeated so that an epoch is long compared with a validation.
    config.data = vec![data];
    config.data[0].people.weight = 10.0;
    config
}

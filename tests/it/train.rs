//! Training: gradients against PyTorch, overfitting a few people, exact resumption, kills, moved
//! folders and full disks.

mod check;
mod folder;
mod gradients;
mod overfit;
mod people;
mod resume;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use crossbeam::channel::{Receiver, Sender, bounded};
use poselens_engine::concurrency::StopFlag;
use poselens_engine::device::DeviceSpec;
use poselens_engine::train::recipe::recipe;
use poselens_engine::train::schedule::WarmUp;
use poselens_engine::train::{
    DataConfig, Event, Freeze, Hardware, InitialWeights, StopReason, TrainConfig, Trainer,
};

pub(crate) use self::people::draw_people;
use crate::cli::{Running, Workdir};

const HARDWARE: Hardware = Hardware {
    device: DeviceSpec::Cpu,
    threads: 2,
};

/// Returns the recipe for these people at 64 x 64.
fn config(name: &str, labels: &Path) -> TrainConfig {
    let mut config = recipe("sfm", name).unwrap();
    config.input_size = Some([64, 64]);
    config.data = vec![DataConfig::new(labels.to_owned(), None)];
    config.workers = 2;
    config
}

/// Trains to the end, or for some epochs.
fn run(trainer: &mut Trainer, epochs: Option<u64>) -> poselens_engine::Result<StopReason> {
    let (sender, _receiver) = bounded(1000);
    trainer.run(epochs, &sender, &StopFlag::new())
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// Compares two folders bit for bit, except for the saved progress, which contains times.
fn assert_same(a: &Path, b: &Path) {
    for name in ["state.safetensors", "last.safetensors"] {
        let (a, b) = (tensors(&a.join(name)), tensors(&b.join(name)));
        assert_eq!(a.len(), b.len());
        for (name, tensor) in a.iter().filter(|(name, _)| *name != "progress") {
            let bits = |t: &Tensor| -> Vec<u32> {
                let values: Vec<f32> = t.flatten_all().unwrap().to_vec1().unwrap();
                values.into_iter().map(f32::to_bits).collect()
            };
            assert_eq!(bits(tensor), bits(&b[name]), "{name}");
        }
    }
}

/// Raises the stop flag after `n` saves, the first of which precedes the first step.
fn stop_after(n: usize, news: &Receiver<Event>, stop: &StopFlag) {
    let saves = news.iter().filter(|e| matches!(e, Event::Saved { .. }));
    for (i, _) in saves.enumerate() {
        if i == n {
            stop.stop();
        }
    }
}

/// Fails when a training that was stopped within or between epochs and resumed from disk with new
/// objects ends with other weights, moments or averages.
#[test]
fn a_resumed_training_equals_an_uninterrupted_one() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 8);
    let mut config = config("fine-tune", &labels);
    (config.epochs, config.batch_size) = (2, 2);
    // Covers everything that has state: statistics, averages, moments, target width schedule.
    config.freeze = Freeze::None;
    config.fixed_norms = false;
    config.narrow_share = 0.5;
    config.save_steps = 1;
    let paths = ["whole", "epochs", "steps"].map(|name| workdir.path(name));
    let [whole, epochs, steps] = &paths;
    run(
        &mut Trainer::begin(config.clone(), whole, HARDWARE).unwrap(),
        None,
    )
    .unwrap();

    let mut trainer = Trainer::begin(config.clone(), epochs, HARDWARE).unwrap();
    assert_eq!(run(&mut trainer, Some(1)).unwrap(), StopReason::EpochLimit);
    drop(trainer);
    // As if killed between writing the two files.
    std::fs::remove_file(epochs.join("last.safetensors")).unwrap();
    let mut trainer = Trainer::resume(epochs, None, HARDWARE).unwrap();
    assert!(epochs.join("last.safetensors").exists());
    assert_eq!((trainer.epochs(), trainer.steps()), (1, 4));
    assert_eq!(run(&mut trainer, None).unwrap(), StopReason::Finished);
    assert_same(whole, epochs);

    config.workers = 1;
    let mut trainer = Trainer::begin(config, steps, HARDWARE).unwrap();
    let (sender, receiver): (Sender<Event>, _) = bounded(0);
    let stop = StopFlag::new();
    let reason = std::thread::scope(|scope| {
        scope.spawn(|| stop_after(1, &receiver, &stop));
        let reason = trainer.run(None, &sender, &stop);
        drop(sender);
        reason.unwrap()
    });
    assert_eq!(reason, StopReason::Requested);
    assert!((1..4).contains(&trainer.steps()), "{}", trainer.steps());
    drop(trainer);
    run(&mut Trainer::resume(steps, None, HARDWARE).unwrap(), None).unwrap();
    assert_same(whole, steps);
    let message = Trainer::begin(config_of(whole), whole, HARDWARE)
        .err()
        .unwrap();
    assert!(message.to_string().contains("already holds"), "{message}");
}

fn config_of(folder: &Path) -> TrainConfig {
    toml::from_str(&std::fs::read_to_string(folder.join("config.toml")).unwrap()).unwrap()
}

/// Fails when a batch split into parts, to save memory, gives other updates.
#[test]
fn a_batch_split_into_parts_gives_the_same_update() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 6);
    let mut config = config("fine-tune", &labels);
    (config.epochs, config.batch_size) = (1, 6);
    config.average = 0.0;
    // Weights follow the gradient itself: Adam's first step would only be its sign.
    config.schedule.warm_up_steps = WarmUp::Steps(0);
    config.optimizer.lr = 0.1;
    config.optimizer.algorithm = poselens_engine::train::optim::Algorithm::Sgd;
    let last = [0, 4].map(|micro_batch| {
        let mut config = config.clone();
        config.micro_batch = micro_batch;
        let out = workdir.path(&format!("out{micro_batch}"));
        run(&mut Trainer::begin(config, &out, HARDWARE).unwrap(), None).unwrap();
        tensors(&out.join("last.safetensors"))
    });
    let bundled =
        poselens_engine::model::Weights::bundled(poselens_engine::model::model("sfm").unwrap());
    let bundled = bundled.unwrap();
    let mut n_moved = 0;
    for (name, whole) in &last[0] {
        let length = |a: &Tensor, b: &Tensor| -> f32 {
            let b = b.to_dtype(candle_core::DType::F32).unwrap();
            (a - b)
                .unwrap()
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
                .sqrt()
        };
        let moved = length(whole, bundled.get(name).unwrap());
        let learns = name.starts_with("x13.") && !name.contains("running");
        assert!(!learns || moved > 0.0, "{name} stays");
        assert!(
            moved == 0.0 || !name.starts_with("x12."),
            "{name} is frozen"
        );
        n_moved += usize::from(moved > 0.0);
        assert!(length(whole, &last[1][name]) <= 1e-3 * moved, "{name}");
    }
    assert!(n_moved > 50, "{n_moved}");
}

/// Fails when a diverged training overwrites good weights, even if the loss of the step before a
/// save was still finite, or does not report the divergence.
#[test]
fn a_diverged_training_keeps_the_last_good_state() {
    let workdir = Workdir::new();
    let labels = draw_people(&workdir.path(""), 4);
    for (i, (batch_size, save_steps)) in [(2, 0), (4, 0), (2, 1)].into_iter().enumerate() {
        let mut config = config("fine-tune", &labels);
        (config.epochs, config.batch_size, config.save_steps) = (1, batch_size, save_steps);
        config.init = InitialWeights::Scratch;
        config.freeze = Freeze::None;
        config.optimizer.lr = 1e30;
        config.schedule.warm_up_steps = WarmUp::Steps(0);
        let out = workdir.path(&format!("out{i}"));
        let mut trainer = Trainer::begin(config, &out, HARDWARE).unwrap();
        let message = run(&mut trainer, None).unwrap_err().to_string();
        assert!(
            message.contains("NaN or infinite") && message.contains("rate"),
            "{message}"
        );
        for file in ["last.safetensors", "best.safetensors"] {
            let path = out.join(file);
            let kept = if path.exists() {
                tensors(&path)
            } else {
                HashMap::new()
            };
            for (name, tensor) in kept {
                let largest = tensor.abs().unwrap().max_all().unwrap();
                let largest = largest.to_scalar::<f32>().unwrap();
                assert!(largest < 1e3, "{file} of {i}: {name} holds {largest}");
            }
        }
        drop(trainer);
        let resumed = Trainer::resume(&out, None, HARDWARE).unwrap();
        assert_eq!((resumed.steps(), resumed.epochs()), (0, 0));
    }
}

#[cfg(unix)]
const BEGIN: &str = "train --annotations people.json --out out --epochs 4000 --batch-size 2 \
                     --input-size 64 --config options.toml --device cpu --threads 2 --json";

/// Fails when a kill at any moment leaves a folder that cannot be resumed or weights that cannot be
/// used, or the output of the command line is not as documented.
#[cfg(unix)]
#[test]
fn a_killed_training_goes_on() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 4);
    workdir.write(
        "options.toml",
        "save_steps = 1\nworkers = 2\n[optimizer]\nlr = 1e-4\n",
    );
    let mut training = Running::start(workdir.command(BEGIN));
    // Killed during the first steps, at a random point.
    training.until("state", || workdir.path("out/log.csv").exists());
    std::thread::sleep(std::time::Duration::from_millis(300));
    training.signal("KILL");
    assert_eq!(training.wait().code, None);
    for name in ["state.safetensors", "last.safetensors"] {
        if workdir.path(&format!("out/{name}")).exists() {
            tensors(&workdir.path(&format!("out/{name}")));
        }
    }
    let again = workdir.complaint(BEGIN);
    assert!(again.contains("resume"), "{again}");
    let wrong = workdir.run("train --resume --out out --lr 1");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let document = workdir
        .json("train --resume --out out --stop-after-epochs 1 --device cpu --threads 2 --json");
    assert_eq!(document["ended"], "epoch limit");
    assert_eq!(document["model"], "sfm");
    assert!(document["steps"].as_u64().unwrap() > 0);
    assert!(document["history"].as_array().unwrap().len() > 1);
    let state = std::fs::read(workdir.path("out/state.safetensors")).unwrap();
    workdir.write("out/state.safetensors", &state[..state.len() / 2]);
    let cut = workdir.complaint("train --resume --out out");
    assert!(
        cut.contains("state.safetensors") && cut.contains("damaged"),
        "{cut}"
    );
}

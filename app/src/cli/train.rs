//! `poselens train`: trains a model on labelled images.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::value_parser;
use crossbeam::channel::{Receiver, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use poselens_engine::Error;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::model::{self, MODELS};
use poselens_engine::sample::LeftOut;
use poselens_engine::train::optim::Algorithm;
use poselens_engine::train::recipe::{RECIPES, recipe};
use poselens_engine::train::schedule::Curve;
use poselens_engine::train::{
    Changes, DataConfig, EpochRecord, Event, Freeze, Hardware, Moved, Reason, Start, TrainConfig,
    Trainer,
};
use serde::Serialize;

use super::args::{LabelArgs, model_names};
use super::run::stop_on_ctrl_c;
use super::{Common, WrongUsage};
use crate::counts::counted;
use crate::stats::peak_memory_mib;

/// Options of `train`. What is not given comes from the file, then from the recipe.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    /// Output folder: weights, checkpoint, options, log.csv, card
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    out: Option<PathBuf>,
    /// Check all labels and images, list problems, and do not train
    #[arg(long, conflicts_with = "resume")]
    check: bool,
    /// Resume the training in --out; --epochs may differ and labels may have moved
    #[arg(long, conflicts_with_all = [
        "model", "batch_size", "lr", "optim", "schedule", "input_size", "init", "freeze", "seed",
        "config", "recipe", "category", "orientation",
    ])]
    resume: bool,
    /// Model
    #[arg(long, value_parser = model_names())]
    model: Option<String>,
    /// Training labels: COCO keypoints, MPII, LSP or a clip folder; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    annotations: Vec<PathBuf>,
    /// Image folder, given once or once per --annotations; default: found next to the labels
    #[arg(long, value_name = "DIR", requires = "annotations")]
    images: Vec<PathBuf>,
    /// Times each person of a data set is seen per epoch, once per --annotations (default 1)
    #[arg(long, value_name = "N", requires = "annotations")]
    weight: Vec<f64>,
    /// Fraction of each batch taken from images without people
    #[arg(long, value_name = "S")]
    empty_share: Option<f64>,
    /// Validation labels, evaluated after every epoch
    #[arg(long, value_name = "FILE|DIR")]
    val_annotations: Option<PathBuf>,
    /// Image folder of --val-annotations; default: found next to the labels
    #[arg(long, value_name = "DIR", requires = "val_annotations")]
    val_images: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelArgs,
    /// Number of epochs
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    epochs: Option<u64>,
    /// People per step
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=65_536))]
    batch_size: Option<u32>,
    /// Learning rate
    #[arg(long, value_name = "R", value_parser = rate, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Optimizer
    #[arg(long, value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name)))]
    optim: Option<String>,
    /// Learning rate schedule
    #[arg(long, value_parser = PossibleValuesParser::new(Curve::ALL.map(Curve::name)))]
    schedule: Option<String>,
    /// Network input size in pixels: N for a square or WxH; multiples of 32 (64 for MCA, 8 for
    /// ssa-vgg-6)
    #[arg(long, value_name = "N|WxH", value_parser = input_size)]
    input_size: Option<[usize; 2]>,
    /// Initial weights: bundled; backbone (another model's backbone, random head); scratch; or a
    /// safetensors file
    #[arg(long, value_name = "bundled|backbone|scratch|FILE")]
    init: Option<String>,
    /// Frozen part of the network
    #[arg(long, value_parser = ["backbone", "none"])]
    freeze: Option<String>,
    /// Seed for shuffling, augmentation, dropout and random initial weights
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Stop after N epochs of this run; --resume continues
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    stop_after_epochs: Option<u64>,
    /// Options as TOML, such as the config.toml of an earlier training
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Preset: as published, or for fine-tuning (default unless training from random weights)
    #[arg(long, value_parser = PossibleValuesParser::new(RECIPES.iter().map(|r| r.name)))]
    recipe: Option<String>,
    /// Print a JSON summary at the end
    #[arg(long)]
    json: bool,
}

fn input_size(text: &str) -> Result<[usize; 2], String> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let side = |side: &str| match side.parse::<usize>() {
        Ok(n) if n > 0 && n % 8 == 0 && n <= 4096 => Ok(n),
        _ => Err(format!("'{side}' is not a multiple of 8 up to 4096")),
    };
    Ok([side(width)?, side(height)?])
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if rate > 0.0 && rate.is_finite() {
        Ok(rate)
    } else {
        Err("not above 0".to_owned())
    }
}

impl TrainArgs {
    fn config(&self) -> anyhow::Result<TrainConfig> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let text = self.config.as_ref().map(read).transpose()?;
        let file = self.config.as_deref().zip(text.as_deref());
        Ok(self.with_file(file).map_err(WrongUsage)?)
    }

    /// Merges the options given here, in the file and in the recipe, in this order of precedence.
    fn with_file(&self, file: Option<(&Path, &str)>) -> Result<TrainConfig, Error> {
        // Model and initial weights determine the recipe that supplies defaults.
        let said = |key: &str| {
            let table: toml::Table = toml::from_str(file?.1).ok()?;
            table.get(key)?.as_str().map(str::to_owned)
        };
        let model = self.model.clone().or_else(|| said("model"));
        let model = model.unwrap_or_else(|| MODELS[0].name.to_owned());
        let init = self.init.clone().or_else(|| said("init"));
        let underneath = match &self.recipe {
            Some(name) => name,
            None if init.as_deref() == Some("scratch") => model::model(&model)?.recipe,
            None => RECIPES[0].name,
        };
        let mut config = recipe(&model, underneath)?;
        if let Some((path, text)) = file {
            config = config.with_file(path, text)?;
        }
        config.model = model;
        self.check_sets()?;
        self.apply(&mut config);
        config.check()?;
        Ok(config)
    }

    /// Returns the data sets named by --annotations, with their --images and --weight.
    fn sets(&self) -> Vec<DataConfig> {
        let set = |(i, labels): (usize, &PathBuf)| {
            // A single --images folder applies to all data sets.
            let images = self.images.get(i).or(match &self.images[..] {
                [all] => Some(all),
                _ => None,
            });
            let mut data = DataConfig::new(labels.clone(), images.cloned());
            data.people.weight = self.weight.get(i).copied().unwrap_or(1.0);
            data
        };
        self.annotations.iter().enumerate().map(set).collect()
    }

    /// Rejects --images and --weight if their number does not match --annotations.
    fn check_sets(&self) -> Result<(), Error> {
        let n = self.annotations.len();
        for (option, given, may_be_one) in [
            ("--images", self.images.len(), true),
            ("--weight", self.weight.len(), false),
        ] {
            if given != 0 && given != n && !(may_be_one && given == 1) {
                return Err(Error::Invalid(format!(
                    "{option} is given {given} times, --annotations {n} times: give it once per \
                     set, in the same order"
                )));
            }
        }
        Ok(())
    }

    /// Applies the options given here, which override all others.
    fn apply(&self, config: &mut TrainConfig) {
        fn set<T: Clone>(to: &mut T, given: Option<&T>) {
            if let Some(given) = given {
                to.clone_from(given);
            }
        }
        set(&mut config.epochs, self.epochs.as_ref());
        set(
            &mut config.batch_size,
            self.batch_size.map(|n| n as usize).as_ref(),
        );
        set(&mut config.optimizer.lr, self.lr.as_ref());
        set(&mut config.seed, self.seed.as_ref());
        if self.input_size.is_some() {
            config.input_size = self.input_size;
        }
        let named = |given: &Option<String>, name: &str| given.as_deref() == Some(name);
        if let Some(algorithm) = Algorithm::ALL
            .into_iter()
            .find(|a| named(&self.optim, a.name()))
        {
            config.optimizer.algorithm = algorithm;
            config.optimizer.smoothing = algorithm.usual_smoothing();
        }
        if let Some(curve) = Curve::ALL
            .into_iter()
            .find(|c| named(&self.schedule, c.name()))
        {
            config.schedule.curve = curve;
        }
        match self.init.as_deref() {
            None => {}
            Some("bundled") => config.init = Start::Bundled,
            Some("backbone") => config.init = Start::Backbone,
            Some("scratch") => config.init = Start::Scratch,
            Some(path) => config.init = Start::File(path.into()),
        }
        match self.freeze.as_deref() {
            None => {}
            Some("backbone") => {
                config.freeze = Freeze::Backbone;
                config.fixed_norms = true;
            }
            Some(_) => config.freeze = Freeze::None,
        }
        set(&mut config.empty_share, self.empty_share.as_ref());
        if !self.annotations.is_empty() {
            config.data = self.sets();
        }
        if let Some(labels) = &self.val_annotations {
            let data = DataConfig::new(labels.clone(), self.val_images.clone());
            config.validation = Some(data);
        }
        for data in config.data.iter_mut().chain(&mut config.validation) {
            set(&mut data.orientation, self.labels.orientation.as_ref());
            if self.labels.category.is_some() {
                data.category.clone_from(&self.labels.category);
            }
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    model: &'a str,
    device: String,
    out: String,
    /// `finished`, `epoch limit` or `stopped`.
    ended: &'static str,
    epochs: u64,
    steps: u64,
    best_epoch: Option<u64>,
    /// Labelled joints and people that are not used, by file.
    left_out: &'a BTreeMap<String, LeftOut>,
    /// Number of images this run could not use, and the error of the first.
    broken_pictures: usize,
    first_broken: Option<&'a str>,
    peak_memory_mib: Option<f64>,
    /// Metrics before training, then of every epoch.
    history: &'a [EpochRecord],
}

pub fn run(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    let hardware = Hardware {
        device: common.device,
        threads: common.threads.map_or(0, usize::from),
    };
    if args.check {
        return super::data_check::run(&args.config()?, args.json);
    }
    let out = args.out.as_ref().context("--out is missing")?;
    let mut trainer = if args.resume {
        args.check_sets().map_err(WrongUsage)?;
        let moved = |annotations: PathBuf, images| Moved {
            annotations,
            images,
        };
        let held_out = args.val_annotations.clone();
        let changes = Changes {
            epochs: args.epochs,
            data: args
                .sets()
                .into_iter()
                .map(|set| moved(set.annotations, set.images))
                .collect(),
            validation: held_out.map(|labels| moved(labels, args.val_images.clone())),
        };
        Trainer::resume_with(out, &changes, hardware)?
    } else {
        Trainer::begin(args.config()?, out, hardware)?
    };
    let stop = StopFlag::new();
    stop_on_ctrl_c(&stop)?;
    let (news, reader) = bounded(64);
    let display = Worker::spawn(
        "progress",
        StopFlag::new(),
        move |_| {
            show(&reader);
            Ok(())
        },
        |error| tracing::error!("{error}"),
    )?;
    let outcome = trainer.run(args.stop_after_epochs, &news, &stop);
    drop(news);
    display.join();
    let ended = match outcome? {
        Reason::Finished => "finished",
        Reason::EpochLimit => "epoch limit",
        Reason::Asked | Reason::Diverged => "stopped",
    };
    let document = Document {
        model: &trainer.config().model,
        device: trainer.device().spec.to_string(),
        out: out.display().to_string(),
        ended,
        epochs: trainer.epochs(),
        steps: trainer.steps(),
        best_epoch: trainer.best().map(|best| best.epoch),
        left_out: trainer.left_out(),
        broken_pictures: trainer.broken().len(),
        first_broken: trainer.broken().first().map(|b| b.reason.as_str()),
        peak_memory_mib: peak_memory_mib(),
        history: trainer.history(),
    };
    if args.json {
        return super::print_json(&document);
    }
    super::print_line(format_args!(
        "{}: {ended} after {}, {}; weights in {}{}",
        document.model,
        counted(document.epochs, "epoch"),
        counted(document.steps, "step"),
        document.out,
        if ended == "finished" {
            ""
        } else {
            "; --resume continues from there"
        }
    ))?;
    if let Some(first) = document.first_broken {
        let n = counted(document.broken_pictures as u64, "image");
        super::print_line(format_args!("{n} could not be used; the first: {first}"))?;
    }
    if let (Some(first), Some(best)) = (document.history.first(), trainer.best()) {
        let best = document.history.iter().find(|r| r.epoch == best.epoch);
        if let (Some(before), Some(after)) = (first.pck, best.and_then(|r| r.pck)) {
            super::print_line(format_args!(
                "PCK@0.2 {:.2} % at first, {:.2} % at best",
                100.0 * before,
                100.0 * after
            ))?;
        }
    }
    Ok(())
}

/// Shows events on standard error until the channel closes: a bar on a terminal, and one line per
/// epoch.
fn show(news: &Receiver<Event>) {
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}") {
        bar.set_style(style);
    }
    for event in news {
        match event {
            Event::Started {
                epoch,
                epochs,
                steps_per_epoch,
                warm_up_steps,
                people,
                n_learning,
            } => {
                let all = epochs * steps_per_epoch;
                bar.set_length(all);
                let from = if epoch > 0 {
                    format!(", {epoch} done")
                } else {
                    String::new()
                };
                bar.suspend(|| {
                    eprintln!(
                        "{}, {} of {}{from}{}; {n_learning} trainable parameters",
                        counted(people as u64, "person"),
                        counted(epochs, "epoch"),
                        counted(steps_per_epoch, "step"),
                        warm_up_text(warm_up_steps, all),
                    );
                });
            }
            Event::Step {
                step,
                steps,
                loss,
                images_per_sec,
                eta_secs,
                ..
            } => {
                bar.set_length(steps);
                bar.set_position(step);
                let minutes = (eta_secs / 60.0).ceil();
                bar.set_message(format!(
                    "loss {loss:.4}, {images_per_sec:.1} people/s, {minutes:.0} min left"
                ));
            }
            Event::Epoch(record) => bar.suspend(|| eprintln!("{}", line(&record))),
            Event::Measuring { .. } => bar.set_message("measuring on the held-out people"),
            // The epoch's line has the count, and a warning has named every image.
            Event::Broken { .. } | Event::Seen { .. } | Event::Saved { .. } | Event::Stopped(_) => {
            }
        }
    }
    bar.finish_and_clear();
}

/// Returns how many of all steps are warm-up.
fn warm_up_text(warm_up: u64, all: u64) -> String {
    match warm_up {
        0 => String::new(),
        n if n >= all => format!(
            ", all of them warm-up ({}): the learning rate is never reached",
            counted(n, "step")
        ),
        n => format!(", {n} of {all} steps of warm-up"),
    }
}

fn line(record: &EpochRecord) -> String {
    let mut parts = vec![format!("epoch {}: step {}", record.epoch, record.step)];
    if let Some(loss) = record.loss {
        parts.push(format!("loss {loss:.4}"));
        parts.push(format!("{:.1} people/s", record.images_per_sec));
    }
    for (name, value) in [("PCK@0.2", record.pck), ("OKS AP", record.oks_ap)] {
        parts.extend(value.map(|value| format!("{name} {:.2} %", 100.0 * value)));
    }
    if record.broken > 0 {
        parts.push(format!(
            "{} could not be used",
            counted(record.broken, "image")
        ));
    }
    if !record.gates.is_empty() {
        let gates = record.gates.iter();
        let gates: Vec<_> = gates.map(|(block, m)| format!("{block} {m:.2}")).collect();
        parts.push(format!("mean |M| {}", gates.join(" ")));
    }
    parts.join(", ")
}

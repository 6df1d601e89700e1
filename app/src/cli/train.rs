//! `poselens train`: trains a model on labelled images.

mod on_project;
mod report;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::value_parser;
use crossbeam::channel::bounded;
use poselens_engine::Error;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::finetune::{Effort, Part};
use poselens_engine::model::{self, MODELS};
use poselens_engine::train::optim::Algorithm;
use poselens_engine::train::recipe::{RECIPES, recipe};
use poselens_engine::train::schedule::Curve;
use poselens_engine::train::{
    DataConfig, Freeze, Hardware, InitialWeights, RelocatedData, ResumeOptions, TrainConfig,
    Trainer,
};

use self::report::{Document, show};
use super::args::{LabelArgs, model_names};
use super::run::stop_on_ctrl_c;
use super::{Common, WrongUsage};
use crate::option_texts::{IMAGES, LABELS, train as text};
use crate::words::counted;

/// Form of `--input-size`.
const INPUT_SIZES: &str = "; N for a square or WxH, multiples of 32 (64 for MCA, 8 for ssa-vgg-6)";

/// Values of `--init`.
const STARTS: &str = "; backbone takes another model's backbone with a random head, scratch is \
                      random, and any other value is a safetensors file";

/// Default of `--recipe`.
const RECIPE_DEFAULT: &str = " (default: fine-tune, unless training from random weights)";

/// Options of `train`. What is not given comes from the file, then from the recipe.
#[derive(Debug, clap::Args)]
pub(super) struct TrainArgs {
    #[arg(long, help = text::OUT.help, value_name = "DIR", required_unless_present_any = ["check", "project"])]
    out: Option<PathBuf>,
    /// Train on the confirmed people of a label project, and measure the result on its hold-out
    #[arg(long, value_name = "PROJECT", conflicts_with_all = [
        "out", "check", "model", "annotations", "weight", "empty_share", "val_annotations",
        "category", "orientation", "optim", "schedule", "input_size", "freeze", "config", "recipe",
    ])]
    project: Option<PathBuf>,
    /// With --project: name of the run; default: the next number, with --resume the newest one
    #[arg(long, value_name = "NAME", requires = "project")]
    run: Option<String>,
    #[arg(
        long,
        help = text::PART.help,
        requires = "project",
        conflicts_with = "resume",
        value_parser = PossibleValuesParser::new(Part::ALL.map(Part::name))
    )]
    part: Option<String>,
    #[arg(
        long,
        help = text::EFFORT.help,
        requires = "project",
        conflicts_with = "resume",
        value_parser = PossibleValuesParser::new(Effort::ALL.map(Effort::name))
    )]
    effort: Option<String>,
    #[arg(
        long,
        help = text::REPLAY.help,
        value_name = "S",
        requires = "project",
        conflicts_with = "resume"
    )]
    replay: Option<f64>,
    /// Check all labels and images, list problems, and do not train
    #[arg(long, conflicts_with = "resume")]
    check: bool,
    /// Resume the training in --out or --project; --epochs may differ and labels may have moved
    #[arg(long, conflicts_with_all = [
        "model", "batch_size", "lr", "optim", "schedule", "input_size", "init", "freeze", "seed",
        "config", "recipe", "category", "orientation",
    ])]
    resume: bool,
    #[arg(long, help = text::MODEL.help, value_parser = model_names())]
    model: Option<String>,
    #[arg(
        long,
        help = format!("Training labels: {LABELS}; may be repeated"),
        value_name = "FILE|DIR"
    )]
    annotations: Vec<PathBuf>,
    #[arg(
        long,
        help = format!("Image folder, given once or once per --annotations; {IMAGES}"),
        value_name = "DIR",
        requires = "annotations"
    )]
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
    #[arg(
        long,
        help = format!("Image folder of --val-annotations; {IMAGES}"),
        value_name = "DIR",
        requires = "val_annotations"
    )]
    val_images: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelArgs,
    #[arg(
        long,
        help = text::EPOCHS.help,
        value_name = "N",
        value_parser = value_parser!(u64).range(1..=1_000_000)
    )]
    epochs: Option<u64>,
    #[arg(
        long,
        help = text::BATCH_SIZE.help,
        value_name = "N",
        value_parser = value_parser!(u32).range(1..=65_536)
    )]
    batch_size: Option<u32>,
    #[arg(
        long,
        help = text::LR.help,
        value_name = "R",
        value_parser = rate,
        allow_negative_numbers = true
    )]
    lr: Option<f64>,
    #[arg(
        long,
        help = text::OPTIMIZER.help,
        value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
    )]
    optim: Option<String>,
    #[arg(
        long,
        help = text::SCHEDULE.help,
        value_parser = PossibleValuesParser::new(Curve::ALL.map(Curve::name))
    )]
    schedule: Option<String>,
    #[arg(
        long,
        help = text::INPUT_SIZE.help_and(INPUT_SIZES),
        value_name = "N|WxH",
        value_parser = input_size
    )]
    input_size: Option<[usize; 2]>,
    #[arg(long, help = text::INIT.help_and(STARTS), value_name = "bundled|backbone|scratch|FILE")]
    init: Option<String>,
    #[arg(long, help = text::FREEZE.help, value_parser = ["backbone", "early-blocks", "none"])]
    freeze: Option<String>,
    #[arg(long, help = text::SEED.help, value_name = "N")]
    seed: Option<u32>,
    /// Stop after N epochs of this run; --resume continues
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    stop_after_epochs: Option<u64>,
    /// Options as TOML, such as the config.toml of an earlier training
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(
        long,
        help = text::RECIPE.help_and(RECIPE_DEFAULT),
        value_parser = PossibleValuesParser::new(RECIPES.iter().map(|r| r.name))
    )]
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

    /// Returns what may differ when a training is resumed.
    fn changes(&self) -> ResumeOptions {
        let moved = |annotations: PathBuf, images| RelocatedData {
            annotations,
            images,
        };
        let held_out = self.val_annotations.clone();
        let sets = self.sets().into_iter();
        ResumeOptions {
            epochs: self.epochs,
            data: sets.map(|set| moved(set.annotations, set.images)).collect(),
            validation: held_out.map(|labels| moved(labels, self.val_images.clone())),
        }
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
                    "{option} is given {}, --annotations {}: give it once per set, in the same \
                     order",
                    counted(given, "time"),
                    counted(n, "time")
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
            Some("bundled") => config.init = InitialWeights::Bundled,
            Some("backbone") => config.init = InitialWeights::Backbone,
            Some("scratch") => config.init = InitialWeights::Scratch,
            Some(path) => config.init = InitialWeights::File(path.into()),
        }
        match self.freeze.as_deref() {
            None => {}
            Some("backbone") => {
                config.freeze = Freeze::Backbone;
                config.fixed_norms = true;
            }
            Some("early-blocks") => {
                config.freeze = Freeze::EarlyBlocks;
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

pub(super) fn run(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    let hardware = Hardware {
        device: common.device,
        threads: common.n_threads(),
    };
    if args.check {
        return super::data_check::run(&args.config()?, args.json);
    }
    if let Some(project) = &args.project {
        return on_project::run(hardware, project, args);
    }
    let out = args.out.as_ref().context("--out is missing")?;
    let mut trainer = if args.resume {
        args.check_sets().map_err(WrongUsage)?;
        Trainer::resume_with(out, &args.changes(), hardware)?
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
            show(&reader, &mut |_| ());
            Ok(())
        },
        |error| tracing::error!("{error}"),
    )?;
    let outcome = trainer.run(args.stop_after_epochs, &news, &stop);
    drop(news);
    display.join();
    let document = Document::of(&trainer, out, outcome?);
    if args.json {
        super::print_json(&document)
    } else {
        document.print()
    }
}

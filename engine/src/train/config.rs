//! A training as a file: [`TrainConfig`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::loss::{LossConfig, loss};
use super::optim::OptimConfig;
use super::orientation::settle_open;
use super::paths;
use super::schedule::Schedule;
use crate::augment::Augment;
use crate::codec::TargetSpec;
use crate::dataset::loader::SetOptions;
use crate::dataset::{
    Dataset, DatasetSpec, Orientation, Request, Split, format, guess_format, usual_images,
};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::model::{ModelSpec, model, sha256_of_file};

/// Where the first weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Those of the program.
    Bundled,
    /// Those of the program for the model that this one has its backbone from; the rest is drawn.
    Backbone,
    /// Drawn from the seed.
    Scratch,
    /// A safetensors file.
    File(PathBuf),
}

/// Frozen part of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// Everything before the network's last part (see [`super::recipe::Family::head`]).
    Backbone,
    /// Nothing.
    None,
}

/// One data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Labels: a file or a folder of any known format.
    pub annotations: PathBuf,
    /// Folder of the pictures; `images` beside the labels, else their folder, when not given.
    pub images: Option<PathBuf>,
    /// Row of `DATASETS`; guessed when not given.
    pub format: Option<String>,
    /// Name or number of the category to read, where a file has several.
    pub category: Option<String>,
    /// How pictures lie whose EXIF data turns them.
    #[serde(default)]
    pub orientation: Orientation,
    /// What of it is learned from, and how often.
    #[serde(default)]
    pub people: SetOptions,
}

impl DataConfig {
    /// These labels with pictures in `images`.
    pub fn new(annotations: PathBuf, images: Option<PathBuf>) -> Self {
        Self {
            annotations,
            images,
            format: None,
            category: None,
            orientation: Orientation::Auto,
            people: SetOptions::default(),
        }
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        std::iter::once(&mut self.annotations).chain(&mut self.images)
    }

    /// The format of the labels.
    ///
    /// # Errors
    /// When it is not known.
    pub(super) fn spec(&self) -> Result<&'static DatasetSpec> {
        match &self.format {
            None => guess_format(&self.annotations),
            Some(name) => format(name)
                .ok_or_else(|| Error::Invalid(format!("no data set format is called '{name}'"))),
        }
    }

    /// Reads the labels of the wanted people.
    ///
    /// # Errors
    /// When the format is unknown or the labels cannot be used.
    pub fn load(&self, split: Split) -> Result<Dataset> {
        let images = self.folder();
        let mut dataset = self.spec()?.load(&self.request(&images, split))?;
        dataset.require_pictures(&images)?;
        if let Some(note) = settle_open(&mut dataset)? {
            tracing::warn!("{}: {note}", self.annotations.display());
            dataset.notes.push(note);
        }
        Ok(dataset)
    }

    /// Folder of the pictures.
    pub(super) fn folder(&self) -> PathBuf {
        let images = self.images.clone();
        images.unwrap_or_else(|| usual_images(&self.annotations))
    }

    /// What is to be read of it, with pictures in `images`.
    pub(super) fn request<'a>(&'a self, images: &'a Path, split: Split) -> Request<'a> {
        Request {
            category: self.category.as_deref(),
            orientation: self.orientation,
            ..Request::new(&self.annotations, images, split)
        }
    }

    /// What it is called where its folder does not matter.
    pub(super) fn name(&self) -> String {
        let name = self.annotations.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// SHA-256 of the labels' file, be it named itself or by its folder.
    pub(super) fn digest(&self) -> Result<String> {
        sha256_of_file(&(self.spec()?.file)(&self.annotations))
    }
}

/// Labels and pictures that are now elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Labels: a file or a folder.
    pub annotations: PathBuf,
    /// Folder of the pictures; found beside the labels when not given.
    pub images: Option<PathBuf>,
}

impl Moved {
    /// Makes `data` lie there.
    fn apply(&self, data: &mut DataConfig) -> Result<()> {
        data.annotations.clone_from(&self.annotations);
        data.images.clone_from(&self.images);
        data.paths_mut().try_for_each(absolute)
    }
}

/// A resumed training may be in another folder than it was started in.
fn absolute(path: &mut PathBuf) -> Result<()> {
    *path = std::path::absolute(&*path).map_err(Error::io("find", path))?;
    Ok(())
}

/// A training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Row of `MODELS`.
    pub model: String,
    /// Width and height of inputs; the card's when not given. Multiples of the
    /// model's unit: 32, 64 of MCA, 8 of ssa-vgg-6.
    pub input_size: Option<[usize; 2]>,
    /// The first weights.
    pub init: Start,
    /// Frozen part of the network.
    pub freeze: Freeze,
    /// Batch norms keep their running statistics.
    pub fixed_norms: bool,
    /// Factor of the learning rate, 0 to 1, for what [`Freeze::Backbone`] would keep as it is.
    #[serde(default = "one")]
    pub backbone_rate: f64,
    /// Number of epochs.
    pub epochs: u64,
    /// People per step.
    pub batch_size: usize,
    /// People worked on at once, which is what memory depends on; 0 for the whole batch. Batch
    /// norms that are not fixed see so many.
    pub micro_batch: usize,
    /// Of fresh weights, order, augmentation and dropout.
    pub seed: u32,
    /// Memory of the averaged weights, which are those handed out: 0.999 averages over about a
    /// thousand steps; 0 for none.
    pub average: f64,
    /// Share of a batch's inputs that show a random part of a picture without people, 0 to below
    /// 1. Such pictures are those of the data sets that have no annotations.
    #[serde(default)]
    pub empty_share: f64,
    /// Share of the training in which the targets narrow from `target.wide_sigma`; 0 for never.
    pub narrow_share: f64,
    /// Steps between two saved states within an epoch; 0 for none. Before a save, the batch goes
    /// through the network once more, to see whether what was learned is of use.
    pub save_steps: u64,
    /// Threads that prepare batches.
    pub workers: usize,
    /// Batches prepared ahead.
    pub prefetch: usize,
    /// What is minimised.
    pub loss: LossConfig,
    /// Optimizer.
    pub optimizer: OptimConfig,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// How targets are made.
    pub target: TargetSpec,
    /// What happens to samples.
    pub augment: Augment,
    /// What is learned from.
    pub data: Vec<DataConfig>,
    /// What is measured on after every epoch.
    pub validation: Option<DataConfig>,
}

fn one() -> f64 {
    1.0
}

impl TrainConfig {
    /// Checks everything that can be checked without data.
    ///
    /// # Errors
    /// Names the first option that has no meaning.
    pub fn check(&self) -> Result<()> {
        let fault = |what: &str| Err(Error::Invalid(format!("training: {what}")));
        loss(&self.loss.name)?;
        let spec = model(&self.model)?;
        let ModelSpec { approach, unit, .. } = *spec;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.augment.check()?;
        let factors = [self.loss.scale, self.loss.zero_mean];
        if !factors.iter().all(|f| f.is_finite() && *f >= 0.0) || self.loss.scale == 0.0 {
            return fault("loss.scale must be above 0, loss.zero_mean not below");
        }
        for (name, value, most) in [
            ("epochs", self.epochs, 1_000_000),
            ("batch_size", self.batch_size as u64, 65_536),
            ("workers", self.workers as u64, 512),
            ("prefetch", self.prefetch as u64, 1024),
        ] {
            if !(1..=most).contains(&value) {
                return fault(&format!("{name} is {value}; it lies in 1 to {most}"));
            }
        }
        if !(0.0..=1.0).contains(&self.backbone_rate) {
            return fault("backbone_rate lies in 0 to 1");
        }
        if !(0.0..1.0).contains(&self.empty_share) {
            return fault("empty_share lies in 0 to below 1");
        }
        if !(0.0..1.0).contains(&self.average) || !(0.0..=1.0).contains(&self.narrow_share) {
            return fault("average lies in 0 to below 1, narrow_share in 0 to 1");
        }
        if let Some([width, height]) = self.input_size
            && (width == 0 || height == 0 || width % unit != 0 || height % unit != 0)
        {
            return fault(&format!("the sides of input_size are multiples of {unit}"));
        }
        if self.init == Start::Bundled && spec.bundled.is_none() {
            let other = spec.begins_with.map_or("", |_| ", backbone");
            return fault(&format!(
                "{} has no bundled weights: init is scratch{other} or a file",
                self.model
            ));
        }
        if self.freeze == Freeze::Backbone && !self.fixed_norms {
            // Its statistics would be a batch's while learning and the old ones afterwards.
            return fault("a frozen backbone keeps its statistics: set fixed_norms = true");
        }
        if self.freeze == Freeze::Backbone && self.init == Start::Scratch {
            return fault(
                "a frozen backbone of fresh weights would find nothing: freeze = \"none\"",
            );
        }
        if self.target.approach()? != approach {
            let Self { model, target, .. } = self;
            return fault(&format!(
                "target.codec '{}' is not for what {model} answers; begin with one of its recipes",
                target.codec
            ));
        }
        let stride = spec.card()?.heatmap.stride;
        if self.target.stride != stride {
            let Self { model, target, .. } = self;
            return fault(&format!(
                "target.stride is {}, but a heatmap pixel of {model} covers {stride}",
                target.stride
            ));
        }
        if self.data.is_empty() {
            return fault("no data: give --annotations, or [[data]] in the file");
        }
        Ok(())
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let first = match &mut self.init {
            Start::File(path) => Some(path),
            Start::Bundled | Start::Backbone | Start::Scratch => None,
        };
        let sets = self.data.iter_mut().chain(&mut self.validation);
        first
            .into_iter()
            .chain(sets.flat_map(DataConfig::paths_mut))
    }

    /// Makes paths independent of the folder the program runs in.
    ///
    /// # Errors
    /// When the current folder is gone.
    pub fn make_absolute(&mut self) -> Result<()> {
        self.paths_mut().try_for_each(absolute)
    }

    /// These options with paths as seen from `folder`, to be kept there.
    #[must_use]
    pub(super) fn seen_from(&self, folder: &Path) -> Self {
        let mut seen = self.clone();
        seen.paths_mut()
            .for_each(|path| *path = paths::seen_from(folder, path));
        seen
    }

    /// Makes paths whole that are seen from `folder`.
    pub(super) fn found_from(&mut self, folder: &Path) {
        self.paths_mut()
            .for_each(|path| *path = paths::found_from(folder, path));
    }

    /// Size of inputs; `card` is the model's.
    pub fn input(&self, card: Size) -> Size {
        self.input_size.map_or(card, |[w, h]| Size::new(w, h))
    }

    /// This training with what a TOML file says instead. Its paths are seen from its folder.
    ///
    /// # Errors
    /// Names the file and the option at fault.
    pub fn with_file(&self, path: &Path, text: &str) -> Result<Self> {
        let fault = |e: &dyn std::fmt::Display| {
            let text = e.to_string();
            Error::data(path, text.trim().replace('\n', " "))
        };
        let given: toml::Table = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
            fault(&format!("line {line}: {}", e.message()))
        })?;
        let mut table = toml::Table::try_from(self).map_err(|e| fault(&e))?;
        merge(&mut table, given);
        // The whole error: its message alone does not name the option.
        let mut config: Self = table.try_into().map_err(|e: toml::de::Error| fault(&e))?;
        config.found_from(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }
}

/// What may be different when a training goes on.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Epochs in all.
    pub epochs: Option<u64>,
    /// Where the sets learned from are now, all of them in their order; empty where they stayed.
    pub data: Vec<Moved>,
    /// Where the people measured on are now.
    pub validation: Option<Moved>,
}

impl Changes {
    pub(super) fn apply(&self, config: &mut TrainConfig) -> Result<()> {
        config.epochs = self.epochs.unwrap_or(config.epochs);
        let fault = |reason: &str| Err(Error::Invalid(format!("this training {reason}")));
        if !self.data.is_empty() {
            let (given, has) = (self.data.len(), config.data.len());
            if given != has {
                return fault(&format!(
                    "learns from {has} sets, not {given}: name all of them in their order"
                ));
            }
            for (moved, data) in self.data.iter().zip(&mut config.data) {
                moved.apply(data)?;
            }
        }
        match (&self.validation, &mut config.validation) {
            (None, _) => {}
            (Some(moved), Some(data)) => moved.apply(data)?,
            (Some(_), None) => return fault("measures on nothing"),
        }
        let sets = config.data.iter().chain(&config.validation);
        match sets.map(|d| &d.annotations).find(|path| !path.exists()) {
            None => Ok(()),
            Some(path) => Err(Error::data(
                path,
                "is not there any more; say where the labels are now (--annotations, \
                 --val-annotations)",
            )),
        }
    }
}

/// Replaces what `given` names, table by table.
fn merge(table: &mut toml::Table, given: toml::Table) {
    for (key, value) in given {
        match (table.get_mut(&key), value) {
            // A drawn number is another table for every kind of draw.
            (Some(toml::Value::Table(old)), toml::Value::Table(new))
                if !new.contains_key("kind") =>
            {
                merge(old, new);
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

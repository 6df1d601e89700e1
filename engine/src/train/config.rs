//! Options of a training run as a file: [`TrainConfig`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::features::FeatureCacheConfig;
use super::loss::{LossConfig, LossSpec, loss};
use super::optim::OptimConfig;
use super::orientation::resolve_open;
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
use crate::words::counted;

/// Source of the initial weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialWeights {
    /// The weights bundled with the program.
    Bundled,
    /// Backbone from the bundled weights of the related model, random initialisation of the rest.
    Backbone,
    /// Random initialisation from the seed.
    Scratch,
    /// A safetensors file.
    File(PathBuf),
}

/// Part of the network whose weights are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// Everything before the head (see [`crate::model::ModelSpec::head`]).
    Backbone,
    /// Everything before the last blocks (see [`crate::model::ModelSpec::last_blocks`]).
    #[serde(rename = "early-blocks")]
    EarlyBlocks,
    /// All parameters are trainable.
    None,
}

/// One data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Labels: a file or a folder in any known format.
    pub annotations: PathBuf,
    /// Folder of the images; by default `images` next to the labels, else the folder of the labels.
    pub images: Option<PathBuf>,
    /// Name of an entry of `DATASETS`; detected by default.
    pub format: Option<String>,
    /// Name or id of the category to read, where a file has several.
    pub category: Option<String>,
    /// Whether labels refer to the EXIF-rotated or the stored image.
    #[serde(default)]
    pub orientation: Orientation,
    /// Selection and weight of its people.
    #[serde(default)]
    pub people: SetOptions,
}

impl DataConfig {
    /// Creates a data set of these labels with images in `images` and default options.
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

    /// Returns the format of the labels.
    ///
    /// # Errors
    /// When the format is unknown.
    pub(super) fn spec(&self) -> Result<&'static DatasetSpec> {
        match &self.format {
            None => guess_format(&self.annotations),
            Some(name) => format(name)
                .ok_or_else(|| Error::Invalid(format!("no data set format is called '{name}'"))),
        }
    }

    /// Reads the labels of the given split.
    ///
    /// # Errors
    /// When the format is unknown or the labels are invalid.
    pub fn load(&self, split: Split) -> Result<Dataset> {
        let images = self.folder();
        let mut dataset = self.spec()?.load(&self.request(&images, split))?;
        dataset.require_pictures(&images)?;
        if let Some(note) = resolve_open(&mut dataset)? {
            tracing::warn!("{}: {note}", self.annotations.display());
            dataset.notes.push(note);
        }
        Ok(dataset)
    }

    /// Returns the folder of the images.
    pub(super) fn folder(&self) -> PathBuf {
        let images = self.images.clone();
        images.unwrap_or_else(|| usual_images(&self.annotations))
    }

    /// Returns the request to read it with images in `images`.
    pub(super) fn request<'a>(&'a self, images: &'a Path, split: Split) -> Request<'a> {
        Request {
            category: self.category.as_deref(),
            orientation: self.orientation,
            ..Request::new(&self.annotations, images, split)
        }
    }

    /// Returns a short name without the path.
    pub(super) fn name(&self) -> String {
        let name = self.annotations.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Returns the SHA-256 of the label file, whether given directly or by its folder.
    pub(super) fn digest(&self) -> Result<String> {
        sha256_of_file(&(self.spec()?.file)(&self.annotations))
    }
}

/// New location of labels and images that were moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelocatedData {
    /// Labels: a file or a folder.
    pub annotations: PathBuf,
    /// Folder of the images; searched next to the labels if not given.
    pub images: Option<PathBuf>,
}

impl RelocatedData {
    /// Replaces the paths of `data`.
    fn apply(&self, data: &mut DataConfig) -> Result<()> {
        data.annotations.clone_from(&self.annotations);
        data.images.clone_from(&self.images);
        data.paths_mut().try_for_each(absolute)
    }
}

/// Makes a path absolute: a run may be resumed from another working directory.
fn absolute(path: &mut PathBuf) -> Result<()> {
    *path = std::path::absolute(&*path).map_err(Error::io("find", path))?;
    Ok(())
}

/// Options of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of an entry of `MODELS`.
    pub model: String,
    /// Width and height of inputs in pixels; by default those of the model's card. Multiples of the
    /// model's stride unit: 32, MCA 64, ssa-vgg-6 8.
    pub input_size: Option<[usize; 2]>,
    /// Source of the initial weights.
    pub init: InitialWeights,
    /// Part of the network whose weights are frozen.
    pub freeze: Freeze,
    /// Whether batch norms keep their running statistics.
    pub fixed_norms: bool,
    /// Learning-rate multiplier, 0 to 1, for the part that [`Freeze::Backbone`] would freeze.
    #[serde(default = "one")]
    pub backbone_rate: f64,
    /// Number of epochs.
    pub epochs: u64,
    /// People per step.
    pub batch_size: usize,
    /// People per forward and backward pass (gradient accumulation), which determines memory use; 0
    /// for the whole batch. Batch norms that are not fixed compute statistics over this many.
    pub micro_batch: usize,
    /// Seed of random initialisation, order, augmentation and dropout.
    pub seed: u32,
    /// Decay of the exponential moving average of the weights, which is what is deployed: 0.999
    /// averages over about a thousand steps; 0 turns averaging off.
    pub average: f64,
    /// Fraction of a batch's inputs, 0 to below 1, that show a random part of an image without
    /// people. Such images are those of the data sets without annotations.
    #[serde(default)]
    pub empty_share: f64,
    /// Fraction of the training during which the target Gaussians narrow from `target.wide_sigma`;
    /// 0 turns this off.
    pub narrow_share: f64,
    /// Steps between two saves within an epoch; 0 for none. Each save costs one forward pass of the
    /// batch, to verify that the weights are usable.
    pub save_steps: u64,
    /// Number of threads that prepare batches.
    pub workers: usize,
    /// Number of batches prepared ahead.
    pub prefetch: usize,
    /// Loss to minimise.
    pub loss: LossConfig,
    /// Optimizer options.
    pub optimizer: OptimConfig,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Encoding of the targets.
    pub target: TargetSpec,
    /// Augmentation of samples.
    pub augment: Augment,
    /// Keeps the features of a frozen backbone on disk, so that they are computed once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_cache: Option<FeatureCacheConfig>,
    /// Training data sets.
    pub data: Vec<DataConfig>,
    /// Validation data set, evaluated after every epoch.
    pub validation: Option<DataConfig>,
    /// Parts of the validation set whose PCK is measured on its own as well: the names of the clips
    /// that each consists of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub validation_parts: BTreeMap<String, Vec<String>>,
}

fn one() -> f64 {
    1.0
}

fn fault(what: &str) -> Result<()> {
    Err(Error::Invalid(format!("training: {what}")))
}

/// Rows of the tables that the names in a [`TrainConfig`] refer to.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// The row of `MODELS`.
    pub model: &'static ModelSpec,
    /// The row of `LOSSES`.
    pub loss: &'static LossSpec,
}

impl TrainConfig {
    /// Validates all options that do not depend on data, and returns what their names refer to.
    ///
    /// # Errors
    /// For the first invalid option, with its name.
    pub fn check(&self) -> Result<Named> {
        let named = Named {
            loss: loss(&self.loss.name)?,
            model: model(&self.model)?,
        };
        self.check_numbers()?;
        self.check_start(named.model)?;
        self.check_target(named.model)?;
        if self.data.is_empty() {
            fault("no data: give --annotations, or [[data]] in the file")?;
        }
        Ok(named)
    }

    fn check_numbers(&self) -> Result<()> {
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
                return fault(&format!("{name} is {value}; it must lie in 1 to {most}"));
            }
        }
        // Each is a column of the log.
        let is_bad = |name: &&String| name.contains([',', '\n', '"']);
        if let Some(name) = self.validation_parts.keys().find(is_bad) {
            return fault(&format!(
                "validation_parts: '{name}' has a comma, quote or line break"
            ));
        }
        if !(0.0..=1.0).contains(&self.backbone_rate) {
            return fault("backbone_rate must lie in 0 to 1");
        }
        if !(0.0..1.0).contains(&self.empty_share) {
            return fault("empty_share must be at least 0 and below 1");
        }
        if !(0.0..1.0).contains(&self.average) || !(0.0..=1.0).contains(&self.narrow_share) {
            return fault(
                "average must be at least 0 and below 1, narrow_share must lie in 0 to 1",
            );
        }
        Ok(())
    }

    /// Checks input size, initial weights and frozen part.
    fn check_start(&self, spec: &ModelSpec) -> Result<()> {
        let unit = spec.unit;
        if let Some([width, height]) = self.input_size
            && (width == 0 || height == 0 || width % unit != 0 || height % unit != 0)
        {
            return fault(&format!("the sides of input_size are multiples of {unit}"));
        }
        if self.init == InitialWeights::Bundled && spec.bundled.is_none() {
            let other = spec.backbone_from.map_or("", |_| ", backbone");
            return fault(&format!(
                "{} has no bundled weights: init is scratch{other} or a file",
                self.model
            ));
        }
        if self.freeze != Freeze::None && !self.fixed_norms {
            // Its statistics would be the batch's in training and the old ones in inference.
            return fault("a frozen backbone keeps its statistics: set fixed_norms = true");
        }
        if let Some(cache) = self.feature_cache {
            if self.freeze != Freeze::Backbone {
                return fault("feature_cache needs freeze = \"backbone\"");
            }
            if !(1..=1000).contains(&cache.variants) {
                return fault("feature_cache.variants must lie in 1 to 1000");
            }
        }
        if self.freeze != Freeze::None && self.init == InitialWeights::Scratch {
            return fault(
                "a frozen backbone with random weights would learn nothing: freeze = \"none\"",
            );
        }
        Ok(())
    }

    fn check_target(&self, spec: &ModelSpec) -> Result<()> {
        if self.target.approach()? != spec.approach {
            let Self { model, target, .. } = self;
            return fault(&format!(
                "target.codec '{}' does not match the outputs of {model}; start from one of its \
                 recipes",
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
        Ok(())
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let first = match &mut self.init {
            InitialWeights::File(path) => Some(path),
            InitialWeights::Bundled | InitialWeights::Backbone | InitialWeights::Scratch => None,
        };
        let sets = self.data.iter_mut().chain(&mut self.validation);
        first
            .into_iter()
            .chain(sets.flat_map(DataConfig::paths_mut))
    }

    /// Makes paths absolute.
    ///
    /// # Errors
    /// When the working directory no longer exists.
    pub fn make_absolute(&mut self) -> Result<()> {
        self.paths_mut().try_for_each(absolute)
    }

    /// Returns a copy with paths relative to `folder`, to be stored there.
    #[must_use]
    pub(super) fn seen_from(&self, folder: &Path) -> Self {
        let mut seen = self.clone();
        seen.paths_mut()
            .for_each(|path| *path = paths::seen_from(folder, path));
        seen
    }

    /// Makes paths relative to `folder` absolute.
    pub(super) fn found_from(&mut self, folder: &Path) {
        self.paths_mut()
            .for_each(|path| *path = paths::found_from(folder, path));
    }

    /// Returns the input size; `card` is the default of the model.
    pub fn input(&self, card: Size) -> Size {
        self.input_size.map_or(card, |[w, h]| Size::new(w, h))
    }

    /// Returns a copy overridden by a TOML file, whose paths are relative to its folder.
    ///
    /// # Errors
    /// Names the file and the invalid option.
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
        // The complete error: its message alone does not name the option.
        let mut config: Self = table.try_into().map_err(|e: toml::de::Error| fault(&e))?;
        config.found_from(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }
}

/// Options that may change when a run is resumed.
#[derive(Debug, Clone, Default)]
pub struct ResumeOptions {
    /// Total number of epochs.
    pub epochs: Option<u64>,
    /// New locations of all training sets in order; empty if they were not moved.
    pub data: Vec<RelocatedData>,
    /// New location of the validation set.
    pub validation: Option<RelocatedData>,
}

impl ResumeOptions {
    pub(super) fn apply(&self, config: &mut TrainConfig) -> Result<()> {
        config.epochs = self.epochs.unwrap_or(config.epochs);
        let fault = |reason: &str| Err(Error::Invalid(format!("this training {reason}")));
        if !self.data.is_empty() {
            let (given, has) = (self.data.len(), config.data.len());
            if given != has {
                return fault(&format!(
                    "has {}, not {given}: give all of them in their order",
                    counted(has, "data set")
                ));
            }
            for (moved, data) in self.data.iter().zip(&mut config.data) {
                moved.apply(data)?;
            }
        }
        match (&self.validation, &mut config.validation) {
            (None, _) => {}
            (Some(moved), Some(data)) => moved.apply(data)?,
            (Some(_), None) => return fault("has no validation set"),
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

/// Overrides `table` by `given`, table by table.
fn merge(table: &mut toml::Table, given: toml::Table) {
    for (key, value) in given {
        match (table.get_mut(&key), value) {
            // A random distribution has different fields for each kind.
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

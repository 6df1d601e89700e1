//! A run: its folder in the project, from the plan to the configuration of its training.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::RunLock;
use super::options::{Effort, FinetuneOptions, Part, SetPaths};
use super::plan::{Plan, Use};
use super::predict::Predictor;
use super::sets::{self, SetCount, Writer};
use crate::concurrency::StopFlag;
use crate::disk::replace;
use crate::error::{Error, Result};
use crate::estimator::NetworkOptions;
use crate::model::model;
use crate::project::{Contents, Version, check_version};
use crate::train::{Hardware, InitialWeights, TrainConfig};
use crate::words::counted;

/// Folder of the runs in a project.
pub(super) const RUNS: &str = "runs";
/// Description of a run in its folder.
pub(super) const FILE: &str = "run.toml";
/// End of the name, which begins with a dot, of the folder of a run that is being removed.
pub(super) const REMOVED: &str = ".removed";
/// Version of the format of [`FILE`].
const VERSION: u32 = 1;

/// Contents of `run.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    version: u32,
    /// Name of the model.
    pub model: String,
    /// The part that is trained.
    pub part: Part,
    /// How long is trained.
    pub effort: Effort,
    /// Share of the inputs that are replayed.
    pub replay: f64,
    /// Version that the training begins with; 0 for the bundled weights,
    /// absent for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// What it is trained on, for display.
    pub data: String,
    /// What it is measured with, for display.
    pub holdout: String,
    /// Remarks on what is left out, one line each.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Sizes of the sets by their names.
    pub sets: BTreeMap<String, SetCount>,
}

impl RunFile {
    /// Reads the description of the run in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is damaged or of a newer version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = "there is no such run of a project: it has no run.toml";
                return Err(Error::data(folder, reason));
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        check_version(&path, &text)?;
        toml::from_str(&text).map_err(|e| {
            let what = e.message().to_owned();
            Error::data(&path, format!("not the description of a run: {what}"))
        })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = toml::to_string(self);
        let text = text.map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
        replace(&path, text.as_bytes())
    }
}

/// A run that is ready to be trained.
#[derive(Debug)]
pub struct Prepared {
    /// Its name.
    pub name: String,
    /// Its folder, in which a [`crate::train::Trainer`] trains.
    pub folder: PathBuf,
    /// Options of the training.
    pub config: TrainConfig,
    /// Its description.
    pub file: RunFile,
    /// To be kept until the run has been trained and measured.
    pub lock: RunLock,
}

/// Chooses the frames of a run, writes their images and labels, and lets the old network label the
/// replayed ones. `progress` receives the number of written frames and of all.
///
/// # Errors
/// When there is nothing to train on or to measure with, a clip with labelled frames is not there,
/// the initial weights cannot be used, the run exists already, the disk is full, or a stop is
/// requested. A folder that was created is removed then.
pub fn prepare(
    contents: &Contents,
    options: &FinetuneOptions,
    hardware: Hardware,
    progress: &mut dyn FnMut(usize, usize),
    stop: &StopFlag,
) -> Result<Prepared> {
    options.check()?;
    let plan = Plan::of(contents, options)?;
    // Before anything is written.
    for clip in plan.labelled_clips(contents) {
        clip.open(contents.folder())?;
    }
    let (init, parent) = initial(contents, options)?;
    let spec = model(&contents.file().model)?;
    if init == InitialWeights::Bundled && spec.bundled.is_none() {
        return Err(Error::Invalid(format!(
            "{} has no bundled weights to begin with: give a file with --init",
            spec.name
        )));
    }
    let network = NetworkOptions {
        model: spec,
        weights: match &init {
            InitialWeights::File(path) => Some(path.clone()),
            _ => None,
        },
        device: hardware.device,
        codec: None,
        threads: hardware.threads,
    };
    let mut predictor = Predictor::load(&network, contents.labels().skeleton())?;
    let (name, folder) = create(contents.folder(), options.name.as_deref())?;
    let lock = RunLock::take(&folder)?;
    let mut fill = || {
        let mut writer = Writer::new(&folder, contents, &mut predictor);
        writer.write(&plan, progress, stop)?;
        let mut remarks = plan.remarks.clone();
        remarks.append(&mut writer.remarks);
        let counts = writer.finish(&folder)?;
        let people = |what: Use| counts.get(what.name()).map_or(0, |count| count.people);
        let files = Use::ALL.map(|what| sets::labels(&folder, what));
        let [train, holdout, replay, _] = &files;
        let n_replay = people(Use::Replay);
        let paths = SetPaths {
            images: &sets::images(&folder),
            train: (train, people(Use::Train)),
            replay: (n_replay > 0).then_some((replay, n_replay)),
            holdout,
        };
        let mut config = options.config(spec.name, init.clone(), &paths)?;
        config.validation_parts = plan.rounds(contents);
        let described = |what: Use| {
            let count = counts.get(what.name())?;
            let (people, frames) = (
                counted(count.people, "person"),
                counted(count.frames, "frame"),
            );
            Some(format!("{people} in {frames}"))
        };
        let file = RunFile {
            version: VERSION,
            model: spec.name.to_owned(),
            part: options.part,
            effort: options.effort,
            replay: options.replay,
            parent,
            data: format!(
                "{} of the project, {} replayed",
                described(Use::Train).unwrap_or_default(),
                counted(n_replay, "prediction")
            ),
            holdout: described(Use::HoldOut).unwrap_or_default(),
            remarks,
            sets: counts,
        };
        file.write(&folder)?;
        Ok((config, file))
    };
    match fill() {
        Ok((config, file)) => Ok(Prepared {
            name,
            folder,
            config,
            file,
            lock,
        }),
        Err(error) => {
            // Some systems do not remove files that are open.
            drop(lock);
            fs::remove_dir_all(&folder).ok();
            Err(error)
        }
    }
}

/// Returns the initial weights with their version.
fn initial(
    contents: &Contents,
    options: &FinetuneOptions,
) -> Result<(InitialWeights, Option<u32>)> {
    Ok(match &options.init {
        Some(InitialWeights::Bundled) => (InitialWeights::Bundled, Some(0)),
        Some(file) => (file.clone(), None),
        None => match Version::current(contents.folder())? {
            Some(version) => {
                let number = version.file.number;
                (InitialWeights::File(version.weights), Some(number))
            }
            None => (InitialWeights::Bundled, Some(0)),
        },
    })
}

/// Creates the folder of a new run.
fn create(project: &Path, name: Option<&str>) -> Result<(String, PathBuf)> {
    let runs = project.join(RUNS);
    fs::create_dir_all(&runs).map_err(Error::io("create", &runs))?;
    sweep(project);
    // A version names its run, also when that has been removed.
    let (versions, _) = Version::all(project)?;
    let accepted = || versions.iter().map(|version| version.file.run.as_str());
    let name = if let Some(name) = name {
        if accepted().any(|accepted| accepted == name) && !runs.join(name).exists() {
            let reason = format!(
                "a version was made of a run called {name}, which has been removed; give the new \
                 run another name"
            );
            return Err(Error::data(project, reason));
        }
        name.to_owned()
    } else {
        let entries = fs::read_dir(&runs).map_err(Error::io("read", &runs))?;
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let numbers = entries
            .filter_map(std::result::Result::ok)
            .filter_map(number)
            .chain(accepted().filter_map(|name| name.parse().ok()));
        numbers.max().unwrap_or(0).saturating_add(1).to_string()
    };
    let folder = runs.join(&name);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let reason = "is there already; resume it, or give the run another name";
            Err(Error::data(&folder, reason))
        }
        other => other
            .map_err(Error::io("create", &folder))
            .map(|()| (name, folder)),
    }
}

/// Removes what a removal left that was killed.
pub(super) fn sweep(project: &Path) {
    let Ok(entries) = fs::read_dir(project.join(RUNS)) else {
        return;
    };
    for entry in entries.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_left = name.starts_with('.') && name.ends_with(REMOVED);
        if is_left && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!("{} stays: {error}", entry.path().display());
        }
    }
}

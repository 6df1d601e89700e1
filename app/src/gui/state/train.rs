//! The user's choices for the next training, saved with the other settings.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use poselens_engine::Result;
use poselens_engine::model::{self, MODELS};
use poselens_engine::record::stamp;
use poselens_engine::train::recipe::{RECIPES, recipe};
use poselens_engine::train::{DataConfig, InitialWeights, TrainConfig};
use serde::{Deserialize, Deserializer, Serialize};

/// Maximum number of remembered trainings outside the usual folder.
const N_REMEMBERED: usize = 12;

/// Role of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Training data.
    Learn,
    /// Validation data, never trained on.
    HeldOut,
}

/// Weights trained in this program, offered as a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// Name as made by [`crate::gui::trained::join`].
    pub name: String,
    /// One-line description.
    pub help: String,
}

/// The user's choices for trainings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainPlan {
    /// Name of the row of `RECIPES` that the options come from.
    pub recipe: String,
    /// Output folder of the next training; `None` creates a new one in the usual place.
    pub out: Option<PathBuf>,
    /// Number of training threads; 0 leaves one core to the rest of the program.
    pub threads: usize,
    /// Whether the loss is drawn on a logarithmic scale.
    pub is_log_scale: bool,
    /// Folder of the training that has started but not ended: if the program was closed or crashed
    /// meanwhile, the view offers to resume it.
    pub at_work: Option<PathBuf>,
    /// Folders of trainings outside the usual folder, newest first.
    pub elsewhere: Vec<PathBuf>,
    /// Trained weights added to the list of models.
    pub trained: Vec<Trained>,
    /// Options of the engine; `None` until the view is first opened.
    #[serde(deserialize_with = "lenient")]
    pub config: Option<TrainConfig>,
}

/// Discards options of another version without losing the other settings.
fn lenient<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<TrainConfig>, D::Error> {
    let table = Option::<toml::Table>::deserialize(from)?;
    Ok(table.and_then(|table| {
        let config = table.try_into();
        config
            .inspect_err(|e| {
                tracing::warn!("the training's options are not those of this version: {e}");
            })
            .ok()
    }))
}

impl TrainPlan {
    /// Fills in options that were never set.
    ///
    /// # Errors
    /// If a built-in recipe is invalid, which is a bug in this build.
    pub fn prepare(&mut self) -> Result<()> {
        if self.config.is_none() {
            self.take_recipe(MODELS[0].name, RECIPES[0].name)?;
        }
        Ok(())
    }

    /// Takes the options of a recipe; data, seed and threads are kept.
    ///
    /// # Errors
    /// If there is no such model or recipe.
    pub fn take_recipe(&mut self, model: &str, name: &str) -> Result<()> {
        let mut config = recipe(model, name)?;
        if let Some(old) = self.config.take() {
            config.data = old.data;
            config.validation = old.validation;
            config.seed = old.seed;
            if let InitialWeights::File(path) = old.init
                && old.model == model
                && config.init == InitialWeights::Bundled
            {
                config.init = InitialWeights::File(path);
            }
        }
        name.clone_into(&mut self.recipe);
        self.config = Some(config);
        Ok(())
    }

    /// Returns the recipes for `model`: our own and the published one.
    pub fn recipes(model: &str) -> Vec<&'static str> {
        let published = model::model(model).map(|spec| spec.recipe).ok();
        let own = RECIPES.first().map(|r| r.name);
        own.into_iter().chain(published).collect()
    }

    /// Returns the data set of a role.
    pub fn data(&self, role: Role) -> Option<&DataConfig> {
        let config = self.config.as_ref()?;
        match role {
            Role::Learn => config.data.first(),
            Role::HeldOut => config.validation.as_ref(),
        }
    }

    /// Returns the chosen output folder, or a new one in `usual`.
    pub fn folder(&self, usual: &Path) -> PathBuf {
        let model = self.config.as_ref().map_or("network", |c| &c.model);
        let name = || format!("{model}_{}", stamp(SystemTime::now()));
        self.out.clone().unwrap_or_else(|| usual.join(name()))
    }

    /// Returns the number of training threads on this machine.
    pub fn n_threads(&self) -> usize {
        let cores = n_cores();
        match self.threads {
            0 => cores.saturating_sub(1).max(1),
            n => n.min(cores),
        }
    }

    /// Remembers a training outside `usual`.
    pub fn remember(&mut self, folder: &Path, usual: &Path) {
        if folder.parent() != Some(usual) {
            self.elsewhere.retain(|f| f != folder);
            self.elsewhere.insert(0, folder.to_owned());
            self.elsewhere.truncate(N_REMEMBERED);
        }
    }
}

/// Sets the data of a role; an empty label path removes it.
pub fn set_data(config: &mut TrainConfig, role: Role, data: Option<DataConfig>) {
    let data = data.filter(|d| !d.annotations.as_os_str().is_empty());
    match role {
        Role::Learn => config.data = data.into_iter().collect(),
        Role::HeldOut => config.validation = data,
    }
}

/// Returns the number of steps of a training on this many people.
pub fn n_steps(config: &TrainConfig, people: usize) -> u64 {
    let weight = config.data.first().map_or(1.0, |data| data.people.weight);
    let inputs = (people as f64 * weight).round() as u64;
    // An incomplete batch is carried over to the next epoch; fewer people than a batch form one.
    config.epochs * (inputs / config.batch_size.max(1) as u64).max(1)
}

/// Returns the number of cores of this machine.
pub fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when options of another version discard the other settings, or options of this version
    /// are lost.
    #[test]
    fn only_options_of_another_version_are_discarded() {
        let mut plan = TrainPlan {
            threads: 3,
            ..TrainPlan::default()
        };
        plan.prepare().unwrap();
        let text = toml::to_string(&plan).unwrap();
        assert_eq!(toml::from_str::<TrainPlan>(&text).unwrap(), plan);
        let other = text.replace("batch_size", "size_of_batches");
        let read: TrainPlan = toml::from_str(&other).unwrap();
        assert_eq!((read.threads, read.config), (3, None));
    }

    /// Fails when choosing another recipe discards the chosen data, or keeps the old
    /// hyperparameters.
    #[test]
    fn another_recipe_keeps_the_data() {
        let mut plan = TrainPlan::default();
        plan.prepare().unwrap();
        let config = plan.config.as_mut().unwrap();
        config.seed = 7;
        set_data(
            config,
            Role::Learn,
            Some(DataConfig::new("a.json".into(), None)),
        );
        set_data(
            config,
            Role::HeldOut,
            Some(DataConfig::new("".into(), None)),
        );
        plan.take_recipe("tp-r-a4", "transpose")
            .unwrap_or_else(|_| {
                let model = MODELS.iter().find(|m| m.name.starts_with("tp-")).unwrap();
                plan.take_recipe(model.name, "transpose").unwrap();
            });
        let config = plan.config.as_ref().unwrap();
        assert_eq!((config.seed, config.epochs), (7, 230));
        assert_eq!(
            plan.data(Role::Learn).unwrap().annotations,
            Path::new("a.json")
        );
        assert!(plan.data(Role::HeldOut).is_none());
        assert_eq!(TrainPlan::recipes("sfm"), ["fine-tune", "sfm"]);
    }
}

//! What the user has chosen for the next training: saved with the window's other choices.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use poselens_engine::Result;
use poselens_engine::model::{self, MODELS};
use poselens_engine::record::stamp;
use poselens_engine::train::recipe::{RECIPES, recipe};
use poselens_engine::train::{DataConfig, Start, TrainConfig};
use serde::{Deserialize, Deserializer, Serialize};

/// Trainings remembered that lie elsewhere than usual.
const N_REMEMBERED: usize = 12;

/// What people are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Learned from.
    Learn,
    /// Measured on, never learned from.
    HeldOut,
}

/// Weights that were trained here and are offered as a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// As [`crate::gui::trained::join`] makes it.
    pub name: String,
    /// One line about them.
    pub help: String,
}

/// The user's choices for trainings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainPlan {
    /// Row of `RECIPES` that the options come from.
    pub recipe: String,
    /// Folder of the next training; `None` makes a new one in the usual place.
    pub out: Option<PathBuf>,
    /// Threads of the training; 0 leaves one core to the rest of the program.
    pub threads: usize,
    /// The loss is drawn on a logarithmic scale.
    pub is_log_scale: bool,
    /// Folder of the training that has begun and not ended: after the program was closed
    /// meanwhile, or broke off, it is offered to go on.
    pub at_work: Option<PathBuf>,
    /// Folders of trainings that lie elsewhere than usual, newest first.
    pub elsewhere: Vec<PathBuf>,
    /// Weights taken over.
    pub trained: Vec<Trained>,
    /// The engine's own options; `None` until the view is opened for the first time.
    #[serde(deserialize_with = "lenient")]
    pub config: Option<TrainConfig>,
}

/// Options of another version are forgotten; the window's other choices are not lost with them.
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
    /// Fills in what was never chosen.
    ///
    /// # Errors
    /// When a recipe is broken (a fault of this build).
    pub fn prepare(&mut self) -> Result<()> {
        if self.config.is_none() {
            self.take_recipe(MODELS[0].name, RECIPES[0].name)?;
        }
        Ok(())
    }

    /// Takes the options of a recipe; data, seed and threads stay.
    ///
    /// # Errors
    /// When there is no such model or recipe.
    pub fn take_recipe(&mut self, model: &str, name: &str) -> Result<()> {
        let mut config = recipe(model, name)?;
        if let Some(old) = self.config.take() {
            config.data = old.data;
            config.validation = old.validation;
            config.seed = old.seed;
            if let Start::File(path) = old.init
                && old.model == model
                && config.init == Start::Bundled
            {
                config.init = Start::File(path);
            }
        }
        name.clone_into(&mut self.recipe);
        self.config = Some(config);
        Ok(())
    }

    /// The recipes that suit `model`: our own and the published one.
    pub fn recipes(model: &str) -> Vec<&'static str> {
        let published = model::model(model).map(|spec| spec.recipe).ok();
        let own = RECIPES.first().map(|r| r.name);
        own.into_iter().chain(published).collect()
    }

    /// The data of a role.
    pub fn data(&self, role: Role) -> Option<&DataConfig> {
        let config = self.config.as_ref()?;
        match role {
            Role::Learn => config.data.first(),
            Role::HeldOut => config.validation.as_ref(),
        }
    }

    /// The plan's own folder, or a new one in `usual`.
    pub fn folder(&self, usual: &Path) -> PathBuf {
        let model = self.config.as_ref().map_or("network", |c| &c.model);
        let name = || format!("{model}_{}", stamp(SystemTime::now()));
        self.out.clone().unwrap_or_else(|| usual.join(name()))
    }

    /// Threads to train with on this machine.
    pub fn n_threads(&self) -> usize {
        let cores = n_cores();
        match self.threads {
            0 => cores.saturating_sub(1).max(1),
            n => n.min(cores),
        }
    }

    /// Remembers a training that does not lie in `usual`.
    pub fn remember(&mut self, folder: &Path, usual: &Path) {
        if folder.parent() != Some(usual) {
            self.elsewhere.retain(|f| f != folder);
            self.elsewhere.insert(0, folder.to_owned());
            self.elsewhere.truncate(N_REMEMBERED);
        }
    }
}

/// Puts `data` in its place; empty labels empty it.
pub fn set_data(config: &mut TrainConfig, role: Role, data: Option<DataConfig>) {
    let data = data.filter(|d| !d.annotations.as_os_str().is_empty());
    match role {
        Role::Learn => config.data = data.into_iter().collect(),
        Role::HeldOut => config.validation = data,
    }
}

/// Cores of this machine.
pub fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when options of another version take the window's other choices along, or those of
    /// this one are forgotten.
    #[test]
    fn options_of_another_version_are_forgotten_alone() {
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

    /// Fails when another recipe loses the data chosen, or keeps the old numbers.
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

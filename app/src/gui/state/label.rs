//! The user's choices in the Label view, saved with the other settings.

use std::collections::BTreeMap;
use std::path::Path;

use poselens_engine::finetune::{Effort, FinetuneOptions, Part};
use serde::{Deserialize, Serialize};

use crate::gui::titles::folder_name;

/// Maximum number of recent projects.
const N_RECENT: usize = 6;

/// Frames in the list of the Label view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listed {
    /// Suggested frames.
    #[default]
    Suggested,
    /// Frames with people that are not confirmed.
    Proposed,
    /// Frames with confirmed people.
    Confirmed,
}

impl Listed {
    /// All variants, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::Suggested, Self::Proposed, Self::Confirmed];

    /// Returns the label of the switch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suggested => "Suggested",
            Self::Proposed => "Proposed",
            Self::Confirmed => "Confirmed",
        }
    }

    /// Returns the tooltip.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Suggested => "Frames worth labelling, with the reason",
            Self::Proposed => "Frames with people that are not confirmed yet",
            Self::Confirmed => "Frames with confirmed people: only these are labels",
        }
    }
}

/// Options of the next training on a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FinetuneChoices {
    /// The part of the network that is trained.
    pub part: Part,
    /// How long is trained.
    pub effort: Effort,
    /// Share of the inputs that are replayed, 0 to 0.9.
    pub replay: f64,
    /// Number of epochs instead of the one that follows from the effort.
    pub epochs: Option<u64>,
    /// People per step.
    pub batch_size: Option<usize>,
    /// Learning rate.
    pub lr: Option<f64>,
}

impl Default for FinetuneChoices {
    fn default() -> Self {
        let FinetuneOptions {
            part,
            effort,
            replay,
            epochs,
            batch_size,
            lr,
            ..
        } = FinetuneOptions::default();
        Self {
            part,
            effort,
            replay,
            epochs,
            batch_size,
            lr,
        }
    }
}

impl FinetuneChoices {
    /// Returns the options of a training.
    pub fn options(&self) -> FinetuneOptions {
        FinetuneOptions {
            part: self.part,
            effort: self.effort,
            replay: self.replay,
            epochs: self.epochs,
            batch_size: self.batch_size,
            lr: self.lr,
            ..FinetuneOptions::default()
        }
    }
}

/// The user's choices in the Label view.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelChoices {
    /// Folders of recent projects, newest first.
    pub recent: Vec<String>,
    /// Names of those that are not called like their folders.
    pub names: BTreeMap<String, String>,
    /// Frames in the list.
    pub listed: Listed,
    /// Options of the next training.
    pub finetune: FinetuneChoices,
}

impl LabelChoices {
    /// Adds a project to the recent ones as the newest, with its name if it is not that of the folder.
    pub fn remember(&mut self, folder: String, name: Option<String>) {
        match name {
            Some(name) => self.names.insert(folder.clone(), name),
            None => self.names.remove(&folder),
        };
        self.recent.retain(|known| *known != folder);
        self.recent.insert(0, folder);
        self.recent.truncate(N_RECENT);
        self.names.retain(|folder, _| self.recent.contains(folder));
    }

    /// Returns what the recent project in `folder` is called.
    pub fn recent_name(&self, folder: &str) -> String {
        let name = self.names.get(folder).cloned();
        name.unwrap_or_else(|| folder_name(Path::new(folder)))
    }

    /// Clears the list of recent projects.
    pub fn forget_recent(&mut self) {
        self.recent.clear();
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a renamed project is listed by the name of its folder, or names are kept of projects
    /// that are not listed.
    #[test]
    fn recent_projects_have_their_names() {
        let mut choices = LabelChoices::default();
        choices.remember("/labels/a".to_owned(), Some("Anna".to_owned()));
        choices.remember("/labels/b".to_owned(), None);
        assert_eq!(choices.recent, ["/labels/b", "/labels/a"]);
        let names = |choices: &LabelChoices| -> Vec<String> {
            let recent = choices.recent.iter();
            recent.map(|folder| choices.recent_name(folder)).collect()
        };
        assert_eq!(names(&choices), ["b", "Anna"]);
        choices.remember("/labels/a".to_owned(), None);
        assert_eq!(names(&choices), ["a", "b"]);
        choices.remember("/labels/a".to_owned(), Some("Anna".to_owned()));
        for i in 0..N_RECENT {
            choices.remember(format!("/labels/{i}"), None);
        }
        assert!(choices.names.is_empty(), "it is not listed any more");
    }
}

//! The user's choices in the Label view, saved with the other settings.

use poselens_engine::finetune::{Effort, FinetuneOptions, Part};
use serde::{Deserialize, Serialize};

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
    /// Frames in the list.
    pub listed: Listed,
    /// Options of the next training.
    pub finetune: FinetuneChoices,
}

impl LabelChoices {
    /// Adds a project to the recent ones as the newest.
    pub fn remember(&mut self, folder: String) {
        self.recent.retain(|known| *known != folder);
        self.recent.insert(0, folder);
        self.recent.truncate(N_RECENT);
    }
}

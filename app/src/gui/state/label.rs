//! The user's choices in the Label view, saved with the other settings.

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

/// The user's choices in the Label view.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelChoices {
    /// Folders of recent projects, newest first.
    pub recent: Vec<String>,
    /// Frames in the list.
    pub listed: Listed,
}

impl LabelChoices {
    /// Adds a project to the recent ones as the newest.
    pub fn remember(&mut self, folder: String) {
        self.recent.retain(|known| *known != folder);
        self.recent.insert(0, folder);
        self.recent.truncate(N_RECENT);
    }
}

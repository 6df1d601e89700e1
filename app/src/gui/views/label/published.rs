//! What the thread that owns the project tells the window: the shown frame and list rows, never all
//! labels.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use poselens_engine::project::{
    Clip, FrameKey, FrameLabels, ProjectFile, Reason, Role, Suggestion, Tally, Version,
};
use poselens_engine::skeleton::Skeleton;

use crate::gui::state::label::Listed;
use crate::gui::training::run::Run;
use crate::gui::ui_state::Level;
use crate::gui::views::label::finetune::review::Review;

/// The description of the open project.
#[derive(Debug)]
pub struct ProjectInfo {
    /// Folder of the project.
    pub folder: PathBuf,
    /// Contents of `project.toml`.
    pub file: ProjectFile,
    /// Skeleton of the labels.
    pub skeleton: &'static Skeleton,
    /// The version in use; `None` for the bundled weights.
    pub version: Option<Version>,
}

impl ProjectInfo {
    /// Returns what the project is called.
    pub fn title(&self) -> String {
        self.file.title(&self.folder)
    }

    /// Returns the clip of a frame.
    pub fn clip(&self, at: FrameKey) -> Option<&Clip> {
        self.file.clip(at.clip)
    }
}

/// A frame with its labels as they are on disk.
#[derive(Debug, Clone)]
pub struct LabelledFrame {
    /// The frame.
    pub at: FrameKey,
    /// Its labels.
    pub labels: FrameLabels,
    /// Whether it is held out.
    pub role: Role,
}

/// A row of the list of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The frame.
    pub at: FrameKey,
    /// Why it was suggested, if it was.
    pub suggestion: Option<Suggestion>,
    /// Whether it has confirmed people or was accepted without people.
    pub is_confirmed: bool,
    /// Whether it was accepted without people.
    pub is_without_people: bool,
    /// Whether it is held out.
    pub is_held_out: bool,
}

impl Row {
    /// Returns whether it was confirmed, for screen readers.
    pub const fn state(&self) -> &'static str {
        match (self.is_without_people, self.is_confirmed) {
            (true, _) => "confirmed, no people",
            (false, true) => "confirmed",
            (false, false) => "open",
        }
    }

    /// Returns the note at the end of the row.
    pub fn note(&self) -> String {
        let why = if self.is_held_out {
            "held out"
        } else {
            self.reason()
        };
        let nobody = self.is_without_people.then_some("no people");
        let parts = nobody.into_iter().chain(Some(why));
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(" · ")
    }

    /// Returns a short text for the reason.
    pub fn reason(&self) -> &'static str {
        match self.suggestion.map(|suggestion| suggestion.reason) {
            None => "",
            Some(Reason::ByHand) => "chosen by hand",
            Some(Reason::HoldOut | Reason::Random) => "at random",
            Some(Reason::Change) => "heatmaps change",
            Some(Reason::Peaks) => "several peaks",
            Some(Reason::Bones) => "unlikely bones",
            Some(Reason::Flip) => "sides swapped",
            Some(Reason::Different) => "unlike the others",
        }
    }
}

/// The visible part of the list.
#[derive(Debug, Clone, Default)]
pub struct ListPart {
    /// Kind of the listed frames.
    pub listed: Listed,
    /// Number of all listed frames.
    pub n_all: usize,
    /// Index of the first of `rows`.
    pub first: usize,
    /// Visible rows.
    pub rows: Vec<Row>,
    /// Index of the shown frame, if it is listed.
    pub shown: Option<usize>,
}

/// Returns `, 1 without people` for the frames accepted without people; empty if there are none.
pub(super) fn without_people(tally: Tally) -> String {
    match tally.without_people {
        0 => String::new(),
        n => format!(", {n} without people"),
    }
}

/// State of the open project.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its description.
    pub info: Arc<ProjectInfo>,
    /// The shown frame; `None` without clips.
    pub frame: Option<LabelledFrame>,
    /// Visible part of the list.
    pub list: ListPart,
    /// Counts over all frames.
    pub tally: Tally,
    /// Number of suggested frames that are confirmed.
    pub n_done: usize,
    /// Number of held-out frames.
    pub n_held_out: u64,
    /// How many edits can be undone and redone.
    pub depth: (usize, usize),
    /// Progress of the running search for frames.
    pub search: Option<Arc<SearchProgress>>,
    /// Progress of the running comparison with a model.
    pub comparing: Option<Arc<SearchProgress>>,
    /// What the last comparison with a model has found, in a sentence.
    pub comparison: Option<String>,
    /// What the page Train shows, while it is shown.
    pub review: Option<Arc<Review>>,
    /// Whether a person to add is being looked for.
    pub is_adding: bool,
    /// The clip that is being copied.
    pub copying: Option<ClipCopy>,
}

/// A clip that is being copied into the project.
#[derive(Debug, Clone)]
pub struct ClipCopy {
    /// Name of the clip.
    pub name: String,
    /// Number of bytes that were copied or compared, and of all.
    pub progress: Arc<SearchProgress>,
}

/// Progress of work that is counted, such as an examination of frames.
#[derive(Debug, Default)]
pub struct SearchProgress {
    examined: AtomicUsize,
    total: AtomicUsize,
}

impl SearchProgress {
    /// Sets the number of examined frames and of those to examine.
    pub(super) fn set(&self, examined: usize, total: usize) {
        self.examined.store(examined, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Returns the number of examined frames and of those to examine, 0 until it is known.
    pub fn get(&self) -> (usize, usize) {
        let examined = self.examined.load(Ordering::Relaxed);
        (examined, self.total.load(Ordering::Relaxed))
    }
}

/// News since the last call.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether `state` is news.
    pub is_changed: bool,
    /// The latest state; `None` if no project is open.
    pub state: Option<Box<Published>>,
    /// Messages for the user.
    pub messages: Vec<(Level, String)>,
    /// Messages about failures that are over.
    pub mended: Vec<String>,
    /// The person who was added last, with the frame.
    pub added: Option<(FrameKey, u64)>,
    /// Number of the last request that was answered.
    pub answered: u64,
    /// A training that was started, and its project.
    pub training: Option<(Run, Arc<ProjectInfo>)>,
    /// The version in use has changed.
    pub is_version_new: bool,
}

//! The view that teaches: labelled people become better weights, while the window goes on.
//!
//! A [`Plan`] is what the user has chosen; it holds the engine's own options. A [`check`] looks at
//! the data before anything is learned, a preview shows a batch as the network will get it. A
//! [`Run`] is a training at work and [`Story`] how it goes. At its end weights are taken over, or
//! not ([`Decision`]). Panels read [`Train`]; `App` runs [`TrainAction`]s.

mod bar;
pub mod check;
mod commands;
mod curves;
mod data;
mod dialogs;
mod earlier;
mod fields;
mod findings;
mod in_use;
mod news;
mod options;
mod outcome;
mod people;
mod plan;
pub mod run;
pub mod series;
mod stage;
pub mod story;
mod task;
pub mod trained;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, TextureHandle};
use poselens_engine::dataset::loader::Position;
use poselens_engine::train::data_check::{Report, Subject};
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{Preview, Start, TrainConfig};

use super::files::Waker;
use check::Check;
use run::Run;
use story::{Portraits, Story};
use task::Task;

pub use bar::bar_ui;
pub use data::data_ui;
pub use earlier::earlier_ui;
pub use options::{network_ui, options_ui};
pub use plan::{Plan, Trained};
pub use stage::stage_ui;

/// Why nothing begins beside an open question.
const UNDECIDED: &str = "decide first: use the new weights, or keep the old ones (page Progress)";

/// What people are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Learned from.
    Learn,
    /// Measured on, never learned from.
    HeldOut,
}

/// What a dialog asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A file of labels.
    Labels(Role),
    /// A folder with labels and pictures.
    Clip(Role),
    /// The folder of the pictures.
    Pictures(Role),
    /// A file of weights to start from.
    Weights,
    /// The folder of the next training.
    Out,
    /// A training on disk.
    Run,
}

/// What is on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// What is wrong with the data.
    Data,
    /// A batch as the network will get it.
    Preview,
    /// How the training goes.
    Progress,
}

/// What became of trained weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They are used; before, it was this network.
    Used(Option<String>),
    /// The old ones were kept.
    Kept,
}

/// What the user does in this view.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainAction {
    /// Choose these options.
    Configure(Box<TrainConfig>),
    /// Take this model with the options of this recipe.
    Recipe(String, String),
    /// Write into this folder; `None` makes a new one.
    Out(Option<PathBuf>),
    /// Train with so many threads.
    Threads(usize),
    /// Draw the loss on a logarithmic scale.
    LogScale(bool),
    /// Ask for a file or folder.
    Ask(Ask),
    /// It was answered, or dropped on the window.
    Answer(Ask, PathBuf),
    /// Look at this page.
    Show(Page),
    /// Check the data.
    Check,
    /// Show a batch; the next one where one is shown.
    Preview,
    /// Begin.
    Start,
    /// Wait, or go on.
    Pause,
    /// End; it can go on later.
    Stop,
    /// Look for trainings on disk.
    List,
    /// Show what a training on disk has learned.
    Open(PathBuf),
    /// Go on with the training in this folder; with a number, to so many epochs.
    Continue(PathBuf, Option<u64>),
    /// Do not offer the training that was interrupted any more.
    Forget,
    /// Use the weights learned.
    Use,
    /// Use the weights from before.
    KeepOld,
}

/// A batch on the graphics device.
pub struct Sheet {
    /// What it shows.
    pub preview: Preview,
    /// The options it was made with.
    pub config: TrainConfig,
    /// The picture.
    pub texture: TextureHandle,
}

/// Held-out people on the graphics device.
pub struct Faces {
    /// Whom they show.
    pub portraits: Arc<Portraits>,
    /// Labels and what was found, by person.
    pub textures: Vec<[TextureHandle; 2]>,
}

/// The state of the view and the handles of its threads.
pub struct Train {
    /// What is on the stage.
    pub page: Page,
    /// What was found out about the data.
    pub report: Option<Report>,
    /// Its lines.
    pub listed: findings::Listed,
    /// The check at work.
    pub check: Option<Check>,
    /// When the data will be checked by themselves.
    check_due: Option<Instant>,
    /// The batch shown.
    pub sheet: Option<Sheet>,
    /// A batch is being made, with these options.
    previewing: Option<(Task<Preview>, TrainConfig)>,
    /// Why there is none.
    pub preview_fault: Option<String>,
    /// The training at work, or the last one.
    pub run: Option<Run>,
    /// How it goes, or how one on disk went.
    pub story: Option<Story>,
    /// Version of the story shown.
    seen: u64,
    /// The first and the last faces, and those of the weights that are judged.
    pub faces: [Option<Faces>; 3],
    /// What became of its weights.
    pub decision: Option<Decision>,
    /// Trainings on disk; `None` while looking.
    pub earlier: Option<Vec<RunEntry>>,
    listing: Option<Task<Vec<RunEntry>>>,
    opening: Option<Task<Story>>,
    waker: Waker,
}

impl std::fmt::Debug for Train {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Train")
            .field("page", &self.page)
            .field("report", &self.report)
            .field("preview_fault", &self.preview_fault)
            .field("phase", &self.story.as_ref().map(|s| &s.phase))
            .field("log", &self.story.as_ref().map(|s| &s.log))
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}

impl Train {
    /// An empty view; no thread is started before there is something to do.
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            page: Page::Data,
            report: None,
            listed: findings::Listed::default(),
            check: None,
            check_due: None,
            sheet: None,
            previewing: None,
            preview_fault: None,
            run: None,
            story: None,
            seen: 0,
            faces: [None, None, None],
            decision: None,
            earlier: None,
            listing: None,
            opening: None,
            waker,
        }
    }

    /// Whether a training is at work or waits.
    pub fn is_active(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_over())
    }

    /// Whether a training on disk is being read.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Whether a batch is being made.
    pub fn is_previewing(&self) -> bool {
        self.previewing.is_some()
    }

    /// The report, if it is about these options.
    pub fn report_of(&self, config: &TrainConfig) -> Option<&Report> {
        let report = self.report.as_ref()?;
        (Subject::of(config).as_ref() == Some(&report.subject)).then_some(report)
    }

    /// Why no training can start; what to do about it.
    pub fn obstacle(&self, plan: &Plan) -> Option<String> {
        let Some(config) = &plan.config else {
            return Some("the options are not there yet".to_owned());
        };
        if self.is_active() {
            return Some("one training is running already".to_owned());
        }
        if self.is_undecided() {
            return Some(UNDECIDED.to_owned());
        }
        if config.data.is_empty() {
            return Some("choose the labelled people to learn from".to_owned());
        }
        if matches!(&config.init, Start::File(path) if path.as_os_str().is_empty()) {
            return Some("choose the weights to start from".to_owned());
        }
        if let Err(error) = config.check() {
            return Some(error.to_string());
        }
        if self.check.is_some() {
            return Some("the data are being checked".to_owned());
        }
        match self.report_of(config) {
            None => Some("the data must be checked first".to_owned()),
            Some(report) => report.obstacle(),
        }
    }

    /// For the header: `Train · 34 %` while one is at work.
    pub fn title(&self) -> String {
        match &self.story {
            Some(story) if self.is_active() => {
                format!("Train · {:.0} %", (100.0 * story.share()).floor())
            }
            _ => "Train".to_owned(),
        }
    }

    /// The pictures are to be brought to another graphics device.
    pub(super) fn attach(&mut self) {
        self.sheet = None;
        self.faces = [None, None, None];
        self.seen = 0;
    }

    /// Where the next preview is: after the one shown, or at the start.
    fn next_batch(&self, config: &TrainConfig) -> Position {
        match &self.sheet {
            Some(sheet) if sheet.config == *config => sheet.preview.next,
            _ => Position::default(),
        }
    }
}

/// The frame as a texture.
fn texture(
    ctx: &egui::Context,
    name: &str,
    frame: &poselens_engine::frame::Frame,
) -> TextureHandle {
    let size = [frame.size().width, frame.size().height];
    let image = egui::ColorImage::from_rgba_unmultiplied(size, frame.rgba());
    ctx.load_texture(name, image, egui::TextureOptions::LINEAR)
}

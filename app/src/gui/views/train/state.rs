//! What the Train view knows, and the handles of its threads.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, TextureHandle};
use poselens_engine::dataset::loader::Position;
use poselens_engine::train::data_check::{Report, Subject};
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{Preview, Start, TrainConfig};

use crate::gui::action::train::{Page, TrainAction};
use crate::gui::action::{Action, ViewId};
use crate::gui::state::train::TrainPlan;
use crate::gui::view::PanelContext;
use crate::gui::views::train::running::progress::{HeldOutImages, TrainProgress};
use crate::gui::views::train::running::run::Run;
use crate::gui::views::train::setup::check::Check;
use crate::gui::views::train::setup::findings::Listed;
use crate::gui::views::train::task::Task;
use crate::gui::waker::Waker;

/// Names this view in actions.
pub const ID: ViewId = ViewId("train");

/// What the panels of this view get.
pub type TrainContext<'a> = PanelContext<'a, Train>;

/// Asks for something of this view.
pub fn send(cx: &mut TrainContext<'_>, action: TrainAction) {
    cx.actions.push(Action::Train(action));
}

/// Why nothing begins beside an open question.
pub const UNDECIDED: &str =
    "decide first: use the new weights, or keep the old ones (page Progress)";

/// What became of trained weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They are used; before, it was this network.
    Used(Option<String>),
    /// The old ones were kept.
    Kept,
}

/// A batch on the graphics device.
pub struct BatchPreview {
    /// What it shows.
    pub preview: Preview,
    /// The options it was made with.
    pub config: TrainConfig,
    /// The picture.
    pub texture: TextureHandle,
}

/// Held-out people on the graphics device.
pub struct HeldOutTextures {
    /// Whom they show.
    pub held_out_images: Arc<HeldOutImages>,
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
    pub listed: Listed,
    /// The check at work.
    pub check: Option<Check>,
    /// When the data will be checked by themselves.
    pub(super) check_due: Option<Instant>,
    /// The batch shown.
    pub batch: Option<BatchPreview>,
    /// A batch is being made, with these options.
    pub(super) previewing: Option<(Task<Preview>, TrainConfig)>,
    /// Why there is none.
    pub preview_fault: Option<String>,
    /// The training at work, or the last one.
    pub run: Option<Run>,
    /// How it goes, or how one on disk went.
    pub progress: Option<TrainProgress>,
    /// Version of the progress shown.
    pub(super) seen: u64,
    /// The first and the last held_out, and those of the weights that are judged.
    pub held_out: [Option<HeldOutTextures>; 3],
    /// What became of its weights.
    pub decision: Option<Decision>,
    /// Trainings on disk; `None` while looking.
    pub earlier: Option<Vec<RunEntry>>,
    pub(super) listing: Option<Task<Vec<RunEntry>>>,
    pub(super) opening: Option<Task<TrainProgress>>,
    pub(super) waker: Waker,
}

impl std::fmt::Debug for Train {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Train")
            .field("page", &self.page)
            .field("report", &self.report)
            .field("preview_fault", &self.preview_fault)
            .field("phase", &self.progress.as_ref().map(|s| &s.phase))
            .field("log", &self.progress.as_ref().map(|s| &s.log))
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}

impl Train {
    /// An empty view; no thread is started before there is something to do.
    pub fn new(waker: Waker) -> Self {
        Self {
            page: Page::Data,
            report: None,
            listed: Listed::default(),
            check: None,
            check_due: None,
            batch: None,
            previewing: None,
            preview_fault: None,
            run: None,
            progress: None,
            seen: 0,
            held_out: [None, None, None],
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
    pub fn obstacle(&self, plan: &TrainPlan) -> Option<String> {
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
            return Some("choose training labels".to_owned());
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

    /// How far the training at work is.
    pub fn percent(&self) -> Option<f32> {
        let progress = self.progress.as_ref().filter(|_| self.is_active())?;
        Some((100.0 * progress.share()).floor())
    }

    /// The pictures are to be brought to another graphics device.
    pub(super) fn attach(&mut self) {
        self.batch = None;
        self.held_out = [None, None, None];
        self.seen = 0;
    }

    /// Where the next preview is: after the one shown, or at the start.
    pub(super) fn next_batch(&self, config: &TrainConfig) -> Position {
        match &self.batch {
            Some(batch) if batch.config == *config => batch.preview.next,
            _ => Position::default(),
        }
    }
}

impl Train {
    pub(super) fn forget_progress(&mut self) {
        self.progress = None;
        self.seen = 0;
        self.held_out = [None, None, None];
        self.decision = None;
    }

    /// Whether a training of this session has brought weights of which nobody has said whether
    /// they shall be used.
    pub fn is_undecided(&self) -> bool {
        let is_offered =
            |progress: &TrainProgress| progress.phase.is_over() && progress.offered().is_some();
        self.run.is_some()
            && !self.is_active()
            && self.decision.is_none()
            && self.progress.as_ref().is_some_and(is_offered)
    }
}

/// The frame as a texture.
pub fn texture(
    ctx: &egui::Context,
    name: &str,
    frame: &poselens_engine::frame::Frame,
) -> TextureHandle {
    let size = [frame.size().width, frame.size().height];
    let image = egui::ColorImage::from_rgba_unmultiplied(size, frame.rgba());
    ctx.load_texture(name, image, egui::TextureOptions::LINEAR)
}

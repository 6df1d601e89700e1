//! State of the Train view, and the handles of its threads.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, TextureHandle};
use poselens_engine::dataset::loader::Position;
use poselens_engine::train::data_check::{CheckInputs, Report};
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{InitialWeights, Preview, TrainConfig};

use crate::gui::action::train::{Page, TrainAction};
use crate::gui::action::{Action, ViewId};
use crate::gui::background::Task;
use crate::gui::state::train::TrainPlan;
use crate::gui::training::progress::{HeldOutImages, TrainProgress};
use crate::gui::training::run::Run;
use crate::gui::view::PanelContext;
use crate::gui::views::train::setup::check::Check;
use crate::gui::views::train::setup::findings::Listed;
use crate::gui::waker::Waker;

/// Identifier of this view in actions.
pub(super) const ID: ViewId = ViewId("train");

/// Context passed to the panels of this view.
pub(super) type TrainContext<'a> = PanelContext<'a, Train>;

/// Sends an action of this view.
pub(super) fn send(cx: &mut TrainContext<'_>, action: TrainAction) {
    cx.actions.push(Action::Train(action));
}

/// Reason why nothing can start while a decision is pending.
pub(super) const UNDECIDED: &str =
    "first decide whether to use the new weights or keep the old ones (page Progress)";

/// Decision on trained weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They are used; the previous network, if any, is kept for undo.
    Used(Option<String>),
    /// The previous weights were kept.
    Kept,
}

/// A batch preview on the GPU.
pub struct BatchPreview {
    /// The previewed batch.
    pub preview: Preview,
    /// The options it was made with.
    pub config: TrainConfig,
    /// The image as a texture.
    pub texture: TextureHandle,
}

/// Images of held-out people on the GPU.
pub struct HeldOutTextures {
    /// Source images.
    pub held_out_images: Arc<HeldOutImages>,
    /// Labels and predictions, by person.
    pub textures: Vec<[TextureHandle; 2]>,
}

/// State of the view and the handles of its threads.
pub struct Train {
    /// The page on the stage.
    pub page: Page,
    /// Latest report of the data check.
    pub report: Option<Report>,
    /// Lines of the report.
    pub listed: Listed,
    /// The running check.
    pub check: Option<Check>,
    /// When the next automatic check is due.
    pub(super) check_due: Option<Instant>,
    /// The previewed batch.
    pub batch: Option<BatchPreview>,
    /// The running preview task and its options.
    pub(super) previewing: Option<(Task<Preview>, TrainConfig)>,
    /// Error of the last preview.
    pub preview_fault: Option<String>,
    /// The running training, or the last one.
    pub run: Option<Run>,
    /// Progress of that training, or of one loaded from disk.
    pub progress: Option<TrainProgress>,
    /// Version of the displayed progress.
    pub(super) seen: u64,
    /// Held-out images: initial, latest, and those of the judged weights.
    pub held_out: [Option<HeldOutTextures>; 3],
    /// Decision on the trained weights.
    pub decision: Option<Decision>,
    /// Earlier trainings on disk; `None` while searching.
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
    /// Creates an empty view; threads start only when there is work to do.
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

    /// Returns whether a training is running or paused.
    pub fn is_active(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_over())
    }

    /// Returns whether a training is being loaded from disk.
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Returns whether a batch preview is being made.
    pub fn is_previewing(&self) -> bool {
        self.previewing.is_some()
    }

    /// Returns the report if it applies to these options.
    pub fn report_of(&self, config: &TrainConfig) -> Option<&Report> {
        let report = self.report.as_ref()?;
        (CheckInputs::of(config).as_ref() == Some(&report.inputs)).then_some(report)
    }

    /// Returns why no training can start, and what to do about it.
    pub fn obstacle(&self, plan: &TrainPlan) -> Option<String> {
        let Some(config) = &plan.config else {
            return Some("the options are not loaded yet".to_owned());
        };
        if self.is_active() {
            return Some("a training is already running".to_owned());
        }
        if self.is_undecided() {
            return Some(UNDECIDED.to_owned());
        }
        if config.data.is_empty() {
            return Some("choose training labels".to_owned());
        }
        if matches!(&config.init, InitialWeights::File(path) if path.as_os_str().is_empty()) {
            return Some("choose the weights to start from".to_owned());
        }
        if let Err(error) = config.check() {
            return Some(error.to_string());
        }
        if self.check.is_some() {
            return Some("the data are being checked".to_owned());
        }
        match self.report_of(config) {
            None => Some("check the data first".to_owned()),
            Some(report) => report.obstacle(),
        }
    }

    /// Returns the progress of the running training.
    pub fn percent(&self) -> Option<f32> {
        let progress = self.progress.as_ref().filter(|_| self.is_active())?;
        Some((100.0 * progress.share()).floor())
    }

    /// Marks the images for upload to another GPU device.
    pub(super) fn attach(&mut self) {
        self.batch = None;
        self.held_out = [None, None, None];
        self.seen = 0;
    }

    /// Returns the position of the next preview: after the current one, or at the start.
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

    /// Returns whether a training of this session has produced weights that the user has neither
    /// accepted nor rejected.
    pub fn is_undecided(&self) -> bool {
        let is_offered =
            |progress: &TrainProgress| progress.phase.is_over() && progress.offered().is_some();
        self.run.is_some()
            && !self.is_active()
            && self.decision.is_none()
            && self.progress.as_ref().is_some_and(is_offered)
    }
}

/// Uploads the frame as a texture.
pub(super) fn texture(
    ctx: &egui::Context,
    name: &str,
    frame: &poselens_engine::frame::Frame,
) -> TextureHandle {
    let size = [frame.size().width, frame.size().height];
    let image = egui::ColorImage::from_rgba_unmultiplied(size, frame.rgba());
    ctx.load_texture(name, image, egui::TextureOptions::LINEAR)
}

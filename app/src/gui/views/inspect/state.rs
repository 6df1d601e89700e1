//! What the Inspect view knows, and the handles of its threads.

use std::sync::Arc;

use eframe::egui::TextureHandle;
use eframe::egui_wgpu::RenderState;
use poselens_engine::error::Result;
use poselens_engine::estimator::Want;
use poselens_engine::frame::Frame;
use poselens_engine::output::{PoseOutput, RegionOutput};
use poselens_engine::pipeline::{InspectRequest, Inspector, N_INSPECTED};
use poselens_engine::pose::Pose;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::Zoom;

use crate::gui::action::ViewId;
use crate::gui::picture::Picture;
use crate::gui::state::inspect::Pick;
use crate::gui::view::PanelContext;
use crate::gui::views::inspect::attention_grid::{AttentionGrid, Grid, GridKey};
use crate::gui::views::inspect::frame_reader::FrameReader;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::shown::Shown;
use crate::gui::waker::Waker;

/// Everything a network can tell of a frame.
const ALL: Want = Want {
    heatmaps: true,
    attention: true,
};

/// The frame that is looked at.
#[derive(Debug, Clone)]
pub struct InspectedFrame {
    /// The picture.
    pub frame: Frame,
    /// Where people are known to be.
    pub near: Vec<Pose>,
    /// Where it comes from.
    pub name: String,
    /// Shown as in a mirror, as the live picture was.
    pub is_mirrored: bool,
    /// It is the live picture's: what that shows next is looked at next.
    pub is_live: bool,
}

/// Pictures of self-attention on the graphics device.
pub struct GridPictures {
    /// Their values.
    pub grid: Arc<Grid>,
    /// By layer, by cell.
    pub textures: Vec<Vec<TextureHandle>>,
}

/// A model's place.
#[derive(Default)]
pub struct ModelSlot {
    /// The model asked for; `None` when the place is empty.
    pub wanted: Option<String>,
    /// It is being loaded.
    pub is_loading: bool,
    /// Why it does not answer.
    pub fault: Option<String>,
    /// Its answer for the subject.
    pub found: Option<Arc<PoseOutput>>,
    /// Pictures of its self-attention.
    pub grid: Option<GridPictures>,
    /// What lies over the picture.
    pub shown: Shown,
    /// The pictures asked for.
    pub(super) asked: Option<GridKey>,
}

/// Names this view in actions.
pub const ID: ViewId = ViewId("inspect");

/// What the panels of this view get.
pub type InspectContext<'a> = PanelContext<'a, Inspect>;

/// The state of the view and the handles of its threads.
pub struct Inspect {
    /// The frame that is looked at.
    pub subject: Option<InspectedFrame>,
    /// The file it is from.
    pub reader: Option<FrameReader>,
    /// The models.
    pub slots: [ModelSlot; N_INSPECTED],
    /// What is asked about.
    pub pick: Option<Pick>,
    /// What was asked about before the last pick.
    pub(super) picked_before: Option<Pick>,
    /// The frame kept at place 1; `None` while that looks at the same frame as place 0.
    pub kept: Option<InspectedFrame>,
    /// Both skeletons, where two answers are drawn over one picture.
    pub(super) overlaid: Option<Arc<Scene>>,
    /// The source of the live picture when this view was last opened.
    pub(super) live_source: Option<String>,
    /// The part of the picture that is looked at.
    pub zoom: Zoom,
    /// The live picture's model when this view was last opened.
    pub(super) followed: Option<String>,
    /// The device that the models here were loaded for.
    pub(super) device: usize,
    pub(super) waker: Waker,
    pub(super) inspector: Option<Inspector>,
    pub(super) attention_grid: Option<AttentionGrid>,
    pub(super) render: Option<RenderState>,
    pub(super) pictures: [Option<Picture>; N_INSPECTED],
    /// Number of the last request.
    pub(super) id: u64,
    /// What lies over the picture must be made anew.
    pub(super) is_stale: bool,
}

impl std::fmt::Debug for Inspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspect")
            .field(
                "subject",
                &self.subject.as_ref().map(|s| (&s.name, s.frame.id)),
            )
            .field("slots", &self.slots.each_ref().map(ModelSlot::state))
            .field("pick", &self.pick)
            .finish_non_exhaustive()
    }
}

/// What the user must know.
#[derive(Debug)]
pub enum Complaint {
    /// Said once.
    Say(String),
    /// A model that can be tried again.
    Model(usize, String, String),
}

impl Inspect {
    /// An empty view; no thread is started before there is something to look at.
    pub fn new(waker: Waker) -> Self {
        Self {
            subject: None,
            reader: None,
            slots: Default::default(),
            pick: None,
            picked_before: None,
            kept: None,
            overlaid: None,
            live_source: None,
            zoom: Zoom::WHOLE,
            followed: None,
            device: 0,
            waker,
            inspector: None,
            attention_grid: None,
            render: None,
            pictures: Default::default(),
            id: 0,
            is_stale: false,
        }
    }

    /// Draws on this graphics device from now on.
    pub fn attach(&mut self, render: Option<RenderState>) {
        self.render = render;
        self.pictures = Default::default();
        for model_slot in &mut self.slots {
            model_slot.grid = None;
            model_slot.asked = None;
        }
        if let Some(reader) = &mut self.reader {
            reader.strip = Default::default();
        }
        self.is_stale = true;
    }

    /// What is looked at, as its user calls it.
    pub fn name(&self) -> Option<&str> {
        let reader = self.reader.as_ref().map(|reader| reader.name.as_str());
        reader.or(self.subject.as_ref().map(|subject| subject.name.as_str()))
    }

    /// Whether two models look side by side.
    pub fn is_compared(&self) -> bool {
        self.slots[1].wanted.is_some()
    }

    /// The first answer there is, and the region of it that is asked about.
    pub fn answer(&self) -> Option<(&PoseOutput, &RegionOutput)> {
        let output = self.slots.iter().find_map(|s| s.found.as_deref())?;
        let pick = self.pick.as_ref();
        let point = pick.and_then(|p| shown::picked(output, p)).map(|p| p.point);
        Some((output, shown::region(output, point)?))
    }

    /// Looks at another frame.
    ///
    /// # Errors
    /// When the picture is too large for the graphics device, or there is no thread.
    pub(super) fn look_at(&mut self, subject: InspectedFrame) -> Result<()> {
        self.subject = Some(subject);
        self.upload()?;
        self.ask()
    }

    /// Asks the models for the subject.
    pub(super) fn ask(&mut self) -> Result<()> {
        let Some(subject) = &self.subject else {
            return Ok(());
        };
        self.id += 1;
        let request = InspectRequest {
            id: self.id,
            frame: subject.frame.clone(),
            near: subject.near.clone(),
            want: ALL,
        };
        let n = if self.kept.is_some() { 1 } else { N_INSPECTED };
        for model_slot in &mut self.slots[..n] {
            model_slot.found = None;
        }
        self.is_stale = true;
        self.inspector()?.request(request);
        Ok(())
    }

    /// Takes the subject to the screen, once for each model in use.
    pub(super) fn upload(&mut self) -> Result<()> {
        let (Some(render), Some(subject)) = (&self.render, &self.subject) else {
            return Ok(());
        };
        let n = if self.slots[1].wanted.is_some() { 2 } else { 1 };
        let second = self.kept.as_ref().unwrap_or(subject);
        for (picture, subject) in self.pictures[..n].iter_mut().zip([subject, second]) {
            let picture = picture.get_or_insert_with(|| Picture::new(render));
            let uploaded = picture.upload(&subject.frame);
            uploaded.map_err(poselens_engine::Error::Invalid)?;
        }
        Ok(())
    }
}

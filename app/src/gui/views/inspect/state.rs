//! State of the Inspect view, and the handles of its threads.

use std::sync::Arc;

use eframe::egui::TextureHandle;
use eframe::egui_wgpu::RenderState;
use poselens_engine::error::Result;
use poselens_engine::estimator::RequestedMaps;
use poselens_engine::frame::Frame;
use poselens_engine::measure::Measures;
use poselens_engine::output::{PoseOutput, RegionOutput};
use poselens_engine::pipeline::{InspectRequest, Inspector, N_INSPECTED};
use poselens_engine::pose::Pose;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::Zoom;

use crate::gui::action::ViewId;
use crate::gui::action::label::FramePlace;
use crate::gui::picture::FrameCanvas;
use crate::gui::state::inspect::Pick;
use crate::gui::view::PanelContext;
use crate::gui::views::inspect::attention_grid::{AttentionGrid, Grid, GridKey};
use crate::gui::views::inspect::frame_reader::FrameReader;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::shown::Shown;
use crate::gui::views::inspect::tracks::people::RecordedPeople;
use crate::gui::waker::Waker;

/// Requests all outputs that a network can provide for a frame.
const ALL: RequestedMaps = RequestedMaps {
    heatmaps: true,
    attention: true,
    fields: true,
    description: false,
};

/// The inspected frame.
#[derive(Debug, Clone)]
pub struct InspectedFrame {
    /// The image.
    pub frame: Frame,
    /// Poses in the frame that are already known; they locate the people.
    pub near: Vec<Pose>,
    /// Display name of its source.
    pub name: String,
    /// Whether the live view was mirrored.
    pub is_mirrored: bool,
    /// Whether it comes from the live view, so that it is updated with new live frames.
    pub is_live: bool,
}

/// A frame stored for comparison, with its prediction.
#[derive(Debug, Clone)]
pub struct StoredFrame {
    /// The frame.
    pub frame: InspectedFrame,
    /// The model.
    pub model: Option<String>,
    /// Its prediction.
    pub found: Arc<PoseOutput>,
}

impl StoredFrame {
    /// Returns `frame 30 of walk.mp4`.
    pub fn title(&self) -> String {
        format!("frame {} of {}", self.frame.frame.id, self.frame.name)
    }
}

/// Self-attention thumbnails on the GPU.
pub struct GridPictures {
    /// Attention values.
    pub grid: Arc<Grid>,
    /// Textures by layer and cell.
    pub textures: Vec<Vec<TextureHandle>>,
}

/// A slot for one model.
#[derive(Default)]
pub struct ModelSlot {
    /// The requested model; `None` if the slot is empty.
    pub wanted: Option<String>,
    /// The model is being loaded.
    pub is_loading: bool,
    /// Error that prevents predictions.
    pub fault: Option<String>,
    /// Prediction for the inspected frame.
    pub found: Option<Arc<PoseOutput>>,
    /// The last prediction, possibly for another frame, and the name of its model.
    pub(super) last: Option<(String, Arc<PoseOutput>)>,
    /// Self-attention thumbnails.
    pub grid: Option<GridPictures>,
    /// Overlays on the image.
    pub shown: Shown,
    /// The thumbnails requested last.
    pub(super) asked: Option<GridKey>,
}

/// Identifier of this view in actions.
pub(super) const ID: ViewId = ViewId("inspect");

/// Context passed to the panels of this view.
pub(super) type InspectContext<'a> = PanelContext<'a, Inspect>;

/// State of the view and the handles of its threads.
pub struct Inspect {
    /// The inspected frame.
    pub subject: Option<InspectedFrame>,
    /// Reader of the file it comes from.
    pub reader: Option<FrameReader>,
    /// The people recorded with the file; `None` if there are none.
    pub people: Option<RecordedPeople>,
    /// The model slots.
    pub slots: [ModelSlot; N_INSPECTED],
    /// The selected joint or pixel.
    pub pick: Option<Pick>,
    /// The measures chosen in Live.
    pub(super) measures: Measures,
    /// The previous selection.
    pub(super) picked_before: Option<Pick>,
    /// The frame kept in slot 1; `None` while both slots use the same frame.
    pub kept: Option<InspectedFrame>,
    /// The frame stored for comparison, shown in slot 1 or not.
    pub stored: Option<StoredFrame>,
    /// Both skeletons, if two predictions are drawn over one image.
    pub(super) overlaid: Option<Arc<Scene>>,
    /// Source of the live view when this view was last opened.
    pub(super) live_source: Option<String>,
    /// Zoom and position of the image.
    pub zoom: Zoom,
    /// Model of the live view when this view was last opened.
    pub(super) followed: Option<String>,
    /// Device that the models here were loaded for.
    pub(super) device: usize,
    pub(super) waker: Waker,
    pub(super) inspector: Option<Inspector>,
    pub(super) attention_grid: Option<AttentionGrid>,
    pub(super) render: Option<RenderState>,
    pub(super) pictures: [Option<FrameCanvas>; N_INSPECTED],
    /// Id of the last request.
    pub(super) id: u64,
    /// The overlays have to be rebuilt.
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

/// A message for the user.
#[derive(Debug)]
pub(super) enum Complaint {
    /// A message shown once.
    Say(String),
    /// A model that failed to load or run, with a retry button.
    Model(usize, String, String),
}

impl Inspect {
    /// Creates an empty view; threads start only when there is work to do.
    pub fn new(waker: Waker) -> Self {
        Self {
            subject: None,
            reader: None,
            people: None,
            slots: Default::default(),
            pick: None,
            measures: Measures::default(),
            picked_before: None,
            kept: None,
            stored: None,
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

    /// Sets the GPU device to draw on.
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

    /// Returns the display name of the inspected source.
    pub fn name(&self) -> Option<&str> {
        let reader = self.reader.as_ref().map(|reader| reader.name.as_str());
        reader.or(self.subject.as_ref().map(|subject| subject.name.as_str()))
    }

    /// Returns the inspected frame of a file.
    pub(super) fn place(&self) -> Option<FramePlace> {
        let reader = self.reader.as_ref()?;
        Some(FramePlace {
            spec: reader.spec.clone(),
            secs: *reader.times.get(reader.index)?,
        })
    }

    /// Returns whether two models are shown side by side.
    pub fn is_compared(&self) -> bool {
        self.slots[1].wanted.is_some()
    }

    /// Returns the first available prediction and its region with the pick.
    pub fn answer(&self) -> Option<(&PoseOutput, &RegionOutput)> {
        let output = self.slots.iter().find_map(|s| s.found.as_deref())?;
        let pick = self.pick.as_ref();
        let point = pick.and_then(|p| shown::picked(output, p)).map(|p| p.point);
        Some((output, shown::region(output, point)?))
    }

    /// Inspects another frame.
    ///
    /// # Errors
    /// If the image exceeds the GPU's maximum texture size, or a thread cannot be started.
    pub(super) fn look_at(&mut self, subject: InspectedFrame) -> Result<()> {
        self.subject = Some(subject);
        self.upload()?;
        self.ask()
    }

    /// Requests predictions for the inspected frame.
    pub(super) fn ask(&mut self) -> Result<()> {
        let Some(subject) = &self.subject else {
            return Ok(());
        };
        let (frame, near) = (subject.frame.clone(), subject.near.clone());
        self.forget_predictions();
        let request = InspectRequest {
            id: self.id,
            frame,
            near,
            requested: ALL,
        };
        self.inspector()?.request(request);
        Ok(())
    }

    /// Drops the predictions for an earlier frame, also those that are still to come.
    pub(super) fn forget_predictions(&mut self) {
        self.id += 1;
        let n = self.n_current();
        for model_slot in &mut self.slots[..n] {
            model_slot.found = None;
        }
        self.is_stale = true;
    }

    /// Returns the number of slots that show the inspected frame; the second may show another one.
    pub(super) fn n_current(&self) -> usize {
        if self.kept.is_some() { 1 } else { N_INSPECTED }
    }

    /// Uploads the inspected frame, once per model in use.
    pub(super) fn upload(&mut self) -> Result<()> {
        let (Some(render), Some(subject)) = (&self.render, &self.subject) else {
            return Ok(());
        };
        let n = if self.slots[1].wanted.is_some() { 2 } else { 1 };
        let second = self.kept.as_ref().unwrap_or(subject);
        for (picture, subject) in self.pictures[..n].iter_mut().zip([subject, second]) {
            let picture = picture.get_or_insert_with(|| FrameCanvas::new(render));
            picture.upload(&subject.frame)?;
        }
        Ok(())
    }
}

//! State of the Label view, and the handles of its threads.

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui_wgpu::RenderState;
use poselens_engine::geometry::{Point, Size};
use poselens_engine::project::{Clip, FrameKey, Person};
use poselens_engine::{Error, Result};
use poselens_shaders::view::Zoom;

use crate::gui::action::ViewId;
use crate::gui::action::label::{Held, Page, Pick};
use crate::gui::picture::FrameCanvas;
use crate::gui::state::label::Listed;
use crate::gui::view::PanelContext;
use crate::gui::views::label::burst::Burst;
use crate::gui::views::label::finetune::Finetune;
use crate::gui::views::label::frames::{FrameThread, Picture, Wanted};
use crate::gui::views::label::pace::Pace;
use crate::gui::views::label::published::{LabelledFrame, Published};
use crate::gui::views::label::session::Session;
use crate::gui::views::label::thread::{ProjectThread, Request};
use crate::gui::waker::Waker;

/// Identifier of this view in actions.
pub(super) const ID: ViewId = ViewId("label");

/// Context passed to the panels of this view.
pub(super) type LabelContext<'a> = PanelContext<'a, Label>;

/// A change that is drawn before it is on disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preview {
    /// The change.
    pub held: Held,
    /// Number of the request that makes it; `None` while it is still held.
    pub sent: Option<u64>,
}

/// State of the view and the handles of its threads.
pub struct Label {
    /// The open project, as it is on disk.
    pub project: Option<Box<Published>>,
    /// The page that is shown.
    pub page: Page,
    /// State of the page Train.
    pub finetune: Finetune,
    /// Folder of the project that is being opened.
    pub opening: Option<PathBuf>,
    /// The frame to show. It is ahead of the published one while the thread is busy.
    pub at: Option<FrameKey>,
    /// The image decoded last.
    pub picture: Option<(FrameKey, Picture)>,
    /// The frame that was drawn last with its picture and labels.
    pub drawn: Option<FrameKey>,
    /// Why the frame cannot be decoded.
    pub fault: Option<String>,
    /// The picked person and joint.
    pub pick: Option<Pick>,
    /// Position of the picked person in the list, and the joint: picked again in other frames.
    pub(super) place: (usize, Option<usize>),
    /// A change that is drawn before it is on disk.
    pub preview: Option<Preview>,
    /// Zoom and position of the image.
    pub zoom: Zoom,
    /// Seconds per frame.
    pub pace: Pace,
    /// Keys that follow a refused one.
    pub(super) burst: Burst,
    /// Point of the image under the pointer.
    pub(super) pointer: Option<Point>,
    /// The person who was added last with the frame, to be picked once it is shown.
    pub(super) added: Option<(FrameKey, u64)>,
    /// Rows of the list that are visible: the first one and their number.
    pub(super) rows: (usize, usize),
    /// Number of the last request that may show another frame.
    pub(super) n_moved: u64,
    /// Number of the last request.
    pub(super) n_sent: u64,
    /// Number of the last request that edits labels.
    pub(super) n_edited: u64,
    /// Number of the last request that was answered.
    pub(super) n_answered: u64,
    /// Messages about failures that are over.
    pub(super) mended: Vec<String>,
    pub(super) waker: Waker,
    pub(super) thread: Option<ProjectThread>,
    pub(super) frames: Option<FrameThread>,
    pub(super) canvas: Option<FrameCanvas>,
    /// The image a second time, for the loupe, once it was uploaded.
    pub(super) loupe: Option<FrameCanvas>,
    pub(super) render: Option<RenderState>,
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Label")
            .field("project", &self.project)
            .field("at", &self.at)
            .field("pick", &self.pick)
            .field("preview", &self.preview)
            .field("fault", &self.fault)
            .field("finetune", &self.finetune)
            .finish_non_exhaustive()
    }
}

impl Label {
    /// Creates an empty view; threads start with the first project.
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            project: None,
            page: Page::default(),
            finetune: Finetune::default(),
            opening: None,
            at: None,
            picture: None,
            drawn: None,
            fault: None,
            pick: None,
            place: (0, None),
            preview: None,
            zoom: Zoom::WHOLE,
            pace: Pace::default(),
            burst: Burst::default(),
            pointer: None,
            added: None,
            rows: (0, 0),
            n_moved: 0,
            n_sent: 0,
            n_edited: 0,
            n_answered: 0,
            mended: Vec::new(),
            waker,
            thread: None,
            frames: None,
            canvas: None,
            loupe: None,
            render: None,
        }
    }

    /// Returns the folder of the open project.
    pub fn folder(&self) -> Option<PathBuf> {
        let project = self.project.as_ref()?;
        Some(project.info.folder.clone())
    }

    /// Returns whether edits are not on disk yet.
    pub fn is_writing(&self) -> bool {
        self.n_answered < self.n_edited
    }

    /// Returns the labels of the shown frame, once they are there.
    pub fn frame(&self) -> Option<&LabelledFrame> {
        let frame = self.project.as_ref()?.frame.as_ref()?;
        (self.at == Some(frame.at)).then_some(frame)
    }

    /// Returns the people in the shown frame.
    pub fn people(&self) -> &[Person] {
        self.frame().map_or(&[], |frame| &frame.labels.people)
    }

    /// Returns the image of the shown frame, once it is decoded.
    pub fn shown_picture(&self) -> Option<&Picture> {
        let (at, picture) = self.picture.as_ref()?;
        (self.at == Some(*at)).then_some(picture)
    }

    /// Returns the clip of the shown frame.
    pub fn clip(&self) -> Option<&Clip> {
        self.project.as_ref()?.info.clip(self.at?)
    }

    /// Returns the picked person.
    pub fn picked(&self) -> Option<&Person> {
        let pick = self.pick?;
        self.people().iter().find(|person| person.id == pick.person)
    }

    /// Returns the picked person and joint.
    pub(super) fn picked_joint(&self) -> Option<(&Person, usize)> {
        let joint = self.pick?.joint?;
        self.picked().map(|person| (person, joint))
    }

    /// Returns the size of the shown image; a usual one before it is decoded.
    pub(super) fn size(&self) -> Size {
        let picture = self.shown_picture();
        picture.map_or(Size::new(640, 480), |picture| picture.frame.size())
    }

    /// Sends a request to the thread that owns the project, which is started if necessary; returns
    /// its number.
    ///
    /// # Errors
    /// If the thread cannot be started or has ended, or its queue is full.
    pub(super) fn send(&mut self, request: Request, listed: Listed) -> Result<u64> {
        if self.thread.as_ref().is_some_and(ProjectThread::has_failed) {
            self.thread = None;
            (self.n_sent, self.n_answered) = (0, 0);
            (self.n_moved, self.n_edited) = (0, 0);
            self.added = None;
        }
        let thread = match &mut self.thread {
            Some(thread) => thread,
            none => none.insert(ProjectThread::start(
                &self.waker,
                move |outbox, requests| Session::new(outbox, requests, listed),
                Session::answer,
            )?),
        };
        let is_edit = request.is_edit();
        self.n_sent = thread.send(request)?;
        if is_edit {
            self.n_edited = self.n_sent;
        }
        Ok(self.n_sent)
    }

    /// Shows another frame: its labels and image arrive later.
    pub(super) fn look_at(&mut self, at: FrameKey) -> Result<()> {
        self.at = Some(at);
        self.fault = None;
        self.pace.shown(Instant::now());
        let Some(info) = self.project.as_ref().map(|project| &project.info) else {
            return Ok(());
        };
        let Some(clip) = info.clip(at) else {
            return Ok(());
        };
        let wanted = Wanted {
            folder: info.folder.clone(),
            clip: clip.clone(),
            frame: at.frame,
        };
        let frames = match &self.frames {
            Some(frames) => frames,
            None => self.frames.insert(FrameThread::start(&self.waker)?),
        };
        frames.request(wanted);
        Ok(())
    }
}

/// Returns an error with a text for the user.
pub(super) fn failed(text: &str) -> Error {
    Error::Failed(text.to_owned())
}

/// Returns the error of an action that needs a project.
pub(super) fn no_project() -> Error {
    failed("no label project is open; open one in Label (L)")
}

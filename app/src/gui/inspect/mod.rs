//! The view that looks inside: why did the network put each joint where it did?
//!
//! The [`Subject`] is one frame: handed over from the live picture, or one of a [`film::Film`],
//! whose frames are read on a thread of their own. One or two models look at it side by side;
//! each has a [`Seat`] with its answer (the second may keep that to an earlier frame), the pictures of its self-attention ([`weave`]) and what
//! lies over the picture because of it ([`shown`]). What the user wants to see are [`Choices`],
//! what they ask about is a [`Pick`]. Panels read [`Inspect`]; `App` runs [`InspectAction`]s.

mod choices;
mod commands;
mod compare;
mod export;
mod film;
mod meaning;
mod numbers;
mod seats;
pub mod shown;
mod side;
mod stage;
mod timeline;
mod weave;

use std::sync::Arc;

use eframe::egui::{self, TextureHandle};
use eframe::egui_wgpu::RenderState;
use poselens_engine::error::Result;
use poselens_engine::estimator::Want;
use poselens_engine::frame::Frame;
use poselens_engine::output::{PoseOutput, RegionOutput};
use poselens_engine::pipeline::{InspectRequest, Inspector, N_INSPECTED};
use poselens_engine::pose::Pose;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::Zoom;

use super::SourceChoice;
use super::files::Waker;
use super::picture::Picture;

pub use choices::{Choices, Pick, What};
pub use compare::difference_ui;
pub use export::Form;
pub use film::Film;
pub use meaning::{commands, meaning};
pub use side::{export_ui, joint_ui, models_ui, open_ui, show_ui};
pub use stage::stage_ui;
pub use timeline::timeline_ui;

/// Everything a network can tell of a frame.
const ALL: Want = Want {
    heatmaps: true,
    attention: true,
};

/// What the user does in this view.
#[derive(Debug, Clone, PartialEq)]
pub enum InspectAction {
    /// Change to this view, or back to the live picture.
    InOrOut,
    /// Look at this file's frames.
    Open(SourceChoice),
    /// Ask for a folder of pictures or of a recording.
    OpenFolder,
    /// Go to this frame of the file.
    Seek(usize),
    /// Go so many frames on.
    Step(i64),
    /// Let this model look at place 0 or 1; `None` leaves the place empty.
    Model(usize, Option<String>),
    /// Keep this frame and its answer at place 1, to compare later frames with it.
    Keep,
    /// Ask about this.
    Pick(Option<Pick>),
    /// Ask again about what was asked about before the last pick.
    Unpick,
    /// Look at this part of the picture.
    Zoom(Zoom),
    /// See this of the network.
    Choose(Box<Choices>),
    /// See the map or layer so many further.
    Next(isize),
    /// Write files.
    Export(Form),
}

/// The frame that is looked at.
#[derive(Debug, Clone)]
pub struct Subject {
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
    pub grid: Arc<weave::Grid>,
    /// By layer, by cell.
    pub textures: Vec<Vec<TextureHandle>>,
}

/// A model's place.
#[derive(Default)]
pub struct Seat {
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
    pub shown: shown::Shown,
    /// The pictures asked for.
    asked: Option<weave::GridKey>,
}

/// The state of the view and the handles of its threads.
pub struct Inspect {
    /// The frame that is looked at.
    pub subject: Option<Subject>,
    /// The file it is from.
    pub film: Option<Film>,
    /// The models.
    pub seats: [Seat; N_INSPECTED],
    /// What is asked about.
    pub pick: Option<Pick>,
    /// What was asked about before the last pick.
    picked_before: Option<Pick>,
    /// The frame kept at place 1; `None` while that looks at the same frame as place 0.
    pub kept: Option<Subject>,
    /// Both skeletons, where two answers are drawn over one picture.
    overlaid: Option<Arc<Scene>>,
    /// The source of the live picture when this view was last opened.
    live_source: Option<String>,
    /// The part of the picture that is looked at.
    pub zoom: Zoom,
    /// The live picture goes on when the view is left.
    resumes_live: bool,
    /// The live picture's model when this view was last opened.
    followed: Option<String>,
    /// The device that the models here were loaded for.
    device: usize,
    waker: Waker,
    inspector: Option<Inspector>,
    weaver: Option<weave::Weaver>,
    render: Option<RenderState>,
    pictures: [Option<Picture>; N_INSPECTED],
    /// Number of the last request.
    id: u64,
    /// What lies over the picture must be made anew.
    is_stale: bool,
}

impl std::fmt::Debug for Inspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspect")
            .field(
                "subject",
                &self.subject.as_ref().map(|s| (&s.name, s.frame.id)),
            )
            .field("seats", &self.seats.each_ref().map(Seat::state))
            .field("pick", &self.pick)
            .finish_non_exhaustive()
    }
}

/// News for the user.
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
            film: None,
            seats: Default::default(),
            pick: None,
            picked_before: None,
            kept: None,
            overlaid: None,
            live_source: None,
            zoom: Zoom::WHOLE,
            resumes_live: false,
            followed: None,
            device: 0,
            waker,
            inspector: None,
            weaver: None,
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
        for seat in &mut self.seats {
            seat.grid = None;
            seat.asked = None;
        }
        if let Some(film) = &mut self.film {
            film.strip = Default::default();
        }
        self.is_stale = true;
    }

    /// What is looked at, as its user calls it.
    pub fn name(&self) -> Option<&str> {
        let film = self.film.as_ref().map(|film| film.name.as_str());
        film.or(self.subject.as_ref().map(|subject| subject.name.as_str()))
    }

    /// Whether two models look side by side.
    pub fn is_compared(&self) -> bool {
        self.seats[1].wanted.is_some()
    }

    /// The first answer there is, and the region of it that is asked about.
    pub fn answer(&self) -> Option<(&PoseOutput, &RegionOutput)> {
        let output = self.seats.iter().find_map(|s| s.found.as_deref())?;
        let pick = self.pick.as_ref();
        let point = pick.and_then(|p| shown::picked(output, p)).map(|p| p.point);
        Some((output, shown::region(output, point)?))
    }

    /// Looks at another frame.
    ///
    /// # Errors
    /// When the picture is too large for the graphics device, or there is no thread.
    fn look_at(&mut self, subject: Subject) -> Result<()> {
        self.subject = Some(subject);
        self.upload()?;
        self.ask()
    }

    /// Asks the models for the subject.
    fn ask(&mut self) -> Result<()> {
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
        for seat in &mut self.seats[..n] {
            seat.found = None;
        }
        self.is_stale = true;
        self.inspector()?.request(request);
        Ok(())
    }

    /// Takes the subject to the screen, once for each model in use.
    fn upload(&mut self) -> Result<()> {
        let (Some(render), Some(subject)) = (&self.render, &self.subject) else {
            return Ok(());
        };
        let n = if self.seats[1].wanted.is_some() { 2 } else { 1 };
        let second = self.kept.as_ref().unwrap_or(subject);
        for (picture, subject) in self.pictures[..n].iter_mut().zip([subject, second]) {
            let picture = picture.get_or_insert_with(|| Picture::new(render.clone()));
            let uploaded = picture.upload(&subject.frame);
            uploaded.map_err(poselens_engine::Error::Invalid)?;
        }
        Ok(())
    }

    /// Reads what the threads have found since the last call, and what of it the user must know.
    pub fn poll(&mut self, ctx: &egui::Context, choices: &Choices) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(film) = &mut self.film {
            let news = film.poll(ctx);
            // The live picture stays where its source has no frames to go back to.
            let is_useless = film.times.is_empty() && self.subject.is_some();
            let is_closed = news.fault.is_some() && is_useless;
            complaints.extend(news.fault.map(Complaint::Say));
            if let Some(frame) = news.frame {
                let subject = Subject {
                    frame,
                    near: Vec::new(),
                    name: film.name.clone(),
                    is_mirrored: false,
                    is_live: false,
                };
                if let Err(error) = self.look_at(subject) {
                    complaints.push(Complaint::Say(error.to_string()));
                }
            }
            if is_closed {
                self.film = None;
            }
        }
        self.poll_models(&mut complaints);
        self.poll_grids(ctx, &mut complaints);
        if std::mem::take(&mut self.is_stale) {
            // The device may have been lost since.
            if self.pictures[0].is_none()
                && let Err(error) = self.upload()
            {
                complaints.push(Complaint::Say(error.to_string()));
            }
            self.refresh(choices);
        }
        complaints
    }
}

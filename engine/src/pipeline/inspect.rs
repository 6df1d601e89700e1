//! Detailed analysis of single frames, with one model or several side by side.
//!
//! An [`Inspector`] has its own thread and models, so that the live view is not disturbed. It takes
//! a frame (paused, from a file, from the history) and returns the complete [`PoseOutput`] of each
//! of its models: poses, heatmaps, attention maps, queries and keys, all from a single forward pass
//! over that frame. The newest request wins.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::handover::Handover;
use super::link::POLL;
use super::{MakeInfer, Notify};
use crate::concurrency::{Slot, StopFlag, Worker};
use crate::error::{Error, Result};
use crate::estimator::{Infer, RequestedMaps};
use crate::frame::Frame;
use crate::output::PoseOutput;
use crate::pose::Pose;

/// Maximum number of models side by side.
pub const N_INSPECTED: usize = 2;

/// Capacity of the event channel; further events are logged and dropped.
const N_EVENTS: usize = 16;

/// A request to analyse a frame.
#[derive(Debug, Clone)]
pub struct InspectRequest {
    /// Chosen by the caller and returned with the results.
    pub id: u64,
    /// The frame to analyse.
    pub frame: Frame,
    /// Poses expected nearby, which define the regions to crop. If empty, people are searched for.
    pub near: Vec<Pose>,
    /// Outputs requested in addition to poses.
    pub requested: RequestedMaps,
}

/// Result of one model.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Id of the request.
    pub id: u64,
    /// Slot of the model.
    pub slot: usize,
    /// Name under which it was loaded; `output.model` is its entry of `MODELS`, whatever its
    /// weights.
    pub name: String,
    /// All outputs of a single pass over the request's frame.
    pub output: Arc<PoseOutput>,
}

/// An event to show to the user.
#[derive(Debug)]
pub enum InspectEvent {
    /// Results now also come from this model.
    ModelReady {
        /// Slot of the model.
        slot: usize,
        /// Name of the model.
        name: String,
    },
    /// A model could not be loaded (the previous one stays) or failed (it is removed).
    ModelFailed {
        /// Slot of the model.
        slot: usize,
        /// Name of the model.
        name: String,
        /// The reason, with a remedy.
        error: Error,
    },
    /// The thread has panicked: a new inspector is needed.
    WorkerFailed(Error),
}

struct Model {
    name: String,
    infer: Box<dyn Infer>,
}

/// State shared by the window and the threads.
struct Shared {
    request: Slot<InspectRequest>,
    models: [Handover<Option<Model>>; N_INSPECTED],
    answers: [Mutex<Option<Inspection>>; N_INSPECTED],
    events: Sender<InspectEvent>,
    notify: Notify,
}

impl Shared {
    fn send(&self, event: InspectEvent) {
        if let Err(lost) = self.events.try_send(event) {
            tracing::debug!(event = ?lost.into_inner(), "an event has no reader");
        }
        (self.notify)();
    }
}

/// The inspection thread and its models. Dropping it stops and joins the thread.
pub struct Inspector {
    shared: Arc<Shared>,
    events: Receiver<InspectEvent>,
    loaders: Vec<Worker>,
    _worker: Worker,
}

impl Inspector {
    /// Starts without a model; `notify` is called whenever there is a result or an event.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub fn start(notify: Notify) -> Result<Self> {
        let (sender, events) = bounded(N_EVENTS);
        let shared = Arc::new(Shared {
            request: Slot::new(),
            models: Default::default(),
            answers: Default::default(),
            events: sender,
            notify,
        });
        let (ours, failed) = (Arc::clone(&shared), Arc::clone(&shared));
        let worker = Worker::spawn(
            "inspect",
            StopFlag::new(),
            move |stop| {
                Looker::new(ours).run(stop);
                Ok(())
            },
            move |error| failed.send(InspectEvent::WorkerFailed(error)),
        )?;
        Ok(Self {
            shared,
            events,
            loaders: Vec::new(),
            _worker: worker,
        })
    }

    /// Loads a model for `slot` (below [`N_INSPECTED`]) on a loader thread; when ready, it
    /// processes the last request.
    ///
    /// # Errors
    /// When there is no such slot, or the operating system cannot create a thread.
    pub fn load(&mut self, slot: usize, name: &str, make: MakeInfer) -> Result<()> {
        let place = self.place(slot)?;
        let ticket = place.next_ticket();
        let (shared, failed) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let (name, name_of_failed) = (name.to_owned(), name.to_owned());
        self.loaders.retain(|loader| !loader.is_finished());
        self.loaders.push(Worker::spawn(
            "model loader",
            StopFlag::new(),
            move |_| {
                let infer = make()?;
                shared.models[slot].offer(ticket, Some(Model { name, infer }));
                Ok(())
            },
            move |error| {
                if failed.models[slot].is_current(ticket) {
                    failed.send(InspectEvent::ModelFailed {
                        slot,
                        name: name_of_failed,
                        error,
                    });
                }
            },
        )?);
        Ok(())
    }

    /// Removes the model of a slot and frees its memory.
    ///
    /// # Errors
    /// When there is no such slot.
    pub fn unload(&self, slot: usize) -> Result<()> {
        let place = self.place(slot)?;
        let ticket = place.next_ticket();
        place.offer(ticket, None);
        Ok(())
    }

    /// Sends a request to every model; it replaces an older request not yet started.
    pub fn request(&self, request: InspectRequest) {
        self.shared.request.put(request);
    }

    /// Returns the newest result of a slot that has not been taken yet.
    pub fn take(&self, slot: usize) -> Option<Inspection> {
        let answer = self.shared.answers.get(slot)?;
        answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the next event, if any.
    pub fn try_event(&self) -> Option<InspectEvent> {
        self.events.try_recv().ok()
    }

    fn place(&self, slot: usize) -> Result<&Handover<Option<Model>>> {
        self.shared.models.get(slot).ok_or_else(|| {
            Error::Internal(format!("model slot {slot} of {N_INSPECTED} does not exist"))
        })
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        for loader in self.loaders.drain(..) {
            loader.detach();
        }
    }
}

/// State of the inspection thread.
struct Looker {
    shared: Arc<Shared>,
    models: [Option<Model>; N_INSPECTED],
    last: Option<InspectRequest>,
    /// Slots whose model has not processed the last request.
    is_due: [bool; N_INSPECTED],
}

impl Looker {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            models: Default::default(),
            last: None,
            is_due: [false; N_INSPECTED],
        }
    }

    fn run(mut self, stop: &StopFlag) {
        while !stop.is_stopped() {
            self.take_models();
            let is_idle = !self.is_due.contains(&true);
            let request = if is_idle {
                self.shared.request.take_timeout(POLL)
            } else {
                self.shared.request.try_take()
            };
            if let Some(request) = request {
                self.last = Some(request);
                self.is_due = std::array::from_fn(|slot| self.models[slot].is_some());
            }
            // One model at a time, so that a newer request is noticed before the next one starts.
            if let Some(slot) = self.is_due.iter().position(|&is_due| is_due) {
                self.is_due[slot] = false;
                self.look(slot);
            }
        }
    }

    fn take_models(&mut self) {
        for slot in 0..N_INSPECTED {
            if let Some(model) = self.shared.models[slot].take() {
                if let Some(model) = &model {
                    let name = model.name.clone();
                    self.shared.send(InspectEvent::ModelReady { slot, name });
                }
                self.is_due[slot] = model.is_some() && self.last.is_some();
                self.models[slot] = model;
            }
        }
    }

    fn look(&mut self, slot: usize) {
        let (Some(request), Some(model)) = (&self.last, &mut self.models[slot]) else {
            return;
        };
        let found = model
            .infer
            .inspect(&request.frame, &request.near, request.requested);
        match found {
            Ok(output) => {
                let answer = Inspection {
                    id: request.id,
                    slot,
                    name: model.name.clone(),
                    output: Arc::new(output),
                };
                let place = self.shared.answers[slot].lock();
                *place.unwrap_or_else(PoisonError::into_inner) = Some(answer);
                (self.shared.notify)();
            }
            Err(error) => {
                let name = model.name.clone();
                self.models[slot] = None;
                let event = InspectEvent::ModelFailed { slot, name, error };
                self.shared.send(event);
            }
        }
    }
}

//! A person who is looked for at a point of a frame, on its own thread.

use std::path::Path;

use crossbeam::channel::Sender;
use poselens_engine::Result;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::{FrameKey, Joint, PersonQuery, find_person};

use crate::gui::views::label::model::{Loaded, Model};
use crate::gui::views::label::thread::{FoundPerson, NewPerson, Numbered, Request};

/// A running search for a person. Its result is a request to the thread that owns the project.
pub(super) struct Adding {
    pub at: FrameKey,
    /// Joints of the person if the model finds nobody.
    pub template: Vec<Joint>,
    worker: Option<Worker>,
}

impl Adding {
    /// Starts to look for a person of the project in `folder`. `loaded` is used if it is `model`.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub(super) fn start(
        new: NewPerson,
        query: PersonQuery,
        (model, loaded): (Model, Option<Loaded>),
        folder: &Path,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let NewPerson {
            at,
            frame,
            template,
            ..
        } = new;
        let loaded = loaded.filter(|loaded| loaded.is_of(&model));
        let (folder, failed_in) = (folder.to_owned(), folder.to_owned());
        let failed = requests.clone();
        let look = move |_: &StopFlag| {
            let mut loaded = match loaded {
                Some(loaded) => loaded,
                None => Loaded::new(&model)?,
            };
            let found = find_person(&mut *loaded.infer, &frame, &query)?;
            answer(&requests, &folder, Ok((found, loaded)));
            Ok(())
        };
        let worker = Worker::spawn("new person", StopFlag::new(), look, move |error| {
            answer(&failed, &failed_in, Err(error));
        })?;
        Ok(Self {
            at,
            template,
            worker: Some(worker),
        })
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        // Joining could wait for a thread that waits for this one to take its result.
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

fn answer(requests: &Sender<Numbered>, folder: &Path, found: FoundPerson) {
    let folder = folder.to_owned();
    let request = Request::PersonFound { folder, found };
    let number = 0;
    // The project was closed meanwhile.
    let _ = requests.send(Numbered { number, request });
}

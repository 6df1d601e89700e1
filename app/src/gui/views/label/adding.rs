//! A person who is looked for at a point of a frame, on its own thread.

use std::path::Path;

use crossbeam::channel::Sender;
use poselens_engine::Result;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::{FrameKey, Joint, PersonQuery, find_person};

use crate::gui::views::label::model::{Loaded, Model};
use crate::gui::views::label::thread::{Answering, NewPerson, Numbered, Request, answer};

/// A running search for a person. Its result is a request to the thread that owns the project.
pub(super) struct Adding {
    pub at: FrameKey,
    /// Joints of the person if the model finds none.
    pub template: Vec<Joint>,
    _worker: Answering,
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
            let found = Ok((found, loaded));
            answer(&requests, Request::PersonFound { folder, found });
            Ok(())
        };
        let worker = Worker::spawn("new person", StopFlag::new(), look, move |error| {
            let (folder, found) = (failed_in, Err(error));
            answer(&failed, Request::PersonFound { folder, found });
        })?;
        Ok(Self {
            at,
            template,
            _worker: Answering::new(worker),
        })
    }
}

//! The data check before a training, on its own thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use poselens_engine::Result;
use poselens_engine::train::data_check::{CheckInputs, Looked, Report, check_data};

use crate::gui::background::Task;
use crate::gui::views::train::setup::findings::Listed;
use crate::gui::waker::Waker;

/// A running check.
#[derive(Debug)]
pub struct Check {
    /// Data being checked.
    pub inputs: CheckInputs,
    /// Its report, and the report's lines.
    pub task: Option<Task<(Report, Listed)>>,
    looked: Arc<Looked>,
}

impl Check {
    /// Starts a check.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub fn start(inputs: CheckInputs, waker: &Waker) -> Result<Self> {
        let looked = Arc::<Looked>::default();
        let (progress, work) = (Arc::clone(&looked), inputs.clone());
        let task = Task::start("data check", waker, move |stop| {
            let report = check_data(work, &progress, stop)?;
            let listed = Listed::of(&report);
            Ok((report, listed))
        })?;
        Ok(Self {
            inputs,
            task: Some(task),
            looked,
        })
    }

    /// Returns the number of images checked, and the number known so far.
    pub fn looked(&self) -> (usize, usize) {
        let Looked { pictures, of } = &*self.looked;
        (pictures.load(Ordering::Relaxed), of.load(Ordering::Relaxed))
    }
}

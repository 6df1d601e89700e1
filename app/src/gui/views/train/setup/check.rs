//! The data are looked at before anything is learned from them, on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use poselens_engine::Result;
use poselens_engine::train::data_check::{Looked, Report, Subject, check_data};

use crate::gui::views::train::setup::findings::Listed;
use crate::gui::views::train::task::Task;
use crate::gui::waker::Waker;

/// A check at work.
#[derive(Debug)]
pub struct Check {
    /// What is checked.
    pub subject: Subject,
    /// Its answer, and the lines of it.
    pub task: Option<Task<(Report, Listed)>>,
    looked: Arc<Looked>,
}

impl Check {
    /// Begins to look.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(subject: Subject, waker: &Waker) -> Result<Self> {
        let looked = Arc::<Looked>::default();
        let (progress, work) = (Arc::clone(&looked), subject.clone());
        let task = Task::start("data check", waker, move |stop| {
            let report = check_data(work, &progress, stop)?;
            let listed = Listed::of(&report);
            Ok((report, listed))
        })?;
        Ok(Self {
            subject,
            task: Some(task),
            looked,
        })
    }

    /// Pictures looked at, of so many known of so far.
    pub fn looked(&self) -> (usize, usize) {
        let Looked { pictures, of } = &*self.looked;
        (pictures.load(Ordering::Relaxed), of.load(Ordering::Relaxed))
    }
}

//! A comparison of the labels with a model's predictions, on its own thread.

use std::sync::Arc;

use crossbeam::channel::Sender;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::Contents;
use poselens_engine::project::check::{FAR, FindingKind, ModelComparison, far_from_model};
use poselens_engine::{Error, Result};

use crate::gui::trained;
use crate::gui::views::label::model::Model;
use crate::gui::views::label::published::SearchProgress;
use crate::gui::views::label::thread::{Answering, Numbered, Request, answer};
use crate::gui::waker::Waker;
use crate::words::{are, counted};

/// A running comparison. Its result is a request to the thread that owns the project.
pub struct Comparing {
    /// What the model is called.
    model: String,
    progress: Arc<SearchProgress>,
    stop: StopFlag,
    _worker: Answering,
}

impl Comparing {
    /// Starts to compare the confirmed labels of `contents` with a model.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(in crate::gui::views::label) fn start(
        contents: Contents,
        model: Model,
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<Self> {
        let progress = Arc::new(SearchProgress::default());
        let (shown, failed) = (Arc::clone(&progress), requests.clone());
        let title = trained::title(&model.name);
        let folder = contents.folder().to_owned();
        let compared = folder.clone();
        let compare = move |stop: &StopFlag| {
            let mut infer = (model.make)(&model.name)?;
            let found = far_from_model(&contents, &mut *infer, &mut |done, all| {
                shown.set(done, all);
                waker.wake();
                if stop.is_stopped() {
                    return Err(Error::Cancelled("the comparison was cancelled".to_owned()));
                }
                Ok(())
            });
            let folder = compared;
            answer(&requests, Request::Compared { folder, found });
            Ok(())
        };
        let stop = StopFlag::new();
        let worker = Worker::spawn("label comparison", stop.clone(), compare, move |error| {
            let found = Err(error);
            answer(&failed, Request::Compared { folder, found });
        })?;
        Ok(Self {
            model: title,
            progress,
            stop,
            _worker: Answering::new(worker),
        })
    }

    /// Returns what the model is called.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Ends the comparison after the current frame.
    pub fn cancel(&self) {
        self.stop.stop();
    }

    /// Returns the progress, which is shared with the thread.
    pub fn progress(&self) -> Arc<SearchProgress> {
        Arc::clone(&self.progress)
    }
}

/// Says what was compared with `model`, and the result.
pub(super) fn outcome(compared: &ModelComparison, model: &str) -> String {
    let count = |kind: FindingKind| {
        let findings = compared.findings.iter();
        findings.filter(|finding| finding.kind == kind).count()
    };
    let n_missed = count(FindingKind::MissedPerson);
    let n_far = count(FindingKind::FarFromModel);
    let far = match n_far {
        0 => format!("no joint is more than {FAR} torso lengths from where it sees it"),
        n => format!(
            "{} more than {FAR} torso lengths from where it sees it",
            are(n, "joint")
        ),
    };
    let missed = match n_missed {
        0 => String::new(),
        n => format!(
            "; it sees people in {} accepted without people",
            counted(n, "frame")
        ),
    };
    let frames = counted(compared.frames, "confirmed frame");
    format!("{frames} compared with {model}: {far}{missed}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::project::FrameKey;
    use poselens_engine::project::check::Finding;

    /// Fails when a comparison ends without saying what was compared, or what was found.
    #[test]
    fn the_outcome_says_what_was_compared() {
        let finding = |kind| Finding {
            at: FrameKey::new(1, 7),
            person: None,
            joint: None,
            kind,
            text: String::new(),
        };
        let of = |kinds: &[FindingKind]| {
            let findings = kinds.iter().map(|kind| finding(*kind)).collect();
            let frames = 12;
            outcome(&ModelComparison { frames, findings }, "sfm")
        };
        assert_eq!(
            of(&[]),
            "12 confirmed frames compared with sfm: no joint is more than 0.5 torso lengths from \
             where it sees it"
        );
        let text = of(&[FindingKind::FarFromModel, FindingKind::MissedPerson]);
        assert!(
            text.contains("1 joint is more than 0.5")
                && text.contains("people in 1 frame accepted"),
            "{text}"
        );
    }
}

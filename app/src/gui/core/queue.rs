//! The queue of files to record, and the outcome of each.

use std::collections::VecDeque;

use poselens_engine::Error;
use poselens_engine::pipeline::session::{FileOutcome, FileRecording};

use crate::gui::context::SourceChoice;
use crate::gui::titles::{about, recorded_text};
use crate::gui::ui_state::Level;

/// Waiting files, the running one, and the outcomes of the others.
#[derive(Default)]
pub(super) struct Queue {
    pub waiting: VecDeque<SourceChoice>,
    pub running: Option<Running>,
    pub ended: Vec<Ended>,
}

/// The file being recorded.
pub(super) struct Running {
    pub work: FileRecording,
    pub file: SourceChoice,
    pub is_stopping: bool,
}

/// Outcome of a file: one line for the user.
pub(super) enum Ended {
    Done(String),
    /// It was stopped before its end, or lacks something.
    Partly(String),
    Failed(String),
    Skipped(String),
}

/// Returns the outcome of a file.
pub(super) fn ended(
    file: &SourceChoice,
    outcome: std::result::Result<FileOutcome, Error>,
) -> Ended {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return Ended::Failed(about(&file.label, &error.to_string())),
    };
    let text = recorded_text(&outcome.tap);
    match (outcome.is_whole, outcome.warning) {
        (true, None) => Ended::Done(text),
        (true, Some(warning)) => Ended::Partly(format!("{text} ({warning})")),
        (false, _) => Ended::Partly(format!("{text} (stopped before the end of {})", file.label)),
    }
}

/// Summarises the outcomes: the line of a single file, or counts of each kind with reasons.
pub(super) fn summary(ended: &[Ended]) -> (Level, String) {
    if let [only] = ended {
        return match only {
            Ended::Done(text) => (Level::Info, text.clone()),
            Ended::Partly(text) => (Level::Warning, text.clone()),
            Ended::Failed(text) => (Level::Error, text.clone()),
            Ended::Skipped(text) => (Level::Warning, format!("Not recorded: {text}")),
        };
    }
    let mut counts = [0; 4];
    let mut reasons = Vec::new();
    for end in ended {
        let (i, reason) = match end {
            Ended::Done(_) => (0, None),
            Ended::Partly(text) => (1, Some(text)),
            Ended::Failed(text) => (2, Some(text)),
            Ended::Skipped(text) => (3, Some(text)),
        };
        counts[i] += 1;
        reasons.extend(reason.cloned());
    }
    let names = ["recorded", "recorded in part", "failed", "skipped"];
    let counted: Vec<_> = counts.iter().zip(names).filter(|(n, _)| **n > 0).collect();
    let counted: Vec<_> = counted
        .iter()
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    let mut parts = vec![format!("{} files: {}", ended.len(), counted.join(", "))];
    parts.extend(reasons);
    let text = parts.join(" · ");
    let level = match counts {
        [_, _, failed, _] if failed > 0 => Level::Error,
        [_, 0, _, 0] => Level::Info,
        _ => Level::Warning,
    };
    (level, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the summary of a queue hides a failure or miscounts.
    #[test]
    fn the_summary_counts_and_says_why() {
        let end = |name: &str| Ended::Done(name.to_owned());
        assert_eq!(summary(&[end("only")]), (Level::Info, "only".to_owned()));
        let all = [
            end("a"),
            end("b"),
            Ended::Failed("c.mp4: broken".to_owned()),
            Ended::Skipped("d.txt: not a video".to_owned()),
        ];
        let (level, text) = summary(&all);
        assert_eq!(level, Level::Error);
        assert_eq!(
            text,
            "4 files: 2 recorded, 1 failed, 1 skipped · c.mp4: broken · d.txt: not a video"
        );
    }
}

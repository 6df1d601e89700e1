//! Live streams of joints to other programs.

use std::sync::Arc;

use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::send::{Streams, Tally, Target};
use poselens_engine::{Error, Result};

use crate::gui::action::Sheet;
use crate::gui::action::stream::StreamAction;
use crate::gui::core::Core;
use crate::gui::tasks::TaskResult;
use crate::gui::ui_state::{Level, Sending};

impl Core {
    pub(super) fn run_stream(&mut self, action: StreamAction) -> Result<()> {
        match action {
            StreamAction::Edit(text) => self.state.stream_targets = text,
            StreamAction::Send(false) => return self.stop_streams(),
            // Pressed again before the first press was shown.
            StreamAction::Send(true) if self.ui_state.sending.is_on => {}
            StreamAction::Send(true) => {
                let targets = targets(&self.state.stream_targets)?;
                let others = targets.iter().filter(|target| !target.is_local());
                let elsewhere: Vec<_> = others.map(ToString::to_string).collect();
                let is_local = elsewhere.is_empty();
                self.ui_state.sending.elsewhere = elsewhere;
                if is_local {
                    return self.open_streams(targets);
                }
                self.ui_state.sheet = Some(Sheet::SendJoints);
            }
            StreamAction::Confirm => {
                self.ui_state.sheet = None;
                return self.open_streams(targets(&self.state.stream_targets)?);
            }
        }
        Ok(())
    }

    /// Opens the targets on a thread of its own: a name may take seconds to be found.
    fn open_streams(&mut self, targets: Vec<Target>) -> Result<()> {
        self.n_streams += 1;
        let serial = self.n_streams;
        let open = move || TaskResult::Streams(serial, Streams::open(&targets).map(Arc::new));
        let worker = self.tasks.task("stream targets", open)?;
        self.workers.push(worker);
        self.ui_state.sending.is_on = true;
        Ok(())
    }

    /// Starts sending to the opened targets.
    pub(super) fn on_streams(&mut self, serial: u64, opened: Result<Arc<Streams>>) {
        // Otherwise stopped meanwhile.
        if serial != self.n_streams {
            return;
        }
        match opened {
            Ok(streams) => {
                self.pipeline.send_to(Some(Arc::clone(&streams)));
                self.streams = Some(streams);
            }
            Err(error) => {
                self.ui_state.sending = Sending::default();
                self.ui_state.say(Level::Error, error.to_string());
            }
        }
    }

    fn stop_streams(&mut self) -> Result<()> {
        self.n_streams += 1;
        self.ui_state.sending = Sending::default();
        let Some(streams) = self.streams.take() else {
            return Ok(());
        };
        self.pipeline.send_to(None);
        let texts: Vec<_> = streams.tallies().iter().map(Tally::text).collect();
        self.ui_state.say(Level::Info, texts.join("; "));
        // Slow clients get a moment for their last frame.
        let end = move |_: &StopFlag| {
            streams.finish();
            Ok(())
        };
        let failed = |error: Error| tracing::error!(%error, "a stream could not be ended");
        let worker = Worker::spawn("stream end", StopFlag::new(), end, failed)?;
        self.workers.push(worker);
        Ok(())
    }
}

/// Parses targets separated by blanks or commas.
fn targets(text: &str) -> Result<Vec<Target>> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let targets: Vec<Target> = words.map(str::parse::<Target>).collect::<Result<_>>()?;
    if targets.is_empty() {
        let text = "there is no target for joints; type one, such as osc:127.0.0.1:9000";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a list of targets is cut, or a mistyped one among them is left out.
    #[test]
    fn lists_of_targets_are_read_as_a_whole() {
        let parsed = targets(" osc:127.0.0.1:9000, ws://localhost:8080 ").unwrap();
        let texts: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["osc:127.0.0.1:9000", "ws://localhost:8080"]);
        for text in ["", " , ", "osc:127.0.0.1:9000 udp:1"] {
            assert!(targets(text).is_err(), "{text}");
        }
    }
}

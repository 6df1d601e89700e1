//! Playback, stepping and seeking.

use poselens_engine::Result;
use poselens_engine::source::SeekTo;

use crate::gui::action::{PlaybackAction, ViewId};
use crate::gui::core::Core;
use crate::gui::ui_state::SPEEDS;

impl Core {
    /// Pauses the live view while another view is shown, unless it is being recorded.
    pub(in crate::gui) fn hold_live(&mut self) {
        if self.ui_state.is_playing && self.ui_state.recording.is_none() {
            self.ui_state.is_playing = false;
            self.ui_state.resumes_live = true;
        }
    }

    /// Resumes the live view if it was paused by [`Core::hold_live`].
    ///
    /// # Errors
    /// If the capture thread has not processed its earlier commands.
    pub(in crate::gui) fn resume_live(&mut self) -> Result<()> {
        if std::mem::take(&mut self.ui_state.resumes_live) {
            self.ui_state.is_playing = true;
            self.pipeline.follow_live();
        }
        self.loop_ended()
    }

    /// Plays a file from the start that has ended before looping was turned on.
    pub(super) fn loop_ended(&mut self) -> Result<()> {
        let is_shown = self.ui_state.view == ViewId::LIVE;
        if self.state.is_looping && self.ui_state.has_ended && is_shown {
            return self.run_playback(&PlaybackAction::PlayPause);
        }
        Ok(())
    }

    pub(super) fn run_playback(&mut self, action: &PlaybackAction) -> Result<()> {
        if self.ui_state.source.is_none() {
            return Ok(());
        }
        let is_live = self.ui_state.is_live();
        let (ui_state, pipeline) = (&mut self.ui_state, &self.pipeline);
        match *action {
            PlaybackAction::PlayPause if std::mem::take(&mut ui_state.has_ended) => {
                ui_state.is_playing = true;
                pipeline.restart()?;
            }
            PlaybackAction::PlayPause => {
                ui_state.is_playing = !ui_state.is_playing;
                if is_live && ui_state.is_playing {
                    pipeline.follow_live();
                }
            }
            PlaybackAction::First if is_live => self.seek(SeekTo::Frame(0)),
            PlaybackAction::First => {
                ui_state.has_ended = false;
                pipeline.restart()?;
            }
            PlaybackAction::Last if is_live => {
                ui_state.is_playing = true;
                pipeline.follow_live();
            }
            PlaybackAction::Last => {
                ui_state.is_playing = false;
                self.seek(SeekTo::Frame(u64::MAX));
            }
            PlaybackAction::Step(n) => {
                ui_state.is_playing = false;
                ui_state.has_ended = false;
                pipeline.step(n);
            }
            PlaybackAction::Seek(to) => self.seek(to),
            PlaybackAction::GoTo(to) => {
                ui_state.is_playing = false;
                self.seek(to);
            }
            PlaybackAction::Faster(is_up) => ui_state.speed = next_speed(ui_state.speed, is_up),
            PlaybackAction::Speed(speed) => ui_state.speed = speed,
        }
        self.look_changed();
        Ok(())
    }

    fn seek(&mut self, to: SeekTo) {
        // Seeking in the live buffer pauses, and so does it after the end of a file; otherwise a file
        // continues from the new position.
        self.ui_state.is_playing &= !self.ui_state.is_live() && !self.ui_state.has_ended;
        self.ui_state.has_ended = false;
        self.pipeline.seek(to);
    }
}

fn next_speed(speed: f64, is_up: bool) -> f64 {
    let next = if is_up {
        SPEEDS.iter().find(|s| **s > speed)
    } else {
        SPEEDS.iter().rev().find(|s| **s < speed)
    };
    next.copied().unwrap_or(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the speed keys skip a speed or go beyond the ends.
    #[test]
    fn speeds_go_up_and_down_by_one_and_stop_at_the_ends() {
        assert_eq!(next_speed(1.0, true), 1.5);
        assert_eq!(next_speed(1.0, false), 0.5);
        assert_eq!(next_speed(8.0, true), 8.0);
        assert_eq!(next_speed(0.1, false), 0.1);
    }
}

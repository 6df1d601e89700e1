//! The parts of a recording: one video for each size of its pictures.

use std::path::Path;

use poselens_engine::pipeline::session::{SessionEntry, raw_part};

use crate::gui::action::{Action, SourceAction, ViewId, WindowAction};
use crate::gui::context::SourceChoice;
use crate::gui::core::Core;
use crate::gui::titles::folder_name;
use crate::gui::ui_state::{Level, UiState};

impl Core {
    /// Returns the raw video of a recording's part, counted from 1.
    pub(super) fn part_source(&self, folder: &Path, part: usize) -> SourceChoice {
        source(folder, part, self.n_parts(folder))
    }

    /// Plays a recording in Live, from this part on.
    pub(super) fn play_from(&mut self, folder: &Path, part: usize) {
        self.run_action(Action::Window(WindowAction::Show(ViewId::LIVE)));
        self.play_part(folder, part);
    }

    /// Plays the part that follows the one which has ended, if there is one.
    pub(super) fn play_next_part(&mut self) {
        let ui_state = &self.ui_state;
        // A recording of the part itself must not go on with another video.
        if ui_state.is_playing
            && !ui_state.is_opening
            && !ui_state.is_recording()
            && let Some((entry, part)) = next_part(ui_state)
        {
            let folder = entry.folder.clone();
            self.play_part(&folder, part);
        }
    }

    /// Says which part of a recording the shown source is, if it has several.
    pub(super) fn say_part(&mut self) {
        let Some((entry, part)) = shown_part(&self.ui_state) else {
            return;
        };
        let n = entry.manifest.parts.len();
        if n > 1 {
            let name = folder_name(&entry.folder);
            let text = format!("Playing part {part} of {n} of {name}");
            self.ui_state.say(Level::Info, text);
        }
    }

    fn play_part(&mut self, folder: &Path, part: usize) {
        let raw = self.part_source(folder, part);
        self.asked
            .push_back(Action::Source(SourceAction::Open(raw)));
    }

    /// Returns the number of parts of a listed recording.
    fn n_parts(&self, folder: &Path) -> usize {
        let mut list = self.ui_state.recordings.iter().flatten();
        let entry = list.find(|entry| entry.folder == folder);
        entry.map_or(1, |entry| entry.manifest.parts.len())
    }
}

/// Returns part `part` of `n` as a source. The first one is opened by its folder, whose name it has.
fn source(folder: &Path, part: usize, n: usize) -> SourceChoice {
    let name = folder_name(folder);
    SourceChoice {
        label: match n {
            0 | 1 => name,
            n => format!("{name}, part {part} of {n}"),
        },
        spec: match part {
            1 => format!("recording:{}", folder.display()),
            part => raw_part(folder, part).display().to_string(),
        },
    }
}

/// Returns the recording that the shown source is a part of, and the part's number.
fn shown_part(ui_state: &UiState) -> Option<(&SessionEntry, usize)> {
    let shown = &ui_state.running_source.as_ref()?.spec;
    ui_state.recordings.iter().flatten().find_map(|entry| {
        let n = entry.manifest.parts.len();
        let is_shown = |part: &usize| source(&entry.folder, *part, n).spec == *shown;
        Some((entry, (1..=n).find(is_shown)?))
    })
}

/// Returns the recording that the shown source is a part of, and its next part with frames.
fn next_part(ui_state: &UiState) -> Option<(&SessionEntry, usize)> {
    let (entry, part) = shown_part(ui_state)?;
    let parts = &entry.manifest.parts;
    let next = (part..parts.len()).find(|i| parts[*i].frames > 0)?;
    Some((entry, next + 1))
}

#[cfg(test)]
mod tests {
    use poselens_engine::pipeline::Look;
    use poselens_engine::pipeline::session::{LookRecord, Manifest, PartRecord, SourceRecord};

    use super::*;

    /// Fails when the end of one part is taken for the end of the recording, a part without frames
    /// is opened, or the end of another file opens a recording.
    #[test]
    fn parts_follow_each_other() {
        let part = |frames| PartRecord {
            frames,
            ..PartRecord::default()
        };
        let manifest = Manifest {
            program: String::new(),
            is_finished: true,
            started: String::new(),
            failure: None,
            shortfall: None,
            remarks: Vec::new(),
            source: SourceRecord {
                name: "walk.mkv".to_owned(),
                spec: "walk.mkv".to_owned(),
                is_live: false,
                rate: None,
            },
            model: None,
            overlay: LookRecord::from(&Look::default()),
            parts: [12, 0, 12].map(part).into(),
            annotations: Vec::new(),
        };
        let folder = Path::new("/recordings/walk");
        let mut ui_state = UiState {
            recordings: Some(vec![SessionEntry {
                folder: folder.to_owned(),
                manifest,
                leftovers: Vec::new(),
            }]),
            ..UiState::default()
        };
        let mut after = |shown: SourceChoice| {
            ui_state.running_source = Some(shown);
            next_part(&ui_state).map(|(_, part)| part)
        };
        let [first, last] = [1, 3].map(|part| source(folder, part, 3));
        assert_eq!(last.label, "walk, part 3 of 3");
        assert_eq!(after(first), Some(3));
        assert_eq!(after(last), None);
        assert_eq!(after(source(Path::new("/walk"), 1, 1)), None);
    }
}

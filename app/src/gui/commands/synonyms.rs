//! Synonyms by which users may search for commands.

use poselens_engine::output::Approach;

use crate::gui::action::{Action, ModelAction};
use crate::gui::command::Command;
use crate::gui::commands::fit::{fit, fit_word};
use crate::gui::context::GuiContext;

/// A word, and the starts of the titles it also finds, best match first.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("angle", &["Overlay skeleton", "Show all joints"]),
    (
        "annotate",
        &[
            "Open recording",
            "Look for recordings",
            "Start or stop recording",
        ],
    ),
    ("attention", &["Inspect this frame", "Next attention"]),
    ("camera", &["Look for cameras", "Show "]),
    ("capture", &["Start or stop recording"]),
    ("compare", &["Inspect this frame"]),
    ("coco", &["Start or stop recording"]),
    ("csv", &["Export npy", "Start or stop recording"]),
    ("cuda", &["Compute on"]),
    ("errors", &["Log"]),
    ("export", &["Start or stop recording", "Save a snapshot"]),
    ("flip", &["Mirror"]),
    ("fps", &["Faster", "Slower"]),
    ("frame", &["One frame", "Ten frames"]),
    ("gpu", &["Compute on"]),
    ("help", &["Keys", "First steps", "About"]),
    ("image", &["Save a snapshot", "Open a file"]),
    ("inspect", &["Inspect this frame"]),
    ("json", &["Start or stop recording"]),
    ("keyboard", &["Keys"]),
    (
        "label",
        &["Choose training labels", "Choose held-out labels"],
    ),
    ("licence", &["About"]),
    ("manual", &["First steps", "Keys"]),
    ("mirror", &["Mirror"]),
    ("model", &["Network"]),
    ("mp4", &["Start or stop recording", "Open a file"]),
    ("options", &["Settings"]),
    ("pause", &["Play or pause"]),
    ("preferences", &["Settings"]),
    ("repeat", &["Loop"]),
    ("rewind", &["To the beginning"]),
    ("screenshot", &["Save a snapshot"]),
    ("shortcuts", &["Keys"]),
    ("speed", &["Faster", "Slower"]),
    (
        "undo",
        &["Keep the old weights", "Show all joints", "Usual size"],
    ),
    ("video", &["Open a file", "Start or stop recording"]),
    ("webcam", &["Look for cameras", "Show "]),
    ("weights", &["Network", "Use the trained"]),
    (
        "zoom",
        &["Everything larger", "Everything smaller", "Usual size"],
    ),
];

/// Search words for networks that detect several people; the other networks follow them in the
/// results.
const SEVERAL: [&str; 6] = [
    "people",
    "persons",
    "multi",
    "several",
    "crowd",
    "everybody",
];

/// Scores how well a command matches `query`, by its title or a synonym; higher is better, `None`
/// if it does not match.
pub fn fit_command(command: &Command, query: &str, gui: &GuiContext) -> Option<i32> {
    let places = SYNONYMS.iter().filter_map(|(word, titles)| {
        let mut titles = titles.iter();
        let place = titles.position(|begin| command.title.starts_with(begin))?;
        Some((*word, place))
    });
    let place = several(command, gui);
    let several = SEVERAL.iter().filter_map(|word| Some((*word, place?)));
    let other = places
        .chain(several)
        .filter_map(|(word, place)| Some(fit_word(word, query)? - place as i32))
        .max();
    fit(&command.title, query).max(other)
}

/// Returns the rank of a network among the matches of [`SEVERAL`]; `None` for other commands.
fn several(command: &Command, gui: &GuiContext) -> Option<usize> {
    let Action::Model(ModelAction::Choose(name)) = &command.action else {
        return None;
    };
    let model = gui.models.iter().find(|m| m.name == *name)?;
    Some(usize::from(model.approach() != Some(Approach::BottomUp)))
}

#[cfg(test)]
mod tests {
    use super::super::fixed::fixed;
    use super::*;

    /// Fails when a command was renamed and its synonyms no longer find it.
    #[test]
    fn every_synonym_finds_a_command() {
        let made = [
            "Open recording ",
            "Show ",
            "Compute on ",
            "Network ",
            "Export npy",
        ];
        let titles = fixed().into_iter().map(|(_, title, ..)| *title);
        let switches = super::super::switches::SWITCHES.iter().map(|s| s.title);
        let titles: Vec<_> = titles.chain(switches).chain(made).collect();
        for (word, begins) in SYNONYMS {
            for begin in *begins {
                let overlay = begin.starts_with("Overlay ");
                let is_there = titles.iter().any(|title| title.starts_with(begin));
                assert!(overlay || is_there, "{word}: {begin}");
            }
        }
    }
}

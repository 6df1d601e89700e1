//! Synonyms by which users may search for commands.

use poselens_engine::output::Approach;

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::{Action, ModelAction, RecordAction, SourceAction};
use crate::gui::command::Command;
use crate::gui::commands::fit::{fit_abbreviation, fit_name, fit_synonym, fit_title, words};
use crate::gui::context::approach;

/// A word, and the starts of the titles it also finds, best match first.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("affinity", &["Overlay limb fields"]),
    (
        "angle",
        &["Overlay measures", "Overlay skeleton", "Show all joints"],
    ),
    ("accept", &["Accept the frame"]),
    ("annotate", &["Start or stop recording", "Label frames"]),
    ("ask", &["Show "]),
    ("attention", &["Inspect this frame", "Next attention"]),
    (
        "bigger",
        &["Make the person larger", "Larger interface", "Zoom in"],
    ),
    ("camera", &["Look for cameras", "Show "]),
    ("capture", &["Start or stop recording"]),
    ("close", &["Quit"]),
    ("compare", &["Inspect this frame"]),
    ("coco", &["Start or stop recording"]),
    ("confirm", &["Accept the frame", "Accept the person"]),
    ("correct", &["Label frames"]),
    ("cuda", &["Compute on"]),
    ("distance", &["Overlay measures"]),
    ("delete", &["Delete", "Clear recent files"]),
    ("directory", &["Open the folder", "Change the folder"]),
    ("errors", &["Log"]),
    ("exit", &["Quit", "Full screen"]),
    ("export", &["Start or stop recording", "Save a snapshot"]),
    ("flip", &["Mirror", "Swap left and right"]),
    ("font", &["Larger interface", "Smaller interface"]),
    ("fps", &["Faster", "Slower"]),
    (
        "frame",
        &["Previous frame", "Next frame", "Back ten", "Forward ten"],
    ),
    (
        "go",
        &[
            "To the beginning",
            "To the end",
            "Previous frame",
            "Next frame",
            "Back ten",
            "Forward ten",
        ],
    ),
    ("gpu", &["Compute on"]),
    ("help", &["Keys", "Getting started", "About"]),
    ("image", &["Save a snapshot", "Open a file"]),
    ("inspect", &["Inspect this frame"]),
    ("interpolate", &["Fill in between"]),
    ("json", &["Start or stop recording"]),
    (
        "jump",
        &["To the beginning", "To the end", "Back ten", "Forward ten"],
    ),
    ("keyboard", &["Keys"]),
    (
        "label",
        &["Label ", "Choose training labels", "Choose held-out labels"],
    ),
    ("licence", &["About"]),
    ("leave", &["Quit", "Full screen"]),
    ("looking", &["Inspect this frame", "Overlay attention"]),
    ("magnify", &["Zoom in", "Larger interface"]),
    ("manual", &["Getting started", "Keys"]),
    ("mirror", &["Mirror"]),
    ("model", &["Network"]),
    ("mp4", &["Start or stop recording", "Open a file"]),
    ("nudge", &["Joint "]),
    ("occlude", &["Make the joint visible"]),
    ("occluded", &["Make the joint visible"]),
    ("options", &["Settings"]),
    ("paste", &["Copy the people"]),
    ("pause", &["Play or pause"]),
    ("photo", &["Save a snapshot", "Open a file"]),
    ("picture", &["Save a snapshot", "Open a file"]),
    ("preferences", &["Settings"]),
    ("propose", &["Suggest frames"]),
    ("remove", &["Delete the person", "Delete a recording"]),
    ("repeat", &["Loop"]),
    (
        "reset",
        &["Whole image", "Show all joints", "Default interface size"],
    ),
    ("rotate", &["Turn the person"]),
    ("rewind", &["To the beginning"]),
    ("screenshot", &["Save a snapshot"]),
    (
        "seek",
        &["To the beginning", "To the end", "Back ten", "Forward ten"],
    ),
    ("shortcuts", &["Keys"]),
    ("smaller", &["Smaller interface", "Zoom out"]),
    ("speed", &["Faster", "Slower"]),
    (
        "undo",
        &[
            "Undo",
            "Keep the old weights",
            "Show all joints",
            "Whole image",
            "Default interface size",
        ],
    ),
    ("video", &["Open a file", "Start or stop recording"]),
    ("webcam", &["Look for cameras", "Show "]),
    ("weights", &["Network", "Use the trained"]),
    ("why", &["Inspect this frame", "Overlay attention"]),
    (
        "zoom",
        &[
            "Zoom in",
            "Zoom out",
            "Whole image",
            "Larger interface",
            "Smaller interface",
            "Default interface size",
        ],
    ),
];

/// Search words for several people.
const SEVERAL: [&str; 6] = ["people", "person", "multi", "several", "crowd", "everybody"];

/// Scores how well a command matches `query`, higher is better; `None` if it does not. Every word
/// of the query must match the title or a synonym, or all of it abbreviates the title.
pub(crate) fn fit_command(command: &Command, query: &str) -> Option<i32> {
    let title = words(&command.title);
    let is_named = is_named(&command.action);
    let typed = words(query);
    let by_word = |word: &String| {
        let by_title = if is_named {
            fit_name(&title, word)
        } else {
            fit_title(&title, word)
        };
        by_title.max(fit_synonyms(command, word))
    };
    let fits: Option<Vec<i32>> = typed.iter().map(by_word).collect();
    match (fits, typed.as_slice()) {
        (Some(fits), []) => Some(fits.iter().sum()),
        (Some(fits), typed) => Some(fits.iter().sum::<i32>() / typed.len() as i32),
        (None, [letters]) if !is_named => fit_abbreviation(&title, letters),
        (None, _) => None,
    }
}

/// Returns the best score of a word among the synonyms of a command.
fn fit_synonyms(command: &Command, word: &str) -> Option<i32> {
    let places = SYNONYMS.iter().filter_map(|(synonym, titles)| {
        let mut titles = titles.iter();
        let place = titles.position(|begin| command.title.starts_with(begin))?;
        Some((*synonym, place))
    });
    let several = SEVERAL.iter().filter(|_| finds_several(command));
    let all = places.chain(several.map(|synonym| (*synonym, 0)));
    all.filter_map(|(synonym, place)| Some(fit_synonym(synonym, word)? - place as i32))
        .max()
}

/// Returns whether the title of a command contains a name that the user gave.
fn is_named(action: &Action) -> bool {
    matches!(
        action,
        Action::Source(SourceAction::OpenRecent(_)) | Action::Record(RecordAction::Open(..))
    )
}

/// Returns whether a command chooses a network that finds several people, or concerns them.
fn finds_several(command: &Command) -> bool {
    match &command.action {
        Action::Model(ModelAction::Choose(name))
        | Action::Inspect(InspectAction::Model(0, Some(name))) => {
            approach(name) == Some(Approach::BottomUp)
        }
        action => matches!(action, Action::People(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixed::fixed;
    use super::*;
    use crate::gui::action::StageAction;
    use crate::gui::command::Group;
    use crate::gui::views::VIEWS;
    use poselens_engine::model::MODELS;

    /// Fails when a command was renamed and its synonyms no longer find it.
    #[test]
    fn every_synonym_finds_a_command() {
        let made = [
            "Open recording ",
            "Show ",
            "Compute on ",
            "Network ",
            "Open the folder of recordings",
            "Change the folder of recordings…",
            "Delete a recording",
            "Clear recent files",
        ];
        let own = VIEWS.iter().flat_map(|view| view.own_commands);
        let titles = fixed().into_iter().chain(own).map(|(_, title, ..)| *title);
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
    /// Fails when a few letters do not find a command, or rank another one first.
    #[test]
    fn words_and_abbreviations_find_commands() {
        let all: Vec<Command> = fixed()
            .into_iter()
            .map(|(group, title, _, action)| Command::new(*group, *title, action.clone()))
            .collect();
        for (query, wanted) in [
            ("snap", "Save a snapshot"),
            ("full", "Full screen"),
            ("opfi", "Open a file…"),
            ("zoom", "Zoom in"),
            ("screenshots", "Save a snapshot"),
            ("start the tr", "Start the training"),
            ("previous frame", "Previous frame"),
        ] {
            // The first of equal scores, as in the palette.
            let best = all.iter().rev();
            let best = best.max_by_key(|command| fit_command(command, query));
            assert_eq!(best.unwrap().title, wanted, "{query}");
        }
        let none = |query: &str| all.iter().all(|c| fit_command(c, query).is_none());
        assert!(none("xyz") && none("syek") && none("open nothing"));
    }

    /// Fails when a word for several people finds a network that follows one, or not one that finds
    /// several.
    #[test]
    fn only_networks_of_several_people_match_their_words() {
        let of = |wanted| MODELS.iter().find(|m| m.approach == wanted).unwrap().name;
        let (one, several) = (of(Approach::TopDown), of(Approach::BottomUp));
        for word in ["multi", "people", "multi-person", "crowd"] {
            let fits = |name: &str| {
                let choose = Action::Model(ModelAction::Choose(name.to_owned()));
                let inspect = Action::Inspect(InspectAction::Model(0, Some(name.to_owned())));
                [choose, inspect].map(|action| {
                    let command = Command::new(Group::MODEL, format!("Network {name}"), action);
                    fit_command(&command, word).is_some()
                })
            };
            assert_eq!(
                (fits(one), fits(several)),
                ([false; 2], [true; 2]),
                "{word}"
            );
        }
    }

    /// Fails when letters scattered over the path of a recent file match, or a file of that name
    /// ranks before the command.
    #[test]
    fn files_match_by_their_words_and_after_commands() {
        let recent = |title: &str| {
            let action = Action::Source(SourceAction::OpenRecent(title.to_owned()));
            Command::new(Group::RECENT, title, action)
        };
        let scattered = recent("walk.mp4   in /home/anna/gym/labels of the evening");
        assert_eq!(fit_command(&scattered, "angle"), None);
        assert!(fit_command(&scattered, "walk").is_some());
        let named = recent("zoom.mp4   in /home/anna");
        let action = Action::Stage(StageAction::ZoomBy(2.0));
        let command = Command::new(Group::PLAYBACK, "Zoom in", action);
        assert!(fit_command(&command, "zoom") > fit_command(&named, "zoom"));
    }
}

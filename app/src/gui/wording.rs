//! The engine's advice in the words of the window: some messages name a command that solves the
//! problem, where the window has a control for it.

/// Commands in messages of the engine, and the control of the window that does the same.
const CONTROLS: &[(&str, &str)] = &[
    ("`poselens project relocate`", "Clip… on the right"),
    ("`poselens project new`", "Clip… on the right"),
    ("`poselens project add`", "Clip… on the right"),
    ("`poselens project import`", "More › Import labels…"),
    ("`poselens label --propose`", "Suggest frames"),
    ("`poselens train --project DIR --resume`", "Continue"),
];

/// Returns a message of the engine with the controls of the window in place of commands.
pub(super) fn in_window(text: &str) -> String {
    let replaced = |text: String, (command, control): &(&str, &str)| text.replace(command, control);
    CONTROLS.iter().fold(text.to_owned(), replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::finetune::Gate;
    use poselens_engine::project::{Clip, ProjectFile};

    /// Fails when a message about a missing clip, a folder without a project or an unfinished run
    /// tells somebody in front of the window to use the command line.
    #[test]
    fn messages_name_the_controls_of_the_window() {
        let folder = tempfile::tempdir().unwrap();
        let clip = "id = 1\nname = \"help\"\npath = \"help.mkv\"\nkind = \"video\"\ncopied = false\n\
                    bytes = 1\nsha256 = \"0\"\nn_frames = 2\nseconds = 1.0\n";
        let clip: Clip = toml::from_str(clip).unwrap();
        let errors = [
            clip.require(folder.path()).unwrap_err(),
            ProjectFile::read(folder.path()).unwrap_err(),
            Gate::read(folder.path()).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains("`poselens "), "{text}");
            let text = in_window(&text);
            assert!(!text.contains("`poselens"), "{text}");
        }
    }
}

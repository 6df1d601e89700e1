//! The project's rules that can be checked automatically.

mod graph;
mod layers;
mod modules;
mod planted;
mod scan;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use graph::Enclosing;
use layers::Layers;
use modules::{Crate, Files};

/// Maximum length of a file in lines.
const MAX_LINES: usize = 500;

/// The same table as in ARCHITECTURE.md.
const ENGINE: Layers = Layers {
    root: "engine/src/lib.rs",
    rows: &[
        &[
            "block_cache",
            "disk",
            "document",
            "error",
            "frame",
            "geometry",
            "output",
            "pose",
            "pose_json",
            "sample",
            "skeleton",
            "sound",
            "words",
        ],
        &["concurrency", "device", "measure", "nn"],
        &[
            "source",
            "preprocess",
            "augment",
            "model",
            "codec",
            "track",
            "overlay",
            "record",
            "send",
        ],
        &["estimator", "dataset", "eval", "checkpoint"],
        &["pipeline", "project", "train"],
        &["finetune"],
    ],
    is_base_shared: true,
};

/// The same table as in ARCHITECTURE.md.
const APP: Layers = Layers {
    root: "app/src/lib.rs",
    rows: &[
        &[
            "figures",
            "folders",
            "logs",
            "option_texts",
            "people",
            "stats",
            "words",
        ],
        &[
            "outputs",
            "gui::dialog",
            "gui::display",
            "gui::icons",
            "gui::picture",
            "gui::prediction_note",
            "gui::scale",
            "gui::theme",
            "gui::titles",
            "gui::waker",
            "gui::wording",
            "gui::zoom",
        ],
        &["gui::background", "gui::trained", "gui::widgets"],
        &["gui::context", "gui::state", "gui::training"],
        &["gui::action", "gui::listing"],
        &["gui::tasks", "gui::ui_state"],
        &["gui::command", "gui::core", "gui::path_field"],
        &["gui::view"],
        &["gui::views"],
        &["gui::commands"],
        &[
            "gui::header",
            "gui::keyboard",
            "gui::messages",
            "gui::sheets",
        ],
        &["gui::app"],
        &["gui::run"],
        &["gui"],
        &["cli"],
    ],
    is_base_shared: false,
};

/// Each folder in it is a view of the window.
const VIEWS: &str = "gui::views";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns every source file of ours with its text, by path relative to the workspace.
fn sources() -> &'static Files {
    static FILES: LazyLock<Files> = LazyLock::new(|| {
        let mut files = Files::new();
        let mut folders: Vec<PathBuf> = ["app", "engine", "shaders", "tests"]
            .iter()
            .map(|f| root().join(f))
            .collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    if name != "vendor" && name != "target" && name != "golden" {
                        folders.push(path);
                    }
                } else if matches!(name.rsplit_once('.'), Some((_, "rs" | "wgsl"))) {
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
                }
            }
        }
        assert!(files.len() > 50, "the sources were not found");
        files
    });
    &FILES
}

// Read once for several tests.
static ENGINE_CODE: LazyLock<Crate> = LazyLock::new(|| Crate::read(sources(), ENGINE.root));
static APP_CODE: LazyLock<Crate> = LazyLock::new(|| Crate::read(sources(), APP.root));

/// Fails when a file exceeds the maximum length.
#[test]
fn no_file_exceeds_the_maximum_length() {
    let long: Vec<_> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, n)| *n > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

/// Fails when a file does not start with a comment that states its purpose.
#[test]
fn every_file_starts_with_its_purpose() {
    let mute: Vec<_> = sources()
        .iter()
        .filter(|(_, text)| !text.starts_with("//"))
        .map(|(path, _)| path)
        .collect();
    assert!(mute.is_empty(), "without a leading comment: {mute:?}");
}

/// Fails when the engine depends on a window library.
#[test]
fn the_engine_does_not_depend_on_a_window_library() {
    let manifest = std::fs::read_to_string(root().join("engine/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let tables = ["dependencies", "dev-dependencies"];
    let named = |library: &str| {
        tables
            .iter()
            .any(|table| manifest[*table].as_table().unwrap().contains_key(library))
    };
    for library in ["egui", "eframe", "wgpu", "winit"] {
        assert!(!named(library), "engine/Cargo.toml names {library}");
        let users: Vec<_> = ENGINE_CODE
            .outside()
            .filter(|(_, written)| written.path[0] == library)
            .collect();
        assert!(users.is_empty(), "uses of {library}: {users:?}");
    }
}

/// Fails when a module imports from its own row of the layer table or from a higher one.
#[test]
fn modules_import_only_downwards() {
    let mut violations = ENGINE.violations(&ENGINE_CODE);
    violations.extend(APP.violations(&APP_CODE));
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

/// Fails when a view imports from another one instead of from what both share.
#[test]
fn views_do_not_depend_on_each_other() {
    let view = |module: &str| {
        let inside = module.strip_prefix(VIEWS)?.strip_prefix("::")?;
        inside.split("::").next().map(str::to_owned)
    };
    let views: BTreeSet<_> = APP_CODE.modules().filter_map(|(m, _)| view(m)).collect();
    assert!(views.len() >= 3, "the views were not found: {views:?}");
    let uses = APP_CODE.uses();
    let sideways = uses.iter().filter(|used| {
        let from = view(&used.from);
        let targets = [view(&used.through), view(&used.to)];
        from.is_some() && targets.iter().any(|to| to.is_some() && *to != from)
    });
    let sideways: Vec<_> = sideways.map(|u| format!("{u:?}")).collect();
    assert!(sideways.is_empty(), "\n{}", sideways.join("\n"));
}

/// Fails when the documented layers are not those that are checked.
#[test]
fn the_documented_layers_are_those_checked() {
    for (file, layers, letter) in [
        ("ARCHITECTURE.md", &ENGINE, 'L'),
        ("engine/src/lib.rs", &ENGINE, 'L'),
        ("ARCHITECTURE.md", &APP, 'A'),
    ] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        for (row, modules) in layers.rows.iter().enumerate() {
            let start = format!("| {letter}{row} |");
            let line = text.lines().find_map(|line| line.split_once(&start));
            let (_, line) = line.unwrap_or_else(|| panic!("{file} has no row {letter}{row}"));
            let list = line.split(" (").next().unwrap_or_default();
            let mut written: Vec<_> = list.split('`').skip(1).step_by(2).collect();
            let mut checked = modules.to_vec();
            written.sort_unstable();
            checked.sort_unstable();
            assert_eq!(written, checked, "{file}, row {letter}{row}");
        }
    }
}

/// Fails when two files depend on each other, directly or indirectly.
#[test]
fn files_have_no_dependency_cycles() {
    let shaders = Crate::read(sources(), "shaders/src/lib.rs");
    let all = |code| graph::files(code, Enclosing::IsFree);
    let mut window = graph::files(&APP_CODE, Enclosing::Counts);
    window.retain(|file, _| file.starts_with("app/src/gui"));
    for graph in [all(&ENGINE_CODE), all(&APP_CODE), all(&shaders), window] {
        assert!(graph.len() > 5, "the files were not found");
        let circles = graph::circles(&graph);
        let described: Vec<_> = circles.iter().map(|c| graph::describe(&graph, c)).collect();
        assert!(circles.is_empty(), "\n{}", described.join("\n"));
    }
}

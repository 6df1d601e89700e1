//! The house rules that a machine can check.

use std::path::{Path, PathBuf};

/// Longest file allowed, in lines.
const MAX_LINES: usize = 500;

/// The engine's rows, lowest first. A module imports from lower rows only; `nn` may also be
/// used by `model`, its upper neighbour, like any lower row.
const ENGINE_ROWS: &[&[&str]] = &[
    &[
        "disk", "document", "error", "frame", "geometry", "output", "pose", "sample", "skeleton",
        "sound",
    ],
    &["concurrency", "device", "nn"],
    &[
        "source",
        "preprocess",
        "augment",
        "model",
        "codec",
        "track",
        "overlay",
        "record",
    ],
    &["estimator", "dataset", "eval", "checkpoint"],
    &["pipeline", "train"],
];

/// Modules of row 0 may use each other.
const BASE_ROW: usize = 0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every source file of ours with its text, paths relative to the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
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
                files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(files.len() > 50, "the sources were not found");
    files
}

/// Fails when a file has grown into a room too many.
#[test]
fn no_file_is_longer_than_the_cap() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, n)| *n > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

/// Fails when a reader opens a file that does not say what it is for.
#[test]
fn every_file_begins_with_its_purpose() {
    let mute: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//"))
        .map(|(path, _)| path)
        .collect();
    assert!(mute.is_empty(), "without a leading comment: {mute:?}");
}

/// Fails when the engine starts to draw windows.
#[test]
fn the_engine_knows_no_window() {
    for (path, text) in sources() {
        if path.starts_with("engine") {
            for library in ["egui", "eframe", "wgpu", "winit"] {
                let uses = text
                    .lines()
                    .filter(|l| !l.trim_start().starts_with("//"))
                    .any(|l| l.contains(&format!("{library}::")));
                assert!(!uses, "{} uses {library}", path.display());
            }
        }
    }
}

/// Fails when a module of the engine imports from its own row or from above.
#[test]
fn the_engine_imports_only_downwards() {
    let row_of = |module: &str| ENGINE_ROWS.iter().position(|row| row.contains(&module));
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix("engine/src") else {
            continue;
        };
        let first = inside.iter().next().unwrap().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module.starts_with("test_") {
            continue;
        }
        let row = row_of(module)
            .unwrap_or_else(|| panic!("module {module} has no row in the layer table"));
        for used in imports(&text) {
            let Some(used_row) = row_of(&used) else {
                continue;
            };
            let allowed =
                used == module || used_row < row || (used_row == BASE_ROW && row == BASE_ROW);
            assert!(allowed, "{} imports {used}", path.display());
        }
    }
}

/// First path segments after `crate::`, outside test modules.
fn imports(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    product
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .flat_map(|l| l.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

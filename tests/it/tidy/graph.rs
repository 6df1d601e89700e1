//! Dependency graph of source files, and its cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::modules::Crate;

/// The files that each file uses, with one location each.
pub(super) type Graph = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// Whether uses of a module by the modules inside it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enclosing {
    /// They count: a `mod.rs` either defines what its folder uses or uses its folder.
    Counts,
    /// They do not count: a folder's root file may define what its files share and list them in a
    /// table.
    IsFree,
}

/// Returns the dependency graph of a crate. Re-exports count where the name is used, not where it
/// is re-exported, so that a `mod.rs` may gather the names of its folder.
pub(super) fn files(code: &Crate, enclosing: Enclosing) -> Graph {
    let mut graph = Graph::new();
    for used in code.uses() {
        let is_inside = used.to.is_empty() || used.from.starts_with(&format!("{}::", used.to));
        if enclosing == Enclosing::IsFree && is_inside {
            continue;
        }
        if used.file != used.to_file && !used.is_reexport && !used.is_module {
            let place = format!("line {}: {}", used.line, used.written);
            let targets = graph.entry(used.file).or_default();
            targets.entry(used.to_file).or_insert(place);
        }
    }
    graph
}

/// Returns the groups of files that cannot be ordered such that each uses only earlier ones: the
/// strongly connected components of more than one file.
pub(super) fn circles(graph: &Graph) -> Vec<BTreeSet<PathBuf>> {
    let reached = |from: &PathBuf| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(targets) = next.pop().map(|file| graph.get(file)) {
            for target in targets.into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(target) {
                    next.push(target);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<_, _> = graph.keys().map(|file| (file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, from_here) in &reach {
        let back = |other: &&PathBuf| reach.get(*other).is_some_and(|r| r.contains(*file));
        let circle: BTreeSet<PathBuf> = from_here.iter().copied().filter(back).cloned().collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Lists the uses within a cycle, one per line, for the message of a failing test.
pub(super) fn describe(graph: &Graph, circle: &BTreeSet<PathBuf>) -> String {
    let edges = circle.iter().flat_map(|file| {
        let inside = graph[file].iter().filter(|(to, _)| circle.contains(*to));
        inside.map(move |(to, place)| format!("{} -> {} ({place})", file.display(), to.display()))
    });
    let edges: Vec<_> = edges.collect();
    format!("a circle of {} files:\n{}", circle.len(), edges.join("\n"))
}

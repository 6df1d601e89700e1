//! Tests of the checker: violations of every kind, planted in small crates, are reported.

use std::path::{Path, PathBuf};

use super::graph::{self, Enclosing};
use super::layers::Layers;
use super::modules::{Crate, Files};

/// A crate with the layers `low < middle < high`, where `low` has two files, with files added or
/// replaced.
fn planted(files: &[(&str, &str)]) -> Crate {
    let sound = [
        (
            "lib.rs",
            "pub mod high; pub mod low; pub mod middle; pub use low::Low;",
        ),
        ("high.rs", "pub struct High; pub fn top() {}"),
        ("low/mod.rs", "pub mod inner; pub struct Low;"),
        ("low/inner.rs", "pub struct Inner;"),
        ("middle.rs", "use crate::low::Low; pub struct Middle(Low);"),
    ];
    let files: Files = sound
        .iter()
        .chain(files)
        .map(|(name, text)| (Path::new("src").join(name), (*text).to_owned()))
        .collect();
    Crate::read(&files, "src/lib.rs")
}

const ROWS: Layers = Layers {
    root: "src/lib.rs",
    rows: &[&["low"], &["middle"], &["high"]],
    is_base_shared: false,
};

/// Returns the violations reported when `middle.rs` has this text.
fn reported(middle: &str) -> Vec<String> {
    ROWS.violations(&planted(&[("middle.rs", middle)]))
}

/// Fails when an import from a higher layer is missed because of its syntax.
#[test]
fn an_import_from_above_is_found_in_every_syntax() {
    for middle in [
        "use crate::high::High;",
        "use crate::{low::Low, high::High};",
        "use crate::{low::{self, Low}, high::{self as above}};",
        "use crate::{low::{inner::{Inner}}, high::*};",
        "use super::high::High;",
        "mod inside { use super::super::high::High; }",
        "mod inside { mod deeper { fn f() { super::super::super::high::top() } } }",
        "use crate::high;",
        "use crate as root; use root::high::High;",
        "pub use crate::high::High as Renamed;",
        "use crate::high as _;",
        "fn f() { crate::high::top(); }",
        "fn f() { use crate::high::top; }",
        "fn f(_: Vec<crate::high::High>) {}",
        "impl Trait for crate::high::High {}",
        "fn f() { <crate::high::High as Default>::default(); }",
        "fn f() { println!(\"{:?}\", crate::high::top()); }",
        "fn f() { let _ = vec![(1, super::high::top())]; }",
        "macro_rules! m { () => { $crate::high::top() }; }",
        "#[derive(crate::high::Derive)] struct S;",
        "struct S { #[serde(with = \"crate::high\")] f: u8 }",
        "#[cfg(feature = \"x\")] use crate::high::High;",
        "#[cfg(not(test))] use crate::high::High;",
        "#[cfg(any(test, unix))] use crate::high::High;",
    ] {
        let found = reported(middle);
        assert_eq!(found.len(), 1, "{middle}: {found:?}");
        assert!(found[0].contains("middle uses high"), "{found:?}");
    }
}

/// Fails when code after a test-only item is skipped, or such an item is checked.
#[test]
fn only_test_items_are_skipped() {
    for test in [
        "#[cfg(test)] mod tests { use crate::high::High; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(test)] use crate::high::High;",
        "#[cfg(all(test, unix))] fn f() { crate::high::top() }",
        "struct S { #[cfg(test)] f: crate::high::High }",
        "impl S { #[cfg(test)] fn f() { crate::high::top() } }",
        "trait T { #[cfg(test)] fn f() { crate::high::top() } }",
        "fn f() { #[cfg(test)] let _ = crate::high::top(); }",
        "fn f() { #[cfg(test)] drop!(crate::high::top()); }",
        "/// As [`crate::high::High`].\nfn f() { /* crate::high::top() */ }",
        "fn f() -> &'static str { \"crate::high::top()\" }",
    ] {
        assert_eq!(reported(test), Vec::<String>::new(), "{test}");
        let found = reported(&format!("{test}\nuse crate::high::High;"));
        assert_eq!(found.len(), 1, "{test}: {found:?}");
        assert!(found[0].starts_with("src/middle.rs:"), "{found:?}");
    }
    assert_eq!(
        reported("#![cfg(test)] use crate::high::High;"),
        Vec::<String>::new()
    );
}

/// Fails when an import is accepted because a lower module or the crate root re-exports the name,
/// or an allowed one is reported because the root re-exports it.
#[test]
fn re_exports_are_resolved() {
    let files = [
        ("low/mod.rs", "pub use crate::high::High; pub mod inner;"),
        ("middle.rs", "use crate::low::High;"),
    ];
    let found = ROWS.violations(&planted(&files));
    let has = |text: &str| found.iter().any(|line| line.contains(text));
    assert!(has("low uses high") && has("middle uses high"), "{found:?}");

    let root = "pub mod high; pub mod low; pub mod middle; pub use high::High; pub use low::Low;";
    let files = [("lib.rs", root), ("middle.rs", "use crate::{Low, High};")];
    let found = ROWS.violations(&planted(&files));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("middle uses high"), "{found:?}");
}

/// Fails when importing from the same row is accepted, or importing a module's own files is not.
#[test]
fn modules_of_the_same_row_may_not_import_each_other() {
    let rows = |is_base_shared| Layers {
        rows: &[&["low", "middle"], &["high"]],
        is_base_shared,
        ..ROWS
    };
    let files = [
        (
            "low/inner.rs",
            "use super::Low; use crate::low::Low as Same;",
        ),
        ("middle.rs", "use crate::low::Low;"),
    ];
    let found = rows(false).violations(&planted(&files));
    assert_eq!(
        found,
        ["src/middle.rs:1: middle uses low (crate::low::Low)"]
    );
    assert!(rows(true).violations(&planted(&files)).is_empty());
}

/// Fails when a module can be added or removed without a change of the table, or when a folder
/// inside a module cannot have its own row.
#[test]
fn the_table_is_complete() {
    let rows = |rows| Layers { rows, ..ROWS };
    let code = planted(&[]);
    let found = rows(&[&["low"], &["middle"]]).violations(&code);
    assert_eq!(found, ["src/high.rs: high has no row"]);
    let found = rows(&[&["low"], &["middle"], &["high"], &["gone"]]).violations(&code);
    assert_eq!(found, ["src/lib.rs: there is no module gone"]);

    let split = rows(&[&["low"], &["middle"], &["high", "low::inner"]]);
    assert!(split.violations(&code).is_empty());
    let upwards = [("low/mod.rs", "pub mod inner; pub struct Low(inner::Inner);")];
    let found = split.violations(&planted(&upwards));
    assert_eq!(
        found,
        ["src/low/mod.rs:1: low uses low::inner (inner::Inner)"]
    );
}

/// Returns the cycles among the files of a crate, by file names.
fn circles(files: &[(&str, &str)], enclosing: Enclosing) -> Vec<Vec<String>> {
    let graph = graph::files(&planted(files), enclosing);
    let name = |path: &PathBuf| path.strip_prefix("src").unwrap().display().to_string();
    let circles = graph::circles(&graph);
    for circle in &circles {
        let described = graph::describe(&graph, circle);
        assert!(described.contains(" -> "), "{described}");
    }
    circles
        .iter()
        .map(|c| c.iter().map(name).collect())
        .collect()
}

/// Fails when files that depend on each other, directly or indirectly, are not found, or files that
/// do not are reported as a cycle.
#[test]
fn cycles_of_files_are_found() {
    use Enclosing::{Counts, IsFree};
    assert!(circles(&[], Counts).is_empty());

    let pair = [("high.rs", "fn f(_: crate::middle::Middle) {}")];
    let back = (
        "middle.rs",
        "use super::{high::High as H}; pub struct Middle;",
    );
    assert!(circles(&pair, IsFree).is_empty());
    assert_eq!(
        circles(&[pair[0], back], IsFree),
        [["high.rs", "middle.rs"]]
    );

    let detour = [
        ("low/inner.rs", "use crate::high::High; pub struct Inner;"),
        (
            "middle.rs",
            "use crate::low::inner::Inner; pub struct Middle;",
        ),
        pair[0],
    ];
    assert_eq!(
        circles(&detour, IsFree),
        [["high.rs", "low/inner.rs", "middle.rs"]]
    );
}

/// Fails when a `mod.rs` that only re-exports names counts as part of a cycle, when re-exports hide
/// one, or when the two ways to count a folder's root file are confused.
#[test]
fn re_exports_neither_cause_nor_hide_cycles() {
    use Enclosing::{Counts, IsFree};
    let facade = "mod a; mod b; pub mod inner; pub use a::A; pub use b::B; pub struct Low;";
    let b = ("low/b.rs", "use super::A; pub struct B(A);");
    let one_way = [("low/mod.rs", facade), ("low/a.rs", "pub struct A;"), b];
    assert!(circles(&one_way, Counts).is_empty());

    let hidden = [
        ("low/mod.rs", facade),
        ("low/a.rs", "use crate::low::*; pub struct A(B);"),
        b,
    ];
    assert_eq!(circles(&hidden, IsFree), [["low/a.rs", "low/b.rs"]]);

    let table = [
        (
            "low/mod.rs",
            "pub mod inner; pub struct Low; const ROWS: &[Low] = &[inner::ROW];",
        ),
        ("low/inner.rs", "use super::Low; pub const ROW: Low = Low;"),
    ];
    assert!(circles(&table, IsFree).is_empty());
    assert_eq!(circles(&table, Counts), [["low/inner.rs", "low/mod.rs"]]);
}

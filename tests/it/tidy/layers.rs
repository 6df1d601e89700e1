//! Layers of modules, lowest first; each may import only from lower ones.

use super::modules::Crate;

/// The layer table of a crate.
pub(super) struct Layers {
    /// The root file, relative to the workspace.
    pub root: &'static str,
    /// Module paths without `crate::`. A module belongs to the longest entry that is its path or a
    /// prefix of it, so `gui::panels` takes its folder out of `gui`.
    pub rows: &'static [&'static [&'static str]],
    /// Whether the modules of the lowest row may use each other.
    pub is_base_shared: bool,
}

impl Layers {
    /// Returns the entry that a module belongs to, with its row.
    fn entry(&self, module: &str) -> Option<(usize, &'static str)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(row, entries)| entries.iter().map(move |entry| (row, *entry)))
            .filter(|(_, entry)| {
                module
                    .strip_prefix(entry)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            })
            .max_by_key(|(_, entry)| entry.len())
    }

    /// Lists every import from the same row or a higher one, and every module without a row, one
    /// per line. The root file is exempt: it declares and re-exports.
    pub(super) fn violations(&self, code: &Crate) -> Vec<String> {
        let mut found = Vec::new();
        for (module, file) in code.modules() {
            if !module.is_empty() && self.entry(module).is_none() {
                found.push(format!("{}: {module} has no row", file.display()));
            }
        }
        for entry in self.rows.iter().copied().flatten() {
            if !code.modules().any(|(module, _)| module == *entry) {
                found.push(format!("{}: there is no module {entry}", self.root));
            }
        }
        for used in code.uses() {
            let Some((row, entry)) = self.entry(&used.from) else {
                continue;
            };
            // The path counts as well as its target: a facade in a higher row is higher.
            for target in [&used.through, &used.to] {
                let Some((target_row, target_entry)) = self.entry(target) else {
                    continue;
                };
                let is_base = row == 0 && target_row == 0 && self.is_base_shared;
                if target_entry != entry && target_row >= row && !is_base {
                    found.push(format!(
                        "{}:{}: {entry} uses {target_entry} ({})",
                        used.file.display(),
                        used.line,
                        used.written
                    ));
                    break;
                }
            }
        }
        found
    }
}

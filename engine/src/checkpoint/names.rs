//! Which of a file's tensors are those of a network, whatever training wrote before their names.
//!
//! `model.module._orig_mod.stem.conv.weight` is `stem.conv.weight` of a network that was compiled,
//! trained in parallel and kept in a Lightning module. No list of such words is complete, so a
//! name is any ending of a file's name, and the words before it are those that most tensors of the
//! network share.

use std::collections::{BTreeMap, BTreeSet};

use super::section::is_average;

/// What wrappers put in the middle of names.
const WRAPPERS: [&str; 4] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "module",
];

/// A file's names as a network calls them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Renamed {
    /// Name in the file by name in the network; with names that the network does not know.
    pub from: BTreeMap<String, String>,
    /// What stands before the names, with its last dot; several where parts of a network were
    /// kept apart.
    pub prefixes: Vec<String>,
    /// Names in the file that begin otherwise: losses, metrics, another network.
    pub outside: Vec<String>,
}

/// Finds a network's names (`wanted`) among those of a file.
pub(super) fn rename<'a>(
    found: impl Iterator<Item = &'a String> + Clone,
    is_wanted: impl Fn(&str) -> bool,
    n_wanted: usize,
) -> Renamed {
    // File's names by their cleaned forms.
    let cleaned: BTreeMap<String, &String> = found.clone().map(|n| (clean(n), n)).collect();
    let cleaned = if cleaned.len() == found.clone().count() {
        cleaned
    } else {
        // Two networks that only their wrappers tell apart.
        found.map(|n| (n.clone(), n)).collect()
    };
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in cleaned.keys() {
        let starts = name.match_indices('.').map(|(dot, _)| dot + 1);
        for start in std::iter::once(0).chain(starts) {
            let (prefix, rest) = name.split_at(start);
            if is_wanted(rest) {
                groups.entry(prefix).or_default().insert(rest);
            }
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(prefix, names)| {
        let depth = prefix.matches('.').count();
        (std::cmp::Reverse(names.len()), is_average(prefix), depth)
    });
    let mut prefixes: Vec<&str> = groups.first().iter().map(|(prefix, _)| *prefix).collect();
    if let Some((_, most)) = groups.first()
        && most.len() < n_wanted
    {
        // The network's parts may have been kept apart; all of them, or none.
        let mut together = most.clone();
        let mut parts = prefixes.clone();
        for (prefix, names) in &groups[1..] {
            if names.is_disjoint(&together) {
                together.extend(names);
                parts.push(*prefix);
            }
        }
        if together.len() == n_wanted {
            prefixes = parts;
        }
    }
    if prefixes.is_empty() {
        prefixes.push("");
    }
    let mut renamed = Renamed::default();
    for (name, original) in &cleaned {
        let inner = prefixes
            .iter()
            .filter_map(|prefix| name.strip_prefix(prefix))
            .find(|rest| is_wanted(rest))
            .or_else(|| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)));
        match inner {
            Some(inner) => {
                renamed.from.insert(inner.to_owned(), (*original).clone());
            }
            None => renamed.outside.push((*original).clone()),
        }
    }
    renamed.prefixes = prefixes.into_iter().map(str::to_owned).collect();
    renamed
}

/// Without what wrappers put before and into names.
fn clean(name: &str) -> String {
    let parts: Vec<_> = name
        .split('.')
        .filter(|part| !WRAPPERS.contains(part))
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MODELS;
    use proptest::prelude::*;

    const WANTED: [&str; 4] = ["stem.weight", "stem.bias", "head.weight", "head.bias"];

    fn rename_all(found: &[&str]) -> Renamed {
        let found: Vec<String> = found.iter().map(|n| (*n).to_owned()).collect();
        rename(found.iter(), |n| WANTED.contains(&n), WANTED.len())
    }

    /// Fails when some wrapping of a training hides a network, alone or in others.
    #[test]
    fn what_stands_before_every_name_does_not_matter() {
        for prefix in [
            "",
            "model.",
            "module.",
            "_orig_mod.",
            "net.",
            "ema.",
            "module._orig_mod.",
            "_orig_mod.module.",
            "model.module._orig_mod.",
            "ema_model.ema_model.",
            "anything.0.",
        ] {
            let names: Vec<_> = WANTED.iter().map(|n| format!("{prefix}{n}")).collect();
            let found: Vec<_> = names.iter().map(String::as_str).collect();
            let renamed = rename_all(&found);
            assert!(renamed.from.keys().eq(BTreeSet::from(WANTED)), "{prefix}");
            let kept = renamed
                .from
                .iter()
                .all(|(to, from)| *from == format!("{prefix}{to}"));
            assert!(kept && renamed.outside.is_empty(), "{prefix}: {renamed:?}");
        }
        let inner = rename_all(&[
            "stem._orig_mod.weight",
            "stem._orig_mod.bias",
            "head.weight",
            "head.bias",
        ]);
        assert_eq!(inner.from["stem.weight"], "stem._orig_mod.weight");
    }

    /// Fails when a teacher's weights are taken for the pupil's, what is not part of the network
    /// is lost without a word, or parts kept apart are not put together.
    #[test]
    fn what_begins_otherwise_is_left_outside() {
        let with = |prefix: &str| WANTED.map(|n| format!("{prefix}{n}"));
        let mut names = [with("ema."), with("net.deep.")].concat();
        names.push("loss.weight".to_owned());
        let found: Vec<_> = names.iter().map(String::as_str).collect();
        let renamed = rename_all(&found);
        assert_eq!(renamed.prefixes, ["net.deep."]);
        assert_eq!(renamed.outside.len(), 5);
        let parts = rename_all(&[
            "backbone.stem.weight",
            "backbone.stem.bias",
            "head.weight",
            "head.bias",
        ]);
        assert_eq!(parts.prefixes, ["", "backbone."]);
        assert_eq!(parts.from["stem.bias"], "backbone.stem.bias");
        assert_eq!(parts.from["head.bias"], "head.bias");
        // Not the whole network: the names stay, so that what is missing can be told.
        let half = rename_all(&[
            "m.stem.weight",
            "m.stem.bias",
            "m.aux.weight",
            "n.head.weight",
        ]);
        assert_eq!(half.prefixes, ["m."]);
        assert!(half.from.contains_key("aux.weight"));
    }

    /// Fails when a word of a wrapper is a part of a network's own names: it would be removed.
    #[test]
    fn no_network_has_a_wrappers_word_in_its_names() {
        for spec in MODELS {
            let options = spec.card().unwrap().build_options().unwrap();
            for name in spec.shapes(&options).unwrap().0.keys() {
                assert_eq!(&clean(name), name, "{}", spec.name);
            }
        }
    }

    proptest! {
        /// Fails when some names panic, are lost or are counted twice.
        #[test]
        fn every_name_goes_somewhere(found in prop::collection::btree_set("[ab.]{0,6}|(x\\.){0,2}(stem|head)\\.(weight|bias)", 0..12)) {
            let found: Vec<String> = found.into_iter().collect();
            let renamed = rename(found.iter(), |n| WANTED.contains(&n), WANTED.len());
            prop_assert!(renamed.from.len() + renamed.outside.len() <= found.len());
            for name in renamed.from.values().chain(&renamed.outside) {
                prop_assert!(found.contains(name));
            }
        }
    }
}

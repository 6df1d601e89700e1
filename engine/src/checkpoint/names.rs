//! Matching of a file's tensor names with those of a network, regardless of prefixes added in
//! training.
//!
//! `model.module._orig_mod.stem.conv.weight` is `stem.conv.weight` of a network that was compiled,
//! trained in parallel and wrapped in a Lightning module. No list of such prefixes is complete, so
//! any suffix of a file's name may match, and the prefixes are those that most tensors of the
//! network share.

use std::collections::{BTreeMap, BTreeSet};

use super::section::is_average;

/// Words that wrappers insert into names.
const WRAPPERS: [&str; 4] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "module",
];

/// Mapping from a network's names to those of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Renamed {
    /// File name of each network name; includes names that the network does not know.
    pub from: BTreeMap<String, String>,
    /// Prefixes of the names, with trailing dot; several if parts of a network were saved
    /// separately.
    pub prefixes: Vec<String>,
    /// Names in the file with other prefixes: losses, metrics, another network.
    pub outside: Vec<String>,
}

/// Finds a network's names (`wanted`) among those of a file.
pub(super) fn rename<'a>(
    found: impl Iterator<Item = &'a String> + Clone,
    is_wanted: impl Fn(&str) -> bool,
    n_wanted: usize,
) -> Renamed {
    // The file's names by their cleaned forms.
    let cleaned: BTreeMap<String, &String> = found.clone().map(|n| (clean(n), n)).collect();
    let cleaned = if cleaned.len() == found.clone().count() {
        cleaned
    } else {
        // Two networks that differ only in their wrappers.
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
        // The network's parts may have been saved separately; take all of them, or none.
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

/// Removes the words that wrappers add before and into names.
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

    /// Fails when some training wrapper, alone or nested, prevents a network from being found.
    #[test]
    fn common_prefixes_are_ignored() {
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

    /// Fails when a teacher's weights are taken for the student's, ignored tensors are not
    /// reported, or separately saved parts are not combined.
    #[test]
    fn tensors_with_other_prefixes_are_ignored() {
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
        // Not the whole network: the names stay unchanged, so that missing ones can be reported.
        let half = rename_all(&[
            "m.stem.weight",
            "m.stem.bias",
            "m.aux.weight",
            "n.head.weight",
        ]);
        assert_eq!(half.prefixes, ["m."]);
        assert!(half.from.contains_key("aux.weight"));
    }

    /// Fails when a wrapper's word occurs in a network's own names, from which it would be removed.
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
        /// Fails when some names cause a panic, are lost or are counted twice.
        #[test]
        fn every_name_is_assigned_once(found in prop::collection::btree_set("[ab.]{0,6}|(x\\.){0,2}(stem|head)\\.(weight|bias)", 0..12)) {
            let found: Vec<String> = found.into_iter().collect();
            let renamed = rename(found.iter(), |n| WANTED.contains(&n), WANTED.len());
            prop_assert!(renamed.from.len() + renamed.outside.len() <= found.len());
            for name in renamed.from.values().chain(&renamed.outside) {
                prop_assert!(found.contains(name));
            }
        }
    }
}

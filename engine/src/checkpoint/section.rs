//! Dictionaries of tensors in a finished pickle: a network's may be anywhere in a training
//! checkpoint, next to those of its optimizer.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::pickle::{Node, Pickle, Value};
use super::shown;
use super::storage::TensorRef;

/// Keys under which networks are stored, in order of preference. Other keys come after these, and
/// averaged weights last: `ema` is stored in addition to the weights of a run.
const PREFERRED: [&str; 7] = [
    "best_state_dict",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "params",
];

/// Maximum nesting of containers that are searched.
const MAX_DEPTH: usize = 8;
/// Maximum number of values examined: containers may share their parts.
const MAX_LOOKS: usize = 1 << 20;
/// Number of dictionaries compared with models, largest first.
const MAX_SECTIONS: usize = 32;
/// Maximum number of keys listed where there are no tensors.
const MAX_KEYS: usize = 12;

/// A dictionary of tensors, or of dictionaries of tensors.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// Path of keys, separated by dots; empty for the whole file.
    pub path: String,
    /// Tensors by name; keys of inner dictionaries are prepended, separated by dots.
    pub tensors: BTreeMap<String, TensorRef<'a>>,
    /// Whether all tensors are in inner dictionaries, which are sections of their own.
    is_tree: bool,
}

impl Section<'_> {
    /// Sort key: position in the order of preference, then depth.
    fn rank(&self) -> (usize, usize) {
        let last = self.path.rsplit('.').next().unwrap_or_default();
        let place = PREFERRED.iter().position(|name| *name == last);
        let is_average = self.path.split('.').any(is_average);
        let place = match place {
            _ if self.is_tree => PREFERRED.len() + 3,
            _ if self.path.is_empty() => 0,
            _ if is_average => PREFERRED.len() + 2,
            Some(place) => place,
            None => PREFERRED.len() + 1,
        };
        (place, self.path.split('.').count())
    }
}

/// Returns whether a key or prefix denotes averaged weights, or those of a teacher.
pub(super) fn is_average(word: &str) -> bool {
    let mut parts = word.split(['_', '-', '.']);
    parts.any(|part| ["ema", "swa", "teacher", "averaged"].contains(&part.to_lowercase().as_str()))
}

/// Finds the dictionaries of tensors, the most likely first. Fails if there are none, with a
/// description of the content.
pub(super) fn sections<'a>(pickle: &Pickle<'a>) -> Result<Vec<Section<'a>>, String> {
    let mut search = Search {
        pickle,
        n_looks: 0,
        sections: Vec::new(),
    };
    search.run();
    let mut sections = search.sections;
    if sections.is_empty() {
        return Err(no_tensors(pickle));
    }
    sections.sort_by_key(|s| std::cmp::Reverse(s.tensors.len()));
    sections.truncate(MAX_SECTIONS);
    sections.sort_by_key(Section::rank);
    Ok(sections)
}

/// Describes the content of a file without tensors.
fn no_tensors(pickle: &Pickle<'_>) -> String {
    let lost = "holds no dictionary of tensors: not the weights of a network";
    match pickle.pairs(pickle.root) {
        Some(pairs) if !pairs.is_empty() => {
            let keys: Vec<_> = pairs
                .iter()
                .take(MAX_KEYS)
                .map(|(key, value)| format!("{} ({})", key_text(*key), pickle.kind(*value)))
                .collect();
            let more = if pairs.len() > MAX_KEYS { ", ..." } else { "" };
            format!("{lost}; its keys are {}{more}", keys.join(", "))
        }
        Some(_) => format!("{lost}; it is empty"),
        None => format!("{lost}; it is {}", pickle.kind(pickle.root)),
    }
}

/// Converts a key to a path component.
fn key_text(key: Value<'_>) -> String {
    match key {
        Value::Text(text) => shown(text),
        Value::Int(n) => n.to_string(),
        _ => "?".to_owned(),
    }
}

struct Search<'p, 'a> {
    pickle: &'p Pickle<'a>,
    n_looks: usize,
    sections: Vec<Section<'a>>,
}

impl<'a> Search<'_, 'a> {
    /// Visits every container once, outer ones first.
    fn run(&mut self) {
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([(self.pickle.root, String::new(), 0)]);
        while let Some((value, path, depth)) = queue.pop_front() {
            let Value::Node(index) = value else {
                continue;
            };
            if depth > MAX_DEPTH || !seen.insert(index) {
                continue;
            }
            if let Some(pairs) = self.pickle.pairs(value) {
                self.look_at(value, &path);
                for (key, inner) in pairs {
                    let inner_path = joined(&path, &key_text(*key));
                    queue.push_back((*inner, inner_path, depth + 1));
                }
            } else {
                for (i, inner) in self
                    .pickle
                    .items(value)
                    .unwrap_or_default()
                    .iter()
                    .enumerate()
                {
                    queue.push_back((*inner, joined(&path, &i.to_string()), depth + 1));
                }
            }
        }
    }

    /// Keeps a dictionary that has tensors of its own, or only dictionaries of tensors.
    fn look_at(&mut self, value: Value<'a>, path: &str) {
        let mut tensors = BTreeMap::new();
        let is_tree = self.flatten(value, "", 0, &mut tensors);
        let own = self.own(value);
        if !is_tree {
            tensors.clone_from(&own);
        }
        if !tensors.is_empty() {
            self.sections.push(Section {
                path: path.to_owned(),
                tensors,
                is_tree: own.is_empty(),
            });
        }
    }

    /// Returns the tensors among a dictionary's values; other values are ignored as metadata.
    fn own(&self, value: Value<'a>) -> BTreeMap<String, TensorRef<'a>> {
        let pairs = self.pickle.pairs(value).unwrap_or_default();
        let tensor = |(key, value): &(Value<'a>, Value<'a>)| {
            Some((raw_key(*key)?, self.pickle.tensor(*value)?.clone()))
        };
        pairs.iter().filter_map(tensor).collect()
    }

    /// Collects the tensors of a tree of dictionaries; returns `false` if it has other parts.
    fn flatten(
        &mut self,
        value: Value<'a>,
        path: &str,
        depth: usize,
        into: &mut BTreeMap<String, TensorRef<'a>>,
    ) -> bool {
        let Some(Node::Dict(pairs)) = self.pickle.node(value) else {
            return false;
        };
        if depth > MAX_DEPTH || pairs.is_empty() {
            return false;
        }
        for (key, inner) in pairs {
            self.n_looks += 1;
            let Some(key) = raw_key(*key).filter(|_| self.n_looks < MAX_LOOKS) else {
                return false;
            };
            let path = joined(path, &key);
            if let Some(tensor) = self.pickle.tensor(*inner) {
                into.insert(path, tensor.clone());
            } else if !self.flatten(*inner, &path, depth + 1, into) {
                return false;
            }
        }
        true
    }
}

/// Converts a key to a component of a tensor's name.
fn raw_key(key: Value<'_>) -> Option<String> {
    match key {
        Value::Text(text) => Some(text.to_owned()),
        Value::Int(n) => Some(n.to_string()),
        _ => None,
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

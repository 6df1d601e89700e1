//! The dictionaries of tensors in a finished pickle: a network's may lie anywhere in the
//! checkpoint of a training, beside those of its optimizer.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::pickle::{Node, Pickle, Value};
use super::shown;
use super::storage::TensorRef;

/// Keys under which networks are kept, the preferred one first. Any other key comes after these,
/// averaged weights last: `ema` is what a training adds to its own.
const PREFERRED: [&str; 7] = [
    "best_state_dict",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "params",
];

/// Containers in containers that are searched.
const MAX_DEPTH: usize = 8;
/// Values that are looked at: containers may share their parts.
const MAX_LOOKS: usize = 1 << 20;
/// Dictionaries that are compared with models, the largest ones.
const MAX_SECTIONS: usize = 32;
/// Keys listed where there are no tensors.
const MAX_KEYS: usize = 12;

/// A dictionary of tensors, or of dictionaries of tensors.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// Keys that lead to it, with dots between; empty for the whole file.
    pub path: String,
    /// Tensors by name; keys of inner dictionaries stand before it, with dots between.
    pub tensors: BTreeMap<String, TensorRef<'a>>,
    /// Tensors lie in inner dictionaries only, which are sections of their own.
    is_tree: bool,
}

impl Section<'_> {
    /// Place in the order in which sections are tried, then depth.
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

/// Whether a key or prefix names weights averaged over a training, or those of a teacher.
pub(super) fn is_average(word: &str) -> bool {
    let mut parts = word.split(['_', '-', '.']);
    parts.any(|part| ["ema", "swa", "teacher", "averaged"].contains(&part.to_lowercase().as_str()))
}

/// Finds the dictionaries of tensors, the most promising first. Fails where there are none, and
/// says what there is instead.
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

/// Says what a file without tensors holds.
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

/// A key as a part of a path.
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
    /// Looks at every container, outer ones first, each once.
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

    /// Keeps a dictionary that has tensors of its own, or nothing but dictionaries of tensors.
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

    /// The tensors among a dictionary's values; whatever else is there is data about them.
    fn own(&self, value: Value<'a>) -> BTreeMap<String, TensorRef<'a>> {
        let pairs = self.pickle.pairs(value).unwrap_or_default();
        let tensor = |(key, value): &(Value<'a>, Value<'a>)| {
            Some((raw_key(*key)?, self.pickle.tensor(*value)?.clone()))
        };
        pairs.iter().filter_map(tensor).collect()
    }

    /// Collects the tensors of a tree of dictionaries; `false` where it has other parts.
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

/// A key as a part of a tensor's name.
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

//! Selection of the COCO category to read, and its joints.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::CocoAnnotation;
use crate::dataset::Severity;
use crate::dataset::loose::Loose;
use crate::dataset::names::{Naming, by_order, listed, naming};
use crate::words::counted;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Category {
    id: Loose,
    name: Loose,
    keypoints: Option<Vec<Loose>>,
}

/// The selected category.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Id of the category; `None` where the file has no categories and every annotation counts.
    pub category_id: Option<u64>,
    pub naming: Naming,
    /// Remarks about the selection.
    pub notes: Vec<(Severity, String)>,
    /// Number of annotations of other categories.
    pub others: usize,
}

const NO_KEYPOINTS: &str = "no category and no annotation has `keypoints`; is it an instances \
                            file? The keypoints file of COCO is called person_keypoints_*.json";

impl Category {
    /// Creates a category of people, whose joints have no names yet.
    pub(super) fn of_people(id: u64) -> Self {
        Self {
            id: Loose::Whole(id),
            name: Loose::Text("person".to_owned()),
            keypoints: None,
        }
    }

    /// Returns its id.
    pub(super) fn id(&self) -> Option<u64> {
        self.id.id()
    }

    /// Replaces the names of its joints.
    pub(super) fn set_names(&mut self, names: Vec<String>) {
        self.keypoints = Some(names.into_iter().map(Loose::Text).collect());
    }

    pub(super) fn names(&self) -> Vec<String> {
        let names = self.keypoints.iter().flatten();
        names.map(|name| name.text().unwrap_or_default()).collect()
    }

    fn has_names(&self) -> bool {
        self.keypoints
            .as_ref()
            .is_some_and(|names| !names.is_empty())
    }

    /// Formats `person (1)`.
    fn show(&self) -> String {
        match self.name.text() {
            Some(name) => format!("{name} ({})", self.id),
            None => format!("number {}", self.id),
        }
    }

    fn is_called(&self, wanted: &str) -> bool {
        let wanted = wanted.trim();
        let name = self.name.text();
        name.is_some_and(|name| name.eq_ignore_ascii_case(wanted))
            || self.id.text().is_some_and(|id| id == wanted)
            || self.id.id().is_some_and(|id| wanted.parse() == Ok(id))
    }
}

/// A category that could be read.
struct Candidate<'a> {
    category: &'a Category,
    naming: Naming,
    n_annotations: usize,
}

/// Checks that a category has the name or id `wanted`.
pub(super) fn check_wanted(categories: &[Category], wanted: &str) -> Result<(), String> {
    if categories.iter().any(|c| c.is_called(wanted)) {
        return Ok(());
    }
    let all: Vec<_> = categories.iter().map(Category::show).collect();
    let all = all.join(", ");
    Err(format!("no category is called {wanted}; there are {all}"))
}

/// Returns the category with the name or id `wanted`; otherwise the one with the joints of a
/// person, of several the one with the most annotations.
///
/// # Errors
/// When there is none, or two are equally good.
pub(super) fn choose(
    categories: &[Category],
    annotations: &[CocoAnnotation],
    wanted: Option<&str>,
) -> Result<Chosen, String> {
    if categories.is_empty() {
        let naming = unnamed(annotations, None)?;
        return Ok(Chosen {
            notes: notes(&naming, "the file has no categories"),
            category_id: None,
            naming,
            others: 0,
        });
    }
    let counts = Counts::of(annotations);
    let asked = |c: &&Category| wanted.is_none_or(|wanted| c.is_called(wanted));
    let candidates = candidates(categories.iter().filter(asked), annotations, &counts)?;
    let chosen = best(&candidates)?;
    let mut notes = notes(
        &chosen.naming,
        &format!("category {}", chosen.category.show()),
    );
    let others = annotations.len() - chosen.n_annotations - counts.without_category();
    let is_other = |c: &&Category| !std::ptr::eq(*c, chosen.category);
    let has_others = categories.iter().filter(is_other).any(Category::has_names);
    if candidates.len() > 1 || has_others || others > 0 {
        let rest = categories.iter().filter(is_other);
        let rest = rest.filter(|c| counts.get(c) > 0 || c.has_names());
        let rest = rest.map(|c| {
            let annotations = counted(counts.get(c), "annotation");
            format!("{} with {annotations}", c.show())
        });
        let text = format!(
            "category {} is read; left out: {}{}",
            chosen.category.show(),
            rest.collect::<Vec<_>>().join(", "),
            if wanted.is_none() {
                " (--category chooses)"
            } else {
                ""
            }
        );
        notes.push((Severity::Note, text));
    }
    Ok(Chosen {
        category_id: chosen.category.id.id(),
        naming: chosen.naming.clone(),
        notes,
        others,
    })
}

/// Numbers of annotations by category.
struct Counts(BTreeMap<Option<u64>, usize>);

impl Counts {
    fn of(annotations: &[CocoAnnotation]) -> Self {
        let mut counts = BTreeMap::new();
        for annotation in annotations {
            *counts.entry(annotation.category_id.id()).or_default() += 1;
        }
        Self(counts)
    }

    fn get(&self, category: &Category) -> usize {
        let count = self.0.get(&category.id.id());
        count.copied().unwrap_or_default()
    }

    fn without_category(&self) -> usize {
        self.0.get(&None).copied().unwrap_or_default()
    }
}

/// Returns the categories that have the joints of a person.
///
/// # Errors
/// When there is none.
fn candidates<'a>(
    categories: impl Iterator<Item = &'a Category>,
    annotations: &[CocoAnnotation],
    counts: &Counts,
) -> Result<Vec<Candidate<'a>>, String> {
    let mut candidates = Vec::new();
    let mut refusals = Vec::new();
    for category in categories {
        let naming = if category.has_names() {
            naming(&category.names())
        } else {
            unnamed(annotations, category.id.id())
        };
        match naming {
            Ok(naming) => candidates.push(Candidate {
                category,
                naming,
                n_annotations: counts.get(category),
            }),
            Err(reason) => refusals.push((!category.has_names(), category.show(), reason)),
        }
    }
    if !candidates.is_empty() {
        return Ok(candidates);
    }
    refusals.sort();
    Err(match &refusals[..] {
        [(_, _, reason)] => reason.clone(),
        [(_, name, reason), ..] => format!("category {name}: {reason}"),
        [] => NO_KEYPOINTS.to_owned(),
    })
}

/// Returns the candidate with most known joints; categories without annotations only count if none
/// has any.
///
/// # Errors
/// When two are equally good.
fn best<'a, 'b>(candidates: &'b [Candidate<'a>]) -> Result<&'b Candidate<'a>, String> {
    let has_annotations = candidates.iter().any(|c| c.n_annotations > 0);
    let eligible = |c: &&Candidate<'_>| c.n_annotations > 0 || !has_annotations;
    let eligible: Vec<_> = candidates.iter().filter(eligible).collect();
    let most = eligible.iter().map(|c| c.naming.n_known()).max();
    let mut best = eligible
        .into_iter()
        .filter(|c| Some(c.naming.n_known()) == most);
    match (best.next(), best.next()) {
        (Some(one), None) => Ok(one),
        (first, second) => {
            let both = [first, second].into_iter().flatten();
            let both: Vec<_> = both.map(|c| c.category.show()).collect();
            Err(format!(
                "categories {} are people alike; choose one by --category NAME or ID",
                both.join(" and ")
            ))
        }
    }
}

/// Assumes the order of joints from their number where the file gives no names.
fn unnamed(annotations: &[CocoAnnotation], category: Option<u64>) -> Result<Naming, String> {
    let is_of = |a: &&CocoAnnotation| {
        let id = a.category_id.id();
        category.is_none() || id.is_none() || id == category
    };
    let lengths = annotations
        .iter()
        .filter(is_of)
        .map(|a| a.keypoints.values.len());
    let n = lengths.max().filter(|n| *n > 0).ok_or(NO_KEYPOINTS)?;
    if n % 3 == 0
        && let Ok(naming) = by_order(n / 3)
    {
        return Ok(naming);
    }
    // Pairs without visibility.
    if n % 2 == 0
        && let Ok(naming) = by_order(n / 2)
    {
        return Ok(naming);
    }
    by_order(n / 3)
}

fn notes(naming: &Naming, whose: &str) -> Vec<(Severity, String)> {
    let skeleton = &naming.skeleton.name;
    let mut notes = Vec::new();
    if naming.by_order {
        let text = format!(
            "{whose}: the joints have no names and are taken for those of {skeleton}, by order"
        );
        notes.push((Severity::Warning, text));
    }
    if !naming.left_out.is_empty() {
        let text = format!(
            "{whose}: {} of {} {} left out (not in {skeleton}, or named twice): {}",
            naming.left_out.len(),
            counted(naming.joints.len(), "joint"),
            if naming.left_out.len() == 1 {
                "is"
            } else {
                "are"
            },
            listed(&naming.left_out)
        );
        notes.push((Severity::Warning, text));
    }
    notes
}

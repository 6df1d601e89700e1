//! Identification of the model that a list of tensors belongs to, with its number of joints and
//! input size.
//!
//! This code uses no knowledge of a model but its entry in [`MODELS`]. The sizes that depend on the
//! number of joints and on the input are found by building the network with one joint more and with
//! twice the input, and comparing tensor shapes.

use std::collections::BTreeMap;
use std::fmt;

use super::names::{Renamed, rename};
use super::shown;
use crate::error::Result;
use crate::geometry::Size;
use crate::model::{BuildOptions, Card, MODELS, ModelSpec, WeightShapes};
use crate::skeleton::Skeleton;
use crate::words::counted;

/// Shapes of a file's tensors by name.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// Maximum number of names listed for each kind of difference.
const MAX_LISTED: usize = 10;

/// Maximum input side in pixels; sides are multiples of the model's unit.
const MAX_SIDE: usize = 4096;
const SIDE_STEP: usize = 32;

/// An entry of [`MODELS`] with the shapes of its published form.
pub(super) struct Candidate {
    spec: &'static ModelSpec,
    card: Card,
    published: BuildOptions,
    shapes: WeightShapes,
}

impl Candidate {
    /// Builds the requested entry, or every entry.
    ///
    /// # Errors
    /// When a model cannot be built.
    pub(super) fn all(spec: Option<&'static ModelSpec>) -> Result<Vec<Self>> {
        let rows = spec.map_or(MODELS, std::slice::from_ref);
        rows.iter()
            .map(|spec| {
                let card = spec.card()?;
                let published = card.build_options()?;
                let shapes = spec.shapes(&published)?;
                Ok(Self {
                    spec,
                    card,
                    published,
                    shapes,
                })
            })
            .collect()
    }
}

/// A model that matches a file's tensors.
#[derive(Debug)]
pub(super) struct Fit {
    pub spec: &'static ModelSpec,
    pub card: Card,
    pub skeleton: &'static Skeleton,
    pub input: Size,
    /// Mapping from the model's tensor names to the file's.
    pub renamed: Renamed,
}

/// Reason why tensors do not match a model.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Number of tensors that differ.
    pub distance: usize,
    pub reason: String,
}

/// Identifies the model, or verifies the requested one; `input` is the input size given by the
/// user. The inner error explains to the user what is wrong with the file.
pub(super) fn fit(
    found: &Shapes,
    candidates: &[Candidate],
    input: Option<Size>,
) -> Result<Result<Fit, Misfit>> {
    let mut fitting = Vec::new();
    let mut nearest: Option<(&str, Misfit)> = None;
    for candidate in candidates {
        match examine(candidate, found, input)? {
            Ok(fit) => fitting.push(fit),
            Err(misfit) => {
                if nearest
                    .as_ref()
                    .is_none_or(|(_, n)| misfit.distance < n.distance)
                {
                    nearest = Some((candidate.spec.name, misfit));
                }
            }
        }
    }
    let names: Vec<_> = fitting.iter().map(|f| f.spec.name).collect();
    let names = names.join(" and ");
    Ok(match (fitting.pop(), nearest) {
        (Some(fit), _) if fitting.is_empty() => Ok(fit),
        (None, Some((name, misfit))) => {
            let reason = if candidates.len() == 1 {
                format!("does not fit {name}: {}", misfit.reason)
            } else {
                format!("fits no model; the nearest is {name}: {}", misfit.reason)
            };
            Err(Misfit { reason, ..misfit })
        }
        _ => Err(Misfit {
            distance: 0,
            reason: format!("fits {names}: say which with --model"),
        }),
    })
}

/// Compares the tensors with one model.
fn examine(
    candidate: &Candidate,
    found: &Shapes,
    input: Option<Size>,
) -> Result<Result<Fit, Misfit>> {
    let Candidate {
        spec,
        card,
        published,
        shapes,
    } = candidate;
    let skeleton = card.skeleton()?;
    let renamed = rename(
        found.keys(),
        |name| shapes.0.contains_key(name),
        shapes.0.len(),
    );
    let found: &Shapes = &renamed
        .from
        .iter()
        .filter_map(|(to, from)| Some((to.clone(), found.get(from)?.clone())))
        .collect();
    let n_outside = renamed.outside.len();
    let differ = |differences: Differences| Misfit {
        distance: differences.n() + n_outside,
        reason: match renamed.outside.first() {
            Some(first) => format!(
                "{differences}; {n_outside} have another prefix than the others ({}, ...)",
                shown(first)
            ),
            None => differences.to_string(),
        },
    };
    let differences = Differences::between(found, shapes);
    // The number of joints and the input size never change names.
    if !differences.missing.is_empty() || !differences.unexpected.is_empty() {
        return Ok(Err(differ(differences)));
    }
    let misfit = |reason| Misfit {
        distance: differences.n(),
        reason,
    };
    let n_joints = n_joints(spec, found, shapes, published)?;
    let Some(skeleton) = skeleton.or_with_joints(n_joints) else {
        return Ok(Err(misfit(format!(
            "no skeleton is known for its {}",
            counted(n_joints, "joint")
        ))));
    };
    let input = match input {
        Some(input) => input,
        None => match input_size(spec, found, shapes, published)? {
            Ok(input) => input,
            Err(reason) => return Ok(Err(misfit(reason))),
        },
    };
    let options = BuildOptions {
        n_joints,
        n_limbs: skeleton.limbs.len(),
        input,
    };
    let differences = Differences::between(found, &spec.shapes(&options)?);
    if differences.n() > 0 {
        return Ok(Err(differ(differences)));
    }
    Ok(Ok(Fit {
        spec,
        card: card.clone(),
        skeleton,
        input,
        renamed,
    }))
}

/// Returns the number of joints implied consistently by all tensors that depend on joints but not
/// on limbs; otherwise the published one.
fn n_joints(
    spec: &ModelSpec,
    found: &Shapes,
    shapes: &WeightShapes,
    published: &BuildOptions,
) -> Result<usize> {
    let more = spec.shapes(&BuildOptions {
        n_joints: published.n_joints + 1,
        ..*published
    })?;
    let limbs = spec.shapes(&BuildOptions {
        n_limbs: published.n_limbs + 1,
        ..*published
    })?;
    let mut pure = shapes.clone();
    pure.0
        .retain(|name, shape| limbs.0.get(name) == Some(shape));
    let mut counts = grown(found, &pure, &more).map(|side| {
        // A side is `a + b * joints`.
        let [before, now, then] = [side.published, side.found, side.grown].map(|s| s as i128);
        let (change, step) = (now - before, then - before);
        let joints = published.n_joints as i128 + change / step;
        (change % step == 0).then(|| usize::try_from(joints).ok())?
    });
    let first = counts.next().flatten();
    let agreed = first.filter(|n| counts.all(|other| other == Some(*n)));
    Ok(agreed.unwrap_or(published.n_joints))
}

/// Returns the input size implied by a position table, if there is one: the published size, the
/// published aspect ratio or a square, whichever matches the table's length.
fn input_size(
    spec: &ModelSpec,
    found: &Shapes,
    shapes: &WeightShapes,
    published: &BuildOptions,
) -> Result<Result<Size, String>> {
    let Size { width, height } = published.input;
    let more = spec.shapes(&BuildOptions {
        input: Size::new(2 * width, 2 * height),
        ..*published
    })?;
    let table = grown(found, shapes, &more).next();
    let Some(table) = table.filter(|t| t.found != t.published) else {
        return Ok(Ok(published.input));
    };
    let area = |size: Size| size.area() as u128;
    let fits = |size: &Size| {
        area(*size) * table.published as u128 == area(published.input) * table.found as u128
    };
    let sides = (1..=MAX_SIDE / SIDE_STEP).map(|n| n * SIDE_STEP);
    let scaled = sides.clone().filter_map(|w| {
        let h = w * height / width;
        (h * width == w * height && h.is_multiple_of(SIDE_STEP)).then_some(Size::new(w, h))
    });
    let size = scaled.chain(sides.map(Size::square)).find(fits);
    Ok(size.ok_or_else(|| {
        format!(
            "has a position table of {} tokens, from which the input size does not follow: give \
             --width and --height",
            table.found
        )
    }))
}

/// One side of a tensor that depends on a build option.
struct Side {
    published: usize,
    grown: usize,
    found: usize,
}

fn grown<'a>(
    found: &'a Shapes,
    published: &'a WeightShapes,
    more: &'a WeightShapes,
) -> impl Iterator<Item = Side> + 'a {
    published.0.iter().flat_map(move |(name, shape)| {
        let none: &[usize] = &[];
        let of = |shapes: &'a Shapes| shapes.get(name).map_or(none, Vec::as_slice);
        let sides = shape.iter().zip(of(&more.0)).zip(of(found));
        sides
            .filter(|((published, grown), _)| published != grown)
            .map(|((&published, &grown), &found)| Side {
                published,
                grown,
                found,
            })
            .collect::<Vec<_>>()
    })
}

/// Differences between a file's tensors and a network's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    missing: Vec<String>,
    unexpected: Vec<String>,
    misshaped: Vec<String>,
}

impl Differences {
    fn between(found: &Shapes, wanted: &WeightShapes) -> Self {
        let mut this = Self::default();
        for (name, shape) in &wanted.0 {
            match found.get(name) {
                None => this.missing.push(name.clone()),
                Some(other) if other != shape => {
                    this.misshaped
                        .push(format!("{name} {other:?} for {shape:?}"));
                }
                Some(_) => {}
            }
        }
        this.unexpected = found
            .keys()
            .filter(|name| !wanted.0.contains_key(*name) && !wanted.1.is_training_only(name))
            .map(|name| shown(name))
            .collect();
        this
    }

    /// Returns the number of tensors that differ.
    fn n(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.misshaped.len()
    }
}

/// Formats `2 tensors missing (a, b); 1 of another shape (c [16] for [17])`.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("missing", &self.missing),
            ("not part of the model", &self.unexpected),
            ("of another shape", &self.misshaped),
        ];
        let mut separator = "";
        for (what, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
            let n = names.len();
            let tensors = if n == 1 { "tensor" } else { "tensors" };
            let listed = names[..n.min(MAX_LISTED)].join(", ");
            let more = if n > MAX_LISTED { ", ..." } else { "" };
            write!(f, "{separator}{n} {tensors} {what} ({listed}{more})")?;
            separator = "; ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Joints that annotations give by their names instead of in the order of their category.

use std::collections::BTreeMap;

use super::category::Category;
use super::{CocoAnnotation, Tables};
use crate::dataset::names::are_numbers;

/// Puts joints with names into one order for each category, and gives the category their names.
pub(super) fn put_in_order(tables: &mut Tables) {
    let Tables {
        annotations,
        categories,
        ..
    } = tables;
    for annotation in annotations.iter_mut() {
        // Numbered joints are in order already.
        if are_numbers(&annotation.keypoints.names) {
            annotation.keypoints.names.clear();
        }
    }
    for (id, names) in orders(annotations, categories) {
        for annotation in annotations.iter_mut() {
            if annotation.category_id.id() == id && !annotation.keypoints.names.is_empty() {
                reorder(annotation, &names);
            }
        }
        if let Some(i) = category_of(categories, id) {
            categories[i].set_names(names);
        } else {
            let mut category = Category::of_people(id.unwrap_or(1));
            category.set_names(names);
            categories.push(category);
        }
    }
}

/// Returns the index of the category of annotations with this `category_id`: of those without one it
/// is the only category.
fn category_of(categories: &[Category], id: Option<u64>) -> Option<usize> {
    match (id, categories) {
        (None, [_]) => Some(0),
        (None, _) => None,
        _ => categories.iter().position(|category| category.id() == id),
    }
}

/// Returns the names of the joints by category, those that the category has itself first.
fn orders(
    annotations: &[CocoAnnotation],
    categories: &[Category],
) -> BTreeMap<Option<u64>, Vec<String>> {
    let mut orders: BTreeMap<Option<u64>, Vec<String>> = BTreeMap::new();
    for annotation in annotations {
        let named = annotation.keypoints.names.iter();
        let mut named = named.filter(|name| !name.is_empty()).peekable();
        if named.peek().is_none() {
            continue;
        }
        let id = annotation.category_id.id();
        let order = orders.entry(id).or_insert_with(|| {
            let theirs = category_of(categories, id);
            theirs.map_or_else(Vec::new, |i| categories[i].names())
        });
        for name in named {
            if !order.contains(name) {
                order.push(name.clone());
            }
        }
    }
    orders
}

/// Puts the joints of an annotation into the order of `names`. Of two with the same name the first
/// counts.
fn reorder(annotation: &mut CocoAnnotation, names: &[String]) {
    let keypoints = &mut annotation.keypoints;
    let mut values = [f64::NAN, f64::NAN, 0.0].repeat(names.len());
    let mut is_taken = vec![false; names.len()];
    for (name, numbers) in keypoints.names.iter().zip(keypoints.values.chunks_exact(3)) {
        if let Some(j) = names.iter().position(|other| other == name)
            && !std::mem::replace(&mut is_taken[j], true)
        {
            values[3 * j..3 * j + 3].copy_from_slice(numbers);
        }
    }
    keypoints.values = values;
    keypoints.names.clear();
}

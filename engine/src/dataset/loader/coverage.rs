//! Regions of an image in which the labels are complete; elsewhere the loss is masked.

use super::super::Annotation;
use crate::geometry::{BBox, Point};
use crate::sample::Joint;

/// Radius around a joint in which its label is trusted inside unlabelled regions, as a fraction of
/// the person's longer side: about two standard deviations of a heatmap Gaussian for a person who
/// fills a third of the input.
const TRUST: f64 = 0.06;

/// A person's unlabelled joints are assumed to lie in the box, grown by this fraction of each side:
/// boxes are drawn around the visible part.
const SLACK: f64 = 0.1;

/// Labels of one image in image pixels; joints in the order of the crop (swapped if it is
/// mirrored).
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Boxes of people without labels, including crowds.
    ignored: Vec<BBox>,
    /// Boxes of labelled people, with a flag for each joint that is not labelled.
    partial: Vec<(BBox, Vec<bool>)>,
    /// Labelled joints: index, position, radius of trust.
    labelled: Vec<(usize, Point, f64)>,
}

impl Coverage {
    /// Adds a person without labels.
    pub(super) fn add_ignored(&mut self, bbox: BBox) {
        self.ignored.push(bbox);
    }

    /// Adds a labelled person: `joints` in image pixels, in the order of the crop.
    pub(super) fn add(&mut self, person: &Annotation, joints: &[Joint]) {
        let BBox { x, y, w, h } = person.bbox;
        let radius = TRUST * w.max(h);
        let places = joints.iter().enumerate();
        let places = places.filter_map(|(j, joint)| Some((j, joint.labelled()?, radius)));
        self.labelled.extend(places);
        let unlabelled: Vec<bool> = joints.iter().map(|j| j.labelled().is_none()).collect();
        if unlabelled.contains(&true) {
            let grown = BBox::new(
                x - SLACK * w,
                y - SLACK * h,
                w * (1.0 + 2.0 * SLACK),
                h * (1.0 + 2.0 * SLACK),
            );
            self.partial.push((grown, unlabelled));
        }
    }

    /// Clears the flags of joints that may be unlabelled at `p` (image pixels).
    pub(super) fn clear_unknown(&self, p: Point, known: &mut [bool]) {
        let near = |joint: Option<usize>| {
            let mut labels = self.labelled.iter();
            labels.any(|&(j, at, radius)| joint.is_none_or(|k| k == j) && at.distance(p) <= radius)
        };
        if self.ignored.iter().any(|b| b.contains(p)) && !near(None) {
            known.fill(false);
            return;
        }
        for (bbox, unlabelled) in &self.partial {
            if !bbox.contains(p) {
                continue;
            }
            for (j, known) in known.iter_mut().enumerate() {
                *known &= !unlabelled.get(j).copied().unwrap_or_default() || near(Some(j));
            }
        }
    }
}

//! Labelled pictures: a [`Sample`] is a picture file with its [`Annotation`]s, each of them one
//! person with a box and [`Joint`]s. Data sets yield samples, evaluation and training read them.
//! A [`DetectedBox`] is a person's box from a detector instead of a labeller. What of a file of labels
//! is not used is counted ([`LeftOut`]).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::geometry::{BBox, Point, Size};

/// A picture and the people labelled in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Number of the picture in its data set.
    pub image_id: u64,
    /// Where the picture lies.
    pub path: PathBuf,
    /// Size that the labels were made for.
    pub size: Size,
    /// Name of the clip the picture was taken from; pictures of one clip resemble each other, so
    /// they belong on one side of a train/hold-out split.
    pub clip: Option<String>,
    /// How the picture lies where its EXIF data turns it.
    pub orientation: Orientation,
    /// People, in the file's order.
    pub annotations: Vec<Annotation>,
}

/// How a picture lies whose EXIF data says that it is to be turned or mirrored. Labelling tools in
/// a browser show it turned; most published code reads it as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// As its labels need it: the size that they were made for decides; as stored where both fit.
    #[default]
    Auto,
    /// As it is stored.
    Stored,
    /// As its EXIF data turns it.
    Exif,
}

impl Orientation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Stored, Self::Exif];

    /// `auto`, `stored`, `exif`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Stored => "stored",
            Self::Exif => "exif",
        }
    }
}

/// One labelled person.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// Number of the annotation in its data set.
    pub id: u64,
    /// Box around the person.
    pub bbox: BBox,
    /// Where the data set prescribes a region to look at; otherwise it is drawn around the box.
    pub region: Option<Square>,
    /// Area of the person's silhouette in square pixels, the scale of OKS.
    pub area: f64,
    /// A group that could not be told apart: neither searched for nor counted as missed.
    pub is_crowd: bool,
    /// The file's own count of labelled joints, which decides whether OKS ignores the person. It
    /// may be smaller than the count of labels in `joints` where the labeller left some out.
    pub n_keypoints: usize,
    /// Joints in the skeleton's order.
    pub joints: Vec<Joint>,
    /// Head box for PCKh, where the data set has one.
    pub head_box: Option<BBox>,
}

/// The region of a person as a data set prescribes it, before padding. It may reach over the
/// picture's border and is taken as it stands: no convention of boxes clips or shifts it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Centre in image pixels.
    pub center: Point,
    /// Side in image pixels, > 0.
    pub side: f64,
}

/// One joint as labelled, coordinates untouched.
///
/// A label far outside the picture (such as -1000, -1000) says: surely not in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joint {
    /// Position in image pixels; meaningless when unlabelled.
    pub point: Point,
    /// What the labeller said.
    pub visibility: Visibility,
}

/// COCO's visibility flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// 0: not labelled.
    Unlabelled,
    /// 1: labelled where it must be, although hidden.
    Hidden,
    /// 2: labelled and seen.
    Visible,
}

impl Joint {
    /// Surely not in the picture.
    pub const OUTSIDE: Self = Self {
        point: Point::new(-1e6, -1e6),
        visibility: Visibility::Hidden,
    };

    /// The position if there is one.
    pub fn labelled(&self) -> Option<Point> {
        (self.visibility != Visibility::Unlabelled).then_some(self.point)
    }

    /// The position if there is one and it lies on a pixel of a picture of size `image`.
    pub fn inside(&self, image: Size) -> Option<Point> {
        let within = |v: f64, n: usize| v >= -0.5 && v <= n as f64 - 0.5;
        self.labelled()
            .filter(|p| within(p.x, image.width) && within(p.y, image.height))
    }
}

/// A person's box from a detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedBox {
    /// Picture it was found in.
    pub image_id: u64,
    /// The box.
    pub bbox: BBox,
    /// The detector's confidence.
    pub score: f64,
}

/// Counts of what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Joints that the skeleton does not have, as the labels call them.
    pub joints: Vec<String>,
    /// People, by the reason.
    pub people: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Counts `n` people more.
    pub fn count(&mut self, why: &str, n: usize) {
        if n > 0 {
            *self.people.entry(why.to_owned()).or_default() += n;
        }
    }

    /// `3 without labelled joints, 1 a crowd`; empty without people.
    pub fn reasons(&self) -> String {
        let reasons = self.people.iter().map(|(why, n)| format!("{n} {why}"));
        reasons.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when "surely not in the picture" counts as a place where the joint was seen.
    #[test]
    fn labels_outside_the_picture_are_not_inside() {
        let joint = |x, visibility| Joint {
            point: Point::new(x, 3.0),
            visibility,
        };
        let image = Size::square(10);
        assert!(joint(-1000.0, Visibility::Visible).labelled().is_some());
        assert!(joint(-1000.0, Visibility::Visible).inside(image).is_none());
        assert!(joint(9.6, Visibility::Visible).inside(image).is_none());
        assert!(joint(9.5, Visibility::Hidden).inside(image).is_some());
        assert!(joint(5.0, Visibility::Unlabelled).inside(image).is_none());
    }
}

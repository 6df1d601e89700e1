//! Labelled images: a [`Sample`] is an image file with its [`Annotation`]s, each of them one person
//! with a box and [`Joint`]s. Data sets yield samples, evaluation and training read them. A
//! [`DetectedBox`] is a person's box from a detector instead of an annotator. Labels that are not
//! used are counted ([`LeftOut`]).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::geometry::{BBox, Point, Size};

/// An image and the people labelled in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Id of the image in its data set.
    pub image_id: u64,
    /// Path of the image file.
    pub path: PathBuf,
    /// Image size that the labels refer to, in pixels.
    pub size: Size,
    /// Name of the clip that the image was taken from; images of one clip resemble each other, so
    /// they belong on one side of a train/hold-out split.
    pub clip: Option<String>,
    /// Number of the frame in its clip as stated by the data set.
    pub frame: Option<u64>,
    /// Whether the labels refer to the EXIF-rotated or the stored image.
    pub orientation: Orientation,
    /// Labelled people, in the file's order.
    pub annotations: Vec<Annotation>,
}

/// Whether labels refer to the stored image or to the one rotated or mirrored by its EXIF data.
/// Labelling tools in a browser show it rotated; most published code reads it as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Detected from the size that the labels refer to; as stored if both match.
    #[default]
    Auto,
    /// As stored.
    Stored,
    /// Rotated by its EXIF data.
    Exif,
}

impl Orientation {
    /// Every orientation.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Stored, Self::Exif];

    /// Returns `auto`, `stored` or `exif`.
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
    /// Id of the annotation in its data set.
    pub id: u64,
    /// Box around the person in image pixels.
    pub bbox: BBox,
    /// Region prescribed by the data set; otherwise it is derived from the box.
    pub region: Option<Square>,
    /// Area of the person's mask in square pixels, the scale of OKS.
    pub area: f64,
    /// Whether it is a group of indistinguishable people: neither evaluated nor counted as missed.
    pub is_crowd: bool,
    /// Number of labelled joints as stated by the file, which decides whether OKS ignores the
    /// person. It may be smaller than the number of labels in `joints`.
    pub n_keypoints: usize,
    /// Joints in the skeleton's order.
    pub joints: Vec<Joint>,
    /// Head box for PCKh, if the data set has one.
    pub head_box: Option<BBox>,
    /// Id that the person has in all frames of the clip, in labelled video.
    pub track_id: Option<u64>,
}

/// The region of a person as prescribed by a data set, before padding. It may extend beyond the
/// image border and is used unchanged: no box convention clips or shifts it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Centre in image pixels.
    pub center: Point,
    /// Side in image pixels, > 0.
    pub side: f64,
}

/// One labelled joint with its original coordinates.
///
/// A label far outside the image (such as -1000, -1000) marks the joint as absent from the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joint {
    /// Position in image pixels; meaningless if unlabelled.
    pub point: Point,
    /// Visibility as labelled.
    pub visibility: Visibility,
}

/// COCO's visibility flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// 0: not labelled.
    Unlabelled,
    /// 1: labelled at its presumed position, although occluded.
    Hidden,
    /// 2: labelled and visible.
    Visible,
}

impl Joint {
    /// A joint that is certainly not in the image.
    pub const OUTSIDE: Self = Self {
        point: Point::new(-1e6, -1e6),
        visibility: Visibility::Hidden,
    };

    /// Returns the position if the joint is labelled.
    pub fn labelled(&self) -> Option<Point> {
        (self.visibility != Visibility::Unlabelled).then_some(self.point)
    }

    /// Returns the position if the joint is labelled on a pixel of an image of size `image`.
    pub fn inside(&self, image: Size) -> Option<Point> {
        let within = |v: f64, n: usize| v >= -0.5 && v <= n as f64 - 0.5;
        self.labelled()
            .filter(|p| within(p.x, image.width) && within(p.y, image.height))
    }
}

/// A detected box of a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectedBox {
    /// Id of the image.
    pub image_id: u64,
    /// Detected box in image pixels.
    pub bbox: BBox,
    /// Confidence of the detector.
    pub score: f64,
}

/// Counts of labels that are not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Joints that the skeleton lacks, by their name in the labels.
    pub joints: Vec<String>,
    /// Number of people, by reason.
    pub people: BTreeMap<String, usize>,
}

impl LeftOut {
    /// Counts `n` further people.
    pub fn count(&mut self, why: &str, n: usize) {
        if n > 0 {
            *self.people.entry(why.to_owned()).or_default() += n;
        }
    }

    /// Formats `3 without labelled joints, 1 a crowd`; empty without people.
    pub fn reasons(&self) -> String {
        let reasons = self.people.iter().map(|(why, n)| format!("{n} {why}"));
        reasons.collect::<Vec<_>>().join(", ")
    }
}

/// Returns the last number in the name of an image, its position in a clip: 12 in
/// `dance_2_frame_000012`.
pub fn last_number(stem: &str) -> Option<u64> {
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let digits = stem[..end].rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a frame number is not found in the name that a tool gave to an image.
    #[test]
    fn numbers_are_found_in_names() {
        for (name, number) in [
            ("frame_000012", Some(12)),
            ("img0012", Some(12)),
            ("dance_2_frame_7_x", Some(7)),
            ("12", Some(12)),
            ("é12é", Some(12)),
            ("nose", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(last_number(name), number, "{name}");
        }
    }

    /// Fails when a joint marked as outside the image counts as a visible position.
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

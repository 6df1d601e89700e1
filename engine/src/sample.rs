//! Labelled pictures: a [`Sample`] is a picture file with its [`Annotation`]s, each of them one
//! person with a box and [`Joint`]s. Data sets yield samples, evaluation and training read them.
//! A [`DetectedBox`] is a person's box from a detector instead of a labeller.

use std::path::PathBuf;

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
    /// People, in the file's order.
    pub annotations: Vec<Annotation>,
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

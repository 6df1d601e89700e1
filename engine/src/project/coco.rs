//! Confirmed labels as a COCO keypoints document, which other programs and our own reader read.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::clip::Clip;
use super::file::ProjectFile;
use super::holdout::{Holdout, Role};
use super::labels::Labels;
use super::person::{FrameKey, Joint, Person, flag};
use crate::geometry::{BBox, Point, Size};
use crate::skeleton::Skeleton;
use crate::source::scrub::Scrub;

/// COCO's id of the category `person`.
const PERSON: u32 = 1;

/// Mean share of its box that a person covers, as COCO's tools assume where no mask was drawn.
const COVERED: f64 = 0.53;

/// The document; `more` is an additional top-level field that COCO does not know.
#[derive(Serialize)]
pub(super) struct Document<T> {
    info: Info,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: [Category; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    poselens: Option<T>,
}

#[derive(Serialize)]
struct Info {
    description: String,
}

#[derive(Serialize)]
pub(super) struct Image {
    id: usize,
    file_name: String,
    #[serde(flatten)]
    size: Option<Size>,
    clip: String,
    frame: u32,
    split: &'static str,
}

#[derive(Serialize)]
pub(super) struct Annotation {
    id: u64,
    image_id: usize,
    category_id: u32,
    /// x, y and visibility of each joint.
    keypoints: Vec<Number>,
    num_keypoints: usize,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}

/// A coordinate or a flag, which readers expect as an integer.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Pixels(f32),
    Flag(u8),
}

#[derive(Serialize)]
struct Category {
    id: u32,
    name: &'static str,
    supercategory: &'static str,
    keypoints: Vec<String>,
    /// Pairs of connected joints, counted from 1.
    skeleton: Vec<[usize; 2]>,
}

/// A frame as an image of a document.
pub(super) struct ImageEntry<'a> {
    pub file_name: String,
    pub size: Option<Size>,
    pub clip: &'a str,
    pub frame: u32,
    pub split: &'static str,
}

impl ImageEntry<'_> {
    /// Returns the entry with its number.
    pub(super) fn numbered(self, id: usize) -> Image {
        Image {
            id,
            file_name: self.file_name,
            size: self.size,
            clip: self.clip.to_owned(),
            frame: self.frame,
            split: self.split,
        }
    }
}

impl Document<()> {
    /// Creates a document of these entries alone.
    pub(super) fn of(
        images: Vec<Image>,
        annotations: Vec<Annotation>,
        skeleton: &Skeleton,
    ) -> Document<()> {
        Document::new(images, annotations, skeleton, None)
    }
}

impl<T> Document<T> {
    fn new(
        images: Vec<Image>,
        annotations: Vec<Annotation>,
        skeleton: &Skeleton,
        poselens: Option<T>,
    ) -> Self {
        Self {
            info: Info {
                description: "labels of a PoseLens project".to_owned(),
            },
            images,
            annotations,
            categories: [category(skeleton)],
            poselens,
        }
    }
}

/// Names of the image files of frames: those of image clips, numbers for videos.
#[derive(Default)]
pub(super) struct FrameNames {
    /// The opened image clips; `None` for one that is not there.
    open: HashMap<u32, Option<Scrub>>,
}

impl FrameNames {
    /// Returns the name of the image file of a frame, without folders. An image of a clip that is
    /// not there is called like that of a video.
    pub(super) fn of(&mut self, project: &Path, clip: &Clip, frame: u32) -> String {
        let number = || format!("{frame:06}.png");
        if !clip.has_pictures() {
            return number();
        }
        let open = || clip.open(project).ok();
        let scrub = self.open.entry(clip.id).or_insert_with(open);
        let file = scrub.as_ref().and_then(|scrub| scrub.file(frame as usize));
        let name = file.and_then(Path::file_name);
        name.map_or_else(number, |name| name.to_string_lossy().into_owned())
    }
}

/// What a document is made of.
pub(super) struct Parts<'a> {
    /// Folder of the project.
    pub folder: &'a Path,
    pub file: &'a ProjectFile,
    pub labels: &'a Labels,
    pub holdout: &'a Holdout,
    /// Sizes of frames that differ from their clip's, or whose clip has none.
    pub sizes: &'a HashMap<FrameKey, Size>,
}

impl Parts<'_> {
    /// Returns the size of a frame, if it is known.
    pub(super) fn size_of(&self, at: FrameKey) -> Option<Size> {
        let of_clip = || self.file.clip(at.clip)?.size;
        self.sizes.get(&at).copied().or_else(of_clip)
    }
}

/// Returns the position of a joint as other programs get it: to them, a joint outside of the image is
/// not labelled.
pub(super) fn exported(joint: &Joint, image: Option<Size>) -> Option<Point> {
    match image {
        Some(image) => joint.inside(image),
        None => joint.labelled(),
    }
}

/// Returns the confirmed people of a project. Frames that were accepted without people are images
/// without annotations. People without labelled joints in the image have no box and are left out.
pub(super) fn document<T>(parts: &Parts<'_>, poselens: Option<T>) -> Document<T> {
    let mut names = FrameNames::default();
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    let confirmed = parts.labels.frames().filter(|(_, f)| f.is_confirmed());
    for (at, labels) in confirmed {
        let Some(clip) = parts.file.clip(at.clip) else {
            continue;
        };
        let image_id = images.len() + 1;
        let name = names.of(parts.folder, clip, at.frame);
        let size = parts.size_of(at);
        let entry = ImageEntry {
            file_name: format!("{}/{name}", clip.name),
            size,
            clip: &clip.name,
            frame: at.frame,
            split: match parts.holdout.role(at) {
                Role::Train => "train",
                Role::HoldOut(_) => "holdout",
                Role::Guard => "guard",
            },
        };
        images.push(entry.numbered(image_id));
        let people = labels.people.iter().filter(|p| p.is_confirmed);
        annotations.extend(people.filter_map(|person| annotation(person, image_id, size)));
    }
    Document::new(images, annotations, parts.labels.skeleton(), poselens)
}

/// Returns a person, `None` without labelled joints; those outside of an image of size `image` do not
/// count.
pub(super) fn annotation(
    person: &Person,
    image_id: usize,
    image: Option<Size>,
) -> Option<Annotation> {
    let joints = person.joints.iter();
    let labelled = joints.filter_map(|joint| exported(joint, image));
    let num_keypoints = labelled.clone().count();
    let b = BBox::around(labelled)?;
    // At least one pixel, for a single joint.
    let (w, h) = (b.w.max(1.0), b.h.max(1.0));
    let hundredths = |v: f64| (v * 100.0).round() / 100.0;
    let keypoints = person.joints.iter().flat_map(|joint| {
        let ([x, y], visible) = match exported(joint, image) {
            Some(_) => (joint.xy(), flag(joint.visibility)),
            None => ([0.0; 2], 0),
        };
        [Number::Pixels(x), Number::Pixels(y), Number::Flag(visible)]
    });
    Some(Annotation {
        id: person.id,
        image_id,
        category_id: PERSON,
        keypoints: keypoints.collect(),
        num_keypoints,
        bbox: [b.x, b.y, w, h].map(hundredths),
        area: hundredths(COVERED * w * h),
        iscrowd: 0,
    })
}

impl Annotation {
    /// Returns the annotation with another id.
    pub(super) fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Returns the annotation as a region whose people are not labelled.
    pub(super) fn ignored(self) -> Self {
        Self {
            keypoints: self.keypoints.iter().map(|_| Number::Flag(0)).collect(),
            num_keypoints: 0,
            iscrowd: 1,
            ..self
        }
    }
}

/// Returns COCO's spelling of a joint: `left_wrist` for `l_wrist`.
pub(super) fn spelled(joint: &str) -> String {
    for (short, long) in [("l_", "left_"), ("r_", "right_")] {
        if let Some(part) = joint.strip_prefix(short) {
            return format!("{long}{part}");
        }
    }
    joint.to_owned()
}

fn category(skeleton: &Skeleton) -> Category {
    let joints = skeleton.joints.iter();
    Category {
        id: PERSON,
        name: "person",
        supercategory: "person",
        keypoints: joints.map(|joint| spelled(joint)).collect(),
        skeleton: skeleton.limbs.iter().map(|l| l.map(|j| j + 1)).collect(),
    }
}

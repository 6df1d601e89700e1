//! Images with labelled people in a folder, as COCO keypoints: what a training reads.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::coco::{Annotation, Document, Image, ImageEntry, annotation};
use super::person::Person;
use crate::disk::Draft;
use crate::error::Result;
use crate::frame::Frame;
use crate::record::save_png;
use crate::skeleton::Skeleton;

/// A frame of a clip in an [`ImageSet`].
#[derive(Debug, Clone, Copy)]
pub struct SetImage<'a> {
    /// Name of the clip.
    pub clip: &'a str,
    /// Index of the frame.
    pub frame: u32,
    /// Name of the part that the image belongs to: `train`, `holdout`, ...
    pub split: &'static str,
}

/// Images that are being written, with their labels.
pub struct ImageSet {
    folder: PathBuf,
    skeleton: &'static Skeleton,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    n_people: usize,
}

impl ImageSet {
    /// Creates a set without images; they are written below `folder`.
    pub fn new(folder: &Path, skeleton: &'static Skeleton) -> Self {
        Self {
            folder: folder.to_owned(),
            skeleton,
            images: Vec::new(),
            annotations: Vec::new(),
            n_people: 0,
        }
    }

    /// Returns the number of images.
    pub fn n_images(&self) -> usize {
        self.images.len()
    }

    /// Returns the number of labelled people.
    pub fn n_people(&self) -> usize {
        self.n_people
    }

    /// Writes an image as `CLIP/FRAME.png` and adds its people. Those who are not confirmed are
    /// marked as regions without labels, in which nothing is learned.
    ///
    /// # Errors
    /// When the image cannot be written.
    pub fn add(&mut self, image: SetImage<'_>, frame: &Frame, people: &[Person]) -> Result<()> {
        let SetImage {
            clip,
            frame: number,
            split,
        } = image;
        let file_name = format!("{clip}/{number:06}.png");
        save_png(frame, &self.folder.join(&file_name))?;
        let image_id = self.images.len() + 1;
        let entry = ImageEntry {
            file_name,
            size: Some(frame.size()),
            clip,
            frame: number,
            split,
        };
        self.images.push(entry.numbered(image_id));
        for person in people {
            // A training needs to know of joints outside of the image.
            let Some(one) = annotation(person, image_id, None) else {
                continue;
            };
            let one = one.with_id(self.annotations.len() as u64 + 1);
            self.n_people += usize::from(person.is_confirmed);
            self.annotations.push(if person.is_confirmed {
                one
            } else {
                one.ignored()
            });
        }
        Ok(())
    }

    /// Writes the labels to `path`, atomically.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(self, path: &Path) -> Result<()> {
        let document = Document::of(self.images, self.annotations, self.skeleton);
        let draft = Draft::write(path, |file| {
            serde_json::to_writer(&mut *file, &document)?;
            file.write_all(b"\n")
        })?;
        draft.put()
    }
}

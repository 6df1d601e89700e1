//! Images that cannot be read are left out before an evaluation begins: found halfway, they would
//! end it, or change what its figures are of.

use rayon::prelude::*;

use super::names::listed;
use super::{Dataset, Sample, picture};
use crate::error::{Error, Result};
use crate::words::{are, counted};

/// Reason in [`super::LeftOut`].
const REASON: &str = "in images that cannot be read";

/// Images that were left out.
#[derive(Debug)]
pub struct Unreadable {
    /// Number of images that were looked at.
    n_needed: usize,
    /// Number of people in those left out.
    n_people: usize,
    /// Name and error of each, in the order of the images.
    images: Vec<(String, Error)>,
}

impl Unreadable {
    /// Returns the errors, each with its file.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.images.iter().map(|(_, error)| error.to_string());
        errors.collect()
    }

    /// Describes them in one line; `None` if there are none.
    pub fn text(&self) -> Option<String> {
        let (_, first) = self.images.first()?;
        let names: Vec<_> = self.images.iter().map(|(name, _)| name).collect();
        Some(format!(
            "{} of {} cannot be read ({}); {} left out with {}; the first: {first}",
            names.len(),
            counted(self.n_needed, "labelled image"),
            listed(&names),
            are(self.n_people, "person"),
            if names.len() == 1 { "it" } else { "them" },
        ))
    }
}

impl Dataset {
    /// Reads every image where `is_needed`, on all cores, some milliseconds each; removes those that
    /// cannot be read or have another size than labelled, and counts their people as left out.
    pub fn leave_out_unreadable(
        &mut self,
        is_needed: impl Fn(&Sample) -> bool + Sync,
    ) -> Unreadable {
        // False for an image that is not read.
        let read = |sample: &Sample| {
            if is_needed(sample) {
                picture::of_sample(sample).map(|_| true)
            } else {
                Ok(false)
            }
        };
        let outcomes: Vec<Result<bool>> = self.samples.par_iter().map(read).collect();
        let mut unreadable = Unreadable {
            n_needed: outcomes.iter().filter(|o| !matches!(o, Ok(false))).count(),
            n_people: 0,
            images: Vec::new(),
        };
        let mut places = Vec::new();
        let mut kept = Vec::new();
        let samples = std::mem::take(&mut self.samples);
        for (sample, outcome) in samples.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                let name = sample.path.file_name().unwrap_or_default();
                let name = name.to_string_lossy().into_owned();
                unreadable.images.push((name, error));
                unreadable.n_people += sample.annotations.len();
                places.push(None);
            } else {
                places.push(Some(kept.len()));
                kept.push(sample);
            }
        }
        self.samples = kept;
        let place = |i: &usize| places.get(*i).copied().flatten();
        self.open = self.open.iter().filter_map(place).collect();
        self.left_out.count(REASON, unreadable.n_people);
        unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Pixels};
    use crate::geometry::Size;
    use crate::record::save_png;
    use crate::sample::Orientation;
    use crate::skeleton::Skeleton;

    /// Fails when a damaged image stays among the images, is not counted or named, takes others with
    /// it, or one that nobody looks at is left out.
    #[test]
    fn damaged_images_are_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let size = Size::new(4, 2);
        let mut dataset = Dataset::of(Skeleton::by_name("coco17").unwrap());
        for id in 0..4 {
            let path = folder.path().join(format!("{id}.png"));
            let pixels = Pixels::unpooled(vec![255; size.area() * 4]);
            save_png(&Frame::new(id, 0.0, size, pixels), &path).unwrap();
            dataset.samples.push(Sample {
                image_id: id,
                path,
                size,
                clip: None,
                frame: None,
                orientation: Orientation::Auto,
                annotations: Vec::new(),
            });
        }
        dataset.open = vec![0, 1, 3];
        let whole = dataset.leave_out_unreadable(|_| true);
        assert_eq!((whole.text(), dataset.samples.len()), (None, 4));
        for id in [1, 2] {
            std::fs::write(
                folder.path().join(format!("{id}.png")),
                b"\x89PNG\r\n\x1a\n",
            )
            .unwrap();
        }
        let unreadable = dataset.leave_out_unreadable(|sample| sample.image_id != 2);
        let text = unreadable.text().unwrap();
        let line = "1 of 3 labelled images cannot be read (1.png); 0 people are left out with it; ";
        assert!(text.starts_with(line), "{text}");
        assert_eq!(unreadable.errors().len(), 1);
        let ids: Vec<_> = dataset.samples.iter().map(|s| s.image_id).collect();
        assert_eq!((ids, &*dataset.open), (vec![0, 2, 3], &[0, 2][..]));
    }
}

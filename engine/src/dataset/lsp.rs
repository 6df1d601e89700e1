//! Leeds Sports Poses and its extended training set: `joints.mat` with the array `joints`, and
//! images `im0001.jpg` (LSP) or `im00001.jpg` (LSPET).
//!
//! LSP's array is 3 x 14 x N and its third row flags occluded joints; LSPET's is 14 x 3 x N and its
//! third column flags labelled joints. Coordinates are used unchanged, as in all published results.
//! Boxes are drawn around the labelled joints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{
    Annotation, Dataset, DatasetSpec, Finding, Joint, Orientation, Request, Sample, Severity,
    Visibility, mat, picture,
};
use crate::error::{Error, Result};
use crate::geometry::{BBox, Point, Size};
use crate::skeleton::Skeleton;

/// Entry of [`super::DATASETS`].
pub(super) const FORMAT: DatasetSpec = DatasetSpec {
    name: "lsp",
    help: "LSP and LSPET (joints.mat, or the folder with it)",
    accepts: |path| joints_file(path).is_file(),
    file: joints_file,
    has_categories: false,
    read,
};

/// Joints per person.
const JOINTS: usize = 14;

fn joints_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("joints.mat")
    } else if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("mat"))
    {
        path.to_owned()
    } else {
        PathBuf::new()
    }
}

fn read(request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
    let (annotations, images) = (request.annotations, request.images);
    let skeleton = Skeleton::by_name("lsp14")
        .ok_or_else(|| Error::Internal("no skeleton is called 'lsp14'".to_owned()))?;
    let path = joints_file(annotations);
    if path.as_os_str().is_empty() {
        return Err(Error::data(annotations, "not a joints.mat"));
    }
    let array = mat::read(&path, "joints")?;
    let (extended, n) = match array.dims[..] {
        [3, JOINTS, n] => (false, n),
        [JOINTS, 3, n] => (true, n),
        _ => {
            return Err(Error::data(
                &path,
                format!(
                    "`joints` is {:?}; LSP has [3, 14, N], LSPET [14, 3, N]",
                    array.dims
                ),
            ));
        }
    };
    let named = pictures(images);
    let digits = if extended { 5 } else { 4 };
    let mut samples = Vec::with_capacity(n);
    for (i, numbers) in array.values.chunks_exact(3 * JOINTS).enumerate() {
        let id = i as u64 + 1;
        let usual = || images.join(format!("im{id:0digits$}.jpg"));
        let mut sample = Sample {
            image_id: id,
            path: named.get(&id).cloned().unwrap_or_else(usual),
            size: Size::new(0, 0),
            clip: None,
            frame: None,
            orientation: Orientation::Auto,
            annotations: Vec::new(),
        };
        if let Some(person) = person(numbers, extended, id) {
            sample.annotations.push(person);
        } else {
            let text = "no labelled joint";
            findings.push(Finding::of_annotation(Severity::Note, &path, id, text));
        }
        samples.push(sample);
    }
    samples.par_iter_mut().for_each(picture::size_from_header);
    Ok(Dataset {
        samples,
        ..Dataset::of(skeleton)
    })
}

/// Indexes images by the number in their name: `im00012.jpg` is number 12.
fn pictures(folder: &Path) -> BTreeMap<u64, PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let path = entry.path();
        let number = path.file_stem()?.to_str()?.strip_prefix("im")?.parse();
        Some((number.ok()?, path))
    });
    numbered.collect()
}

/// Builds the annotation of a person; `None` when no joint is labelled.
fn person(numbers: &[f64], extended: bool, id: u64) -> Option<Annotation> {
    let joint = |j: usize| {
        let [x, y, flag] = if extended {
            [0, 1, 2].map(|row| numbers[row * JOINTS + j])
        } else {
            [0, 1, 2].map(|row| numbers[3 * j + row])
        };
        let placed = x.is_finite() && y.is_finite() && (x, y) != (0.0, 0.0);
        let visibility = match (extended, flag > 0.5) {
            _ if !placed => Visibility::Unlabelled,
            (true, false) => Visibility::Unlabelled,
            (true, true) | (false, false) => Visibility::Visible,
            (false, true) => Visibility::Hidden,
        };
        Joint {
            point: Point::new(x, y),
            visibility,
        }
    };
    let joints: Vec<Joint> = (0..JOINTS).map(joint).collect();
    let bbox = BBox::around(joints.iter().filter_map(Joint::labelled))?;
    Some(Annotation {
        id,
        bbox,
        area: bbox.area().max(1.0),
        is_crowd: false,
        n_keypoints: joints.iter().filter(|j| j.labelled().is_some()).count(),
        joints,
        head_box: None,
        region: None,
        track_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use crate::test_golden;

    /// Fails when joints, coordinates or flags of either set are mixed up: the fixtures put joint
    /// `j` of person `n` at (10 n + j + 1, 20 n + j + 1) and flag the even joints.
    #[test]
    fn both_sets_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("im00002.png");
        image::save_buffer(&picture, &[7; 3 * 12], 4, 3, image::ColorType::Rgb8).unwrap();
        for (file, extended) in [("lsp.mat", false), ("lspet.mat", true)] {
            let path = test_golden::path(&format!("dataset/{file}"));
            assert!((FORMAT.accepts)(&path));
            let data = FORMAT
                .load(&Request::new(&path, folder.path(), Split::Learn))
                .unwrap();
            assert_eq!(data.samples.len(), 3);
            for (n, sample) in data.samples.iter().enumerate() {
                let person = &sample.annotations[0];
                for (j, joint) in person.joints.iter().enumerate() {
                    let at = Point::new((10 * n + j + 1) as f64, (20 * n + j + 1) as f64);
                    let expected = match (extended, j % 2 == 0) {
                        (true, true) | (false, false) => Visibility::Visible,
                        (true, false) => Visibility::Unlabelled,
                        (false, true) => Visibility::Hidden,
                    };
                    assert_eq!((joint.point, joint.visibility), (at, expected));
                }
            }
            assert_eq!(data.samples[1].path, picture);
            assert_eq!(data.samples[1].size, Size::new(4, 3));
            let absent = if extended {
                "im00003.jpg"
            } else {
                "im0003.jpg"
            };
            assert!(data.samples[2].path.ends_with(absent));
        }
    }

    /// Fails when an array of a different shape is accepted.
    #[test]
    fn other_arrays_are_refused() {
        let path = Path::new("joints.txt");
        assert!(
            read(
                &Request::new(path, Path::new(""), Split::Learn),
                &mut Vec::new()
            )
            .is_err()
        );
        assert!(!(FORMAT.accepts)(path));
    }
}

//! Data set checker: collects everything suspicious about a data set before training as a list of
//! [`Finding`]s, without stopping at the first.

mod people;
mod sides;

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Dataset, Finding, Sample, Severity, picture};
use crate::error::Error;

/// SHA-256 of an image file.
pub type Fingerprint = [u8; 32];

/// Result of checking a data set.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Problems found, in the order of the images.
    pub findings: Vec<Finding>,
    /// Readable images; for duplicate files, the first path.
    pub pictures: HashMap<Fingerprint, PathBuf>,
}

/// Reports images that are missing, damaged, empty, of another size than labelled, duplicated or
/// without people; boxes without area or outside the image; joints outside image or box; left and
/// right that look swapped; people labelled twice. Findings come in the order of the images.
///
/// Every image is decoded, on all cores: some milliseconds each. `keep_going` is called after each;
/// once it returns false, the remaining images are not opened.
pub fn check(dataset: &Dataset, keep_going: &(dyn Fn() -> bool + Sync)) -> Checked {
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let looked: Vec<Inspected> = dataset
        .samples
        .par_iter()
        .map(|sample| {
            let mut look = if stopped.load(relaxed) {
                Inspected::default()
            } else {
                let look = inspect(sample);
                if !keep_going() {
                    stopped.store(true, relaxed);
                }
                look
            };
            people::check(sample, dataset.skeleton, &mut look.findings);
            look
        })
        .collect();

    let mut checked = Checked::default();
    let Checked { findings, pictures } = &mut checked;
    let mut people: HashMap<u64, &PathBuf> = HashMap::new();
    for (sample, look) in dataset.samples.iter().zip(looked) {
        findings.extend(look.findings);
        let mut warn = |text| {
            findings.push(Finding::of_file(Severity::Warning, &sample.path, text));
        };
        if let Some(fingerprint) = look.fingerprint {
            match pictures.get(&fingerprint) {
                Some(first) => warn(format!(
                    "the same image as {}; people in it count twice",
                    first.display()
                )),
                None => {
                    pictures.insert(fingerprint, sample.path.clone());
                }
            }
        }
        if sample.annotations.is_empty() {
            let text = "no people are labelled in it: it is used for training only as an image \
             without people (empty_share)";
            findings.push(Finding::of_file(Severity::Note, &sample.path, text));
        }
        for annotation in &sample.annotations {
            if let Some(first) = people.insert(annotation.id, &sample.path) {
                findings.push(Finding::of_annotation(
                    Severity::Warning,
                    &sample.path,
                    annotation.id,
                    format!("its number is used in {} too", first.display()),
                ));
            }
        }
    }
    checked
}

/// Result of checking one image.
#[derive(Default)]
struct Inspected {
    fingerprint: Option<Fingerprint>,
    findings: Vec<Finding>,
}

/// An image whose channels all vary by less than this is reported as empty.
const FLAT: u8 = 4;
/// Number of bytes at the end of a JPEG that are searched for its end marker; cameras append little
/// after it.
const TAIL: usize = 4096;

fn inspect(sample: &Sample) -> Inspected {
    let mut look = Inspected::default();
    let mut find = |severity, text: String| {
        let finding = Finding::of_file(severity, &sample.path, text);
        look.findings.push(finding);
    };
    let bytes = match std::fs::read(&sample.path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            find(Severity::Error, "the image is missing".to_owned());
            return look;
        }
        Err(e) => {
            find(Severity::Error, format!("cannot be read: {e}"));
            return look;
        }
    };
    if bytes.is_empty() {
        find(Severity::Error, "the file is empty".to_owned());
        return look;
    }
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    if bytes.starts_with(&[0xff, 0xd8]) && !tail.windows(2).any(|w| w == [0xff, 0xd9]) {
        let text = "the JPEG has no end marker; it may be truncated";
        find(Severity::Warning, text.to_owned());
    }
    match picture::of_sample(sample) {
        Ok(frame) if is_flat(frame.rgba()) => {
            find(
                Severity::Warning,
                "the image has a single colour".to_owned(),
            );
        }
        Ok(_) => {}
        Err(error) => find(Severity::Error, reason(&error)),
    }
    look.fingerprint = Some(Sha256::digest(&bytes).into());
    look
}

fn is_flat(rgba: &[u8]) -> bool {
    let (pixels, _) = rgba.as_chunks::<4>();
    let (mut low, mut high) = ([255; 4], [0; 4]);
    for pixel in pixels {
        for (c, v) in pixel.iter().enumerate() {
            low[c] = low[c].min(*v);
            high[c] = high[c].max(*v);
        }
    }
    low.iter()
        .zip(high)
        .all(|(l, h)| h.saturating_sub(*l) < FLAT)
}

/// Returns the error message without the file, which the finding names itself.
fn reason(error: &Error) -> String {
    match error {
        Error::Data { reason, .. } | Error::Source { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Annotation, Joint, Visibility};
    use crate::geometry::{BBox, Point, Size};
    use crate::skeleton::Skeleton;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn person(id: u64) -> Annotation {
        Annotation {
            id,
            bbox: BBox::new(2.0, 2.0, 20.0, 16.0),
            area: 320.0,
            is_crowd: false,
            n_keypoints: 17,
            joints: (0..17)
                .map(|j| Joint {
                    point: Point::new(3.0 + j as f64, 3.0 + (j % 5) as f64),
                    visibility: Visibility::Visible,
                })
                .collect(),
            head_box: None,
            region: None,
            track_id: None,
        }
    }

    fn dataset(folder: &Path, files: &[(&str, Option<Vec<u8>>)]) -> Dataset {
        let sample = |(i, (name, bytes)): (usize, &(&str, Option<Vec<u8>>))| {
            let path = folder.join(name);
            if let Some(bytes) = bytes {
                std::fs::write(&path, bytes).unwrap();
            }
            Sample {
                image_id: i as u64,
                path,
                size: Size::new(61, 45),
                clip: None,
                frame: None,
                orientation: crate::sample::Orientation::Auto,
                annotations: vec![person(i as u64)],
            }
        };
        Dataset {
            samples: files.iter().enumerate().map(sample).collect(),
            ..Dataset::of(Skeleton::by_name("coco17").unwrap())
        }
    }

    fn png(value: u8) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_pixel(61, 45, image::Rgb([value; 3]))
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    /// Fails when some kind of broken image is not found, a valid one is reported, or one finding
    /// hides the others.
    #[test]
    fn broken_pictures_are_found() {
        let good = std::fs::read(crate::test_golden::path("dataset/chroma.jpg")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let half = good[..good.len() / 2].to_vec();
        let mut data = dataset(
            folder.path(),
            &[
                ("good.jpg", Some(good.clone())),
                ("missing.jpg", None),
                ("empty.jpg", Some(Vec::new())),
                ("half.jpg", Some(half)),
                ("twin.jpg", Some(good)),
                ("flat.png", Some(png(90))),
                ("text.jpg", Some(b"hello".to_vec())),
                ("small.png", Some(png(91))),
                ("nobody.png", Some(png(92))),
            ],
        );
        data.samples[7].size = Size::new(60, 45);
        data.samples[8].annotations.clear();
        let n = AtomicUsize::new(0);
        let Checked { findings, pictures } = check(&data, &|| {
            n.fetch_add(1, Ordering::Relaxed);
            true
        });
        assert_eq!(n.load(Ordering::Relaxed), 9);
        // Missing and empty files and the duplicate are not counted.
        assert_eq!(pictures.len(), 6);
        let of = |name: &str| {
            let of_file = findings.iter().filter(|f| f.file.ends_with(name));
            of_file
                .map(|f| f.text.as_str())
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(of("good.jpg"), "");
        assert!(of("missing.jpg").contains("missing"));
        assert!(of("empty.jpg").contains("empty"));
        assert!(of("half.jpg").contains("truncated"));
        assert!(of("twin.jpg").contains("same image as") && of("twin.jpg").contains("good.jpg"));
        assert!(of("flat.png").contains("single colour"));
        assert!(of("nobody.png").contains("no people are labelled"));
        assert!(
            of("text.jpg").contains("not an image"),
            "{}",
            of("text.jpg")
        );
        assert!(of("small.png").contains("61x45") && of("small.png").contains("60x45"));
        let first = findings[0].to_string();
        assert!(
            first.starts_with("error: ") && first.contains("missing.jpg"),
            "{first}"
        );
    }

    /// Fails when cancelling the check of a large set still processes all of it, or duplicate ids
    /// are not reported.
    #[test]
    fn a_check_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = dataset(folder.path(), &[("a.jpg", None)]);
        let template = data.samples[0].clone();
        data.samples = vec![template; 200];
        let n = AtomicUsize::new(0);
        let findings = check(&data, &|| {
            n.fetch_add(1, Ordering::Relaxed);
            false
        })
        .findings;
        assert!(n.load(Ordering::Relaxed) < 100);
        let twice = findings.iter().filter(|f| f.text.contains("number"));
        assert_eq!(twice.count(), 199);
    }
}

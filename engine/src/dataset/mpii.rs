//! MPII in the community's JSON form, one entry per person: `image`, `center`, `scale`, `joints`
//! and `joints_vis` (HRNet, TransPose), or `img_paths`, `objpos`, `scale_provided` and `joint_self`
//! with the visibility as third number (hourglass networks).
//!
//! The files use MATLAB's 1-based coordinates; they are converted to 0-based. A person's box and
//! region are the square of MPII's protocol before padding: 200 pixels times `scale`, moved down by
//! 15 times `scale`. The entries carry no image size, so image headers are read. No variant has
//! head boxes.
//!
//! The hourglass variant keeps training and validation people in one file and marks the latter by
//! `isValidation`. Where both are present, one part is read and the other set aside; in images that
//! show people of both parts, those set aside are kept without joints, so that they are neither
//! trained nor evaluated as background.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::find::PictureFolder;
use super::json::{is_json, read_json};
use super::loose::Loose;
use super::{
    Annotation, Dataset, DatasetSpec, Finding, Joint, Orientation, Request, Sample, Severity,
    Split, Visibility, picture,
};
use crate::error::{Error, Result};
use crate::geometry::{BBox, Point, Size};
use crate::sample::Square;
use crate::skeleton::Skeleton;
use crate::words::{are, counted};

/// Entry of [`super::DATASETS`].
pub(super) const FORMAT: DatasetSpec = DatasetSpec {
    name: "mpii",
    help: "MPII JSON (a list of image, center, scale, joints, joints_vis)",
    accepts: |path| is_json(path, b'['),
    file: Path::to_path_buf,
    has_categories: false,
    read,
};

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "img_paths")]
    image: String,
    #[serde(alias = "objpos")]
    center: [f64; 2],
    #[serde(alias = "scale_provided")]
    scale: f64,
    /// `[x, y]`, or `[x, y, visible]`; NaN is `None`. Absent in the test set.
    #[serde(default, alias = "joint_self")]
    joints: Vec<Vec<Option<f64>>>,
    joints_vis: Option<Vec<f64>>,
    #[serde(default, rename = "isValidation")]
    is_validation: Loose,
}

const UNLABELLED: Joint = Joint {
    point: Point::new(0.0, 0.0),
    visibility: Visibility::Unlabelled,
};

fn read(request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
    let Request {
        annotations,
        images,
        split,
        ..
    } = *request;
    let skeleton = Skeleton::by_name("mpii16")
        .ok_or_else(|| Error::Internal("no skeleton is called 'mpii16'".to_owned()))?;
    let entries: Vec<Entry> = read_json(
        annotations,
        "MPII list (image, center, scale, joints of each person)",
    )?;
    let n_validation = entries.iter().filter(|e| e.is_validation.flag()).count();
    let has_both = (1..entries.len()).contains(&n_validation);
    let is_wanted = |e: &Entry| !has_both || e.is_validation.flag() == (split == Split::HeldOut);
    if has_both {
        let text = set_aside(split, n_validation, entries.len());
        findings.push(Finding::of_file(Severity::Note, annotations, text));
    }

    let pictures = PictureFolder::new(images);
    let mut samples: Vec<Sample> = Vec::new();
    // Per image id, whether the image shows a person of the requested part.
    let mut shows_wanted = Vec::new();
    let mut known = HashMap::new();
    let mut n_gaps = 0;
    for (i, entry) in entries.into_iter().enumerate() {
        let id = i as u64;
        let s = *known.entry(entry.image.clone()).or_insert_with(|| {
            samples.push(Sample {
                image_id: samples.len() as u64,
                path: pictures.find(&entry.image).path,
                size: Size::new(0, 0),
                clip: None,
                frame: None,
                orientation: Orientation::Auto,
                annotations: Vec::new(),
            });
            shows_wanted.push(false);
            samples.len() - 1
        });
        let is_wanted = is_wanted(&entry);
        shows_wanted[s] |= is_wanted;
        if is_wanted {
            n_gaps += gaps(&entry);
        }
        match person(&entry, id, skeleton.n_joints()) {
            Ok(person) if is_wanted => samples[s].annotations.push(person),
            Ok(mut person) => {
                person.joints.fill(UNLABELLED);
                person.n_keypoints = 0;
                samples[s].annotations.push(person);
            }
            Err(_) if !is_wanted => {}
            Err(text) => findings.push(Finding::of_annotation(
                Severity::Error,
                annotations,
                id,
                text,
            )),
        }
    }
    if n_gaps > 0 {
        let joints = are(n_gaps, "joint");
        let text =
            format!("{joints} without coordinates that are numbers: treated as not labelled");
        findings.push(Finding::of_file(Severity::Note, annotations, text));
    }
    samples.retain(|s| shows_wanted[s.image_id as usize]);
    samples.par_iter_mut().for_each(picture::size_from_header);
    Ok(Dataset {
        samples,
        ..Dataset::of(skeleton)
    })
}

/// Describes the part that is not read, given `n_validation` of `all` people for validation.
fn set_aside(split: Split, n_validation: usize, all: usize) -> String {
    let people = counted(all, "person");
    let verb = |n| if n == 1 { "is" } else { "are" };
    match split {
        Split::Learn => format!(
            "{n_validation} of {people} {} skipped: they are marked as held out \
             (`isValidation`) and not trained on",
            verb(n_validation)
        ),
        Split::HeldOut => format!(
            "{} of {people} {} set aside: they are not marked as held out (`isValidation`), \
             nothing is measured on them",
            all - n_validation,
            verb(all - n_validation)
        ),
    }
}

/// Returns the number of joints of which a coordinate is missing.
fn gaps(entry: &Entry) -> usize {
    let is_gap = |numbers: &&Vec<Option<f64>>| numbers.iter().take(2).any(Option::is_none);
    entry.joints.iter().filter(is_gap).count()
}

fn person(entry: &Entry, id: u64, n_joints: usize) -> Result<Annotation, String> {
    let (scale, [cx, cy]) = (entry.scale, entry.center);
    if !(scale > 0.0 && scale.is_finite() && cx.is_finite() && cy.is_finite()) {
        return Err(format!("`scale` {scale} at `center` {cx}, {cy}"));
    }
    if !entry.joints.is_empty() && entry.joints.len() != n_joints {
        return Err(format!(
            "`joints` has {}, MPII has {n_joints}",
            counted(entry.joints.len(), "entry")
        ));
    }
    let visible = entry.joints_vis.as_deref();
    if visible.is_some_and(|v| v.len() != entry.joints.len()) {
        return Err("`joints_vis` is not as long as `joints`".to_owned());
    }
    let mut joints = vec![UNLABELLED; n_joints];
    for (j, numbers) in entry.joints.iter().enumerate() {
        let (x, y, third) = match numbers[..] {
            [x, y] => (x, y, None),
            [x, y, v] => (x, y, v),
            _ => return Err(format!("joint {j} has {} numbers", numbers.len())),
        };
        let (Some(x), Some(y)) = (x, y) else {
            continue;
        };
        // Unlabelled joints are stored as 0 or -1 in every variant.
        let placed = x > 0.0 && y > 0.0;
        let visibility = match (visible.map(|v| v[j]), third) {
            (Some(v), _) if v > 0.0 && placed => Visibility::Visible,
            // In `joints_vis`, 0 excludes a joint from training; in `joint_self` it means occluded.
            (None, Some(v)) if placed && v <= 0.0 => Visibility::Hidden,
            (None, _) if placed => Visibility::Visible,
            _ => Visibility::Unlabelled,
        };
        joints[j] = Joint {
            point: Point::new(x - 1.0, y - 1.0),
            visibility,
        };
    }
    let labelled = || joints.iter().filter_map(Joint::labelled);
    let side = 200.0 * scale;
    let center = Point::new(cx - 1.0, cy + 15.0 * scale - 1.0);
    Ok(Annotation {
        id,
        bbox: BBox::new(center.x - side / 2.0, center.y - side / 2.0, side, side),
        region: Some(Square { center, side }),
        track_id: None,
        // MPII has no segmentation masks; the box of the joints stands in.
        area: BBox::around(labelled()).map_or(0.0, |b| b.area().max(1.0)),
        is_crowd: false,
        n_keypoints: labelled().count(),
        joints,
        head_box: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn load_part(text: &str, split: Split, findings: &mut Vec<Finding>) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.json");
        std::fs::write(&path, text).unwrap();
        read(&Request::new(&path, Path::new("pictures"), split), findings)
    }

    fn load_text(text: &str, findings: &mut Vec<Finding>) -> Result<Dataset> {
        load_part(text, Split::Learn, findings)
    }

    fn valid() -> Value {
        let joints: Vec<[f64; 2]> = (0..16)
            .map(|j| [101.0 + f64::from(j), 51.0 + f64::from(j)])
            .collect();
        let mut visible = vec![1; 16];
        visible[6] = 0;
        let triples: Vec<[f64; 3]> = (0..16)
            .map(|j| match j {
                0 => [0.0, 0.0, 0.0],
                1 => [11.0, 21.0, 0.0],
                _ => [31.0, 41.0, 1.0],
            })
            .collect();
        json!([
            { "image": "a.jpg", "center": [110.0, 70.0], "scale": 0.5,
              "joints": joints, "joints_vis": visible },
            { "img_paths": "b.jpg", "objpos": [110.0, 70.0], "scale_provided": 0.5,
              "joint_self": triples, "isValidation": 0.0 },
            { "image": "a.jpg", "center": [10.0, 7.0], "scale": 1.0 },
        ])
    }

    /// Fails when a variant is misread: coordinate base, visibility, people of one image, or the
    /// region of the protocol.
    #[test]
    fn both_variants_are_read() {
        let mut findings = Vec::new();
        let data = load_text(&valid().to_string(), &mut findings).unwrap();
        assert!(findings.is_empty());
        assert_eq!(data.samples.len(), 2);
        let people = &data.samples[0].annotations;
        assert_eq!(people.iter().map(|a| a.id).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(
            people[0].joints[0].labelled(),
            Some(Point::new(100.0, 50.0))
        );
        assert_eq!(people[0].joints[6].labelled(), None);
        assert_eq!((people[0].n_keypoints, people[1].n_keypoints), (15, 0));
        let other = &data.samples[1].annotations[0];
        assert_eq!(other.joints[0].visibility, Visibility::Unlabelled);
        assert_eq!(other.joints[1].visibility, Visibility::Hidden);
        assert_eq!(other.joints[1].point, Point::new(10.0, 20.0));
        assert_eq!(other.joints[2].visibility, Visibility::Visible);

        let region = Square {
            center: Point::new(109.0, 76.5),
            side: 100.0,
        };
        assert_eq!(people[0].region, Some(region));
        assert_eq!(people[0].bbox, BBox::new(59.0, 26.5, 100.0, 100.0));
    }

    /// Fails when validation people are used for training or vice versa, the split is not reported,
    /// a person set aside is taken for background, or a file with only one part is read as empty.
    #[test]
    fn the_two_parts_of_a_file_are_kept_apart() {
        let joints: Vec<[f64; 3]> = vec![[11.0, 21.0, 1.0]; 16];
        let file = |parts: &[(&str, Value)]| {
            let entry = |(image, flag): &(&str, Value)| {
                json!({ "img_paths": image, "objpos": [11.0, 7.0], "scale_provided": 0.5,
                        "joint_self": joints, "isValidation": flag })
            };
            Value::from(parts.iter().map(entry).collect::<Vec<_>>()).to_string()
        };
        let part = |text: &str, split| {
            let mut findings = Vec::new();
            let data = load_part(text, split, &mut findings).unwrap();
            let person = |a: &Annotation| (a.id, a.n_keypoints, a.joints[3].labelled().is_some());
            let people = |s: &Sample| s.annotations.iter().map(person).collect::<Vec<_>>();
            let people: Vec<_> = data.samples.iter().map(people).collect();
            let texts: Vec<_> = findings.into_iter().map(|f| f.text).collect();
            (people, texts.join("; "))
        };
        let (full, bare) = (|id| (id, 16, true), |id| (id, 0, false));

        let mixed = file(&[
            ("a.jpg", json!(0.0)),
            ("b.jpg", json!(1.0)),
            ("c.jpg", json!(true)),
            ("c.jpg", json!(false)),
            ("a.jpg", json!(0)),
        ]);
        let (people, said) = part(&mixed, Split::Learn);
        assert_eq!(people, [vec![full(0), full(4)], vec![bare(2), full(3)]]);
        assert!(
            said.contains("2 of 5 people are skipped: they are marked"),
            "{said}"
        );
        let (people, said) = part(&mixed, Split::HeldOut);
        assert_eq!(people, [vec![full(1)], vec![full(2), bare(3)]]);
        assert!(
            said.contains("3 of 5 people are set aside: they are not"),
            "{said}"
        );

        for flag in [json!(0.0), json!(1.0)] {
            let one = file(&[("a.jpg", flag.clone()), ("b.jpg", flag)]);
            for split in [Split::Learn, Split::HeldOut] {
                let all = vec![vec![full(0)], vec![full(1)]];
                assert_eq!(part(&one, split), (all, String::new()));
            }
        }
    }

    /// Fails when a broken entry prevents the others from being read, or is accepted.
    #[test]
    fn broken_entries_are_found() {
        let mut value = valid();
        value[0]["scale"] = json!(0);
        value[1]["joint_self"][3] = json!([1.0]);
        value[2]["joints"] = json!([[1, 2]]);
        let mut findings = Vec::new();
        let data = load_text(&value.to_string(), &mut findings).unwrap();
        assert!(data.samples.iter().all(|s| s.annotations.is_empty()));
        assert_eq!(findings.len(), 3, "{findings:?}");
    }

    /// Fails when a joint that is not a number makes the file unreadable, or is dropped without being
    /// counted.
    #[test]
    fn joints_that_are_no_numbers_are_counted() {
        let mut value = valid();
        value[0]["joints"][3] = json!([null, 7]);
        let mut findings = Vec::new();
        let text = value.to_string().replace("[null,7]", "[Infinity,7]");
        let data = load_text(&text, &mut findings).unwrap();
        let person = &data.samples[0].annotations[0];
        assert_eq!(
            (person.joints[3].labelled(), person.n_keypoints),
            (None, 14)
        );
        assert!(
            findings[0].text.contains("1 joint is without coordinates"),
            "{findings:?}"
        );
    }

    proptest! {
        /// Fails when a damaged file causes a panic.
        #[test]
        fn damaged_files_never_panic(at in 0usize..1000, byte: u8) {
            let mut bytes = valid().to_string().into_bytes();
            let n = bytes.len();
            bytes[at % n] = byte;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut findings = Vec::new();
            if let Ok(data) = load_text(&text, &mut findings) {
                let people = data.samples.iter().flat_map(|s| &s.annotations);
                prop_assert!(people.into_iter().all(|a| a.joints.len() == 16));
            }
            let _ = load_text(&text[..text.floor_char_boundary(at % n)], &mut findings);
        }
    }
}

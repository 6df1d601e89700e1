//! Reads labels and predictions of other programs, and our own results, into a project.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::edit::{Edit, FrameProposal};
use super::find::{FrameFinder, ImageName};
use super::open::{Contents, Project};
use super::person::{FrameKey, Joint, Person};
use crate::dataset::coco::{ResultPose, is_result_list, read_results};
use crate::dataset::dlc::{DlcRow, read_dlc};
use crate::dataset::{
    Dataset, DatasetSpec, Finding, Request, Severity, Split, format, guess_format, is_json_object,
    usual_images,
};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::sample::Sample;
use crate::skeleton::{JointMap, Skeleton};
use crate::words::{are, counted};

/// Number of left out entries that are named for each reason.
const N_NAMED: usize = 5;

/// Reason why frames are left out although everything was found.
const BY_HAND: &str = "frames that are labelled by hand already";

/// How labels are imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions<'a> {
    /// Name of the clip that all images belong to; otherwise their names decide.
    pub clip: Option<&'a str>,
    /// Whether the people count as confirmed.
    pub is_confirmed: bool,
}

/// What was imported, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Imported {
    /// Number of frames with imported people.
    pub frames: usize,
    /// Number of imported people.
    pub people: usize,
    /// Entries that were left out, by reason.
    pub left_out: BTreeMap<String, Omitted>,
    /// Joints that the project's skeleton lacks, by their name in the file.
    pub joints_left_out: Vec<String>,
    /// Remarks on the file, one line each.
    pub notes: Vec<String>,
}

/// Entries that were left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Omitted {
    /// How many.
    pub count: usize,
    /// What the first ones are.
    pub first: Vec<String>,
}

impl Imported {
    /// Returns whether nothing of the file has a place in the project, not even where frames are
    /// labelled by hand already.
    pub fn is_nothing(&self) -> bool {
        self.people == 0 && !self.left_out.contains_key(BY_HAND)
    }

    fn leave_out(&mut self, reason: &str, name: impl Into<String>) {
        let omitted = self.left_out.entry(reason.to_owned()).or_default();
        omitted.count += 1;
        if omitted.first.len() < N_NAMED {
            omitted.first.push(name.into());
        }
    }

    fn count_out(&mut self, reason: &str, n: usize) {
        if n > 0 {
            self.left_out.entry(reason.to_owned()).or_default().count += n;
        }
    }
}

/// Imports COCO keypoints as COCO, CVAT and Label Studio write them, or a COCO results list.
///
/// Labels made by people become touched joints, results become proposals; both stay unconfirmed
/// unless the options say otherwise. Frames with handwork keep what they have.
///
/// # Errors
/// When the file cannot be read, its joints are others, or the project cannot be written.
pub fn coco(project: &mut Project, path: &Path, options: ImportOptions<'_>) -> Result<Imported> {
    let mut import = Import::new(project.contents(), path, options)?;
    if is_result_list(path) {
        import.results(path)?;
    } else {
        import.labels(path)?;
    }
    import.finish().store(project, options.is_confirmed)
}

/// Imports a table of DeepLabCut: labels become touched joints, predictions become proposals.
///
/// # Errors
/// Those of [`coco`].
pub fn dlc(project: &mut Project, path: &Path, options: ImportOptions<'_>) -> Result<Imported> {
    let mut import = Import::new(project.contents(), path, options)?;
    import.table(path)?;
    import.finish().store(project, options.is_confirmed)
}

/// An import in progress.
struct Import<'a> {
    skeleton: &'static Skeleton,
    finder: FrameFinder<'a>,
    gathered: Gathered,
}

/// What a file has for the frames of the project.
#[derive(Default)]
struct Gathered {
    people: BTreeMap<FrameKey, Vec<Vec<Joint>>>,
    imported: Imported,
    /// Number of joints outside of their frame.
    n_outside: usize,
}

impl<'a> Import<'a> {
    fn new(contents: &'a Contents, path: &Path, options: ImportOptions<'_>) -> Result<Self> {
        let finder = FrameFinder::new(contents, options.clip);
        Ok(Self {
            skeleton: contents.labels().skeleton(),
            finder: finder.map_err(|reason| Error::data(path, reason))?,
            gathered: Gathered::default(),
        })
    }

    fn results(&mut self, path: &Path) -> Result<()> {
        let list = read_results(path, self.skeleton)?;
        let map = map(path, list.skeleton, self.skeleton)?;
        self.finder.look_at(list.poses.iter().map(image_of_pose));
        for pose in &list.poses {
            let joints = Joint::all_predicted(&pose.keypoints, &map);
            self.add(&image_of_pose(pose), joints);
        }
        self.note_gaps(list.n_gaps, "joint");
        let reason = "entries without joints of this skeleton";
        let imported = &mut self.gathered.imported;
        imported.count_out(reason, list.n_left_out);
        Ok(())
    }

    fn labels(&mut self, path: &Path) -> Result<()> {
        let images = usual_images(path);
        let request = Request::new(path, &images, Split::Learn);
        let mut findings = Vec::new();
        let read = reader(path)?.examine(&request, &mut findings)?;
        let other = || Error::data(path, strangers(read.skeleton, self.skeleton));
        let dataset = read.renamed_to(self.skeleton).ok_or_else(other)?;
        self.report(&dataset, findings);
        let inside = |sample: &Sample| {
            let inside = sample.path.strip_prefix(&images);
            inside
                .unwrap_or(&sample.path)
                .to_string_lossy()
                .into_owned()
        };
        let paths: Vec<String> = dataset.samples.iter().map(inside).collect();
        let named = || dataset.samples.iter().zip(&paths);
        let images = named().map(|(sample, path)| image_of_sample(sample, path));
        self.finder.look_at(images);
        for (sample, inside) in named() {
            let image = image_of_sample(sample, inside);
            for person in &sample.annotations {
                if person.is_crowd {
                    let imported = &mut self.gathered.imported;
                    imported.leave_out("groups of people", inside.as_str());
                    continue;
                }
                let joint = |joint: &crate::sample::Joint| match joint.labelled() {
                    Some(point) => Joint::new(point, 0.0, joint.visibility).touched(),
                    None => Joint::ABSENT,
                };
                self.add(&image, person.joints.iter().map(joint).collect());
            }
        }
        Ok(())
    }

    fn table(&mut self, path: &Path) -> Result<()> {
        let table = read_dlc(path)?;
        let map = map(path, table.skeleton, self.skeleton)?;
        let imported = &mut self.gathered.imported;
        imported.joints_left_out.clone_from(&table.left_out);
        self.finder.look_at(table.rows.iter().map(image_of_row));
        self.note_gaps(table.n_gaps, "cell");
        for row in &table.rows {
            let image = image_of_row(row);
            for keypoints in &row.people {
                let joints = Joint::all_predicted(keypoints, &map).into_iter();
                let labelled = |joint: Joint| match joint.labelled() {
                    Some(point) => Joint::new(point, 0.0, joint.visibility).touched(),
                    None => Joint::ABSENT,
                };
                let joints = if table.is_predicted {
                    joints.collect()
                } else {
                    joints.map(labelled).collect()
                };
                self.add(&image, joints);
            }
        }
        Ok(())
    }

    /// Takes over what the reader of the file has reported.
    fn report(&mut self, dataset: &Dataset, findings: Vec<Finding>) {
        let imported = &mut self.gathered.imported;
        for finding in findings {
            let name = finding.annotation.map(|id| format!("annotation {id}: "));
            let text = format!("{}{}", name.unwrap_or_default(), finding.text);
            if finding.severity == Severity::Error {
                imported.leave_out("unusable entries", text);
            } else {
                imported.notes.push(text);
            }
        }
        for (reason, n) in &dataset.left_out.people {
            imported.count_out(&format!("people {reason}"), *n);
        }
        let joints = &dataset.left_out.joints;
        imported.joints_left_out.clone_from(joints);
    }

    /// Notes that `n` joints or cells are not numbers.
    fn note_gaps(&mut self, n: usize, what: &str) {
        if n > 0 {
            let what = are(n, what);
            let text = format!("{what} not numbers: treated as not labelled");
            self.gathered.imported.notes.push(text);
        }
    }

    fn add(&mut self, image: &ImageName<'_>, joints: Vec<Joint>) {
        let name = || match image.number {
            Some(number) if image.path.is_empty() => format!("frame {number}"),
            _ => image.path.to_owned(),
        };
        let gathered = &mut self.gathered;
        if joints.iter().all(|joint| joint.labelled().is_none()) {
            gathered.imported.leave_out("people without joints", name());
            return;
        }
        match self.finder.find(image) {
            Ok(at) => {
                if let Some(sizes) = self.finder.sizes_of(at) {
                    gathered.n_outside += n_outside(&joints, sizes);
                }
                gathered.people.entry(at).or_default().push(joints);
            }
            Err(reason) => {
                let reason = format!("people in images of {reason}");
                gathered.imported.leave_out(&reason, name());
            }
        }
    }

    fn finish(mut self) -> Gathered {
        let Gathered {
            imported,
            n_outside,
            ..
        } = &mut self.gathered;
        imported.notes.append(&mut self.finder.remarks);
        if *n_outside > 0 {
            let joints = counted(*n_outside, "joint");
            let verb = if *n_outside == 1 { "lies" } else { "lie" };
            imported
                .notes
                .push(format!("{joints} {verb} outside of the image"));
        }
        self.gathered
    }
}

impl Gathered {
    /// Makes everything gathered one edit of the project.
    fn store(self, project: &mut Project, is_confirmed: bool) -> Result<Imported> {
        let Self {
            people,
            mut imported,
            ..
        } = self;
        let mut frames = Vec::new();
        for (at, people) in people {
            let there = project.labels().frame(at);
            let has_handwork =
                there.is_some_and(|f| f.is_accepted || f.people.iter().any(Person::has_handwork));
            if has_handwork {
                let clip = project.contents().file().clip(at.clip);
                let clip = clip.map_or("", |clip| clip.name.as_str());
                imported.leave_out(BY_HAND, format!("{clip} frame {}", at.frame));
                continue;
            }
            imported.frames += 1;
            imported.people += people.len();
            frames.push(FrameProposal {
                at,
                suggestion: None,
                people,
                is_confirmed,
            });
        }
        project.apply(&Edit::Propose { frames })?;
        Ok(imported)
    }
}

fn image_of_pose(pose: &ResultPose) -> ImageName<'_> {
    ImageName {
        path: pose.file_name.as_deref().unwrap_or_default(),
        number: pose.number,
        ..ImageName::default()
    }
}

fn image_of_sample<'a>(sample: &'a Sample, path: &'a str) -> ImageName<'a> {
    ImageName {
        path,
        clip: sample.clip.as_deref(),
        number: None,
    }
}

fn image_of_row(row: &DlcRow) -> ImageName<'_> {
    ImageName {
        path: &row.image,
        number: row.image.parse().ok(),
        ..ImageName::default()
    }
}

/// Returns the number of labelled joints outside of a frame of one of two sizes.
fn n_outside(joints: &[Joint], sizes: [Size; 2]) -> usize {
    let outside = |image: Size| {
        let labelled = joints.iter().filter(|joint| joint.labelled().is_some());
        labelled
            .filter(|joint| joint.inside(image).is_none())
            .count()
    };
    let [one, other] = sizes.map(outside);
    one.min(other)
}

/// Returns the format of a file of labels. An object is COCO, whatever the file is called.
fn reader(path: &Path) -> Result<&'static DatasetSpec> {
    let coco = format("coco").filter(|_| is_json_object(path));
    guess_format(path).or_else(|error| match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Err(error),
        _ => coco.ok_or(error),
    })
}

fn strangers(found: &Skeleton, wanted: &Skeleton) -> String {
    format!(
        "its joints are those of {}, the project has those of {}",
        found.name, wanted.name
    )
}

fn map(path: &Path, found: &'static Skeleton, wanted: &'static Skeleton) -> Result<JointMap> {
    let map = found.map_to(&wanted.name);
    map.ok_or_else(|| Error::data(path, strangers(found, wanted)))
}

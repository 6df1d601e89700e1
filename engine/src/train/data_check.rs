//! Check of the data before training starts: a [`Report`] on the training sets and the validation
//! set.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use super::config::{DataConfig, TrainConfig};
use super::neighbours::ClipFrames;
use super::orientation::resolve_open;
use crate::concurrency::StopFlag;
use crate::dataset::loader::People;
use crate::dataset::{Dataset, Finding, Fingerprint, LeftOut, Severity, Split, check};
use crate::error::{Error, Result};
use crate::model::model;
use crate::skeleton::Skeleton;
use crate::words::counted;

/// Options that a report depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckInputs {
    model: String,
    learn: Vec<DataConfig>,
    held_out: Option<DataConfig>,
}

impl CheckInputs {
    /// Returns the part of `config` to check; `None` without data.
    pub fn of(config: &TrainConfig) -> Option<Self> {
        Some(Self {
            model: config.model.clone(),
            learn: config.data.clone(),
            held_out: config.validation.clone(),
        })
        .filter(|inputs| !inputs.learn.is_empty())
    }
}

/// Result of checking one data set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SetReport {
    /// The label file or folder.
    pub annotations: PathBuf,
    /// Error that prevents using the data set.
    pub fault: Option<String>,
    /// Name of the format, e.g. `coco`.
    pub format: &'static str,
    /// Number of images.
    pub pictures: usize,
    /// Number of people usable for training or evaluation.
    pub people: usize,
    /// Counts of joints and people that are not used.
    pub left_out: LeftOut,
    /// Problems in the order of the images.
    pub findings: Vec<Finding>,
    /// Number of label entries that cannot be read.
    pub broken_labels: usize,
}

impl SetReport {
    /// Returns whether no image can be read.
    fn is_unusable(&self) -> bool {
        let errors = self.findings.iter();
        let broken: HashSet<_> = errors
            .filter(|f| f.severity == Severity::Error && f.annotation.is_none())
            .map(|f| &f.file)
            .collect();
        broken.len() >= self.pictures
    }

    /// Returns the number of findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of = |f: &&Finding| f.severity == severity;
        self.findings.iter().filter(of).count()
    }

    /// Returns the findings by descending severity, each severity in the order of the images.
    pub fn worst_first(&self) -> Vec<&Finding> {
        let mut listed: Vec<&Finding> = self.findings.iter().collect();
        listed.sort_by_key(|f| std::cmp::Reverse(f.severity));
        listed
    }
}

/// Result of checking all data of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Options that were checked.
    #[serde(skip)]
    pub inputs: CheckInputs,
    /// The first training set.
    pub learn: SetReport,
    /// The other training sets.
    pub more: Vec<SetReport>,
    /// The validation set.
    pub held_out: Option<SetReport>,
    /// Number of validation images that are also training images, compared by content.
    pub shared: usize,
}

impl Report {
    /// Iterates over the training sets.
    pub fn learned(&self) -> impl Iterator<Item = &SetReport> {
        std::iter::once(&self.learn).chain(&self.more)
    }

    /// Iterates over all sets, training sets first.
    pub fn sets(&self) -> impl Iterator<Item = &SetReport> {
        self.learned().chain(&self.held_out)
    }

    /// Returns the number of people in the training sets.
    pub fn people(&self) -> usize {
        self.learned().map(|set| set.people).sum()
    }

    /// Explains why training is impossible; names the set where there are several.
    pub fn obstacle(&self) -> Option<String> {
        let of = |set: &SetReport| match self.more.len() {
            0 => String::new(),
            _ => format!(" in {}", set.annotations.display()),
        };
        for set in self.learned() {
            let of = of(set);
            if set.fault.is_some() {
                return Some(format!("the training labels{of} cannot be read"));
            }
            if set.broken_labels > 0 {
                let n = errors(set.broken_labels);
                return Some(format!("the training labels{of} have {n}"));
            }
            if set.is_unusable() {
                return Some(format!("none of the training images{of} can be read"));
            }
        }
        let held_out = self.held_out.as_ref()?;
        if held_out.fault.is_some() {
            return Some("the held-out people cannot be read".to_owned());
        }
        match held_out.count(Severity::Error) {
            0 => None,
            n => Some(format!("the held-out people have {}", errors(n))),
        }
    }
}

fn errors(n: usize) -> String {
    format!("{n} error{}", if n == 1 { "" } else { "s" })
}

/// Progress of a check, read by other threads.
#[derive(Debug, Default)]
pub struct Looked {
    /// Number of images checked.
    pub pictures: AtomicUsize,
    /// Number of images known so far.
    pub of: AtomicUsize,
}

/// Reads the labels and checks every image, on all cores: some milliseconds each. A stopped check
/// leaves the remaining images unopened.
///
/// # Errors
/// When the model has no card. Problems of the data are part of the report.
pub fn check_data(inputs: CheckInputs, looked: &Looked, stop: &StopFlag) -> Result<Report> {
    let skeleton = model(&inputs.model)?.card()?.skeleton()?;
    let mut pictures = Pictures::new();
    let mut frames = ClipFrames::default();
    let mut learned = Vec::new();
    for data in &inputs.learn {
        let (mut set, theirs) = examine((data, Split::Learn), skeleton, &mut frames, looked, stop);
        for (path, other) in shared(&theirs, &pictures) {
            let text = format!(
                "the same image as {} of another set; people in it count twice",
                other.display()
            );
            set.findings
                .push(Finding::of_file(Severity::Warning, &path, text));
        }
        for (bytes, path) in theirs {
            pictures.entry(bytes).or_insert(path);
        }
        learned.push(set);
    }
    let mut learned = learned.into_iter();
    let mut report = Report {
        learn: learned.next().unwrap_or_default(),
        more: learned.collect(),
        inputs,
        held_out: None,
        shared: 0,
    };
    if let Some(data) = &report.inputs.held_out {
        let split = (data, Split::HeldOut);
        let mut held_out_frames = ClipFrames::default();
        let (mut held_out, theirs) = examine(split, skeleton, &mut held_out_frames, looked, stop);
        let shared = shared(&theirs, &pictures);
        report.shared = shared.len();
        held_out
            .findings
            .extend(shared.iter().map(|(path, learned)| {
                let text = format!("is also trained on, as {}", learned.display());
                Finding::of_file(Severity::Warning, path, text)
            }));
        let near = frames.near(&held_out_frames);
        held_out
            .findings
            .extend(near.iter().map(|(path, learned, n)| {
                let frames = counted(*n, "frame");
                let learned = learned.display();
                let text =
                    format!("{frames} away from {learned} of the same clip, which is trained on");
                Finding::of_file(Severity::Warning, path, text)
            }));
        report.held_out = Some(held_out);
    }
    Ok(report)
}

/// Returns the images that are also among the others, with their paths there.
fn shared(pictures: &Pictures, others: &Pictures) -> Vec<(PathBuf, PathBuf)> {
    let both =
        |(bytes, path): (&Fingerprint, &PathBuf)| Some((path.clone(), others.get(bytes)?.clone()));
    let mut shared: Vec<_> = pictures.iter().filter_map(both).collect();
    shared.sort();
    shared
}

type Pictures = HashMap<Fingerprint, PathBuf>;

fn examine(
    (data, split): (&DataConfig, Split),
    skeleton: &'static Skeleton,
    frames: &mut ClipFrames,
    looked: &Looked,
    stop: &StopFlag,
) -> (SetReport, Pictures) {
    let mut report = SetReport {
        annotations: data.annotations.clone(),
        ..SetReport::default()
    };
    let dataset = match read(data, split, &mut report) {
        Ok(dataset) => dataset,
        Err(error) => {
            report.fault = Some(plain(&error, &data.annotations));
            return (report, Pictures::new());
        }
    };
    frames.add(&dataset.samples);
    report.broken_labels = report.count(Severity::Error);
    report.pictures = dataset.samples.len();
    looked.of.fetch_add(report.pictures, Ordering::Relaxed);
    let keep_going = || {
        looked.pictures.fetch_add(1, Ordering::Relaxed);
        !stop.is_stopped()
    };
    let checked = check(&dataset, &keep_going);
    report.findings.extend(checked.findings);
    let mut people = People::new(skeleton);
    match people.add(
        &data.annotations.display().to_string(),
        dataset,
        &data.people,
    ) {
        Ok((people, left_out)) => {
            if people == 0 {
                report.fault = Some(no_usable_people(&left_out));
            }
            report.people = people;
            report.left_out = left_out;
        }
        Err(error) => report.fault = Some(error.to_string()),
    }
    (report, checked.pictures)
}

/// Explains by counts why there are no usable people.
fn no_usable_people(left_out: &LeftOut) -> String {
    let n: usize = left_out.people.values().sum();
    match n {
        0 => "no people are labelled in it".to_owned(),
        1 => format!("its only person cannot be used: {}", left_out.reasons()),
        _ => format!("none of its {n} people can be used: {}", left_out.reasons()),
    }
}

fn read(data: &DataConfig, split: Split, report: &mut SetReport) -> Result<Dataset> {
    if !data.annotations.exists() {
        let reason = "no such file or folder";
        return Err(Error::data(&data.annotations, reason));
    }
    let spec = data.spec()?;
    report.format = spec.name;
    let images = data.folder();
    if !images.is_dir() {
        return Err(Error::data(&images, "no such image folder"));
    }
    let findings = &mut report.findings;
    let mut dataset = spec.examine(&data.request(&images, split), findings)?;
    let note = resolve_open(&mut dataset)?;
    findings.extend(note.map(|text| Finding::of_file(Severity::Warning, &data.annotations, text)));
    Ok(dataset)
}

/// Formats an error, without the file if it is the label file, which the report already names.
fn plain(error: &Error, labels: &Path) -> String {
    match error {
        Error::Data { path, reason } if path == labels => reason.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when training may start although no image can be read, or is refused because of one.
    #[test]
    fn pictures_that_cannot_be_read_are_an_obstacle_when_all_are() {
        let data = DataConfig::new("people.json".into(), None);
        let missing = |name: &str| Finding::of_file(Severity::Error, Path::new(name), "missing");
        let report = |findings| Report {
            inputs: CheckInputs {
                model: "sfm".to_owned(),
                learn: vec![data.clone()],
                held_out: None,
            },
            learn: SetReport {
                pictures: 2,
                people: 2,
                findings,
                ..SetReport::default()
            },
            more: Vec::new(),
            held_out: None,
            shared: 0,
        };
        let one = vec![missing("a.jpg"), missing("a.jpg")];
        assert_eq!(report(one).obstacle(), None);
        let all = vec![missing("a.jpg"), missing("b.jpg")];
        assert!(report(all).obstacle().is_some());
    }
}

//! Whether there is anything to learn from, said before a training begins: a [`Report`] of the
//! people to learn from and of those held out.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use super::config::{DataConfig, TrainConfig};
use super::orientation::settle_open;
use crate::concurrency::StopFlag;
use crate::dataset::loader::People;
use crate::dataset::{Dataset, Finding, Fingerprint, LeftOut, Severity, Split, check};
use crate::error::{Error, Result};
use crate::model::model;
use crate::skeleton::Skeleton;

/// What a report depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    model: String,
    learn: Vec<DataConfig>,
    held_out: Option<DataConfig>,
}

impl Subject {
    /// What there is to check of a training; `None` without data.
    pub fn of(config: &TrainConfig) -> Option<Self> {
        Some(Self {
            model: config.model.clone(),
            learn: config.data.clone(),
            held_out: config.validation.clone(),
        })
        .filter(|subject| !subject.learn.is_empty())
    }
}

/// What was found out about one set.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SetReport {
    /// The file or folder of its labels.
    pub annotations: PathBuf,
    /// Why nothing can be made of it.
    pub fault: Option<String>,
    /// `coco`, ...
    pub format: &'static str,
    /// Pictures.
    pub pictures: usize,
    /// People that can be learned from or measured on.
    pub people: usize,
    /// Joints and people that are not learned from or measured on.
    pub left_out: LeftOut,
    /// What is odd, in the order of the pictures.
    pub findings: Vec<Finding>,
    /// Entries of the labels that cannot be read.
    pub broken_labels: usize,
}

impl SetReport {
    /// Whether no picture can be read.
    fn is_unusable(&self) -> bool {
        let errors = self.findings.iter();
        let broken: HashSet<_> = errors
            .filter(|f| f.severity == Severity::Error && f.annotation.is_none())
            .map(|f| &f.file)
            .collect();
        broken.len() >= self.pictures
    }

    /// How many findings matter so much.
    pub fn count(&self, severity: Severity) -> usize {
        let of = |f: &&Finding| f.severity == severity;
        self.findings.iter().filter(of).count()
    }

    /// The findings, the worst first, each kind in the order of the pictures.
    pub fn worst_first(&self) -> Vec<&Finding> {
        let mut listed: Vec<&Finding> = self.findings.iter().collect();
        listed.sort_by_key(|f| std::cmp::Reverse(f.severity));
        listed
    }
}

/// What was found out about the data.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of what.
    #[serde(skip)]
    pub subject: Subject,
    /// The people to learn from, of the first set.
    pub learn: SetReport,
    /// The further sets that are learned from.
    pub more: Vec<SetReport>,
    /// The people to measure on.
    pub held_out: Option<SetReport>,
    /// Held-out pictures that are learned from too, under whatever name.
    pub shared: usize,
}

impl Report {
    /// Every set that is learned from.
    pub fn learned(&self) -> impl Iterator<Item = &SetReport> {
        std::iter::once(&self.learn).chain(&self.more)
    }

    /// Every set, those to learn from first.
    pub fn sets(&self) -> impl Iterator<Item = &SetReport> {
        self.learned().chain(&self.held_out)
    }

    /// People to learn from.
    pub fn people(&self) -> usize {
        self.learned().map(|set| set.people).sum()
    }

    /// Why nothing can be learned from these data; which set it is where there are several.
    pub fn obstacle(&self) -> Option<String> {
        let of = |set: &SetReport| match self.more.len() {
            0 => String::new(),
            _ => format!(" in {}", set.annotations.display()),
        };
        for set in self.learned() {
            let of = of(set);
            if set.fault.is_some() {
                return Some(format!("the people to learn from{of} cannot be read"));
            }
            if set.broken_labels > 0 {
                let n = errors(set.broken_labels);
                return Some(format!("the labels to learn from{of} have {n}"));
            }
            if set.is_unusable() {
                return Some(format!(
                    "none of the pictures to learn from{of} can be read"
                ));
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

/// How far a check is, for who waits for it.
#[derive(Debug, Default)]
pub struct Looked {
    /// Pictures looked at.
    pub pictures: AtomicUsize,
    /// Pictures known of so far.
    pub of: AtomicUsize,
}

/// Reads the labels and looks at every picture, on all cores: some milliseconds each. A stopped
/// check has not opened the remaining ones.
///
/// # Errors
/// When the model has no card. What is wrong with the data is the report.
pub fn check_data(subject: Subject, looked: &Looked, stop: &StopFlag) -> Result<Report> {
    let skeleton = model(&subject.model)?.card()?.skeleton()?;
    let mut pictures = Pictures::new();
    let mut learned = Vec::new();
    for data in &subject.learn {
        let (mut set, theirs) = examine((data, Split::Learn), skeleton, looked, stop);
        for (path, other) in shared(&theirs, &pictures) {
            let text = format!(
                "the same picture as {} of another set; people in it count twice",
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
        subject,
        held_out: None,
        shared: 0,
    };
    if let Some(data) = &report.subject.held_out {
        let (mut held_out, theirs) = examine((data, Split::HeldOut), skeleton, looked, stop);
        let shared = shared(&theirs, &pictures);
        report.shared = shared.len();
        held_out
            .findings
            .extend(shared.iter().map(|(path, learned)| {
                let text = format!("is learned from too, as {}", learned.display());
                Finding::of_file(Severity::Warning, path, text)
            }));
        report.held_out = Some(held_out);
    }
    Ok(report)
}

/// The pictures that are among the others too, with their names there.
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
                report.fault = Some(nobody(&left_out));
            }
            report.people = people;
            report.left_out = left_out;
        }
        Err(error) => report.fault = Some(error.to_string()),
    }
    (report, checked.pictures)
}

/// Why there is nobody, counted.
fn nobody(left_out: &LeftOut) -> String {
    let n: usize = left_out.people.values().sum();
    match n {
        0 => "no people are labelled in it".to_owned(),
        _ => format!("none of its {n} people can be used: {}", left_out.reasons()),
    }
}

fn read(data: &DataConfig, split: Split, report: &mut SetReport) -> Result<Dataset> {
    if !data.annotations.exists() {
        let reason = "there is no such file or folder";
        return Err(Error::data(&data.annotations, reason));
    }
    let spec = data.spec()?;
    report.format = spec.name;
    let images = data.folder();
    if !images.is_dir() {
        return Err(Error::data(&images, "there is no such folder of pictures"));
    }
    let findings = &mut report.findings;
    let mut dataset = spec.examine(&data.request(&images, split), findings)?;
    let note = settle_open(&mut dataset)?;
    findings.extend(note.map(|text| Finding::of_file(Severity::Warning, &data.annotations, text)));
    Ok(dataset)
}

/// The error; its file is left out where it is the labels', which the report is about.
fn plain(error: &Error, labels: &Path) -> String {
    match error {
        Error::Data { path, reason } if path == labels => reason.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a training may start although no picture can be read, or may not because of one.
    #[test]
    fn pictures_that_cannot_be_read_are_an_obstacle_when_all_are() {
        let data = DataConfig::new("people.json".into(), None);
        let missing = |name: &str| Finding::of_file(Severity::Error, Path::new(name), "missing");
        let report = |findings| Report {
            subject: Subject {
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

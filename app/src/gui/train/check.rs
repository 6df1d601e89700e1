//! The data are looked at before anything is learned from them, on a thread of their own.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use poselens_engine::concurrency::StopFlag;
use poselens_engine::dataset::loader::People;
use poselens_engine::dataset::{
    Dataset, Finding, Severity, Split, check, format, guess_format, usual_images,
};
use poselens_engine::model::model;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::train::{DataConfig, TrainConfig};
use poselens_engine::{Error, Result};

use super::super::files::Waker;
use super::story::counted;
use super::task::Task;

/// What a check depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    model: String,
    learn: DataConfig,
    held_out: Option<DataConfig>,
}

impl Subject {
    /// What there is to check of a training; `None` without data.
    pub fn of(config: &TrainConfig) -> Option<Self> {
        Some(Self {
            model: config.model.clone(),
            learn: config.data.first()?.clone(),
            held_out: config.validation.clone(),
        })
    }
}

/// What was found out about one set.
#[derive(Debug, Clone, Default)]
pub struct SetReport {
    /// Why nothing can be made of it.
    pub fault: Option<String>,
    /// `coco`, ...
    pub format: &'static str,
    /// Pictures.
    pub pictures: usize,
    /// People that can be learned from or measured on.
    pub people: usize,
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
}

/// What was found out about the data.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of what.
    pub subject: Subject,
    /// The people to learn from.
    pub learn: SetReport,
    /// The people to measure on.
    pub held_out: Option<SetReport>,
    /// Pictures that are in both sets.
    pub shared: usize,
}

impl Report {
    /// Why nothing can be learned from these data.
    pub fn obstacle(&self) -> Option<String> {
        let errors = |n: usize| counted(n, "error");
        if self.learn.fault.is_some() {
            return Some("the people to learn from cannot be read".to_owned());
        }
        if self.learn.broken_labels > 0 {
            let n = errors(self.learn.broken_labels);
            return Some(format!("the labels to learn from have {n}: see Data"));
        }
        if self.learn.is_unusable() {
            return Some("none of the pictures to learn from can be read: see Data".to_owned());
        }
        let held_out = self.held_out.as_ref()?;
        if held_out.fault.is_some() {
            return Some("the held-out people cannot be read".to_owned());
        }
        match held_out.count(Severity::Error) {
            0 => None,
            n => Some(format!("the held-out people have {}: see Data", errors(n))),
        }
    }
}

/// A check at work.
#[derive(Debug)]
pub struct Check {
    /// What is checked.
    pub subject: Subject,
    /// Its answer.
    pub task: Option<Task<Report>>,
    looked: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
}

impl Check {
    /// Begins to look.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(subject: Subject, waker: &Waker) -> Result<Self> {
        let (looked, all) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counter, sum, work) = (Arc::clone(&looked), Arc::clone(&all), subject.clone());
        let task = Task::start("data check", waker, move |stop| {
            let skeleton = model(&work.model)?.card()?.skeleton()?;
            let look =
                |data: &DataConfig, split| examine((data, split), skeleton, &counter, &sum, stop);
            let (learn, pictures) = look(&work.learn, Split::Learn);
            let held_out = work.held_out.as_ref();
            let held_out = held_out.map(|data| look(data, Split::HeldOut));
            let shared = held_out.as_ref().map_or(0, |(_, held_out)| {
                held_out.iter().filter(|p| pictures.contains(*p)).count()
            });
            Ok(Report {
                subject: work,
                learn,
                held_out: held_out.map(|(report, _)| report),
                shared,
            })
        })?;
        Ok(Self {
            subject,
            task: Some(task),
            looked,
            all,
        })
    }

    /// Pictures looked at, of so many known of so far.
    pub fn progress(&self) -> (usize, usize) {
        let get = |n: &AtomicUsize| n.load(Ordering::Relaxed);
        (get(&self.looked), get(&self.all))
    }
}

type Pictures = HashSet<std::path::PathBuf>;

fn examine(
    (data, split): (&DataConfig, Split),
    skeleton: &'static Skeleton,
    looked: &AtomicUsize,
    all: &AtomicUsize,
    stop: &StopFlag,
) -> (SetReport, Pictures) {
    let mut report = SetReport::default();
    let dataset = match read(data, split, &mut report) {
        Ok(dataset) => dataset,
        Err(error) => {
            report.fault = Some(plain(&error, &data.annotations));
            return (report, Pictures::new());
        }
    };
    report.broken_labels = report.count(Severity::Error);
    report.pictures = dataset.samples.len();
    all.fetch_add(report.pictures, Ordering::Relaxed);
    let keep_going = || {
        looked.fetch_add(1, Ordering::Relaxed);
        !stop.is_stopped()
    };
    report.findings.extend(check(&dataset, &keep_going));
    let pictures = dataset.samples.iter().map(|s| s.path.clone()).collect();
    let mut people = People::new(skeleton);
    match people.add(
        &data.annotations.display().to_string(),
        dataset,
        &data.people,
    ) {
        Ok(0) => {
            let text = "nobody in it has a box and labelled joints";
            report.fault = Some(text.to_owned());
        }
        Ok(n) => report.people = n,
        Err(error) => report.fault = Some(error.to_string()),
    }
    (report, pictures)
}

fn read(data: &DataConfig, split: Split, report: &mut SetReport) -> Result<Dataset> {
    if !data.annotations.exists() {
        let reason = "there is no such file or folder";
        return Err(Error::data(&data.annotations, reason));
    }
    let spec = match &data.format {
        None => guess_format(&data.annotations)?,
        Some(name) => format(name)
            .ok_or_else(|| Error::Invalid(format!("no data set format is called '{name}'")))?,
    };
    report.format = spec.name;
    let images = data.images.clone();
    let images = images.unwrap_or_else(|| usual_images(&data.annotations));
    if !images.is_dir() {
        return Err(Error::data(&images, "there is no such folder of pictures"));
    }
    (spec.read)(&data.annotations, &images, split, &mut report.findings)
}

/// The error; its file is left out where it is the one in the field above.
fn plain(error: &Error, field: &Path) -> String {
    match error {
        Error::Data { path, reason } if path == field => reason.clone(),
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
                learn: data.clone(),
                held_out: None,
            },
            learn: SetReport {
                pictures: 2,
                people: 2,
                findings,
                ..SetReport::default()
            },
            held_out: None,
            shared: 0,
        };
        let one = vec![missing("a.jpg"), missing("a.jpg")];
        assert_eq!(report(one).obstacle(), None);
        let all = vec![missing("a.jpg"), missing("b.jpg")];
        assert!(report(all).obstacle().is_some());
    }
}

//! What the page Train shows of the project on disk.

use std::sync::Arc;

use poselens_engine::Result;
use poselens_engine::finetune::plan::{Plan, Use};
use poselens_engine::finetune::{FinetuneOptions, RunCache, RunInfo, Runs, SetCount};
use poselens_engine::project::check::{Finding, check};
use poselens_engine::project::{Clip, Project, Version};

use crate::gui::wording::in_window;

/// The frames that a training would use.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanCounts {
    /// Confirmed people that are trained on.
    pub train: SetCount,
    /// Confirmed people that are held out.
    pub holdout: SetCount,
    /// Number of frames with replayed predictions.
    pub n_replayed: usize,
    /// Number of frames on which the old behaviour is measured.
    pub n_retained: usize,
    /// What is left out, one line each.
    pub remarks: Vec<String>,
}

/// Versions and runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes {
    /// Accepted versions, the newest first.
    pub versions: Vec<Version>,
    /// Number of the version in use; 0 for the bundled weights.
    pub current: u32,
    /// The runs.
    pub runs: Runs,
    /// What could not be read, one line each.
    pub faults: Vec<String>,
}

/// The project as the page Train shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// What a training would use, or why there can be none.
    pub plan: std::result::Result<PlanCounts, String>,
    /// Number of clips from which a further round of the hold-out can be chosen.
    pub n_undecided: usize,
    /// Possible mistakes in the labels.
    pub findings: Arc<Vec<Finding>>,
    /// What was trained before.
    pub outcomes: Arc<Outcomes>,
}

impl Review {
    /// Returns the run in this folder.
    pub fn run(&self, folder: &std::path::Path) -> Option<&RunInfo> {
        let known = &self.outcomes.runs.known;
        known
            .iter()
            .find(|run| run.folder == folder)
            .map(AsRef::as_ref)
    }
}

/// What a review depends on besides the options.
#[derive(Debug, PartialEq)]
struct State {
    /// Number of the last edit.
    sequence: u64,
    n_rounds: usize,
    /// The clips, and whether each is there.
    clips: Vec<(u32, bool)>,
}

impl State {
    fn of(project: &Project) -> Self {
        let contents = project.contents();
        let clips = contents.file().clips.iter();
        let is_there = |clip: &Clip| clip.place(contents.folder()).exists();
        Self {
            sequence: project.sequence(),
            n_rounds: contents.holdout().n_rounds(),
            clips: clips.map(|clip| (clip.id, is_there(clip))).collect(),
        }
    }
}

/// Reviews a project again and again. Only what may have changed is looked at again.
#[derive(Debug, Default)]
pub struct Reviewer {
    /// What the last review depended on.
    state: Option<State>,
    options: Option<FinetuneOptions>,
    findings: Option<Arc<Vec<Finding>>>,
    outcomes: Option<Arc<Outcomes>>,
    runs: RunCache,
    review: Option<Arc<Review>>,
}

impl Reviewer {
    /// Returns the last review.
    pub fn last(&self) -> Option<&Arc<Review>> {
        self.review.as_ref()
    }

    /// Makes the next review look at versions and runs again.
    pub fn forget_outcomes(&mut self) {
        self.outcomes = None;
    }

    /// Makes the next review look for mistakes again.
    pub fn forget_findings(&mut self) {
        self.findings = None;
    }

    /// Reviews a project for a training with `options`; `compared` are findings of a comparison with
    /// a model.
    pub fn review(&mut self, project: &Project, options: &FinetuneOptions, compared: &[Finding]) {
        let contents = project.contents();
        let state = State::of(project);
        let n_rounds = state.n_rounds;
        let is_same = self.state.as_ref() == Some(&state);
        if !is_same {
            self.findings = None;
        }
        let is_planned = is_same && self.options.as_ref() == Some(options);
        if is_planned && self.findings.is_some() && self.outcomes.is_some() {
            return;
        }
        let planned = self.review.as_ref().filter(|_| is_planned);
        let plan = planned.map(|review| review.plan.clone());
        let plan = plan.unwrap_or_else(|| reviewed(project, options));
        let findings = self.findings.take();
        let findings = findings.unwrap_or_else(|| Arc::new(findings_of(project, compared)));
        let outcomes = self.outcomes.take();
        let outcomes = outcomes.unwrap_or_else(|| Arc::new(outcomes_of(project, &mut self.runs)));
        (self.state, self.options) = (Some(state), Some(options.clone()));
        self.findings = Some(Arc::clone(&findings));
        self.outcomes = Some(Arc::clone(&outcomes));
        self.review = Some(Arc::new(Review {
            plan,
            n_undecided: match n_rounds {
                0 => 0,
                _ => contents.undecided().len(),
            },
            findings,
            outcomes,
        }));
    }
}

/// Looks for mistakes in the labels; adds those of a comparison whose person is still there.
fn findings_of(project: &Project, compared: &[Finding]) -> Vec<Finding> {
    let contents = project.contents();
    let is_there = |finding: &&Finding| {
        let people = contents.labels().people(finding.at);
        let is_same = |id| people.iter().any(|p| p.id == id && p.is_confirmed);
        finding.person.is_none_or(is_same)
    };
    let mut findings = check(contents);
    findings.extend(compared.iter().filter(is_there).cloned());
    findings.sort_by_key(|finding| (finding.at, finding.person, finding.joint));
    findings
}

fn outcomes_of(project: &Project, runs: &mut RunCache) -> Outcomes {
    let folder = project.contents().folder();
    let mut faults = Vec::new();
    let versions = match Version::all(folder) {
        Ok((versions, mut more)) => {
            faults.append(&mut more);
            versions
        }
        Err(error) => {
            faults.push(error.to_string());
            Vec::new()
        }
    };
    let current = Version::current(folder).unwrap_or_else(|error| {
        faults.push(error.to_string());
        None
    });
    Outcomes {
        versions,
        current: current.map_or(0, |version| version.file.number),
        runs: runs.runs(folder),
        faults,
    }
}

/// Returns the counts, or why there can be no training.
fn reviewed(
    project: &Project,
    options: &FinetuneOptions,
) -> std::result::Result<PlanCounts, String> {
    counts(project, options).map_err(|error| in_window(&error.to_string()))
}

fn counts(project: &Project, options: &FinetuneOptions) -> Result<PlanCounts> {
    options.check()?;
    let contents = project.contents();
    let plan = Plan::of(contents, options)?;
    for clip in plan.labelled_clips(contents) {
        clip.require(contents.folder())?;
    }
    let count = |what: Use| {
        let mut count = SetCount {
            frames: 0,
            people: 0,
        };
        for at in plan.frames_of(what) {
            let people = contents.labels().people(at).iter();
            count.frames += 1;
            count.people += people.filter(|person| person.is_confirmed).count();
        }
        count
    };
    Ok(PlanCounts {
        train: count(Use::Train),
        holdout: count(Use::HoldOut),
        n_replayed: plan.count(Use::Replay),
        n_retained: plan.count(Use::Retention),
        remarks: plan.remarks.clone(),
    })
}

#[cfg(test)]
mod tests {
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::project::NewProject;
    use poselens_engine::record::save_png;

    use super::*;

    fn project(folder: &std::path::Path) -> Project {
        let size = Size::new(64, 48);
        let pixels = Pixels::unpooled(vec![255; size.area() * 4]);
        let frame = Frame::new(0, 0.0, size, pixels);
        save_png(&frame, &folder.join("clip/0.png")).unwrap();
        let new = NewProject {
            model: "sfm".to_owned(),
            clips: vec![folder.join("clip")],
            is_copied: false,
        };
        Project::create(&folder.join("project"), &new).unwrap()
    }

    /// Fails when another option makes the labels be checked or the runs be listed again, or what has
    /// changed is not looked at.
    #[test]
    fn only_what_has_changed_is_reviewed_again() {
        let root = tempfile::tempdir().unwrap();
        let project = project(root.path());
        let mut reviewer = Reviewer::default();
        let mut options = FinetuneOptions::default();
        let mut review = |options: &FinetuneOptions, forget: fn(&mut Reviewer)| {
            forget(&mut reviewer);
            reviewer.review(&project, options, &[]);
            Arc::clone(reviewer.last().unwrap())
        };
        let none = |_: &mut Reviewer| ();
        let first = review(&options, none);
        let same = review(&options, none);
        assert!(Arc::ptr_eq(&first, &same));
        options.replay = 2.0;
        let other = review(&options, none);
        let plan = other.plan.as_ref().unwrap_err();
        assert!(plan.contains("replayed"), "{plan}");
        assert!(Arc::ptr_eq(&first.findings, &other.findings));
        assert!(Arc::ptr_eq(&first.outcomes, &other.outcomes));
        let listed = review(&options, Reviewer::forget_outcomes);
        assert!(Arc::ptr_eq(&other.findings, &listed.findings));
        assert!(!Arc::ptr_eq(&other.outcomes, &listed.outcomes));
        let checked = review(&options, Reviewer::forget_findings);
        assert!(!Arc::ptr_eq(&listed.findings, &checked.findings));
        assert!(Arc::ptr_eq(&listed.outcomes, &checked.outcomes));
    }
}

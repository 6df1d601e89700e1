//! What the page Train shows of the project on disk.

use poselens_engine::Result;
use poselens_engine::finetune::plan::{Plan, Use};
use poselens_engine::finetune::{FinetuneOptions, RunInfo, SetCount, runs};
use poselens_engine::project::check::{Finding, check};
use poselens_engine::project::{Project, Version};

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

/// The project as the page Train shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// What a training would use, or why there can be none.
    pub plan: std::result::Result<PlanCounts, String>,
    /// Number of clips from which a further round of the hold-out can be chosen.
    pub n_undecided: usize,
    /// Possible mistakes in the labels.
    pub findings: Vec<Finding>,
    /// Accepted versions, the newest first.
    pub versions: Vec<Version>,
    /// Number of the version in use; 0 for the bundled weights.
    pub current: u32,
    /// Runs, the one changed last first.
    pub runs: Vec<RunInfo>,
    /// What could not be read, one line each.
    pub faults: Vec<String>,
}

impl Review {
    /// Reviews a project for a training with `options`; `compared` are findings of a comparison with
    /// a model.
    pub fn of(project: &Project, options: &FinetuneOptions, compared: &[Finding]) -> Self {
        let contents = project.contents();
        let folder = contents.folder();
        let (runs, mut faults) = runs(folder);
        let mut known = |versions: Result<(Vec<Version>, Vec<String>)>| match versions {
            Ok((versions, mut more)) => {
                faults.append(&mut more);
                versions
            }
            Err(error) => {
                faults.push(error.to_string());
                Vec::new()
            }
        };
        let versions = known(Version::all(folder));
        let current = Version::current(folder).unwrap_or_else(|error| {
            faults.push(error.to_string());
            None
        });
        let is_there = |finding: &&Finding| {
            let people = contents.labels().people(finding.at);
            let is_same = |id| people.iter().any(|p| p.id == id && p.is_confirmed);
            finding.person.is_none_or(is_same)
        };
        let mut findings = check(contents);
        findings.extend(compared.iter().filter(is_there).cloned());
        findings.sort_by_key(|finding| (finding.at, finding.person, finding.joint));
        Self {
            plan: counts(project, options).map_err(|error| error.to_string()),
            n_undecided: match contents.holdout().n_rounds() {
                0 => 0,
                _ => contents.undecided().len(),
            },
            findings,
            versions,
            current: current.map_or(0, |version| version.file.number),
            runs,
            faults,
        }
    }

    /// Returns the run in this folder.
    pub fn run(&self, folder: &std::path::Path) -> Option<&RunInfo> {
        self.runs.iter().find(|run| run.folder == folder)
    }
}

fn counts(project: &Project, options: &FinetuneOptions) -> Result<PlanCounts> {
    options.check()?;
    let contents = project.contents();
    let plan = Plan::of(contents, options)?;
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

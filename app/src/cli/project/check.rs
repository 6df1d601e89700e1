//! `poselens project check`: possible mistakes in the confirmed labels.

use std::collections::BTreeMap;
use std::path::PathBuf;

use poselens_engine::estimator::Estimator;
use poselens_engine::project::check::{Finding, FindingKind, check, far_from_model};
use poselens_engine::project::{Contents, Version};
use poselens_engine::words::joint_words;
use serde::Serialize;

use crate::cli::args::NetworkArgs;
use crate::cli::progress::Progress;
use crate::cli::{Common, print_json, print_line};
use crate::words::counted;

/// Options of `project check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Do not compare the labels with the model's predictions
    #[arg(long)]
    no_model: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    project: String,
    /// Number of confirmed people.
    people: usize,
    findings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    clip: String,
    frame: u32,
    person: Option<u64>,
    joint: Option<String>,
    kind: FindingKind,
    text: String,
}

fn row(contents: &Contents, finding: &Finding) -> Row {
    let clip = contents.file().clip(finding.at.clip);
    let joints = &contents.labels().skeleton().joints;
    Row {
        clip: clip.map(|clip| clip.name.clone()).unwrap_or_default(),
        frame: finding.at.frame,
        person: finding.person,
        joint: finding.joint.and_then(|j| joints.get(j).cloned()),
        kind: finding.kind,
        text: finding.text.clone(),
    }
}

/// Describes findings by their kinds: `3 bone-length, 1 swapped-sides`.
pub(in crate::cli) fn summary(findings: &[Finding]) -> anyhow::Result<String> {
    let mut kinds = BTreeMap::new();
    for finding in findings {
        *kinds.entry(finding.kind).or_insert(0usize) += 1;
    }
    let mut parts = Vec::new();
    for (kind, n) in kinds {
        let name = serde_json::to_value(kind)?;
        parts.push(format!("{n} {}", name.as_str().unwrap_or_default()));
    }
    Ok(parts.join(", "))
}

pub(super) fn run(common: &Common, args: &CheckArgs) -> anyhow::Result<()> {
    let contents = Contents::read(&args.folder)?;
    super::remark(&contents);
    let mut findings = check(&contents);
    if !args.no_model {
        let version = Version::current(&args.folder)?;
        let network = NetworkArgs {
            model: contents.file().model.clone(),
            weights: version.map(|version| version.weights),
        };
        let mut estimator = Estimator::new(network.load(common, None)?, false);
        let progress = Progress::new(None);
        let found = far_from_model(&contents, &mut estimator, &mut |done, total| {
            progress.expect(Some(total as u64));
            progress.set(done as u64);
            Ok(())
        });
        progress.finish();
        findings.extend(found?.findings);
        findings.sort_by_key(|finding| (finding.at, finding.person, finding.joint));
    }
    let document = Document {
        project: args.folder.display().to_string(),
        people: contents.labels().tally().confirmed_people,
        findings: findings.iter().map(|one| row(&contents, one)).collect(),
    };
    if args.json {
        return print_json(&document);
    }
    for row in &document.findings {
        let person = row.person.map(|id| format!(", person {id}"));
        let joint = row.joint.as_deref().map(joint_words);
        let joint = joint.map(|joint| format!(", {joint}"));
        print_line(format_args!(
            "{} frame {}{}{}: {}",
            row.clip,
            row.frame,
            person.unwrap_or_default(),
            joint.unwrap_or_default(),
            row.text
        ))?;
    }
    print_line(format_args!(
        "{} in {} checked",
        counted(document.findings.len(), "finding"),
        counted(document.people, "confirmed person")
    ))
}

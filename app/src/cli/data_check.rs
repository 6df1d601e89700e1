//! `poselens train --check`: what is odd about labelled pictures, before they are learned from.

use anyhow::bail;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::dataset::Severity;
use poselens_engine::train::TrainConfig;
use poselens_engine::train::data_check::{Looked, Report, SetReport, Subject, check_data};
use serde::Serialize;

use super::{print_json, print_line};

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Why nothing can be learned from them.
    obstacle: Option<&'a str>,
}

/// Prints every finding, the worst of each set first.
///
/// # Errors
/// When nothing can be learned from these data; the report has been printed then.
pub fn run(config: &TrainConfig, json: bool) -> anyhow::Result<()> {
    let Some(subject) = Subject::of(config) else {
        bail!("--check needs --annotations or a --config that names data");
    };
    let report = check_data(subject, &Looked::default(), &StopFlag::new())?;
    let obstacle = report.obstacle();
    if json {
        print_json(&Document {
            report: &report,
            obstacle: obstacle.as_deref(),
        })?;
    } else {
        // One set needs no name: it is the one that was given.
        let has_several = !report.more.is_empty();
        for set in report.learned() {
            let name = set.annotations.display();
            let role = if has_several {
                format!("to learn from, {name}")
            } else {
                "to learn from".to_owned()
            };
            print_set(&role, set)?;
        }
        if let Some(held_out) = &report.held_out {
            print_set("held out", held_out)?;
        }
        if report.shared > 0 {
            print_line(format_args!(
                "{} of the held-out pictures are learned from: what is measured on them flatters",
                report.shared
            ))?;
        }
        if has_several {
            print_sum(&report)?;
        }
    }
    match obstacle {
        Some(obstacle) => bail!("{obstacle}"),
        None => Ok(()),
    }
}

/// What all sets come to.
fn print_sum(report: &Report) -> anyhow::Result<()> {
    let sum = |of: &dyn Fn(&SetReport) -> usize| report.sets().map(of).sum::<usize>();
    let [notes, warnings, errors] = Severity::ALL.map(|severity| sum(&|set| set.count(severity)));
    print_line(format_args!(
        "in all: {} people to learn from in {} sets; errors {errors}, warnings {warnings}, notes {notes}",
        report.people(),
        report.learned().count(),
    ))
}

fn print_set(role: &str, report: &SetReport) -> anyhow::Result<()> {
    if let Some(fault) = &report.fault {
        print_line(format_args!("{role}: {fault}"))?;
    }
    if report.fault.is_some() && report.findings.is_empty() {
        return Ok(());
    }
    let [notes, warnings, errors] = Severity::ALL.map(|severity| report.count(severity));
    print_line(format_args!(
        "{role}: {} people in {} pictures ({}); errors {errors}, warnings {warnings}, notes {notes}",
        report.people, report.pictures, report.format
    ))?;
    if !report.left_out.people.is_empty() {
        let reasons = report.left_out.reasons();
        print_line(format_args!("  left out of the people: {reasons}"))?;
    }
    if !report.left_out.joints.is_empty() {
        let joints = report.left_out.joints.join(", ");
        print_line(format_args!("  left out of the joints: {joints}"))?;
    }
    for finding in report.worst_first() {
        print_line(format_args!("  {finding}"))?;
    }
    Ok(())
}

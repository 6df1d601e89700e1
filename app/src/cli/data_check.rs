//! `poselens train --check`: reports problems in labelled images before training.

use anyhow::bail;
use poselens_engine::concurrency::StopFlag;
use poselens_engine::dataset::Severity;
use poselens_engine::train::TrainConfig;
use poselens_engine::train::data_check::{CheckInputs, Looked, Report, SetReport, check_data};
use poselens_engine::words::counted;
use serde::Serialize;

use super::{print_json, print_line, wrong_usage};

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Reason why training is impossible.
    obstacle: Option<&'a str>,
}

/// Prints every finding, most severe first within each data set.
///
/// # Errors
/// If training on these data is impossible, or would leave out what has errors; the report has been
/// printed by then.
pub(super) fn run(config: &TrainConfig, json: bool) -> anyhow::Result<()> {
    let Some(inputs) = CheckInputs::of(config) else {
        return wrong_usage("--check needs --annotations or a --config that names data");
    };
    let report = check_data(inputs, &Looked::default(), &StopFlag::new())?;
    let obstacle = report.obstacle();
    if json {
        print_json(&Document {
            report: &report,
            obstacle: obstacle.as_deref(),
        })?;
    } else {
        // A single data set needs no heading.
        let has_several = !report.more.is_empty();
        for set in report.learned() {
            let name = set.annotations.display();
            let role = if has_several {
                format!("training, {name}")
            } else {
                "training".to_owned()
            };
            print_set(&role, set)?;
        }
        if let Some(held_out) = &report.held_out {
            print_set("validation", held_out)?;
        }
        if report.shared > 0 {
            let verb = if report.shared == 1 { "is" } else { "are" };
            print_line(format_args!(
                "{} of the validation images {verb} also trained on, so the measured accuracy \
                 will be too optimistic",
                report.shared
            ))?;
        }
        if has_several {
            print_sum(&report)?;
        }
    }
    let n_errors: usize = report.sets().map(|set| set.count(Severity::Error)).sum();
    match obstacle {
        Some(obstacle) => bail!("{obstacle}"),
        None if n_errors > 0 => bail!(
            "the training data have {}: training would leave out what is concerned, and count it",
            counted(n_errors, "error")
        ),
        None => Ok(()),
    }
}

/// Prints the totals of all data sets.
fn print_sum(report: &Report) -> anyhow::Result<()> {
    let sum = |of: &dyn Fn(&SetReport) -> usize| report.sets().map(of).sum::<usize>();
    let [notes, warnings, errors] = Severity::ALL.map(|severity| sum(&|set| set.count(severity)));
    print_line(format_args!(
        "total: {} for training in {}; errors {errors}, warnings {warnings}, notes {notes}",
        counted(report.people(), "person"),
        counted(report.learned().count(), "set"),
    ))
}

fn print_set(role: &str, report: &SetReport) -> anyhow::Result<()> {
    if let Some(fault) = &report.fault {
        let labels = report.annotations.display();
        print_line(format_args!("{role}: {labels}: {fault}"))?;
    }
    if report.fault.is_some() && report.findings.is_empty() {
        return Ok(());
    }
    let [notes, warnings, errors] = Severity::ALL.map(|severity| report.count(severity));
    print_line(format_args!(
        "{role}: {} in {} ({}); errors {errors}, warnings {warnings}, notes {notes}",
        counted(report.people, "person"),
        counted(report.pictures, "image"),
        report.format
    ))?;
    if !report.left_out.people.is_empty() {
        let reasons = report.left_out.reasons();
        print_line(format_args!("  people left out: {reasons}"))?;
    }
    if !report.left_out.joints.is_empty() {
        let joints = report.left_out.joints.join(", ");
        print_line(format_args!("  joints left out: {joints}"))?;
    }
    for finding in report.worst_first() {
        print_line(format_args!("  {finding}"))?;
    }
    Ok(())
}

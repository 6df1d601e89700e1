//! `poselens train --project`: trains on a label project and measures the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use crossbeam::channel::bounded;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::finetune::{
    Comparison, Effort, FinetuneOptions, FrameResult, Gate, Interval, Part, RunFile, RunLock,
    SetCount, discard_unbegun, measure, prepare, run_folder, unfinished_run,
};
use poselens_engine::project::check::check;
use poselens_engine::project::{Contents, Project};
use poselens_engine::train::{
    EpochRecord, Event, Hardware, InitialWeights, ResumeOptions, StopReason, Trainer,
};
use serde::Serialize;

use super::TrainArgs;
use super::report::show;
use crate::cli::progress::Progress;
use crate::cli::project::summary;
use crate::cli::run::stop_on_ctrl_c;
use crate::cli::{checked, print_json, print_line};
use crate::words::counted;

/// Outcome of a training on a project; also the `--json` document.
#[derive(Serialize)]
struct Document<'a> {
    project: String,
    run: String,
    folder: String,
    device: String,
    /// `finished` or `stopped`.
    ended: &'static str,
    model: &'a str,
    part: Part,
    effort: Effort,
    replay: f64,
    /// Version that the training began with; 0 for the bundled weights, null
    /// for a file.
    parent: Option<u32>,
    /// Number of frames and people of each set.
    sets: &'a BTreeMap<String, SetCount>,
    /// What was left out, one line each.
    left_out: &'a [String],
    /// Number of possible mistakes in the labels.
    findings: usize,
    epochs: u64,
    steps: u64,
    seconds: f64,
    /// Seconds from the start of the command to the first epoch that is better on the hold-out.
    first_improvement_secs: Option<f64>,
    /// Values before training, then of every epoch.
    history: &'a [EpochRecord],
    verdict: Option<&'static str>,
    losses: &'a [String],
    measurement_remarks: &'a [String],
    holdout: Option<&'a Comparison>,
    /// Each round of the hold-out, if there are several.
    holdout_rounds: &'a [Comparison],
    /// Their names.
    holdout_round_names: Vec<String>,
    retention: Option<&'a Comparison>,
    /// Held-out frames, worst first.
    frames: &'a [FrameResult],
}

impl TrainArgs {
    fn finetune_options(&self) -> FinetuneOptions {
        let named = |name: &Option<String>| name.as_deref().unwrap_or_default().to_owned();
        let (part, effort) = (named(&self.part), named(&self.effort));
        let defaults = FinetuneOptions::default();
        FinetuneOptions {
            part: Part::ALL
                .into_iter()
                .find(|p| p.name() == part)
                .unwrap_or_default(),
            effort: Effort::ALL
                .into_iter()
                .find(|e| e.name() == effort)
                .unwrap_or_default(),
            replay: self.replay.unwrap_or(defaults.replay),
            seed: self.seed.unwrap_or(defaults.seed),
            epochs: self.epochs,
            batch_size: self.batch_size.map(|n| n as usize),
            lr: self.lr,
            init: self.init.as_deref().map(|init| match init {
                "bundled" => InitialWeights::Bundled,
                file => InitialWeights::File(file.into()),
            }),
            name: self.run.clone(),
        }
    }
}

/// Reads the project; chooses its hold-out if there is none.
fn contents(folder: &Path) -> anyhow::Result<Contents> {
    let contents = Contents::read(folder)?;
    if contents.holdout().n_rounds() == 0 {
        let mut project = Project::open(folder)?;
        if let Some(reason) = project.ensure_holdout()? {
            bail!("{}: cannot be measured: {reason}", folder.display());
        }
        drop(project);
        return Ok(Contents::read(folder)?);
    }
    Ok(contents)
}

pub(super) fn run(hardware: Hardware, folder: &Path, args: &TrainArgs) -> anyhow::Result<()> {
    let begin = Instant::now();
    let contents = contents(folder)?;
    for remark in contents.remarks() {
        eprintln!("{remark}");
    }
    let findings = check(&contents);
    if !findings.is_empty() {
        let kinds = summary(&findings)?;
        eprintln!("check: {kinds}; `poselens project check` lists them");
    }
    let stop = StopFlag::new();
    stop_on_ctrl_c(&stop)?;
    // The run is locked until it is measured.
    let (mut trainer, out, _lock) = if args.resume {
        resumed(folder, args, hardware)?
    } else {
        begun(&contents, args, hardware, &stop)?
    };
    let file = RunFile::read(&out)?;
    eprintln!("training on {}; hold-out: {}", file.data, file.holdout);
    for remark in &file.remarks {
        eprintln!("{remark}");
    }
    let (reason, first) = match train(&mut trainer, args.stop_after_epochs, &stop, begin) {
        Ok(ended) => ended,
        Err(error) => {
            // Closes its files.
            drop(trainer);
            discard_unbegun(&out);
            return Err(error);
        }
    };
    let gate = match reason {
        StopReason::Finished => Some(measured(&contents, &out, hardware, &stop)?),
        _ => None,
    };
    let gate = gate.as_ref();
    let document = Document {
        project: folder.display().to_string(),
        run: out
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        folder: out.display().to_string(),
        device: trainer.device().spec.to_string(),
        ended: match reason {
            StopReason::Finished => "finished",
            _ => "stopped",
        },
        model: &file.model,
        part: file.part,
        effort: file.effort,
        replay: file.replay,
        parent: file.parent,
        sets: &file.sets,
        left_out: &file.remarks,
        findings: findings.len(),
        epochs: trainer.epochs(),
        steps: trainer.steps(),
        seconds: begin.elapsed().as_secs_f64(),
        first_improvement_secs: first,
        history: trainer.history(),
        verdict: gate.map(|gate| gate.verdict.name()),
        losses: gate.map_or(&[], |gate| &gate.losses),
        measurement_remarks: gate.map_or(&[], |gate| &gate.remarks),
        holdout: gate.map(|gate| &gate.holdout),
        holdout_rounds: gate.map_or(&[], |gate| &gate.rounds),
        holdout_round_names: gate.map_or_else(Vec::new, round_names),
        retention: gate.and_then(|gate| gate.retention.as_ref()),
        frames: gate.map_or(&[], |gate| &gate.frames),
    };
    if args.json {
        return print_json(&document);
    }
    document.print()
}

/// A training with the folder of its run, which is locked.
type Training = (Trainer, PathBuf, RunLock);

/// Resumes the run that was asked for, else the newest unfinished one.
fn resumed(project: &Path, args: &TrainArgs, hardware: Hardware) -> anyhow::Result<Training> {
    let out = match &args.run {
        Some(name) => run_folder(project, name)?,
        None => unfinished_run(project)?,
    };
    let changes = ResumeOptions {
        epochs: args.epochs,
        ..ResumeOptions::default()
    };
    let lock = RunLock::take(&out)?;
    let trainer = Trainer::resume_with(&out, &changes, hardware)?;
    Ok((trainer, out, lock))
}

/// Prepares a new run.
fn begun(
    contents: &Contents,
    args: &TrainArgs,
    hardware: Hardware,
    stop: &StopFlag,
) -> anyhow::Result<Training> {
    let progress = Progress::new(None);
    let mut step = |done: usize, total: usize| {
        progress.expect(Some(total as u64));
        progress.set(done as u64);
    };
    let options = args.finetune_options();
    let prepared = prepare(contents, &options, hardware, &mut step, stop);
    progress.finish();
    let prepared = checked(prepared)?;
    let trainer = Trainer::begin(prepared.config, &prepared.folder, hardware);
    if trainer.is_err() {
        discard_unbegun(&prepared.folder);
    }
    Ok((trainer?, prepared.folder, prepared.lock))
}

/// Trains, and returns when the hold-out was first better than before, in seconds since `begin`.
fn train(
    trainer: &mut Trainer,
    epochs: Option<u64>,
    stop: &StopFlag,
    begin: Instant,
) -> anyhow::Result<(StopReason, Option<f64>)> {
    let mut improvement = Improvement {
        before: trainer.history().first().cloned(),
        begin,
        secs: None,
    };
    let (news, reader) = bounded(64);
    let (found, first) = bounded(1);
    let display = Worker::spawn(
        "progress",
        StopFlag::new(),
        move |_| {
            show(&reader, &mut |event| improvement.see(event));
            found.send(improvement.secs).ok();
            Ok(())
        },
        |error| tracing::error!("{error}"),
    )?;
    let outcome = trainer.run(epochs, &news, stop);
    drop(news);
    display.join();
    Ok((outcome?, first.try_recv().unwrap_or_default()))
}

/// Notes when a value on the hold-out is first better than before the training.
struct Improvement {
    before: Option<EpochRecord>,
    begin: Instant,
    secs: Option<f64>,
}

impl Improvement {
    fn see(&mut self, event: &Event) {
        let Event::Epoch(now) = event else {
            return;
        };
        let Some(before) = &self.before else {
            self.before = Some(now.clone());
            return;
        };
        if self.secs.is_none() && (now.pck > before.pck || now.oks_ap > before.oks_ap) {
            self.secs = Some(self.begin.elapsed().as_secs_f64());
        }
    }
}

fn round_names(gate: &Gate) -> Vec<String> {
    gate.named_rounds().map(|(name, _)| name).collect()
}

fn measured(
    contents: &Contents,
    out: &Path,
    hardware: Hardware,
    stop: &StopFlag,
) -> anyhow::Result<Gate> {
    let progress = Progress::new(None);
    let mut step = |done: usize, total: usize| {
        progress.expect(Some(total as u64));
        progress.set(done as u64);
    };
    let gate = measure(contents, out, hardware, &mut step, stop);
    progress.finish();
    Ok(gate?)
}

impl Document<'_> {
    fn print(&self) -> anyhow::Result<()> {
        let Some(verdict) = self.verdict else {
            return print_line(format_args!(
                "run {}: stopped after {}; --resume continues",
                self.run,
                counted(self.epochs, "epoch")
            ));
        };
        if let Some(compared) = self.holdout {
            print_line(line("hold-out", compared))?;
        }
        for (name, compared) in self.holdout_round_names.iter().zip(self.holdout_rounds) {
            print_line(line(name, compared))?;
        }
        if let Some(compared) = self.retention {
            print_line(line("retention", compared))?;
        }
        for loss in self.losses.iter().chain(self.measurement_remarks) {
            print_line(loss)?;
        }
        print_line(format_args!(
            "run {}: {verdict}; `poselens project accept {} {}` uses it from now on",
            self.run, self.project, self.run
        ))
    }
}

fn line(name: &str, compared: &Comparison) -> String {
    let (before, after) = (&compared.before, &compared.after);
    let percent = |v: f64| 100.0 * v;
    let by = |[low, high]: Interval| format!("{low:+.3} to {high:+.3}");
    format!(
        "{name} ({}): error {:.3} -> {:.3} torso lengths ({}), PCK@0.1 {:.1} -> {:.1} %, \
         PCK@0.2 {:.1} -> {:.1} %",
        counted(compared.frames, "frame"),
        before.error_torso,
        after.error_torso,
        by(compared.difference.intervals.error_torso),
        percent(before.pck_0_1),
        percent(after.pck_0_1),
        percent(before.pck_0_2),
        percent(after.pck_0_2),
    )
}

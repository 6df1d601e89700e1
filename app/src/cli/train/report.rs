//! Progress and summary of a training.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use crossbeam::channel::Receiver;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use poselens_engine::sample::LeftOut;
use poselens_engine::train::{EpochRecord, Event, StopReason, Trainer};
use serde::Serialize;

use crate::cli::print_line;
use crate::stats::peak_memory_mib;
use crate::words::{counted, started_text};

/// Summary of a training; also the `--json` document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    model: &'a str,
    device: String,
    out: String,
    /// `finished`, `epoch limit` or `stopped`.
    ended: &'static str,
    epochs: u64,
    steps: u64,
    best_epoch: Option<u64>,
    /// Labelled joints and people that are not used, by file.
    left_out: &'a BTreeMap<String, LeftOut>,
    /// Number of images this run could not use, and the error of the first.
    broken_pictures: usize,
    first_broken: Option<&'a str>,
    peak_memory_mib: Option<f64>,
    /// Metrics before training, then of every epoch.
    history: &'a [EpochRecord],
}

impl<'a> Document<'a> {
    pub(super) fn of(trainer: &'a Trainer, out: &Path, reason: StopReason) -> Self {
        Self {
            model: &trainer.config().model,
            device: trainer.device().spec.to_string(),
            out: out.display().to_string(),
            ended: match reason {
                StopReason::Finished => "finished",
                StopReason::EpochLimit => "epoch limit",
                StopReason::Requested | StopReason::Diverged => "stopped",
            },
            epochs: trainer.epochs(),
            steps: trainer.steps(),
            best_epoch: trainer.best().map(|best| best.epoch),
            left_out: trainer.left_out(),
            broken_pictures: trainer.broken().len(),
            first_broken: trainer.broken().first().map(|b| b.reason.as_str()),
            peak_memory_mib: peak_memory_mib(),
            history: trainer.history(),
        }
    }

    /// Prints the summary as text.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        print_line(format_args!(
            "{}: {} after {}, {}; weights in {}{}",
            self.model,
            self.ended,
            counted(self.epochs, "epoch"),
            counted(self.steps, "step"),
            self.out,
            if self.ended == "finished" {
                ""
            } else {
                "; --resume continues from there"
            }
        ))?;
        if let Some(first) = self.first_broken {
            let n = counted(self.broken_pictures, "image");
            print_line(format_args!("{n} could not be used; the first: {first}"))?;
        }
        let best = self
            .history
            .iter()
            .find(|r| Some(r.epoch) == self.best_epoch);
        if let Some(before) = self.history.first().and_then(|first| first.pck)
            && let Some(after) = best.and_then(|best| best.pck)
        {
            print_line(format_args!(
                "PCK@0.2 {:.2} % before, {:.2} % best",
                100.0 * before,
                100.0 * after
            ))?;
        }
        Ok(())
    }
}

/// Shows events on standard error until the channel closes: a bar on a terminal, and one line per
/// epoch. Each event is given to `see` as well.
pub(super) fn show(news: &Receiver<Event>, see: &mut dyn FnMut(&Event)) {
    let bar = ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}") {
        bar.set_style(style);
    }
    for event in news {
        see(&event);
        match event {
            Event::Started(started) => {
                bar.set_length(started.steps());
                bar.suspend(|| eprintln!("{}", started_text(&started)));
            }
            Event::Step {
                step,
                steps,
                loss,
                images_per_sec,
                eta_secs,
                ..
            } => {
                bar.set_length(steps);
                bar.set_position(step);
                let minutes = (eta_secs / 60.0).ceil();
                bar.set_message(format!(
                    "loss {loss:.4}, {images_per_sec:.1} people/s, {minutes:.0} min left"
                ));
            }
            Event::Epoch(record) => bar.suspend(|| eprintln!("{}", line(&record))),
            Event::Measuring { .. } => bar.set_message("measuring on the held-out people"),
            // The epoch's line has the count, and a warning has named every image.
            Event::Broken { .. }
            | Event::HeldOut { .. }
            | Event::Saved { .. }
            | Event::Stopped(_) => {}
        }
    }
    bar.finish_and_clear();
}

fn line(record: &EpochRecord) -> String {
    let mut parts = vec![format!("epoch {}: step {}", record.epoch, record.step)];
    if let Some(loss) = record.loss {
        parts.push(format!("loss {loss:.4}"));
        parts.push(format!("{:.1} people/s", record.images_per_sec));
    }
    for (name, value) in [("PCK@0.2", record.pck), ("OKS AP", record.oks_ap)] {
        parts.extend(value.map(|value| format!("{name} {:.2} %", 100.0 * value)));
    }
    let of_parts = record.pck_parts.iter();
    parts.extend(of_parts.map(|(part, pck)| format!("{part} {:.2} %", 100.0 * pck)));
    if record.broken > 0 {
        parts.push(format!(
            "{} could not be used",
            counted(record.broken as usize, "image")
        ));
    }
    if !record.gates.is_empty() {
        let gates = record.gates.iter();
        let gates: Vec<_> = gates.map(|(block, m)| format!("{block} {m:.2}")).collect();
        parts.push(format!("mean |M| {}", gates.join(" ")));
    }
    parts.join(", ")
}

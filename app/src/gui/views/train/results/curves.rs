//! Plots of loss, metrics and learning rate over training steps.

use eframe::egui::{RichText, Ui};

use crate::gui::action::train::TrainAction;
use crate::gui::theme;
use crate::gui::training::Unit;
use crate::gui::training::plots::{Curve, metrics_ui, plot_ui, title_ui};
use crate::gui::training::progress::TrainProgress;
use crate::gui::views::train::state::{TrainContext, send};

pub(crate) fn curves_ui(
    ui: &mut Ui,
    cx: &mut TrainContext<'_>,
    progress: &TrainProgress,
    height: f32,
) {
    let has_metrics = progress
        .history
        .iter()
        .any(|r| r.pck.or(r.oks_ap).is_some());
    // Excludes titles and gaps; without metrics the loss uses their space as well.
    let room = (height - 96.0).max(240.0);
    if has_metrics {
        loss_ui(ui, cx, progress, room * 0.42);
        metrics_ui(ui, progress, room * 0.36);
        rate_ui(ui, progress, room * 0.22);
    } else {
        loss_ui(ui, cx, progress, room * 0.72);
        rate_ui(ui, progress, room * 0.28);
    }
}

fn loss_ui(ui: &mut Ui, cx: &mut TrainContext<'_>, progress: &TrainProgress, height: f32) {
    let is_log = cx.state.train.is_log_scale;
    let scaled = |[x, y]: [f64; 2]| [x, if is_log { y.max(1e-12).log10() } else { y }];
    let steps = progress.losses.points.iter().map(|p| scaled(*p)).collect();
    let epochs = progress.history.iter().filter_map(|r| {
        let loss = r.loss?;
        Some(scaled([r.step as f64, loss]))
    });
    let curves = [
        Curve {
            name: "each step",
            color: theme::LEFT.gamma_multiply(0.75),
            points: steps,
            is_measured: false,
        },
        Curve {
            name: "mean of the epoch",
            color: theme::RIGHT,
            points: epochs.collect(),
            is_measured: true,
        },
    ];
    ui.horizontal_wrapped(|ui| {
        let help = "How far predictions are from the labels; this should go down";
        title_ui(ui, "Loss", help, &curves);
        let mut wanted = is_log;
        if ui
            .checkbox(&mut wanted, RichText::new("logarithmic").small())
            .on_hover_text("Shows small values as clearly as large ones")
            .accessible_name("Logarithmic loss")
            .changed()
        {
            send(cx, TrainAction::LogScale(wanted));
        }
    });
    let unit = if is_log { Unit::Log } else { Unit::Plain };
    plot_ui(ui, "Loss", curves.into(), unit, height, progress);
}

fn rate_ui(ui: &mut Ui, progress: &TrainProgress, height: f32) {
    ui.horizontal(|ui| title_ui(ui, "Learning rate", "Step size of the optimizer", &[]));
    let curve = Curve {
        name: "learning rate",
        color: theme::WEAK,
        points: progress.rates.points.clone(),
        is_measured: false,
    };
    plot_ui(ui, "Rate", vec![curve], Unit::Plain, height, progress);
}

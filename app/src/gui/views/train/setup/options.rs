//! Panels of the network and its hyperparameters. Each row is an option of the engine.

use std::path::PathBuf;

use eframe::egui::{CollapsingHeader, DragValue, Ui};
use poselens_engine::augment::{PRESETS, PresetSpec, preset};
use poselens_engine::model::{MODELS, ModelSpec, model};
use poselens_engine::train::loss::LOSSES;
use poselens_engine::train::optim::Algorithm;
use poselens_engine::train::recipe::RECIPES;
use poselens_engine::train::schedule::{Curve, WarmUp};
use poselens_engine::train::{Freeze, InitialWeights, TrainConfig};

use crate::gui::action::train::{Ask, TrainAction};
use crate::gui::state::train::{TrainPlan, n_cores, n_steps};
use crate::gui::views::train::fields::{Entered, list_ui, number_ui, path_row_ui, rate, row_ui};
use crate::gui::views::train::state::{TrainContext, send};
use crate::gui::widgets;
use crate::gui::widgets::note_ui;
use crate::option_texts::{OptionText, train as text};

/// Shows the network and its initial weights.
pub(crate) fn network_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let plan = &cx.state.train;
    let Some(config) = &plan.config else { return };
    widgets::section_ui(ui, "Network", |ui| {
        let all: Vec<String> = MODELS.iter().map(|m| m.name.to_owned()).collect();
        if let Some(i) = list_ui(ui, text::MODEL.label, text::MODEL.help, &config.model, &all) {
            let recipes = TrainPlan::recipes(&all[i]);
            // Fine-tuning requires bundled weights, of this model or of the one it starts from.
            let has_weights = MODELS[i].bundled.is_some() || MODELS[i].backbone_from.is_some();
            let recipe = if has_weights {
                recipes.first()
            } else {
                recipes.last()
            };
            let recipe = recipe.map_or_else(String::new, |r| (*r).to_owned());
            send(cx, TrainAction::Recipe(all[i].clone(), recipe));
        }
        start_ui(ui, cx, config);
        let is_frozen = config.freeze == Freeze::Backbone;
        if widgets::switch_row_ui(ui, text::FREEZE.label, None, is_frozen)
            .on_hover_text(text::FREEZE.help)
            .clicked()
        {
            change(cx, config, |c| {
                c.freeze = if is_frozen {
                    Freeze::None
                } else {
                    Freeze::Backbone
                };
                // Frozen layers keep their batch-norm statistics.
                c.fixed_norms |= !is_frozen;
            });
        }
    });
}

fn start_ui(ui: &mut Ui, cx: &mut TrainContext<'_>, config: &TrainConfig) {
    let spec = model(&config.model).ok();
    let backbone = spec.and_then(|m| m.backbone_from);
    let backbone = backbone.map(|other| format!("backbone of {other}"));
    let bundled = spec.and_then(|m| m.bundled);
    let bundled = bundled.map(|_| "bundled weights".to_owned());
    let untrained = ["random weights", "a file…"].map(str::to_owned);
    let all = bundled.into_iter().chain(backbone.clone()).chain(untrained);
    let all: Vec<String> = all.collect();
    let now = match &config.init {
        InitialWeights::Bundled => "bundled weights".to_owned(),
        InitialWeights::Backbone => backbone.clone().unwrap_or_default(),
        InitialWeights::Scratch => "random weights".to_owned(),
        InitialWeights::File(path) => match path.file_name() {
            Some(name) => name.display().to_string(),
            None => "a file…".to_owned(),
        },
    };
    let help = match &config.init {
        InitialWeights::File(path) => path.display().to_string(),
        _ => text::INIT.help.to_owned(),
    };
    if let Some(i) = list_ui(ui, text::INIT.label, &help, &now, &all) {
        match all[i].as_str() {
            "random weights" => change(cx, config, |c| {
                c.init = InitialWeights::Scratch;
                c.freeze = Freeze::None;
                c.fixed_norms = false;
            }),
            "a file…" => {
                // The field is also shown if the system has no file dialog.
                change(cx, config, |c| {
                    c.init = InitialWeights::File(PathBuf::new());
                });
                send(cx, TrainAction::Ask(Ask::Weights));
            }
            name if Some(name) == backbone.as_deref() => {
                change(cx, config, |c| c.init = InitialWeights::Backbone);
            }
            _ => change(cx, config, |c| c.init = InitialWeights::Bundled),
        }
    }
    if let InitialWeights::File(path) = &config.init {
        let choose = "Choose the weights to start from".to_owned();
        let choose = (!cx.ui_state.is_choosing).then_some(&choose);
        let (name, help) = ("Weights to start from", "A file of weights of this network");
        let now = path.display().to_string();
        match path_row_ui(ui, name, help, "Path of the weights", &now, choose) {
            Some(Entered::Path(text)) => {
                change(cx, config, |c| {
                    c.init = InitialWeights::File(text.trim().into());
                });
            }
            Some(Entered::Choose) => send(cx, TrainAction::Ask(Ask::Weights)),
            None => {}
        }
    }
    if config.init == InitialWeights::Scratch && config.freeze == Freeze::Backbone {
        note_ui(
            ui,
            "Randomly initialised weights with a frozen backbone hardly train.",
        );
    }
}

/// Shows the hyperparameters.
pub(crate) fn options_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let plan = &cx.state.train;
    let Some(config) = &plan.config else { return };
    widgets::section_ui(ui, "Hyperparameters", |ui| {
        let all: Vec<String> = TrainPlan::recipes(&config.model)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let about = RECIPES.iter().find(|r| r.name == plan.recipe);
        let help = about.map_or("", |r| r.help);
        let help = text::RECIPE.help_and(format_args!(". {}: {help}", plan.recipe));
        if let Some(i) = list_ui(ui, text::RECIPE.label, &help, &plan.recipe, &all) {
            let action = TrainAction::Recipe(config.model.clone(), all[i].clone());
            send(cx, action);
        }
        let report = cx.view.report_of(config);
        let steps = report.map(|report| n_steps(config, report.people()));
        let mut new = config.clone();
        main_ui(ui, &mut new);
        CollapsingHeader::new("More options")
            .id_salt("train more")
            .show_unindented(ui, |ui| more_ui(ui, &mut new, steps));
        if new != *config {
            send(cx, TrainAction::Configure(Box::new(new)));
        }
        let mut threads = plan.n_threads();
        let cores = n_cores();
        let help = format!(
            "Threads for training. This computer has {cores}; the others are left for the live \
             view"
        );
        let value = DragValue::new(&mut threads).range(1..=cores);
        if number_ui(ui, "Threads", &help, value) {
            send(cx, TrainAction::Threads(threads));
        }
        folder_ui(ui, cx);
    });
}

fn main_ui(ui: &mut Ui, new: &mut TrainConfig) {
    let OptionText { label, help } = text::EPOCHS;
    let value = DragValue::new(&mut new.epochs).range(1..=100_000);
    number_ui(ui, label, help, value);
    let OptionText { label, help } = text::BATCH_SIZE;
    let value = DragValue::new(&mut new.batch_size).range(1..=4096);
    number_ui(ui, label, help, value);
    let OptionText { label, help } = text::LR;
    number_ui(ui, label, help, rate(&mut new.optimizer.lr));
    let all = Algorithm::ALL.map(|a| a.name().to_owned());
    let now = new.optimizer.algorithm.name();
    let OptionText { label, help } = text::OPTIMIZER;
    if let Some(i) = list_ui(ui, label, help, now, &all) {
        let algorithm = Algorithm::ALL[i];
        new.optimizer.algorithm = algorithm;
        new.optimizer.smoothing = algorithm.usual_smoothing();
    }
    let all = Curve::ALL.map(|c| c.name().to_owned());
    let OptionText { label, help } = text::SCHEDULE;
    if let Some(i) = list_ui(ui, label, help, new.schedule.curve.name(), &all) {
        new.schedule.curve = Curve::ALL[i];
    }
    let known = PRESETS.iter().find(|p| (p.build)() == new.augment);
    let now = known.map_or("own", |p| p.name);
    let help = known.map_or("As in the options file", |p| p.help);
    let help = format!("Augmentation: {help}. Preview shows it");
    let approach = new.target.approach();
    let suits = |p: &&PresetSpec| approach.as_ref().is_ok_and(|a| (p.build)().suits(*a));
    let all = PRESETS.iter().filter(suits).map(|p| p.name.to_owned());
    let all: Vec<String> = all.collect();
    if let Some(augment) = list_ui(ui, "Variation", &help, now, &all).and_then(|i| preset(&all[i]))
    {
        new.augment = (augment.build)();
    }
    size_ui(ui, new);
}

/// Input sizes on offer, as fractions of the network's default.
const SIZES: [f64; 5] = [0.5, 0.75, 1.0, 1.25, 1.5];

fn size_ui(ui: &mut Ui, new: &mut TrainConfig) {
    let Ok(card) = model(&new.model).and_then(ModelSpec::card) else {
        return;
    };
    let usual = card.input_size();
    let side = |n: usize, share: f64| ((n as f64 * share / 32.0).round() as usize).max(1) * 32;
    let mut sizes: Vec<[usize; 2]> = SIZES
        .map(|s| [side(usual.width, s), side(usual.height, s)])
        .into();
    let now = new.input(usual);
    let now = [now.width, now.height];
    if !sizes.contains(&now) {
        sizes.push(now);
    }
    sizes.sort_unstable();
    sizes.dedup();
    let named = |[w, h]: [usize; 2]| {
        let is_usual = [w, h] == [usual.width, usual.height];
        format!("{w} × {h}{}", if is_usual { " (usual)" } else { "" })
    };
    let all: Vec<String> = sizes.iter().map(|s| named(*s)).collect();
    let OptionText { label, help } = text::INPUT_SIZE;
    if let Some(i) = list_ui(ui, label, help, &named(now), &all) {
        let is_usual = sizes[i] == [usual.width, usual.height];
        new.input_size = (!is_usual).then(|| sizes[i]);
    }
}

/// Shows the field of the warm-up steps; -1 stands for the automatic number, which is also shown
/// once the number of `steps` of the training is known.
fn warm_up_ui(ui: &mut Ui, warm_up: &mut WarmUp, steps: Option<u64>) {
    const AUTO: i64 = -1;
    let mut n = match *warm_up {
        WarmUp::Auto => AUTO,
        WarmUp::Steps(n) => i64::try_from(n).unwrap_or(i64::MAX),
    };
    let auto = steps.map_or_else(
        || WarmUp::AUTO.to_owned(),
        |all| format!("{}: {}", WarmUp::AUTO, WarmUp::Auto.steps(all)),
    );
    let help = format!(
        "Steps over which the rate rises from 0. {}: {}, but at most a tenth of all steps",
        WarmUp::AUTO,
        WarmUp::USUAL
    );
    let value = DragValue::new(&mut n)
        .range(AUTO..=100_000)
        .custom_formatter(move |n, _| match n {
            n if n < 0.0 => auto.clone(),
            n => n.to_string(),
        })
        .custom_parser(|text| match text.trim() {
            text if text.starts_with(WarmUp::AUTO) => Some(AUTO as f64),
            number => number.parse().ok(),
        });
    if number_ui(ui, "Warm-up steps", &help, value) {
        *warm_up = u64::try_from(n).map_or(WarmUp::Auto, WarmUp::Steps);
    }
}

fn more_ui(ui: &mut Ui, new: &mut TrainConfig, steps: Option<u64>) {
    let all: Vec<String> = LOSSES.iter().map(|l| l.name.to_owned()).collect();
    let about = LOSSES.iter().find(|l| l.name == new.loss.name);
    let help = format!("Minimised quantity: {}", about.map_or("", |l| l.help));
    if let Some(i) = list_ui(ui, "Loss", &help, &new.loss.name, &all) {
        new.loss.name.clone_from(&all[i]);
    }
    warm_up_ui(ui, &mut new.schedule.warm_up_steps, steps);
    number_ui(
        ui,
        "Weight decay",
        "Weight decay: pulls weights towards 0",
        rate(&mut new.optimizer.weight_decay),
    );
    if new.freeze == Freeze::None {
        number_ui(
            ui,
            "Backbone rate",
            "Learning rate factor of the backbone",
            DragValue::new(&mut new.backbone_rate)
                .speed(0.01)
                .range(0.0..=1.0),
        );
    }
    number_ui(
        ui,
        "Gradient limit",
        "Maximum norm of all gradients (clipping); 0 for no limit",
        DragValue::new(&mut new.optimizer.clip_norm)
            .speed(0.1)
            .range(0.0..=1000.0),
    );
    number_ui(
        ui,
        "Averaging",
        "Decay of the moving average of the weights, which is the result: 0.999 averages about \
         1000 steps; 0 for no averaging",
        DragValue::new(&mut new.average)
            .speed(0.001)
            .range(0.0..=0.9999),
    );
    number_ui(
        ui,
        "Micro-batch",
        "People processed at the same time: fewer need less memory; 0 for the whole batch",
        DragValue::new(&mut new.micro_batch)
            .range(0..=4096)
            .custom_formatter(|n, _| match n {
                0.0 => "all".to_owned(),
                n => n.to_string(),
            })
            .custom_parser(|text| match text.trim() {
                "all" => Some(0.0),
                number => number.parse().ok(),
            }),
    );
    number_ui(
        ui,
        "Loader threads",
        "Threads that prepare batches",
        DragValue::new(&mut new.workers).range(1..=64),
    );
    let OptionText { label, help } = text::SEED;
    number_ui(ui, label, help, DragValue::new(&mut new.seed));
    if new.freeze == Freeze::Backbone {
        return;
    }
    let is_fixed = new.fixed_norms;
    if widgets::switch_row_ui(ui, "Fixed norms", None, is_fixed)
        .on_hover_text("Batch norms keep their running statistics: right for small batches")
        .clicked()
    {
        new.fixed_norms = !is_fixed;
    }
}

fn folder_ui(ui: &mut Ui, cx: &mut TrainContext<'_>) {
    let usual = &cx.gui.trainings_folder;
    let now = cx.state.train.out.as_ref();
    let now = now.map_or_else(String::new, |folder| folder.display().to_string());
    let OptionText { label, .. } = text::OUT;
    let help = text::OUT.help_and(format_args!(
        "; leave empty for a new one in {}",
        usual.display()
    ));
    let choose = "Choose the folder to write into".to_owned();
    let choose = (!cx.ui_state.is_choosing).then_some(&choose);
    let entered = row_ui(ui, label, |ui| {
        path_row_ui(ui, label, &help, "a new folder", &now, choose)
    });
    match entered {
        Some(Entered::Path(text)) => {
            let text = text.trim();
            let out = (!text.is_empty()).then(|| text.into());
            send(cx, TrainAction::Out(out));
        }
        Some(Entered::Choose) => send(cx, TrainAction::Ask(Ask::Out)),
        None => {}
    }
}

fn change(cx: &mut TrainContext<'_>, config: &TrainConfig, with: impl FnOnce(&mut TrainConfig)) {
    let mut config = config.clone();
    with(&mut config);
    send(cx, TrainAction::Configure(Box::new(config)));
}

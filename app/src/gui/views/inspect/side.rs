//! The right-hand panels: file, models, joint, maps, export.

use eframe::egui::{self, Align, Button, Image, Label, Layout, RichText, Slider, Ui};
use poselens_engine::output::{Direction, PoseOutput, RegionOutput};

use crate::gui::action::inspect::{Form, InspectAction};
use crate::gui::action::{Action, SourceAction};
use crate::gui::context::{approach_note, sample_clip};
use crate::gui::path_field::path_field_ui;
use crate::gui::state::inspect::{Choices, Pick, What};
use crate::gui::titles::{joint_title, sentence};
use crate::gui::views::inspect::compare::compare_ui;
use crate::gui::views::inspect::limbs::limb_ui;
use crate::gui::views::inspect::state::{GridPictures, InspectContext, ModelSlot};
use crate::gui::views::inspect::{numbers, shown};
use crate::gui::{theme, trained, widgets};

/// Shows the buttons that open a frame source; the header has its name.
pub(super) fn open_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    widgets::card_ui(ui, |ui| {
        ui.horizontal(|ui| {
            widgets::title_ui(ui, "Frame");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                open_row_ui(ui, cx);
            });
        });
        let (path, width) = (&cx.state.path, ui.available_width() - 2.0);
        if path_field_ui(ui, path, width, cx.ui_state, cx.actions) && !path.trim().is_empty() {
            cx.actions.push(Action::Source(SourceAction::OpenPath));
        }
    });
}

/// Laid out from right to left.
fn open_row_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    ui.spacing_mut().button_padding.x = 8.0;
    if let Some(clip) = sample_clip(cx.gui)
        && ui
            .button("Sample")
            .on_hover_text("The bundled sample clip")
            .accessible_name("Open the sample clip")
            .clicked()
    {
        cx.actions.push(Action::Inspect(InspectAction::Open(clip)));
    }
    let is_free = !cx.ui_state.is_choosing;
    for (text, label, help, action) in [
        (
            "Folder…",
            "Open folder…",
            "A recording or a folder of images",
            Action::Inspect(InspectAction::OpenFolder),
        ),
        (
            "File…",
            "Open file…",
            "A video or image (Ctrl+O)",
            Action::Source(SourceAction::OpenDialog),
        ),
    ] {
        let button = ui.add_enabled(is_free, Button::new(text));
        if button.on_hover_text(help).accessible_name(label).clicked() {
            cx.actions.push(action);
        }
    }
}

/// List entry for no second model.
const ALONE: &str = "no other model";

/// Shows the model slots.
pub(super) fn models_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    widgets::section_ui(ui, "Models", |ui| {
        let help = [
            "The network to inspect",
            "A second network on the same frame, next to the first",
        ];
        for (slot, (label, help)) in ["Model", "Compare"].into_iter().zip(help).enumerate() {
            let mut choices = slot_choices(slot, cx);
            let current = choices.iter().find(|(_, is_current, _)| *is_current);
            let current = current.map_or_else(|| "none".to_owned(), |(title, ..)| title.clone());
            let rows = choices
                .iter()
                .map(|(title, is_on, _)| (title.clone(), *is_on));
            let rows: Vec<_> = rows.collect();
            if let Some(i) = widgets::choice_ui(ui, label, help, &current, rows) {
                let (.., action) = choices.swap_remove(i);
                cx.actions.push(Action::Inspect(action));
            }
        }
        let people = cx.ui_state.people;
        let slots = cx.view.slots.iter();
        let notes = slots.filter_map(|slot| approach_note(slot.wanted.as_deref()?, people));
        let mut notes: Vec<_> = notes.collect();
        notes.dedup();
        for note in notes {
            weak_ui(ui, &note);
        }
        compare_ui(ui, cx);
    });
}

/// Returns what a slot can show: title, whether it is shown, action. The second slot may be empty,
/// or show the stored frame.
fn slot_choices(slot: usize, cx: &InspectContext<'_>) -> Vec<(String, bool, InspectAction)> {
    let view = cx.view;
    let is_kept = slot == 1 && view.kept.is_some();
    let wanted = view.slots[slot].wanted.as_deref();
    let mut choices = Vec::new();
    if slot == 1 {
        let is_alone = wanted.is_none();
        choices.push((ALONE.to_owned(), is_alone, InspectAction::Model(1, None)));
        if let Some(stored) = &view.stored {
            choices.push((stored.title(), is_kept, InspectAction::Stored(true)));
        }
    }
    choices.extend(cx.gui.models.iter().map(|model| {
        let name = &model.name;
        let is_current = !is_kept && wanted == Some(name.as_str());
        let action = InspectAction::Model(slot, Some(name.clone()));
        (trained::title(name), is_current, action)
    }));
    choices
}

/// Shows the joint list and the values of the selected joint.
pub(super) fn joint_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    widgets::section_ui(ui, "Joint", |ui| {
        let Some(output) = cx.view.slots.iter().find_map(ModelSlot::like) else {
            weak_ui(ui, "No model has a prediction yet.");
            return;
        };
        let joints = &output.skeleton.joints;
        let (current, person) = match &cx.view.pick {
            Some(Pick::Joint { name, person }) => (joint_title(name), *person),
            Some(Pick::Pixel(_)) => ("A pixel".to_owned(), 0),
            None => ("All joints".to_owned(), 0),
        };
        let all = ("All joints".to_owned(), cx.view.pick.is_none());
        let names = joints.iter().map(|n| {
            let title = joint_title(n);
            let is_current = title == current;
            (title, is_current)
        });
        let rows = std::iter::once(all).chain(names);
        let help = "Joint whose attention is shown: also chosen by clicking near it; clicking \
         elsewhere chooses a pixel";
        if let Some(i) = widgets::choice_ui(ui, "Joint", help, &current, rows) {
            let pick = i.checked_sub(1).map(|j| Pick::Joint {
                name: joints[j].clone(),
                person,
            });
            cx.actions.push(Action::Inspect(InspectAction::Pick(pick)));
        }
        let Some(pick) = &cx.view.pick else {
            weak_ui(ui, "Click near a joint, or anywhere in the image.");
            return;
        };
        for (slot, model_slot) in cx.view.slots.iter().enumerate() {
            let Some(output) = model_slot.like() else {
                continue;
            };
            if cx.view.is_compared() {
                weak_ui(ui, &cx.view.title(slot));
            }
            let grid = egui::Grid::new(("numbers", slot)).num_columns(2);
            grid.min_row_height(18.0)
                .spacing([12.0, 2.0])
                .show(ui, |ui| {
                    for (caption, text) in numbers::of_pick(output, pick) {
                        // Those of another frame only keep their place.
                        let text = model_slot.found.as_ref().map_or(String::new(), |_| text);
                        let caption = RichText::new(caption).color(theme::WEAK);
                        ui.add(Label::new(caption).extend().selectable(false));
                        let text = RichText::new(text).font(theme::number_font(13.0));
                        ui.add(Label::new(text).wrap());
                        ui.end_row();
                    }
                });
        }
    });
}

/// Shows what is drawn over the image.
pub(super) fn show_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    let mut choices = cx.state.inspect.clone();
    widgets::section_ui(ui, "Show", |ui| {
        let slots = cx.view.slots.iter().enumerate();
        let regions: Vec<(usize, &ModelSlot, &PoseOutput, &RegionOutput)> = slots
            .filter_map(|(slot, model_slot)| {
                let output = model_slot.like()?;
                let pick = cx.view.pick.as_ref();
                let point = pick.and_then(|p| shown::picked(output, p)).map(|p| p.point);
                Some((slot, model_slot, &**output, shown::region(output, point)?))
            })
            .collect();
        let now = regions.first();
        let now = now.map(|(.., output, region)| What::of(output, region, choices.what));
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            // Narrow padding: the buttons fit into one row of the panel.
            ui.spacing_mut().button_padding.x = 6.0;
            for what in What::ALL {
                let is_there = regions
                    .iter()
                    .any(|(.., output, region)| what.is_in(output, region));
                let button = Button::selectable(now == Some(what), what.name());
                let button = ui
                    .add_enabled(is_there, button)
                    .on_hover_text(what.help())
                    .on_disabled_hover_text(format!("{}; the model has none", what.help()));
                if button.clicked() {
                    choices.what = Some(what);
                }
            }
        });
        for (slot, model_slot, output, region) in regions {
            let what = What::of(output, region, choices.what);
            // If both slots have the same model, its maps are listed once, but each slot has its
            // own self-attention grid.
            let is_kept = slot == 1 && cx.view.kept.is_some();
            ui.push_id(slot, |ui| match what {
                What::Maps if !is_kept => maps_ui(ui, model_slot, region, &mut choices),
                What::QueryKey => query_key_ui(ui, model_slot, &mut choices),
                What::Fields => {
                    let pick = cx.view.pick.as_ref();
                    limb_ui(ui, &model_slot.title(), output, pick, &mut choices);
                }
                What::Maps | What::Picture | What::Heatmap => {}
            });
        }
        look_ui(ui, &mut choices);
    });
    if choices != cx.state.inspect {
        let action = InspectAction::Choose(Box::new(choices));
        cx.actions.push(Action::Inspect(action));
    }
}

/// Shows the list of a model's maps and their iterations.
fn maps_ui(ui: &mut Ui, model_slot: &ModelSlot, region: &RegionOutput, choices: &mut Choices) {
    let Some(model) = model_slot.like().map(|output| &*output.model) else {
        return;
    };
    let groups = shown::groups(region);
    let Some(chosen) = shown::chosen_group(model, region, choices) else {
        return;
    };
    let rows = groups.iter().map(|g| {
        let text = widgets::map_text(g.name, g.title);
        (text, g.name == chosen.name)
    });
    let help = format!(
        "Attention maps of {}, by layer or stack\nCurrent: {}",
        model_slot.title(),
        chosen.title
    );
    if let Some(i) = widgets::choice_ui(ui, "Map", &help, chosen.name, rows) {
        let name = groups[i].name.to_owned();
        choices.maps.insert(model.to_owned(), name);
    }
    let n = chosen.maps.len();
    if n > 1 {
        let mut at = choices.iteration.unwrap_or(n).min(n);
        widgets::labelled_row_ui(ui, "Iteration", |ui| {
            ui.spacing_mut().slider_width = (ui.available_width() - 58.0).max(40.0);
            if ui
                .add(Slider::new(&mut at, 1..=n))
                .on_hover_text("Mean-field iteration of the refined map")
                .accessible_name("Iteration")
                .changed()
            {
                choices.iteration = (at < n).then_some(at);
            }
        });
    }
    if let Some(map) = chosen.at(choices.iteration) {
        let planes = match map.map.n {
            1 => String::new(),
            n => format!(" {n} planes, one for each joint."),
        };
        weak_ui(
            ui,
            &format!("{}. {}.{planes}", sentence(&map.title), map.kind.meaning()),
        );
    }
}

/// Shows the direction of self-attention and a thumbnail per layer and head.
fn query_key_ui(ui: &mut Ui, model_slot: &ModelSlot, choices: &mut Choices) {
    ui.horizontal(|ui| {
        for (direction, text, help) in [
            (
                Direction::Dependency,
                "Dependency",
                "Positions that this place attends to: a row of the attention matrix",
            ),
            (
                Direction::Affected,
                "Affected",
                "Positions that attend to this place: a column of the attention matrix",
            ),
        ] {
            let button = Button::selectable(choices.direction == direction, text);
            if ui.add(button).on_hover_text(help).clicked() {
                choices.direction = direction;
            }
        }
    });
    match &model_slot.grid {
        Some(grid) if model_slot.is_current(grid) && grid.grid.layers.is_empty() => {
            weak_ui(
                ui,
                "This place lies outside the region that the network saw.",
            );
        }
        Some(grid) => {
            ui.scope(|ui| grid_ui(ui, grid, choices));
        }
        None if model_slot.shown.hint.is_some() => weak_ui(ui, "Pick a joint or a pixel."),
        None => weak_ui(ui, "Computing…"),
    }
    if let Some(map) = &model_slot.shown.map {
        let title = sentence(&map.title);
        weak_ui(ui, &format!("{title}. {}.", map.kind.meaning()));
    }
}

fn grid_ui(ui: &mut Ui, pictures: &GridPictures, choices: &mut Choices) {
    let layers = &pictures.grid.layers;
    let chosen = choices.layer.min(layers.len().saturating_sub(1));
    let n = layers.iter().map(|l| l.cells.len()).max().unwrap_or(1);
    ui.spacing_mut().item_spacing = egui::vec2(2.0, 4.0);
    let width = ((ui.available_width() - 2.0 * n as f32) / n as f32).clamp(16.0, 96.0);
    for (l, (layer, textures)) in layers.iter().zip(&pictures.textures).enumerate() {
        let mut heads = layer.cells.iter().map(|c| c.head);
        let head_shown = heads.find(|h| *h == choices.head).unwrap_or(None);
        ui.horizontal(|ui| {
            for (cell, texture) in layer.cells.iter().zip(textures) {
                let head = match cell.head {
                    Some(head) => format!("head {head}"),
                    None => "mean of heads".to_owned(),
                };
                let label = format!("Layer {}, {head}", layer.layer);
                let size = texture.size_vec2();
                let image = Image::new(texture).fit_to_exact_size(size * (width / size.x));
                let stroke = if l == chosen && cell.head == head_shown {
                    egui::Stroke::new(2.0, theme::RIGHT)
                } else {
                    egui::Stroke::new(1.0, theme::LINE)
                };
                ui.spacing_mut().button_padding = egui::Vec2::ZERO;
                if ui
                    .add(Button::image(image).stroke(stroke).corner_radius(0))
                    .on_hover_text(format!(
                        "{label}: {}\nat most {:.4}",
                        layer.name, cell.map.range.1
                    ))
                    .accessible_name(label)
                    .clicked()
                {
                    choices.layer = l;
                    choices.head = cell.head;
                }
            }
        });
    }
    weak_ui(
        ui,
        "Rows: layers from 0. Columns: heads from 0, then their mean.",
    );
}

/// Shows the drawing settings of maps.
fn look_ui(ui: &mut Ui, choices: &mut Choices) {
    ui.add_space(2.0);
    let opacity = widgets::fraction_ui(ui, "Opacity", "Opacity over the image", choices.opacity);
    choices.opacity = opacity.unwrap_or(choices.opacity);
    let help = "Values below it are not drawn";
    let threshold = widgets::fraction_ui(ui, "Hide below", help, choices.threshold);
    choices.threshold = threshold.unwrap_or(choices.threshold);
    for (label, help, value) in [
        (
            "Fixed range",
            "The colour scale covers all possible values; off: the 1st to the 99th percentile of \
             this frame, and >= marks an end beyond which there are larger values",
            &mut choices.is_range_fixed,
        ),
        (
            "Smooth maps",
            "Off: the map's pixels as squares",
            &mut choices.is_smooth,
        ),
        (
            "Skeleton",
            "Limbs and joints over the map",
            &mut choices.has_skeleton,
        ),
        (
            "Measures",
            "Angles, distances and speeds at the joints: those chosen in Live",
            &mut choices.has_measures,
        ),
    ] {
        if widgets::switch_row_ui(ui, label, None, *value)
            .on_hover_text(help)
            .clicked()
        {
            *value = !*value;
        }
    }
}

/// Shows the export buttons.
pub(super) fn export_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    widgets::section_ui(ui, "Export", |ui| {
        let has_answer = cx.view.slots.iter().any(|s| s.found.is_some());
        ui.horizontal_wrapped(|ui| {
            for form in Form::ALL {
                let help = match form {
                    Form::Png => "This view as an image",
                    Form::Safetensors => "All output tensors in one file",
                    Form::Npy => "All output tensors as NumPy files in a folder",
                };
                let button = ui.add_enabled(has_answer, Button::new(form.name()));
                let label = format!("Export {}", form.name());
                if button.on_hover_text(help).accessible_name(label).clicked() {
                    cx.actions
                        .push(Action::Inspect(InspectAction::Export(form)));
                }
            }
        });
        let mut choices = cx.state.inspect.clone();
        let folder = cx.recordings_folder().display();
        let help = format!("Off: files go to {folder}");
        let switch = widgets::switch_row_ui(ui, "Ask where", None, choices.asks_where);
        if switch.on_hover_text(help).clicked() {
            choices.asks_where = !choices.asks_where;
            let action = InspectAction::Choose(Box::new(choices));
            cx.actions.push(Action::Inspect(action));
        }
    });
}

fn weak_ui(ui: &mut Ui, text: &str) {
    ui.add(
        Label::new(RichText::new(text).color(theme::WEAK))
            .wrap()
            .selectable(false),
    );
}

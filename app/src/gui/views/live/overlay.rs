//! The overlay panel.

use eframe::egui::{self, Button, Label, RichText, Ui};
use poselens_engine::overlay::{MapKind, OverlaySpec};

use crate::gui::action::inspect::InspectAction;
use crate::gui::action::{Action, OverlayAction};
use crate::gui::command::OVERLAY_KEYS;
use crate::gui::context::no_fields;
use crate::gui::titles::{joint_title, sentence};
use crate::gui::views::live::measures::measures_ui;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

pub(super) fn overlay_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    widgets::section_ui(ui, "Overlays", |ui| {
        let (mut has_joints, mut has_heatmaps) = (false, false);
        let (mut has_maps, mut has_pixels) = (false, false);
        for (i, overlay) in cx.gui.overlays.iter().enumerate() {
            let is_on = cx.state.overlays.contains(overlay.name);
            let key = OVERLAY_KEYS.get(i).map(|_| (i + 1).to_string());
            let title = sentence(overlay.title);
            let hindrance = hindrance(overlay, cx).filter(|_| !is_on);
            let row = ui.add_enabled_ui(hindrance.is_none(), |ui| {
                widgets::switch_row_ui(ui, &title, key.as_deref(), is_on)
            });
            let help = match key {
                Some(key) => format!("{}\nKey {key}; key 0 switches all off", overlay.help),
                None => format!("{}\nKey 0 switches all off", overlay.help),
            };
            let response = row.inner.on_hover_text(help);
            let reason = hindrance.unwrap_or_default();
            if response.on_disabled_hover_text(reason).clicked() {
                send(cx, OverlayAction::Toggle(overlay.name.to_owned()));
            }
            if !is_on {
                continue;
            }
            if overlay.name == "measures" {
                measures_ui(ui, cx);
            }
            match overlay.needs {
                None => has_joints = true,
                // One list for both maps.
                Some(MapKind::Fields) if has_heatmaps => {}
                Some(MapKind::Heatmaps | MapKind::Fields) => joint_ui(ui, cx),
                Some(MapKind::Attention) if has_self_attention_alone(cx) => {
                    self_attention_ui(ui, cx);
                }
                Some(MapKind::Attention) => attention_ui(ui, cx),
            }
            has_heatmaps |= overlay.needs == Some(MapKind::Heatmaps);
            has_maps |= overlay.needs.is_some();
            has_pixels |= overlay.is_map();
        }
        if has_joints {
            shown_joints_ui(ui, cx);
        }
        if has_maps {
            maps_ui(ui, cx, has_pixels);
        }
    });
}

/// Returns why the running model cannot show an overlay.
fn hindrance(overlay: &OverlaySpec, cx: &LiveContext<'_>) -> Option<String> {
    let model = cx.ui_state.model.as_ref()?;
    match overlay.needs {
        Some(MapKind::Fields) => no_fields(model, cx.ui_state.people, &cx.gui.models),
        None | Some(MapKind::Heatmaps | MapKind::Attention) => None,
    }
}

/// Shows the settings of maps; `has_pixels` if some of them cover the image.
fn maps_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, has_pixels: bool) {
    let help = "Opacity of the maps over the image";
    if let Some(value) = widgets::fraction_ui(ui, "Opacity", help, cx.state.opacity) {
        send(cx, OverlayAction::Opacity(value));
    }
    let help = "Values below it are not drawn; for signed maps, values close to 0";
    if let Some(value) = widgets::fraction_ui(ui, "Hide below", help, cx.state.map_threshold) {
        send(cx, OverlayAction::MapThreshold(value));
    }
    if !has_pixels {
        return;
    }
    let is_on = cx.state.is_map_smooth;
    let response = widgets::switch_row_ui(ui, "Smooth maps", None, is_on);
    let help = "Off: the map's pixels as squares";
    if response.on_hover_text(help).clicked() {
        send(cx, OverlayAction::SmoothMaps(!is_on));
    }
}

/// Shows the list of joints to draw.
fn shown_joints_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(skeleton) = cx.ui_state.skeleton else {
        return;
    };
    let is_shown = |joint: &String| !cx.state.hidden_joints.contains(joint);
    let n_shown = skeleton.joints.iter().filter(|j| is_shown(j)).count();
    let title = format!("Joints shown: {n_shown} of {}", skeleton.n_joints());
    egui::CollapsingHeader::new(RichText::new(title).small())
        .id_salt("shown joints")
        .show(ui, |ui| {
            for joint in &skeleton.joints {
                let mut shown = is_shown(joint);
                let help = "Draws this joint and its limbs; results keep it in any case";
                let name = format!("Show {}", joint_title(joint).to_lowercase());
                if ui
                    .checkbox(&mut shown, joint_title(joint))
                    .on_hover_text(help)
                    .accessible_name(&name)
                    .changed()
                {
                    let action = OverlayAction::ShowJoint(joint.clone(), shown);
                    cx.actions.push(Action::Overlay(action));
                }
            }
            let all = Button::new("Show all joints");
            if ui
                .add_enabled(n_shown < skeleton.n_joints(), all)
                .on_hover_text("Shows all joints")
                .clicked()
            {
                cx.actions
                    .push(Action::Overlay(OverlayAction::ShowAllJoints));
            }
        })
        .header_response
        .on_hover_text("Hides joints in the drawing, such as those of the face")
        .accessible_name("Joints shown");
}

fn joint_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let joints = cx.ui_state.skeleton.map_or(&[][..], |s| &s.joints);
    let chosen = cx.state.joint.as_ref().filter(|j| joints.contains(j));
    let names = joints
        .iter()
        .map(|joint| (joint_title(joint), Some(joint) == chosen));
    let choices = std::iter::once(("All joints".to_owned(), chosen.is_none())).chain(names);
    let shown = chosen.map_or("All joints".to_owned(), |j| joint_title(j));
    let help = "Joint whose heatmap, or the fields of whose limbs, are shown; 'all joints' shows the \
     maximum at each position, or all limbs";
    if let Some(i) = widgets::choice_ui(ui, "Joint", help, &shown, choices) {
        let joint = i.checked_sub(1).map(|j| joints[j].clone());
        send(cx, OverlayAction::Joint(joint));
    }
}

/// Returns whether the model's only attention is self-attention, which depends on a selected query:
/// no single map could be drawn over live frames.
fn has_self_attention_alone(cx: &LiveContext<'_>) -> bool {
    let presented = cx.ui_state.presented.as_ref();
    let output = presented.and_then(|p| p.output.as_ref());
    let region = output.and_then(|output| output.regions.first());
    region.is_some_and(|r| r.attention.is_empty() && !r.query_key.is_empty())
}

fn self_attention_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let text = "This network has one map per position, head and layer: pick a joint or a \
     position in Inspect.";
    let text = RichText::new(text).small().color(theme::WEAK);
    ui.add(Label::new(text).wrap().selectable(false));
    if ui
        .button("Open in Inspect")
        .on_hover_text("Pauses at this frame and opens Inspect (I)")
        .clicked()
    {
        cx.actions.push(Action::Inspect(InspectAction::InOrOut));
    }
}

fn attention_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let maps = &cx.ui_state.attention_maps;
    let chosen = cx.state.attention.as_ref();
    let at = chosen.and_then(|name| maps.iter().position(|map| map.name == *name));
    let now = maps.get(at.unwrap_or(0));
    let rows = maps.iter().enumerate().map(|(i, map)| {
        let text = widgets::map_text(&map.name, &map.title);
        (text, i == at.unwrap_or(0))
    });
    let shown = now.map_or("The first", |map| &map.name);
    let help = match now {
        Some(map) => format!("Attention map to show (Tab: next)\nCurrent: {}", map.title),
        None => "Attention map to show".to_owned(),
    };
    if let Some(i) = widgets::choice_ui(ui, "Map", &help, shown, rows) {
        let map = maps[i].name.clone();
        send(cx, OverlayAction::Attention(Some(map)));
    }
    if let Some(map) = now {
        let planes = match map.n_planes {
            1 => "",
            _ => {
                " There is one map per joint: shown is that of the joint chosen for the \
             heatmap, or the maximum."
            }
        };
        let text = format!("{}. {}.{planes}", sentence(&map.title), map.meaning);
        let text = RichText::new(text).small().color(theme::WEAK);
        ui.add(Label::new(text).wrap().selectable(false));
    }
    let is_on = cx.state.is_range_fixed;
    let help = "The colour scale covers all possible values and is the same in every frame. Off: \
     the values of each frame, which shows weak maps but flickers";
    if widgets::switch_row_ui(ui, "Fixed range", None, is_on)
        .on_hover_text(help)
        .clicked()
    {
        send(cx, OverlayAction::FixedRange(!is_on));
    }
}

fn send(cx: &mut LiveContext<'_>, action: OverlayAction) {
    cx.actions.push(Action::Overlay(action));
}

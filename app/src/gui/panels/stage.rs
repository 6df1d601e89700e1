//! The stage: where the picture lies, what to do when there is none, and messages.

use std::path::Path;

use eframe::egui::{
    self, Align, Button, CursorIcon, Label, Layout, RichText, Role, Sense, Stroke, Ui, WidgetInfo,
};
use poselens_engine::geometry::Size;
use poselens_shaders::view::{View, Zoom};

use super::super::action::{Action, SourceAction, StageAction, WindowAction};
use super::super::catalog::{self, Command};
use super::super::icons::Icon;
use super::super::session::Level;
use super::super::theme;
use super::PanelContext;
use super::source::sample_clip;

/// Recent files offered where there is no picture; the menu has the others.
const N_RECENT_SHOWN: usize = 5;

/// One notch of a wheel is 50 points: it comes a fifth closer.
const ZOOM_PER_POINT: f32 = 0.18 / 50.0;

/// Where a picture of `size` lies in `area`. The wheel zooms about the pointer, dragging moves, a
/// double click shows the whole picture again.
pub fn view_ui(ui: &mut Ui, area: egui::Rect, size: Size, cx: &mut PanelContext<'_>) -> View {
    let is_mirrored = cx.state.is_mirrored && cx.session.is_live();
    let zoomed = zoom_ui(ui, area, size, cx.session.zoom, is_mirrored);
    if zoomed.is_changed {
        // The view's own zoom, not the one asked for: the picture stops at its edges.
        let zoom = zoomed.view.zoom();
        cx.actions.push(Action::Stage(StageAction::Zoom(zoom)));
    }
    zoomed.view
}

/// A picture that can be zoomed and moved.
#[derive(Debug)]
pub struct Zoomed {
    /// Where it lies.
    pub view: View,
    /// What the user does to it.
    pub response: egui::Response,
    /// Another part of it is looked at than before.
    pub is_changed: bool,
}

/// [`view_ui`] for any picture.
pub fn zoom_ui(ui: &mut Ui, area: egui::Rect, size: Size, zoom: Zoom, is_mirrored: bool) -> Zoomed {
    let image = [size.width, size.height];
    let scale = ui.pixels_per_point();
    // egui rounds a callback's edges to pixels like this.
    let pixel = |v: f32| f64::from((v * scale).round());
    let first = [pixel(area.min.x), pixel(area.min.y)];
    let screen = [pixel(area.max.x) - first[0], pixel(area.max.y) - first[1]];
    // Letters 14 points high can be read.
    let min_unit = (2.0 * scale).round() as usize;
    let view = View::letterbox(image, screen, zoom, is_mirrored, min_unit);

    // Not reached by Tab: there is nothing to press.
    let response = ui.interact(
        area,
        ui.scope_id().with("picture"),
        Sense::CLICK | Sense::DRAG,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Picture"));
    let mut wanted = None;
    if response.double_clicked() || response.triple_clicked() {
        wanted = Some(Zoom::WHOLE);
    } else if response.dragged() {
        let by = response.drag_delta() * scale;
        wanted = Some(view.dragged([f64::from(by.x), f64::from(by.y)]));
    } else if let Some(pointer) = response.hover_pos() {
        let by = ui.input(|i| (i.smooth_scroll_delta().y * ZOOM_PER_POINT).exp() * i.zoom_delta());
        let at = [
            f64::from(pointer.x * scale) - first[0] - 0.5,
            f64::from(pointer.y * scale) - first[1] - 0.5,
        ];
        if by != 1.0 {
            wanted = Some(view.zoomed(f64::from(by), at));
        }
    }
    let response = if zoom.factor > 1.0 {
        response.on_hover_cursor(if wanted.is_some() {
            CursorIcon::Grabbing
        } else {
            CursorIcon::Grab
        })
    } else {
        response
    };
    let is_changed = wanted.is_some();
    let zoom = wanted.unwrap_or(zoom);
    Zoomed {
        view: View::letterbox(image, screen, zoom, is_mirrored, min_unit),
        response,
        is_changed,
    }
}

/// Explains the first step while there is no picture.
pub fn empty_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let session = cx.session;
    if session.presented.is_some() {
        return;
    }
    let (title, text) = match (&session.wanted_source, &session.cameras) {
        (Some(wanted), _) if session.is_opening => (
            format!("Opening {}…", wanted.label),
            "This can take a few seconds.",
        ),
        (None, None) => (
            "Looking for cameras…".to_owned(),
            "You can open a file in the meantime.",
        ),
        (_, Some(cameras)) if cameras.is_empty() => (
            "No camera found".to_owned(),
            "Plug one in and look again, or work with a video:\nevery picture stays on this computer.",
        ),
        _ => (
            "Nothing to show yet".to_owned(),
            "Choose a camera at the right, or open a video or picture.",
        ),
    };
    if session.sheet.is_some() {
        return;
    }
    let area = ui.max_rect();
    let recent = catalog::recent(cx);
    let rows = cx.state.recent.len().min(N_RECENT_SHOWN) as f32;
    let height = 170.0 + if rows > 0.0 { 34.0 + 30.0 * rows } else { 0.0 };
    let size = egui::vec2(440.0_f32.min(area.width() - 32.0), height);
    let card = egui::Rect::from_center_size(area.center(), size);
    let mut ui = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(card)
            .layout(Layout::top_down(Align::Center)),
    );
    ui.add(Label::new(RichText::new(title).heading().strong()).selectable(false));
    ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
    ui.add_space(14.0);
    let size = egui::vec2(190.0, 36.0);
    let row = 2.0 * size.x + 8.0;
    ui.allocate_ui_with_layout(
        egui::vec2(row, size.y),
        Layout::left_to_right(Align::Center),
        |ui| {
            let primary = Button::new(RichText::new("Open a video…").color(theme::STAGE).strong())
                .fill(theme::LEFT)
                .min_size(size);
            if ui
                .add_enabled(!session.is_choosing, primary)
                .on_hover_text("A video or picture of yours (Ctrl+O)")
                .clicked()
            {
                send(cx, SourceAction::OpenDialog);
            }
            if let Some(clip) = sample_clip(cx.gui)
                && ui
                    .add(Button::new("Play the sample clip").min_size(size))
                    .on_hover_text("A short clip that comes with the program")
                    .clicked()
            {
                send(cx, SourceAction::Open(clip));
            }
        },
    );
    recent_ui(&mut ui, recent, cx);
}

/// The files opened last; those that are gone are grey.
fn recent_ui(ui: &mut Ui, recent: Vec<Command>, cx: &mut PanelContext<'_>) {
    if recent.is_empty() {
        return;
    }
    ui.add_space(14.0);
    ui.add(Label::new(RichText::new("Opened before").small().color(theme::WEAK)).selectable(false));
    let n = cx.state.recent.len().min(N_RECENT_SHOWN);
    for (command, path) in recent.into_iter().zip(&cx.state.recent).take(n) {
        let name = Path::new(path).file_name();
        let name = name.map_or(path.clone(), |n| n.to_string_lossy().into_owned());
        let entry = Button::new(name).truncate().frame_when_inactive(false);
        if ui
            .add_enabled(command.hindrance.is_none(), entry)
            .on_hover_text(path)
            .on_disabled_hover_text(format!("{path}\n{}", command.hindrance.unwrap_or_default()))
            .clicked()
        {
            cx.actions.push(command.action);
        }
    }
}

/// The newest message: at the left, over a picture at the top, as the scales of maps lie at its
/// bottom; below the speed or the names of the models.
pub fn status_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(status) = &cx.session.status else {
        return;
    };
    let color = match status.level {
        Level::Info => theme::LEFT,
        Level::Warning => theme::RIGHT,
        Level::Error => theme::RED,
    };
    let mut area = ui.max_rect().shrink(12.0);
    let (top, layout) = match cx.view {
        super::View::Live => (84.0, Layout::top_down(Align::Min)),
        super::View::Inspect => (28.0, Layout::top_down(Align::Min)),
        super::View::Train => (0.0, Layout::bottom_up(Align::Min)),
    };
    area.min.y += top;
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(area).layout(layout));
    egui::Frame::new()
        .fill(theme::CARD)
        .stroke(Stroke::new(1.0, color))
        .corner_radius(8)
        .inner_margin(egui::Margin::symmetric(12, 8))
        .show(&mut ui, |ui| {
            ui.horizontal(|ui| {
                super::super::widgets::dot_ui(ui, color);
                let room = (area.width() - 180.0).max(120.0);
                ui.scope(|ui| {
                    ui.set_max_width(room);
                    ui.add(Label::new(&status.text).wrap());
                });
                if let Some(retry) = &status.retry
                    && ui
                        .button("Retry")
                        .on_hover_text("Tries the same again")
                        .clicked()
                {
                    cx.actions.push(retry.clone());
                }
                if ui
                    .add(Button::new(Icon::Dismiss.atom(None)).frame(false))
                    .on_hover_text("Puts this message away")
                    .accessible_name("Dismiss")
                    .clicked()
                {
                    cx.actions.push(Action::Window(WindowAction::DismissStatus));
                }
            });
        });
}

fn send(cx: &mut PanelContext<'_>, action: SourceAction) {
    cx.actions.push(Action::Source(action));
}

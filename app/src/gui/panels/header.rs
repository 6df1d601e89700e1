//! Across the top: what is running, and that it stays on this computer.

use eframe::egui::{
    Align, Button, Color32, Id, Label, Layout, RichText, ScrollArea, TextStyle, Ui,
};
use poselens_engine::frame::Frame;
use poselens_engine::source::SourceStatus;

use super::super::action::{Action, WindowAction};
use super::super::catalog::{Group, commands, key_text};
use super::super::icons::Icon;
use super::super::{theme, widgets};
use super::{PanelContext, View};

pub fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add(Label::new(RichText::new("PoseLens").size(18.0).strong()).selectable(false));
        ui.add_space(10.0);
        let train = cx.train.title();
        for (view, name, help) in [
            (View::Live, "Live", "The running picture (I)"),
            (
                View::Inspect,
                "Inspect",
                "Look inside the network at this frame (I)",
            ),
            (
                View::Train,
                train.as_str(),
                "Teach a network your own people (T)",
            ),
        ] {
            let button = Button::selectable(cx.view == view, name);
            if ui.add(button).on_hover_text(help).clicked() {
                cx.actions.push(Action::Window(WindowAction::Show(view)));
            }
        }
        ui.add_space(10.0);
        if let Some(shown) = Shown::of(cx) {
            widgets::dot_ui(ui, shown.color);
            shown_ui(ui, &shown);
        }
        let right = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            menu_ui(ui, cx);
            if ui
                .add(Button::new(Icon::FullScreen.atom(None)).frame(false))
                .on_hover_text("Full screen (F11)")
                .accessible_name("Full screen")
                .clicked()
            {
                cx.actions.push(Action::Window(WindowAction::FullScreen));
            }
            widgets::badge_ui(
                ui,
                "local only",
                theme::GREEN,
                "Pictures, poses and recordings stay on this computer: no account, no upload, \
                 no telemetry.",
            );
            let drawn_by = match &cx.session.adapter {
                Some(adapter) => format!("\nThe window is {}.", adapter.text()),
                None => String::new(),
            };
            widgets::badge_ui(
                ui,
                &cx.device().name,
                theme::LEFT,
                &format!(
                    "The networks run on {}: {}. Settings (Ctrl+,) has the others.{drawn_by}",
                    cx.device().name,
                    cx.device().why
                ),
            );
            ui.min_rect().width()
        });
        ui.data_mut(|d| d.insert_temp(right_id(), right.inner));
    });
}

/// Where the width of the right end is remembered from frame to frame.
fn right_id() -> Id {
    Id::unique("width of the header's right end")
}

/// The name, cut where the header has no room for it, and in full at the pointer.
fn shown_ui(ui: &mut Ui, shown: &Shown) {
    let right = ui.data(|d| d.get_temp::<f32>(right_id())).unwrap_or(320.0);
    let more = RichText::new(&shown.more).small().color(theme::WEAK);
    let font = TextStyle::Small.resolve(ui.style());
    let more_width = ui
        .painter()
        .layout_no_wrap(shown.more.clone(), font, theme::WEAK)
        .size()
        .x;
    let spacing = 3.0 * ui.spacing().item_spacing.x;
    let room = ui.available_width() - right - more_width - spacing;
    ui.scope(|ui| {
        ui.set_max_width(room.max(40.0));
        let name = RichText::new(&shown.name).color(theme::TEXT);
        ui.add(
            Label::new(name)
                .truncate()
                .show_tooltip_when_elided(false)
                .selectable(false),
        )
        .on_hover_text(format!("{}\n{}", shown.name, shown.help));
    });
    ui.add(Label::new(more).truncate().selectable(false));
}

/// Every command, by group.
fn menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let menu = ui.menu_button("Menu", |ui| {
        // Only while it is open: the list is made anew each time.
        let all = commands(cx);
        for group in Group::ALL {
            let group_menu = ui.menu_button(group.name(), |ui| {
                // The palette's joints and models are more than a screen holds.
                let height = ui.ctx().content_rect().height() - 80.0;
                ScrollArea::vertical().max_height(height).show(ui, |ui| {
                    for command in all.iter().filter(|c| c.group == group) {
                        let keys = command.keys.first();
                        let keys = keys.map(|k| key_text(ui.ctx(), *k)).unwrap_or_default();
                        let entry = Button::new(command.title.as_str()).shortcut_text(keys);
                        let can = command.hindrance.is_none();
                        if ui
                            .add_enabled(can, entry)
                            .on_disabled_hover_text(command.hindrance.unwrap_or_default())
                            .accessible_name(&command.title)
                            .clicked()
                        {
                            cx.actions.push(command.action.clone());
                            ui.close();
                        }
                    }
                    if all.iter().all(|c| c.group != group) {
                        ui.label(RichText::new("None yet").color(theme::WEAK));
                    }
                });
            });
            group_menu.response.accessible_name(group.name());
        }
    });
    menu.response
        .on_hover_text("Everything the program can do, by group (Ctrl+K searches it)");
}

/// What the view shows.
struct Shown {
    name: String,
    /// Size of the picture, and which frame of a file it is.
    more: String,
    help: &'static str,
    color: Color32,
}

impl Shown {
    fn of(cx: &PanelContext<'_>) -> Option<Self> {
        match cx.view {
            // Training goes on beside the picture.
            View::Live | View::Train => Self::live(cx),
            View::Inspect => Self::inspected(cx),
        }
    }

    fn live(cx: &PanelContext<'_>) -> Option<Self> {
        let source = cx.session.source.as_ref()?;
        let presented = cx.session.presented.as_ref();
        Some(Self {
            name: source.name.clone(),
            more: presented.map_or(String::new(), |p| size_text(&p.frame)),
            help: "Where the pictures come from",
            color: source_color(cx),
        })
    }

    fn inspected(cx: &PanelContext<'_>) -> Option<Self> {
        let (film, subject) = (cx.inspect.film.as_ref(), cx.inspect.subject.as_ref());
        let name = film.map(|f| &f.name).or(subject.map(|s| &s.name))?;
        let size = subject.map(|s| size_text(&s.frame)).unwrap_or_default();
        let more = match film.filter(|f| !f.times.is_empty()) {
            Some(film) => format!("{size}   frame {} / {}", film.index, film.times.len() - 1),
            None => size,
        };
        let help = if film.is_some() {
            "The file that is looked into"
        } else {
            "The picture that is looked into, as it stood in the live picture"
        };
        Some(Self {
            name: name.clone(),
            more,
            help,
            color: theme::LEFT,
        })
    }
}

fn size_text(frame: &Frame) -> String {
    let size = frame.size();
    format!("{} × {}", size.width, size.height)
}

fn source_color(cx: &PanelContext<'_>) -> Color32 {
    match (cx.session.is_live(), cx.session.is_playing) {
        _ if cx.session.source_status != SourceStatus::Ok => theme::RED,
        (_, false) => theme::RIGHT,
        (true, true) => theme::GREEN,
        (false, true) => theme::LEFT,
    }
}

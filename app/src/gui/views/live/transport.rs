//! The transport along the bottom: timeline, playback, stepping, snapshots, recording.

use eframe::egui::{self, Align, Button, ComboBox, Label, Layout, RichText, Slider, Ui};
use poselens_engine::source::{Extent, SeekTo};

use crate::gui::action::{Action, PlaybackAction, RecordAction};
use crate::gui::icons::Icon;
use crate::gui::ui_state::{Recording, SPEEDS};
use crate::gui::views::live::go_to;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};

pub fn transport_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let has_source = cx.ui_state.source.is_some();
    ui.add_space(4.0);
    timeline_ui(ui, cx);
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        playback_ui(ui, cx, has_source);
        time_ui(ui, cx);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            record_ui(ui, cx, has_source);
            let snapshot = Button::new("Snapshot").min_size(egui::vec2(0.0, 34.0));
            if ui
                .add_enabled(cx.ui_state.presented.is_some(), snapshot)
                .on_hover_text("Saves the frame as PNG (Shift+Enter)")
                .clicked()
            {
                cx.actions.push(Action::Record(RecordAction::Snapshot));
            }
            if let Some(recording) = &cx.ui_state.recording {
                progress_ui(ui, recording);
            }
        });
    });
}

/// Returns the number of frames in the file, from its header or its index.
fn n_frames(cx: &LiveContext<'_>) -> Option<u64> {
    let declared = cx.ui_state.presented.as_ref()?.source.n_frames;
    let counted = || cx.ui_state.extent.as_ref().filter(|e| e.is_complete);
    declared.or_else(|| counted().map(|e| e.frames))
}

/// Returns the current frame and the last one that can be reached.
fn extent(cx: &LiveContext<'_>) -> Option<(u64, u64)> {
    let presented = cx.ui_state.presented.as_ref()?;
    let (at, last) = if presented.source.is_live {
        let last = (cx.ui_state.stats.held_frames as u64).checked_sub(1)?;
        let back = presented.review.map_or(0, |r| r.frames_back as u64);
        (last.saturating_sub(back), last)
    } else {
        let last = n_frames(cx)?.checked_sub(1)?;
        (presented.frame.id.min(last), last)
    };
    (last > 0).then_some((at, last))
}

fn timeline_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let extent = extent(cx);
    let (mut at, last) = extent.unwrap_or((0, 1));
    let help = if cx.ui_state.is_live() {
        format!(
            "The last {:.0} s of the live view: drag to go back; End follows it again",
            cx.ui_state.stats.held_secs
        )
    } else {
        "Drag to go to another frame; , and . go one frame back and on".to_owned()
    };
    ui.spacing_mut().interact_size.y = 18.0;
    let is_counting = |e: &&Extent| !e.is_complete && e.failure.is_none();
    let counted = cx.ui_state.extent.as_ref();
    if extent.is_none()
        && let Some(counting) = counted.filter(is_counting)
    {
        return widgets::counting_ui(ui, counting);
    }
    ui.spacing_mut().slider_width = ui.available_width();
    let slider = Slider::new(&mut at, 0..=last).show_value(false);
    let response = ui.add_enabled(extent.is_some(), slider);
    let response = widgets::help_above(response, &help)
        .on_disabled_hover_text(match counted.and_then(|e| e.failure.as_ref()) {
            Some(why) => format!("Nothing to go to: {why}"),
            None => "Seeking is not available: there is at most one frame".to_owned(),
        })
        .accessible_name("Time line");
    if response.changed() {
        send(cx, PlaybackAction::Seek(SeekTo::Frame(at)));
    }
}

fn playback_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, has_source: bool) {
    let is_live = cx.ui_state.is_live();
    let (icon, name) = if cx.ui_state.is_playing && !cx.ui_state.has_ended {
        (Icon::Pause, "Pause")
    } else {
        (Icon::Play, "Play")
    };
    let mut button = |ui: &mut Ui, icon: Icon, width, name: &str, help: &str, action| {
        let button = Button::new(icon.atom(None)).min_size(egui::vec2(width, 34.0));
        if ui
            .add_enabled(has_source, button)
            .on_hover_text(help)
            .accessible_name(name)
            .clicked()
        {
            send(cx, action);
        }
    };
    let help = format!("{name} (Space)");
    button(ui, icon, 44.0, name, &help, PlaybackAction::PlayPause);
    let (first, help) = if is_live {
        ("Oldest", "The oldest frame kept (Home)")
    } else {
        ("Restart", "From the beginning (Home)")
    };
    ui.spacing_mut().item_spacing.x = 4.0;
    button(ui, Icon::Restart, 36.0, first, help, PlaybackAction::First);
    let help = "One frame back (, or Left; with Shift ten)";
    let back = PlaybackAction::Step(-1);
    button(ui, Icon::StepBack, 36.0, "Frame back", help, back);
    let help = "One frame on (. or Right; with Shift ten)";
    let on = PlaybackAction::Step(1);
    button(ui, Icon::StepOn, 36.0, "Frame on", help, on);
    ui.spacing_mut().item_spacing.x = 8.0;
    if is_live {
        let live = Button::new("Live").min_size(egui::vec2(0.0, 34.0));
        if ui
            .add_enabled(!cx.ui_state.is_playing, live)
            .on_hover_text("Follows the live view again (End)")
            .on_disabled_hover_text("This is the live view")
            .accessible_name("Follow live")
            .clicked()
        {
            send(cx, PlaybackAction::Last);
        }
    } else if has_source {
        speed_ui(ui, cx);
    }
}

fn speed_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let combo = ComboBox::from_id_salt("speed")
        .width(58.0)
        .height(340.0)
        .selected_text(format!("{}×", cx.ui_state.speed))
        .show_ui(ui, |ui| {
            for speed in SPEEDS {
                let is_current = speed == cx.ui_state.speed;
                if ui
                    .selectable_label(is_current, format!("{speed}×"))
                    .clicked()
                {
                    send(cx, PlaybackAction::Speed(speed));
                }
            }
        });
    combo
        .response
        .on_hover_text(
            "How fast files play ([ slower, ] faster). Recordings keep real time at any speed",
        )
        .accessible_name("Speed");
}

fn time_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(presented) = &cx.ui_state.presented else {
        return;
    };
    let source = &presented.source;
    let counted = cx.ui_state.extent.as_ref().filter(|e| e.is_complete);
    let total = match (counted, source.n_frames, source.rate) {
        _ if source.is_live => None,
        (Some(extent), ..) => Some(extent.secs),
        (None, Some(n), Some(rate)) if rate > 0.0 => Some(n as f64 / rate),
        _ => None,
    };
    ui.add_space(6.0);
    let number = |text: String, color| {
        RichText::new(text)
            .font(theme::number_font(15.0))
            .color(color)
    };
    if let Some(review) = presented.review {
        let (back, held) = (review.secs_back, cx.ui_state.stats.held_secs);
        let text = number(format!("-{back:.1} s"), theme::RIGHT);
        ui.add(Label::new(text).selectable(false))
            .on_hover_text("Age of this frame");
        let text = format!("of {held:.0} s held");
        ui.add(Label::new(RichText::new(text).color(theme::WEAK)).selectable(false));
        return;
    }
    let now = widgets::clock(presented.frame.time_secs);
    ui.add(Label::new(number(now, theme::TEXT)).selectable(false))
        .on_hover_text("Time within the source");
    if let Some(total) = total {
        let text = number(format!("/ {}", widgets::clock(total)), theme::WEAK);
        ui.add(Label::new(text).selectable(false));
    }
    if !source.is_live
        && let Some(to) = go_to::go_to_ui(ui, presented.frame.id)
    {
        send(cx, PlaybackAction::Seek(to));
    }
    if cx.ui_state.recording.is_some() && !source.is_live && cx.ui_state.speed != 1.0 {
        let text = RichText::new("recorded in real time").small();
        ui.add(Label::new(text.color(theme::WEAK)).selectable(false));
    }
    let state = match (cx.ui_state.has_ended, cx.ui_state.is_playing) {
        (true, _) => "ended",
        (false, false) => "paused",
        (false, true) => return,
    };
    ui.add(Label::new(RichText::new(state).color(theme::RIGHT)).selectable(false));
}

fn record_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, has_source: bool) {
    let is_on = cx.ui_state.recording.is_some();
    let (text, fill, color) = if is_on {
        ("Stop recording", theme::RED, theme::STAGE)
    } else {
        ("Record", theme::FIELD, theme::TEXT)
    };
    let icon = if is_on {
        Icon::Stop.atom(Some(theme::STAGE))
    } else {
        Icon::Record.atom(Some(theme::RED))
    };
    let button = Button::new((icon, RichText::new(text).color(color).strong()))
        .fill(fill)
        .min_size(egui::vec2(0.0, 34.0));
    if ui
        .add_enabled(has_source || is_on, button)
        .on_hover_text("Writes the raw video, the annotated video and the poses to a folder (R)")
        .accessible_name(text)
        .clicked()
    {
        cx.actions.push(Action::Record(RecordAction::StartStop));
    }
}

fn progress_ui(ui: &mut Ui, recording: &Recording) {
    let elapsed = widgets::clock(recording.started.elapsed().as_secs_f64());
    let text = match &recording.progress {
        Some(p) => {
            let frames = match recording.total {
                Some(total) => format!("{} of {total} frames", p.frames),
                None => format!(
                    "{} of {} annotated   {} dropped",
                    p.annotated, p.frames, p.drops
                ),
            };
            format!("{elapsed}   {frames}   {}", widgets::megabytes(p.bytes))
        }
        None if recording.is_file => format!("{elapsed}   waiting for its turn"),
        None => format!("{elapsed}   waiting for a frame"),
    };
    ui.add_space(6.0);
    let text = RichText::new(text).font(theme::number_font(12.5));
    let label = Label::new(text.color(theme::TEXT))
        .truncate()
        .selectable(false);
    // Leaves room for the dot to the left of the time.
    let room = egui::vec2((ui.available_width() - 28.0).max(0.0), 34.0);
    let whole = if recording.is_file {
        "The whole file, every frame once, in its own time: speed, jumps and loops change \
             nothing.\n"
    } else {
        ""
    };
    ui.allocate_ui_with_layout(room, Layout::right_to_left(Align::Center), |ui| {
        ui.add(label).on_hover_text(format!(
            "{whole}Recording to {}",
            recording.folder.display()
        ));
    });
    widgets::dot_ui(ui, theme::RED);
}

fn send(cx: &mut LiveContext<'_>, action: PlaybackAction) {
    cx.actions.push(Action::Playback(action));
}

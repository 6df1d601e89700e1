//! The transport along the bottom: timeline, playback, stepping, snapshots, recording.

use eframe::egui::{self, Align, Button, ComboBox, Label, Layout, RichText, Slider, TextStyle, Ui};
use poselens_engine::source::{Extent, SeekTo, SourceInfo};

use crate::gui::action::{Action, PlaybackAction, RecordAction};
use crate::gui::icons::Icon;
use crate::gui::titles::clock;
use crate::gui::ui_state::{Recording, SPEEDS};
use crate::gui::views::live::go_to;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Minimum width of the progress of a recording in points; in less room, only the tooltip of the
/// recording button shows it.
const MIN_PROGRESS: f32 = 80.0;
/// Width kept free for the progress of a recording.
const PROGRESS: f32 = 170.0;

pub(super) fn transport_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let has_source = cx.ui_state.source.is_some();
    ui.add_space(4.0);
    timeline_ui(ui, cx);
    let start = |ui: &mut Ui, cx: &mut LiveContext<'_>| {
        playback_ui(ui, cx, has_source);
        time_ui(ui, cx);
        if let Some(recording) = &cx.ui_state.recording
            && ui.available_width() > MIN_PROGRESS
        {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                progress_ui(ui, recording);
            });
        }
    };
    let end = |ui: &mut Ui, cx: &mut LiveContext<'_>| {
        record_ui(ui, cx, has_source);
        let snapshot = Button::new("Snapshot").min_size(egui::vec2(0.0, 34.0));
        if ui
            .add_enabled(cx.ui_state.presented.is_some(), snapshot)
            .on_hover_text("Saves the frame as PNG (Shift+Enter)")
            .clicked()
        {
            cx.actions.push(Action::Record(RecordAction::Snapshot));
        }
    };
    widgets::split_row_ui(ui, "transport", cx, start, end);
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
            "The last {:.0} s of the live view: drag to go back; End returns to live",
            cx.ui_state.stats.held_secs
        )
    } else {
        "Drag to seek; , and . step one frame".to_owned()
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
        ("Restart", "Go to the beginning (Home)")
    };
    ui.spacing_mut().item_spacing.x = 4.0;
    button(ui, Icon::Restart, 36.0, first, help, PlaybackAction::First);
    let help = "Previous frame (, or Left; with Shift ten)";
    let back = PlaybackAction::Step(-1);
    button(ui, Icon::StepBack, 36.0, "Frame back", help, back);
    let help = "Next frame (. or Right; with Shift ten)";
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
            "Playback speed of files ([ slower, ] faster). Recordings keep real time at any speed",
        )
        .accessible_name("Speed");
}

fn time_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let Some(presented) = &cx.ui_state.presented else {
        return;
    };
    let source = &presented.source;
    let font = theme::number_font(15.0);
    let [body, small] = [TextStyle::Body, TextStyle::Small].map(|style| style.resolve(ui.style()));
    let is_recording = cx.ui_state.recording.is_some();
    let reserved = if is_recording { PROGRESS } else { 0.0 };
    ui.add_space(6.0);
    let number = |text: String, color| {
        let text = RichText::new(text).font(font.clone()).color(color);
        Label::new(text).selectable(false)
    };
    if let Some(review) = presented.review {
        let (back, held) = (review.secs_back, cx.ui_state.stats.held_secs);
        ui.add(number(format!("-{back:.2} s"), theme::RIGHT))
            .on_hover_text("Age of this frame");
        let text = format!("of {held:.0} s kept");
        widgets::fitting_label_ui(ui, &text, body, theme::WEAK, reserved);
        return;
    }
    let now = clock(presented.frame.time_secs);
    ui.add(number(now, theme::TEXT))
        .on_hover_text("Time within the source");
    let counted = cx.ui_state.extent.as_ref();
    if let Some(secs) = last_secs(source, counted).filter(|_| !source.is_live) {
        let text = format!("/ {}", clock(secs));
        if let Some(label) = widgets::fitting_label_ui(ui, &text, font, theme::WEAK, reserved) {
            label.on_hover_text("Time of the last frame");
        }
    }
    if !source.is_live
        && let Some(to) = go_to::go_to_ui(ui, presented.frame.id, reserved)
    {
        send(cx, PlaybackAction::GoTo(to));
    }
    let state = match (cx.ui_state.has_ended, cx.ui_state.is_playing) {
        (true, _) => Some("ended"),
        (false, false) => Some("paused"),
        (false, true) => None,
    };
    if let Some(state) = state {
        widgets::fitting_label_ui(ui, state, body, theme::RIGHT, reserved);
    }
    if is_recording && !source.is_live && cx.ui_state.speed != 1.0 {
        let text = "recorded in real time";
        widgets::fitting_label_ui(ui, text, small, theme::WEAK, reserved);
    }
}

/// Returns the time of a file's last frame, so that the clock reaches it at the end: from the index
/// or else from the header.
fn last_secs(source: &SourceInfo, counted: Option<&Extent>) -> Option<f64> {
    if let Some(extent) = counted.filter(|extent| extent.is_complete) {
        return Some(extent.secs);
    }
    let rate = source.rate.filter(|rate| *rate > 0.0)?;
    Some(source.n_frames?.checked_sub(1)? as f64 / rate)
}

fn record_ui(ui: &mut Ui, cx: &mut LiveContext<'_>, has_source: bool) {
    let is_on = cx.ui_state.is_recording();
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
    let help = match &cx.ui_state.recording {
        Some(recording) => format!("{} (R)", progress_text(recording)),
        None if is_on => "Stops recording this file; everything written is kept (R)".to_owned(),
        None => {
            "Writes the raw video, the annotated video and the poses to a folder (R)".to_owned()
        }
    };
    if ui
        .add_enabled(has_source || is_on, button)
        .on_hover_text(help)
        .accessible_name(text)
        .clicked()
    {
        cx.actions.push(Action::Record(RecordAction::StartStop));
    }
}

fn progress_text(recording: &Recording) -> String {
    let Some(p) = &recording.progress else {
        // Nothing has been recorded, so there is no time to show.
        let waits_for = if recording.is_file {
            "its turn"
        } else {
            "a frame"
        };
        return format!("waiting for {waits_for}");
    };
    // A file has its own time, which the finished recording shows as well.
    let elapsed = if recording.is_file {
        clock(p.length_secs())
    } else {
        clock(recording.started.elapsed().as_secs_f64())
    };
    let frames = match recording.total {
        Some(total) => format!("{} of {}", p.frames, counted(total, "frame")),
        None => format!(
            "{} of {} annotated   {} dropped",
            p.annotated, p.frames, p.drops
        ),
    };
    format!("{elapsed}   {frames}   {}", widgets::megabytes(p.bytes))
}

fn progress_ui(ui: &mut Ui, recording: &Recording) {
    let text = RichText::new(progress_text(recording)).font(theme::number_font(12.5));
    let label = Label::new(text.color(theme::TEXT))
        .truncate()
        .selectable(false);
    // Leaves room for the dot to the left of the time.
    let room = egui::vec2((ui.available_width() - 28.0).max(0.0), 34.0);
    let whole = if recording.is_file {
        "The complete file, every frame once, at its own times: playback speed, seeking and \
         looping have no effect.\n"
    } else {
        ""
    };
    ui.allocate_ui_with_layout(room, Layout::right_to_left(Align::Center), |ui| {
        ui.add(label).on_hover_text(format!(
            "{whole}Recording to {}",
            recording.folder.display()
        ));
    });
    if recording.progress.is_some() {
        widgets::dot_ui(ui, theme::RED);
    }
}

fn send(cx: &mut LiveContext<'_>, action: PlaybackAction) {
    cx.actions.push(Action::Playback(action));
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Instant;

    use poselens_engine::pipeline::TapProgress;

    use super::*;
    use crate::gui::context::SourceChoice;

    /// Fails when a recording that waits shows a time as if it were running, or a running one shows
    /// none.
    #[test]
    fn a_waiting_recording_shows_no_time() {
        let source = SourceChoice {
            label: "clip.mp4".to_owned(),
            spec: "clip.mp4".to_owned(),
        };
        let mut recording = Recording {
            source,
            is_file: true,
            total: Some(9),
            started: Instant::now(),
            folder: PathBuf::new(),
            progress: None,
        };
        assert_eq!(progress_text(&recording), "waiting for its turn");
        recording.is_file = false;
        assert_eq!(progress_text(&recording), "waiting for a frame");
        recording.progress = Some(TapProgress::default());
        assert!(progress_text(&recording).starts_with("0:0"));
    }

    /// Fails when the length of a file changes once its frames are counted, or the clock does not
    /// reach it.
    #[test]
    fn the_length_is_the_time_of_the_last_frame() {
        let source = SourceInfo {
            name: "clip.mp4".to_owned(),
            size: None,
            rate: Some(25.0),
            n_frames: Some(703),
            is_live: false,
        };
        let counted = |is_complete| Extent {
            frames: 703,
            secs: 28.08,
            share: None,
            is_complete,
            failure: None,
        };
        let texts = [None, Some(counted(false)), Some(counted(true))]
            .map(|extent| last_secs(&source, extent.as_ref()).map(clock));
        assert!(texts.iter().all(|text| text.as_deref() == Some("0:28.08")));
        let unknown = SourceInfo {
            n_frames: None,
            ..source
        };
        assert_eq!(last_secs(&unknown, None), None);
    }
}

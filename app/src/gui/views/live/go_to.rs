//! The field that shows the frame number and seeks.

use eframe::egui::{Id, TextEdit, Ui};
use poselens_engine::source::SeekTo;

use crate::gui::{theme, widgets};

const FONT_SIZE: f32 = 13.0;

/// Shows the frame's number, counted from 0, if the row has room for it and for `reserved` points
/// more; returns the seek target if one was entered.
pub(super) fn go_to_ui(ui: &mut Ui, frame: u64, reserved: f32) -> Option<SeekTo> {
    let id = Id::unique("go to");
    let typed = ui.data(|d| d.get_temp::<String>(id));
    let mut text = typed.unwrap_or_else(|| format!("frame {frame}"));
    let width = field_width(ui, &text);
    if width + reserved > ui.available_width() {
        return None;
    }
    let field = TextEdit::singleline(&mut text)
        .id(id.with("field"))
        .font(theme::number_font(FONT_SIZE))
        .desired_width(width);
    let response = ui
        .add(field)
        .on_hover_text(
            "The frame, counted from 0. Type a frame (12) or a time (0:01.5, 1.5 s) and press \
             Enter to go there",
        )
        .accessible_name("Go to");
    if response.gained_focus() {
        text.clear();
    }
    let is_entered = widgets::is_entered(ui, &response);
    // Queried before `data_mut`: both take the same non-reentrant lock.
    if response.has_focus() {
        ui.data_mut(|d| d.insert_temp(id, text.clone()));
    } else {
        ui.data_mut(|d| d.remove_temp::<String>(id));
    }
    is_entered.then(|| parsed(&text)).flatten()
}

/// Returns the width of the field in points: all of the text is visible, and small numbers do not
/// move what follows.
fn field_width(ui: &Ui, text: &str) -> f32 {
    const MIN_WIDTH: f32 = 86.0;
    const MARGINS: f32 = 32.0;
    let width = widgets::text_width(ui, text, theme::number_font(FONT_SIZE));
    (width + MARGINS).max(MIN_WIDTH)
}

/// Parses a frame (`12`, `frame 12`) or a time (`0:01.5`, `1.5`, `1 s`).
fn parsed(text: &str) -> Option<SeekTo> {
    let text = text.trim().to_lowercase();
    if let Ok(frame) = text.trim_start_matches("frame").trim().parse() {
        return Some(SeekTo::Frame(frame));
    }
    widgets::clock_secs(text.trim_end_matches('s')).map(SeekTo::Secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a time is parsed as a frame or vice versa, or invalid input seeks anywhere.
    #[test]
    fn frames_and_times_are_told_apart() {
        assert_eq!(parsed("12"), Some(SeekTo::Frame(12)));
        assert_eq!(parsed(" Frame 7 "), Some(SeekTo::Frame(7)));
        assert_eq!(parsed("1.5"), Some(SeekTo::Secs(1.5)));
        assert_eq!(parsed("2 s"), Some(SeekTo::Secs(2.0)));
        assert_eq!(parsed("1:02,5"), Some(SeekTo::Secs(62.5)));
        for nonsense in ["", "frame", "-3", "x", "1:x", "nan", "inf"] {
            assert_eq!(parsed(nonsense), None, "{nonsense}");
        }
    }
}

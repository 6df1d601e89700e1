//! The field that shows the frame number and seeks.

use eframe::egui::{Id, TextEdit, Ui};
use poselens_engine::source::SeekTo;

use crate::gui::titles::CLOCK_ROUNDING_SECS;
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
            "The frame, counted from 0. Type a frame (12) or a time (0:01.50, 1.5 s) and press \
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
    let secs = widgets::clock_secs(text.trim_end_matches('s'))?;
    // A displayed time may be rounded down: typed, it leads to the frame it was displayed for.
    Some(SeekTo::Secs(secs + CLOCK_ROUNDING_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gui::titles::clock;

    /// Fails when a time is parsed as a frame or vice versa, the displayed time of a frame leads to
    /// the one before it, or invalid input seeks anywhere.
    #[test]
    fn frames_and_times_are_told_apart() {
        assert_eq!(parsed("12"), Some(SeekTo::Frame(12)));
        assert_eq!(parsed(" Frame 7 "), Some(SeekTo::Frame(7)));
        for (text, secs) in [("1.5", 1.5), ("2 s", 2.0), ("1:02,5", 62.5)] {
            let wanted = SeekTo::Secs(secs + CLOCK_ROUNDING_SECS);
            assert_eq!(parsed(text), Some(wanted), "{text}");
        }
        let shown = |frame: u32| f64::from(frame) / 30.0;
        for frame in 0..90 {
            let Some(SeekTo::Secs(secs)) = parsed(&clock(shown(frame))) else {
                panic!("frame {frame}");
            };
            assert!(shown(frame) <= secs && secs < shown(frame + 1), "{frame}");
        }
        for nonsense in ["", "frame", "-3", "x", "1:x", "nan", "inf"] {
            assert_eq!(parsed(nonsense), None, "{nonsense}");
        }
    }
}

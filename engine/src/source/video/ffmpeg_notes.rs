//! Parser for the messages of an ffmpeg process.

use super::aspect::PixelAspect;
use crate::geometry::Size;

/// A relevant message of ffmpeg.
#[derive(Debug, PartialEq)]
pub(super) enum Note {
    /// Seconds per unit of `pts`, and the nominal frame rate if known.
    Clock { tick_secs: f64, rate: Option<f64> },
    /// Time, if any, size and pixel aspect ratio of the next frame. (The time in seconds in the
    /// same message has six digits only: 10 ms after a quarter of an hour.)
    Frame {
        pts: Option<i64>,
        size: Size,
        aspect: PixelAspect,
    },
    /// Time of the first frame of an undamaged file of this format.
    Input(Origin),
    /// Duration of the file as declared, and time of its first packet, in seconds.
    Extent {
        secs: Option<f64>,
        start_secs: Option<f64>,
    },
    /// An error, whether ffmpeg continues or not.
    Complaint(String),
}

/// Time of the first frame of an undamaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Zero: the format counts from there.
    Zero,
    /// The start that ffmpeg reports: it comes from an index of all packets.
    Start,
    /// Not known: the file may be a part of a broadcast.
    Unknown,
}

/// Warnings that mean damage of the file, unlike others.
const DAMAGE_WARNINGS: &[&str] = &[
    "Packet corrupt",
    "corrupt decoded frame",
    "Continuity check failed",
];

/// Parses a line. `prefix` is the file's name in front of some errors.
pub(super) fn parse(line: &str, prefix: &str) -> Option<Note> {
    let line = line.trim_end();
    if line.starts_with("[Parsed_showinfo") {
        let word_after = |key: &str| {
            let (_, rest) = line.split_once(key)?;
            rest.split([' ', ',']).find(|word| !word.is_empty())
        };
        if let Some(time_base) = word_after(" config in time_base: ") {
            return Some(Note::Clock {
                tick_secs: fraction(time_base)?,
                rate: word_after(" frame_rate: ").and_then(fraction),
            });
        }
        let pts = word_after(" pts:")?.parse().ok();
        let (width, height) = word_after(" s:")?.split_once('x')?;
        let size = Size::new(width.parse().ok()?, height.parse().ok()?);
        let aspect = word_after(" sar:")
            .and_then(|text| text.split_once('/'))
            .and_then(|(w, h)| PixelAspect::new(w.parse().ok()?, h.parse().ok()?));
        let aspect = aspect.unwrap_or(PixelAspect::SQUARE);
        return Some(Note::Frame { pts, size, aspect });
    }
    if let Some((_, rest)) = line.split_once("[info]   Duration: ") {
        let (secs, start) = rest.split_once(", start: ").unwrap_or((rest, ""));
        let start = start.split(',').next().unwrap_or_default();
        return Some(Note::Extent {
            secs: duration(secs.split(',').next()?),
            start_secs: start.trim().parse().ok(),
        });
    }
    if let Some((_, format)) = line.split_once("[info] Input #0, ") {
        return Some(Note::Input(match format.split([',', ' ']).next()? {
            "matroska" | "avi" => Origin::Zero,
            "mov" => Origin::Start,
            _ => Origin::Unknown,
        }));
    }
    if let Some((_, text)) = line.split_once("[warning] ") {
        let is_damage = DAMAGE_WARNINGS.iter().any(|what| text.starts_with(what));
        return is_damage.then(|| Note::Complaint(text.to_owned()));
    }
    let text = ["[error] ", "[fatal] ", "[panic] "]
        .iter()
        .find_map(|level| line.split_once(level))
        .map(|(_, text)| text)?;
    // Concerns ffmpeg's output, not the file: frames around a change of size may share a time
    // there, and none is lost.
    if text.starts_with("Application provided invalid, non monotonically increasing dts") {
        return None;
    }
    Some(Note::Complaint(
        text.strip_prefix(prefix).unwrap_or(text).to_owned(),
    ))
}

/// Parses `01:02:03.45` to seconds; `None` for `N/A` and empty text.
fn duration(text: &str) -> Option<f64> {
    let mut parts = text.trim().split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, secs) = (parts.next()??, parts.next()??, parts.next()??);
    let whole = 3600.0 * hours + 60.0 * minutes + secs;
    (whole.is_finite() && whole > 0.0).then_some(whole)
}

/// Returns the value of `1001/30000`; `None` for `0/0`, which means "unknown".
fn fraction(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/')?;
    let value = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the format of ffmpeg's messages, or a frame without a time, is misread.
    #[test]
    fn messages_are_parsed() {
        let head = "[Parsed_showinfo_0 @ 0x5581] [info]";
        let note = |text: &str| parse(text, "file:a.avi: ");
        let frame =
            "n:   3 pts:   4608 pts_time:0.3     duration: 1 fmt:yuv420p sar:1/1 s:96x64 i:P";
        assert_eq!(
            note(&format!("{head} {frame}\n")),
            Some(Note::Frame {
                pts: Some(4608),
                size: Size::new(96, 64),
                aspect: PixelAspect::SQUARE
            })
        );
        assert_eq!(
            note(&format!(
                "{head} n:0 pts:NOPTS pts_time:NOPTS sar:64/45 s:2x3 i:P"
            )),
            Some(Note::Frame {
                pts: None,
                size: Size::new(2, 3),
                aspect: PixelAspect::new(64, 45).unwrap()
            })
        );
        assert_eq!(
            note(&format!(
                "{head} config in time_base: 1/15360, frame_rate: 30/1"
            )),
            Some(Note::Clock {
                tick_secs: 1.0 / 15360.0,
                rate: Some(30.0)
            })
        );
        assert_eq!(
            note(&format!(
                "{head} config in time_base: 1/90000, frame_rate: 1/0"
            )),
            Some(Note::Clock {
                tick_secs: 1.0 / 90000.0,
                rate: None
            })
        );
        let muxer = "[error] Application provided invalid, non monotonically increasing dts to \
                     muxer in stream 0: 27 >= 27";
        assert_eq!(note(&format!("[rawvideo @ 0x5581] {muxer}")), None);
        let out = "config out time_base: 0/0, frame_rate: 0/0";
        assert_eq!(note(&format!("{head} {out}")), None);
        assert_eq!(
            note("[error] file:a.avi: Invalid data found"),
            Some(Note::Complaint("Invalid data found".into()))
        );
        assert_eq!(note("[info]   Stream #0:0: Video: mjpeg"), None);
        let lasts = |text: &str| note(&format!("[info]   Duration: {text}, start: 0.0"));
        let extent = |secs| {
            Some(Note::Extent {
                secs,
                start_secs: Some(0.0),
            })
        };
        assert_eq!(lasts("01:02:03.50"), extent(Some(3723.5)));
        assert_eq!(lasts("N/A"), extent(None));
        assert_eq!(
            note("[info] Input #0, matroska,webm, from 'a.webm':"),
            Some(Note::Input(Origin::Zero))
        );
        assert_eq!(
            note("[mpegts @ 0x5581] [warning] Packet corrupt (stream = 0, dts = 183000)."),
            Some(Note::Complaint(
                "Packet corrupt (stream = 0, dts = 183000).".into()
            ))
        );
        assert_eq!(
            note("[mpegts @ 0x5581] [warning] start time is not set"),
            None
        );
        assert_eq!(note("[info] title: n: 0 pts_time:1 s:9x9"), None);
    }
}

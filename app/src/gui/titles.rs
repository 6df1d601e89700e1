//! Display names of joints, recordings and times.

use std::path::{Path, PathBuf};

use poselens_engine::pipeline::TapProgress;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::words::joint_words;

use crate::words::counted;

/// Capitalises a name: `skeleton` -> `Skeleton`.
pub(super) fn sentence(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Returns the display name of a joint: `l_wrist` -> `Left wrist`.
pub(super) fn joint_title(joint: &str) -> String {
    sentence(&joint_words(joint))
}

/// Returns the display name of limb `l`: `Left elbow to left wrist`.
pub(super) fn limb_title(skeleton: &Skeleton, l: usize) -> String {
    let [a, b] = skeleton.limbs[l].map(|j| joint_title(&skeleton.joints[j]));
    format!("{a} to {}", b.to_lowercase())
}

/// Shortens a time stamp: `2026-03-01_14-05-59.250` -> `03-01 14:05`.
pub(super) fn moment(started: &str) -> String {
    let text = || {
        let (date, time) = started.split_once('_')?;
        let (_, day) = date.split_once('-')?;
        let mut parts = time.split('-');
        Some(format!("{day} {}:{}", parts.next()?, parts.next()?))
    };
    text().unwrap_or_else(|| started.to_owned())
}

/// Returns what a recording is called: its source, or its folder if that was renamed and no longer
/// begins with a time.
pub(super) fn recording_name<'a>(folder: &'a str, source: &'a str) -> &'a str {
    if moment(folder) == folder {
        folder
    } else {
        source
    }
}

/// Returns the frame count of a recording and what is missing: `65 frames`, `65 frames, 14 of 65
/// annotated, 3 of 68 lost`.
pub(super) fn frames_text(progress: &TapProgress) -> String {
    let (frames, annotated, drops) = (progress.frames, progress.annotated, progress.drops);
    let mut parts = vec![counted(frames, "frame")];
    if annotated < frames {
        parts.push(format!("{annotated} of {frames} annotated"));
    }
    if drops > 0 {
        parts.push(format!("{drops} of {} lost", frames + drops));
    }
    parts.join(", ")
}

/// Largest distance of a time in seconds from what [`clock`] shows.
pub(super) const CLOCK_ROUNDING_SECS: f64 = 0.005;

/// Formats a time or length in seconds, rounded to a hundredth: `3:07.40`.
pub(super) fn clock(secs: f64) -> String {
    let hundredths = (100.0 * secs.max(0.0)).round() as u64;
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    format!("{}:{:02}.{rest:02}", whole / 60, whole % 60)
}

/// Says that a recording consists of several videos; `None` for a single one.
pub(super) fn parts_text(n_parts: usize) -> Option<String> {
    (n_parts > 1).then(|| format!("in {n_parts} parts: the picture size changes"))
}

/// Returns the message about a finished recording.
pub(super) fn recorded_text(progress: &TapProgress) -> String {
    let parts = parts_text(progress.n_parts);
    let remarks = parts.iter().chain(&progress.remarks);
    let remarks: Vec<&str> = remarks.map(String::as_str).collect();
    let remarks = match remarks.as_slice() {
        [] => String::new(),
        some => format!("; {}", some.join("; ")),
    };
    // Images of a folder may have no times.
    let length = match progress.length_secs() {
        secs if secs >= CLOCK_ROUNDING_SECS => format!("{}, ", clock(secs)),
        _ => String::new(),
    };
    format!(
        "Recorded {length}{} to {}{remarks}",
        frames_text(progress),
        progress.path.display()
    )
}

/// Returns a message that begins with the name of what it is about, once: some already begin with
/// the name or the path.
pub(super) fn about(name: &str, text: &str) -> String {
    let subject = text.split_once(": ").map_or("", |(subject, _)| subject);
    if text.starts_with(name) || Path::new(subject).ends_with(name) {
        text.to_owned()
    } else {
        format!("{name}: {text}")
    }
}

/// Formats a camera mode: `1280 × 720, 30 fps, MJPEG`.
pub(super) fn format_text(format: &CameraFormat) -> String {
    let CameraFormat { size, pixels, .. } = format;
    let rate = format.rate_text();
    format!("{} × {}, {rate}, {pixels}", size.width, size.height)
}

/// Returns the message about written files or folders: the path of a single one, or all names and
/// the folder that they are in.
pub(super) fn saved_text(paths: &[PathBuf]) -> String {
    match paths {
        [only] => format!("Saved {}", only.display()),
        several => {
            let names: Vec<_> = several.iter().map(|path| folder_name(path)).collect();
            let folder = several.first().and_then(|path| path.parent());
            let folder = folder.unwrap_or(Path::new(""));
            format!("Saved {} in {}", names.join(" and "), folder.display())
        }
    }
}

/// Returns the last part of a path, such as the name of a recording's folder.
pub(super) fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a joint is listed by its internal name or without its side.
    #[test]
    fn joints_have_display_names() {
        assert_eq!(joint_title("l_wrist"), "Left wrist");
        assert_eq!(joint_title("r_big_toe"), "Right big toe");
        assert_eq!(joint_title("nose"), "Nose");
        assert_eq!(joint_title("upper_neck"), "Upper neck");
    }

    /// Fails when the message about a recording cuts its length off, gives the time of its last
    /// frame instead, or hides that its frames were scaled or that it has several videos.
    #[test]
    fn recordings_are_described_by_their_whole_length() {
        let mut progress = TapProgress {
            path: "/out/a".into(),
            frames: 59,
            annotated: 59,
            secs: 58.0 / 30.0,
            ..TapProgress::default()
        };
        assert_eq!(
            recorded_text(&progress),
            "Recorded 0:01.97, 59 frames to /out/a"
        );
        progress.remarks.push("scaled down".to_owned());
        assert!(recorded_text(&progress).ends_with("/out/a; scaled down"));
        // Two videos of 12 frames.
        progress = TapProgress {
            path: "/out/a".into(),
            frames: 24,
            annotated: 24,
            secs: 22.0 / 30.0,
            n_parts: 2,
            ..TapProgress::default()
        };
        assert_eq!(
            recorded_text(&progress),
            "Recorded 0:00.80, 24 frames to /out/a; in 2 parts: the picture size changes"
        );
    }

    /// Fails when a warning that names its file is shown with the name twice.
    #[test]
    fn a_warning_names_its_file_once() {
        for text in ["a.mkv: cut off", "cut off"] {
            assert_eq!(about("a.mkv", text), "a.mkv: cut off");
        }
        assert_eq!(about("a.mkv", "/b/a.mkv: gone"), "/b/a.mkv: gone");
    }

    /// Fails when the message about several written files names only one of them.
    #[test]
    fn every_written_file_is_named() {
        let all = ["/out/a.npy", "/out/a_second.npy"].map(PathBuf::from);
        assert_eq!(saved_text(&all[..1]), "Saved /out/a.npy");
        assert_eq!(saved_text(&all), "Saved a.npy and a_second.npy in /out");
    }

    /// Fails when a recording's time is not shortened, its list entry repeats the time, or an unexpected format causes a panic.
    #[test]
    fn recording_times_are_shortened() {
        assert_eq!(moment("2026-03-01_14-05-59.250"), "03-01 14:05");
        assert_eq!(moment("someday"), "someday");
        let folder = "2026-11-30_13-27-15.734 walk.mp4";
        assert_eq!(recording_name(folder, "walk.mp4"), "walk.mp4");
        assert_eq!(recording_name("Anna", "walk.mp4"), "Anna");
    }

    /// Fails when a time just below a full minute rounds to `:60`, seconds or hundredths lose their
    /// leading zero, or successive frames at 60 a second have the same time.
    #[test]
    fn clock_times_round_and_pad_correctly() {
        assert_eq!(clock(0.0), "0:00.00");
        assert_eq!(clock(59.99), "0:59.99");
        assert_eq!(clock(59.996), "1:00.00");
        assert_eq!(clock(187.05), "3:07.05");
        assert_eq!(clock(62.0 / 30.0), "0:02.07");
        assert_eq!(clock(-1.0), "0:00.00");
        let mut texts: Vec<_> = (0..120).map(|i| clock(f64::from(i) / 60.0)).collect();
        texts.dedup();
        assert_eq!(texts.len(), 120);
    }
}

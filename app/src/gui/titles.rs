//! Display names of joints, recordings and times.

use std::path::Path;

use poselens_engine::pipeline::TapProgress;

/// Capitalises a name: `skeleton` -> `Skeleton`.
pub fn sentence(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// Returns the display name of a joint: `l_wrist` -> `Left wrist`.
pub fn joint_title(joint: &str) -> String {
    let text = match joint.split_once('_') {
        Some(("l", rest)) => format!("left {rest}"),
        Some(("r", rest)) => format!("right {rest}"),
        _ => joint.to_owned(),
    };
    sentence(&text.replace('_', " "))
}

/// Shortens a time stamp: `2026-03-01_14-05-59.250` -> `03-01 14:05`.
pub fn moment(started: &str) -> String {
    let text = || {
        let (date, time) = started.split_once('_')?;
        let (_, day) = date.split_once('-')?;
        let mut parts = time.split('-');
        Some(format!("{day} {}:{}", parts.next()?, parts.next()?))
    };
    text().unwrap_or_else(|| started.to_owned())
}

/// Returns the frame count of a recording and what is missing: `65 frames`, `65 frames, 14 of 65
/// annotated, 3 of 68 lost`.
pub fn frames_text(progress: &TapProgress) -> String {
    let (frames, annotated, drops) = (progress.frames, progress.annotated, progress.drops);
    let mut parts = vec![format!("{frames} frames")];
    if annotated < frames {
        parts.push(format!("{annotated} of {frames} annotated"));
    }
    if drops > 0 {
        parts.push(format!("{drops} of {} lost", frames + drops));
    }
    parts.join(", ")
}

/// Returns the name of a recording's folder.
pub fn folder_name(folder: &Path) -> String {
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

    /// Fails when a recording's time is not shortened, or an unexpected format causes a panic.
    #[test]
    fn recording_times_are_shortened() {
        assert_eq!(moment("2026-03-01_14-05-59.250"), "03-01 14:05");
        assert_eq!(moment("someday"), "someday");
    }
}

//! System errors in words for the user.

use std::io;

use crate::error::Error;
use crate::source::camera::driver::Refusal;

/// Returns reason and remedy; the failed step is only named if the error is uninformative.
fn reason(step: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EBUSY) => "in use by another program; close that one, or choose another camera",
        Some(libc::EACCES | libc::EPERM) => {
            "no permission to use it; join the group `video` (sudo usermod -aG video $USER) and log in again"
        }
        Some(libc::ENODEV | libc::ENXIO | libc::ENOENT) => {
            "no such device; it may have been unplugged: check its plug"
        }
        Some(libc::ENOSPC) => {
            "the USB bus has no bandwidth left for it; use another port, or unplug other devices"
        }
        _ => {
            let text = error.to_string();
            // The number is for programmers.
            let text = text.split(" (os error").next().unwrap_or_default();
            return format!("{step} ({text}); unplug the camera and plug it in again");
        }
    }
    .to_owned()
}

/// Returns the error for a failed step of opening or reading.
pub(super) fn failure(camera: &str, step: &str, error: &io::Error) -> Error {
    Error::source(camera, reason(step, error))
}

/// Returns the refusal of a format.
pub(super) fn refusal(camera: &str, error: &io::Error) -> Refusal {
    let failure = failure(camera, "it does not start", error);
    match error.raw_os_error() {
        Some(
            libc::EBUSY | libc::EACCES | libc::EPERM | libc::ENODEV | libc::ENXIO | libc::ENOENT,
        ) => Refusal::Camera(failure),
        _ => Refusal::Format(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when two failures with different remedies have the same message, one uses the system's
    /// wording, or a camera is given up because of one format.
    #[test]
    fn every_failure_has_its_own_words() {
        let text = |code| {
            let error = io::Error::from_raw_os_error(code);
            failure("Cam", "it does not open", &error).to_string()
        };
        let all = [libc::EBUSY, libc::EACCES, libc::ENODEV, libc::ENOSPC].map(text);
        for (i, text) in all.iter().enumerate() {
            assert!(
                text.starts_with("Cam: ") && !text.contains("os error"),
                "{text}"
            );
            assert!(!all[..i].contains(text), "{text}");
        }
        let other = text(libc::EPROTO);
        assert!(
            other.contains("does not open") && !other.contains("os error"),
            "{other}"
        );
        let is_final = |code| {
            let error = io::Error::from_raw_os_error(code);
            matches!(refusal("Cam", &error), Refusal::Camera(_))
        };
        assert!(is_final(libc::EBUSY) && is_final(libc::ENODEV));
        assert!(!is_final(libc::ENOSPC) && !is_final(libc::EINVAL));
    }
}

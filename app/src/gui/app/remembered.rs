//! The camera of the last time, found again.

use super::super::{AppState, SourceChoice};

/// The camera last used, if it is there: of two of one name the one in its place.
pub(super) fn remembered<'a>(
    cameras: &'a [SourceChoice],
    state: &AppState,
) -> Option<&'a SourceChoice> {
    let saved = state.camera.as_deref()?;
    // Two cameras of one name carry their place behind it, as long as both are there.
    let is_longer = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|r| r.starts_with(" ("));
    let is_named =
        |label: &str| label == saved || is_longer(label, saved) || is_longer(saved, label);
    let place = state.camera_place.as_deref();
    let by = |is_it: &dyn Fn(&SourceChoice) -> bool| cameras.iter().find(|c| is_it(c));
    by(&|c| Some(c.spec.as_str()) == place && is_named(&c.label))
        .or_else(|| by(&|c| c.label == saved))
        .or_else(|| by(&|c| is_named(&c.label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(label: &str, spec: &str) -> SourceChoice {
        SourceChoice {
            label: label.to_owned(),
            spec: spec.to_owned(),
        }
    }

    /// Fails when of two equal webcams the other one is opened at the next start because the chosen
    /// one was alone when it was chosen, or another camera in its place is taken for it.
    #[test]
    fn a_camera_is_remembered_by_its_place() {
        let state = |label: &str, place: Option<&str>| AppState {
            camera: Some(label.to_owned()),
            camera_place: place.map(str::to_owned),
            ..AppState::default()
        };
        let twins = [
            camera("Cam (usb-1)", "camera:usb-1"),
            camera("Cam (usb-2)", "camera:usb-2"),
        ];
        let found = |cameras: &[SourceChoice], label, place| {
            let state = state(label, place);
            remembered(cameras, &state).map(|c| c.spec.clone())
        };
        let second = Some("camera:usb-2".to_owned());
        assert_eq!(found(&twins, "Cam", Some("camera:usb-2")), second);
        assert_eq!(found(&twins, "Cam (usb-2)", None), second, "an older file");
        let alone = [camera("Cam", "camera:usb-2")];
        assert_eq!(found(&alone, "Cam (usb-2)", Some("camera:usb-2")), second);
        assert_eq!(found(&alone, "Cam", Some("camera:usb-1")), second, "moved");
        let other = [
            camera("Other", "camera:usb-2"),
            camera("Cam", "camera:usb-3"),
        ];
        let moved = Some("camera:usb-3".to_owned());
        assert_eq!(found(&other, "Cam", Some("camera:usb-2")), moved);
        assert_eq!(found(&other[..1], "Cam", Some("camera:usb-2")), None);
    }
}

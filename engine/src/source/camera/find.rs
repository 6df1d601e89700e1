//! Selection of the camera that the user specified.

use super::driver::CameraInfo;
use crate::error::{Error, Result};

/// Specification of a camera.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// `camera`: the first one that works.
    First,
    /// `camera:0`, `camera:/dev/video0`
    Index(u32),
    /// `camera:NAME`: the name or the path of the bus, or a part of it, ignoring case.
    Name(String),
    /// The camera that was open before, possibly under another index now.
    Again(Identity),
}

/// Properties of a camera that persist when it is unplugged and plugged in again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Identity {
    /// Description at the time it was opened.
    pub(super) info: CameraInfo,
    /// Ids of the other cameras of the same name, which must not be mistaken for this one.
    twins: Vec<String>,
}

impl Identity {
    pub(super) fn new(info: CameraInfo, all: &[CameraInfo]) -> Self {
        let twins = all
            .iter()
            .filter(|c| c.name == info.name && c.id != info.id)
            .map(|c| c.id.clone())
            .collect();
        Self { info, twins }
    }

    /// Returns the name, with the connection if another camera has the same name.
    pub(super) fn label(&self) -> String {
        if self.twins.is_empty() {
            self.info.name.clone()
        } else {
            format!("{} ({})", self.info.name, self.info.id)
        }
    }
}

impl Target {
    /// Parses the text after `camera:`.
    pub(super) fn parse(argument: &str) -> Self {
        match argument.trim() {
            "" => Self::First,
            text => text
                .strip_prefix("/dev/video")
                .unwrap_or(text)
                .parse()
                .map_or_else(|_| Self::Name(text.to_owned()), Self::Index),
        }
    }

    /// Returns a description for messages.
    pub(super) fn label(&self) -> String {
        match self {
            Self::First => "camera".to_owned(),
            Self::Index(i) => format!("camera {i}"),
            Self::Name(name) => format!("camera {name}"),
            Self::Again(identity) => identity.label(),
        }
    }

    /// Returns the matching cameras in the order in which to try them: one, unless none was
    /// specified.
    ///
    /// # Errors
    /// When there is none; the message lists the available ones.
    pub(super) fn find(&self, cameras: &[CameraInfo]) -> Result<Vec<CameraInfo>> {
        let by = |is_meant: &dyn Fn(&CameraInfo) -> bool| cameras.iter().find(|c| is_meant(c));
        let found = match self {
            Self::First if !cameras.is_empty() => return Ok(cameras.to_vec()),
            Self::First => None,
            Self::Index(i) => by(&|c| c.index == *i),
            Self::Name(name) => {
                let lower = name.to_lowercase();
                let contains = |text: &str| text.to_lowercase().contains(&lower);
                by(&|c| c.label(cameras) == *name || c.id == *name)
                    .or_else(|| by(&|c| c.name == *name))
                    .or_else(|| by(&|c| contains(&c.name)))
                    .or_else(|| by(&|c| contains(&c.label(cameras)) || contains(&c.id)))
            }
            Self::Again(Identity { info, twins }) => {
                by(&|c| c.name == info.name && c.id == info.id)
                    .or_else(|| by(&|c| c.name == info.name && !twins.contains(&c.id)))
            }
        };
        found.map(|camera| vec![camera.clone()]).ok_or_else(|| {
            let present: Vec<_> = cameras
                .iter()
                .map(|c| format!("{} ({})", c.index, c.label(cameras)))
                .collect();
            let reason = if present.is_empty() {
                "no camera found; connect one, or use a file or the sample clip".to_owned()
            } else {
                format!("not found; there are: {}", present.join(", "))
            };
            Error::source(self.label(), reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(index: u32, name: &str, id: &str) -> CameraInfo {
        CameraInfo {
            index,
            name: name.to_owned(),
            description: String::new(),
            id: id.to_owned(),
            problem: None,
        }
    }

    fn index(text: &str, cameras: &[CameraInfo]) -> Option<u32> {
        let found = Target::parse(text).find(cameras).ok()?;
        Some(found[0].index)
    }

    /// Fails when `camera:NAME` opens another camera than the one named.
    #[test]
    fn a_name_means_the_exact_one_before_a_similar_one() {
        let cameras = [
            camera(0, "HD Webcam Pro", "a"),
            camera(2, "HD Webcam", "b"),
            camera(4, "Größe", "c"),
        ];
        assert_eq!(index("HD Webcam", &cameras), Some(2));
        assert_eq!(index("webcam pro", &cameras), Some(0));
        assert_eq!(index("größe", &cameras), Some(4));
        assert_eq!(index("4", &cameras), Some(4));
        assert_eq!(index("/dev/video2", &cameras), Some(2));
        assert_eq!(index("", &cameras), Some(0));
        assert_eq!(index("1", &cameras), None);
        assert_eq!(index("Kinect", &cameras), None);
    }

    /// Fails when a camera that returns under another index is not recognised, or is confused with
    /// another one of the same model.
    #[test]
    fn a_camera_is_known_again_by_its_name_but_not_mistaken_for_its_twin() {
        let (mine, twin) = (camera(0, "Cam", "usb1"), camera(1, "Cam", "usb2"));
        let both = [mine.clone(), twin.clone()];
        let again = Target::Again(Identity::new(mine, &both));
        assert!(again.find(std::slice::from_ref(&twin)).is_err());
        let back = [twin, camera(7, "Cam", "usb3"), camera(8, "Other", "usb1")];
        assert_eq!(again.find(&back).unwrap()[0].index, 7);
        assert_eq!(again.find(&both).unwrap()[0].index, 0);
    }

    /// Fails when two identical webcams cannot be told apart on the command line, or a single one
    /// has its bus in its label.
    #[test]
    fn equal_cameras_are_told_apart_by_their_bus() {
        let cameras = [
            camera(0, "Cam", "usb-0000:00:14.0-1"),
            camera(2, "Cam", "usb-0000:00:14.0-2"),
            camera(4, "Other", "usb-0000:00:14.0-3"),
        ];
        assert_eq!(cameras[1].label(&cameras), "Cam (usb-0000:00:14.0-2)");
        assert_eq!(cameras[2].label(&cameras), "Other");
        assert_eq!(index("Cam (usb-0000:00:14.0-2)", &cameras), Some(2));
        assert_eq!(index("usb-0000:00:14.0-2", &cameras), Some(2));
        assert_eq!(index("14.0-3", &cameras), Some(4));
        assert_eq!(index("Cam", &cameras), Some(0));
    }

    /// Fails when the message without any camera has no remedy.
    #[test]
    fn an_absent_camera_is_one_clear_line() {
        let error = |cameras: &[CameraInfo]| {
            let found = Target::Index(0).find(cameras);
            found.unwrap_err().to_string()
        };
        assert_eq!(
            error(&[]),
            "camera 0: no camera found; connect one, or use a file or the sample clip"
        );
        assert_eq!(
            error(&[camera(2, "Cam", "")]),
            "camera 0: not found; there are: 2 (Cam)"
        );
    }
}

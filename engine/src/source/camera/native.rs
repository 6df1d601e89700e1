//! The system's cameras through nokhwa: Video4Linux, AVFoundation, Media Foundation.
//!
//! What nokhwa 0.10 does and this file lives with: a read has no time-out on any system (see
//! [`super::watchdog`]); handles on one Linux camera share one descriptor within a process, so a
//! camera that hangs without being unplugged stays busy until its hung read returns; opening sets
//! a format before any can be chosen; dropping a camera may panic.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nokhwa::utils::{
    ApiBackend, CameraFormat as NativeFormat, CameraIndex, FrameFormat, RequestedFormat,
    RequestedFormatType, Resolution,
};
use nokhwa::{Camera, NokhwaError};

use super::driver::{CameraFormat, CameraInfo, Device, Driver};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::pixels::PixelFormat;

/// How long the user may take to answer the system's question for access.
const ACCESS_ANSWER: Duration = Duration::from_mins(1);

/// The layouts that arrive as this program reads them. On macOS only YUYV is what its name says
/// (bi-planar formats are announced as YUYV and converted by the system, JPEG is not passed
/// through); on Windows BGR pictures may be upside down.
const USABLE: &[FrameFormat] = if cfg!(target_os = "macos") {
    &[FrameFormat::YUYV]
} else if cfg!(target_os = "windows") {
    &[FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG]
} else {
    &[
        FrameFormat::YUYV,
        FrameFormat::NV12,
        FrameFormat::MJPEG,
        FrameFormat::RAWRGB,
        FrameFormat::RAWBGR,
        FrameFormat::GRAY,
    ]
};

/// The cameras of this machine.
#[derive(Debug)]
pub(super) struct NativeDriver;

impl Driver for NativeDriver {
    fn authorize(&self, stop: &StopFlag) -> Result<()> {
        if nokhwa::nokhwa_check() {
            return Ok(());
        }
        let (tx, rx) = crossbeam::channel::bounded(1);
        nokhwa::nokhwa_initialize(move |granted| {
            // A second answer has nobody waiting for it.
            let _ = tx.try_send(granted);
        });
        let asked = Instant::now();
        while !stop.is_stopped() && asked.elapsed() < ACCESS_ANSWER {
            match rx.recv_timeout(Duration::from_millis(200)) {
                Ok(true) => return Ok(()),
                Ok(false) => break,
                Err(_) => {}
            }
        }
        Err(Error::source(
            "camera",
            "the system denies access; allow it for this program under Privacy & Security > Camera",
        ))
    }

    fn list(&self) -> Result<Vec<CameraInfo>> {
        let cameras = nokhwa::query(ApiBackend::Auto)
            .map_err(|e| Error::source("cameras", format!("cannot be listed: {e}")))?;
        let mut cameras: Vec<_> = cameras
            .iter()
            .filter_map(|c| {
                let id = match c.misc() {
                    empty if empty.is_empty() => c.description().to_owned(),
                    id => id,
                };
                Some(CameraInfo {
                    index: c.index().as_index().ok()?,
                    name: c.human_name(),
                    description: c.description().to_owned(),
                    id,
                })
            })
            .filter(|c| captures_pictures(c.index))
            .collect();
        cameras.sort_by_key(|c| c.index);
        Ok(cameras)
    }

    fn open(&self, index: u32) -> Result<Box<dyn Device>> {
        // The format asked for here is only a beginning. A camera that refuses its own first
        // format may still take the one that all cameras know.
        let vga = |format| RequestedFormatType::Exact(NativeFormat::new_from(640, 480, format, 30));
        let requests = [
            RequestedFormatType::None,
            vga(USABLE[0]),
            vga(FrameFormat::MJPEG),
        ];
        let mut first_error = None;
        for request in requests {
            let request = RequestedFormat::with_formats(request, USABLE);
            match Camera::new(CameraIndex::Index(index), request) {
                Ok(camera) => {
                    return Ok(Box::new(NativeDevice {
                        index,
                        camera: Some(camera),
                    }));
                }
                Err(e) => {
                    tracing::debug!(index, %request, error = %e, "camera did not open");
                    first_error.get_or_insert(e);
                }
            }
        }
        let error = first_error.unwrap_or(NokhwaError::UnitializedError);
        Err(problem(index, "cannot be opened", &error))
    }
}

/// An open camera of this machine.
struct NativeDevice {
    index: u32,
    /// Taken out only by `drop`.
    camera: Option<Camera>,
}

impl NativeDevice {
    fn camera(&mut self) -> Result<&mut Camera> {
        let index = self.index;
        self.camera
            .as_mut()
            .ok_or_else(|| problem(index, "is closed", &NokhwaError::UnitializedError))
    }
}

impl Device for NativeDevice {
    fn formats(&mut self) -> Result<Vec<CameraFormat>> {
        let index = self.index;
        let formats = self
            .camera()?
            .compatible_camera_formats()
            .map_err(|e| problem(index, "does not tell its formats", &e))?;
        Ok(formats
            .iter()
            .filter(|f| USABLE.contains(&f.format()))
            .map(|f| CameraFormat {
                size: Size::new(f.width() as usize, f.height() as usize),
                rate: f.frame_rate(),
                pixels: pixel_format(f.format()),
            })
            .collect())
    }

    fn start(&mut self, format: CameraFormat) -> Result<()> {
        let index = self.index;
        let camera = self.camera()?;
        let refused = |e: &NokhwaError| problem(index, &format!("refuses {format}"), e);
        if camera.is_stream_open() {
            camera.stop_stream().map_err(|e| refused(&e))?;
        }
        let wanted = NativeFormat::new(
            Resolution::new(format.size.width as u32, format.size.height as u32),
            frame_format(format.pixels),
            format.rate,
        );
        let exactly = RequestedFormat::with_formats(RequestedFormatType::Exact(wanted), USABLE);
        camera
            .set_camera_requset(exactly)
            .map_err(|e| refused(&e))?;
        camera.open_stream().map_err(|e| refused(&e))?;
        // On Linux the flow begins with the first read, and only then the bus says whether it
        // has room. The first frame is often dark or torn: nobody misses it.
        camera.frame_raw().map_err(|e| refused(&e))?;
        Ok(())
    }

    fn read(&mut self) -> Result<Cow<'_, [u8]>> {
        let index = self.index;
        let camera = self.camera()?;
        let lost = |e| problem(index, "stopped sending", &e);
        if cfg!(target_os = "macos") {
            // `frame` empties the queue behind the frame it returns, `frame_raw` lets it grow.
            let buffer = camera.frame().map_err(lost)?;
            Ok(Cow::Owned(buffer.buffer().to_vec()))
        } else {
            camera.frame_raw().map_err(lost)
        }
    }
}

impl Drop for NativeDevice {
    fn drop(&mut self) {
        let camera = self.camera.take();
        if std::thread::panicking() {
            // A second panic would end the program; a leaked descriptor does not.
            std::mem::forget(camera);
        } else if catch_unwind(AssertUnwindSafe(|| drop(camera))).is_err() {
            tracing::warn!(index = self.index, "the camera did not close cleanly");
        }
    }
}

/// One line with the remedy for the commonest causes.
fn problem(index: u32, what: &str, error: &NokhwaError) -> Error {
    let text = error.to_string();
    Error::source(
        format!("camera {index}"),
        format!("{what}: {text}{}", remedy(&text)),
    )
}

fn remedy(text: &str) -> &'static str {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if says(&["busy", "os error 16", "in use"]) {
        "; another program uses it: close that one"
    } else if says(&["denied", "os error 13)", "not permitted"]) {
        "; no permission: on Linux add yourself to the group `video`, elsewhere allow camera access"
    } else if says(&["fulfill", "fufill"]) {
        "; it offers no format this program reads"
    } else {
        ""
    }
}

fn pixel_format(format: FrameFormat) -> PixelFormat {
    match format {
        FrameFormat::MJPEG => PixelFormat::Mjpeg,
        FrameFormat::YUYV => PixelFormat::Yuyv,
        FrameFormat::NV12 => PixelFormat::Nv12,
        FrameFormat::GRAY => PixelFormat::Gray,
        FrameFormat::RAWRGB => PixelFormat::Rgb,
        FrameFormat::RAWBGR => PixelFormat::Bgr,
    }
}

fn frame_format(pixels: PixelFormat) -> FrameFormat {
    match pixels {
        PixelFormat::Mjpeg => FrameFormat::MJPEG,
        PixelFormat::Yuyv => FrameFormat::YUYV,
        PixelFormat::Nv12 => FrameFormat::NV12,
        PixelFormat::Gray => FrameFormat::GRAY,
        PixelFormat::Rgb => FrameFormat::RAWRGB,
        // BGRA is in no list of `formats`.
        PixelFormat::Bgr | PixelFormat::Bgra => FrameFormat::RAWBGR,
    }
}

/// Whether a Linux video node delivers pictures: webcams come with a second node for metadata
/// only, single-board computers with codecs. The device manager's database knows without the node
/// having to be opened; where it does not say, the node stays in the list.
#[cfg(target_os = "linux")]
fn captures_pictures(index: u32) -> bool {
    let dev = std::fs::read_to_string(format!("/sys/class/video4linux/video{index}/dev"));
    let record = dev.and_then(|d| std::fs::read_to_string(format!("/run/udev/data/c{}", d.trim())));
    record.map_or(true, |text| record_says_capture(&text).unwrap_or(true))
}

#[cfg(not(target_os = "linux"))]
fn captures_pictures(_index: u32) -> bool {
    true
}

/// `None` where a record of the device manager does not tell capabilities.
#[cfg(target_os = "linux")]
fn record_says_capture(record: &str) -> Option<bool> {
    let capabilities = record
        .lines()
        .find_map(|line| line.strip_prefix("E:ID_V4L_CAPABILITIES="))?;
    Some(capabilities.split(':').any(|c| c == "capture"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when layouts get confused on their way into or out of the library.
    #[test]
    fn usable_layouts_survive_the_round_trip() {
        for &format in USABLE {
            assert_eq!(frame_format(pixel_format(format)), format);
        }
    }

    /// Fails when a webcam's metadata node is offered as a second camera, or a camera is hidden
    /// because its capabilities are unknown.
    #[cfg(target_os = "linux")]
    #[test]
    fn metadata_nodes_are_recognised() {
        let record = |caps| format!("S:v4l/by-id/x\nE:ID_V4L_VERSION=2\n{caps}\nG:seat\n");
        let says = |caps| record_says_capture(&record(caps));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:capture:"), Some(true));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:"), Some(false));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:video_output:"), Some(false));
        assert_eq!(says("E:ID_MODEL=capture"), None);
    }

    /// Fails when the two commonest refusals come without their remedy.
    #[test]
    fn refusals_name_their_remedy() {
        let busy = std::io::Error::from_raw_os_error(16).to_string();
        let error = problem(2, "cannot be opened", &NokhwaError::GeneralError(busy));
        assert!(error.to_string().starts_with("camera 2: cannot be opened"));
        assert!(error.to_string().contains("another program uses it"));
        assert!(remedy("Permission denied (os error 13)").contains("group `video`"));
        assert_eq!(remedy("No such device (os error 19)"), "");
    }
}

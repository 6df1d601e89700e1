//! Cameras of macOS and Windows through nokhwa: AVFoundation, Media Foundation.
//!
//! Limitations of nokhwa 0.10 that this file works around: a read has no time-out (see
//! [`super::watchdog`]); opening sets a format before one can be selected; frames have no time
//! stamps; dropping a camera may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nokhwa::utils::{
    ApiBackend, CameraFormat as NativeFormat, CameraIndex, FrameFormat, RequestedFormat,
    RequestedFormatType, Resolution,
};
use nokhwa::{Camera, NokhwaError};

use super::driver::{CameraFormat, CameraInfo, Device, Driver, Reading, Refusal, Shot};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::pixels::{PixelFormat, RawImage};

/// Time limit for the user to answer the system's request for access.
const ACCESS_ANSWER: Duration = Duration::from_mins(1);

/// Layouts that arrive in a form that can be decoded. On macOS only YUYV matches its name
/// (bi-planar formats are announced as YUYV and converted by the system, JPEG is not passed
/// through); on Windows BGR frames may be upside down.
const USABLE: &[FrameFormat] = if cfg!(target_os = "macos") {
    &[FrameFormat::YUYV]
} else {
    &[FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG]
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
            // A second answer has no receiver.
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
                    problem: None,
                })
            })
            .collect();
        cameras.sort_by_key(|c| c.index);
        Ok(cameras)
    }

    fn open(&self, camera: &CameraInfo) -> Result<Box<dyn Device>> {
        let index = camera.index;
        // The format requested here is preliminary. A camera that refuses its own first format may
        // still accept the one that all cameras support.
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
                        format: None,
                        frame: Vec::new(),
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
    /// `None` only during `drop`.
    camera: Option<Camera>,
    /// The format that was started.
    format: Option<CameraFormat>,
    /// Bytes of the last frame.
    frame: Vec<u8>,
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
            .map_err(|e| problem(index, "does not report its formats", &e))?;
        Ok(formats
            .iter()
            .filter(|f| USABLE.contains(&f.format()))
            .map(|f| CameraFormat {
                size: Size::new(f.width() as usize, f.height() as usize),
                rate: Some(f64::from(f.frame_rate())),
                pixels: pixel_format(f.format()),
            })
            .collect())
    }

    fn start(&mut self, format: CameraFormat) -> Result<CameraFormat, Refusal> {
        let index = self.index;
        let refused =
            |e: &NokhwaError| Refusal::Format(problem(index, &format!("refuses {format}"), e));
        let camera = self.camera().map_err(Refusal::Camera)?;
        if camera.is_stream_open() {
            camera.stop_stream().map_err(|e| refused(&e))?;
        }
        let wanted = NativeFormat::new(
            Resolution::new(format.size.width as u32, format.size.height as u32),
            frame_format(format.pixels),
            format.rate.unwrap_or_default().round() as u32,
        );
        let exactly = RequestedFormat::with_formats(RequestedFormatType::Exact(wanted), USABLE);
        camera
            .set_camera_requset(exactly)
            .map_err(|e| refused(&e))?;
        camera.open_stream().map_err(|e| refused(&e))?;
        // Only now does the system report whether the bus has enough bandwidth. The first frame is
        // often dark or torn and can be dropped.
        camera.frame_raw().map_err(|e| refused(&e))?;
        self.format = Some(format);
        Ok(format)
    }

    fn read(&mut self) -> Result<Reading<'_>> {
        let index = self.index;
        let lost = |e| problem(index, "stopped sending", &e);
        let format = self
            .format
            .ok_or_else(|| problem(index, "was not started", &NokhwaError::UnitializedError))?;
        let camera = self.camera()?;
        let frame = if cfg!(target_os = "macos") {
            // `frame` empties the queue behind the frame it returns, `frame_raw` lets it grow.
            camera.frame().map_err(lost)?.buffer().to_vec()
        } else {
            camera.frame_raw().map_err(lost)?.into_owned()
        };
        self.frame = frame;
        let CameraFormat { size, pixels, .. } = format;
        let stride = pixels.row_bytes(size, 0);
        Ok(Reading {
            shot: Some(Shot {
                picture: RawImage::in_one_buffer(pixels, size, stride, &self.frame),
                captured: Instant::now(),
            }),
            ..Reading::default()
        })
    }
}

impl Drop for NativeDevice {
    fn drop(&mut self) {
        let camera = self.camera.take();
        if std::thread::panicking() {
            // A second panic would abort the program; a leaked descriptor does not.
            std::mem::forget(camera);
        } else if catch_unwind(AssertUnwindSafe(|| drop(camera))).is_err() {
            tracing::warn!(index = self.index, "the camera did not close cleanly");
        }
    }
}

/// Formats the error in one line, with the remedy for the most common causes.
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
        "; no permission: allow camera access in the system's settings"
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

/// Only formats of [`USABLE`] are ever requested.
fn frame_format(pixels: PixelFormat) -> FrameFormat {
    match pixels {
        PixelFormat::Mjpeg => FrameFormat::MJPEG,
        PixelFormat::Nv12 => FrameFormat::NV12,
        _ => FrameFormat::YUYV,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when layouts are confused in conversions to or from the library.
    #[test]
    fn usable_layouts_survive_the_round_trip() {
        for &format in USABLE {
            assert_eq!(frame_format(pixel_format(format)), format);
        }
    }

    /// Fails when the two most common refusals have no remedy.
    #[test]
    fn refusals_name_their_remedy() {
        let busy = std::io::Error::from_raw_os_error(16).to_string();
        let error = problem(2, "cannot be opened", &NokhwaError::GeneralError(busy));
        assert!(error.to_string().starts_with("camera 2: cannot be opened"));
        assert!(error.to_string().contains("another program uses it"));
        assert!(remedy("Permission denied (os error 13)").contains("no permission"));
        assert_eq!(remedy("No such device (os error 19)"), "");
    }
}

//! The held-out frame that the page Train shows: its image, decoded and uploaded twice.

use eframe::egui_wgpu::RenderState;
use poselens_engine::Result;
use poselens_engine::project::FrameKey;
use poselens_shaders::view::Zoom;

use crate::gui::picture::FrameCanvas;
use crate::gui::views::label::frames::{FrameThread, Picture, Wanted};
use crate::gui::views::label::published::ProjectInfo;
use crate::gui::waker::Waker;

/// The held-out frame that is shown.
pub struct Player {
    /// Its position in the list, which begins with the worst.
    pub index: usize,
    /// Zoom and position of the image.
    pub zoom: Zoom,
    /// Why it cannot be shown.
    pub fault: Option<String>,
    wanted: Option<FrameKey>,
    picture: Option<(FrameKey, Picture)>,
    frames: Option<FrameThread>,
    /// The image for both sides, once it is uploaded.
    pub(super) canvases: Option<[FrameCanvas; 2]>,
}

impl Default for Player {
    fn default() -> Self {
        Self {
            index: 0,
            zoom: Zoom::WHOLE,
            fault: None,
            wanted: None,
            picture: None,
            frames: None,
            canvases: None,
        }
    }
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player")
            .field("index", &self.index)
            .field("wanted", &self.wanted)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Player {
    /// Shows another frame of the list.
    pub fn show(&mut self, index: usize) {
        self.index = index;
        self.zoom = Zoom::WHOLE;
        self.wanted = None;
        self.fault = None;
    }

    /// Uploads the image again: to another device.
    pub(in crate::gui::views::label) fn attach(&mut self) {
        self.canvases = None;
    }

    /// Requests the frame that is to be shown, and takes what was decoded.
    ///
    /// # Errors
    /// If the operating system cannot create a thread, or the image is too large for the device.
    pub(in crate::gui::views::label) fn follow(
        &mut self,
        wanted: std::result::Result<FrameKey, String>,
        info: &ProjectInfo,
        render: Option<&RenderState>,
        waker: &Waker,
    ) -> Result<()> {
        let at = match wanted {
            Ok(at) => at,
            Err(fault) => {
                self.fault = Some(fault);
                return Ok(());
            }
        };
        if self.wanted != Some(at)
            && let Some(clip) = info.clip(at)
        {
            let frames = match &self.frames {
                Some(frames) => frames,
                None => self.frames.insert(FrameThread::start(waker)?),
            };
            frames.request(Wanted {
                folder: info.folder.clone(),
                clip: clip.clone(),
                frame: at.frame,
            });
            self.wanted = Some(at);
            self.fault = None;
        }
        match self.frames.as_ref().and_then(FrameThread::take) {
            Some((Some(at), Ok(picture))) if self.wanted == Some(at) => {
                self.picture = Some((at, picture));
                self.canvases = None;
            }
            Some((Some(at), Err(fault))) if self.wanted == Some(at) => self.fault = Some(fault),
            Some((None, Err(fault))) => {
                // The next frame starts the thread again.
                (self.frames, self.fault) = (None, Some(fault));
            }
            _ => {}
        }
        if let (None, Some(render), Some((_, picture))) = (&self.canvases, render, &self.picture) {
            let canvases = [FrameCanvas::new(render), FrameCanvas::new(render)];
            for canvas in &canvases {
                canvas.upload(&picture.frame)?;
            }
            self.canvases = Some(canvases);
        }
        Ok(())
    }

    /// Returns the image, once it is decoded.
    pub fn picture(&self) -> Option<&Picture> {
        let (at, picture) = self.picture.as_ref()?;
        (self.wanted == Some(*at)).then_some(picture)
    }
}

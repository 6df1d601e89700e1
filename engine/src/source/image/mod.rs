//! A single image as a source of one frame.

mod content;
mod decode;
mod jpeg;
mod outcome;

use std::path::Path;

use super::scrub::Stills;
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind};
use crate::error::Result;
use crate::frame::{Frame, FramePool};

pub use content::Content;
pub use decode::read_picture;
pub(super) use decode::{content, limit, opaque, open, read_noted};
pub(super) use outcome::Note;

/// File name extensions of images, for file dialogs and for unreadable files.
pub const EXTENSIONS: &[&str] = &[
    "png", "jpg", "jpeg", "jpe", "jfif", "bmp", "webp", "gif", "tif", "tiff", "avif", "heic",
    "heif", "ppm", "pgm", "pbm", "pnm",
];

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "image",
    help: "FILE: one image (JPEG, PNG, WebP, TIFF, GIF, BMP, PNM; AVIF and others through ffmpeg)",
    stands_alone: false,
    accepts: |text| is_picture(Path::new(text)),
    open: |argument, _: &OpenOptions| Ok(Box::new(Picture::open(Path::new(argument))?)),
    sound: None,
    scrub: Some(|argument, _| {
        let path = Path::new(argument);
        let size = read_picture(path, 0, 0.0, &FramePool::new())?.size();
        let paths = vec![path.to_owned()];
        Ok(Box::new(Stills::new(
            name_of(path),
            paths,
            1.0,
            Some(size),
            None,
        )))
    }),
};

/// Returns whether the file name has the extension of an image.
pub fn has_picture_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

/// Returns whether a file is an image; the name decides if the content is inconclusive.
pub fn is_picture(path: &Path) -> bool {
    match content(path) {
        Ok(Content::Video) => false,
        Ok(content) => content.is_picture() || has_picture_extension(path),
        // Folders have their own entries; a missing file is reported as the type of its name.
        Err(_) => has_picture_extension(path) && !path.is_dir(),
    }
}

/// Returns the file name without its folder.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// One image, read on opening.
struct Picture {
    info: SourceInfo,
    frame: Option<Frame>,
    warning: Option<String>,
}

impl Picture {
    fn open(path: &Path) -> Result<Self> {
        let (frame, note) = read_noted(path, 0, 0.0, &FramePool::new())?;
        Ok(Self {
            warning: note.map(|note| format!("{}: {note}", path.display())),
            info: SourceInfo {
                name: name_of(path),
                size: Some(frame.size()),
                rate: None,
                n_frames: Some(1),
                is_live: false,
            },
            frame: Some(frame),
        })
    }
}

impl FrameSource for Picture {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        Ok(self.frame.take().map(|mut frame| {
            frame.captured = std::time::Instant::now();
            frame
        }))
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

#[cfg(test)]
mod tests;

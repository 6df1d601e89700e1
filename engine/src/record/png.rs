//! Saving of a single frame as a file.

use std::fs;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::disk::replace;
use crate::error::{Error, Result};
use crate::frame::Frame;

/// Writes `frame` as PNG, atomically; missing folders are created.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn save_png(frame: &Frame, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let size = frame.size();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            frame.rgba(),
            size.width as u32,
            size.height as u32,
            ExtendedColorType::Rgba8,
        )
        .map_err(|e| Error::data(path, format!("cannot be written as PNG: {e}")))?;
    replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;
    use crate::geometry::Size;

    /// Fails when a snapshot has other pixels than the window, or leaves a partial file.
    #[test]
    fn a_snapshot_reads_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("shot.png");
        let size = Size::new(3, 2);
        let rgba: Vec<u8> = (0..24)
            .map(|i| if i % 4 == 3 { 255 } else { i * 9 })
            .collect();
        let frame = Frame::new(0, 0.0, size, Pixels::unpooled(rgba.clone()));
        save_png(&frame, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgba8().into_raw(), rgba);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}

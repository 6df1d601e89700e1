//! A single picture as a source of one frame.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::scrub::Stills;
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind};
use crate::error::{Error, Result};
use crate::frame::{BYTES_PER_PIXEL, Frame, FramePool};
use crate::geometry::Size;

/// File name extensions that are read as pictures, for file dialogs too.
pub const EXTENSIONS: &[&str] = &["png", "jpg", "jpeg", "bmp", "webp"];

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "image",
    help: "FILE.png|jpg|bmp|webp: one picture",
    stands_alone: false,
    accepts: |text| has_picture_extension(Path::new(text)),
    open: |argument, _: &OpenOptions| Ok(Box::new(Picture::open(Path::new(argument))?)),
    scrub: Some(|argument, _| {
        let path = Path::new(argument);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let size = picture_size(path)?;
        let paths = vec![path.to_owned()];
        Ok(Box::new(Stills::new(name, paths, 1.0, Some(size), None)))
    }),
};

/// Pixels along a side that are believed; a file that declares more is damaged or hostile.
const MAX_SIDE: u32 = 16_384;

/// Whether the name says "picture".
pub fn has_picture_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e)))
}

/// Reads a picture into a buffer of `pool`: turned as its EXIF data says, transparency over
/// black. What the file holds decides, not its name.
///
/// # Errors
/// When the file is missing, damaged or larger than 16384 pixels along a side.
pub fn read_picture(path: &Path, id: u64, time_secs: f64, pool: &FramePool) -> Result<Frame> {
    let picture = decode(path)?.into_rgba8();
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    let mut pixels = pool.take(size);
    let (target, _) = pixels.bytes_mut().as_chunks_mut::<BYTES_PER_PIXEL>();
    let (source, _) = picture.as_raw().as_chunks::<BYTES_PER_PIXEL>();
    for (target, &[r, g, b, alpha]) in target.iter_mut().zip(source) {
        let over_black = |c: u8| (u16::from(c) * u16::from(alpha) / 255) as u8;
        *target = [over_black(r), over_black(g), over_black(b), 255];
    }
    Ok(Frame::new(id, time_secs, size, pixels))
}

/// The size of a picture as it will be shown, from its head alone.
///
/// # Errors
/// When the head is missing or damaged.
pub fn picture_size(path: &Path) -> Result<Size> {
    let mut decoder = open_decoder(path)?;
    let (width, height) = decoder.dimensions();
    let size = Size::new(width as usize, height as usize);
    let turned = [
        Orientation::Rotate90,
        Orientation::Rotate270,
        Orientation::Rotate90FlipH,
        Orientation::Rotate270FlipH,
    ];
    let orientation = orientation(&mut decoder);
    Ok(if turned.contains(&orientation) {
        Size::new(size.height, size.width)
    } else {
        size
    })
}

fn decode(path: &Path) -> Result<DynamicImage> {
    let mut decoder = open_decoder(path)?;
    let orientation = orientation(&mut decoder);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| damaged(path, &e))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Damage in the EXIF data is no reason to refuse the picture.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

fn damaged(path: &Path, error: &ImageError) -> Error {
    let reason = format!("not a readable picture: {error}; save it again as PNG or JPEG");
    Error::source(path.display().to_string(), reason)
}

fn open_decoder(path: &Path) -> Result<impl ImageDecoder + use<>> {
    let fail = |reason: String| Error::source(path.display().to_string(), reason);
    let mut reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fail("no such file; check the path".into()),
            _ => fail(format!("cannot be read: {e}")),
        })?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    reader.into_decoder().map_err(|e| damaged(path, &e))
}

/// One picture, read on opening.
struct Picture {
    info: SourceInfo,
    frame: Option<Frame>,
}

impl Picture {
    fn open(path: &Path) -> Result<Self> {
        let frame = read_picture(path, 0, 0.0, &FramePool::new())?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            info: SourceInfo {
                name: name.to_string_lossy().into_owned(),
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbaImage;

    /// Fails when channels are swapped, transparency leaks out, or a second frame comes.
    #[test]
    fn a_picture_is_one_opaque_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.PNG");
        let picture = RgbaImage::from_raw(2, 1, vec![250, 100, 50, 255, 200, 200, 200, 0]);
        picture.unwrap().save(&path).unwrap();
        assert!(has_picture_extension(&path));
        let mut source = (KIND.open)(path.to_str().unwrap(), &OpenOptions::default()).unwrap();
        assert_eq!(source.info().size, Some(Size::new(2, 1)));
        let frame = source.next_frame().unwrap().unwrap();
        assert_eq!(frame.rgba(), [250, 100, 50, 255, 0, 0, 0, 255]);
        assert!(source.next_frame().unwrap().is_none());
    }

    /// Fails when pictures taken with an upright phone lie on their side: EXIF orientation 6.
    #[test]
    fn exif_orientation_is_honoured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.jpg");
        DynamicImage::new_rgb8(16, 8).save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // APP1, "Exif", a big-endian TIFF header and one entry: tag 0x112, SHORT, one value, 6.
        let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        bytes.splice(2..2, exif.iter().copied());
        std::fs::write(&path, bytes).unwrap();
        let frame = read_picture(&path, 0, 0.0, &FramePool::new()).unwrap();
        assert_eq!(frame.size(), Size::new(8, 16));
    }

    /// Fails when a missing or damaged picture panics or goes unnamed.
    #[test]
    fn bad_pictures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jpg");
        let message = |path: &Path| {
            let error = read_picture(path, 0, 0.0, &FramePool::new()).unwrap_err();
            error.to_string()
        };
        assert!(message(&path).contains("bad.jpg: no such file"));
        for bytes in [b"".as_slice(), b"hello", b"\xFF\xD8\xFF\xE0\x00\x10JFIF"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(message(&path).contains("bad.jpg: "), "{}", message(&path));
        }
    }
}

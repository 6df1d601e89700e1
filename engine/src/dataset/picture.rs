//! Pictures of labelled data, decoded the way their labels and all published figures assume:
//! bit for bit like libjpeg-turbo, and unturned, whatever their EXIF data says.
//!
//! Decoders differ by a sixth of a grey level on average in how they round chroma. That alone
//! moved PCK@0.2 of SFM on 353 people by 0.18 points (44.90 instead of 45.08), more than many a
//! change worth measuring.

use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::Path;

use image::{ImageFormat, ImageReader};
use libjpeg_turbo_rs::{PixelFormat, decompress_to};

use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool, Pixels};
use crate::geometry::{BBox, Size};
use crate::sample::{Joint, Sample};
use crate::source::image::read_picture;

/// Longest side accepted, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;

/// The first bytes of every JPEG file.
const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// Reads the picture `path`, numbered `id`.
///
/// # Errors
/// When the file is missing, damaged or larger than 16384 pixels along a side.
pub fn read(path: &Path, id: u64) -> Result<Frame> {
    let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
    if !bytes.starts_with(&JPEG_MAGIC) {
        return read_picture(path, id, 0.0, &FramePool::new());
    }
    let damaged = |reason: String| Error::data(path, format!("not a readable JPEG: {reason}"));
    let header = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Jpeg);
    let (width, height) = header
        .into_dimensions()
        .map_err(|e| damaged(e.to_string()))?;
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(damaged(format!("{width}x{height} pixels are too many")));
    }
    // One hostile file among ten thousand must not end a training run.
    let picture = catch_unwind(|| decompress_to(&bytes, PixelFormat::Rgba))
        .map_err(|_| damaged("the decoder stumbled over it".to_owned()))?
        .map_err(|e| damaged(e.to_string()))?;
    let size = Size::new(picture.width, picture.height);
    Ok(Frame::new(id, 0.0, size, Pixels::unpooled(picture.data)))
}

/// Reads the picture of `sample`, to be compared with its labels.
///
/// # Errors
/// Like [`read`]; when the labels were made for another size, they would lie beside the joints.
pub fn of_sample(sample: &Sample) -> Result<Frame> {
    let frame = read(&sample.path, sample.image_id)?;
    if frame.size() == sample.size {
        return Ok(frame);
    }
    let reason = format!(
        "the picture is {}, its labels were made for {}",
        frame.size(),
        sample.size
    );
    Err(Error::data(&sample.path, reason))
}

/// Size that the header of a picture declares.
///
/// # Errors
/// When the file is missing or no picture.
pub fn size(path: &Path) -> Result<Size> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(Error::io("open", path))?;
    let (width, height) = reader
        .into_dimensions()
        .map_err(|e| Error::data(path, format!("not a readable picture: {e}")))?;
    Ok(Size::new(width as usize, height as usize))
}

/// Gives a sample whose labels name no size that of its picture. A picture that cannot be opened
/// counts as large enough for its joints, so that the labels stay usable until it is there.
pub(super) fn size_from_header(sample: &mut Sample) {
    sample.size = size(&sample.path).unwrap_or_else(|_| {
        let joints = sample.annotations.iter().flat_map(|a| &a.joints);
        let points = joints.filter_map(Joint::labelled);
        let end = |v: f64| (v.clamp(0.0, f64::from(MAX_SIDE)).ceil() as usize) + 1;
        BBox::around(points).map_or(Size::new(1, 1), |b| {
            Size::new(end(b.x + b.w), end(b.y + b.h))
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: [u64; 4] = [43_545_110, 43_538_923, 44_540_819, 87_717_450];

    /// Fails when evaluation reads other pixels than libjpeg-turbo: the sums were taken with
    /// Pillow 12 from the same file.
    #[test]
    fn pixels_equal_those_of_libjpeg_turbo() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/dataset/chroma.jpg"
        );
        let frame = read(Path::new(path), 7).unwrap();
        assert_eq!((frame.id, frame.size()), (7, Size::new(61, 45)));
        let mut sums = [0u64; 4];
        for (i, &value) in frame.rgba().iter().enumerate() {
            // Weighted by position, so that a shift is seen as well as a change of colour.
            sums[i % 4] += u64::from(value) * (1 + i as u64 / 4 % 251);
        }
        assert_eq!(sums, SUMS);
    }

    /// Fails when labels are compared with a picture of another size, or the complaint does not
    /// say which picture it is.
    #[test]
    fn labels_of_another_size_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.png");
        image::save_buffer(&path, &[7; 3 * 12], 4, 3, image::ColorType::Rgb8).unwrap();
        let mut sample = Sample {
            image_id: 5,
            path,
            size: Size::new(4, 3),
            clip: None,
            annotations: Vec::new(),
        };
        assert_eq!(of_sample(&sample).unwrap().size(), sample.size);
        sample.size = Size::new(8, 6);
        let text = of_sample(&sample).unwrap_err().to_string();
        for part in ["small.png", "4x3", "8x6"] {
            assert!(text.contains(part), "{text}");
        }
    }

    /// Fails when a damaged or missing picture ends a long evaluation without naming the file.
    #[test]
    fn complaints_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.jpg");
        std::fs::write(&path, [0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]).unwrap();
        for path in [path, folder.path().join("absent.jpg")] {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = read(&path, 0).unwrap_err().to_string();
            assert!(text.contains(&name), "{text}");
        }
    }
}

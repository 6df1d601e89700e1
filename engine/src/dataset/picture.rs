//! Reads images of labelled data with the pixels that labels and published results assume:
//! bit-identical to libjpeg-turbo, and without applying the EXIF orientation, unless only the
//! rotated image has the labelled size or rotation is requested ([`Orientation`]).
//!
//! JPEG decoders round chroma differently, by a sixth of a grey level on average. That alone moved
//! PCK@0.2 of SFM on 353 people by 0.18 points (44.90 instead of 45.08), more than many a change
//! worth measuring.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::panic::catch_unwind;
use std::path::Path;

use image::metadata::Orientation as Turn;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbaImage};
use libjpeg_turbo_rs::{PixelFormat, decompress_to};

use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool, Pixels};
use crate::geometry::{BBox, Size};
use crate::sample::{Joint, Orientation, Sample};
use crate::source::image::read_picture;

/// Longest side accepted, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;

/// First bytes of every JPEG file.
const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// Reads the image `path`; the frame gets the index `id`.
///
/// # Errors
/// When the file is missing, damaged or larger than 16384 pixels along a side.
fn read(path: &Path, id: u64) -> Result<Frame> {
    let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
    if !bytes.starts_with(&JPEG_MAGIC) {
        return read_picture(path, id, 0.0, &FramePool::new());
    }
    let damaged = |reason: String| {
        // Some reasons end with a line break.
        Error::data(path, format!("not a readable JPEG: {}", reason.trim()))
    };
    let header = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Jpeg);
    let (width, height) = header
        .into_dimensions()
        .map_err(|e| damaged(e.to_string()))?;
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(damaged(format!("{width}x{height} pixels are too many")));
    }
    // A hostile file among ten thousand must not end a training run.
    let picture = catch_unwind(|| decompress_to(&bytes, PixelFormat::Rgba))
        .map_err(|_| damaged("the decoder failed".to_owned()))?
        .map_err(|e| damaged(e.to_string()))?;
    let size = Size::new(picture.width, picture.height);
    Ok(Frame::new(id, 0.0, size, Pixels::unpooled(picture.data)))
}

/// Reads the image of `sample` for comparison with its labels.
///
/// # Errors
/// Like [`read`]; also when the labels were made for another size, because they would miss the
/// joints.
pub fn of_sample(sample: &Sample) -> Result<Frame> {
    of_file(
        &sample.path,
        sample.image_id,
        sample.size,
        sample.orientation,
    )
}

/// Reads the image `path` with index `id`, whose labels were made for `size`. Labelling tools
/// mostly show photos from phones upright: if the stored image has another size and lies on its
/// side, it is rotated as its EXIF data says, unless `orientation` overrides this.
///
/// # Errors
/// Like [`of_sample`].
pub fn of_file(path: &Path, id: u64, size: Size, orientation: Orientation) -> Result<Frame> {
    let frame = read(path, id)?;
    let found = frame.size();
    if found == size && orientation != Orientation::Exif {
        return Ok(frame);
    }
    if orientation != Orientation::Stored
        && let Some(upright) = turned(path, &frame).filter(|frame| frame.size() == size)
    {
        return Ok(upright);
    }
    if found == size && turn(path).is_none() {
        return Ok(frame);
    }
    let reason = format!("the image is {found}, its labels were made for {size}");
    Err(Error::data(path, reason))
}

/// Returns the EXIF rotation of a JPEG; `None` if there is none. Images of other formats are always
/// read with their orientation applied.
fn turn(path: &Path) -> Option<Turn> {
    if !has_exif(path) {
        return None;
    }
    let reader = ImageReader::open(path).ok()?.with_guessed_format().ok()?;
    let orientation = reader.into_decoder().ok()?.orientation().ok()?;
    Some(orientation).filter(|turn| *turn != Turn::NoTransforms)
}

/// Returns whether a file is a JPEG with EXIF data. Only reads the segments before the image data:
/// a data set may have a hundred thousand images, which a decoder would read completely.
fn has_exif(path: &Path) -> bool {
    const EXIF: &[u8] = b"Exif\0\0";
    let look = || -> std::io::Result<bool> {
        let mut file = BufReader::with_capacity(4096, File::open(path)?);
        let mut magic = [0; 2];
        file.read_exact(&mut magic)?;
        if magic != [0xff, 0xd8] {
            return Ok(false);
        }
        loop {
            let mut head = [0; 4];
            file.read_exact(&mut head)?;
            let length = i64::from(u16::from_be_bytes([head[2], head[3]]));
            match head {
                // Application segments and comments.
                [0xff, 0xe1, ..] if length >= 8 => {
                    let mut name = [0; 6];
                    file.read_exact(&mut name)?;
                    if name == EXIF {
                        return Ok(true);
                    }
                    file.seek_relative(length - 8)?;
                }
                [0xff, 0xe0..=0xef | 0xfe, ..] if length >= 2 => file.seek_relative(length - 2)?,
                _ => return Ok(false),
            }
        }
    };
    look().unwrap_or_default()
}

/// Returns the size of a JPEG as stored and as rotated by EXIF; `None` without EXIF rotation.
pub(super) fn sizes(path: &Path) -> Option<[Size; 2]> {
    let turn = turn(path)?;
    let stored = size(path).ok()?;
    let is_on_its_side = matches!(
        turn,
        Turn::Rotate90 | Turn::Rotate270 | Turn::Rotate90FlipH | Turn::Rotate270FlipH
    );
    let upright = if is_on_its_side {
        Size::new(stored.height, stored.width)
    } else {
        stored
    };
    Some([stored, upright])
}

/// Returns the JPEG `frame` rotated as its EXIF data says; `None` without EXIF rotation.
fn turned(path: &Path, frame: &Frame) -> Option<Frame> {
    let orientation = turn(path)?;
    let [width, height] = [frame.size().width, frame.size().height].map(|n| n as u32);
    let picture = RgbaImage::from_raw(width, height, frame.rgba().to_vec())?;
    let mut picture = DynamicImage::ImageRgba8(picture);
    picture.apply_orientation(orientation);
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    let pixels = Pixels::unpooled(picture.into_rgba8().into_raw());
    Some(Frame::new(frame.id, 0.0, size, pixels))
}

/// Returns the size in the header of an image.
///
/// # Errors
/// When the file is missing or not an image.
pub fn size(path: &Path) -> Result<Size> {
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(Error::io("open", path))?;
    let (width, height) = reader
        .into_dimensions()
        .map_err(|e| Error::data(path, format!("not a readable image: {e}")))?;
    Ok(Size::new(width as usize, height as usize))
}

/// Sets the size of a sample whose labels do not give one. An image that cannot be opened is
/// assumed to be large enough for its joints, so that the labels stay usable until it exists.
pub(super) fn size_from_header(sample: &mut Sample) {
    let joints = sample.annotations.iter().flat_map(|a| &a.joints);
    let points = joints.filter_map(Joint::labelled);
    if let Some([stored, upright]) = sizes(&sample.path) {
        // Labels outside the stored image were made on the rotated one.
        let is_inside = |size: Size| {
            let mut points = points.clone();
            points.all(|p| p.x < size.width as f64 && p.y < size.height as f64)
        };
        let is_upright = !is_inside(stored) && is_inside(upright);
        sample.size = if is_upright { upright } else { stored };
        return;
    }
    sample.size = size(&sample.path).unwrap_or_else(|_| {
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

    /// Fails when evaluation reads pixels that differ from libjpeg-turbo: the sums were computed
    /// with Pillow 12 from the same file.
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
            // Weighted by position, so that a shift is detected as well as a change of colour.
            sums[i % 4] += u64::from(value) * (1 + i as u64 / 4 % 251);
        }
        assert_eq!(sums, SUMS);
    }

    /// Fails when labels are compared with an image of another size, or the message does not name
    /// the image.
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
            frame: None,
            orientation: Orientation::Auto,
            annotations: Vec::new(),
        };
        assert_eq!(of_sample(&sample).unwrap().size(), sample.size);
        sample.size = Size::new(8, 6);
        let text = of_sample(&sample).unwrap_err().to_string();
        for part in ["small.png", "4x3", "8x6"] {
            assert!(text.contains(part), "{text}");
        }
    }

    /// Fails when a damaged or missing image ends a long evaluation without naming the file.
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

    /// Fails when a phone photo labelled upright is refused or not rotated, or one labelled as
    /// stored is rotated.
    #[test]
    fn images_are_rotated_as_their_labels_need() {
        let golden = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/dataset/chroma.jpg"
        );
        let mut bytes = std::fs::read(golden).unwrap();
        // APP1, "Exif", a big-endian TIFF header and one entry: tag 0x112, SHORT, one value, 6.
        let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        bytes.splice(2..2, exif.iter().copied());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upright.jpg");
        std::fs::write(&path, bytes).unwrap();
        let stored = read(Path::new(golden), 7).unwrap();
        let of_size = |path: &Path, size, orientation| of_file(path, 7, size, orientation);
        let (auto, lying, standing) = (Orientation::Auto, Size::new(61, 45), Size::new(45, 61));
        let as_stored = of_size(&path, lying, auto).unwrap();
        assert!(as_stored.rgba() == stored.rgba());
        let upright = of_size(&path, standing, auto).unwrap();
        let asked = of_size(&path, standing, Orientation::Exif).unwrap();
        assert!(asked.rgba() == upright.rgba());
        assert!(of_size(&path, lying, Orientation::Exif).is_err());
        assert!(of_size(&path, standing, Orientation::Stored).is_err());
        assert!(of_size(Path::new(golden), lying, Orientation::Exif).is_ok());
        // Rotated clockwise: the left end of the last row comes first.
        let pixel = |frame: &Frame, x: usize, y: usize| -> [u8; 4] {
            frame.rgba()[4 * (y * frame.size().width + x)..][..4]
                .try_into()
                .unwrap()
        };
        for (x, y) in [(0, 0), (3, 7), (44, 60)] {
            assert_eq!(pixel(&upright, x, y), pixel(&stored, y, 44 - x));
        }
        assert!(of_size(&path, Size::new(45, 60), auto).is_err());
        assert!(of_size(Path::new(golden), standing, auto).is_err());
    }
}

//! Decoding of an image file to pixels.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits,
    RgbaImage,
};
use tiff::tags::Tag;

use super::content::Content;
use super::jpeg;
use super::outcome::{Note, Refusal, check_size, damaged};
use crate::error::{Error, Result};
use crate::frame::{BYTES_PER_PIXEL, Frame, FramePool, Pixels};
use crate::geometry::Size;
use crate::source::video;

/// Memory limit for decoding one image in bytes: 16384x16384 in 16-bit RGB.
const MAX_ALLOC: u64 = 2 << 30;
/// Maximum number of pages counted in a TIFF file.
const MAX_PAGES: usize = 10_000;

/// Size, pixels and an optional remark.
type Decoded = (Size, Pixels, Option<Note>);

/// Reads an image into a buffer of `pool`, with its EXIF rotation applied and transparency over
/// black. The format is determined from the content, not the name.
///
/// # Errors
/// When the file is missing, damaged, in an unsupported format, or larger than 16384 pixels along a
/// side.
pub fn read_picture(path: &Path, id: u64, time_secs: f64, pool: &FramePool) -> Result<Frame> {
    read_noted(path, id, time_secs, pool).map(|(frame, _)| frame)
}

/// Like [`read_picture`], with a remark for the user.
///
/// # Errors
/// Like [`read_picture`].
pub(in crate::source) fn read_noted(
    path: &Path,
    id: u64,
    time_secs: f64,
    pool: &FramePool,
) -> Result<(Frame, Option<Note>)> {
    let refused = |reason: String| Error::source(path.display().to_string(), reason);
    let content = content(path).map_err(refused)?;
    let by_ffmpeg = |what: String| -> Result<(Frame, Option<Note>)> {
        let mut frame = video::still(path, &what)?;
        (frame.id, frame.time_secs) = (id, time_secs);
        Ok((frame, None))
    };
    let decoded = match content {
        Content::Picture(ImageFormat::Jpeg) => jpeg::read(path, pool),
        Content::Picture(format) => read(path, format, pool),
        Content::Foreign(name) => {
            return by_ffmpeg(format!("{name} image")).map(|f| named(path, f));
        }
        Content::Unread(name, remedy) => {
            Err(format!("{name} image, which cannot be read here: {remedy}").into())
        }
        Content::Video => Err("is a video, not an image: give it as --input itself"
            .to_owned()
            .into()),
        Content::Empty => Err("the file is empty; copy it again".to_owned().into()),
        Content::Other => Err("not an image (unknown format); save it as PNG or JPEG"
            .to_owned()
            .into()),
    };
    let (size, pixels, note) = match decoded {
        Ok(decoded) => decoded,
        Err(Refusal::Reason(reason)) => return Err(refused(reason)),
        Err(Refusal::Unsupported(what)) => return by_ffmpeg(what).map(|f| named(path, f)),
    };
    let frame = Frame::new(id, time_secs, size, pixels);
    Ok(named(path, (frame, note)))
}

fn named(path: &Path, (frame, note): (Frame, Option<Note>)) -> (Frame, Option<Note>) {
    (frame.of_file(super::name_of(path)), note)
}

/// Returns the type of a file; the error explains why it cannot be read. Devices and pipes are not
/// opened, because opening a pipe blocks until there is a writer.
pub(in crate::source) fn content(path: &Path) -> Result<Content, String> {
    let why = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "no such file; check the path".to_owned(),
        _ => format!("cannot be read: {e}"),
    };
    let metadata = std::fs::metadata(path).map_err(why)?;
    if metadata.is_dir() {
        return Err("this is a folder, not an image".to_owned());
    }
    if !metadata.is_file() {
        return Err("this is a device or a pipe, not an image".to_owned());
    }
    Content::of(path).map_err(why)
}

/// Limits the memory of `decoder`.
pub(in crate::source) fn limit(decoder: &mut impl ImageDecoder) -> Result<(), String> {
    let (width, height) = decoder.dimensions();
    check_size(width as usize, height as usize)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    decoder
        .set_limits(limits)
        .map_err(|e| format!("needs more than 2 GiB of memory ({e}): make it smaller"))
}

pub(in crate::source) fn open(path: &Path) -> Result<BufReader<File>, String> {
    let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    Ok(BufReader::new(file))
}

fn read(path: &Path, format: ImageFormat, pool: &FramePool) -> Result<Decoded, Refusal> {
    let (picture, note) = match format {
        ImageFormat::Png => {
            let decoder = PngDecoder::new(open(path)?)?;
            let has_more = decoder.is_apng()?;
            (whole(decoder)?, has_more.then_some(Note::First("frames")))
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(open(path)?)?;
            let has_more = decoder.has_animation();
            (whole(decoder)?, has_more.then_some(Note::First("frames")))
        }
        ImageFormat::Gif => {
            let frames = GifDecoder::new(open(path)?)?.into_frames();
            let has_more = frames.take(2).filter_map(ImageResult::ok).count() > 1;
            let picture = whole(GifDecoder::new(open(path)?)?)?;
            (picture, has_more.then_some(Note::First("frames")))
        }
        ImageFormat::Tiff => {
            let n_pages = n_pages(path)?;
            let reader = ImageReader::with_format(open(path)?, format);
            let note = (n_pages > 1).then_some(Note::First("pages"));
            (whole(reader.into_decoder()?)?, note)
        }
        _ => {
            let reader = ImageReader::with_format(open(path)?, format);
            (whole(reader.into_decoder()?)?, None)
        }
    };
    let picture = picture.into_rgba8();
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    Ok((size, opaque(&picture, pool), note))
}

/// Returns the first image with its EXIF rotation applied; damaged EXIF data is ignored.
fn whole(mut decoder: impl ImageDecoder) -> Result<DynamicImage, Refusal> {
    limit(&mut decoder)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Composites pixels over black.
pub(in crate::source) fn opaque(picture: &RgbaImage, pool: &FramePool) -> Pixels {
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    let mut pixels = pool.take(size);
    let (target, _) = pixels.bytes_mut().as_chunks_mut::<BYTES_PER_PIXEL>();
    let (source, _) = picture.as_raw().as_chunks::<BYTES_PER_PIXEL>();
    for (target, &[r, g, b, alpha]) in target.iter_mut().zip(source) {
        let over_black = |c: u8| (u16::from(c) * u16::from(alpha) / 255) as u8;
        *target = [over_black(r), over_black(g), over_black(b), 255];
    }
    pixels
}

/// Returns the number of pages of a TIFF file without previews, at most [`MAX_PAGES`]. If the first
/// page is the preview of a camera's raw file, the file is refused.
fn n_pages(path: &Path) -> Result<usize, Refusal> {
    let mut pages = tiff::decoder::Decoder::new(open(path)?).map_err(|e| damaged(&e))?;
    let mut n = 0;
    for i in 0..MAX_PAGES {
        let kind = pages.find_tag(Tag::NewSubfileType).ok().flatten();
        let kind = kind.and_then(|kind| kind.into_u32().ok()).unwrap_or(0);
        let is_preview = kind & 1 == 1;
        if i == 0 && is_preview {
            let reason = "starts with a preview, as camera raw files do: convert it to JPEG, PNG \
             or TIFF first";
            return Err(reason.to_owned().into());
        }
        n += usize::from(!is_preview);
        if !pages.more_images() || pages.next_image().is_err() {
            break;
        }
    }
    Ok(n)
}

//! JPEG files as found in practice: with EXIF rotation, in CMYK, truncated.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, RgbaImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::outcome::{Note, Refusal, check_size};
use crate::frame::{FramePool, Pixels};
use crate::geometry::Size;

/// Grey level of missing parts.
const MISSING: u8 = 128;

/// The decoder's message for an error in strict mode that all viewers ignore.
const HARMLESS: &str = "Extra bytes between headers";

/// Reads a whole file. An image that is truncated or damaged after its header is decoded as far as
/// possible, with a remark.
pub(super) fn read(path: &Path, pool: &FramePool) -> Result<(Size, Pixels, Option<Note>), Refusal> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    decode(&bytes, pool)
}

fn decode(bytes: &[u8], pool: &FramePool) -> Result<(Size, Pixels, Option<Note>), Refusal> {
    let damaged = |e| format!("not a readable JPEG: {e}; copy or save it again");
    let mut head = decoder(bytes, false);
    head.decode_headers().map_err(damaged)?;
    let (width, height) = head.dimensions().unwrap_or_default();
    let size = check_size(width, height)?;
    let orientation = head
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let mut pixels = pool.take(size);
    pixels.bytes_mut().fill(MISSING);
    let fault = decoder(bytes, true).decode_into(pixels.bytes_mut()).err();
    let fault = fault.map(|e| e.to_string());
    if fault.is_some() {
        pixels.bytes_mut().fill(MISSING);
        decoder(bytes, false)
            .decode_into(pixels.bytes_mut())
            .map_err(damaged)?;
    }
    // The decoder leaves the alpha of missing rows at their grey.
    for alpha in pixels.bytes_mut().iter_mut().skip(3).step_by(4) {
        *alpha = 255;
    }
    let note = match fault {
        _ if !has_end(bytes) => Some(Note::Damaged(
            "is truncated: the missing part may be grey; copy or download it again".to_owned(),
        )),
        Some(fault) if !fault.contains(HARMLESS) => Some(Note::Damaged(format!(
            "is damaged ({fault}): parts of it may be grey or wrong; copy or download it again"
        ))),
        _ => None,
    };
    let (size, pixels) = turned(size, pixels, orientation);
    Ok((size, pixels, note))
}

fn decoder(bytes: &[u8], is_strict: bool) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_strict_mode(is_strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

fn turned(size: Size, pixels: Pixels, orientation: Orientation) -> (Size, Pixels) {
    if orientation == Orientation::NoTransforms {
        return (size, pixels);
    }
    let bytes = pixels.bytes().to_vec();
    let Some(picture) = RgbaImage::from_raw(size.width as u32, size.height as u32, bytes) else {
        return (size, pixels);
    };
    let mut picture = DynamicImage::ImageRgba8(picture);
    picture.apply_orientation(orientation);
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    (size, Pixels::unpooled(picture.into_rgba8().into_raw()))
}

/// Returns whether the end marker of the image is present. Markers inside segments, such as those
/// of a thumbnail, do not count, and appended data is ignored.
fn has_end(jpeg: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // In entropy-coded data 0xFF is followed by 0 or a restart number.
        let Some(found) = jpeg
            .get(at..)
            .unwrap_or_default()
            .iter()
            .position(|b| *b == 0xFF)
        else {
            return false;
        };
        at += found + 1;
        match jpeg.get(at) {
            Some(0xD9) => return true,
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(0xFF) => {}
            Some(_) => {
                let Some(&[high, low]) = jpeg.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    fn jpeg() -> Vec<u8> {
        let picture = RgbaImage::from_fn(64, 96, |x, y| {
            image::Rgba([(x * 4) as u8, (y * 2) as u8, (x * y) as u8, 255])
        });
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        DynamicImage::ImageRgba8(picture)
            .to_rgb8()
            .write_with_encoder(encoder)
            .unwrap();
        bytes
    }

    fn note(bytes: &[u8]) -> Result<Option<Note>, ()> {
        decode(bytes, &FramePool::new())
            .map(|(_, _, note)| note)
            .map_err(drop)
    }

    /// Fails when a partial download is shown without a remark, even if only its last bytes are
    /// missing, or a complete image with appended data is reported as damaged.
    #[test]
    fn a_cut_picture_is_noted_and_a_whole_one_is_not() {
        let whole = jpeg();
        assert_eq!(note(&whole), Ok(None));
        assert_eq!(
            note(&[whole.as_slice(), b"appended \xFF\xD8"].concat()),
            Ok(None)
        );
        // A thumbnail with its own end marker in a segment.
        let mut thumbed = whole.clone();
        thumbed.splice(2..2, *b"\xFF\xE1\0\x08ab\xFF\xD9cd");
        assert_eq!(note(&thumbed), Ok(None));
        for kept in [whole.len() / 2, whole.len() * 9 / 10, whole.len() - 2] {
            for bytes in [&whole[..kept], &thumbed[..kept]] {
                let note = note(bytes).unwrap().unwrap().to_string();
                assert!(note.contains("truncated"), "{kept}: {note}");
            }
        }
    }

    proptest! {
        /// Fails when a damaged file causes a panic.
        #[test]
        fn damage_never_panics(at in 0..3000usize, with in prop::collection::vec(any::<u8>(), 1..20), cut in 0..3000usize) {
            let mut bytes = jpeg();
            let at = at.min(bytes.len() - 1);
            let n = with.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&with[..n]);
            drop(note(&bytes));
            drop(note(&bytes[..cut.min(bytes.len())]));
            has_end(&with);
        }
    }
}

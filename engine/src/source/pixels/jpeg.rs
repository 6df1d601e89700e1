//! JPEG as sent by cameras: without Huffman tables, with trailing bytes, or torn.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::MAX_SIDE;
use crate::error::{Error, Result};
use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// Decodes one JPEG. The decoder is strict: a torn frame is an error instead of a partly grey
/// frame, in which a network would find poses.
pub(super) fn decode(raw: &[u8], size: Size, rgba: &mut [u8]) -> Result<()> {
    let with_tables;
    let jpeg = if header(raw).has_tables {
        raw
    } else {
        with_tables = marked_as_avi(raw);
        &with_tables
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    let damaged = |e| Error::Failed(format!("damaged JPEG: {e}"));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    if (width, height) == (size.width, size.height) {
        return decoder.decode_into(rgba).map_err(damaged);
    }
    let is_rounded_up = (size.width..size.width + MAX_BLOCK).contains(&width)
        && (size.height..size.height + MAX_BLOCK).contains(&height);
    if !is_rounded_up {
        return Err(Error::Failed(format!(
            "the JPEG has {width}x{height} pixels instead of {size}"
        )));
    }
    let whole = decoder.decode().map_err(damaged)?;
    let rows = whole.chunks_exact(width * BYTES_PER_PIXEL);
    for (out, row) in rgba
        .chunks_exact_mut(size.width * BYTES_PER_PIXEL)
        .zip(rows)
    {
        out.copy_from_slice(&row[..out.len()]);
    }
    Ok(())
}

/// Maximum side of a coded block: some cameras announce 1920x1080 and send whole blocks, 1920x1088.
const MAX_BLOCK: usize = 16;

pub(super) const MARKER_DHT: u8 = 0xC4;
pub(super) const MARKER_SOS: u8 = 0xDA;
const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// Header of a JPEG, before the image data.
struct Header {
    /// Whether there are Huffman tables. Many webcams omit the standard tables, like AVI files.
    has_tables: bool,
    /// Start of the image data; `None` if there is none.
    data: Option<usize>,
}

fn header(jpeg: &[u8]) -> Header {
    let (mut at, mut has_tables) = (2, false);
    while let Some(&[0xFF, marker, high, low]) = jpeg.get(at..at + 4) {
        has_tables |= marker == MARKER_DHT;
        match marker {
            MARKER_SOS => {
                return Header {
                    has_tables,
                    data: Some(at),
                };
            }
            0xFF => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // Not a sequence of segments: the decoder will report the error.
    Header {
        has_tables: true,
        data: None,
    }
}

/// Returns whether the image data have an end marker. Bytes may follow it: drivers do not always
/// report the exact length.
pub(in crate::source) fn has_end(jpeg: &[u8]) -> bool {
    let data = header(jpeg).data.and_then(|at| jpeg.get(at..));
    data.is_some_and(|data| data.windows(2).rev().any(|w| w == END_OF_IMAGE))
}

/// Inserts the marker of an AVI frame after the first two bytes of `jpeg`; it makes the decoder use
/// the standard Huffman tables.
fn marked_as_avi(jpeg: &[u8]) -> Vec<u8> {
    let (start, rest) = jpeg.split_at(2.min(jpeg.len()));
    [start, b"\xFF\xE0\x00\x07AVI1\x00", rest].concat()
}

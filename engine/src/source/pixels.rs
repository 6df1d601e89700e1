//! Conversions from what cameras deliver to RGBA.
//!
//! YUYV and NV12 are read as BT.601 with limited range (luma 16 to 235), as the USB video class
//! prescribes; MJPEG is full range by its own standard. A buffer may be longer than its picture
//! (drivers round up to pages), a shorter one is an error. Rows have no padding.

use serde::{Deserialize, Serialize};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::{Error, Result};
use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// How a raw picture's bytes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelFormat {
    /// Two pixels in four bytes: luma, blue difference, luma, red difference.
    Yuyv,
    /// A plane of luma, then one of (blue, red) difference pairs for every 2x2 pixels.
    Nv12,
    /// Blue, green, red, one ignored byte.
    Bgra,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue.
    Rgb,
    /// Luma, full range.
    Gray,
    /// One JPEG a picture.
    Mjpeg,
}

impl PixelFormat {
    /// Bytes of a picture; `None` where they depend on the contents (MJPEG). An odd last column
    /// or row has its own colour sample.
    pub fn n_bytes(self, size: Size) -> Option<usize> {
        let (w, h) = (size.width, size.height);
        match self {
            Self::Yuyv => Some(w.div_ceil(2) * 4 * h),
            Self::Nv12 => Some(w * h + w.div_ceil(2) * 2 * h.div_ceil(2)),
            Self::Bgra => Some(w * h * 4),
            Self::Bgr | Self::Rgb => Some(w * h * 3),
            Self::Gray => Some(w * h),
            Self::Mjpeg => None,
        }
    }
}

impl std::fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Bgra => "BGRA",
            Self::Bgr => "BGR",
            Self::Rgb => "RGB",
            Self::Gray => "GRAY",
            Self::Mjpeg => "MJPEG",
        })
    }
}

/// Longest side that is believed; keeps every product of sides far from overflow.
const MAX_SIDE: usize = 1 << 15;

/// Writes the picture `raw` of `size` into `rgba` (`size.area() * 4` bytes), alpha 255.
///
/// # Errors
/// When `raw` is too short, is a damaged JPEG or one of another size, or when `size` is empty or
/// does not fit `rgba`. `rgba` may then be partly written.
pub fn to_rgba(format: PixelFormat, raw: &[u8], size: Size, rgba: &mut [u8]) -> Result<()> {
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&size.width) || !sides.contains(&size.height) {
        return Err(Error::Invalid(format!("no picture has the size {size}")));
    }
    if rgba.len() != size.area() * BYTES_PER_PIXEL {
        return Err(Error::Invalid(format!(
            "{} bytes cannot hold a {size} RGBA picture",
            rgba.len()
        )));
    }
    if let Some(needed) = format.n_bytes(size)
        && raw.len() < needed
    {
        return Err(Error::Invalid(format!(
            "a {size} {format} picture has {} of {needed} bytes",
            raw.len()
        )));
    }
    let rows = rgba.chunks_exact_mut(size.width * BYTES_PER_PIXEL);
    match format {
        PixelFormat::Yuyv => {
            let row_bytes = size.width.div_ceil(2) * 4;
            for (out, src) in rows.zip(raw.chunks_exact(row_bytes)) {
                yuyv_row(src, out);
            }
        }
        PixelFormat::Nv12 => {
            let (luma, chroma) = raw.split_at(size.area());
            let chroma_bytes = size.width.div_ceil(2) * 2;
            for (y, (out, luma)) in rows.zip(luma.chunks_exact(size.width)).enumerate() {
                let at = y / 2 * chroma_bytes;
                nv12_row(luma, &chroma[at..at + chroma_bytes], out);
            }
        }
        PixelFormat::Bgra => packed::<4>(raw, rgba, |[b, g, r, _]| [r, g, b, 255]),
        PixelFormat::Bgr => packed::<3>(raw, rgba, |[b, g, r]| [r, g, b, 255]),
        PixelFormat::Rgb => packed::<3>(raw, rgba, |[r, g, b]| [r, g, b, 255]),
        PixelFormat::Gray => packed::<1>(raw, rgba, |[y]| [y, y, y, 255]),
        PixelFormat::Mjpeg => mjpeg(raw, size, rgba)?,
    }
    Ok(())
}

/// Pixels of `N` bytes each, one by one.
fn packed<const N: usize>(raw: &[u8], rgba: &mut [u8], pixel: impl Fn([u8; N]) -> [u8; 4]) {
    let (pixels, _) = raw.as_chunks::<N>();
    let (out, _) = rgba.as_chunks_mut::<BYTES_PER_PIXEL>();
    for (out, &src) in out.iter_mut().zip(pixels) {
        *out = pixel(src);
    }
}

/// The colour share of red, green and blue for one pair of differences, in 256ths.
#[inline]
fn chroma(u: u8, v: u8) -> [i32; 3] {
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    [409 * v, -100 * u - 208 * v, 516 * u]
}

/// One pixel from its luma and colour share; at most one level from the exact BT.601 value.
/// 640x480 takes 0.6 ms, and 1.2 ms as MJPEG of 48 kB (debug profile, one core of two).
#[inline]
fn yuv_pixel(y: u8, chroma: [i32; 3]) -> [u8; 4] {
    let luma = 298 * (i32::from(y) - 16) + 128;
    let level = |c: i32| ((luma + c) >> 8).clamp(0, 255) as u8;
    [level(chroma[0]), level(chroma[1]), level(chroma[2]), 255]
}

fn yuyv_row(src: &[u8], out: &mut [u8]) {
    let (groups, _) = src.as_chunks::<4>();
    let (pairs, odd) = out.as_chunks_mut::<8>();
    for (pair, &[y0, u, y1, v]) in pairs.iter_mut().zip(groups) {
        let c = chroma(u, v);
        let (a, b) = (yuv_pixel(y0, c), yuv_pixel(y1, c));
        *pair = [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]];
    }
    if let (false, Some(&[y, u, _, v])) = (odd.is_empty(), groups.last()) {
        odd.copy_from_slice(&yuv_pixel(y, chroma(u, v)));
    }
}

fn nv12_row(luma: &[u8], differences: &[u8], out: &mut [u8]) {
    let (lumas, odd_luma) = luma.as_chunks::<2>();
    let (differences, _) = differences.as_chunks::<2>();
    let (pairs, odd) = out.as_chunks_mut::<8>();
    for ((pair, &[y0, y1]), &[u, v]) in pairs.iter_mut().zip(lumas).zip(differences) {
        let c = chroma(u, v);
        let (a, b) = (yuv_pixel(y0, c), yuv_pixel(y1, c));
        *pair = [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]];
    }
    if let (&[y], Some(&[u, v])) = (odd_luma, differences.last()) {
        odd.copy_from_slice(&yuv_pixel(y, chroma(u, v)));
    }
}

/// Decodes one JPEG. The decoder is strict: a torn frame is an error instead of half a picture
/// in grey, because a network would find poses in it.
fn mjpeg(raw: &[u8], size: Size, rgba: &mut [u8]) -> Result<()> {
    let with_tables;
    let jpeg = if has_huffman_tables(raw) {
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
    let damaged = |e| Error::Invalid(format!("damaged JPEG: {e}"));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().map_err(damaged)?;
    match decoder.dimensions() {
        Some((w, h)) if Size::new(w, h) == size => decoder.decode_into(rgba).map_err(damaged),
        other => Err(Error::Invalid(format!(
            "a JPEG of {size} was announced, one of {other:?} came"
        ))),
    }
}

const MARKER_DHT: u8 = 0xC4;
const MARKER_SOS: u8 = 0xDA;

/// Whether a table of Huffman codes comes before the picture's data. Many webcams leave the
/// standard tables out, as AVI files do.
fn has_huffman_tables(jpeg: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = jpeg.get(at..at + 4) {
        match marker {
            MARKER_DHT => return true,
            MARKER_SOS => return false,
            0xFF => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    true // Not a sequence of segments: the decoder will say what is wrong.
}

/// `jpeg` with the mark of an AVI frame after its first two bytes; for the decoder that mark
/// means the standard Huffman tables.
fn marked_as_avi(jpeg: &[u8]) -> Vec<u8> {
    let (start, rest) = jpeg.split_at(2.min(jpeg.len()));
    [start, b"\xFF\xE0\x00\x07AVI1\x00", rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageEncoder;
    use proptest::prelude::*;

    const RAW_FORMATS: [PixelFormat; 6] = [
        PixelFormat::Yuyv,
        PixelFormat::Nv12,
        PixelFormat::Bgra,
        PixelFormat::Bgr,
        PixelFormat::Rgb,
        PixelFormat::Gray,
    ];

    fn yuv_reference(y: u8, u: u8, v: u8) -> [f64; 3] {
        let y = (f64::from(y) - 16.0) * 255.0 / 219.0;
        let u = (f64::from(u) - 128.0) * 255.0 / 224.0;
        let v = (f64::from(v) - 128.0) * 255.0 / 224.0;
        let (kr, kg, kb) = (0.299, 0.587, 0.114);
        [
            y + 2.0 * (1.0 - kr) * v,
            y - 2.0 * (1.0 - kb) * kb / kg * u - 2.0 * (1.0 - kr) * kr / kg * v,
            y + 2.0 * (1.0 - kb) * u,
        ]
        .map(|c| c.clamp(0.0, 255.0))
    }

    /// The pixel at (x, y), straight from the definition of each format.
    fn reference(format: PixelFormat, raw: &[u8], size: Size, x: usize, y: usize) -> [f64; 3] {
        let (w, h) = (size.width, size.height);
        let i = y * w + x;
        let at = |i: usize| f64::from(raw[i]);
        match format {
            PixelFormat::Yuyv => {
                let group = y * w.div_ceil(2) * 4 + x / 2 * 4;
                yuv_reference(raw[group + x % 2 * 2], raw[group + 1], raw[group + 3])
            }
            PixelFormat::Nv12 => {
                let uv = w * h + (y / 2 * w.div_ceil(2) + x / 2) * 2;
                yuv_reference(raw[i], raw[uv], raw[uv + 1])
            }
            PixelFormat::Bgra => [at(4 * i + 2), at(4 * i + 1), at(4 * i)],
            PixelFormat::Bgr => [at(3 * i + 2), at(3 * i + 1), at(3 * i)],
            PixelFormat::Rgb => [at(3 * i), at(3 * i + 1), at(3 * i + 2)],
            PixelFormat::Gray | PixelFormat::Mjpeg => [at(i); 3],
        }
    }

    fn picture() -> impl Strategy<Value = (PixelFormat, Size, Vec<u8>)> {
        (
            prop::sample::select(&RAW_FORMATS[..]),
            1..40usize,
            1..12usize,
        )
            .prop_flat_map(|(format, w, h)| {
                let size = Size::new(w, h);
                let n = format.n_bytes(size).unwrap();
                let raw = prop::collection::vec(any::<u8>(), n..n + 5);
                (Just(format), Just(size), raw)
            })
    }

    fn jpeg_of(size: Size, gray: bool, seed: u8) -> Vec<u8> {
        let channels = if gray { 1 } else { 3 };
        let pixels: Vec<u8> = (0..size.area() * channels)
            .map(|i| ((i / channels % size.width * 3 + i / size.width) as u8).wrapping_add(seed))
            .collect();
        let mut jpeg = Vec::new();
        let color = if gray {
            image::ExtendedColorType::L8
        } else {
            image::ExtendedColorType::Rgb8
        };
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90)
            .write_image(&pixels, size.width as u32, size.height as u32, color)
            .unwrap();
        jpeg
    }

    /// `jpeg` without its tables of Huffman codes, as many webcams send it.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != MARKER_SOS {
            let n = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != MARKER_DHT {
                out.extend(&jpeg[at..at + n]);
            }
            at += n;
        }
        out.extend(&jpeg[at..]);
        out
    }

    proptest! {
        /// Fails when a fast path gives wrong colours or mixes up pixels, also at odd sizes.
        #[test]
        fn every_format_agrees_with_its_definition((format, size, raw) in picture()) {
            let mut rgba = vec![7; size.area() * 4];
            to_rgba(format, &raw, size, &mut rgba).unwrap();
            for y in 0..size.height {
                for x in 0..size.width {
                    let got = &rgba[(y * size.width + x) * 4..][..4];
                    let want = reference(format, &raw, size, x, y);
                    for c in 0..3 {
                        prop_assert!((f64::from(got[c]) - want[c]).abs() <= 1.0,
                                     "{format} {size} ({x},{y}): {got:?} for {want:?}");
                    }
                    prop_assert_eq!(got[3], 255);
                }
            }
        }

        /// Fails when a driver's short buffer would crash the program.
        #[test]
        fn short_buffers_are_errors((format, size, raw) in picture(), cut in 1..64usize) {
            let n = format.n_bytes(size).unwrap();
            let mut rgba = vec![0; size.area() * 4];
            prop_assert!(to_rgba(format, &raw[..n.saturating_sub(cut)], size, &mut rgba).is_err());
            rgba.pop();
            prop_assert!(to_rgba(format, &raw, size, &mut rgba).is_err());
        }

        /// Fails when a webcam's JPEG of any size, with or without tables, in colour or grey,
        /// with a driver's bytes behind it, is refused or decoded wrongly.
        #[test]
        fn jpegs_come_out_as_the_image_crate_reads_them(w in 1..50usize, h in 1..50usize,
                gray: bool, tables: bool, seed: u8, behind in 0..40usize) {
            let size = Size::new(w, h);
            let jpeg = jpeg_of(size, gray, seed);
            let want = image::load_from_memory(&jpeg).unwrap().to_rgba8();
            let mut sent = if tables { jpeg } else { without_tables(&jpeg) };
            sent.resize(sent.len() + behind, 0x55);
            let mut rgba = vec![0; size.area() * 4];
            to_rgba(PixelFormat::Mjpeg, &sent, size, &mut rgba).unwrap();
            for (a, b) in rgba.iter().zip(want.iter()) {
                prop_assert!(a.abs_diff(*b) <= 2);
            }
        }

        /// Fails when damaged data would panic, or a frame torn before its last rows would pass.
        #[test]
        fn torn_jpegs_are_errors(kept in 0.0..0.8f64, seed: u8) {
            let size = Size::new(64, 96);
            let jpeg = jpeg_of(size, false, seed);
            let torn = &jpeg[..(jpeg.len() as f64 * kept) as usize];
            let mut rgba = vec![0; size.area() * 4];
            prop_assert!(to_rgba(PixelFormat::Mjpeg, torn, size, &mut rgba).is_err());
        }

        /// Fails when any bytes at all crash the decoder.
        #[test]
        fn scrambled_jpegs_never_panic(at in 0..600usize, with in prop::collection::vec(any::<u8>(), 1..30)) {
            let size = Size::new(33, 17);
            let mut jpeg = jpeg_of(size, false, 3);
            let at = at.min(jpeg.len() - 1);
            let n = with.len().min(jpeg.len() - at);
            jpeg[at..at + n].copy_from_slice(&with[..n]);
            let mut rgba = vec![0; size.area() * 4];
            let _ = to_rgba(PixelFormat::Mjpeg, &jpeg, size, &mut rgba);
            let _ = to_rgba(PixelFormat::Mjpeg, &with, size, &mut rgba);
        }
    }

    /// Fails when a camera that changes its size under way would write outside or garble frames.
    #[test]
    fn a_jpeg_of_another_size_and_impossible_sizes_are_errors() {
        let jpeg = jpeg_of(Size::new(16, 16), false, 0);
        let mut rgba = vec![0; 4 * 32 * 8];
        assert!(to_rgba(PixelFormat::Mjpeg, &jpeg, Size::new(32, 8), &mut rgba).is_err());
        for size in [Size::new(0, 5), Size::new(5, 0), Size::square(usize::MAX)] {
            assert!(to_rgba(PixelFormat::Gray, &jpeg, size, &mut []).is_err());
        }
    }
}

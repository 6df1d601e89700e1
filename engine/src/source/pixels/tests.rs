//! Every layout compared with its definition, and damaged frames.

use super::*;
use image::ImageEncoder;
use proptest::prelude::*;

const RAW_FORMATS: [PixelFormat; 13] = [
    PixelFormat::Yuyv,
    PixelFormat::Yvyu,
    PixelFormat::Uyvy,
    PixelFormat::Vyuy,
    PixelFormat::Nv12,
    PixelFormat::Nv21,
    PixelFormat::Yu12,
    PixelFormat::Yv12,
    PixelFormat::Gray16,
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

/// Returns the pixel at (x, y) directly from the definition of each format.
fn reference(format: PixelFormat, raw: &[u8], size: Size, x: usize, y: usize) -> [f64; 3] {
    let (w, h) = (size.width, size.height);
    let i = y * w + x;
    let at = |i: usize| f64::from(raw[i]);
    let group = y * w.div_ceil(2) * 4 + x / 2 * 4;
    let in_group = |y0: usize, u, v| {
        yuv_reference(raw[group + y0 + x % 2 * 2], raw[group + u], raw[group + v])
    };
    let pair = w * h + (y / 2 * w.div_ceil(2) + x / 2) * 2;
    let first = w * h + y / 2 * w.div_ceil(2) + x / 2;
    let second = first + w.div_ceil(2) * h.div_ceil(2);
    match format {
        PixelFormat::Yuyv => in_group(0, 1, 3),
        PixelFormat::Yvyu => in_group(0, 3, 1),
        PixelFormat::Uyvy => in_group(1, 0, 2),
        PixelFormat::Vyuy => in_group(1, 2, 0),
        PixelFormat::Nv12 => yuv_reference(raw[i], raw[pair], raw[pair + 1]),
        PixelFormat::Nv21 => yuv_reference(raw[i], raw[pair + 1], raw[pair]),
        PixelFormat::Yu12 => yuv_reference(raw[i], raw[first], raw[second]),
        PixelFormat::Yv12 => yuv_reference(raw[i], raw[second], raw[first]),
        PixelFormat::Bgra => [at(4 * i + 2), at(4 * i + 1), at(4 * i)],
        PixelFormat::Bgr => [at(3 * i + 2), at(3 * i + 1), at(3 * i)],
        PixelFormat::Rgb => [at(3 * i), at(3 * i + 1), at(3 * i + 2)],
        PixelFormat::Gray16 => [at(2 * i + 1); 3],
        PixelFormat::Gray | PixelFormat::Mjpeg | PixelFormat::H264 => [at(i); 3],
    }
}

/// Converts a frame whose rows have no padding.
fn convert(format: PixelFormat, raw: &[u8], size: Size, rgba: &mut [u8]) -> Result<()> {
    let stride = format.row_bytes(size, 0);
    to_rgba(&RawImage::in_one_buffer(format, size, stride, raw), rgba)
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

/// Removes the Huffman tables from `jpeg`, as many webcams do.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
    while jpeg[at + 1] != jpeg::MARKER_SOS {
        let n = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != jpeg::MARKER_DHT {
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
        convert(format, &raw, size, &mut rgba).unwrap();
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

    /// Fails when a driver's row padding shears the frame or mixes up planes.
    #[test]
    fn padding_of_rows_is_skipped((format, size, raw) in picture(), pad in 0..20usize) {
        // V4L2 halves the stride of luma for chroma planes.
        let size = Size::new(size.width * 2, size.height / 2 + 1);
        let raw: Vec<u8> = raw.iter().copied().cycle().take(format.n_bytes(size).unwrap()).collect();
        let stride = format.row_bytes(size, 0) + 2 * pad;
        let (mut padded, mut rest) = (Vec::new(), &raw[..]);
        for (row, rows) in format.planes(size) {
            let pad = if row * 2 == size.width { pad } else { 2 * pad };
            for _ in 0..rows {
                padded.extend(&rest[..row]);
                padded.resize(padded.len() + pad, 0xEE);
                rest = &rest[row..];
            }
        }
        let mut want = vec![0; size.area() * 4];
        convert(format, &raw, size, &mut want).unwrap();
        let mut got = vec![0; size.area() * 4];
        // The padding after the very last row may be missing.
        for bytes in [&padded[..], &padded[..padded.len() - pad]] {
            let picture = RawImage::in_one_buffer(format, size, stride, bytes);
            to_rgba(&picture, &mut got).unwrap();
            prop_assert!(got == want, "{format} {size} +{pad}");
        }
    }

    /// Fails when a driver's short buffer causes a panic.
    #[test]
    fn short_buffers_are_errors((format, size, raw) in picture(), cut in 1..64usize) {
        let n = format.n_bytes(size).unwrap();
        let mut rgba = vec![0; size.area() * 4];
        prop_assert!(convert(format, &raw[..n.saturating_sub(cut)], size, &mut rgba).is_err());
        rgba.pop();
        prop_assert!(convert(format, &raw, size, &mut rgba).is_err());
    }

    /// Fails when a webcam's JPEG of any size, with or without tables, in colour or grey, with
    /// trailing bytes, is refused or decoded wrongly.
    #[test]
    fn jpegs_come_out_as_the_image_crate_reads_them(w in 1..50usize, h in 1..50usize,
            gray: bool, tables: bool, seed: u8, behind in 0..40usize) {
        let size = Size::new(w, h);
        let jpeg = jpeg_of(size, gray, seed);
        let want = image::load_from_memory(&jpeg).unwrap().to_rgba8();
        let mut sent = if tables { jpeg } else { without_tables(&jpeg) };
        sent.resize(sent.len() + behind, 0x55);
        let mut rgba = vec![0; size.area() * 4];
        convert(PixelFormat::Mjpeg, &sent, size, &mut rgba).unwrap();
        for (a, b) in rgba.iter().zip(want.iter()) {
            prop_assert!(a.abs_diff(*b) <= 2);
        }
    }

    /// Fails when damaged data cause a panic, or a frame torn before its last rows is accepted.
    #[test]
    fn torn_jpegs_are_errors(kept in 0.0..0.8f64, seed: u8) {
        let size = Size::new(64, 96);
        let jpeg = jpeg_of(size, false, seed);
        let torn = &jpeg[..(jpeg.len() as f64 * kept) as usize];
        let mut rgba = vec![0; size.area() * 4];
        prop_assert!(convert(PixelFormat::Mjpeg, torn, size, &mut rgba).is_err());
    }

    /// Fails when arbitrary bytes cause a panic in the decoder.
    #[test]
    fn scrambled_jpegs_never_panic(at in 0..600usize, with in prop::collection::vec(any::<u8>(), 1..30)) {
        let size = Size::new(33, 17);
        let mut jpeg = jpeg_of(size, false, 3);
        let at = at.min(jpeg.len() - 1);
        let n = with.len().min(jpeg.len() - at);
        jpeg[at..at + n].copy_from_slice(&with[..n]);
        let mut rgba = vec![0; size.area() * 4];
        let _ = convert(PixelFormat::Mjpeg, &jpeg, size, &mut rgba);
        let _ = convert(PixelFormat::Mjpeg, &with, size, &mut rgba);
    }
}

/// Fails when a camera that announces 1080 rows and sends whole JPEG blocks yields no frame.
#[test]
fn a_jpeg_of_whole_blocks_is_cut_to_its_size() {
    let (sent, size) = (Size::new(32, 32), Size::new(30, 24));
    let jpeg = jpeg_of(sent, false, 9);
    let mut whole = vec![0; sent.area() * 4];
    convert(PixelFormat::Mjpeg, &jpeg, sent, &mut whole).unwrap();
    let mut rgba = vec![0; size.area() * 4];
    convert(PixelFormat::Mjpeg, &jpeg, size, &mut rgba).unwrap();
    for (row, want) in rgba.chunks(30 * 4).zip(whole.chunks(32 * 4)) {
        assert_eq!(row, &want[..30 * 4]);
    }
}

/// Fails when a JPEG without its end marker is accepted, or trailing bytes are taken for a missing
/// one.
#[test]
fn the_end_of_a_jpeg_is_seen() {
    let jpeg = jpeg_of(Size::new(64, 48), false, 1);
    assert!(jpeg::has_end(&jpeg));
    assert!(jpeg::has_end(&[&jpeg[..], &[0; 100]].concat()));
    for n in [0, 2, 30, jpeg.len() / 2, jpeg.len() - 1] {
        assert!(!jpeg::has_end(&jpeg[..n]), "{n} bytes");
    }
}

/// Fails when a camera that changes its frame size causes out-of-bounds writes or garbled frames.
#[test]
fn a_jpeg_of_another_size_and_impossible_sizes_are_errors() {
    let jpeg = jpeg_of(Size::new(16, 16), false, 0);
    let mut rgba = vec![0; 4 * 32 * 8];
    assert!(convert(PixelFormat::Mjpeg, &jpeg, Size::new(32, 8), &mut rgba).is_err());
    for size in [Size::new(0, 5), Size::new(5, 0), Size::square(usize::MAX)] {
        assert!(convert(PixelFormat::Gray, &jpeg, size, &mut []).is_err());
    }
}

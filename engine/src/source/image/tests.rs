//! Tests of reading single images.

use super::*;
use crate::geometry::Size;
use crate::source::SourceSpec;
use ::image::codecs::png::PngEncoder;
use ::image::codecs::webp::WebPEncoder;
use ::image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, Rgba, RgbaImage};

/// Fails when channels are swapped, transparency is not composited, or a second frame is returned.
#[test]
fn a_picture_is_one_opaque_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.PNG");
    let picture = RgbaImage::from_raw(2, 1, vec![250, 100, 50, 255, 200, 200, 200, 0]);
    picture.unwrap().save(&path).unwrap();
    assert!(has_picture_extension(&path));
    let mut source = (KIND.open)(path.as_os_str(), &OpenOptions::default()).unwrap();
    assert_eq!(source.info().size, Some(Size::new(2, 1)));
    let frame = source.next_frame().unwrap().unwrap();
    assert_eq!(frame.rgba(), [250, 100, 50, 255, 0, 0, 0, 255]);
    assert!(source.next_frame().unwrap().is_none());
}

/// Fails when photos taken with an upright phone are not rotated: EXIF orientation 6.
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

/// Fails when a missing or damaged image causes a panic, or the message does not name it.
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

/// An EXIF block: a big-endian TIFF header and one entry, tag 0x112 (orientation), SHORT, 6.
const TURNED: &[u8] = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

fn read(path: &Path) -> Result<(Frame, Option<Note>)> {
    read_noted(path, 3, 0.5, &FramePool::new())
}

/// Fails when a common format is refused, taken for a video, or depends on its extension: every one
/// is written under a misleading name or without an extension.
#[test]
fn what_a_file_holds_decides_not_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let picture = DynamicImage::ImageRgb8(::image::RgbImage::from_pixel(5, 4, Rgb([200, 100, 50])));
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
        ImageFormat::Pnm,
    ] {
        for name in ["shot.mp4", "shot", "shot.jfif", "shot.TIF"] {
            let path = folder.path().join(name);
            picture.save_with_format(&path, format).unwrap();
            let spec = SourceSpec::parse(&path).unwrap();
            assert_eq!(spec.kind().name, "image", "{format:?} as {name}");
            let (frame, note) = read(&path).unwrap();
            assert_eq!((frame.size(), note), (Size::new(5, 4), None), "{format:?}");
            assert_eq!(
                (frame.id, frame.time_secs, frame.file.as_deref()),
                (3, 0.5, Some(name))
            );
            for (got, wanted) in frame.rgba().iter().zip([200, 100, 50, 255]) {
                assert!(got.abs_diff(wanted) < 24, "{format:?}: {:?}", frame.rgba());
            }
        }
    }
    // A video with the extension of an image is opened as a video.
    let golden = crate::test_golden::path("video/bframes.mp4");
    let path = folder.path().join("video.jpg");
    std::fs::copy(golden, &path).unwrap();
    assert_eq!(SourceSpec::parse(&path).unwrap().kind().name, "video");
    let reason = read(&path).unwrap_err().to_string();
    assert!(reason.contains("is a video"), "{reason}");
}

/// Fails when deep, transparent or grey pixels change in colour.
#[test]
fn every_depth_of_pixels_becomes_eight_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep");
    let deep = [51_400u16, 25_700, 12_850];
    let rgb16: DynamicImage =
        ::image::ImageBuffer::<Rgb<u16>, _>::from_pixel(3, 2, Rgb(deep)).into();
    let grey16: DynamicImage =
        ::image::ImageBuffer::<::image::Luma<u16>, _>::from_pixel(3, 2, ::image::Luma([51_400]))
            .into();
    let faint: DynamicImage = RgbaImage::from_pixel(3, 2, Rgba([200, 100, 50, 51])).into();
    for (picture, format, wanted) in [
        (&rgb16, ImageFormat::Png, [200, 100, 50, 255]),
        (&rgb16, ImageFormat::Tiff, [200, 100, 50, 255]),
        (&grey16, ImageFormat::Tiff, [200, 200, 200, 255]),
        (&faint, ImageFormat::Tiff, [40, 20, 10, 255]),
        (&faint, ImageFormat::WebP, [40, 20, 10, 255]),
    ] {
        picture.save_with_format(&path, format).unwrap();
        let (frame, note) = read(&path).unwrap();
        assert_eq!(note, None);
        assert_eq!(frame.rgba()[..4], wanted, "{format:?}");
    }
}

/// Fails when a rotated image in another format than JPEG is not rotated.
#[test]
fn exif_data_turn_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned");
    let pixels = RgbaImage::from_pixel(6, 4, Rgba([9, 9, 9, 255])).into_raw();
    let (mut png, mut webp) = (Vec::new(), Vec::new());
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(TURNED.to_vec()).unwrap();
    encoder
        .write_image(&pixels, 6, 4, ExtendedColorType::Rgba8)
        .unwrap();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(TURNED.to_vec()).unwrap();
    encoder
        .write_image(&pixels, 6, 4, ExtendedColorType::Rgba8)
        .unwrap();
    for bytes in [png, webp, tiff(&[(274, 6)])] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path).unwrap().0.size(), Size::new(4, 6));
    }
}

/// Creates a TIFF with a grey 6x4 page for each entry, which gives one additional tag and its
/// value.
fn tiff(pages: &[(u16, u16)]) -> Vec<u8> {
    const WIDTH: u16 = 6;
    const HEIGHT: u16 = 4;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for (i, &(tag, value)) in pages.iter().enumerate() {
        let mut entries = vec![
            (256, WIDTH),
            (257, HEIGHT),
            (258, 8),
            (259, 1),
            (262, 1),
            (277, 1),
            (278, HEIGHT),
            (279, WIDTH * HEIGHT),
        ];
        entries.push((tag, value));
        let end = bytes.len() + 2 + 12 * (entries.len() + 1) + 4;
        entries.push((273, end as u16));
        entries.sort_unstable();
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([3, 0, 1, 0, 0, 0]);
            bytes.extend(u32::from(value).to_le_bytes());
        }
        let next = end + usize::from(WIDTH * HEIGHT);
        let next = if i + 1 < pages.len() { next } else { 0 };
        bytes.extend((next as u32).to_le_bytes());
        bytes.resize(bytes.len() + usize::from(WIDTH * HEIGHT), 77);
    }
    bytes
}

/// Fails when pages of a scan, frames of an animation or the preview in a raw file are used as the
/// image without a remark.
#[test]
fn what_is_not_the_only_picture_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.tif");
    std::fs::write(&path, tiff(&[(254, 0)])).unwrap();
    assert_eq!(read(&path).unwrap().1, None);
    std::fs::write(&path, tiff(&[(254, 0), (254, 1)])).unwrap();
    assert_eq!(read(&path).unwrap().1, None, "a preview is no page");
    std::fs::write(&path, tiff(&[(254, 0), (254, 2), (254, 2)])).unwrap();
    let (frame, note) = read(&path).unwrap();
    assert_eq!((frame.rgba()[0], note), (77, Some(Note::First("pages"))));
    let mut source = (KIND.open)(path.as_os_str(), &OpenOptions::default()).unwrap();
    assert!(source.next_frame().unwrap().is_some());
    let warning = source.warning().unwrap();
    assert!(
        warning.contains("scan.tif") && warning.contains("several pages"),
        "{warning}"
    );
    std::fs::write(&path, tiff(&[(254, 1), (254, 0)])).unwrap();
    let reason = read(&path).unwrap_err().to_string();
    assert!(reason.contains("preview"), "{reason}");
}

/// Fails when the message for an unsupported image names another format, or has no remedy.
#[test]
fn pictures_that_cannot_be_read_are_called_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let reason = |bytes: &[u8]| {
        // A misleading name: phone software writes HEIC as .jpg.
        let path = folder.path().join("IMG_1.jpg");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(SourceSpec::parse(&path).unwrap().kind().name, "image");
        read(&path).unwrap_err().to_string()
    };
    for (bytes, parts) in [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".as_slice(),
            ["HEIC", "heif-convert"],
        ),
        (
            b"FUJIFILMCCD-RAW 0201",
            ["camera raw", "convert it to JPEG"],
        ),
        (b"", ["empty", "copy"]),
        (b"not a picture at all", ["unknown format", "PNG or JPEG"]),
    ] {
        let reason = reason(bytes);
        for part in parts {
            assert!(reason.contains(part), "{reason}");
        }
    }
    let mut huge = b"P5\n20000 3\n255\n".to_vec();
    huge.resize(huge.len() + 60_000, 0);
    let reason = reason(&huge);
    assert!(
        reason.contains("20000x3") && reason.contains("16384"),
        "{reason}"
    );
}

/// Fails when AVIF is refused although ffmpeg is installed, or depends on its extension.
#[test]
fn avif_is_read_through_ffmpeg() {
    if crate::source::video::ffmpeg_version().is_none() {
        let required = std::env::var("POSELENS_TESTS_REQUIRE").unwrap_or_default();
        assert!(!required.contains("ffmpeg"), "there is no ffmpeg here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    std::fs::copy(crate::test_golden::path("picture/small.avif"), &path).unwrap();
    assert_eq!(SourceSpec::parse(&path).unwrap().kind().name, "image");
    let (frame, note) = read(&path).unwrap();
    assert_eq!((frame.size(), frame.id, note), (Size::new(64, 48), 3, None));
    assert_eq!(frame.file.as_deref(), Some("a.jpg"));
    for (got, wanted) in frame.rgba().iter().zip([200u8, 100, 50, 255]) {
        assert!(got.abs_diff(wanted) < 24, "{:?}", &frame.rgba()[..4]);
    }
}

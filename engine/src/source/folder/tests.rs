//! Tests of image folders.

use super::*;
use crate::geometry::Size;
use ::image::{DynamicImage, ImageFormat};

fn open(folder: &Path) -> Result<Box<dyn FrameSource>> {
    let options = OpenOptions {
        rate: 10.0,
        ..OpenOptions::default()
    };
    (KIND.open)(folder.as_os_str(), &options)
}

/// Fails when order, numbers, times or names are wrong, a file that is not an image ends the run,
/// an image is skipped because of its extension, or skipped files are not reported.
#[test]
fn pictures_come_in_natural_order_with_numbers_and_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, width) in [
        ("10.png", 3),
        ("2.png", 2),
        ("b1.JPG", 4),
        (".hidden.png", 9),
    ] {
        DynamicImage::new_rgb8(width, 1).save(at(name)).unwrap();
    }
    for (name, width) in [("c", 5), ("Ü 3.mp4", 6)] {
        let picture = DynamicImage::new_rgb8(width, 1);
        picture
            .save_with_format(at(name), ImageFormat::Tiff)
            .unwrap();
    }
    for clutter in ["Thumbs.db", ".DS_Store"] {
        std::fs::write(at(clutter), "of the system").unwrap();
    }
    std::fs::write(at("notes.txt"), "no image").unwrap();
    std::fs::write(at("7.png"), "damaged").unwrap();
    std::fs::create_dir(at("8.png")).unwrap();
    std::fs::copy(crate::test_golden::path("video/bframes.mp4"), at("d.mkv")).unwrap();
    let mut source = open(folder.path()).unwrap();
    assert_eq!(source.info().n_frames, Some(6));
    let mut frames = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        let tenths = (frame.time_secs * 10.0).round() as u64;
        assert_eq!(tenths, frame.id);
        frames.push((
            frame.id,
            frame.size().width,
            frame.file.unwrap().to_string(),
        ));
    }
    let wanted = [
        (0, 2, "2.png"),
        (2, 3, "10.png"),
        (3, 4, "b1.JPG"),
        (4, 5, "c"),
        (5, 6, "Ü 3.mp4"),
    ];
    assert_eq!(
        frames,
        wanted.map(|(id, width, name)| (id, width, name.to_owned()))
    );
    let warning = source.warning().unwrap();
    for part in [
        "1 of 6 images failed, the others keep their numbers (7.png: not an image",
        "1 video (d.mkv)",
        "1 file that is not an image (notes.txt)",
        "1 hidden image (.hidden.png)",
        "1 subfolder, not entered (8.png)",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
    assert!(
        !warning.contains("Thumbs") && !warning.contains('\n'),
        "{warning}"
    );
}

/// Fails when the reason of one unreadable image is given for others, or is lost behind it.
#[test]
fn every_reason_is_given_with_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.png"), "").unwrap();
    for name in ["b.png", "c.png"] {
        std::fs::write(at(name), "damaged").unwrap();
    }
    DynamicImage::new_rgb8(2, 2).save(at("d.png")).unwrap();
    let mut source = open(folder.path()).unwrap();
    while source.next_frame().unwrap().is_some() {}
    let warning = source.warning().unwrap();
    for part in [
        "3 of 4 images failed, the others keep their numbers (a.png: the file is empty",
        ") (b.png, c.png: not an image",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}

/// Fails when a folder that was read completely causes a warning.
#[test]
fn nothing_is_said_where_nothing_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["1.png", "2.jpeg"] {
        DynamicImage::new_rgb8(2, 2)
            .save(folder.path().join(name))
            .unwrap();
    }
    let mut source = open(folder.path()).unwrap();
    while source.next_frame().unwrap().is_some() {}
    assert_eq!(source.warning(), None);
}

/// Fails when a truncated image, or a file of several frames, is used without a warning.
#[test]
fn pictures_that_are_less_than_they_should_be_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let picture = DynamicImage::new_rgb8(64, 64);
    picture.save(at("1.jpg")).unwrap();
    let bytes = std::fs::read(at("1.jpg")).unwrap();
    std::fs::write(at("2.jpg"), &bytes[..bytes.len() - 9]).unwrap();
    let mut gif =
        ::image::codecs::gif::GifEncoder::new(std::fs::File::create(at("3.gif")).unwrap());
    for _ in 0..2 {
        gif.encode_frame(::image::Frame::new(picture.to_rgba8()))
            .unwrap();
    }
    drop(gif);
    let mut source = open(folder.path()).unwrap();
    let mut n = 0;
    while let Some(frame) = source.next_frame().unwrap() {
        assert_eq!(frame.size(), Size::new(64, 64));
        n += 1;
    }
    assert_eq!(n, 3);
    let warning = source.warning().unwrap();
    for part in [
        "1 image is truncated",
        "(2.jpg)",
        "1 file has several frames",
        "(3.gif)",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}

/// Fails when a folder without readable images is accepted, or the message does not list its
/// content.
#[test]
fn a_folder_without_pictures_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let message = || open(folder.path()).map(drop).unwrap_err().to_string();
    assert!(
        message().contains("no images in this folder: it is empty"),
        "{}",
        message()
    );
    std::fs::create_dir(folder.path().join("day 1")).unwrap();
    assert!(
        message().contains("1 subfolder, not entered (day 1)"),
        "{}",
        message()
    );
    std::fs::write(folder.path().join("1.png"), "damaged").unwrap();
    let message = open(folder.path()).unwrap().next_frame().unwrap_err();
    assert!(message.to_string().contains("1.png"), "{message}");
}

/// Fails when a link is not followed, a broken one ends the run or shifts the numbers, or reading a
/// pipe blocks.
#[cfg(unix)]
#[test]
fn links_are_followed_and_pipes_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("elsewhere")).unwrap();
    DynamicImage::new_rgb8(2, 2)
        .save(at("elsewhere/real.png"))
        .unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name)).unwrap();
    link("elsewhere/real.png", "2.png");
    link("gone.png", "1.png");
    link("3.png", "3.png");
    let made = std::process::Command::new("mkfifo")
        .arg(at("0.png"))
        .status();
    assert!(made.unwrap().success());
    let mut source = open(folder.path()).unwrap();
    let frame = source.next_frame().unwrap().unwrap();
    assert_eq!((frame.id, frame.file.as_deref()), (1, Some("2.png")));
    assert!(source.next_frame().unwrap().is_none());
    let warning = source.warning().unwrap();
    for part in [
        "2 of 3 images failed",
        "(1.png: no such file",
        "(3.png: cannot be read",
        "1 device or pipe (0.png)",
    ] {
        assert!(warning.contains(part), "{warning}");
    }
}

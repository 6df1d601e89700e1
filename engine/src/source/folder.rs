//! The pictures of a folder, one after the other.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::image::{has_picture_extension, picture_size, read_picture};
use super::scrub::Stills;
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "folder",
    help: "FOLDER: its pictures in natural order (2.png before 10.png)",
    stands_alone: false,
    accepts: |text| Path::new(text).is_dir(),
    open: |argument, options| Ok(Box::new(Folder::open(Path::new(argument), options)?)),
    scrub: Some(|argument, options| Ok(Box::new(stills(Path::new(argument), options)?))),
};

/// The pictures of a folder in natural order of their names (`2.png` before `10.png`), hidden
/// files left out.
///
/// # Errors
/// When the folder cannot be read.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io("read", folder)(e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = name(&path).starts_with('.');
        if !is_hidden && has_picture_extension(&path) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| natural_order(&name(a), &name(b)));
    Ok(paths)
}

/// The pictures of a folder in any order. Those without a readable head are left out, as in
/// sequential reading; one that is damaged behind its head is an error when it is asked for.
fn stills(folder: &Path, options: &OpenOptions) -> Result<Stills> {
    let mut pictures = pictures_in(folder)?;
    let n = pictures.len();
    pictures.retain(|path| picture_size(path).is_ok());
    let n_bad = n - pictures.len();
    let warning = (n_bad > 0).then(|| format!("{n_bad} pictures cannot be read and are left out"));
    let frame_secs = 1.0 / options.rate;
    Ok(Stills::new(
        name(folder),
        pictures,
        frame_secs,
        None,
        warning,
    ))
}

/// The pictures of a folder, read one at a time.
struct Folder {
    info: SourceInfo,
    path: PathBuf,
    pictures: std::vec::IntoIter<PathBuf>,
    pool: FramePool,
    frame_secs: f64,
    n_frames: u64,
    n_bad: u64,
    warning: Option<String>,
}

impl Folder {
    fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let pictures = pictures_in(path)?;
        if pictures.is_empty() {
            return Err(Error::source(
                path.display().to_string(),
                "no pictures (png, jpg, bmp, webp) in this folder",
            ));
        }
        Ok(Self {
            info: SourceInfo {
                name: name(path),
                // Each picture may have its own.
                size: None,
                rate: Some(options.rate),
                n_frames: Some(pictures.len() as u64),
                is_live: false,
            },
            path: path.to_owned(),
            pictures: pictures.into_iter(),
            pool: FramePool::new(),
            frame_secs: 1.0 / options.rate,
            n_frames: 0,
            n_bad: 0,
            warning: None,
        })
    }
}

impl FrameSource for Folder {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    /// A picture that cannot be read is left out and named in the warning.
    fn next_frame(&mut self) -> Result<Option<Frame>> {
        for path in self.pictures.by_ref() {
            let time_secs = self.n_frames as f64 * self.frame_secs;
            match read_picture(&path, self.n_frames, time_secs, &self.pool) {
                Ok(frame) => {
                    self.n_frames += 1;
                    return Ok(Some(frame));
                }
                Err(error) => {
                    tracing::warn!("left out: {error}");
                    self.n_bad += 1;
                    self.warning = Some(format!("{} left out, lastly {error}", self.n_bad));
                }
            }
        }
        match (self.n_frames, &self.warning) {
            (0, Some(warning)) => Err(Error::source(
                self.path.display().to_string(),
                format!("no picture of this folder can be read: {warning}"),
            )),
            _ => Ok(None),
        }
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Runs of digits compare as numbers, all else as lower-case text; names that differ only in
/// leading zeros or case compare as they are, so the order is the same on every system.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while let (Some(char_a), Some(char_b)) = (rest_a.chars().next(), rest_b.chars().next()) {
        let order = if char_a.is_ascii_digit() && char_b.is_ascii_digit() {
            let (digits_a, digits_b) = (take_number(&mut rest_a), take_number(&mut rest_b));
            // Numbers may have more digits than any integer type holds.
            digits_a
                .len()
                .cmp(&digits_b.len())
                .then(digits_a.cmp(digits_b))
        } else {
            rest_a = &rest_a[char_a.len_utf8()..];
            rest_b = &rest_b[char_b.len_utf8()..];
            char_a.to_lowercase().cmp(char_b.to_lowercase())
        };
        if order.is_ne() {
            return order;
        }
    }
    rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b))
}

/// Takes the digits off the front, without their leading zeros.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use ::image::DynamicImage;
    use proptest::prelude::*;

    fn open(folder: &Path) -> Result<Box<dyn FrameSource>> {
        let options = OpenOptions {
            rate: 10.0,
            ..OpenOptions::default()
        };
        (KIND.open)(folder.to_str().unwrap(), &options)
    }

    /// Fails when order, times or sizes are wrong, or something that is no picture ends the run.
    #[test]
    fn pictures_come_in_natural_order_with_their_own_sizes() {
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
        std::fs::write(at("notes.txt"), "no picture").unwrap();
        std::fs::write(at("7.png"), "damaged").unwrap();
        std::fs::create_dir(at("8.png")).unwrap();
        let mut source = open(folder.path()).unwrap();
        assert_eq!(source.info().n_frames, Some(4));
        let mut frames = Vec::new();
        while let Some(frame) = source.next_frame().unwrap() {
            frames.push((frame.id, frame.size(), (frame.time_secs * 10.0).round()));
        }
        let expected = [2, 3, 4].map(|width| Size::new(width, 1));
        let expected = [0, 1, 2].map(|i| (i, expected[i as usize], i as f64));
        assert_eq!(frames, expected);
        assert!(source.warning().unwrap().contains("7.png"));
    }

    /// Fails when a folder without pictures, or with damaged ones only, looks like success.
    #[test]
    fn a_folder_without_pictures_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let message = open(folder.path()).map(drop).unwrap_err().to_string();
        assert!(message.contains("no pictures"), "{message}");
        std::fs::write(folder.path().join("1.png"), "damaged").unwrap();
        let message = open(folder.path()).unwrap().next_frame().unwrap_err();
        assert!(message.to_string().contains("1.png"), "{message}");
    }

    proptest! {
        /// Fails when numbers compare as text, whatever stands around them.
        #[test]
        fn numbers_compare_by_value(a: u64, b: u64, zeros in 0_usize..4) {
            let padded = format!("img{}{a}.png", "0".repeat(zeros));
            let order = natural_order(&padded, &format!("IMG{b}.png"));
            if a != b {
                prop_assert_eq!(order, a.cmp(&b));
            }
        }

        /// Fails when the order contradicts itself, which makes sorting panic.
        #[test]
        fn the_order_is_total(names in prop::collection::vec("[a-bA-B0-2é.]{0,5}", 0..20)) {
            let mut sorted = names.clone();
            sorted.sort_by(|a, b| natural_order(a, b));
            for (i, a) in sorted.iter().enumerate() {
                for b in &sorted[i..] {
                    prop_assert!(natural_order(a, b).is_le(), "{} {}", a, b);
                    prop_assert_eq!(natural_order(a, b), natural_order(b, a).reverse());
                }
            }
        }
    }
}

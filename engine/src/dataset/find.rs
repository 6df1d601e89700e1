//! Locates the images that labels refer to. Labels name them in many ways: `x.jpg`, `images/x.jpg`,
//! `train\x.jpg`, `C:\data\x.jpg`, `/data/upload/1/5f3a91c2-x.jpg` (Label Studio),
//! `http://host/a%20b.jpg`.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::source::image::has_picture_extension;

/// Maximum depth of the search below the image folder, and maximum number of files indexed.
const DEPTH: usize = 4;
const MOST_FILES: usize = 1_000_000;

/// Finds images in a folder.
pub(super) struct PictureFolder<'a> {
    images: &'a Path,
    /// Files below the folder by lower-case name; indexed when the first image is not at its path.
    below: OnceCell<BTreeMap<String, Vec<PathBuf>>>,
}

/// Path of an image and how it was found.
#[derive(Debug, PartialEq)]
pub(super) struct FoundImage {
    /// The path of the image, or the expected path if it is missing.
    pub path: PathBuf,
    /// Whether the image was matched only by part of its name.
    pub by_part: bool,
}

impl<'a> PictureFolder<'a> {
    pub(super) fn new(images: &'a Path) -> Self {
        Self {
            images,
            below: OnceCell::new(),
        }
    }

    /// Finds the image called `name` in the labels. Leading folders are dropped from `name` until
    /// the file exists; then the folders below are searched for the only file with that name.
    pub(super) fn find(&self, name: &str) -> FoundImage {
        let plain = self.images.join(name);
        let found = |path: PathBuf| FoundImage {
            path,
            by_part: true,
        };
        if !name.is_empty() && plain.is_file() {
            return FoundImage {
                path: plain,
                by_part: false,
            };
        }
        for parts in spellings(name) {
            for first in 0..parts.len() {
                let path: PathBuf = self
                    .images
                    .iter()
                    .chain(parts[first..].iter().map(AsRef::as_ref))
                    .collect();
                if path.is_file() {
                    return found(path);
                }
            }
            // The labels were given the parent of the image folder.
            let path = self.images.join("images").join(&parts[parts.len() - 1]);
            if path.is_file() {
                return found(path);
            }
            if let Some(path) = self.namesake(&parts) {
                return found(path);
            }
        }
        // The images were converted to another format after they were labelled.
        for parts in spellings(name) {
            if let Some(path) = self.converted(&parts) {
                return found(path);
            }
        }
        FoundImage {
            path: plain,
            by_part: false,
        }
    }

    /// Returns the only image that differs from the name in its extension alone.
    fn converted(&self, parts: &[String]) -> Option<PathBuf> {
        let stem = |name: &str| Some(Path::new(name).file_stem()?.to_str()?.to_owned());
        let own = stem(&parts.last()?.to_lowercase())?;
        let below = self.below.get_or_init(|| list(self.images));
        let mut same = below
            .range(own.clone()..)
            .take_while(|(name, _)| name.starts_with(&own))
            .filter(|(name, _)| {
                stem(name).as_ref() == Some(&own) && has_picture_extension(Path::new(name))
            })
            .flat_map(|(_, paths)| paths);
        same.next().filter(|_| same.next().is_none()).cloned()
    }

    /// Returns the file whose path shares the longest suffix with `parts`; `None` on a tie.
    fn namesake(&self, parts: &[String]) -> Option<PathBuf> {
        let below = self.below.get_or_init(|| list(self.images));
        let files = below.get(&parts.last()?.to_lowercase())?;
        let shared = |path: &PathBuf| {
            let theirs = path
                .iter()
                .rev()
                .map(|part| part.to_string_lossy().to_lowercase());
            let ours = parts.iter().rev().map(|part| part.to_lowercase());
            theirs.zip(ours).take_while(|(a, b)| a == b).count()
        };
        let most = files.iter().map(shared).max()?;
        let mut best = files.iter().filter(|path| shared(path) == most);
        best.next().filter(|_| best.next().is_none()).cloned()
    }
}

/// Splits `name` into path components under every supported spelling.
fn spellings(name: &str) -> Vec<Vec<String>> {
    let split = |text: &str| -> Vec<String> {
        let parts = text
            .split(['/', '\\'])
            .filter(|p| !p.is_empty() && *p != "." && *p != "..");
        parts.map(str::to_owned).collect()
    };
    let mut texts = vec![name.to_owned()];
    let address = name.split_once("://").map_or(name, |(_, rest)| rest);
    // Label Studio serves local files as `/data/local-files/?d=folder/x.jpg`.
    let served = address.split_once("?d=").map(|(_, path)| path);
    texts.push(
        served
            .unwrap_or_else(|| address.split(['?', '#']).next().unwrap_or(address))
            .to_owned(),
    );
    let decoded = texts.iter().map(|t| percent_decoded(t));
    let decoded: Vec<_> = decoded.collect();
    texts.extend(decoded);
    let mut all: Vec<Vec<String>> = Vec::new();
    for text in texts {
        let parts = split(&text);
        // Label Studio puts eight hexadecimal digits before the names of uploaded files.
        let original = parts.last().and_then(|last| {
            let (mark, rest) = last.split_once('-')?;
            let is_mark = mark.len() == 8 && mark.bytes().all(|b| b.is_ascii_hexdigit());
            let is_upload = parts.iter().any(|p| p == "upload");
            (is_mark || is_upload).then(|| vec![rest.to_owned()])
        });
        for parts in std::iter::once(parts).chain(original) {
            if !parts.is_empty() && !all.contains(&parts) {
                all.push(parts);
            }
        }
    }
    all
}

/// Decodes `a%20b` to `a b`; returns the text unchanged if the result is not UTF-8.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let decoded = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match decoded.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(decoded) if *byte == b'%' => {
                bytes.push(decoded);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn list(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut to_do = vec![(folder.to_owned(), 0)];
    let mut n_files = 0;
    while let Some((folder, depth)) = to_do.pop() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_dir() && depth < DEPTH {
                to_do.push((path, depth + 1));
            } else if n_files < MOST_FILES && !kind.is_dir() {
                n_files += 1;
                let name = entry.file_name().to_string_lossy().to_lowercase();
                files.entry(name).or_default().push(path);
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails when a spelling that a labelling tool uses does not lead to its image, or to a wrong
    /// one.
    #[test]
    fn images_are_found_under_every_spelling() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["images/train", "images/other"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "images/x.jpg",
            "images/a b.jpg",
            "images/train/y.JPG",
            "images/train/z.jpg",
            "images/other/z.jpg",
            "images/up.jpg",
            "images/100%25.jpg",
            "images/c.webp",
            "images/c.txt",
            "images/d.png",
            "images/d.tif",
        ] {
            std::fs::write(root.join(file), b"").unwrap();
        }
        let images = root.join("images");
        for (name, expected) in [
            ("x.jpg", "images/x.jpg"),
            ("images/x.jpg", "images/x.jpg"),
            ("images\\x.jpg", "images/x.jpg"),
            ("./images/x.jpg", "images/x.jpg"),
            ("../images/x.jpg", "images/../images/x.jpg"),
            ("C:\\data\\images\\x.jpg", "images/x.jpg"),
            ("/home/somebody/data/x.jpg", "images/x.jpg"),
            ("/data/upload/1/5f3a91c2-x.jpg", "images/x.jpg"),
            ("/data/upload/1/abc-x.jpg", "images/x.jpg"),
            ("5f3a91c2-up.jpg", "images/up.jpg"),
            ("/data/local-files/?d=images/x.jpg", "images/x.jpg"),
            (
                "http://localhost:8080/data/images/a%20b.jpg?token=1",
                "images/a b.jpg",
            ),
            ("images%2Fa%20b.jpg", "images/a b.jpg"),
            ("100%25.jpg", "images/100%25.jpg"),
            ("X.JPG", "images/x.jpg"),
            ("y.jpg", "images/train/y.JPG"),
            ("train/z.jpg", "images/train/z.jpg"),
            ("somewhere/other/z.jpg", "images/other/z.jpg"),
            ("images/c.jpg", "images/c.webp"),
            ("d.jpg", "images/d.jpg"),
            // Two files have this name: neither is taken.
            ("z.jpg", "images/z.jpg"),
            ("beef-x.jpg", "images/beef-x.jpg"),
        ] {
            let found = PictureFolder::new(&images).find(name).path;
            let expected = root.join(expected);
            let is_same = match (found.canonicalize(), expected.canonicalize()) {
                (Ok(found), Ok(expected)) => found == expected,
                _ => found == expected,
            };
            assert!(
                is_same,
                "{name}: {} for {}",
                found.display(),
                expected.display()
            );
        }
        // Either the parent folder was given, or the image folder itself.
        for (folder, name) in [
            (root, "x.jpg"),
            (root, "images\\x.jpg"),
            (&images, "images/x.jpg"),
        ] {
            assert_eq!(
                PictureFolder::new(folder).find(name).path,
                images.join("x.jpg")
            );
        }
    }

    proptest! {
        /// Fails when a name causes a panic, or an image is reported that does not exist.
        #[test]
        fn any_name_never_panics(name in "(\\PC|[/\\\\%:?.]){0,24}") {
            let folder = tempfile::tempdir().unwrap();
            let place = PictureFolder::new(folder.path()).find(&name);
            prop_assert!(!place.by_part);
        }
    }
}

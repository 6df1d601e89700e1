//! Listing of the images in a folder, and of skipped files.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::image::{Content, content, has_picture_extension, name_of};
use crate::error::{Error, Result};

/// Maximum number of names listed for each kind of skipped file.
const MAX_LISTED: usize = 5;

/// Files that operating systems create in folders; not reported.
const CLUTTER: [&str; 2] = ["thumbs.db", "desktop.ini"];

/// The contents of a folder. Everything except clutter and hidden files that are not images is in
/// one of the lists.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Image files, readable or not, and files with an image extension, in natural order. Their
    /// indices are the frame numbers.
    pub(super) pictures: Vec<PathBuf>,
    videos: Vec<String>,
    others: Vec<String>,
    hidden: Vec<String>,
    folders: Vec<String>,
    broken_links: Vec<String>,
    special: Vec<String>,
}

impl Listing {
    /// Lists a folder without its subfolders. Files without an image extension are opened to
    /// determine their type.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let failed = |e| Error::io("read", folder)(e);
        let mut this = Self::default();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            this.add(entry.map_err(failed)?.path());
        }
        let key = |path: &PathBuf| name_of(path);
        this.pictures
            .sort_by(|a, b| natural_order(&key(a), &key(b)).then_with(|| a.cmp(b)));
        for names in [
            &mut this.videos,
            &mut this.others,
            &mut this.hidden,
            &mut this.folders,
            &mut this.broken_links,
            &mut this.special,
        ] {
            names.sort_by(|a, b| natural_order(a, b));
        }
        Ok(this)
    }

    fn add(&mut self, path: PathBuf) {
        let name = name_of(&path);
        let is_hidden = name.starts_with('.');
        let is_called_picture = has_picture_extension(&path);
        // The target of a link counts.
        let Ok(metadata) = std::fs::metadata(&path) else {
            match (is_hidden, is_called_picture) {
                (false, true) => self.pictures.push(path),
                (false, false) => self.broken_links.push(name),
                (true, _) => {}
            }
            return;
        };
        if metadata.is_dir() {
            if !is_hidden {
                self.folders.push(name);
            }
            return;
        }
        if !metadata.is_file() {
            self.special.push(name);
            return;
        }
        let content = if is_called_picture && !is_hidden {
            None
        } else {
            content(&path).ok()
        };
        let is_picture = content.is_some_and(Content::is_picture);
        let is_clutter = CLUTTER
            .iter()
            .any(|clutter| name.eq_ignore_ascii_case(clutter));
        if is_hidden {
            self.hidden.extend(is_picture.then_some(name));
        } else if is_called_picture || is_picture {
            self.pictures.push(path);
        } else if content == Some(Content::Video) {
            self.videos.push(name);
        } else if !is_clutter {
            self.others.push(name);
        }
    }

    /// Returns whether it contains videos.
    pub(super) fn has_videos(&self) -> bool {
        !self.videos.is_empty()
    }

    /// Summarises skipped files by count and first names; `None` if there are none.
    pub(super) fn left_out(&self) -> Option<String> {
        let kinds = [
            ("video", "videos", &self.videos),
            (
                "file that is not an image",
                "files that are not images",
                &self.others,
            ),
            ("hidden image", "hidden images", &self.hidden),
            (
                "subfolder, not entered",
                "subfolders, not entered",
                &self.folders,
            ),
            ("broken link", "broken links", &self.broken_links),
            ("device or pipe", "devices or pipes", &self.special),
        ];
        let parts: Vec<_> = kinds
            .into_iter()
            .filter(|(_, _, names)| !names.is_empty())
            .map(|(one, many, names)| {
                let what = if names.len() == 1 { one } else { many };
                format!("{} {what} ({})", names.len(), first_names(names))
            })
            .collect();
        (!parts.is_empty()).then(|| format!("left out {}", parts.join(", ")))
    }
}

/// Formats `a, b, c, d, e and 7 more`.
pub(super) fn first_names(names: &[String]) -> String {
    let shown = names[..names.len().min(MAX_LISTED)].join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => shown,
        n => format!("{shown} and {n} more"),
    }
}

/// Compares runs of digits as numbers and all else as lower-case text; names that differ only in
/// leading zeros or case are compared bytewise, so that the order is the same on every system.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
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
    use proptest::prelude::*;

    proptest! {
        /// Fails when numbers are compared as text, whatever surrounds them.
        #[test]
        fn numbers_compare_by_value(a: u64, b: u64, zeros in 0_usize..4) {
            let padded = format!("img{}{a}.png", "0".repeat(zeros));
            let order = natural_order(&padded, &format!("IMG{b}.png"));
            if a != b {
                prop_assert_eq!(order, a.cmp(&b));
            }
        }

        /// Fails when the order is not total, which makes sorting panic.
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

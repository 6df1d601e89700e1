//! The images of a folder as a sequence of frames.

use std::path::Path;

use super::image::{Note, name_of, read_noted};
use super::listing::{Listing, first_names};
use super::scrub::Stills;
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::words::counted;

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "folder",
    help: "FOLDER: its images in natural order (2.png before 10.png)",
    stands_alone: false,
    accepts: |text| Path::new(text).is_dir(),
    open: |argument, options| Ok(Box::new(Folder::open(Path::new(argument), options)?)),
    sound: None,
    scrub: Some(|argument, options| Ok(Box::new(stills(Path::new(argument), options)?))),
};

/// Advice at the end of the error about a folder of videos.
pub const ONE_OF_ITS_VIDEOS: &str = "open one of its videos";

/// Opens the images of a folder for random access, with the same frame numbers as in sequential
/// reading. An unreadable image is an error when it is requested.
fn stills(path: &Path, options: &OpenOptions) -> Result<Stills> {
    let listing = Listing::of(path)?;
    let warning = listing.left_out();
    let frame_secs = 1.0 / options.rate;
    Ok(Stills::new(
        name_of(path),
        listing.pictures,
        frame_secs,
        None,
        warning,
    ))
}

/// The images of a folder, read one at a time. A frame's number is its image's index in the folder,
/// whether those before it are readable or not.
struct Folder {
    info: SourceInfo,
    shown: String,
    listing: Listing,
    /// Index of the next image.
    next: usize,
    n_frames: u64,
    pool: FramePool,
    frame_secs: f64,
    findings: Findings,
    warning: Option<String>,
}

/// Problems of the images read so far.
#[derive(Default)]
struct Findings {
    /// Unreadable ones by reason, in the order of the folder.
    failed: Vec<Failed>,
    damaged: Vec<String>,
    /// Files of several frames or pages.
    several: Vec<String>,
}

/// Images that cannot be read for one reason.
struct Failed {
    reason: String,
    names: Vec<String>,
}

/// Maximum number of reasons that are listed.
const MAX_REASONS: usize = 5;

impl Findings {
    fn fail(&mut self, name: String, reason: String) {
        match self.failed.iter_mut().find(|one| one.reason == reason) {
            Some(one) => one.names.push(name),
            None => self.failed.push(Failed {
                reason,
                names: vec![name],
            }),
        }
    }

    /// Describes the unreadable ones of `n` images; `None` if there are none.
    fn failures(&self, n: usize) -> Option<String> {
        let k: usize = self.failed.iter().map(|one| one.names.len()).sum();
        let shown = self.failed.iter().take(MAX_REASONS);
        let shown = shown.map(|one| format!("({}: {})", first_names(&one.names), one.reason));
        let rest = self.failed.iter().skip(MAX_REASONS);
        let n_more: usize = rest.map(|one| one.names.len()).sum();
        let more = (n_more > 0).then(|| format!("and {n_more} more for other reasons"));
        let shown = shown.chain(more).collect::<Vec<_>>().join(" ");
        let images = counted(n, "image");
        (k > 0).then(|| format!("{k} of {images} failed, the others keep their numbers {shown}"))
    }
}

impl Folder {
    fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let listing = Listing::of(path)?;
        let shown = path.display().to_string();
        let left_out = listing.left_out();
        if listing.pictures.is_empty() {
            let but = left_out.unwrap_or_else(|| "it is empty".to_owned());
            let advice = if listing.has_videos() {
                format!("; {ONE_OF_ITS_VIDEOS}")
            } else {
                String::new()
            };
            let reason = format!("no images in this folder: {but}{advice}");
            return Err(Error::source(shown, reason));
        }
        Ok(Self {
            info: SourceInfo {
                name: name_of(path),
                // Each image may have its own size.
                size: None,
                rate: Some(options.rate),
                n_frames: Some(listing.pictures.len() as u64),
                is_live: false,
            },
            warning: left_out.map(|what| format!("{shown}: {what}")),
            shown,
            listing,
            next: 0,
            n_frames: 0,
            pool: FramePool::new(),
            frame_secs: 1.0 / options.rate,
            findings: Findings::default(),
        })
    }

    /// Summarises all problems in one line.
    fn report(&self) -> Option<String> {
        let Findings {
            damaged, several, ..
        } = &self.findings;
        let failed = self.findings.failures(self.listing.pictures.len());
        let listed = |names: &[String], one: &str, many: &str| {
            let what = if names.len() == 1 { one } else { many };
            let line = || format!("{} {what} ({})", names.len(), first_names(names));
            (!names.is_empty()).then(line)
        };
        let parts: Vec<_> = [
            failed,
            listed(
                damaged,
                "image is truncated or damaged and may be grey in parts",
                "images are truncated or damaged and may be grey in parts",
            ),
            listed(
                several,
                "file has several frames or pages, of which the first is used",
                "files have several frames or pages, of which the first is used",
            ),
            self.listing.left_out(),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| format!("{}: {}", self.shown, parts.join("; ")))
    }
}

impl FrameSource for Folder {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    /// Returns the next image. An unreadable one is skipped, keeps its number and is named in the
    /// warning.
    fn next_frame(&mut self) -> Result<Option<Frame>> {
        while let Some(path) = self.listing.pictures.get(self.next) {
            let id = self.next as u64;
            self.next += 1;
            let read = read_noted(path, id, id as f64 * self.frame_secs, &self.pool);
            let frame = match read {
                Ok((frame, None)) => {
                    self.n_frames += 1;
                    return Ok(Some(frame));
                }
                Ok((frame, Some(note))) => {
                    let list = match note {
                        Note::Damaged(_) => &mut self.findings.damaged,
                        Note::First(_) => &mut self.findings.several,
                    };
                    list.push(name_of(path));
                    Some(frame)
                }
                Err(error) => {
                    tracing::info!("failed: {error}");
                    self.findings.fail(name_of(path), reason(error));
                    None
                }
            };
            self.warning = self.report();
            if frame.is_some() {
                self.n_frames += 1;
                return Ok(frame);
            }
        }
        match (self.n_frames, &self.warning) {
            (0, Some(warning)) => Err(Error::source(
                warning.clone(),
                "no image of this folder can be read",
            )),
            _ => Ok(None),
        }
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// Returns the message without the file name, which precedes it.
fn reason(error: Error) -> String {
    match error {
        Error::Source { reason, .. } => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;

//! The folder of a recording as a source: plays its raw video.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{SourceKind, sound, video};

/// File name of the video without overlays in a recording's folder.
pub const RAW_VIDEO: &str = "raw.mp4";
/// File name of the manifest in a recording's folder.
pub const MANIFEST: &str = "session.toml";

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "recording",
    help: "FOLDER of a recording: its raw video, raw.mp4",
    stands_alone: false,
    accepts: |text| {
        let folder = Path::new(text);
        folder.join(MANIFEST).is_file() && folder.join(RAW_VIDEO).is_file()
    },
    open: |argument, _| video::open_as(&raw_video(argument), &name(argument)),
    scrub: Some(|argument, options| {
        video::scrub_as(&raw_video(argument), &name(argument), options)
    }),
    sound: Some(|argument| sound::open(&raw_video(argument), &name(argument))),
};

fn raw_video(folder: &OsStr) -> PathBuf {
    Path::new(folder).join(RAW_VIDEO)
}

/// Returns the name of the folder.
fn name(folder: &OsStr) -> String {
    let folder = Path::new(folder);
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

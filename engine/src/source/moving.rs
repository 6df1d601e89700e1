//! Whether a file is a video, for lists of files.

use std::io;
use std::path::Path;

use super::animation::is_animated;
use super::image::Content;
use super::video;

/// Returns whether a file holds several frames: a video or an animated image. The content decides;
/// the name does only if the content is of no known type.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn is_video(path: &Path) -> io::Result<bool> {
    Ok(match Content::of(path)? {
        Content::Video => true,
        Content::Picture(_) => is_animated(path),
        Content::Foreign(_) | Content::Unread(..) | Content::Empty => false,
        Content::Other => video::has_extension(path),
    })
}

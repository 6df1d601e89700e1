//! Remarks and errors of reading an image.

use image::ImageError;

use crate::geometry::Size;

/// Maximum side in pixels; a file that declares more is damaged or hostile.
const MAX_SIDE: usize = 16_384;

/// Remark on an image that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) enum Note {
    /// A part of the image is missing or wrong; with a description.
    Damaged(String),
    /// The file has more frames or pages; this is the first.
    First(&'static str),
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(how) => f.write_str(how),
            Self::First(of) => write!(f, "has several {of}, of which the first is used"),
        }
    }
}

/// Reason for refusing an image.
pub(super) enum Refusal {
    /// The file is damaged, missing or too large; with reason and remedy.
    Reason(String),
    /// Another program may support this variant of the format.
    Unsupported(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Unsupported(what) => Self::Unsupported(what.to_string()),
            other => Self::Reason(damaged(&other)),
        }
    }
}

pub(super) fn damaged(error: &impl std::fmt::Display) -> String {
    format!("not a readable image: {error}; save it again as PNG or JPEG")
}

/// Refuses sizes that are empty or too large for the decoders.
pub(super) fn check_size(width: usize, height: usize) -> Result<Size, String> {
    let sides = 1..=MAX_SIDE;
    if sides.contains(&width) && sides.contains(&height) {
        Ok(Size::new(width, height))
    } else {
        Err(format!(
            "{width}x{height} pixels, but only images with sides of 1 to {MAX_SIDE} pixels are \
             read: make it smaller"
        ))
    }
}

//! A picture to draw on.

/// A borrowed RGBA picture, rows without padding.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// `width * height * 4` bytes.
    pub rgba: &'a mut [u8],
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

//! Pixel aspect ratio: videos from discs, tapes and broadcasts store frames narrower or wider than
//! they are shown.

use super::is_believable;
use crate::geometry::Size;

/// Pixel width divided by height (sample aspect ratio), in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PixelAspect {
    width: u32,
    height: u32,
}

impl PixelAspect {
    pub(super) const SQUARE: Self = Self {
        width: 1,
        height: 1,
    };

    /// Returns `None` if unspecified (a zero) or implausible (16 times longer than wide). A ratio
    /// that would move a frame's edge by less than 0.4 per cent counts as square.
    pub(super) fn new(width: u64, height: u64) -> Option<Self> {
        let (mut a, mut b) = (width, height);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        let divisor = Some(a).filter(|&a| a > 0)?;
        let (width, height) = (width / divisor, height / divisor);
        let ratio = width as f64 / height as f64;
        if !(1.0 / 16.0..=16.0).contains(&ratio) {
            return None;
        }
        if (ratio - 1.0).abs() < 0.004 {
            return Some(Self::SQUARE);
        }
        Some(Self {
            width: u32::try_from(width).ok()?,
            height: u32::try_from(height).ok()?,
        })
    }

    /// Derives the ratio from the stored and the displayed size, in any unit.
    pub(super) fn of_sizes(stored: (u64, u64), shown: (u64, u64)) -> Option<Self> {
        let width = shown.0.checked_mul(stored.1)?;
        let height = shown.1.checked_mul(stored.0)?;
        Self::new(width, height)
    }

    /// Returns whether it is more than rounding: cropped and padded sizes differ by a per cent.
    pub(super) fn is_certain(self) -> bool {
        let ratio = f64::from(self.width) / f64::from(self.height);
        (ratio - 1.0).abs() > 0.02
    }

    /// Returns the size with square pixels of a frame stored as `stored`: the side that is too
    /// short grows, so that no detail is lost.
    pub(super) fn apply_to(self, stored: Size) -> Size {
        let ratio = f64::from(self.width) / f64::from(self.height);
        let grown = |side: usize, by: f64| (side as f64 * by).round() as usize;
        let shown = if ratio >= 1.0 {
            Size::new(grown(stored.width, ratio), stored.height)
        } else {
            Size::new(stored.width, grown(stored.height, 1.0 / ratio))
        };
        if is_believable(shown) { shown } else { stored }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a frame is squeezed the wrong way, loses detail, or becomes huge through a
    /// damaged ratio.
    #[test]
    fn pictures_grow_to_their_true_shape() {
        let shown = |w, h, size| PixelAspect::new(w, h).map(|a| a.apply_to(size));
        let dv = Size::new(720, 576);
        assert_eq!(shown(64, 45, dv), Some(Size::new(1024, 576)));
        assert_eq!(shown(16, 22, dv), Some(Size::new(720, 792)));
        assert_eq!(shown(1000, 1001, dv), Some(dv), "nearly square");
        assert_eq!(shown(0, 1, dv), None);
        assert_eq!(shown(1, 0, dv), None);
        assert_eq!(shown(1, 1000, dv), None, "damaged");
        let huge = Size::new(8000, 8000);
        assert_eq!(shown(4, 1, huge), Some(huge), "more than can be shown");
        let display = PixelAspect::of_sizes((720, 576), (4, 3));
        assert_eq!(display, PixelAspect::new(16, 15));
    }
}

//! The position of an image on the screen: letterbox, zoom, pan and mirroring.
//!
//! A [`View`] is the map `screen_from_image`, a scale and a shift per axis, with everything that
//! sizes on the screen depend on. Only the image and the positions on it are mirrored; labels stay
//! readable.

use crate::heat::Sampling;

/// The visible part of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    /// 1 shows the whole image, 2 half of its width.
    pub factor: f64,
    /// Point at the centre of the screen, as fractions of the image's width and height.
    pub center: [f64; 2],
}

impl Zoom {
    /// Shows the whole image.
    pub const WHOLE: Self = Self {
        factor: 1.0,
        center: [0.5; 2],
    };

    /// Maximum zoom: beyond it, single pixels would be larger than a thumb.
    pub const MAX_FACTOR: f64 = 32.0;
}

impl Default for Zoom {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// Position and scale of an image on a screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Width and height of the screen in pixels; the image may fill only a part of it.
    pub screen: [f64; 2],
    /// Width and height of the image in pixels.
    pub image: [f64; 2],
    /// Screen pixels per image pixel, > 0.
    pub scale: f64,
    /// Whether left and right are swapped.
    pub is_mirrored: bool,
    /// The image pixel at the centre of the screen.
    pub center: [f64; 2],
    /// Screen pixels per unit of line width: lines keep their width at any zoom.
    pub pen: f64,
    /// Minimum pixels per grid step of labels (see [`crate::text`]).
    pub min_unit: usize,
    /// Minimum screen pixels of a line's width, for images much larger than the screen; 0 for none.
    pub min_line: f64,
}

impl View {
    /// Returns a view whose screen is the image itself, as used for recordings.
    pub fn whole(image: [usize; 2]) -> Self {
        let image = image.map(|n| n as f64);
        Self {
            screen: image,
            image,
            scale: 1.0,
            is_mirrored: false,
            center: image.map(|n| (n - 1.0) / 2.0),
            pen: 1.0,
            min_unit: 1,
            min_line: 0.0,
        }
    }

    /// Fits the image into a screen of `screen` pixels and applies the zoom. Lines are as wide as
    /// in a recording displayed there; labels have at least size `min_unit`. An image or a screen
    /// without pixels gives a view at scale 1 that shows nothing.
    pub fn letterbox(
        image: [usize; 2],
        screen: [f64; 2],
        zoom: Zoom,
        is_mirrored: bool,
        min_unit: usize,
    ) -> Self {
        let whole = Self::whole(image);
        let fit = (screen[0] / whole.image[0]).min(screen[1] / whole.image[1]);
        let fit = if fit > 0.0 && fit.is_finite() {
            fit
        } else {
            1.0
        };
        let scale = fit * zoom.factor.clamp(1.0, Zoom::MAX_FACTOR);
        // No gap is left at an edge of the screen that the image can cover.
        let center = [0, 1].map(|i| {
            let half = screen[i] / scale / 2.0;
            let (lo, hi) = (half - 0.5, whole.image[i] - half - 0.5);
            let wanted = zoom.center[i] * whole.image[i] - 0.5;
            if lo < hi {
                wanted.clamp(lo, hi)
            } else {
                whole.center[i]
            }
        });
        Self {
            screen,
            scale,
            is_mirrored,
            center,
            pen: fit,
            min_unit,
            ..whole
        }
    }

    /// Returns the screen pixels per image pixel for each axis; x is negative when mirrored.
    pub fn scales(&self) -> [f64; 2] {
        let sign = if self.is_mirrored { -1.0 } else { 1.0 };
        [sign * self.scale, self.scale]
    }

    /// Converts the width of a line to screen pixels. Thin lines are widened to more than
    /// [`View::min_line`]; wider ones stay the wider ones, so that an outline remains visible.
    pub fn line(&self, width: f32) -> f32 {
        let wanted = f64::from(width) * self.pen;
        let raised = self.min_line + wanted * 2.0 / 3.0;
        // Equal from three times the minimum on.
        raised.max(wanted) as f32
    }

    /// Maps an image pixel to a screen pixel.
    pub fn to_screen(&self, p: [f64; 2]) -> [f64; 2] {
        let scales = self.scales();
        [0, 1].map(|i| (self.screen[i] - 1.0) / 2.0 + (p[i] - self.center[i]) * scales[i])
    }

    /// Maps a screen pixel to an image pixel.
    pub fn to_image(&self, p: [f64; 2]) -> [f64; 2] {
        let scales = self.scales();
        [0, 1].map(|i| self.center[i] + (p[i] - (self.screen[i] - 1.0) / 2.0) / scales[i])
    }

    /// Converts a transformation `map` from image pixels to one from screen pixels.
    pub fn from_screen(&self, map: [[f64; 3]; 2]) -> [[f64; 3]; 2] {
        let [sx, sy] = self.scales();
        let [x, y] = self.to_image([0.0, 0.0]);
        map.map(|[a, b, c]| [a / sx, b / sy, a * x + b * y + c])
    }

    /// Returns the interpolation of the image: from 12 screen pixels per pixel on, pixels appear as
    /// squares.
    pub fn picture_sampling(&self) -> Sampling {
        if self.scale < 12.0 {
            Sampling::Bilinear
        } else {
            Sampling::Nearest
        }
    }

    /// Returns the edges of the image on the screen: first and opposite corner, where the first
    /// pixel starts at -0.5.
    pub fn picture(&self) -> [[f64; 2]; 2] {
        let a = self.to_screen([-0.5; 2]);
        let b = self.to_screen(self.image.map(|n| n - 0.5));
        [
            [a[0].min(b[0]), a[1].min(b[1])],
            [a[0].max(b[0]), a[1].max(b[1])],
        ]
    }

    /// Returns the visible part of the image.
    pub fn zoom(&self) -> Zoom {
        Zoom {
            factor: self.scale / self.pen,
            center: [0, 1].map(|i| (self.center[i] + 0.5) / self.image[i]),
        }
    }

    /// Returns the zoom magnified by `by`, keeping the point at screen pixel `at` in place.
    pub fn zoomed(&self, by: f64, at: [f64; 2]) -> Zoom {
        let factor = (self.zoom().factor * by).clamp(1.0, Zoom::MAX_FACTOR);
        let ratio = factor / self.zoom().factor;
        let fixed = self.to_image(at);
        let center = [0, 1].map(|i| {
            let center = fixed[i] + (self.center[i] - fixed[i]) / ratio;
            (center + 0.5) / self.image[i]
        });
        Zoom { factor, center }
    }

    /// Returns the zoom after dragging the image by screen pixels.
    pub fn dragged(&self, by: [f64; 2]) -> Zoom {
        let scales = self.scales();
        let center = [0, 1].map(|i| (self.center[i] - by[i] / scales[i] + 0.5) / self.image[i]);
        Zoom {
            center,
            ..self.zoom()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view() -> impl Strategy<Value = View> {
        let zoom = (1.0..20.0_f64, [0.0..1.0_f64, 0.0..1.0_f64]);
        (
            [1..2000_usize, 1..2000_usize],
            [10.0..3000.0_f64, 10.0..3000.0_f64],
            zoom,
            any::<bool>(),
        )
            .prop_map(|(image, screen, (factor, center), is_mirrored)| {
                View::letterbox(image, screen, Zoom { factor, center }, is_mirrored, 1)
            })
    }

    fn close(a: [f64; 2], b: [f64; 2]) -> bool {
        (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6
    }

    proptest! {
        /// Fails when a click is mapped to another image pixel than the one under it, or maps are
        /// drawn elsewhere than the image.
        #[test]
        fn screen_and_image_coordinates_round_trip(view in view(), p in [-50.0..2000.0_f64, -50.0..2000.0_f64]) {
            prop_assert!(close(view.to_image(view.to_screen(p)), p));
            let map = view.from_screen([[0.5, 0.1, 3.0], [-0.2, 0.3, 7.0]]);
            let [x, y] = view.to_screen(p);
            let got = map.map(|[a, b, c]| a * x + b * y + c);
            prop_assert!(close(got, [0.5 * p[0] + 0.1 * p[1] + 3.0, -0.2 * p[0] + 0.3 * p[1] + 7.0]));
        }

        /// Fails when an image is stretched, cut off, or leaves a gap at an edge that it could
        /// cover.
        #[test]
        fn a_letterboxed_image_fits_or_covers(view in view()) {
            let [lo, hi] = view.picture();
            for i in 0..2 {
                let room = (lo[i] + 0.5, view.screen[i] - 0.5 - hi[i]);
                let centred = (room.0 - room.1).abs() < 1e-6;
                prop_assert!(if room.0 > 1e-6 || room.1 > 1e-6 { centred } else { true }, "{room:?}");
            }
            let whole = View { scale: view.pen, ..view };
            let fills = (0..2).any(|i| (whole.scale * whole.image[i] - whole.screen[i]).abs() < 1e-6);
            let fits = (0..2).all(|i| whole.scale * whole.image[i] < whole.screen[i] + 1e-6);
            prop_assert!(fits && fills);
        }

        /// Fails when zooming with the wheel moves the point under the pointer, or dragging does
        /// not follow the pointer. Near an edge the image is clamped instead, hence the condition.
        #[test]
        fn zooming_keeps_the_point_under_the_pointer(factor in 4.0..8.0_f64, by in 0.7..1.4_f64,
                                             x in 300.0..500.0_f64, is_mirrored in any::<bool>()) {
            let at = |zoom| View::letterbox([640, 480], [800.0, 600.0], zoom, is_mirrored, 1);
            let view = at(Zoom { factor, ..Zoom::WHOLE });
            let zoomed = at(view.zoomed(by, [x, 250.0]));
            prop_assert!(close(zoomed.to_image([x, 250.0]), view.to_image([x, 250.0])));
            prop_assert!((zoomed.zoom().factor / factor - by).abs() < 1e-9);
            let dragged = at(view.dragged([30.0, -20.0]));
            prop_assert!(close(dragged.to_image([x + 30.0, 230.0]), view.to_image([x, 250.0])));
        }
    }

    /// Fails when recordings are drawn through a transformation that shifts or rounds.
    #[test]
    fn a_whole_view_changes_nothing() {
        let view = View::whole([641, 480]);
        for p in [[0.1_f32, -7.3], [640.0, 479.0], [123.456, 1e6]] {
            let wide = p.map(f64::from);
            assert_eq!(view.to_screen(wide).map(|v| v as f32), p);
        }
        let map = [[0.1, 0.0, 0.3], [0.0, 0.1, 0.7]];
        assert_eq!(view.from_screen(map), map);
    }

    /// Fails when a closed panel or an empty image causes a panic.
    #[test]
    fn an_empty_screen_or_image_causes_no_panic() {
        for (image, screen) in [([0, 0], [0.0, 0.0]), ([640, 480], [0.0, 5.0])] {
            let view = View::letterbox(image, screen, Zoom::WHOLE, true, 1);
            assert_eq!(view.scale, 1.0);
        }
    }
}

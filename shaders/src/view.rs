//! Where a picture lies on the screen: letterbox, zoom, pan, mirror.
//!
//! A [`View`] is the map `screen_from_image`, a scale and a shift by axis, with what sizes on the
//! screen need to know. Only the picture and what lies on it are mirrored; labels stay readable.

use crate::heat::Sampling;

/// The part of a picture that is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    /// 1 shows the whole picture, 2 half of its width.
    pub factor: f64,
    /// The place in the middle of the screen, as shares of the picture's width and height.
    pub center: [f64; 2],
}

impl Zoom {
    /// The whole picture.
    pub const WHOLE: Self = Self {
        factor: 1.0,
        center: [0.5; 2],
    };

    /// From here on single pixels are larger than a thumb.
    pub const MAX_FACTOR: f64 = 32.0;
}

impl Default for Zoom {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// How a picture is put on a screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Width and height of the screen in pixels, of which the picture may fill a part.
    pub screen: [f64; 2],
    /// Width and height of the picture in pixels.
    pub image: [f64; 2],
    /// Screen pixels per image pixel, > 0.
    pub scale: f64,
    /// Left and right are exchanged.
    pub is_mirrored: bool,
    /// The image pixel in the middle of the screen.
    pub center: [f64; 2],
    /// Screen pixels per unit of a line's width: lines keep their width at any zoom.
    pub pen: f64,
    /// Labels have at least this many pixels per grid step (see [`crate::text`]).
    pub min_unit: usize,
}

impl View {
    /// The picture itself as the screen: what recordings are drawn with.
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
        }
    }

    /// The picture as large as fits on a screen of `screen` pixels, then zoomed. Lines are as wide
    /// as in a recording that is shown there; labels have `min_unit` at least. A picture or a
    /// screen without pixels shows nothing, at scale 1.
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
        // The picture never leaves an edge of the screen that it can cover.
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

    /// Screen pixels per image pixel by axis; the first is negative in a mirror.
    pub fn scales(&self) -> [f64; 2] {
        let sign = if self.is_mirrored { -1.0 } else { 1.0 };
        [sign * self.scale, self.scale]
    }

    /// The screen pixel of an image pixel.
    pub fn to_screen(&self, p: [f64; 2]) -> [f64; 2] {
        let scales = self.scales();
        [0, 1].map(|i| (self.screen[i] - 1.0) / 2.0 + (p[i] - self.center[i]) * scales[i])
    }

    /// The image pixel of a screen pixel.
    pub fn to_image(&self, p: [f64; 2]) -> [f64; 2] {
        let scales = self.scales();
        [0, 1].map(|i| self.center[i] + (p[i] - (self.screen[i] - 1.0) / 2.0) / scales[i])
    }

    /// The map from screen pixels where `map` is the one from image pixels.
    pub fn from_screen(&self, map: [[f64; 3]; 2]) -> [[f64; 3]; 2] {
        let [sx, sy] = self.scales();
        let [x, y] = self.to_image([0.0, 0.0]);
        map.map(|[a, b, c]| [a / sx, b / sy, a * x + b * y + c])
    }

    /// How the picture's values are found: from 12 screen pixels a pixel on, as squares.
    pub fn picture_sampling(&self) -> Sampling {
        if self.scale < 12.0 {
            Sampling::Bilinear
        } else {
            Sampling::Nearest
        }
    }

    /// Edges of the picture on the screen: first and opposite corner, in pixel areas (the first
    /// pixel begins at -0.5).
    pub fn picture(&self) -> [[f64; 2]; 2] {
        let a = self.to_screen([-0.5; 2]);
        let b = self.to_screen(self.image.map(|n| n - 0.5));
        [
            [a[0].min(b[0]), a[1].min(b[1])],
            [a[0].max(b[0]), a[1].max(b[1])],
        ]
    }

    /// What is looked at.
    pub fn zoom(&self) -> Zoom {
        Zoom {
            factor: self.scale / self.pen,
            center: [0, 1].map(|i| (self.center[i] + 0.5) / self.image[i]),
        }
    }

    /// The zoom `by` times as close, with the place at screen pixel `at` staying there.
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

    /// The zoom after the picture was dragged by screen pixels.
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
        /// Fails when a click lands on another image pixel than the one under it, or maps are
        /// drawn elsewhere than the picture.
        #[test]
        fn the_screen_and_back(view in view(), p in [-50.0..2000.0_f64, -50.0..2000.0_f64]) {
            prop_assert!(close(view.to_image(view.to_screen(p)), p));
            let map = view.from_screen([[0.5, 0.1, 3.0], [-0.2, 0.3, 7.0]]);
            let [x, y] = view.to_screen(p);
            let got = map.map(|[a, b, c]| a * x + b * y + c);
            prop_assert!(close(got, [0.5 * p[0] + 0.1 * p[1] + 3.0, -0.2 * p[0] + 0.3 * p[1] + 7.0]));
        }

        /// Fails when a picture is stretched, cut off, or leaves an edge that it could cover.
        #[test]
        fn a_letterboxed_picture_fits_or_covers(view in view()) {
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

        /// Fails when zooming by the wheel slides the picture away under the pointer, or dragging
        /// does not follow the hand. Near an edge the picture stays instead, hence the condition.
        #[test]
        fn the_place_under_the_pointer_stays(factor in 4.0..8.0_f64, by in 0.7..1.4_f64,
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

    /// Fails when recordings are drawn through a map that moves or rounds.
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

    /// Fails when a closed panel or an empty picture stops the program.
    #[test]
    fn no_room_is_survived() {
        for (image, screen) in [([0, 0], [0.0, 0.0]), ([640, 480], [0.0, 5.0])] {
            let view = View::letterbox(image, screen, Zoom::WHOLE, true, 1);
            assert_eq!(view.scale, 1.0);
        }
    }
}

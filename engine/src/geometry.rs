//! Sizes, points, boxes, affine maps and regions of interest.
//!
//! Coordinates are pixels with pixel centres at integers: the first pixel covers [-0.5, 0.5). An
//! affine map is named by its direction, target first: `image_from_input`.

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Size {
    /// Creates the size `width` x `height`.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Creates a square of side `side`.
    pub const fn square(side: usize) -> Self {
        Self::new(side, side)
    }

    /// Returns the number of pixels.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// Returns width divided by height.
    pub fn aspect(self) -> f64 {
        self.width as f64 / self.height as f64
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A point in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Horizontal coordinate, increasing to the right.
    pub x: f64,
    /// Vertical coordinate, increasing downwards.
    pub y: f64,
}

impl Point {
    /// Creates the point (`x`, `y`).
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// Returns the Euclidean distance in pixels.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// An axis-aligned box in COCO format: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, at least 0.
    pub w: f64,
    /// Height, at least 0.
    pub h: f64,
}

impl BBox {
    /// Creates the box from its left and top edges, width and height.
    pub const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// Returns the bounding box of `points`; `None` if there are none.
    pub fn around(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        let mut points = points.into_iter();
        let first = points.next()?;
        let (lo, hi) = points.fold((first, first), |(lo, hi), p| {
            (
                Point::new(lo.x.min(p.x), lo.y.min(p.y)),
                Point::new(hi.x.max(p.x), hi.y.max(p.y)),
            )
        });
        Some(Self::new(lo.x, lo.y, hi.x - lo.x, hi.y - lo.y))
    }

    /// Returns the centre of the box.
    pub fn center(self) -> Point {
        Point::new(self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    /// Returns width times height.
    pub fn area(self) -> f64 {
        self.w * self.h
    }

    /// Returns the area common to both boxes.
    pub fn intersection(self, other: Self) -> f64 {
        let common = |a: f64, la: f64, b: f64, lb: f64| ((a + la).min(b + lb) - a.max(b)).max(0.0);
        common(self.x, self.w, other.x, other.w) * common(self.y, self.h, other.y, other.h)
    }

    /// Returns the common area divided by the area of both boxes together; 0 for boxes without area.
    pub fn iou(self, other: Self) -> f64 {
        let common = self.intersection(other);
        let both = self.area() + other.area() - common;
        if both > 0.0 { common / both } else { 0.0 }
    }

    /// Returns whether `p` lies in the box or on its border.
    pub fn contains(self, p: Point) -> bool {
        let within = |v: f64, start: f64, length: f64| v >= start && v <= start + length;
        within(p.x, self.x, self.w) && within(p.y, self.y, self.h)
    }
}

/// The region of an image that a model processes: an upright rectangle given by centre and sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roi {
    /// Centre in image pixels.
    pub center: Point,
    /// Width in image pixels, > 0.
    pub width: f64,
    /// Height in image pixels, > 0.
    pub height: f64,
}

impl Roi {
    /// Returns the whole image, enlarged to `aspect` (width / height) so that nothing is cut off.
    pub fn whole(image: Size, aspect: f64) -> Self {
        Self::around_box(
            BBox::new(-0.5, -0.5, image.width as f64, image.height as f64),
            1.0,
            aspect,
        )
    }

    /// Returns `bbox` scaled by `padding` about its centre, then extended to `aspect` (width /
    /// height).
    pub fn around_box(bbox: BBox, padding: f64, aspect: f64) -> Self {
        let (w, h) = (bbox.w.max(1.0), bbox.h.max(1.0));
        let (w, h) = if w > aspect * h {
            (w, w / aspect)
        } else {
            (h * aspect, h)
        };
        Self {
            center: bbox.center(),
            width: w * padding,
            height: h * padding,
        }
    }

    /// Returns the box that it covers.
    pub fn bbox(&self) -> BBox {
        BBox::new(
            self.center.x - self.width / 2.0,
            self.center.y - self.height / 2.0,
            self.width,
            self.height,
        )
    }
}

/// Alignment of input pixels, heatmap pixels and the region of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// Pixels are areas: a heatmap pixel covers whole input pixels; `input = (h + 0.5) * Wi/Wh - 0.5`.
    HalfPixel,
    /// Pixels are points, the first and last ones on the border ("minus one", as in TransPose):
    /// `input = h * (Wi-1)/(Wh-1)`; the region's sides are `side - 1` long. The ratio of the widths
    /// applies to both axes, about the centre: heights follow `(Hi-1)/(Hh-1)` only if square.
    MinusOne,
}

impl Alignment {
    /// Returns the map from input pixels to image pixels for a region. One scale applies to both
    /// axes: the region has the input's aspect ratio, as [`Roi`] constructors ensure.
    pub fn image_from_input(self, roi: &Roi, input: Size) -> Affine2 {
        let (wi, hi) = (input.width as f64, input.height as f64);
        let scale = match self {
            Self::HalfPixel => roi.width / wi,
            Self::MinusOne => (roi.width - 1.0) / (wi - 1.0),
        };
        Affine2 {
            m: [
                [scale, 0.0, roi.center.x - scale * (wi - 1.0) / 2.0],
                [0.0, scale, roi.center.y - scale * (hi - 1.0) / 2.0],
            ],
        }
    }

    /// Returns the map from heatmap pixels to input pixels.
    pub fn input_from_heatmap(self, input: Size, heatmap: Size) -> Affine2 {
        let ratio = |i: usize, h: usize| match self {
            Self::HalfPixel => i as f64 / h as f64,
            Self::MinusOne => (i as f64 - 1.0) / (h as f64 - 1.0),
        };
        let sx = ratio(input.width, heatmap.width);
        let sy = match self {
            Self::HalfPixel => ratio(input.height, heatmap.height),
            Self::MinusOne => sx,
        };
        // The centre of the heatmap is the centre of the input.
        let shift = |i: usize, h: usize, s: f64| ((i as f64 - 1.0) - s * (h as f64 - 1.0)) / 2.0;
        let tx = shift(input.width, heatmap.width, sx);
        let ty = shift(input.height, heatmap.height, sy);
        Affine2 {
            m: [[sx, 0.0, tx], [0.0, sy, ty]],
        }
    }
}

/// An affine map of the plane: `x' = m[0][0] x + m[0][1] y + m[0][2]`, `y'` likewise with row 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine2 {
    /// The two rows of the matrix.
    pub m: [[f64; 3]; 2],
}

impl Affine2 {
    /// The identity map.
    pub const IDENTITY: Self = Self {
        m: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    };

    /// Returns the rotation by `degrees` about `center`, clockwise on the screen.
    pub fn turn(center: Point, degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let Point { x, y } = center;
        Self {
            m: [
                [cos, -sin, x - cos * x + sin * y],
                [sin, cos, y - sin * x - cos * y],
            ],
        }
    }

    /// Returns the translation by (`x`, `y`).
    pub fn shift(x: f64, y: f64) -> Self {
        Self {
            m: [[1.0, 0.0, x], [0.0, 1.0, y]],
        }
    }

    /// Returns the enlargement by `factor` about `center`.
    pub fn scale(center: Point, factor: f64) -> Self {
        let rest = 1.0 - factor;
        Self {
            m: [
                [factor, 0.0, rest * center.x],
                [0.0, factor, rest * center.y],
            ],
        }
    }

    /// Maps a point.
    pub fn apply(&self, p: Point) -> Point {
        let [a, b] = &self.m;
        Point::new(
            a[0] * p.x + a[1] * p.y + a[2],
            b[0] * p.x + b[1] * p.y + b[2],
        )
    }

    /// Returns `self` composed after `first`: `c_from_a = c_from_b.after(b_from_a)`.
    pub fn after(&self, first: &Self) -> Self {
        let row = |r: [f64; 3]| {
            [
                r[0] * first.m[0][0] + r[1] * first.m[1][0],
                r[0] * first.m[0][1] + r[1] * first.m[1][1],
                r[0] * first.m[0][2] + r[1] * first.m[1][2] + r[2],
            ]
        };
        Self {
            m: [row(self.m[0]), row(self.m[1])],
        }
    }

    /// Returns the inverse map; `None` if the map is singular.
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b, c], [d, e, f]] = self.m;
        let det = a * e - b * d;
        if det == 0.0 || !det.is_finite() {
            return None;
        }
        let (ia, ib, id, ie) = (e / det, -b / det, -d / det, a / det);
        Some(Self {
            m: [[ia, ib, -(ia * c + ib * f)], [id, ie, -(id * c + ie * f)]],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: Point, b: Point) -> bool {
        a.distance(b) < 1e-6 * (1.0 + a.x.abs() + a.y.abs())
    }

    proptest! {
        /// Fails when decoding places a joint elsewhere than the crop took it from.
        #[test]
        fn an_inverse_undoes_its_map(a in 0.1..9.0, b in -0.05..0.05, c in -500.0..500.0,
                                     e in 0.1..9.0, f in -500.0..500.0,
                                     x in -999.0..999.0, y in -999.0..999.0) {
            let map = Affine2 { m: [[a, b, c], [-b, e, f]] };
            let p = Point::new(x, y);
            let back = map.inverse().unwrap();
            prop_assert!(close(p, back.apply(map.apply(p))));
            prop_assert!(close(p, back.after(&map).apply(p)));
        }

        /// Fails when turning or enlarging moves its centre, or a shift is not a translation.
        #[test]
        fn turns_and_enlargements_keep_their_centre(x in -500.0..500.0, y in -500.0..500.0,
                                                    by in 0.2..3.0) {
            let center = Point::new(x, y);
            for map in [Affine2::turn(center, 90.0 * by), Affine2::scale(center, by)] {
                prop_assert!(close(center, map.apply(center)));
            }
            let far = Affine2::scale(center, by).apply(Point::new(x + 10.0, y));
            prop_assert!(close(far, Point::new(x + 10.0 * by, y)));
            prop_assert!(close(Affine2::shift(by, -by).apply(center), Point::new(x + by, y - by)));
        }

        /// Fails when a region's centre is not mapped to the centre of the input.
        #[test]
        fn the_centre_stays_the_centre(cx in -50.0..700.0, cy in -50.0..500.0, side in 8.0..900.0) {
            let roi = Roi { center: Point::new(cx, cy), width: side * 0.75, height: side };
            let input = Size::new(192, 256);
            for alignment in [Alignment::HalfPixel, Alignment::MinusOne] {
                let map = alignment.image_from_input(&roi, input);
                prop_assert!(close(roi.center, map.apply(Point::new(95.5, 127.5))));
            }
        }
    }

    /// Fails when the stride-2 heatmap convention of the SFM card (`2 (x + offset) + 0.5`) is lost.
    #[test]
    fn half_pixel_heatmaps_follow_the_card() {
        let map = Alignment::HalfPixel.input_from_heatmap(Size::square(256), Size::square(128));
        assert_eq!(map.apply(Point::new(10.25, 0.0)), Point::new(21.0, 0.5));
    }

    /// Fails when the whole image is cut by a region of another aspect ratio.
    #[test]
    fn the_whole_picture_fits_its_region() {
        let roi = Roi::whole(Size::new(640, 480), 1.0);
        assert_eq!((roi.width, roi.height), (640.0, 640.0));
        assert_eq!(roi.center, Point::new(319.5, 239.5));
    }
}

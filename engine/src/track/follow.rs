//! The box that follows a person, and the regions to search while there is no person to follow.

use crate::geometry::{BBox, Point, Roi, Size};
use crate::pose::{Keypoint, Pose};

/// An edge that would move by less than this fraction of the box's longer side stays: the crop is
/// stable while the person is (decoded joints jitter by about one per cent).
const MIN_MOVEMENT: f64 = 0.03;
/// Fraction of the distance that an edge moves outwards per frame: a joint must not leave the crop.
const OUTWARD: f64 = 0.7;
/// Fraction of the distance that an edge moves inwards per frame: a missed joint may reappear.
const INWARD: f64 = 0.2;
/// Maximum outward motion of an edge per frame, as a fraction of the longer side: a single stray
/// joint must not shrink the person to a corner of the crop.
const MAX_GROWTH: f64 = 0.25;
/// Minimum size of the box, as a fraction of the frame's shorter side.
const MIN_SHARE: f64 = 0.1;
/// Growth of the box per frame in which the person was missed.
const MISS_GROWTH: f64 = 0.1;
/// Missing joints may lie outside the crop: with none missing the padding is as configured, with
/// nearly all missing it is larger by this fraction.
const MISSING_PADDING: f64 = 0.4;
/// Frames whose aspect ratio differs from the region's by more than this factor are searched in
/// parts.
const PARTS_FROM: f64 = 1.15;

/// Low-passed bounding box of the followed person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FollowBox {
    bbox: BBox,
    /// Fraction of joints below the counting score, low-passed.
    missing: f64,
}

impl FollowBox {
    /// Starts at a pose; returns `None` when no joint reaches the counting score.
    pub(super) fn start(pose: &Pose, frame: Size) -> Option<Self> {
        Some(Self {
            bbox: joints_box(pose, frame)?,
            missing: missing(pose),
        })
    }

    /// Updates the box with the pose of the next frame.
    pub(super) fn step(&mut self, pose: &Pose, frame: Size) {
        let Some(target) = joints_box(pose, frame) else {
            return;
        };
        let side = self.size();
        let edge = |outward: f64| {
            if outward.abs() < MIN_MOVEMENT * side {
                0.0
            } else if outward > 0.0 {
                (OUTWARD * outward).min(MAX_GROWTH * side)
            } else {
                INWARD * outward
            }
        };
        let now = self.bbox;
        let left = edge(now.x - target.x);
        let top = edge(now.y - target.y);
        let right = edge(target.x + target.w - now.x - now.w);
        let bottom = edge(target.y + target.h - now.y - now.h);
        self.bbox = BBox::new(
            now.x - left,
            now.y - top,
            now.w + left + right,
            now.h + top + bottom,
        );
        self.missing += INWARD * (missing(pose) - self.missing);
    }

    /// Widens the box after a frame in which the person was not found.
    pub(super) fn miss(&mut self) {
        let BBox { x, y, w, h } = self.bbox;
        let (dw, dh) = (MISS_GROWTH * w, MISS_GROWTH * h);
        self.bbox = BBox::new(x - dw / 2.0, y - dh / 2.0, w + dw, h + dh);
    }

    /// Returns the box after a motion in pixels.
    pub(super) fn shifted(&self, [dx, dy]: [f64; 2]) -> Self {
        let BBox { x, y, w, h } = self.bbox;
        Self {
            bbox: BBox::new(x + dx, y + dy, w, h),
            ..*self
        }
    }

    /// Returns the box.
    pub(super) fn bbox(&self) -> BBox {
        self.bbox
    }

    /// Returns the longer side of the box in pixels.
    pub(super) fn size(&self) -> f64 {
        self.bbox.w.max(self.bbox.h)
    }

    /// Returns the padded region around the box, or the whole frame if the region would be larger.
    pub(super) fn region(&self, frame: Size, padding: f64, aspect: f64) -> Roi {
        let padding = padding * (1.0 + MISSING_PADDING * self.missing);
        let roi = Roi::around_box(self.bbox, padding, aspect);
        let whole = Roi::whole(frame, aspect);
        if roi.width < whole.width { roi } else { whole }
    }
}

/// Returns the finite joints that reach the counting score.
pub(super) fn counting(pose: &Pose) -> impl Iterator<Item = &Keypoint> {
    pose.keypoints_raw
        .iter()
        .filter(|k| k.score > Pose::COUNTING_SCORE && k.x.is_finite() && k.y.is_finite())
}

/// Returns the padded region around the counting joints of a pose; `None` if there are none.
pub fn region_around(pose: &Pose, frame: Size, padding: f64, aspect: f64) -> Option<Roi> {
    Some(FollowBox::start(pose, frame)?.region(frame, padding, aspect))
}

fn missing(pose: &Pose) -> f64 {
    1.0 - counting(pose).count() as f64 / pose.keypoints_raw.len().max(1) as f64
}

/// Returns the box around the counting joints, clipped to the frame and of at least the minimum
/// size.
fn joints_box(pose: &Pose, frame: Size) -> Option<BBox> {
    let (w, h) = (frame.width as f64, frame.height as f64);
    let inside = |p: Point| Point::new(p.x.clamp(0.0, w), p.y.clamp(0.0, h));
    let bbox = BBox::around(counting(pose).map(|k| inside(k.point())))?;
    let least = MIN_SHARE * w.min(h);
    let (w, h) = (bbox.w.max(least), bbox.h.max(least));
    let c = bbox.center();
    Some(BBox::new(c.x - w / 2.0, c.y - h / 2.0, w, h))
}

/// Returns the regions to search for a person, in turn: the whole frame and, where the frame is
/// longer than the region's aspect ratio, its centre and both ends at full height (or width).
pub(super) fn search_regions(frame: Size, aspect: f64) -> Vec<Roi> {
    let whole = Roi::whole(frame, aspect);
    let (w, h) = (frame.width as f64, frame.height as f64);
    let c = whole.center;
    let longer = frame.aspect() / aspect;
    let (side_w, side_h) = if longer > PARTS_FROM {
        (h * aspect, h)
    } else if longer < 1.0 / PARTS_FROM {
        (w, w / aspect)
    } else {
        return vec![whole];
    };
    let (dx, dy) = ((w - side_w) / 2.0, (h - side_h) / 2.0);
    let part = |sign: f64| Roi {
        center: Point::new(c.x + sign * dx, c.y + sign * dy),
        width: side_w,
        height: side_h,
    };
    vec![whole, part(0.0), part(-1.0), part(1.0)]
}

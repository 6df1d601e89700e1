//! Conversion of an annotation to a person, with omitted fields filled in.

use super::CocoAnnotation;
use crate::dataset::names::Naming;
use crate::dataset::numbers::Numbers;
use crate::dataset::{Annotation, Joint, Sample, Visibility};
use crate::geometry::{BBox, Point, Size};
use crate::words::counted;

/// Reason why a person cannot be used.
pub(super) const NO_BOX: &str = "without a box and without labelled joints to draw one around";

/// Mean fraction of its box that a person covers, as COCO's tools assume where no mask was drawn.
const COVERED: f64 = 0.53;

/// Counts of people by kind of field that was filled in.
#[derive(Debug, Default)]
pub(super) struct Mended {
    people: usize,
    pairs: usize,
    flags: usize,
    gaps: usize,
    counts: usize,
    boxes: usize,
    areas: usize,
    corners: bool,
    fractions: bool,
}

impl Mended {
    /// Returns one remark for each kind.
    pub(super) fn notes(&self) -> Vec<String> {
        let all = counted(self.people, "person");
        let of = |n: usize, text: &str| {
            let verb = if n == 1 { "has" } else { "have" };
            (n > 0).then(|| format!("{n} of {all} {verb} {text}"))
        };
        let gaps = (self.gaps > 0).then(|| {
            let verb = if self.gaps == 1 { "has" } else { "have" };
            let joints = counted(self.gaps, "joint");
            format!(
                "{joints} {verb} a coordinate or visibility that is not a number: treated as not \
                 labelled"
            )
        });
        let fractions = "the joints are read as fractions of the image's width and height: none \
         lies beyond 1";
        let corners = "the boxes are read as left, top, right, bottom: as left, top, width, \
         height some would exceed the images";
        [
            of(
                self.pairs,
                "joints without visibility; those not at 0, 0 count as seen",
            ),
            of(
                self.flags,
                "a visibility other than 0, 1 and 2; above 2 counts as seen",
            ),
            gaps,
            of(
                self.counts,
                "a `num_keypoints` that their joints contradict; they are counted",
            ),
            of(
                self.boxes,
                "no usable `bbox`; it is drawn around their joints",
            ),
            of(self.areas, "no `area`; 0.53 of their box stands in for it"),
            self.corners.then(|| corners.to_owned()),
            self.fractions.then(|| fractions.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

const UNLABELLED: Joint = Joint {
    point: Point::new(0.0, 0.0),
    visibility: Visibility::Unlabelled,
};

/// Converts an annotation; box and area are NaN where [`complete`] has to fill them in.
pub(super) fn person(
    a: &CocoAnnotation,
    id: u64,
    naming: &Naming,
    mended: &mut Mended,
) -> Result<Annotation, String> {
    if let Some(fields) = &a.keypoints.unknown {
        return Err(format!(
            "`keypoints` has objects with {fields}; of a joint, x, y, v (or visibility) and name are \
             read"
        ));
    }
    let n = naming.joints.len();
    let values = &a.keypoints.values;
    let stride = match values.len() {
        0 => 3,
        length if length == 3 * n => 3,
        length if length == 2 * n && !a.keypoints.is_nested => 2,
        length => {
            return Err(format!(
                "`keypoints` has {}, {} need {} (x, y, visibility) or {} (x, y)",
                counted(length, "number"),
                counted(n, "joint"),
                3 * n,
                2 * n
            ));
        }
    };
    let mut joints = vec![UNLABELLED; naming.skeleton.n_joints()];
    let (mut has_pairs, mut has_other_flags) = (false, false);
    for (numbers, place) in values.chunks_exact(stride).zip(&naming.joints) {
        let flag = numbers.get(2).copied().unwrap_or(Numbers::NO_FLAG);
        has_pairs |= flag == Numbers::NO_FLAG;
        has_other_flags |= flag.is_finite() && !(0.0..=2.0).contains(&flag);
        let joint = joint(numbers[0], numbers[1], flag)?;
        if let Some(j) = *place {
            joints[j] = joint;
            mended.gaps += usize::from(has_gap(numbers[0], numbers[1], flag));
        }
    }
    let is_crowd = a.iscrowd.flag();
    let labelled = joints.iter().filter(|j| j.labelled().is_some()).count();
    let said = a
        .num_keypoints
        .number()
        .filter(|n| *n >= 0.0)
        .map(|n| n as usize);
    let n_keypoints = match said {
        Some(0) if labelled > 0 && !is_crowd => {
            mended.counts += 1;
            labelled
        }
        Some(n) => n.min(labelled),
        None => labelled,
    };
    mended.people += 1;
    mended.pairs += usize::from(has_pairs);
    mended.flags += usize::from(has_other_flags);
    let corners = |[x0, y0, x1, y1]: [f64; 4]| BBox::new(x0, y0, x1 - x0, y1 - y0);
    let [x, y, w, h] = a.bbox.exactly().unwrap_or([f64::NAN; 4]);
    Ok(Annotation {
        id,
        bbox: BBox::new(x, y, w, h),
        area: a.area.number().unwrap_or(f64::NAN),
        is_crowd,
        n_keypoints,
        head_box: a
            .head_box
            .exactly()
            .map(corners)
            .filter(|b| b.w >= 0.0 && b.h >= 0.0),
        region: None,
        track_id: a.track_id.id(),
        joints,
    })
}

/// Returns whether a part of a joint is missing although it is not marked as unlabelled. A joint that
/// is missing as a whole is how some tools write an unlabelled one.
fn has_gap(x: f64, y: f64, flag: f64) -> bool {
    let n_missing = [x, y].iter().filter(|v| !v.is_finite()).count();
    if flag.is_nan() {
        n_missing < 2
    } else if flag == Numbers::NO_FLAG {
        n_missing == 1
    } else {
        flag > 0.0 && n_missing > 0
    }
}

fn joint(x: f64, y: f64, flag: f64) -> Result<Joint, String> {
    let is_placed = x.is_finite() && y.is_finite();
    let visibility = if !is_placed || flag.is_nan() || flag <= 0.0 {
        Visibility::Unlabelled
    } else if flag == Numbers::NO_FLAG {
        // Without a flag, unlabelled joints are stored at (0, 0) or (-1, -1).
        let nowhere = (x, y) == (0.0, 0.0) || (x < 0.0 && y < 0.0);
        if nowhere {
            Visibility::Unlabelled
        } else {
            Visibility::Visible
        }
    } else if flag == 1.0 {
        Visibility::Hidden
    } else if flag >= 2.0 {
        Visibility::Visible
    } else {
        return Err(format!(
            "visibility {flag} in `keypoints`; it must be 0, 1 or 2 (scores of predictions are \
             not labels)"
        ));
    };
    let point = if is_placed {
        Point::new(x, y)
    } else {
        Point::new(0.0, 0.0)
    };
    Ok(Joint { point, visibility })
}

/// Fills in missing boxes and areas and removes people for whom that is impossible. Returns the
/// number of removed people.
pub(super) fn complete(samples: &mut [Sample], mended: &mut Mended) -> usize {
    if are_fractions(samples) {
        mended.fractions = true;
        samples.iter_mut().for_each(to_pixels);
    }
    if are_corners(samples) {
        mended.corners = true;
        for b in samples
            .iter_mut()
            .flat_map(|s| &mut s.annotations)
            .map(|a| &mut a.bbox)
        {
            *b = BBox::new(b.x, b.y, b.w - b.x, b.h - b.y);
        }
    }
    let mut n_out = 0;
    for sample in samples {
        let size = sample.size;
        sample.annotations.retain_mut(|person| {
            let is_kept = mend(person, size, mended);
            n_out += usize::from(!is_kept);
            is_kept
        });
    }
    n_out
}

fn mend(person: &mut Annotation, image: Size, mended: &mut Mended) -> bool {
    let is_box =
        |b: BBox| [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite()) && b.w > 0.0 && b.h > 0.0;
    if !is_box(person.bbox) {
        let around = BBox::around(person.joints.iter().filter_map(|j| j.inside(image)));
        let Some(b) = around else { return false };
        // At least one pixel, for collinear joints or a single one.
        person.bbox = BBox::new(b.x, b.y, b.w.max(1.0), b.h.max(1.0));
        mended.boxes += 1;
    }
    // COCO has areas below 1, but never 0.
    if !(person.area.is_finite() && person.area > 0.0) {
        person.area = (COVERED * person.bbox.area()).max(1.0);
        mended.areas += 1;
    }
    true
}

/// Returns whether the joints are fractions of their image instead of pixels: all lie within 0..1,
/// and some person has two of them apart, which no person of one pixel has.
fn are_fractions(samples: &[Sample]) -> bool {
    let labelled = |person: &Annotation| {
        let points: Vec<Point> = person.joints.iter().filter_map(Joint::labelled).collect();
        points
    };
    let is_fraction = |v: f64| (0.0..=1.0).contains(&v);
    let people = samples.iter().flat_map(|sample| &sample.annotations);
    let mut n_spread = 0;
    for points in people.map(labelled) {
        if points
            .iter()
            .any(|p| !is_fraction(p.x) || !is_fraction(p.y))
        {
            return false;
        }
        n_spread += usize::from(points.iter().any(|p| *p != points[0]));
    }
    let is_size_known = samples.iter().all(|sample| sample.size.area() > 1);
    n_spread > 0 && is_size_known
}

/// Converts fractions of the image to pixels: joints, and those boxes and areas that are fractions,
/// too.
fn to_pixels(sample: &mut Sample) {
    let [width, height] = [sample.size.width as f64, sample.size.height as f64];
    for person in &mut sample.annotations {
        for joint in &mut person.joints {
            joint.point.x *= width;
            joint.point.y *= height;
        }
        let b = person.bbox;
        if [b.x, b.y, b.w, b.h].iter().all(|v| v.abs() <= 1.0) {
            person.bbox = BBox::new(b.x * width, b.y * height, b.w * width, b.h * height);
        }
        if person.area <= 1.0 {
            person.area *= width * height;
        }
    }
}

/// Returns whether the boxes are left, top, right, bottom: all of them are valid as such and
/// contain their person's joints, while some would leave the image as left, top, width, height.
fn are_corners(samples: &[Sample]) -> bool {
    const SLACK: f64 = 2.0;
    let mut n_beyond = 0;
    for sample in samples {
        let [width, height] =
            [sample.size.width, sample.size.height].map(|side| side as f64 + SLACK);
        for person in sample
            .annotations
            .iter()
            .filter(|a| a.bbox.w > 0.0 && a.bbox.h > 0.0)
        {
            let b = person.bbox;
            if b.w <= b.x || b.h <= b.y || b.w > width || b.h > height {
                return false;
            }
            let joints = person.joints.iter().filter_map(|j| j.inside(sample.size));
            let corners = BBox::new(b.x, b.y, b.w - b.x, b.h - b.y);
            if joints.clone().any(|p| !near(corners, p)) {
                return false;
            }
            n_beyond += usize::from(b.x + b.w > width || b.y + b.h > height);
        }
    }
    n_beyond > 0
}

/// Returns whether a joint lies in a box grown by a quarter of its longer side.
fn near(b: BBox, p: Point) -> bool {
    let slack = 0.25 * b.w.max(b.h);
    let within =
        |v: f64, start: f64, length: f64| v >= start - slack && v <= start + length + slack;
    within(p.x, b.x, b.w) && within(p.y, b.y, b.h)
}

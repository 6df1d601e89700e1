//! Checks of boxes, of joints, and for people labelled twice.

use super::sides::exchanged;
use crate::dataset::{Annotation, Finding, Joint, Sample, Severity};
use crate::geometry::{BBox, Point, Size};
use crate::skeleton::Skeleton;

/// Tolerance for joints outside the image in pixels, for rounding.
const SLACK: f64 = 1.0;
/// Tolerance for joints outside their box, as a fraction of its longer side.
const BOX_SLACK: f64 = 0.25;
/// Annotations whose common joints are closer than this fraction of the box diagonal are one
/// person.
const SAME: f64 = 0.03;
/// Minimum number of common joints for that comparison.
const SAME_JOINTS: usize = 4;

/// Appends the problems with the people of an image.
pub(super) fn check(sample: &Sample, skeleton: &Skeleton, findings: &mut Vec<Finding>) {
    for (i, annotation) in sample.annotations.iter().enumerate() {
        let mut find = |severity, text: String| {
            let finding = Finding::of_annotation(severity, &sample.path, annotation.id, text);
            findings.push(finding);
        };
        if annotation.is_crowd {
            continue;
        }
        check_box(annotation.bbox, sample.size, &mut find);
        check_joints(annotation, sample.size, skeleton, &mut find);
        for other in &sample.annotations[..i] {
            if is_same(annotation, other, sample.size) {
                find(
                    Severity::Warning,
                    format!("the same person as annotation {}; delete one", other.id),
                );
            }
        }
    }
}

fn check_box(b: BBox, image: Size, find: &mut impl FnMut(Severity, String)) {
    let finite = [b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite());
    if !finite || b.w <= 0.0 || b.h <= 0.0 {
        find(Severity::Error, format!("the box {} has no area", show(b)));
        return;
    }
    let overlap = |start: f64, length: f64, n: usize| {
        ((start + length).min(n as f64) - start.max(0.0)).max(0.0) / length
    };
    let share = overlap(b.x, b.w, image.width) * overlap(b.y, b.h, image.height);
    if share < 0.5 {
        find(
            Severity::Warning,
            format!(
                "{} % of the box {} lie outside the image of {image}",
                (100.0 * (1.0 - share)).round(),
                show(b)
            ),
        );
    }
}

fn show(b: BBox) -> String {
    format!("{:.0}, {:.0}, {:.0} x {:.0}", b.x, b.y, b.w, b.h)
}

fn check_joints(
    annotation: &Annotation,
    image: Size,
    skeleton: &Skeleton,
    find: &mut impl FnMut(Severity, String),
) {
    let name = |j: usize| skeleton.joints.get(j).map_or("?", String::as_str);
    let labelled: Vec<(usize, Point)> = annotation
        .joints
        .iter()
        .enumerate()
        .filter_map(|(j, joint)| Some((j, joint.labelled()?)))
        .collect();
    if labelled.is_empty() {
        find(Severity::Note, "no joint is labelled".to_owned());
        return;
    }
    let list = |take: &dyn Fn(Point) -> bool| {
        let taken = labelled.iter().filter(|(_, p)| take(*p));
        taken.map(|(j, _)| name(*j)).collect::<Vec<_>>().join(", ")
    };
    // Farther away than the image is large: the labeller marked the joint as outside the image.
    let beyond = |p: Point| outside(p, image) > image.width.max(image.height) as f64;
    let strays = list(&|p| outside(p, image) > SLACK && !beyond(p));
    if !strays.is_empty() {
        find(
            Severity::Warning,
            format!("joints outside the image of {image}: {strays}"),
        );
    }
    let absent = list(&beyond);
    if !absent.is_empty() {
        find(
            Severity::Note,
            format!("labelled as absent from the image: {absent}"),
        );
    }
    let b = annotation.bbox;
    let slack = BOX_SLACK * b.w.max(b.h);
    let off = |v: f64, start: f64, length: f64| v < start - slack || v > start + length + slack;
    let strays =
        list(&|p| outside(p, image) <= SLACK && (off(p.x, b.x, b.w) || off(p.y, b.y, b.h)));
    if b.w > 0.0 && b.h > 0.0 && !strays.is_empty() {
        find(
            Severity::Warning,
            format!("joints outside the box {}: {strays}", show(b)),
        );
    }
    let seen: Vec<Option<Point>> = annotation.joints.iter().map(|j| j.inside(image)).collect();
    let point = |j: usize| seen.get(j).copied().flatten();
    for (j, &partner) in skeleton.mirror.iter().enumerate() {
        if j < partner
            && let (Some(p), Some(q)) = (point(j), point(partner))
            && p == q
        {
            find(
                Severity::Warning,
                format!("{} and {} are at the same position", name(j), name(partner)),
            );
        }
    }
    if let Some(text) = exchanged(skeleton, &point) {
        find(Severity::Warning, text);
    }
}

/// Returns the distance of a point outside the image in pixels, 0 inside.
fn outside(p: Point, image: Size) -> f64 {
    let off = |v: f64, n: usize| (-0.5 - v).max(v - (n as f64 - 0.5)).max(0.0);
    off(p.x, image.width).max(off(p.y, image.height))
}

fn is_same(a: &Annotation, b: &Annotation, image: Size) -> bool {
    if b.is_crowd {
        return false;
    }
    let both = |(p, q): (&Joint, &Joint)| Some(p.inside(image)?.distance(q.inside(image)?));
    let distances: Vec<f64> = a.joints.iter().zip(&b.joints).filter_map(both).collect();
    let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
    distances.len() >= SAME_JOINTS && mean < SAME * a.bbox.w.hypot(a.bbox.h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Visibility;

    fn sample() -> Sample {
        let at = |j: usize| Point::new(20.0 + 3.0 * j as f64, 15.0 + 4.0 * (j % 7) as f64);
        Sample {
            image_id: 1,
            path: "a.jpg".into(),
            size: Size::new(100, 80),
            clip: None,
            frame: None,
            orientation: crate::sample::Orientation::Auto,
            annotations: vec![Annotation {
                id: 5,
                bbox: BBox::new(15.0, 10.0, 60.0, 40.0),
                area: 2400.0,
                is_crowd: false,
                n_keypoints: 17,
                joints: (0..17)
                    .map(|j| Joint {
                        point: at(j),
                        visibility: Visibility::Visible,
                    })
                    .collect(),
                head_box: None,
                region: None,
                track_id: None,
            }],
        }
    }

    type Spoil<'a> = &'a dyn Fn(&mut Sample);

    fn texts(spoil: impl Fn(&mut Sample)) -> String {
        let mut sample = sample();
        // Wrists and ankles only: the left and right of this synthetic person are not meaningful.
        for j in 0..9 {
            sample.annotations[0].joints[j].visibility = Visibility::Unlabelled;
        }
        sample.annotations[0].joints[11].visibility = Visibility::Unlabelled;
        spoil(&mut sample);
        let mut findings = Vec::new();
        check(&sample, Skeleton::by_name("coco17").unwrap(), &mut findings);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        texts.join("\n")
    }

    /// Fails when some kind of broken label is not found, or a valid one is reported.
    #[test]
    fn broken_people_are_found() {
        assert_eq!(texts(|_| {}), "");
        let cases: [(Spoil<'_>, &str); 8] = [
            (&|s| s.annotations[0].bbox.w = -3.0, "no area"),
            (&|s| s.annotations[0].bbox.x = f64::NAN, "no area"),
            (
                &|s| s.annotations[0].bbox = BBox::new(80.0, 10.0, 200.0, 40.0),
                "90 % of the box",
            ),
            (
                &|s| s.annotations[0].joints[9].point.x = -30.0,
                "outside the image of 100x80: l_wrist",
            ),
            (
                &|s| s.annotations[0].joints[10].point.y = 79.0,
                "outside the box 15, 10, 60 x 40: r_wrist",
            ),
            (
                &|s| s.annotations[0].joints[9].point = s.annotations[0].joints[10].point,
                "l_wrist and r_wrist are at the same position",
            ),
            (
                &|s| {
                    for joint in &mut s.annotations[0].joints {
                        joint.visibility = Visibility::Unlabelled;
                    }
                },
                "no joint",
            ),
            (
                &|s| {
                    let mut twin = s.annotations[0].clone();
                    twin.id = 6;
                    twin.joints[9].point.x += 3.0;
                    s.annotations.push(twin);
                },
                "annotation 6: the same person as annotation 5",
            ),
        ];
        for (spoil, expected) in cases {
            let found = texts(spoil);
            assert!(found.contains(expected), "{expected}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
        let absent = texts(|s| s.annotations[0].joints[9].point = Point::new(-1000.0, -1000.0));
        assert!(
            absent.ends_with("absent from the image: l_wrist"),
            "{absent}"
        );
        assert_eq!(absent.lines().count(), 1, "{absent}");
        let crowd = texts(|s| {
            s.annotations[0].is_crowd = true;
            s.annotations[0].bbox.w = 0.0;
        });
        assert_eq!(crowd, "");
    }
}

//! Conversion of joints to another skeleton.

use super::{Annotation, Dataset, Joint, Sample, Visibility};
use crate::geometry::{Point, Size};
use crate::skeleton::{JointOrigin, Skeleton};

/// Converts joints by `map`; a joint that the source lacks is unlabelled. A midpoint (pelvis, neck)
/// needs both ends labelled inside the image, of size `image`, and is occluded if either end is.
pub fn renamed(joints: &[Joint], map: &[Option<JointOrigin>], image: Size) -> Vec<Joint> {
    let none = Joint {
        point: Point::default(),
        visibility: Visibility::Unlabelled,
    };
    let middle = |a: Joint, b: Joint| {
        let (p, q) = (a.inside(image)?, b.inside(image)?);
        let hidden = [a, b].iter().any(|j| j.visibility == Visibility::Hidden);
        Some(Joint {
            point: Point::new(f64::midpoint(p.x, q.x), f64::midpoint(p.y, q.y)),
            visibility: if hidden {
                Visibility::Hidden
            } else {
                Visibility::Visible
            },
        })
    };
    let get = |j: usize| joints.get(j).copied();
    let pick = |origin: &Option<JointOrigin>| match (*origin)? {
        JointOrigin::Joint(j) => get(j),
        JointOrigin::Middle(i, j) => get(i).zip(get(j)).and_then(|(a, b)| middle(a, b)),
    };
    map.iter().map(|o| pick(o).unwrap_or(none)).collect()
}

impl Dataset {
    /// Returns the labelled joints that `map` drops.
    pub(super) fn joints_lost(&self, map: &[Option<JointOrigin>]) -> Vec<String> {
        let is_used = |j: usize| {
            let is_of = |origin: &JointOrigin| match *origin {
                JointOrigin::Joint(i) => i == j,
                JointOrigin::Middle(a, b) => a == j || b == j,
            };
            map.iter().flatten().any(is_of)
        };
        let is_labelled = |j: usize| {
            let mut people = self.samples.iter().flat_map(|s| &s.annotations);
            people.any(|a| a.joints.get(j).is_some_and(|j| j.labelled().is_some()))
        };
        let names = self.skeleton.joints.iter().enumerate();
        let lost = names.filter(|(j, _)| !is_used(*j) && is_labelled(*j));
        lost.map(|(_, name)| name.clone()).collect()
    }

    /// Converts the data set to `skeleton`; `None` if there is no map. Labelled joints that the
    /// skeleton lacks are counted as left out. Boxes, areas and images are unchanged; so is
    /// everything if the skeleton is the same. Otherwise joint counts are recomputed for people
    /// with a count above 0: OKS ignores people without remaining joints, and those that the file
    /// itself marks as ignored.
    pub fn renamed_to(&self, skeleton: &'static Skeleton) -> Option<Self> {
        if skeleton.name == self.skeleton.name {
            return Some(self.clone());
        }
        let map = self.skeleton.map_to(&skeleton.name)?;
        let person = |a: &Annotation, image: Size| {
            let joints = renamed(&a.joints, &map, image);
            let labelled = joints.iter().filter(|j| j.labelled().is_some());
            let n_keypoints = match a.n_keypoints {
                0 => 0,
                _ => labelled.count(),
            };
            Annotation {
                n_keypoints,
                joints,
                ..a.clone()
            }
        };
        let sample = |s: &Sample| Sample {
            annotations: s.annotations.iter().map(|a| person(a, s.size)).collect(),
            ..s.clone()
        };
        let mut left_out = self.left_out.clone();
        left_out.joints.extend(self.joints_lost(&map));
        Some(Self {
            skeleton,
            samples: self.samples.iter().map(sample).collect(),
            left_out,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BBox;
    use crate::sample::Orientation;

    /// Fails when a joint gets another joint's name or side, an absent one is invented, or a pelvis
    /// is placed between a hip and a hip labelled as outside the image.
    #[test]
    fn joints_are_converted_by_name() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let image = Size::new(100, 100);
        let mut joints: Vec<Joint> = (0..17)
            .map(|j| Joint {
                point: Point::new(f64::from(j), 50.0),
                visibility: Visibility::Visible,
            })
            .collect();
        joints[11].visibility = Visibility::Hidden;
        for target in Skeleton::all() {
            let map = coco.map_to(&target.name).unwrap();
            let seen = renamed(&joints, &map, image);
            for (name, joint) in target.joints.iter().zip(&seen) {
                match coco.joint(name) {
                    Some(j) => assert_eq!(*joint, joints[j], "{name}"),
                    None if ["head_top", "upper_neck"].contains(&&name[..]) => {
                        assert_eq!(joint.labelled(), None);
                    }
                    None if name == "pelvis" => {
                        assert_eq!(joint.point.x, 11.5);
                        assert_eq!(joint.visibility, Visibility::Hidden);
                    }
                    None => assert_eq!(joint.point.x, 5.5, "{name}"),
                }
            }
        }
        joints[12].point = Point::new(-1000.0, -1000.0);
        let map = coco.map_to("mpii16").unwrap();
        let pelvis = Skeleton::by_name("mpii16")
            .unwrap()
            .joint("pelvis")
            .unwrap();
        assert_eq!(renamed(&joints, &map, image)[pelvis].labelled(), None);
    }

    /// Fails when the joint counts of a file, by which OKS ignores people, are replaced although no
    /// joint has changed, or an ignored person counts after the conversion.
    #[test]
    fn the_file_s_count_of_joints_is_kept() {
        let person = |id: u64, n_keypoints: usize| Annotation {
            id,
            bbox: BBox::new(1.0, 2.0, 30.0, 40.0),
            area: 900.0,
            is_crowd: false,
            n_keypoints,
            joints: vec![
                Joint {
                    point: Point::new(5.0, 6.0),
                    visibility: Visibility::Visible,
                };
                17
            ],
            head_box: None,
            region: None,
            track_id: None,
        };
        let data = Dataset {
            samples: vec![Sample {
                image_id: 1,
                path: "a.jpg".into(),
                size: Size::new(100, 100),
                clip: None,
                frame: None,
                orientation: Orientation::Auto,
                annotations: vec![person(1, 0), person(2, 3)],
            }],
            ..Dataset::of(Skeleton::by_name("coco17").unwrap())
        };
        for (name, expected) in [("coco17", [0, 3]), ("lsp14", [0, 12])] {
            let skeleton = Skeleton::by_name(name).unwrap();
            let renamed = data.renamed_to(skeleton).unwrap();
            let people = renamed.samples[0].annotations.iter();
            let counts: Vec<_> = people.map(|a| a.n_keypoints).collect();
            assert_eq!(counts, expected, "{name}");
        }
    }
}

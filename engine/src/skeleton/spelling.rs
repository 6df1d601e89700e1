//! The usual spellings of joint names.
//!
//! Tools and people spell the same joint in many ways (`left_ankle`, `Left Ankle`, `leftAnkle`,
//! `LAnkle`, `ankle-left`, `l_ank`). Names are compared without case, blanks and punctuation.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Skeleton;

const LEFT: &[&str] = &["l", "left", "lft", "lt"];
const RIGHT: &[&str] = &["r", "right", "rgt", "rt"];
/// Body parts with a left and a right joint, and their aliases.
const PARTS: &[(&str, &[&str])] = &[
    ("eye", &["eyes"]),
    ("ear", &["ears"]),
    ("shoulder", &["sho", "shldr", "shoulders"]),
    ("elbow", &["elb", "elbows"]),
    ("wrist", &["wri", "wrists"]),
    ("hip", &["hips"]),
    ("knee", &["kne", "knees"]),
    ("ankle", &["ank", "ankles"]),
];
/// Joints on the midline, and their aliases. The neck of LSP, MPII and `CrowdPose` is where neck
/// and head meet; that of OpenPose lies between the shoulders and is a separate joint.
const MIDDLES: &[(&str, &[&str])] = &[
    ("nose", &["nosetip", "tipofnose"]),
    ("neck", &[]),
    (
        "upper_neck",
        &["neck", "headbottom", "bottomhead", "neckupper"],
    ),
    ("head_top", &["head", "tophead", "topofhead", "headcrown"]),
    (
        "pelvis",
        &[
            "hip",
            "midhip",
            "hipmid",
            "middlehip",
            "hipcenter",
            "centerhip",
            "root",
        ],
    ),
    ("thorax", &[]),
];

/// The joint that a spelling denotes in one skeleton.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meaning {
    pub(crate) joint: usize,
    /// Whether the spelling is the skeleton's own name, which overrides aliases.
    pub(crate) is_own: bool,
}

/// The joints of one skeleton by spelling.
pub(crate) type Spellings = HashMap<String, Meaning>;

/// The joint for each spelling, per skeleton.
pub(crate) static SPELLINGS: LazyLock<Vec<(&'static Skeleton, Spellings)>> =
    LazyLock::new(|| Skeleton::all().iter().map(|s| (s, spellings(s))).collect());

fn spellings(skeleton: &Skeleton) -> Spellings {
    let mut known = Spellings::new();
    for (joint, name) in skeleton.joints.iter().enumerate() {
        let sided = [("l_", LEFT), ("r_", RIGHT)]
            .into_iter()
            .find_map(|(prefix, sides)| {
                let part = name.strip_prefix(prefix)?;
                let (_, others) = PARTS.iter().find(|(own, _)| *own == part)?;
                Some((sides, std::iter::once(part).chain(others.iter().copied())))
            });
        if let Some((sides, parts)) = sided {
            for part in parts {
                for side in sides {
                    for spelling in [format!("{side}{part}"), format!("{part}{side}")] {
                        known.insert(
                            spelling,
                            Meaning {
                                joint,
                                is_own: true,
                            },
                        );
                    }
                }
            }
            continue;
        }
        known.insert(
            key(name),
            Meaning {
                joint,
                is_own: true,
            },
        );
        let others = MIDDLES.iter().find(|(own, _)| own == name);
        for other in others.into_iter().flat_map(|(_, others)| *others) {
            let meaning = Meaning {
                joint,
                is_own: false,
            };
            known.entry((*other).to_owned()).or_insert(meaning);
        }
    }
    known
}

/// Returns the letters and digits of a name in lower case, without a leading number (`05: Left
/// Knee`).
fn key(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    let all: String = letters.flat_map(char::to_lowercase).collect();
    all.trim_start_matches(|c: char| c.is_ascii_digit())
        .to_owned()
}

/// Returns the joint that a name denotes.
pub(crate) fn meaning(known: &Spellings, name: &str) -> Option<Meaning> {
    // Strips a group name in front (`person/left_ankle`) or a word without meaning.
    let last = name.rsplit(['/', ':', '.', '|']).next().unwrap_or(name);
    let plain = key(name);
    let candidates = [
        plain.as_str(),
        plain.strip_suffix("joint").unwrap_or(&plain),
        &key(last),
    ];
    candidates.iter().find_map(|k| known.get(*k)).copied()
}

impl Skeleton {
    /// Returns the index of the joint that `name` denotes in any usual spelling.
    pub fn joint_spelled(&self, name: &str) -> Option<usize> {
        let (_, known) = SPELLINGS.iter().find(|(s, _)| s.name == self.name)?;
        self.joint(name)
            .or_else(|| meaning(known, name).map(|m| m.joint))
    }

    /// Returns the index of the limb between two joints, which `name` lists in any order and any
    /// usual spelling, with a hyphen in between: `left elbow-left wrist`, `Left-Wrist-Left-Elbow`.
    pub fn limb_spelled(&self, name: &str) -> Option<usize> {
        let hyphens = name.match_indices('-');
        let ends = hyphens.filter_map(|(at, _)| {
            let (a, b) = (&name[..at], &name[at + 1..]);
            Some([self.joint_spelled(a)?, self.joint_spelled(b)?])
        });
        let limb = |[a, b]: [usize; 2]| {
            let mut limbs = self.limbs.iter();
            limbs.position(|limb| *limb == [a, b] || *limb == [b, a])
        };
        ends.into_iter().find_map(limb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when one spelling resolves to two joints of a skeleton.
    #[test]
    fn no_spelling_has_two_meanings() {
        for skeleton in Skeleton::all() {
            let sided = |j: usize| {
                skeleton.joints[j].contains('_')
                    && !skeleton.joints[j].contains("neck")
                    && !skeleton.joints[j].contains("top")
            };
            let per_joint = 2 * 4;
            let expected: usize = (0..skeleton.n_joints())
                .filter(|&j| sided(j))
                .map(|j| {
                    let part = &skeleton.joints[j][2..];
                    per_joint * (1 + PARTS.iter().find(|(own, _)| *own == part).unwrap().1.len())
                })
                .sum();
            let own = spellings(skeleton);
            assert_eq!(
                own.values().filter(|m| sided(m.joint)).count(),
                expected,
                "{}",
                skeleton.name
            );
        }
    }

    /// Fails when a limb is not found by its joints, or joints without a limb between them are taken
    /// for one.
    #[test]
    fn limbs_are_found_by_their_joints() {
        let skeleton = Skeleton::by_name("openpose18").unwrap();
        for l in 0..skeleton.limbs.len() {
            let name = skeleton.limb_name(l);
            assert_eq!(skeleton.limb(&name), Some(l));
            assert_eq!(skeleton.limb_spelled(&name), Some(l), "{name}");
        }
        let forearm = skeleton.limb("l_elbow-l_wrist");
        for name in [
            "left wrist - left elbow",
            "Left-Elbow-Left-Wrist",
            "LElbow-LWrist",
        ] {
            assert_eq!(skeleton.limb_spelled(name), forearm, "{name}");
        }
        for name in ["l_wrist-r_wrist", "l_wrist", "-", "", "l_elbow-"] {
            assert_eq!(skeleton.limb_spelled(name), None, "{name}");
        }
    }

    /// Fails when a joint is not found under the spellings that people type, or a word that is not a
    /// joint is taken for one.
    #[test]
    fn joints_are_found_in_any_usual_spelling() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let wrist = coco.joint("l_wrist");
        for name in [
            "l_wrist",
            "left_wrist",
            "Left Wrist",
            "leftWrist",
            "LEFT-WRIST",
            "lwrist",
            "wrist left",
            " l wrist ",
        ] {
            assert_eq!(coco.joint_spelled(name), wrist, "{name}");
        }
        assert_eq!(coco.joint_spelled("Nose"), coco.joint("nose"));
        for name in ["tail", "", "wrist", "left"] {
            assert_eq!(coco.joint_spelled(name), None, "{name}");
        }
        for skeleton in Skeleton::all() {
            for (j, name) in skeleton.joints.iter().enumerate() {
                assert_eq!(skeleton.joint_spelled(name), Some(j), "{}", skeleton.name);
            }
        }
    }
}

//! Maps joint names of a file to joints: [`Naming`] assigns each name a joint of a skeleton.
//!
//! Tools spell the same joint in many ways (`left_ankle`, `Left Ankle`, `leftAnkle`, `LAnkle`,
//! `ankle-left`, `l_ank`). Names are compared without case, blanks and punctuation, and their order
//! does not matter. Joints that the skeleton lacks are ignored. Where names are only numbers, the
//! order decides.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::skeleton::Skeleton;

/// Joint names of a file resolved to a skeleton.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Naming {
    /// The skeleton that matches most of the names.
    pub skeleton: &'static Skeleton,
    /// For each name, the index of its joint in the skeleton.
    pub joints: Vec<Option<usize>>,
    /// Names without a joint in the skeleton, or duplicates of one, as the file spells them.
    pub left_out: Vec<String>,
    /// Whether joints were assigned by order rather than by name.
    pub by_order: bool,
}

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
struct Meaning {
    joint: usize,
    /// Whether the spelling is the skeleton's own name, which overrides aliases.
    is_own: bool,
}

type Spellings = HashMap<String, Meaning>;

/// The joint for each spelling, per skeleton.
static SPELLINGS: LazyLock<Vec<(&'static Skeleton, Spellings)>> =
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

fn meaning(known: &Spellings, name: &str) -> Option<Meaning> {
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

/// Returns whether the names are only numbers: `0`, `1`, ... or `kp_1`, `kp_2`, ...
pub(super) fn are_numbers(names: &[String]) -> bool {
    const WORDS: &[&str] = &[
        "", "j", "joint", "k", "kp", "kpt", "kps", "keypoint", "landmark", "newpoint", "node", "p",
        "part", "point", "pt", "id",
    ];
    let word = |name: &String| -> String {
        let letters = name.chars().filter(|c| c.is_alphabetic());
        letters.flat_map(char::to_lowercase).collect()
    };
    let has_digit = |name: &String| name.chars().any(|c| c.is_ascii_digit());
    names
        .iter()
        .all(|n| WORDS.contains(&word(n).as_str()) && (has_digit(n) || n.trim().is_empty()))
}

/// Returns the skeleton with `n` joints, whose order is assumed for unnamed joints.
pub(super) fn by_order(n: usize) -> Result<Naming, String> {
    let Some(skeleton) = Skeleton::all().iter().find(|s| s.n_joints() == n) else {
        let known = Skeleton::all().iter();
        let known = known.map(|s| format!("{} ({})", s.n_joints(), s.name));
        return Err(format!(
            "the {n} joints have no names, and no known skeleton has {n} joints (known: {}); \
             name them in the category's `keypoints`",
            known.collect::<Vec<_>>().join(", ")
        ));
    };
    Ok(Naming {
        skeleton,
        joints: (0..n).map(Some).collect(),
        left_out: Vec::new(),
        by_order: true,
    })
}

/// Number of known names that make a whole body, whatever else is labelled as well (hands, feet, a
/// face of 68 points).
const WHOLE_BODY: usize = 12;

/// Resolves `names` in the skeleton that matches most of them. Ties go to a skeleton with OKS
/// sigmas, then to the smallest.
///
/// # Errors
/// When fewer than half of the names are known and they do not make a whole body; the message lists
/// the unknown ones.
pub(super) fn naming(names: &[String]) -> Result<Naming, String> {
    if are_numbers(names) {
        return by_order(names.len());
    }
    let all = SPELLINGS
        .iter()
        .map(|(skeleton, known)| in_skeleton(names, skeleton, known));
    let best = all.max_by_key(|naming| {
        let skeleton = naming.skeleton;
        let n_joints = std::cmp::Reverse(skeleton.n_joints());
        (naming.n_known(), !skeleton.oks_sigmas.is_empty(), n_joints)
    });
    let best = best.ok_or("no skeleton is known")?;
    let is_word = |name: &&String| {
        SPELLINGS
            .iter()
            .any(|(_, known)| meaning(known, name).is_some())
    };
    let n_words = names.iter().filter(is_word).count();
    let limbs = best
        .joints
        .iter()
        .flatten()
        .filter(|&&j| is_limb(best.skeleton, j));
    if 2 * n_words < names.len() && limbs.count() < WHOLE_BODY {
        let others: Vec<_> = names
            .iter()
            .filter(|n| !is_word(n))
            .map(String::as_str)
            .collect();
        return Err(format!(
            "{} of the {} names in the category's `keypoints` are not joints of a person: {}; \
             name them nose, left_eye, ... right_ankle, or only number them",
            others.len(),
            names.len(),
            listed(&others)
        ));
    }
    Ok(best)
}

/// Formats the first names and the number of further ones.
pub(super) fn listed(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 24;
    let first = names.iter().take(MOST).map(AsRef::as_ref);
    let first = first.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn is_limb(skeleton: &Skeleton, joint: usize) -> bool {
    let limbs = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"];
    let name = skeleton.joints.get(joint).and_then(|n| n.get(2..));
    name.is_some_and(|n| limbs.contains(&n))
}

fn in_skeleton(names: &[String], skeleton: &'static Skeleton, known: &Spellings) -> Naming {
    let meanings: Vec<Option<Meaning>> = names.iter().map(|n| meaning(known, n)).collect();
    let mut joints = vec![None; names.len()];
    let mut taken = vec![false; skeleton.n_joints()];
    for is_own in [true, false] {
        for (place, meaning) in joints.iter_mut().zip(&meanings) {
            if let Some(m) = meaning.filter(|m| m.is_own == is_own)
                && !std::mem::replace(&mut taken[m.joint], true)
            {
                *place = Some(m.joint);
            }
        }
    }
    let others = names
        .iter()
        .zip(&joints)
        .filter(|(_, joint)| joint.is_none());
    Naming {
        skeleton,
        left_out: others.map(|(name, _)| name.clone()).collect(),
        joints,
        by_order: false,
    }
}

impl Naming {
    /// Returns the number of names with a joint.
    pub(super) fn n_known(&self) -> usize {
        self.joints.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests;

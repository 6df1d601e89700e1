//! Maps joint names of a file to joints: [`Naming`] assigns each name a joint of a skeleton.
//!
//! Names are compared in any usual spelling ([`crate::skeleton::spelling`]), and their order does
//! not matter. Joints that the skeleton lacks are ignored. Where names are only numbers, the order
//! decides.

use crate::skeleton::Skeleton;
use crate::skeleton::spelling::{Meaning, SPELLINGS, Spellings, meaning};
use crate::words::counted;

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
            "the joints have no names, and no known skeleton has {} (known: {}); name them in the \
             category's `keypoints`",
            counted(n, "joint"),
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
        let verb = if others.len() == 1 { "is" } else { "are" };
        return Err(format!(
            "{} of the {} in the category's `keypoints` {verb} not joints of a person: {}; \
             name them nose, left_eye, ... right_ankle, or only number them",
            others.len(),
            counted(names.len(), "name"),
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

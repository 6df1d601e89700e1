//! What can be measured, and how it is written.

use std::fmt;
use std::str::FromStr;

use crate::skeleton::{JointOrigin, Skeleton};
use crate::words::joint_in_full;

/// Joints at which an angle has a name, with the ends of its arms: joints of the same side.
const NAMED: [(&str, [&str; 2]); 4] = [
    ("elbow", ["shoulder", "wrist"]),
    ("shoulder", ["hip", "elbow"]),
    ("hip", ["shoulder", "knee"]),
    ("knee", ["hip", "ankle"]),
];

/// Positions that skeletons without such a joint have as the middle of two joints.
const MIDDLES: [(&str, [&str; 2]); 3] = [
    ("head", ["l_ear", "r_ear"]),
    ("neck", ["l_shoulder", "r_shoulder"]),
    ("pelvis", ["l_hip", "r_hip"]),
];

/// A joint, or the middle of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot(String);

impl Spot {
    fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim();
        if MIDDLES.iter().any(|(middle, _)| *middle == name) {
            return Ok(Self(name.to_owned()));
        }
        let mut skeletons = Skeleton::all().iter();
        let joint = skeletons.find_map(|s| Some(s.joints[s.joint_spelled(name)?].clone()));
        joint.map(Self).ok_or_else(|| {
            let known = known_spots();
            format!("no joint is called '{name}'; known joints: {known}")
        })
    }

    /// Returns its origin in a skeleton; `None` if there is none.
    pub fn origin(&self, skeleton: &Skeleton) -> Option<JointOrigin> {
        if let Some(joint) = skeleton.joint_spelled(&self.0) {
            return Some(JointOrigin::Joint(joint));
        }
        let (_, [a, b]) = MIDDLES.iter().find(|(middle, _)| *middle == self.0)?;
        Some(JointOrigin::Middle(skeleton.joint(a)?, skeleton.joint(b)?))
    }
}

impl fmt::Display for Spot {
    /// Writes the name in full: `left_wrist`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joint_in_full(&self.0))
    }
}

/// Kind of a measure with its joints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Angle at the second of three joints.
    Angle([Spot; 3]),
    /// Direction from the first joint to the second, from straight up.
    Vertical([Spot; 2]),
    /// Distance of two joints.
    Distance([Spot; 2]),
    /// Speed of a joint.
    Speed(Spot),
}

/// One measure, such as `left_elbow` or `left_hip-left_knee|vertical`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureSpec {
    /// Name in columns and lists.
    name: String,
    kind: Kind,
}

impl MeasureSpec {
    /// Returns every angle with a name: elbows, shoulders, hips and knees of both sides, and the
    /// neck. No skeleton has joints of the foot, so there is no angle at the ankle.
    pub fn named() -> Vec<Self> {
        let sided = NAMED.iter().flat_map(|(at, [a, c])| {
            [("l", "left"), ("r", "right")].map(|(short, side)| {
                let spot = |part: &str| Spot(format!("{short}_{part}"));
                Self {
                    name: format!("{side}_{at}"),
                    kind: Kind::Angle([spot(a), spot(at), spot(c)]),
                }
            })
        });
        let spots = ["head", "neck", "pelvis"].map(|name| Spot(name.to_owned()));
        let neck = Self {
            name: "neck".to_owned(),
            kind: Kind::Angle(spots),
        };
        sided.chain([neck]).collect()
    }

    /// Returns its name: that of an angle with a name, or else its joints written in full.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    fn spots(&self) -> &[Spot] {
        match &self.kind {
            Kind::Angle(spots) => spots,
            Kind::Vertical(spots) | Kind::Distance(spots) => spots,
            Kind::Speed(spot) => std::slice::from_ref(spot),
        }
    }

    /// Checks that a skeleton has all joints.
    ///
    /// # Errors
    /// If one is missing; the message names the joints that there are.
    pub fn check(&self, skeleton: &Skeleton) -> Result<(), String> {
        let mut spots = self.spots().iter();
        let Some(missing) = spots.find(|spot| spot.origin(skeleton).is_none()) else {
            return Ok(());
        };
        let joints = skeleton.joints.iter().map(|j| Spot(j.clone()).to_string());
        let joints: Vec<_> = joints.collect();
        Err(format!(
            "{} needs the joint {missing}, which {} does not have; its joints: {}",
            self.name,
            skeleton.name,
            joints.join(", ")
        ))
    }

    fn of_joints(kind: Kind) -> Self {
        let name = match &kind {
            Kind::Angle([a, b, c]) => format!("{a}-{b}-{c}"),
            Kind::Vertical([a, b]) => format!("{a}-{b}|vertical"),
            Kind::Distance([a, b]) => format!("{a}-{b}"),
            Kind::Speed(joint) => format!("{joint}|speed"),
        };
        Self { name, kind }
    }

    /// Parses the name of an angle, in any usual spelling of its joint.
    fn by_name(text: &str) -> Result<Self, String> {
        let named = Self::named();
        let known: Vec<_> = named.iter().map(|spec| spec.name.clone()).collect();
        let known = known.join(", ");
        let spelled = Spot::parse(text).map(|spot| spot.to_string());
        let name = spelled.as_deref().unwrap_or(text);
        let found = named.into_iter().find(|spec| spec.name == name);
        found.ok_or_else(|| match name {
            "left_ankle" | "right_ankle" => format!(
                "the angle at {name} needs a joint of the foot, which no skeleton has; named \
                 angles: {known}"
            ),
            _ => format!(
                "'{text}' is not a measure; named angles: all, {known}; others: A-B-C, \
                 A-B|vertical, A-B and A|speed with names of joints"
            ),
        })
    }
}

impl fmt::Display for MeasureSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for MeasureSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (joints, kind) = match text.split_once('|') {
            Some((joints, kind)) => (joints, Some(kind.trim())),
            None => (text, None),
        };
        if kind.is_none() && !joints.contains('-') {
            return Self::by_name(joints);
        }
        let spots: Result<Vec<_>, _> = joints.split('-').map(Spot::parse).collect();
        let spots = spots?;
        let mut others = spots.iter().enumerate();
        if let Some((_, double)) = others.find(|(i, spot)| spots[..*i].contains(spot)) {
            return Err(format!("'{text}' has the joint {double} twice"));
        }
        let kind = match (spots.as_slice(), kind) {
            ([joint], Some("speed")) => Kind::Speed(joint.clone()),
            ([a, b], Some("vertical")) => Kind::Vertical([a.clone(), b.clone()]),
            ([a, b], None) => Kind::Distance([a.clone(), b.clone()]),
            ([a, b, c], None) => Kind::Angle([a.clone(), b.clone(), c.clone()]),
            _ => return Err(wrong_form(text)),
        };
        Ok(Self::of_joints(kind))
    }
}

fn wrong_form(text: &str) -> String {
    format!(
        "'{text}' is not a measure; write A-B-C (angle at B), A-B|vertical, A-B (distance) or \
         A|speed"
    )
}

/// Returns the names of all joints and middles.
fn known_spots() -> String {
    let joints = Skeleton::all().iter().flat_map(|s| &s.joints);
    let joints = joints.map(|joint| Spot(joint.clone()).to_string());
    let middles = MIDDLES.iter().map(|(middle, _)| (*middle).to_owned());
    let mut known: Vec<_> = Vec::new();
    for name in joints.chain(middles) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known.join(", ")
}

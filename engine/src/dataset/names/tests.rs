//! Spellings of tools, joints of public data sets, and names that are not joints.

use super::*;
use proptest::prelude::*;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn known(names: &[&str]) -> (String, Vec<String>, Vec<String>) {
    let naming = naming(&owned(names)).unwrap();
    let own = |j: &Option<usize>| j.map_or_else(String::new, |j| naming.skeleton.joints[j].clone());
    (
        naming.skeleton.name.clone(),
        naming.joints.iter().map(own).collect(),
        naming.left_out,
    )
}

/// Fails when the spelling of some tool is not understood, or resolves to another joint or side.
#[test]
fn spellings_of_tools_are_understood() {
    for name in [
        "left_ankle",
        "Left Ankle",
        "leftAnkle",
        "LeftAnkle",
        "L_Ankle",
        "LAnkle",
        "lankle",
        "LANKLE",
        "ankle_left",
        "left-ankle",
        "Left ankle",
        "ankle L",
        "Ankle.L",
        "l_ank",
        "AnkleLeft",
        "15_left_ankle",
        "person/left_ankle",
        " left  ankle ",
        "l. ankle",
        "left ankle joint",
    ] {
        let (skeleton, joints, _) = known(&["nose", name, "right_ankle"]);
        assert_eq!(
            (skeleton.as_str(), joints[1].as_str()),
            ("coco17", "l_ankle"),
            "{name}"
        );
    }
    for (name, own) in [
        ("LEar", "l_ear"),
        ("rear", "r_ear"),
        ("kneel", "l_knee"),
        ("RHip", "r_hip"),
    ] {
        assert_eq!(known(&["nose", name]).1[1], own, "{name}");
    }
}

const BODY: [&str; 12] = [
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

fn with(others: &[&'static str]) -> Vec<&'static str> {
    others.iter().chain(&BODY).copied().collect()
}

/// Fails when joints of a public data set are confused, or ignored names are not reported.
#[test]
fn public_sets_are_read_by_name() {
    let none: [&str; 0] = [];
    for (others, skeleton, left_out) in [
        (
            &["nose", "head_bottom", "head_top", "left_ear", "right_ear"][..],
            "coco17",
            &["head_bottom", "head_top"][..],
        ),
        (&["head", "neck"], "lsp14", &none),
        (&["top_head", "neck"], "lsp14", &none),
        (&["nose"], "coco17", &none),
        (&[], "coco17", &none),
        (
            &[
                "nose",
                "neck",
                "left_eye",
                "right_eye",
                "left_ear",
                "right_ear",
            ],
            "openpose18",
            &none,
        ),
        (
            &[
                "nose",
                "neck",
                "MidHip",
                "left_eye",
                "right_eye",
                "left_ear",
                "right_ear",
                "LBigToe",
                "LHeel",
            ],
            "openpose18",
            &["MidHip", "LBigToe", "LHeel"],
        ),
        (
            &["pelvis", "thorax", "upper neck", "head top"],
            "mpii16",
            &none,
        ),
    ] {
        let (name, joints, rest) = known(&with(others));
        assert_eq!(name, skeleton, "{others:?}");
        assert_eq!(rest, left_out);
        for (file, own) in BODY.iter().zip(&joints[others.len()..]) {
            assert_eq!(&file.replace("left", "l").replace("right", "r"), own);
        }
    }
    let openpose = [
        "Nose",
        "Neck",
        "RShoulder",
        "RElbow",
        "RWrist",
        "LShoulder",
        "LElbow",
        "LWrist",
        "RHip",
        "RKnee",
        "RAnkle",
        "LHip",
        "LKnee",
        "LAnkle",
        "REye",
        "LEye",
        "REar",
        "LEar",
    ];
    let (name, joints, rest) = known(&openpose);
    assert_eq!((name.as_str(), rest.len()), ("openpose18", 0));
    assert_eq!(joints, Skeleton::by_name("openpose18").unwrap().joints);
    let face: Vec<String> = (0..116).map(|i| format!("face-{i}")).collect();
    let all: Vec<&str> = with(&["nose"])
        .into_iter()
        .chain(face.iter().map(String::as_str))
        .collect();
    let (name, _, rest) = known(&all);
    assert_eq!((name.as_str(), rest.len()), ("coco17", 116));
}

/// Fails when a duplicate joint name replaces the first, or an unknown name is resolved by its
/// position.
#[test]
fn of_two_equal_names_the_first_counts() {
    let (_, joints, left_out) = known(&["nose", "left_knee", "Nose", "tail"]);
    assert_eq!(joints, ["nose", "l_knee", "", ""]);
    assert_eq!(left_out, ["Nose", "tail"]);
    let (_, joints, left_out) = known(&["neck", "upper_neck", "head_top", "pelvis", "left_hip"]);
    assert_eq!(joints[1], "upper_neck");
    assert_eq!(
        (joints[0].as_str(), left_out),
        ("", vec!["neck".to_owned()])
    );
}

/// Fails when joints of something other than a person are accepted, or the order is used although
/// there are names.
#[test]
fn other_things_are_refused() {
    let message = naming(&owned(&["tip", "grip", "nose"])).unwrap_err();
    assert!(
        message.contains("2 of the 3 names") && message.contains("tip, grip"),
        "{message}"
    );
    let letters: Vec<String> = ('a'..='q').map(String::from).collect();
    assert!(naming(&letters).unwrap_err().contains("a, b, c"));
    for names in [
        (0..17).map(|i| i.to_string()).collect::<Vec<_>>(),
        (1..=17).map(|i| format!("kp_{i}")).collect(),
        (1..=17).map(|i| format!("Point {i}")).collect(),
        vec![String::new(); 17],
    ] {
        let naming = naming(&names).unwrap();
        assert!(naming.by_order && naming.skeleton.name == "coco17");
    }
    let numbers: Vec<String> = (0..15).map(|i| i.to_string()).collect();
    assert!(naming(&numbers).unwrap_err().contains("17 (coco17)"));
}

proptest! {
    /// Fails when order, case or punctuation changes the joint that a name resolves to.
    #[test]
    fn only_the_letters_count(
        order in Just((0..17usize).collect::<Vec<_>>()).prop_shuffle(),
        kept in 9..=17usize,
        separator in prop::sample::select(vec!["", " ", "_", "-", "."]),
        upper in any::<bool>(), behind in any::<bool>(), short in any::<bool>(),
    ) {
        let coco = Skeleton::by_name("coco17").unwrap();
        let spell = |j: &usize| {
            let name = &coco.joints[*j];
            let (side, part) = name.split_once('_').unwrap_or(("", name));
            let side = match (side, short) {
                ("l", false) => "left",
                ("r", false) => "right",
                (side, _) => side,
            };
            let (a, b) = if behind { (part, side) } else { (side, part) };
            let name = if side.is_empty() { part.to_owned() } else { format!("{a}{separator}{b}") };
            if upper { name.to_uppercase() } else { name }
        };
        let names: Vec<String> = order.iter().take(kept).map(spell).collect();
        let naming = naming(&names).unwrap();
        prop_assert_eq!(&naming.skeleton.name, "coco17");
        let expected: Vec<_> = order.iter().take(kept).map(|&j| Some(j)).collect();
        prop_assert_eq!(naming.joints, expected);
    }

    /// Fails when a list of names causes a panic, or two names resolve to one joint.
    #[test]
    fn any_names_never_panic(names in prop::collection::vec(".{0,12}", 0..20)) {
        if let Ok(naming) = naming(&names) {
            let mut joints: Vec<_> = naming.joints.iter().flatten().collect();
            let n = joints.len();
            joints.sort_unstable();
            joints.dedup();
            prop_assert_eq!(joints.len(), n);
        }
    }
}

//! Tests of the check.

use std::path::Path;
use std::sync::Arc;

use super::super::edit::{Edit, FrameProposal};
use super::super::file::NewProject;
use super::super::open::Project;
use super::super::person::Joint;
use super::super::test_project::project;
use super::*;
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::sample::Visibility;

/// A standing person of coco17 at (x, 0), about 160 pixels tall.
const STANCE: [[f64; 2]; 17] = [
    [50., 18.],
    [53., 15.],
    [47., 15.],
    [57., 17.],
    [43., 17.],
    [63., 32.],
    [37., 32.],
    [70., 56.],
    [30., 56.],
    [74., 80.],
    [26., 80.],
    [58., 88.],
    [42., 88.],
    [60., 124.],
    [40., 124.],
    [61., 160.],
    [39., 160.],
];

fn person(x: f64) -> Vec<Joint> {
    let joint = |[a, b]: &[f64; 2]| Joint::new(Point::new(a + x, *b), 0.0, Visibility::Visible);
    STANCE.iter().map(joint).collect()
}

fn confirm(project: &mut Project, at: FrameKey, joints: Vec<Joint>) {
    let proposal = FrameProposal {
        at,
        suggestion: None,
        people: vec![joints],
        is_confirmed: true,
    };
    project
        .apply(&Edit::Propose {
            frames: vec![proposal],
        })
        .unwrap();
}

/// Confirms a person in every tenth frame of the first clip; `change` changes the one in frame 50.
fn labelled(folder: &Path, change: impl FnOnce(&mut Vec<Joint>)) -> Project {
    let mut project = project(folder, 2, 200);
    let mut change = Some(change);
    for n in 0..12 {
        let at = FrameKey::new(1, 10 * n);
        let mut joints = person(f64::from(n));
        if n == 5
            && let Some(change) = change.take()
        {
            change(&mut joints);
        }
        confirm(&mut project, at, joints);
    }
    project
}

fn moved(joint: Joint, dx: f64, dy: f64) -> Joint {
    let p = joint.point();
    Joint::new(Point::new(p.x + dx, p.y + dy), 0.0, Visibility::Visible)
}

fn findings(change: impl FnOnce(&mut Vec<Joint>)) -> Vec<(FrameKey, Option<usize>, FindingKind)> {
    let folder = tempfile::tempdir().unwrap();
    let project = labelled(folder.path(), change);
    let found = check(project.contents());
    assert!(
        found
            .iter()
            .all(|f| f.person.is_some() && !f.text.contains(['\n', '_']))
    );
    found.iter().map(|f| (f.at, f.joint, f.kind)).collect()
}

/// Fails when a mistake is not found at its place, sound labels are reported, or a text has the name
/// of a joint in files.
#[test]
fn mistakes_are_found_where_they_are() {
    let at = FrameKey::new(1, 50);
    assert_eq!(findings(|_| ()), []);
    // The left wrist far away: its bone is long.
    let found = findings(|joints| joints[9] = moved(joints[9], 120.0, 40.0));
    assert_eq!(found, [(at, Some(9), FindingKind::BoneLength)]);
    let found = findings(|joints| joints[13] = joints[14]);
    assert!(
        found.contains(&(at, Some(14), FindingKind::CoincidentJoints)),
        "{found:?}"
    );
    // Everything swapped: only the neighbours tell.
    let mirror = |joints: &mut Vec<Joint>| {
        for j in (1..17).step_by(2) {
            joints.swap(j, j + 1);
        }
    };
    let found = findings(mirror);
    assert_eq!(found, [(at, None, FindingKind::SwappedSides)]);
    // Only the hips swapped: the person itself tells.
    let found = findings(|joints| joints.swap(11, 12));
    let twisted = |(other, _, kind): &(FrameKey, Option<usize>, FindingKind)| {
        *other == at && *kind == FindingKind::SwappedSides
    };
    assert!(found.iter().any(twisted), "{found:?}");
    // The right wrist to the left of the image.
    let found = findings(|joints| joints[10] = moved(joints[10], -31.8, -24.0));
    assert_eq!(found, [(at, Some(10), FindingKind::OutsideImage)]);
}

/// Fails when confirmed frames that are close to the hold-out are not named.
#[test]
fn frames_near_the_holdout_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1, 300);
    let holdout = "version = 1\n[[round]]\nseed = 1\nnewest_clip = 1\nclips = []\n\
                   [[round.segment]]\nclip = 1\nfirst = 100\nlast = 150\nguard_first = 70\n\
                   guard_last = 180\n";
    std::fs::write(folder.path().join("holdout.toml"), holdout).unwrap();
    for frame in [60, 69, 70, 99, 100, 150, 151, 181] {
        confirm(&mut project, FrameKey::new(1, frame), person(0.0));
    }
    drop(project);
    let contents = Contents::read(folder.path()).unwrap();
    let near = check(&contents)
        .into_iter()
        .filter(|f| f.kind == FindingKind::NearHoldOut);
    let near: Vec<u32> = near.map(|f| f.at.frame).collect();
    assert_eq!(near, [70, 99, 151]);
}

/// Sees everybody as the standing person.
struct Sees;

impl Infer for Sees {
    fn infer(&mut self, frame: &Frame, _: RequestedMaps) -> Result<PoseOutput> {
        let keypoints = STANCE
            .iter()
            .map(|[x, y]| Keypoint::from([*x as f32, *y as f32, 0.9]));
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::from("fake"),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![Pose::from_keypoints(keypoints.collect())],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }
}

/// Fails when a joint far from the prediction is not named, or one that is near is.
#[test]
fn joints_far_from_the_prediction_are_named() {
    let mut joints = person(3.0);
    joints[10] = moved(joints[10], -60.0, 0.0);
    joints[4] = Joint::ABSENT;
    let one = super::super::person::Person {
        id: 1,
        is_confirmed: true,
        joints,
    };
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let keypoints = one.joints.iter().map(|joint| {
        let [x, y] = joint.xy();
        Keypoint::from([x, y, f32::from(u8::from(joint.labelled().is_some()))])
    });
    let checked = Checked {
        at: FrameKey::new(1, 0),
        person: &one,
        joints: keypoints.collect(),
        bbox: BBox::around(one.joints.iter().filter_map(Joint::labelled)).unwrap(),
    };
    let rgba = vec![0; 4 * 160 * 160];
    let frame = Frame::new(0, 0.0, Size::square(160), Pixels::unpooled(rgba));
    let output = Sees.infer(&frame, RequestedMaps::default()).unwrap();
    let found = output.poses.into_iter().map(|pose| pose.keypoints_raw);
    let named: Vec<_> = far(skeleton, &checked, found)
        .iter()
        .map(|f| f.joint)
        .collect();
    assert_eq!(named, [Some(10)]);
}

/// Fails when a frame that was accepted without people is not named although the model finds
/// somebody in it, or one in which little of a person is found is.
#[test]
fn a_person_who_was_missed_is_named() {
    let found = |score: f32| {
        let joints = STANCE.map(|[x, y]| Keypoint::from([x as f32, y as f32, score]));
        vec![Pose::from_keypoints(joints.to_vec())]
    };
    let at = FrameKey::new(1, 43);
    let finding = missed(at, &found(0.9)).unwrap();
    assert_eq!((finding.at, finding.kind), (at, FindingKind::MissedPerson));
    assert!(finding.text.contains("sees somebody (100 % of the joints)"));
    assert_eq!(missed(at, &found(0.3)), None);
    assert_eq!(missed(at, &[]), None);
}

/// Fails when frames that were accepted without people are not compared, or not counted.
#[test]
fn frames_without_people_are_compared() {
    let root = tempfile::tempdir().unwrap();
    let clip = root.path().join("clip");
    std::fs::create_dir(&clip).unwrap();
    for i in 0..3_u8 {
        let picture = image::RgbImage::from_pixel(160, 170, image::Rgb([i, 0, 0]));
        picture.save(clip.join(format!("{i}.png"))).unwrap();
    }
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![clip],
        is_copied: false,
    };
    let mut project = Project::create(&root.path().join("project"), &new).unwrap();
    confirm(&mut project, FrameKey::new(1, 0), person(0.0));
    let at = FrameKey::new(1, 2);
    project.apply(&Edit::Accept { at }).unwrap();
    let compared = far_from_model(project.contents(), &mut Sees, &mut |_, _| Ok(())).unwrap();
    assert_eq!(compared.frames, 2);
    let found = compared.findings.iter();
    let found: Vec<_> = found.map(|f| (f.at, f.kind)).collect();
    assert_eq!(found, [(at, FindingKind::MissedPerson)]);
}

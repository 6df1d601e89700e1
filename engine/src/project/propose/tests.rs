//! Tests of the search: what is examined, chosen, kept and replaced.

use std::path::Path;

use super::super::edit::Edit;
use super::super::edit::FrameProposal;
use super::super::file::NewProject;
use super::super::open::Contents;
use super::super::reason::{Reason, Suggestion};
use super::super::test_project::joints;
use super::*;
use crate::estimator::RequestedMaps;
use crate::frame::{Frame, Pixels};
use crate::geometry::{Affine2, Point, Size};
use crate::output::{PeopleCount, PoseOutput, RegionOutput, SharedPlanes, Timings};
use crate::pose::{Keypoint, Pose};
use crate::record::save_png;

const N_FRAMES: u32 = 40;
const N: usize = 10;

/// Brightness of the last frame, which is examined late: a bone is very long there.
const ODD: u8 = 5 * (N_FRAMES as u8 - 1);

/// Sees a person whose joints are where the brightness of the frame says, and counts the frames.
struct Sees {
    weights: f32,
    n_frames: usize,
}

impl Infer for Sees {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        assert!(requested.heatmaps && requested.description);
        self.n_frames += 1;
        let x = f32::from(frame.rgba()[0]);
        let far = if frame.rgba()[0] == ODD { 300.0 } else { 0.0 };
        let joint = |j: usize| {
            let lower = if j == 9 { far } else { 0.0 };
            Keypoint::from([x, 10.0 * j as f32 + lower, 0.9])
        };
        let size = Size::new(16, 1);
        let bright = x as usize % 16;
        let plane = |_| (0..16).map(|i| if i == bright { 0.9 } else { self.weights });
        let values: Vec<f32> = (0..17).flat_map(plane).collect();
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::from("fake"),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![Pose::from_keypoints((0..17).map(joint).collect())],
            regions: vec![RegionOutput {
                heatmaps: SharedPlanes {
                    n: 17,
                    size,
                    values: values.into(),
                },
                image_from_heatmap: Affine2::IDENTITY,
                attention: Vec::new(),
                query_key: Vec::new(),
                fields: None,
                description: vec![x, self.weights],
                track_id: None,
            }],
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }
}

fn sees(weights: f32) -> Sees {
    Sees {
        weights,
        n_frames: 0,
    }
}

/// Creates a project with a folder of images of different brightness.
fn project(folder: &Path) -> Project {
    let size = Size::new(8, 6);
    for i in 0..N_FRAMES {
        let pixels = [5 * i as u8, 0, 0, 255].repeat(size.area());
        let frame = Frame::new(0, 0.0, size, Pixels::unpooled(pixels));
        save_png(&frame, &folder.join(format!("clip/{i:02}.png"))).unwrap();
    }
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![folder.join("clip")],
        is_copied: false,
    };
    Project::create(&folder.join("project"), &new).unwrap()
}

const fn key(frame: u32) -> FrameKey {
    FrameKey::new(1, frame)
}

/// Examines all frames; also returns the examination after `n` of them.
fn examined(project: &mut Project, n: usize) -> (Examination, Examination) {
    let survey = Survey::plan(project, N).unwrap();
    let mut first = None;
    let all = survey.run(&mut sees(0.1), &mut |examination| {
        if examination.n_examined() == n {
            first = Some(examination.clone());
        }
        Ok(())
    });
    (first.unwrap(), all.unwrap())
}

fn suggested(project: &Project) -> Vec<(FrameKey, Suggestion)> {
    let frames = project.labels().frames();
    frames
        .filter_map(|(at, frame)| Some((at, frame.suggestion?)))
        .collect()
}

/// Fails when a second search examines a frame again, one with other weights does not, or frames
/// examined before a search was cancelled are examined again.
#[test]
fn no_frame_is_examined_twice_by_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path());
    let mut search = |infer: &mut Sees, n_max: usize| {
        let survey = Survey::plan(&mut project, N).unwrap();
        let before = infer.n_frames;
        let found = survey.run(infer, &mut |examination| {
            let is_enough = examination.n_examined() >= n_max;
            let cancelled = || Err(Error::Cancelled("enough".to_owned()));
            if is_enough { cancelled() } else { Ok(()) }
        });
        // One more is the test image.
        (infer.n_frames - before - 1, found.is_ok())
    };
    let all = N_FRAMES as usize;
    assert_eq!(search(&mut sees(0.1), 15), (15, false));
    assert_eq!(search(&mut sees(0.1), usize::MAX), (all - 15, true));
    assert_eq!(search(&mut sees(0.1), usize::MAX), (0, true));
    assert_eq!(search(&mut sees(0.2), usize::MAX), (all, true));
}

/// Fails when a search of other images takes them for those examined before, because they have the
/// same number.
#[test]
fn another_clip_is_examined() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path());
    examined(&mut project, 1);
    let size = Size::new(8, 6);
    let frame = Frame::new(0, 0.0, size, Pixels::unpooled(vec![255; 4 * size.area()]));
    save_png(&frame, &folder.path().join("other/00.png")).unwrap();
    project
        .add_clip(&folder.path().join("other"), false)
        .unwrap();
    let mut infer = sees(0.1);
    let survey = Survey::plan(&mut project, N).unwrap();
    survey.run(&mut infer, &mut |_| Ok(())).unwrap();
    assert_eq!(infer.n_frames, 2);
}

/// Fails when the improved choice withdraws a frame that was drawn, shown, corrected, confirmed or
/// emptied, keeps proposals in those that it withdraws, suggests too many, or is more than one step.
#[test]
fn only_untouched_suggestions_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path());
    let (first, all) = examined(&mut project, 12);
    let (earlier, edit) = first.suggest(project.labels());
    assert_eq!(earlier.frames.len(), N);
    project.apply(&edit).unwrap();
    let before = suggested(&project);
    let is_drawn = |reason| matches!(reason, Reason::HoldOut | Reason::Random);
    let open = before.iter().filter(|(_, s)| !is_drawn(s.reason));
    let open: Vec<FrameKey> = open.map(|(at, _)| *at).collect();
    let [shown, moved, confirmed, emptied] = open[..4] else {
        panic!("{before:?}");
    };
    let person = |project: &Project, at| project.labels().people(at)[0].id;
    let edit = Edit::MoveJoint {
        at: moved,
        person: person(&project, moved),
        joint: 3,
        to: Point::new(1.0, 2.0),
    };
    project.apply(&edit).unwrap();
    project.apply(&Edit::Accept { at: confirmed }).unwrap();
    let person = person(&project, emptied);
    let edit = Edit::DeletePerson {
        at: emptied,
        person,
    };
    project.apply(&edit).unwrap();
    let depth = project.depth().0;
    let labels = project.labels();
    let (improved, edit) = all.improve(labels, &earlier, &|at| at == shown);
    let touched = [shown, moved, confirmed, emptied].map(|at| labels.frame(at).cloned());
    project.apply(&edit).unwrap();
    assert!(project.depth().0 <= depth + 1);
    let after = suggested(&project);
    assert_eq!(after.len(), N);
    let frames: Vec<FrameKey> = improved.frames.iter().map(|frame| frame.at).collect();
    assert_eq!(frames, after.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    for (at, suggestion) in &before {
        if is_drawn(suggestion.reason) {
            assert!(after.contains(&(*at, *suggestion)), "{at:?} {suggestion:?}");
        }
    }
    let now = [shown, moved, confirmed, emptied].map(|at| project.labels().frame(at).cloned());
    assert_eq!(now, touched);
    for at in open {
        let is_suggested = after.iter().any(|(other, _)| *other == at);
        let n_people = project.labels().people(at).len();
        assert!(is_suggested || n_people == 0, "{at:?}");
    }
    drop(project);
    let read = Contents::read(&folder.path().join("project")).unwrap();
    let reopened = read.labels().frames();
    let reopened: Vec<_> = reopened
        .filter_map(|(at, f)| Some((at, f.suggestion?)))
        .collect();
    assert_eq!(reopened, after);
}

/// Fails when the improved choice lacks the frame that a search of all frames would choose first, or
/// changes when nothing was seen or done in between.
#[test]
fn an_improved_choice_has_what_was_seen_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path());
    let (first, all) = examined(&mut project, 12);
    let (earlier, edit) = first.suggest(project.labels());
    let odd = key(N_FRAMES - 1);
    assert!(earlier.frames.iter().all(|frame| frame.at != odd));
    let (full, _) = all.suggest(project.labels());
    project.apply(&edit).unwrap();
    let (improved, edit) = all.improve(project.labels(), &earlier, &|_| false);
    project.apply(&edit).unwrap();
    let reason = |proposed: &Proposed| {
        let frame = proposed.frames.iter().find(|frame| frame.at == odd);
        frame.map(|frame| frame.suggestion.reason)
    };
    assert_eq!(reason(&full), reason(&improved));
    assert!(reason(&improved).is_some());
    let (again, edit) = all.improve(project.labels(), &improved, &|_| false);
    assert_eq!(again, improved);
    assert_eq!(project.apply(&edit).unwrap().sequence, None);
}

/// Fails when frames that already had people, whom the first choice replaced, lose their people, or
/// the suggestions come back after the first choice was undone.
#[test]
fn earlier_proposals_and_an_undone_choice_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path());
    let frames = (0..N_FRAMES).map(|frame| FrameProposal {
        at: key(frame),
        suggestion: None,
        people: vec![joints(3.0)],
        is_confirmed: false,
    });
    let frames = frames.collect();
    project.apply(&Edit::Propose { frames }).unwrap();
    let (first, all) = examined(&mut project, 12);
    let (earlier, edit) = first.suggest(project.labels());
    project.apply(&edit).unwrap();
    let (improved, edit) = all.improve(project.labels(), &earlier, &|_| false);
    assert_eq!(improved.frames, earlier.frames);
    assert_eq!(project.apply(&edit).unwrap().sequence, None);
    project.undo().unwrap();
    let (improved, edit) = all.improve(project.labels(), &earlier, &|_| false);
    assert_eq!(improved.frames, []);
    assert_eq!(project.apply(&edit).unwrap().sequence, None);
}

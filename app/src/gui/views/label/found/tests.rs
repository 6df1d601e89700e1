//! A search whose network finishes a frame whenever the test lets it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded};
use poselens_engine::estimator::{Infer, RequestedMaps};
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::{Point, Size};
use poselens_engine::output::{PeopleCount, PoseOutput, Timings};
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::project::{Joint, NewProject, Project};
use poselens_engine::record::save_png;
use poselens_engine::sample::Visibility;
use poselens_engine::skeleton::Skeleton;

use super::*;
use crate::gui::state::label::Listed;
use crate::gui::views::label::search::Search;
use crate::gui::views::label::thread::Request;
use crate::gui::waker::Waker;

const LIMIT: Duration = Duration::from_mins(2);
const N: usize = 3;

struct Gated(Receiver<()>);

impl Infer for Gated {
    fn infer(&mut self, frame: &Frame, _: RequestedMaps) -> Result<PoseOutput> {
        // Once the test has dropped the other end, nothing is waited for.
        self.0.recv().ok();
        let joint = |j: usize| Keypoint::from([5.0, j as f32, 0.9]);
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::from("gated"),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![Pose::from_keypoints((0..17).map(joint).collect())],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }
}

struct Searching {
    open: Open,
    allow: Option<Sender<()>>,
    received: Receiver<Numbered>,
}

/// Creates a project with a folder of twelve images.
fn project(folder: &Path) -> Project {
    let size = Size::new(8, 6);
    for i in 0..12 {
        let pixels = Pixels::unpooled(vec![20 * i; 4 * size.area()]);
        let frame = Frame::new(0, 0.0, size, pixels);
        save_png(&frame, &folder.join(format!("clip/{i:02}.png"))).unwrap();
    }
    let new = NewProject {
        model: "sfm".to_owned(),
        clips: vec![folder.join("clip")],
        is_copied: false,
    };
    Project::create(&folder.join("project"), &new).unwrap()
}

fn gated(allowed: Receiver<()>) -> Model {
    Model {
        make: Arc::new(move |_| Ok(Box::new(Gated(allowed.clone())))),
        name: "gated".to_owned(),
        device: 0,
    }
}

/// Starts a search among the images and takes its first choice.
fn first_choice(folder: &Path) -> Searching {
    let project = project(folder);
    let mut open = Open::new(project, Listed::Suggested).unwrap();
    let (allow, allowed) = bounded(16);
    let (requests, received) = bounded(16);
    let model = gated(allowed);
    let first = (N, Duration::ZERO);
    let search = Search::start(&mut open.project, model, first, Waker::default(), requests);
    open.search = Some(search.unwrap());
    // The first one is a test image.
    for _ in 0..=N {
        allow.send(()).unwrap();
    }
    let mut searching = Searching {
        open,
        allow: Some(allow),
        received,
    };
    let text = searching.take();
    assert!(text.contains("Suggested 3 frames"), "{text}");
    assert_eq!(searching.suggested().len(), N);
    searching
}

impl Searching {
    /// Takes the next result of the search; returns the message.
    fn take(&mut self) -> String {
        let Numbered { request, .. } = self.received.recv_timeout(LIMIT).unwrap();
        let Request::Suggested { found, .. } = request else {
            panic!("another request");
        };
        self.open.take_found(found).unwrap().unwrap().1
    }

    fn suggested(&self) -> Vec<FrameKey> {
        let frames = self.open.project.labels().frames();
        let suggested = frames.filter(|(_, frame)| frame.suggestion.is_some());
        suggested.map(|(at, _)| at).collect()
    }
}

/// Fails when cancelling a search takes the first choice back, goes on to replace it, or is not said.
#[test]
fn cancelling_keeps_the_first_choice() {
    let folder = tempfile::tempdir().unwrap();
    let mut searching = first_choice(folder.path());
    let before = searching.suggested();
    searching.open.search.as_ref().unwrap().cancel();
    searching.allow = None;
    let text = searching.take();
    assert!(
        text.contains("cancelled") && text.contains("3 frames"),
        "{text}"
    );
    assert_eq!(searching.suggested(), before);
    assert!(searching.open.search.is_none());
    assert_eq!(searching.open.project.depth().0, 1);
}

/// Fails when the end of a search replaces a frame that was shown or labelled meanwhile, or is more
/// than one step.
#[test]
fn the_end_of_a_search_keeps_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut searching = first_choice(folder.path());
    let [a, b, c] = searching.suggested()[..] else {
        panic!();
    };
    let open = &mut searching.open;
    for at in [a, b] {
        open.shown = Some(at);
        open.see();
    }
    open.apply(&Edit::Accept { at: c }).unwrap();
    searching.allow = None;
    let text = searching.take();
    assert!(text.contains("The search has ended"), "{text}");
    assert_eq!(searching.suggested(), [a, b, c]);
    assert!(searching.open.project.depth().0 <= 3);
}

/// Fails when a second person is looked for before the first one is there, the first one does not
/// arrive then, or a model that cannot be loaded leaves nothing behind.
#[test]
fn people_are_looked_for_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(project(folder.path()), Listed::Suggested).unwrap();
    let at = FrameKey::new(1, 0);
    let size = Size::new(8, 6);
    let new = |x: f64| NewPerson {
        at,
        frame: Frame::new(0, 0.0, size, Pixels::unpooled(vec![0; 4 * size.area()])),
        point: Point::new(x, 3.0),
        template: vec![Joint::new(Point::new(x, 3.0), 0.0, Visibility::Visible); 17],
    };
    let (allow, allowed) = bounded(16);
    let (requests, received) = bounded::<Numbered>(16);
    let model = gated(allowed);
    let taken = |open: &mut Open| {
        let Numbered { request, .. } = received.recv_timeout(LIMIT).unwrap();
        let Request::PersonFound { found, .. } = request else {
            panic!("another request");
        };
        open.take_person(found).unwrap()
    };
    open.look_for(new(5.0), model.clone(), requests.clone())
        .unwrap();
    let refused = open.look_for(new(5.0), model, requests.clone());
    assert!(refused.unwrap_err().to_string().contains("already"));
    allow.send(()).unwrap();
    let (added, said) = taken(&mut open);
    assert_eq!(said, None);
    let people = open.project.labels().people(at);
    assert_eq!(added, Some((at, people[0].id)));
    assert!(!people[0].has_handwork() && people.len() == 1);

    let broken = Model {
        make: Arc::new(|_| Err(Error::Failed("the weights are damaged".to_owned()))),
        name: "broken".to_owned(),
        device: 0,
    };
    open.look_for(new(2.0), broken, requests).unwrap();
    let (added, said) = taken(&mut open);
    let (level, text) = said.unwrap();
    assert_eq!(level, Level::Warning);
    assert_eq!(text, "the weights are damaged; a template was placed");
    let people = open.project.labels().people(at);
    assert_eq!(added, Some((at, people[1].id)));
    assert!(people[1].has_handwork());
}

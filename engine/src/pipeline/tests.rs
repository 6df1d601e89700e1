//! The pipeline with fake sources and models.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use poselens_shaders::canvas::Paint;
use poselens_shaders::scene::{Disc, Mark, Scene};

use super::*;
use crate::estimator::RequestedMaps;
use crate::frame::{Frame, FramePool, Pixels};
use crate::geometry::Size;
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::overlay::{OverlaySpec, OverlayStyle};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;
use crate::source::SourceInfo;
use crate::test_wait::{WAIT_LIMIT, idle, quickly, until, wait_for};

const SIZE: Size = Size::new(4, 2);

/// `n` frames, one per `period`, from a camera (own clock) or a file (as fast as it is read).
pub(super) struct FakeSource {
    pub(super) info: SourceInfo,
    n: u64,
    /// Whether it ends with an error.
    pub(super) fails: bool,
    next: u64,
    period: Duration,
    start: Option<Instant>,
}

impl FrameSource for FakeSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.next == self.n {
            let failure = Error::source("fake", "unplugged");
            return if self.fails { Err(failure) } else { Ok(None) };
        }
        let id = self.next;
        self.next += 1;
        let start = *self.start.get_or_insert_with(Instant::now);
        if self.info.is_live {
            let due = start + self.period * id as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let time = id as f64 * self.period.as_secs_f64();
        let size = self.info.size.unwrap_or(SIZE);
        let pixels = Pixels::unpooled(vec![255; size.area() * 4]);
        Ok(Some(Frame::new(id, time, size, pixels)))
    }
}

pub(super) fn source(is_live: bool, n: u64, period_millis: u64) -> OpenSource {
    Arc::new(move || Ok(Box::new(FakeSource::new(is_live, n, period_millis))))
}

impl FakeSource {
    pub(super) fn new(is_live: bool, n: u64, period_millis: u64) -> Self {
        Self {
            info: SourceInfo {
                name: "fake".to_owned(),
                size: Some(SIZE),
                rate: None,
                n_frames: Some(n),
                is_live,
            },
            n,
            fails: false,
            next: 0,
            period: Duration::from_millis(period_millis),
            start: None,
        }
    }
}

/// Takes `cost` per frame; panics at frame `panics_at`. Returns one pose whose raw joint is at x =
/// 1 and whose smoothed joint is at x = 2.
struct FakeInfer {
    name: Arc<str>,
    cost: Duration,
    panics_at: Option<u64>,
}

impl Infer for FakeInfer {
    fn infer(&mut self, frame: &Frame, _want: RequestedMaps) -> Result<PoseOutput> {
        assert_ne!(Some(frame.id), self.panics_at, "fake fault");
        std::thread::sleep(self.cost);
        let joint = |x| {
            vec![
                Keypoint {
                    x,
                    y: 0.0,
                    score: 1.0
                };
                17
            ]
        };
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.name),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![Pose {
                keypoints: joint(2.0),
                keypoints_raw: joint(1.0),
                ..Pose::default()
            }],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }
}

pub(super) fn model(name: &str, cost_millis: u64, panics_at: Option<u64>) -> MakeInfer {
    let name = Arc::from(name);
    Box::new(move || {
        Ok(Box::new(FakeInfer {
            name,
            cost: Duration::from_millis(cost_millis),
            panics_at,
        }))
    })
}

/// Controls a model from a test.
pub(super) struct Gate {
    asked: Receiver<u64>,
    go: Sender<()>,
}

impl Gate {
    /// Waits until the model starts a frame, and returns its id.
    #[track_caller]
    pub(super) fn asked(&self) -> u64 {
        self.asked.recv_timeout(WAIT_LIMIT).unwrap()
    }

    pub(super) fn answer(&self) {
        self.go.send(()).unwrap();
    }
}

struct GatedInfer {
    asked: Sender<u64>,
    go: Receiver<()>,
    inner: Box<dyn Infer>,
}

impl Infer for GatedInfer {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        // Without a gate it returns at once.
        let _ = self.asked.send(frame.id);
        let _ = self.go.recv();
        self.inner.infer(frame, requested)
    }
}

/// Creates a model that returns when told to; at once after its gate is dropped, which must happen
/// before the pipeline is dropped.
pub(in crate::pipeline) fn gated_model() -> (MakeInfer, Gate) {
    let (asked, was_asked) = bounded(100);
    let (answer, go) = bounded(100);
    let make: MakeInfer = Box::new(move || {
        let inner = model("gated", 0, None)()?;
        Ok(Box::new(GatedInfer { asked, go, inner }))
    });
    let gate = Gate {
        asked: was_asked,
        go: answer,
    };
    (make, gate)
}

/// A camera that delivers a frame whenever it is told to.
struct Stepped(FakeSource, Receiver<()>);

impl FrameSource for Stepped {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.1.recv().is_err() {
            return Ok(None);
        }
        self.0.next_frame()
    }
}

/// Creates a source that ends when its sender is dropped, which must happen before the pipeline is
/// dropped.
pub(super) fn stepped_source() -> (OpenSource, Sender<()>) {
    let (step, steps) = bounded(100);
    let open: OpenSource = Arc::new(move || {
        let source = FakeSource::new(true, u64::MAX, 0);
        Ok(Box::new(Stepped(source, steps.clone())))
    });
    (open, step)
}

pub(super) fn start(pacing: Pacing) -> Pipeline {
    Pipeline::start(pacing, Arc::new(|| {})).unwrap()
}

pub(super) fn wait_for_event<T>(pipeline: &Pipeline, wanted: impl Fn(Event) -> Option<T>) -> T {
    wait_for(|| pipeline.try_event().and_then(&wanted))
}

pub(super) fn model_ready(event: Event) -> Option<String> {
    match event {
        Event::ModelReady(name) => Some(name),
        _ => None,
    }
}

/// Sends the id of every frame; closing reports their count.
struct FakeTap {
    frames: Sender<u64>,
    n: u64,
}

impl Tap for FakeTap {
    fn offer(&mut self, presented: &Presented) -> Result<()> {
        self.n += 1;
        self.frames.send(presented.frame.id).unwrap();
        Ok(())
    }

    fn progress(&self) -> TapProgress {
        TapProgress {
            frames: self.n,
            ..TapProgress::default()
        }
    }

    fn finish(self: Box<Self>, _by: Option<Instant>) -> Result<TapProgress> {
        Ok(self.progress())
    }
}

/// Starts a recording; returns the ids of its frames.
pub(super) fn record(pipeline: &Pipeline) -> Receiver<u64> {
    let (frames, numbers) = bounded(100);
    let make: MakeTap = Box::new(|_| Ok(Box::new(FakeTap { frames, n: 0 })));
    pipeline.start_recording(make).unwrap();
    numbers
}

pub(super) fn recorded(event: Event) -> Option<TapProgress> {
    match event {
        Event::Recorded(progress) => Some(progress),
        _ => None,
    }
}

/// Fails when frames queue up before a slow model: the view would lag more and more.
#[test]
fn a_slow_model_gets_the_newest_frame_and_the_drops_are_counted() {
    let mut pipeline = start(Pacing::Live);
    let (make, gate) = gated_model();
    pipeline.switch_model("slow", make).unwrap();
    wait_for_event(&pipeline, model_ready);
    let (open, step) = stepped_source();
    pipeline.switch_source("fake", open).unwrap();
    step.send(()).unwrap();
    assert_eq!(gate.asked(), 0);
    for round in 1..=4 {
        for i in 0..5 {
            step.send(()).unwrap();
            until(|| pipeline.stats().frames == 5 * round - 3 + i);
        }
        gate.answer();
        let before = 5 * (round - 1);
        wait_for(|| pipeline.take().filter(|p| p.frame.id == before));
        assert_eq!(gate.asked(), 5 * round);
        assert_eq!(pipeline.stats().drops, 4 * round);
    }
    let stats = pipeline.stats();
    assert!(stats.latency_p50.is_some() && stats.latency_p50 <= stats.latency_p95);
}

/// Fails when a file plays at the model's speed instead of its own, or its drops are not counted.
#[test]
fn a_file_keeps_its_own_speed() {
    quickly(Duration::from_millis(1200), || {
        let mut pipeline = start(Pacing::Live);
        let (make, gate) = gated_model();
        pipeline.switch_model("slow", make).unwrap();
        wait_for_event(&pipeline, model_ready);
        let begin = Instant::now();
        pipeline
            .switch_source("fake", source(false, 31, 20))
            .unwrap();
        gate.asked();
        until(|| pipeline.stats().frames == 31);
        let took = begin.elapsed();
        assert!(took.as_secs_f64() > 0.55, "{took:?} instead of 0.6 s");
        gate.answer();
        assert_eq!(gate.asked(), 30);
        gate.answer();
        wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
        assert_eq!(pipeline.stats().drops, 29);
        took
    });
}

/// Fails when a panic in a network ends the window or a running recording.
#[test]
fn a_panic_becomes_an_event_closes_the_recording_and_allows_a_new_start() {
    let mut pipeline = start(Pacing::Live);
    pipeline
        .switch_model("bad", model("bad", 0, Some(5)))
        .unwrap();
    wait_for_event(&pipeline, model_ready);
    let rx = record(&pipeline);
    pipeline
        .switch_source("fake", source(false, 100, 10))
        .unwrap();
    // Both arrive, in either order: the file is closed on a separate thread.
    let (mut closed, mut message) = (None, None);
    wait_for(|| {
        match pipeline.try_event() {
            Some(Event::Recorded(progress)) => closed = Some(progress.frames),
            Some(Event::WorkerFailed(error)) => message = Some(error.to_string()),
            _ => {}
        }
        (closed.is_some() && message.is_some()).then_some(())
    });
    assert_eq!(closed, Some(rx.iter().count() as u64));
    assert!((1..=5).contains(&closed.unwrap()));
    let message = message.unwrap();
    assert!(message.starts_with("the infer thread failed"), "{message}");
    until(|| !pipeline.is_running());
    drop(pipeline);

    let mut pipeline = start(Pacing::Live);
    pipeline
        .switch_model("good", model("good", 0, None))
        .unwrap();
    pipeline
        .switch_source("fake", source(false, 100, 10))
        .unwrap();
    wait_for(|| pipeline.take().filter(|p| p.output.is_some()));
}

/// Fails when changing the model interrupts the frames, or a broken one replaces the working one.
#[test]
fn the_old_model_runs_until_the_new_one_is_ready() {
    let mut pipeline = start(Pacing::Live);
    pipeline
        .switch_source("fake", source(true, 10_000, 5))
        .unwrap();
    let bare = wait_for(|| pipeline.take());
    assert!(bare.output.is_none(), "pictures come before the model does");
    pipeline.switch_model("old", model("old", 0, None)).unwrap();
    let name = || {
        pipeline
            .take()
            .and_then(|p| Some(p.output?.model.to_string()))
    };
    assert_eq!(wait_for(name), "old");

    let missing: MakeInfer = Box::new(|| Err(Error::Invalid("no weights".to_owned())));
    pipeline.switch_model("missing", missing).unwrap();
    wait_for_event(&pipeline, |e| match e {
        Event::ModelFailed { name, .. } => {
            assert_eq!(name, "missing");
            Some(())
        }
        _ => None,
    });
    let (go, wait) = bounded::<()>(1);
    let slow: MakeInfer = Box::new(move || {
        wait.recv().unwrap();
        model("new", 0, None)()
    });
    pipeline.switch_model("new", slow).unwrap();
    for _ in 0..3 {
        let output = wait_for(|| pipeline.take()?.output);
        assert_eq!(&*output.model, "old");
    }
    go.send(()).unwrap();
    wait_for(|| pipeline.take()?.output.filter(|o| &*o.model == "new"));
}

/// Writes the joint's x position into the first pixel's red.
fn mark_x(scene: &mut Scene, output: &PoseOutput, _style: &OverlayStyle) {
    let x = output.poses[0].keypoints[0].x as u8;
    scene.marks.push(Mark::Disc(Disc {
        center: [0.0, 0.0],
        radius: 2.0,
        stroke: 0.0,
        paint: Paint::solid([x, 0, 0]),
    }));
}

static X: OverlaySpec = OverlaySpec {
    name: "x",
    help: "",
    title: "x",
    needs: None,
    writes_ids: false,
    mark: mark_x,
};

/// Fails when a paused frame ignores the overlay switches, when drawing modifies the captured
/// frame, or when "smoothing off" still shows smoothed joints.
#[test]
fn a_paused_picture_follows_the_look() {
    let mut pipeline = start(Pacing::Live);
    pipeline.switch_model("m", model("m", 0, None)).unwrap();
    wait_for_event(&pipeline, model_ready);
    let paused = Playback {
        is_playing: false,
        ..Playback::default()
    };
    pipeline.set_playback(paused);
    pipeline
        .switch_source("fake", source(false, 50, 5))
        .unwrap();
    let pool = FramePool::new();
    let first = wait_for(|| pipeline.take());
    assert_eq!((first.frame.id, first.drawn(&pool).rgba()[0]), (0, 255));
    let shown = |is_smoothed| {
        pipeline.set_look(Look {
            overlays: vec![&X],
            is_smoothed,
            ..Look::default()
        });
        wait_for(|| pipeline.take())
    };
    for (is_smoothed, x) in [(true, 2), (false, 1), (true, 2)] {
        let presented = shown(is_smoothed);
        assert!(presented.is_redraw);
        assert_eq!(
            presented.drawn(&pool).rgba()[0],
            x,
            "smoothed: {is_smoothed}"
        );
        assert_eq!(presented.frame.rgba()[0], 255);
    }
    idle(Duration::from_millis(60));
    assert!(pipeline.take().is_none(), "nothing new, nothing drawn");
}

/// Fails when a looping clip ends, or one without frames or a still image is opened again and again.
#[test]
fn a_looping_file_begins_again_and_an_empty_one_ends() {
    let opened = Arc::new(AtomicU64::new(0));
    let counting = |n| -> OpenSource {
        let (opened, open) = (Arc::clone(&opened), source(false, n, 2));
        Arc::new(move || {
            opened.fetch_add(1, Ordering::Relaxed);
            open()
        })
    };
    let mut pipeline = start(Pacing::Live);
    pipeline.set_playback(Playback {
        is_looping: true,
        ..Playback::default()
    });
    pipeline.switch_source("fake", counting(3)).unwrap();
    until(|| opened.load(Ordering::Relaxed) >= 3);
    for n_frames in [0, 1] {
        pipeline.switch_source("short", counting(n_frames)).unwrap();
        wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
        let n = opened.load(Ordering::Relaxed);
        pipeline.restart().unwrap();
        wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
        assert_eq!(opened.load(Ordering::Relaxed), n + 1, "{n_frames}");
    }
    pipeline.close_source();
}

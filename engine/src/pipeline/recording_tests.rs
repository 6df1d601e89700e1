//! Completeness of recordings: every frame from the first to the last, however the run ends.

use std::sync::Arc;
use std::time::Duration;

use super::tests::{
    FakeSource, gated_model, model, model_ready, record, recorded, source, start, stepped_source,
    wait_for_event,
};
use super::*;
use crate::test_wait::{WAIT_LIMIT, ends, until};

fn failing_source(n: u64) -> OpenSource {
    Arc::new(move || {
        let mut source = FakeSource::new(false, n, 1);
        source.fails = true;
        Ok(Box::new(source))
    })
}

/// Fails when a frame is missed in a mode where none may be lost.
#[test]
fn every_frame_loses_nothing_and_ends_after_the_last() {
    let mut pipeline = start(Pacing::EveryFrame);
    let rx = record(&pipeline);
    pipeline
        .switch_source("fake", source(false, 40, 1))
        .unwrap();
    // The model is loaded late: frames wait for it.
    std::thread::sleep(Duration::from_millis(60));
    pipeline.switch_model("m", model("m", 3, None)).unwrap();
    wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
    pipeline.stop_recording().unwrap();
    let progress = wait_for_event(&pipeline, recorded);
    assert_eq!(progress.frames, 40);
    assert_eq!(rx.iter().collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert_eq!(pipeline.stats().drops, 0);
}

/// Fails when frames read before a camera is unplugged or a file breaks off are lost, because the
/// failure event overtakes them on their way to the recording.
#[test]
fn a_failing_source_loses_nothing_that_it_has_read() {
    let mut pipeline = start(Pacing::EveryFrame);
    let rx = record(&pipeline);
    pipeline.switch_model("m", model("m", 20, None)).unwrap();
    pipeline.switch_source("fake", failing_source(10)).unwrap();
    wait_for_event(&pipeline, |e| {
        matches!(e, Event::SourceFailed { .. }).then_some(())
    });
    pipeline.stop_recording().unwrap();
    assert_eq!(wait_for_event(&pipeline, recorded).frames, 10);
    assert_eq!(rx.iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}

/// Fails when the first frame of a run is not recorded although the recording was requested before
/// the source: it may arrive while the infer thread waits. This depends on timing, hence several
/// runs.
#[test]
fn a_recording_begins_with_the_first_frame() {
    for _ in 0..10 {
        let mut pipeline = start(Pacing::EveryFrame);
        pipeline.switch_model("m", model("m", 0, None)).unwrap();
        wait_for_event(&pipeline, model_ready);
        let rx = record(&pipeline);
        pipeline.switch_source("fake", source(false, 3, 1)).unwrap();
        wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
        drop(pipeline);
        assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}

/// Fails when the last or only frame of a clip is lost in live mode: the end must not overtake it.
#[test]
fn the_end_of_a_live_run_comes_after_the_last_picture() {
    let mut pipeline = start(Pacing::Live);
    pipeline.switch_model("m", model("m", 50, None)).unwrap();
    wait_for_event(&pipeline, model_ready);
    let rx = record(&pipeline);
    pipeline.switch_source("fake", source(false, 2, 1)).unwrap();
    wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
    pipeline.stop_recording().unwrap();
    wait_for_event(&pipeline, recorded);
    assert_eq!(rx.iter().last(), Some(1));
}

/// Fails when one recording contains frames of two sources.
#[test]
fn another_source_ends_the_recording_after_its_own_news() {
    let mut pipeline = start(Pacing::Live);
    pipeline.switch_model("m", model("m", 0, None)).unwrap();
    wait_for_event(&pipeline, model_ready);
    let (first, step) = stepped_source();
    pipeline.switch_source("fake", first).unwrap();
    let rx = record(&pipeline);
    step.send(()).unwrap();
    assert_eq!(rx.recv_timeout(WAIT_LIMIT).unwrap(), 0);
    let other: OpenSource = Arc::new(|| {
        let mut source = FakeSource::new(true, 1000, 1);
        source.info.name = "other".to_owned();
        Ok(Box::new(source))
    });
    drop(step);
    pipeline.switch_source("other", other).unwrap();
    let is_other = |e| matches!(e, Event::SourceReady(info) if info.name == "other").then_some(());
    wait_for_event(&pipeline, is_other);
    assert_eq!(wait_for_event(&pipeline, recorded).frames, 1);
    assert_eq!(rx.iter().count(), 0);
}

/// Fails when a run that is ending processes queued frames, loses the one in progress, or does not
/// count the skipped ones.
#[test]
fn a_run_that_is_cut_short_leaves_out_what_waits() {
    let mut pipeline = start(Pacing::EveryFrame);
    let (make, gate) = gated_model();
    pipeline.switch_model("slow", make).unwrap();
    wait_for_event(&pipeline, model_ready);
    let rx = record(&pipeline);
    let (open, step) = stepped_source();
    pipeline.switch_source("fake", open).unwrap();
    for _ in 0..4 {
        step.send(()).unwrap();
    }
    assert_eq!(gate.asked(), 0);
    gate.answer();
    assert_eq!(gate.asked(), 1);
    until(|| pipeline.stats().frames == 4);
    pipeline.cut_short();
    drop(step);
    gate.answer();
    wait_for_event(&pipeline, |e| matches!(e, Event::SourceEnded).then_some(()));
    pipeline.stop_recording().unwrap();
    assert_eq!(wait_for_event(&pipeline, recorded).frames, 2);
    assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1]);
    let stats = pipeline.stats();
    assert_eq!((stats.frames, stats.displaced), (4, 0));
    drop(gate);
}

/// Fails when a model that hangs prevents a pipeline from ending, or the recording from being
/// closed.
#[test]
fn a_pipeline_ends_while_its_model_is_at_work() {
    let mut pipeline = start(Pacing::EveryFrame);
    let (make, gate) = gated_model();
    pipeline.switch_model("stuck", make).unwrap();
    wait_for_event(&pipeline, model_ready);
    let rx = record(&pipeline);
    pipeline
        .switch_source("fake", source(true, 1000, 1))
        .unwrap();
    assert_eq!(gate.asked(), 0);
    gate.answer();
    assert_eq!(gate.asked(), 1);
    ends(move || drop(pipeline));
    // The recording has dropped its sender.
    assert_eq!(rx.iter().collect::<Vec<_>>(), [0]);
}

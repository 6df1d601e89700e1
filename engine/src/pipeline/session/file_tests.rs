//! Recordings of whole files.

use std::sync::Arc;

use super::tests::{lines, model_record, video};
use super::*;
use crate::geometry::Size;
use crate::pipeline::tests::{FakeSource, gated_model, model};
use crate::pipeline::{Look, MakeInfer, OpenSource};
use crate::record::Backpressure;
use crate::source::{OpenOptions, SourceSpec};
use crate::test_wait::{until, wait_for};

/// Creates a file of `n` frames; with `fails`, it fails after the last.
fn file(n: u64, fails: bool) -> OpenSource {
    Arc::new(move || {
        let mut source = FakeSource::new(false, n, 10);
        source.fails = fails;
        source.info.size = Some(Size::new(32, 16));
        Ok(Box::new(source))
    })
}

fn start(folder: &Path, open: OpenSource, make: MakeInfer) -> FileRecording {
    let plan = SessionPlan {
        folder: folder.to_owned(),
        source_spec: "fake.mp4".to_owned(),
        model: Some(model_record()),
        backpressure: Backpressure::Block,
        exports: Vec::new(),
        file: None,
    };
    let plan = FilePlan {
        open,
        make_infer: Some(make),
        look: Look::default(),
        make_tap: Box::new(move |first| Ok(Box::new(SessionTap::create(plan, first)?))),
    };
    FileRecording::start(plan, Arc::new(|| {})).unwrap()
}

/// Fails when the recording of a file lacks frames or poses because the model is slower than the
/// file plays: each of the 20 frames takes three times its duration.
#[test]
fn a_slow_model_loses_no_frame_of_a_file() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("s");
    let work = start(&folder, file(20, false), model("slow", 30, None));
    let outcome = wait_for(|| work.try_outcome()).unwrap();
    assert!(outcome.is_whole && outcome.warning.is_none());
    let tap = &outcome.tap;
    assert_eq!((tap.frames, tap.annotated, tap.drops), (20, 20, 0));
    assert_eq!(work.progress().total, Some(20));
    let raw = video(&folder.join("raw.mp4"));
    assert_eq!(raw.len(), 20);
    assert_eq!(video(&folder.join("annotated.mp4")).len(), 20);
    let numbers = lines(&folder.join("poses.jsonl"));
    let numbers: Vec<_> = numbers.iter().map(|l| l["frame"].as_u64()).collect();
    assert_eq!(numbers, (0..20).map(Some).collect::<Vec<_>>());
    let part = &Manifest::read(&folder).unwrap().parts[0];
    assert_eq!((part.frames, part.annotated_frames), (20, 20));
    assert_eq!((part.drops, part.annotated_drops), (0, 0));
}

/// Fails when written frames are lost, or files are not closed, because the user stops the
/// recording before the end or the file fails midway.
#[test]
fn what_was_recorded_of_a_file_stays() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("stopped");
    let (make, gate) = gated_model();
    let work = start(&folder, file(50, false), make);
    for id in 0..3 {
        assert_eq!(gate.asked(), id);
        gate.answer();
    }
    assert_eq!(gate.asked(), 3);
    until(|| work.progress().tap.is_some_and(|tap| tap.frames == 3));
    work.stop();
    drop(gate);
    let outcome = wait_for(|| work.try_outcome()).unwrap();
    assert!(!outcome.is_whole);
    assert_eq!(outcome.tap.frames, 4);
    assert_eq!(video(&folder.join("raw.mp4")).len(), 4);
    let manifest = Manifest::read(&folder).unwrap();
    assert!(manifest.is_finished && manifest.failure.is_some_and(|f| f.contains("stopped")));

    let folder = parent.path().join("failed");
    let work = start(&folder, file(5, true), model("m", 0, None));
    assert!(wait_for(|| work.try_outcome()).is_err());
    assert_eq!(video(&folder.join("raw.mp4")).len(), 5);
    assert!(Manifest::read(&folder).unwrap().is_finished);
}

/// Fails when the folder's name keeps the extension of a video, or a name with a dot in it is cut.
#[test]
fn folders_are_named_without_the_ending_of_a_video() {
    let name = |source| {
        let folder = session_folder(Path::new(""), std::time::UNIX_EPOCH, source);
        let name = folder.to_string_lossy().into_owned();
        name.split_once(' ').map(|(_, name)| name.to_owned())
    };
    assert_eq!(name("walk.MP4").as_deref(), Some("walk"));
    assert_eq!(name("gait.v2.mkv").as_deref(), Some("gait.v2"));
    assert_eq!(name("Camera 2.0").as_deref(), Some("Camera 2.0"));
}

/// Fails when the recording of a file that was cut off looks like that of a whole one.
#[test]
fn a_file_that_was_cut_off_is_recorded_in_part() {
    let parent = tempfile::tempdir().unwrap();
    let whole = parent.path().join("whole");
    let work = start(&whole, file(20, false), model("m", 0, None));
    wait_for(|| work.try_outcome()).unwrap();
    assert_eq!(Manifest::read(&whole).unwrap().shortfall, None);
    let mut bytes = std::fs::read(whole.join("raw.mp4")).unwrap();
    // The table of key frames and the end of the last frames.
    bytes.truncate(bytes.len() - 100);
    let broken = parent.path().join("broken.mp4");
    std::fs::write(&broken, bytes).unwrap();
    let open: OpenSource = Arc::new(move || {
        let spec = SourceSpec::parse(&broken)?;
        spec.open(&OpenOptions::default())
    });
    let folder = parent.path().join("part");
    let work = start(&folder, open, model("m", 0, None));
    let outcome = wait_for(|| work.try_outcome()).unwrap();
    assert!(outcome.is_whole && outcome.warning.is_some());
    let manifest = Manifest::read(&folder).unwrap();
    assert!(manifest.is_finished && manifest.failure.is_none());
    let n_frames = manifest.parts[0].frames;
    assert!(n_frames > 0 && n_frames < 20, "{n_frames}");
    let shortfall = manifest.shortfall.unwrap();
    assert!(shortfall.ends_with(": the file is cut off"), "{shortfall}");
}

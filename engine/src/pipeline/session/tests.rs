//! Complete recordings in temporary folders.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::output::Timings;
use crate::pipeline::tests::{gated_model, model};
use crate::pipeline::{Look, MakeInfer, Presented, Tap, TapProgress};
use crate::record::Backpressure;
use crate::source::recording::RAW_VIDEO;
use crate::source::{OpenOptions, SourceInfo, SourceSpec};
use crate::test_wait::{until, wait_for};

const SIZE: Size = Size::new(32, 16);

fn info(is_live: bool) -> Arc<SourceInfo> {
    Arc::new(SourceInfo {
        name: "fake: camera/1".to_owned(),
        size: None,
        rate: Some(10.0),
        n_frames: None,
        is_live,
    })
}

/// Returns a grey frame of level `id * 20`, one every tenth of a second.
fn frame(id: u64, size: Size) -> Frame {
    let mut rgba = vec![(id % 12 * 20) as u8; size.area() * 4];
    rgba.iter_mut().skip(3).step_by(4).for_each(|a| *a = 255);
    Frame::new(id, id as f64 / 10.0, size, Pixels::unpooled(rgba))
}

fn presented(source: &Arc<SourceInfo>, frame: &Frame) -> Presented {
    let mut infer = model("fake", 0, None)().unwrap();
    let output = infer.infer(frame, crate::estimator::RequestedMaps::default());
    Presented {
        source: Arc::clone(source),
        frame: frame.clone(),
        scene: Arc::default(),
        output: Some(Arc::new(output.unwrap())),
        timings: Timings::default(),
        look: Arc::new(Look::default()),
        is_redraw: false,
        review: None,
    }
}

pub(super) fn model_record() -> ModelRecord {
    ModelRecord {
        name: "fake".to_owned(),
        weights: "bundled".to_owned(),
        device: "CPU".to_owned(),
    }
}

fn plan(folder: &Path) -> SessionPlan {
    SessionPlan {
        folder: folder.to_owned(),
        source_spec: "camera:1".to_owned(),
        model: Some(model_record()),
        backpressure: Backpressure::Block,
        exports: vec!["csv".to_owned(), "openpose".to_owned()],
        file: None,
    }
}

fn start(folder: &Path, source: &Arc<SourceInfo>, first: &Frame) -> Box<SessionTap> {
    let first = presented(source, first);
    let mut tap = SessionTap::create(plan(folder), &first).unwrap();
    tap.offer(&first).unwrap();
    Box::new(tap)
}

/// Returns the times and the red value of the first pixel of a video's frames.
pub(super) fn video(path: &Path) -> Vec<(f64, u8)> {
    let spec = SourceSpec::parse(path.to_str().unwrap()).unwrap();
    let mut source = spec.open(&OpenOptions::default()).unwrap();
    let frames = std::iter::from_fn(|| source.next_frame().unwrap());
    frames.map(|f| (f.time_secs, f.rgba()[0])).collect()
}

pub(super) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |l| serde_json::from_str(l).unwrap();
    text.lines().map(line).collect()
}

fn assert_times(got: &[(f64, u8)], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{got:?}");
    for ((got, _), wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-4, "{got} instead of {wanted}");
    }
}

/// Fails when the raw video lacks frames that the model had no time for, when times or indices of
/// poses differ from those of the raw video, when a file of the folder is missing or wrong, or when
/// its length is written with a rounding error.
#[test]
fn a_folder_holds_everything_that_was_seen_and_found() {
    let parent = tempfile::tempdir().unwrap();
    let folder = session_folder(parent.path(), std::time::UNIX_EPOCH, "fake: camera/1");
    assert!(folder.ends_with("1970-01-01_00-00-00.000 fake- camera-1"));
    let source = info(true);
    // The recording starts in the middle of a run.
    let mut tap = start(&folder, &source, &frame(3, SIZE));
    assert!(!Manifest::read(&folder).unwrap().is_finished);
    for id in 4..=10 {
        let frame = frame(id, SIZE);
        tap.offer_raw(&frame, &source).unwrap();
        // The model processes every third frame.
        if id % 3 == 0 {
            tap.offer(&presented(&source, &frame)).unwrap();
        }
        if id == 9 {
            // 0.9 - 0.3 is 0.6000000000000001.
            assert_eq!(tap.progress().secs, 0.6);
        }
    }
    // The camera lost two frames before the last.
    tap.skipped(2);
    tap.offer_raw(&frame(11, SIZE), &source).unwrap();
    assert_eq!(tap.progress().frames, 9);
    let progress = tap.finish(None).unwrap();
    assert_eq!(
        (progress.frames, progress.annotated, progress.drops),
        (9, 3, 2)
    );
    assert!((progress.secs - 0.8).abs() < 1e-6);

    let raw = video(&folder.join(RAW_VIDEO));
    let tenths: Vec<f64> = (0..9).map(|i| f64::from(i) / 10.0).collect();
    assert_times(&raw, &tenths);
    for (i, (_, red)) in raw.iter().enumerate() {
        assert!(red.abs_diff((i as u8 + 3) * 20) < 8, "frame {i}: {red}");
    }
    assert_times(&video(&folder.join("annotated.mp4")), &[0.0, 0.3, 0.6]);
    let lines = lines(&folder.join("poses.jsonl"));
    let placed = |l: &Value| {
        (
            l["frame"].as_u64().unwrap(),
            l["time_secs"].as_f64().unwrap(),
        )
    };
    let placed: Vec<_> = lines.iter().map(placed).collect();
    assert_eq!(placed, [(0, 0.0), (3, 0.3), (6, 0.6)]);
    let of_source: Vec<_> = lines.iter().map(|l| l["source_frame"].as_u64()).collect();
    assert_eq!(of_source, [Some(3), Some(6), Some(9)]);
    let coco = std::fs::read(folder.join("coco.json")).unwrap();
    let coco: Value = serde_json::from_slice(&coco).unwrap();
    assert_eq!(coco.as_array().unwrap().len(), 3);

    let manifest = Manifest::read(&folder).unwrap();
    assert!(manifest.is_finished);
    assert_eq!(manifest.source.spec, "camera:1");
    assert_eq!(manifest.model, Some(model_record()));
    let [part] = &manifest.parts[..] else {
        panic!("{manifest:?}");
    };
    assert_eq!((part.width, part.height), (32, 16));
    assert_eq!((part.frames, part.annotated_frames), (9, 3));
    assert_eq!((part.drops, part.annotated_drops), (2, 6));
    assert!(folder.join("poses.csv").is_file());
    assert_eq!(
        std::fs::read_dir(folder.join("openpose")).unwrap().count(),
        3
    );
    let bytes: u64 = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert!(progress.bytes > 0 && progress.bytes < bytes);
}

/// Fails when a reopened source (a camera set to another format) or a change of the frame size ends
/// a recording or makes its time run backwards.
#[test]
fn a_source_opened_anew_goes_on_in_the_same_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("s");
    let (clip, again, other) = (info(false), info(false), info(true));
    let mut tap = start(&folder, &clip, &frame(0, SIZE));
    let mut record = |source: &Arc<SourceInfo>, frame: Frame| {
        tap.offer_raw(&frame, source).unwrap();
        tap.offer(&presented(source, &frame)).unwrap();
    };
    record(&clip, frame(1, SIZE));
    // A loop reopens the file; a jump back does not.
    record(&again, frame(0, SIZE));
    record(&again, frame(2, SIZE));
    record(&again, frame(1, SIZE));
    // The user continues five seconds later.
    record(&again, frame(52, SIZE));
    record(&other, frame(90, Size::new(16, 32)));
    record(&other, frame(92, Size::new(16, 32)));
    let progress = tap.finish(None).unwrap();
    assert_eq!(progress.frames, 8);
    // As long as the previous frame: the loop after 0.1 s, the jump back after 0.2 s.
    let wanted = [0.0, 0.1, 0.2, 0.4, 0.6, 0.8];
    assert_times(&video(&folder.join("raw.mp4")), &wanted);
    assert_times(&video(&folder.join("annotated.mp4")), &wanted);
    let first = lines(&folder.join("poses.jsonl"));
    let numbers: Vec<_> = first.iter().map(|l| l["frame"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_times(&video(&folder.join("raw-2.mp4")), &[0.0, 0.2]);
    let second = lines(&folder.join("poses-2.jsonl"));
    let numbers: Vec<_> = second
        .iter()
        .map(|l| (l["frame"].as_u64(), l["source_frame"].as_u64()))
        .collect();
    assert_eq!(numbers, [(Some(0), Some(90)), (Some(1), Some(92))]);
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!(manifest.parts.len(), 2);
    assert_eq!((manifest.parts[1].width, manifest.parts[1].frames), (16, 2));
}

/// Fails when a video that cannot be written stops the other outputs, is reported twice or without
/// its name, or a recording continues without any output.
#[test]
fn an_output_that_fails_leaves_the_others_going() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("s");
    let source = info(true);
    let mut tap = start(&folder, &source, &frame(0, SIZE));
    assert!(tap.news().is_empty());
    // The path of the second part's raw video is taken.
    std::fs::create_dir(folder.join("raw-2.mp4")).unwrap();
    let other = Size::new(16, 32);
    for id in 1..=3 {
        let frame = frame(id, other);
        tap.offer_raw(&frame, &source).unwrap();
        tap.offer(&presented(&source, &frame)).unwrap();
    }
    let news = tap.news();
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].contains("raw-2.mp4"), "{news:?}");
    let progress = tap.progress();
    assert_eq!((progress.frames, progress.annotated), (4, 4));
    tap.finish(None).unwrap();
    assert_eq!(video(&folder.join("annotated-2.mp4")).len(), 3);
    assert_eq!(lines(&folder.join("poses-2.jsonl")).len(), 3);
    let manifest = Manifest::read(&folder).unwrap();
    assert!(manifest.is_finished);
    let failure = manifest.failure.unwrap();
    assert_eq!(failure.matches("raw-2.mp4").count(), 1, "{failure}");
    let part = &manifest.parts[1];
    assert_eq!((part.frames, part.annotated_frames), (0, 3));

    let folder = parent.path().join("all");
    let mut tap = start(&folder, &source, &frame(0, SIZE));
    for name in [
        "raw-2.mp4",
        "annotated-2.mp4",
        "poses-2.jsonl",
        "coco-2.json.part",
        "poses-2.csv",
    ] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("openpose-2"), "").unwrap();
    let failure = tap.offer_raw(&frame(1, other), &source).unwrap_err();
    assert!(failure.to_string().contains("-2"), "{failure}");
    let _ = tap.finish(None);
    assert_eq!(video(&folder.join("raw.mp4")).len(), 1);
}

/// Fails when frames that H.264 cannot hold are refused, squeezed or cost their poses, or the
/// manifest does not say that they were scaled.
#[test]
fn frames_of_any_size_are_recorded() {
    let parent = tempfile::tempdir().unwrap();
    let source = info(true);
    let size_of = |path: &Path| {
        let spec = SourceSpec::parse(path.to_str().unwrap()).unwrap();
        let source = spec.open(&OpenOptions::default()).unwrap();
        source.info().size.unwrap()
    };
    let folder = parent.path().join("s");
    let (tiny, wide) = (Size::new(1, 1), Size::new(4000, 20));
    let mut tap = start(&folder, &source, &frame(0, tiny));
    for (id, size) in [(1, tiny), (2, wide), (3, SIZE)] {
        let frame = frame(id, size);
        tap.offer_raw(&frame, &source).unwrap();
        tap.offer(&presented(&source, &frame)).unwrap();
    }
    assert!(tap.news().is_empty());
    let progress = tap.finish(None).unwrap();
    assert_eq!((progress.frames, progress.annotated), (4, 4));
    assert_eq!(progress.n_parts, 3);
    let sizes = [Size::new(16, 16), Size::new(3840, 20), SIZE];
    for (stem, reds) in [("raw", [0, 40, 60]), ("annotated", [0, 40, 60])] {
        for (i, (size, red)) in sizes.iter().zip(reds).enumerate() {
            let path = part_path(&folder, stem, i + 1, "mp4");
            assert_eq!(size_of(&path), *size);
            let first = video(&path)[0].1;
            assert!(first.abs_diff(red) < 8, "{stem} {i}: {first}");
        }
    }
    assert_eq!(lines(&folder.join("poses.jsonl")).len(), 2);
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!((manifest.parts[1].width, manifest.failure), (4000, None));
    assert_eq!(manifest.remarks, progress.remarks);
    let [small, large] = &manifest.remarks[..] else {
        panic!("{:?}", manifest.remarks);
    };
    assert!(small.contains("1x1") && small.contains("16x16"), "{small}");
    assert!(
        large.contains("4000x20") && large.contains("3840x20"),
        "{large}"
    );
}

/// Fails when a killed program leaves a folder that cannot be opened: written files stay, the
/// manifest says that it is not finished, and the list counts what the files hold.
#[test]
fn an_unfinished_folder_is_of_use() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, killed) = (parent.path().join("s"), parent.path().join("killed"));
    let source = info(true);
    let mut tap = start(&folder, &source, &frame(0, SIZE));
    for id in 1..=60 {
        let frame = frame(id, SIZE);
        tap.offer_raw(&frame, &source).unwrap();
        tap.offer(&presented(&source, &frame)).unwrap();
    }
    // The state that a kill would leave: the files as they are now.
    until(|| {
        std::fs::create_dir_all(&killed).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                continue; // OpenPose: one file for each frame.
            }
            std::fs::copy(entry.path(), killed.join(entry.file_name())).unwrap();
        }
        let spec = SourceSpec::parse(killed.to_str().unwrap()).unwrap();
        spec.open(&OpenOptions::default()).is_ok_and(|mut source| {
            std::iter::from_fn(|| source.next_frame().unwrap()).count() >= 40
        })
    });
    assert_eq!(lines(&killed.join("poses.jsonl")).len(), 61);
    let coco = std::fs::read(killed.join("coco.json.part")).unwrap();
    let coco: Value = serde_json::from_slice(&coco).unwrap();
    assert_eq!(coco.as_array().unwrap().len(), 61);
    tap.finish(None).unwrap();
    let sessions = sessions_in(parent.path()).unwrap();
    let finished = |name: &str| {
        let entry = sessions.iter().find(|s| s.folder.ends_with(name));
        entry.unwrap().manifest.is_finished
    };
    assert_eq!(sessions.len(), 2);
    assert!(finished("s") && !finished("killed"));
    let killed = sessions.iter().find(|s| s.folder == killed).unwrap();
    let counts = |stem| video(&killed.folder.join(stem)).len() as u64;
    let part = &killed.manifest.parts[0];
    assert_eq!(part.frames, counts("raw.mp4"));
    assert_eq!(part.annotated_frames, counts("annotated.mp4"));
    // The two were copied one after the other.
    let secs = (part.frames.max(part.annotated_frames) - 1) as f64 / 10.0;
    assert!((part.seconds - secs).abs() < 1e-3, "{}", part.seconds);
    assert_eq!(killed.leftovers, ["coco.json.part"]);
    assert!(sessions_in(&parent.path().join("none")).unwrap().is_empty());
}

/// Fails when a recording that was killed before its first second is counted by what was on its way
/// to the disk, or playing it reports the words of some decoder.
#[test]
fn a_recording_without_frames_is_named_as_such() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, killed) = (parent.path().join("s"), parent.path().join("killed"));
    let source = info(true);
    let tap = start(&folder, &source, &frame(0, SIZE));
    std::fs::create_dir(&killed).unwrap();
    for name in ["raw.mp4", "annotated.mp4"] {
        std::fs::copy(folder.join(name), killed.join(name)).unwrap();
    }
    drop(tap);
    let mut manifest = Manifest::read(&folder).unwrap();
    manifest.parts[0].frames = 15;
    manifest.parts[0].annotated_frames = 14;
    manifest.write(&killed).unwrap();
    let sessions = sessions_in(parent.path()).unwrap();
    let entry = sessions.iter().find(|s| s.folder == killed).unwrap();
    let part = &entry.manifest.parts[0];
    assert_eq!((part.frames, part.annotated_frames), (0, 0));
    let spec = SourceSpec::parse(&killed).unwrap();
    let refused = spec
        .open(&OpenOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert!(refused.starts_with("killed: holds no frames"), "{refused}");
    assert!(!refused.contains("ffmpeg"), "{refused}");
}

/// Fails when a recording overwrites another.
#[test]
fn an_existing_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = presented(&info(true), &frame(0, SIZE));
    assert!(SessionTap::create(plan(folder.path()), &first).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn annotation(folder: &Path, make: MakeInfer) -> Annotation {
    let plan = AnnotationPlan {
        folder: folder.to_owned(),
        name: "other/model".to_owned(),
        model: model_record(),
        make,
        look: Look::default(),
        exports: vec!["csv".to_owned(), "openpose".to_owned()],
    };
    Annotation::start(plan, Arc::new(|| {})).unwrap()
}

fn outcome(annotation: &Annotation) -> crate::Result<PathBuf> {
    wait_for(|| annotation.try_outcome())
}

/// Fails when another model's poses replace the first ones, miss frames, are not in the manifest,
/// or when a cancelled annotation leaves partial files.
#[test]
fn a_recording_is_annotated_again_beside_the_old() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("s");
    let source = info(true);
    let mut tap = start(&folder, &source, &frame(0, SIZE));
    for id in 1..=8 {
        tap.offer_raw(&frame(id, SIZE), &source).unwrap();
    }
    let _: TapProgress = tap.finish(None).unwrap();
    let names = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let (make, gate) = gated_model();
    let slow = annotation(&folder, make);
    assert_eq!(gate.asked(), 0);
    gate.answer();
    assert_eq!(gate.asked(), 1);
    slow.cancel();
    drop(gate);
    assert!(outcome(&slow).is_err());
    assert_eq!(names(), before);

    for name in ["other-model", "other-model-2"] {
        let job = annotation(&folder, model("other", 0, None));
        let path = outcome(&job).unwrap();
        assert_eq!(path, folder.join(format!("annotated-{name}.mp4")));
        assert_eq!((job.progress().frames, job.progress().total), (9, 9));
        let times: Vec<f64> = (0..9).map(|i| f64::from(i) / 10.0).collect();
        assert_times(&video(&path), &times);
        let lines = lines(&folder.join(format!("poses-{name}.jsonl")));
        assert_eq!(lines.len(), 9);
        assert_eq!(lines[8]["frame"], 8);
        assert_eq!(lines[8]["model"], "other");
        assert!(folder.join(format!("coco-{name}.json")).is_file());
    }
    let annotations = Manifest::read(&folder).unwrap().annotations;
    let made: Vec<_> = annotations.iter().map(|a| (&*a.name, a.frames)).collect();
    assert_eq!(made, [("other-model", 9), ("other-model-2", 9)]);
}

/// Fails when a manifest names other weights than were used.
#[test]
fn weights_are_named_by_their_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, "abc").unwrap();
    assert_eq!(weights_digest(None).unwrap(), "bundled");
    // FIPS 180-2, appendix B.1.
    let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(weights_digest(Some(&path)).unwrap(), wanted);
    assert!(weights_digest(Some(&folder.path().join("none"))).is_err());
}

//! Every file, in every order, compared with sequential reading.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::image::DynamicImage;
use proptest::prelude::*;

use super::*;
use crate::source::video::ffmpeg_version;
use crate::source::{OpenOptions, SeekTo};
use crate::test_wait::{idle, until, wait_for};

fn golden(name: &str) -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/video"
    ))
    .join(name)
}

/// Returns H.264 files with B-frames, fragmented, without an index, rotated, trimmed by an editor,
/// with variable frame rate; and the bundled clip.
fn native() -> Vec<String> {
    [
        "bframes.mp4",
        "fragmented.mp4",
        "full.mkv",
        "rotated90.mp4",
        "rotated180.mp4",
        "trimmed.mp4",
        "vfr.mkv",
    ]
    .into_iter()
    .map(|name| golden(name).to_str().unwrap().to_owned())
    .chain(["sample".to_owned()])
    .collect()
}

fn open(text: &str) -> Scrub {
    let spec = SourceSpec::parse(text).unwrap();
    Scrub::open_spec(&spec, &OpenOptions::default()).unwrap()
}

/// Times, sizes and a pixel digest of all frames, read sequentially.
type Known = Vec<(f64, Size, u64)>;

fn known(frame: &Frame) -> (f64, Size, u64) {
    // FNV-1a: sufficient to distinguish frames of a video.
    let digest = frame.rgba().iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
    });
    (frame.time_secs, frame.size(), digest)
}

fn sequential(text: &str) -> Known {
    let spec = SourceSpec::parse(text).unwrap();
    let mut source = spec.open(&OpenOptions::default()).unwrap();
    std::iter::from_fn(|| source.next_frame().unwrap())
        .map(|frame| known(&frame))
        .collect()
}

fn assert_is(scrub: &mut Scrub, all: &Known, i: usize, text: &str) {
    let frame = scrub.frame(i).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(frame.id, i as u64, "{text}");
    assert_eq!(known(&frame), all[i], "{text}, frame {i}");
}

/// Fails when seeking or stepping returns another frame or time than playback: B-frames out of
/// order, hidden frames counted, variable rates ignored.
#[test]
fn every_frame_is_that_of_sequential_reading_forwards_and_backwards() {
    for text in native() {
        let all = sequential(&text);
        let mut scrub = open(&text);
        let times: Vec<f64> = all.iter().map(|k| k.0).collect();
        assert_eq!(scrub.times(), times, "{text}");
        assert_eq!(scrub.info().n_frames, Some(all.len() as u64), "{text}");
        assert_eq!(scrub.size(), Some(all[0].1), "{text}");
        let n = all.len();
        for i in (0..n).rev().step_by(3).chain([0, n - 1, n / 2]) {
            assert_is(&mut scrub, &all, i, &text);
        }
        assert!(scrub.frame(n).is_err(), "{text}");
    }
}

/// Returns the files of [`native`] with the result of sequential reading.
fn all_native() -> &'static [(String, Known)] {
    static ALL: OnceLock<Vec<(String, Known)>> = OnceLock::new();
    let read = |text: String| (text.clone(), sequential(&text));
    ALL.get_or_init(|| native().into_iter().map(read).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Fails when the order of access, or a small cache, changes the content of a frame.
    #[test]
    fn order_and_memory_do_not_matter(
        file in 0_usize..8,
        asked in prop::collection::vec(0.0..1.0_f64, 1..8),
        n_kept in 0_usize..5,
    ) {
        let (text, all) = &all_native()[file];
        let bytes = all[0].1.area() * 4;
        let mut scrub = open(text);
        scrub.max_bytes = n_kept * bytes;
        for share in asked {
            let i = (share * all.len() as f64) as usize;
            assert_is(&mut scrub, all, i, text);
            let held: usize = scrub.cache.values().map(|f| f.rgba().len()).sum();
            prop_assert!(held <= scrub.max_bytes.max(bytes), "{} bytes held", held);
        }
    }

    /// Fails when a time on a slider leads to another frame than the one shown then.
    #[test]
    fn a_time_leads_to_the_frame_shown_then(secs in -1.0..6.0_f64) {
        let scrub = open(golden("vfr.mkv").to_str().unwrap());
        let i = scrub.index_at(secs);
        let times = scrub.times();
        prop_assert!(times[i] <= secs.max(0.0));
        prop_assert!(times.get(i + 1).is_none_or(|&next| next > secs));
    }
}

/// Counts decoded frames; frames of one pixel, with a key frame every `group`.
struct Counting {
    info: SourceInfo,
    times: Vec<f64>,
    group: usize,
    decoded: Arc<AtomicUsize>,
}

impl RandomAccess for Counting {
    fn info(&self) -> &SourceInfo {
        &self.info
    }
    fn times(&self) -> &[f64] {
        &self.times
    }
    fn key_before(&self, i: usize) -> usize {
        i - i % self.group
    }
    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()> {
        for i in self.key_before(to)..=to {
            self.decoded.fetch_add(1, Ordering::Relaxed);
            if i >= from {
                let pixels = crate::frame::Pixels::unpooled(vec![i as u8; 4]);
                keep(i, Frame::new(i as u64, i as f64, Size::new(1, 1), pixels));
            }
        }
        Ok(())
    }
}

fn counting(n: usize, group: usize) -> (Scrub, Arc<AtomicUsize>) {
    let decoded = Arc::new(AtomicUsize::new(0));
    let file = Counting {
        info: SourceInfo {
            name: "counting".to_owned(),
            size: Some(Size::new(1, 1)),
            rate: None,
            n_frames: Some(n as u64),
            is_live: false,
        },
        times: (0..n).map(|i| i as f64).collect(),
        group,
        decoded: Arc::clone(&decoded),
    };
    (Scrub::new(Box::new(file), CACHE_BYTES), decoded)
}

/// Fails when every step back decodes from the key frame again: stepping backwards from the end of
/// a group would take seconds per frame.
#[test]
fn stepping_back_decodes_a_group_once_or_twice() {
    let (mut scrub, decoded) = counting(250, 100);
    for i in (100..200).rev() {
        assert_eq!(scrub.frame(i).unwrap().rgba()[0], i as u8);
    }
    let n = decoded.load(Ordering::Relaxed);
    assert!(n <= 200, "{n} frames decoded for 100");
}

/// Fails when frames before the damage in a truncated or damaged file are inaccessible.
#[test]
fn a_cut_file_gives_the_frames_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vfr.mkv", "fragmented.mp4"] {
        let whole = std::fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
        let text = path.to_str().unwrap();
        let all = sequential(text);
        assert!(all.len() > 1, "{name}");
        let mut scrub = open(text);
        assert_eq!(scrub.n_frames(), all.len(), "{name}");
        for i in (0..all.len()).rev() {
            assert_is(&mut scrub, &all, i, name);
        }
    }
}

/// Fails when videos that need ffmpeg cannot be scrubbed, or show other frames than in playback.
#[test]
fn what_ffmpeg_reads_is_scrubbed_too() {
    if ffmpeg_version().is_none() {
        eprintln!("skipped: there is no ffmpeg on this machine");
        return;
    }
    for name in ["hevc.mp4", "mjpeg.avi", "vp9.webm", "interlaced.mp4"] {
        let text = golden(name).to_str().unwrap().to_owned();
        let all = sequential(&text);
        let mut scrub = open(&text);
        let times: Vec<f64> = all.iter().map(|k| k.0).collect();
        assert_eq!(scrub.times(), times, "{name}");
        scrub.max_bytes = 2 * all[0].1.area() * 4;
        let n = all.len();
        for i in [n - 1, 0, n / 2, n / 2 - 1, 1, n - 2] {
            assert_is(&mut scrub, &all, i, name);
        }
    }
}

/// Fails when images and folders cannot be stepped through, a camera claims to support it, or an
/// unreadable image shifts the numbers of the others or ends playback after a jump.
#[test]
fn pictures_are_frames_and_cameras_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, width) in [("10.png", 3), ("2.png", 2), ("1.png", 1)] {
        let path = folder.path().join(name);
        DynamicImage::new_rgb8(width, 1).save(path).unwrap();
    }
    std::fs::write(folder.path().join("3.png"), "damaged").unwrap();
    let text = folder.path().to_str().unwrap();
    let all = sequential(text);
    assert_eq!(all.len(), 3);
    let mut scrub = open(text);
    assert_eq!(scrub.n_frames(), 4);
    for (i, k) in [(3, 2), (0, 0), (1, 1)] {
        assert_eq!(known(&scrub.frame(i).unwrap()), all[k], "frame {i}");
    }
    let refused = scrub.frame(2).unwrap_err().to_string();
    assert!(refused.contains("3.png"), "{refused}");
    let mut player = SourceSpec::parse(text)
        .unwrap()
        .open(&OpenOptions::default())
        .unwrap();
    player.seek(SeekTo::Frame(1)).unwrap();
    for k in [1, 2] {
        assert_eq!(known(&player.next_frame().unwrap().unwrap()), all[k]);
    }
    assert!(player.next_frame().unwrap().is_none());
    let one = folder.path().join("10.png");
    let mut scrub = Scrub::open(&one).unwrap();
    assert_eq!((scrub.n_frames(), scrub.size()), (1, Some(Size::new(3, 1))));
    assert_eq!(scrub.frame(0).unwrap().size(), Size::new(3, 1));
    let camera = SourceSpec::parse("camera:0").unwrap();
    assert!(Scrub::open_spec(&camera, &OpenOptions::default()).is_err());
}

/// Fails when the folder of a recording is taken for a folder of images.
#[test]
fn the_folder_of_a_recording_is_its_raw_video() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("2026-03-01 camera");
    std::fs::create_dir(&into).unwrap();
    std::fs::copy(golden("bframes.mp4"), into.join("raw.mp4")).unwrap();
    std::fs::write(into.join("session.toml"), "").unwrap();
    let mut scrub = Scrub::open(&into).unwrap();
    assert_eq!(scrub.info().name, "2026-03-01 camera");
    let all = sequential(golden("bframes.mp4").to_str().unwrap());
    assert_eq!(sequential(into.to_str().unwrap()), all);
    assert_is(&mut scrub, &all, 7, "recording");
}

/// Fails when a file continues at another position after seeking, or a camera claims to have
/// seeked.
#[test]
fn a_playing_file_jumps_and_goes_on_from_there() {
    let text = golden("vfr.mkv").to_str().unwrap().to_owned();
    let all = sequential(&text);
    let spec = SourceSpec::parse(&text).unwrap();
    let mut source = spec.open(&OpenOptions::default()).unwrap();
    source.next_frame().unwrap();
    for (to, i) in [
        (SeekTo::Frame(7), 7),
        (SeekTo::Secs(0.2), 1),
        (SeekTo::Frame(u64::MAX), 9),
        (SeekTo::Secs(-4.0), 0),
    ] {
        assert!(source.seek(to).unwrap());
        for all in all.iter().skip(i).take(2) {
            assert_eq!(known(&source.next_frame().unwrap().unwrap()), *all);
        }
    }
    let live = SourceSpec::parse("synthetic:live").unwrap();
    let mut live = live.open(&OpenOptions::default()).unwrap();
    assert!(!live.seek(SeekTo::Frame(0)).unwrap());
}

/// Fails when the length of a file without a frame count stays unknown while it plays, or is lost
/// and counted again when it restarts.
#[test]
fn a_playing_file_is_counted_ahead_and_stays_counted() {
    let spec = SourceSpec::parse("sample").unwrap();
    let options = OpenOptions {
        is_indexed_ahead: true,
        ..OpenOptions::default()
    };
    let mut source = spec.open(&options).unwrap();
    assert_eq!(source.info().n_frames, None);
    let monitor = source.monitor();
    until(|| monitor.extent().is_some_and(|e| e.is_complete));
    let extent = monitor.extent().unwrap();
    assert_eq!(extent.frames, 87);
    assert!((extent.secs - 86.0 / 30.0).abs() < 0.002, "{}", extent.secs);
    assert!(source.seek(SeekTo::Frame(40)).unwrap());
    assert_eq!(source.next_frame().unwrap().unwrap().id, 40);
    for _ in 0..2 {
        assert!(source.rewind().unwrap());
        let ids: Vec<_> = (0..2)
            .map(|_| source.next_frame().unwrap().unwrap().id)
            .collect();
        assert_eq!(ids, [0, 1]);
        assert_eq!(source.monitor().extent(), Some(extent.clone()));
    }
    assert!(source.seek(SeekTo::Frame(86)).unwrap());
    assert_eq!(source.next_frame().unwrap().unwrap().id, 86);
    assert!(source.next_frame().unwrap().is_none());
}

/// Fails when a video that only ffmpeg reads is indexed without reporting progress, or counted
/// wrongly. Skipped without ffmpeg.
#[test]
fn ffmpeg_tells_how_far_it_has_counted() {
    if crate::source::video::ffmpeg_version().is_none() {
        return;
    }
    let file = golden("bframes.mp4");
    let folder = tempfile::tempdir().unwrap();
    let avi = folder.path().join("clip.avi");
    let made = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(file)
        .args(["-c:v", "mjpeg"])
        .arg(&avi)
        .status()
        .unwrap();
    assert!(made.success());
    let options = OpenOptions::default();
    let scrub = Scrub::open_spec(&SourceSpec::parse(avi.to_str().unwrap()).unwrap(), &options);
    let n = scrub.unwrap().n_frames() as u64;
    let extent = options.indexing.extent().unwrap();
    assert!(extent.is_complete && extent.frames == n && n > 3);
}

/// Fails when the thumbnail strip has gaps, wrong frames or full-size frames, or decodes whole
/// groups for each; or continues after it was cancelled.
#[test]
fn thumbnails_are_spread_evenly_and_can_be_cancelled() {
    let wait = |strip: &Thumbnails| {
        wait_for(|| {
            let is_finished = strip.is_finished();
            let thumbnail = strip.try_next();
            (thumbnail.is_some() || is_finished).then_some(thumbnail)
        })
    };
    let strip = Thumbnails::start(4, 32, || Ok(open("sample")), || {}).unwrap();
    let made: Vec<_> = std::iter::from_fn(|| wait(&strip)).collect();
    assert_eq!(made.len(), 4);
    for (slot, thumbnail) in made.iter().enumerate() {
        assert_eq!(thumbnail.slot, slot);
        assert_eq!(thumbnail.frame.size(), Size::new(32, 24));
        let part = 87 * slot as u64 / 4..=87 * (slot as u64 + 1) / 4;
        assert!(part.contains(&thumbnail.frame.id), "{}", thumbnail.frame.id);
    }
    let (scrub, decoded) = counting(200, 10);
    let strip = Thumbnails::start(5, 32, || Ok(scrub), || {}).unwrap();
    let ids: Vec<_> = std::iter::from_fn(|| wait(&strip))
        .map(|t| t.frame.id)
        .collect();
    assert_eq!(ids, [20, 60, 100, 140, 180]);
    assert_eq!(decoded.load(Ordering::Relaxed), 5);

    let (scrub, decoded) = counting(1000, 1000);
    let (go, held) = crossbeam::channel::bounded::<()>(0);
    let strip =
        Thumbnails::start(500, 32, || Ok(scrub), move || held.recv().unwrap_or(())).unwrap();
    go.send(()).unwrap();
    drop(strip);
    drop(go);
    idle(Duration::from_millis(50));
    let n = decoded.load(Ordering::Relaxed);
    assert!(n < 20_000, "{n} frames decoded for nobody");
}

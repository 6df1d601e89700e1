//! Tests of small videos of every kind (`tests/golden/video`) and the bundled clip, with ffmpeg as
//! the oracle where it is installed.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::frame::Frame;
use crate::test_wait::{quickly, timed};
use crate::words::counted;

const CLIP: &str = "../../../assets/clips/sister.mkv";

/// H.264 that must be read without ffmpeg, and the times of its frames.
const NATIVE: &[(&str, &[f64])] = &[
    ("bframes.mp4", &TENTHS),
    // Groups of frames that refer to several others.
    ("bframes_groups.mp4", &tenths::<51>()),
    ("fragmented.mp4", &TENTHS),
    ("full.mkv", &TENTHS),
    ("full_range_709.mp4", &TENTHS),
    ("rotated90.mp4", &TENTHS),
    ("rotated180.mp4", &TENTHS),
    ("rotated270.mp4", &TENTHS),
    // An edit list hides its first four frames.
    ("trimmed.mp4", &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    (
        "vfr.mkv",
        &[0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.1, 2.8, 3.6, 4.5],
    ),
];

/// Files that need ffmpeg, and the words by which an error names their content.
const FOREIGN: &[(&str, &str)] = &[
    ("hevc.mp4", "H.265 (HEVC) video"),
    ("interlaced.mp4", "interlaced H.264 video"),
    ("mjpeg.avi", "neither MP4 nor Matroska"),
    ("ten_bit.mp4", "10-bit H.264 video"),
    ("vp9.webm", "VP9 video"),
];

const TENTHS: [f64; 10] = tenths();

const fn tenths<const N: usize>() -> [f64; N] {
    let mut times = [0.0; N];
    let mut i = 0;
    while i < N {
        times[i] = i as f64 / 10.0;
        i += 1;
    }
    times
}

pub(super) fn golden(name: &str) -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/video"
    ))
    .join(name)
}

pub(super) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

pub(super) fn no_ffmpeg() -> Ffmpeg {
    Ffmpeg::at("a-program-that-is-not-installed")
}

pub(super) fn has_ffmpeg() -> bool {
    let version = ffmpeg_version();
    if version.is_none() {
        let required = std::env::var("POSELENS_TESTS_REQUIRE").unwrap_or_default();
        assert!(!required.contains("ffmpeg"), "there is no ffmpeg here");
        eprintln!("skipped: there is no ffmpeg on this machine");
    }
    version.is_some()
}

fn open_native(bytes: Vec<u8>) -> Result<NativeVideo, String> {
    NativeVideo::open(Box::new(Cursor::new(bytes)), "test")
}

pub(super) fn all_frames(source: &mut dyn FrameSource) -> Vec<Frame> {
    std::iter::from_fn(|| source.next_frame().unwrap()).collect()
}

fn assert_times(frames: &[Frame], expected: &[f64]) {
    assert_eq!(frames.len(), expected.len());
    for (i, (frame, expected)) in frames.iter().zip(expected).enumerate() {
        assert_eq!(frame.id, i as u64);
        assert!(
            (frame.time_secs - expected).abs() < 1e-6,
            "frame {i}: {} instead of {expected}",
            frame.time_secs
        );
    }
}

fn mean_difference(a: &Frame, b: &Frame) -> f64 {
    assert_eq!(a.size(), b.size());
    let differences = a.rgba().iter().zip(b.rgba()).map(|(a, b)| a.abs_diff(*b));
    differences.map(u64::from).sum::<u64>() as f64 / a.rgba().len() as f64
}

/// Fails when H.264 needs ffmpeg, frames are lost or duplicated, or the times differ from those of
/// the file (variable rate, B-frames, edit lists).
#[test]
fn h264_is_read_without_ffmpeg_at_its_true_times() {
    for (name, times) in NATIVE {
        let mut video =
            open_with(&golden(name), name, &no_ffmpeg()).unwrap_or_else(|e| panic!("{e}"));
        let frames = all_frames(video.as_mut());
        assert_times(&frames, times);
        assert_eq!(video.warning(), None, "{name}");
        assert!(
            video
                .info()
                .n_frames
                .is_none_or(|n| n == times.len() as u64)
        );
        assert_eq!(video.info().size, Some(frames[0].size()), "{name}");
    }
}

/// Fails when colours (range, matrix), orientation or order of the native decoder are wrong.
#[test]
fn native_frames_are_those_of_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    for name in NATIVE.iter().map(|(name, _)| *name).chain([CLIP]) {
        let mut ours = open_with(&golden(name), name, &no_ffmpeg()).unwrap();
        let mut theirs = FfmpegVideo::open(&Ffmpeg::on_path(), &golden(name), "test").unwrap();
        let (ours, theirs) = (all_frames(ours.as_mut()), all_frames(&mut theirs));
        let times: Vec<f64> = theirs.iter().map(|f| f.time_secs).collect();
        assert_times(&ours, &times);
        let differences = ours.iter().zip(&theirs).map(|(a, b)| mean_difference(a, b));
        let worst = differences.fold(0.0, f64::max);
        println!("{name}: {} frames, worst {worst:.3}", ours.len());
        assert!(worst < 2.0, "{name}: {worst}");
    }
}

/// Fails when an unusual video is not read, its frames are duplicated or lost, or its times are
/// wrong.
#[test]
fn everything_else_is_read_through_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    for (name, _) in FOREIGN {
        let mut video = open(&golden(name)).unwrap();
        let frames = all_frames(video.as_mut());
        let n = if *name == "mjpeg.avi" { 5 } else { 10 };
        assert_times(&frames, &TENTHS[..n]);
        assert_eq!(video.warning(), None, "{name}");
        assert_eq!(video.info().rate, Some(10.0), "{name}");
        assert_eq!(video.info().size, Some(frames[0].size()), "{name}");
    }
}

/// Fails when the message without ffmpeg does not name the file's content and the remedy.
#[test]
fn without_ffmpeg_the_remedy_is_named() {
    for (name, codec) in FOREIGN {
        let error = open_with(&golden(name), name, &no_ffmpeg()).map(drop);
        let message = error.unwrap_err().to_string();
        assert!(!message.contains('\n'));
        for part in [*name, *codec, "apt-get install ffmpeg", "H.264 MP4"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

/// Fails when files that are not videos are not reported as such, or block the reader.
#[test]
fn what_is_no_video_is_an_error_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let message = |path: &Path| {
        let message = open(path).map(drop).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    };
    assert!(message(&path).contains("a.mp4: no such file"));
    assert!(message(folder.path()).contains("this is a folder"));
    std::fs::write(&path, "").unwrap();
    assert!(message(&path).contains("a.mp4: the file is empty"));
    let headless = &bytes("bframes.mp4")[40..];
    let without_index = &bytes("bframes.mp4")[..60];
    for contents in [b"just a text".as_slice(), headless, without_index, b"x"] {
        std::fs::write(&path, contents).unwrap();
        assert!(message(&path).contains("a.mp4: "));
    }
    #[cfg(unix)]
    assert!(message(Path::new("/dev/null")).contains("this is a device"));
}

/// Fails when a recording cut off by a crash loses more than the frames after the cut, ends without
/// a warning, or shows frames at wrong times.
#[test]
fn a_cut_file_gives_every_frame_before_the_cut() {
    for (name, step) in [("fragmented.mp4", 13), ("vfr.mkv", 13), (CLIP, 29_989)] {
        let whole = bytes(name);
        let all = all_frames(&mut open_native(whole.clone()).unwrap());
        let mut last = 0;
        for end in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            let Ok(mut video) = open_native(whole[..end].to_vec()) else {
                assert_eq!(last, 0, "{name} at {end}");
                continue;
            };
            let frames = all_frames(&mut video);
            let n = frames.len();
            assert!(n >= last, "{name} at {end}: {n} frames, earlier {last}");
            last = n;
            for frame in &frames {
                let whole = all.iter().find(|f| f.time_secs == frame.time_secs);
                let is_same = whole.is_some_and(|whole| whole.rgba() == frame.rgba());
                assert!(is_same, "{name} at {end}: frame {}", frame.id);
            }
            if n < all.len() {
                // A missing fragment cannot be detected between two others.
                let is_whole_fragment = name == "fragmented.mp4" && is_box_border(&whole, end);
                let warning = video.warning().map(str::to_owned);
                let says_where = format!("ends after {}", counted(n, "frame"));
                assert!(
                    is_whole_fragment || warning.is_some_and(|w| w.contains(&says_where)),
                    "{name} at {end}"
                );
            }
        }
        assert!(last >= all.len() - 4, "{name}: {last} of {}", all.len());
    }
}

/// Returns whether a top-level box of an MP4 file ends at `end`.
fn is_box_border(file: &[u8], end: usize) -> bool {
    let mut position = 0;
    while position < end {
        position += u32::from_be_bytes(*file[position..].first_chunk().unwrap()) as usize;
    }
    position == end
}

/// Fails when a damaged or hostile file causes a panic or a hang, or yields more frames than it can
/// hold.
#[test]
fn damaged_files_are_survived() {
    // More by hand: 10 000 take about a minute.
    let n_rounds = std::env::var("POSELENS_FUZZ_ROUNDS").map_or(150, |n| n.parse().unwrap());
    // Xorshift: the same files in every run.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let originals: Vec<_> = NATIVE.iter().map(|(name, _)| bytes(name)).collect();
    let clip = bytes(CLIP);
    for round in 0..n_rounds {
        let mut file = if round % 10 == 0 {
            clip.clone()
        } else {
            originals[random(originals.len())].clone()
        };
        // Half of the damage goes to the first kilobyte, which contains the structure.
        for _ in 0..=random(8) {
            let reach = if random(2) == 0 { 1024 } else { file.len() };
            let place = random(reach.min(file.len()));
            match random(4) {
                0 => file[place] = random(256) as u8,
                1 => file[place] ^= 1 << random(8),
                2 => {
                    let end = (place + random(8)).min(file.len());
                    file[place..end].fill([0, 0xFF][random(2)]);
                }
                _ => {
                    let source = random(file.len() - 4);
                    let end = (place + 4).min(file.len());
                    file.copy_within(source..source + end - place, place);
                }
            }
        }
        if random(4) == 0 {
            file.truncate(random(file.len()) + 1);
        }
        let most = file.len();
        if let Ok(mut video) = open_native(file) {
            let mut last = 0.0;
            let mut n = 0;
            while let Some(frame) = video.next_frame().unwrap() {
                assert!(frame.time_secs >= last && frame.time_secs.is_finite());
                last = frame.time_secs;
                n += 1;
                assert!(n <= most);
            }
        }
    }
}

/// Fails when tables that claim billions of samples, or endlessly nested boxes, exhaust memory,
/// time or the stack.
#[test]
fn hostile_tables_cost_nothing() {
    // Five seconds, on a machine that is not overloaded.
    quickly(Duration::from_secs(5), || {
        timed(|| {
            let original = bytes("bframes.mp4");
            let find = |kind: &[u8]| original.windows(4).position(|w| w == kind).unwrap();
            // stsz: all samples of one byte, four billion of them; stsc: as many in a chunk.
            let mut file = original.clone();
            file[find(b"stsz") + 8..][..8].copy_from_slice(&[0, 0, 0, 1, 255, 255, 255, 255]);
            file[find(b"stsc") + 16..][..4].fill(255);
            let _ = open_native(file);
            // A fragment run without sample sizes, and a huge default.
            let mut file = bytes("fragmented.mp4");
            let trun = file.windows(4).position(|w| w == b"trun").unwrap();
            file[trun + 4..][..8].copy_from_slice(&[0, 0, 0, 1, 255, 255, 255, 255]);
            let _ = open_native(file);
            // A megabyte of nested boxes.
            let mut file = b"\0\0\0\x08ftyp".to_vec();
            for left in (8..1_000_000_u32).rev().step_by(8) {
                file.extend(left.to_be_bytes());
                file.extend(b"moov");
            }
            assert!(open_native(file).is_err());
        })
    });
}

/// A fake ffmpeg that runs this shell script.
#[cfg(unix)]
pub(super) fn scripted_ffmpeg(folder: &Path, script: &str) -> PathBuf {
    let program = folder.join("ffmpeg");
    // Written by another process: a program that another test starts meanwhile would inherit this
    // one's open file, and a file open for writing cannot be executed.
    let write = "printf %s \"$2\" > \"$1\" && chmod +x \"$1\"";
    let written = std::process::Command::new("sh")
        .args(["-c", write, "sh", program.to_str().unwrap(), script])
        .status();
    assert!(written.unwrap().success());
    program
}

/// Fails when ffmpeg before 5.1 (Ubuntu 22.04) gets an option it does not know, or an error of
/// ffmpeg is lost.
#[cfg(unix)]
#[test]
fn old_and_failing_ffmpegs_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh
case \"$*\" in *fps_mode*) echo \"[fatal] Unrecognized option 'fps_mode'.\" >&2; exit 1;; esac
head='[Parsed_showinfo_0 @ 0x1] [info]'
echo \"$head config in time_base: 1/10, frame_rate: 10/1\" >&2
echo \"$head n:0 pts:5 pts_time:9 s:1x1 i:P\" >&2
printf 'abcd'
echo '[error] the disk is on fire' >&2
exit 1
";
    let program = scripted_ffmpeg(folder.path(), script);
    let mut video = FfmpegVideo::open(&Ffmpeg::at(&program), Path::new("a.avi"), "").unwrap();
    let frames = all_frames(&mut video);
    assert_times(&frames, &[0.0]);
    assert_eq!(frames[0].rgba(), b"abcd");
    assert_eq!(video.info().rate, Some(10.0));
    let warning = video.warning().unwrap();
    assert!(warning.contains("the disk is on fire"), "{warning}");
    assert!(warning.contains("a.avi"), "{warning}");
}

/// Fails when a dropped source leaves ffmpeg running or waits for it: this one never ends.
#[cfg(unix)]
#[test]
fn dropping_a_source_ends_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh
head='[Parsed_showinfo_0 @ 0x1] [info]'
echo \"$head config in time_base: 1/10, frame_rate: 10/1\" >&2
echo \"$head n:0 pts:5 pts_time:9 s:1x1 i:P\" >&2
echo $$ > \"${0%/*}/id\"
exec cat /dev/zero
";
    let program = scripted_ffmpeg(folder.path(), script);
    quickly(Duration::from_secs(2), || {
        let ffmpeg = Ffmpeg::at(&program);
        let mut video = FfmpegVideo::open(&ffmpeg, Path::new("a.avi"), "").unwrap();
        video.next_frame().unwrap().unwrap();
        timed(|| drop(video))
    });
    let id = std::fs::read_to_string(folder.path().join("id")).unwrap();
    let probe = std::process::Command::new("kill")
        .args(["-0", id.trim()])
        .output();
    assert!(!probe.unwrap().status.success(), "it still runs");
}

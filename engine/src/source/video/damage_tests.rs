//! Tests of damaged videos, and of videos with changing frame sizes or non-square pixels.

use super::tests::{all_frames, bytes, golden, has_ffmpeg, no_ffmpeg};
use super::*;
use crate::frame::Frame;
use std::io::Cursor;

/// `groups.mp4` and `groups.mkv`: four groups of five frames with B-frames, 10 frames per second.
const N_FRAMES: usize = 20;

/// Returns the ranges of coded frames that begin with a length and NAL header `kind` of a slice.
fn packet_places(file: &[u8], name: &str) -> Vec<std::ops::Range<usize>> {
    let mut packets = native::open_stream(Box::new(Cursor::new(file.to_vec())))
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .packets;
    let mut places = Vec::new();
    let mut data = Vec::new();
    while packets.next_packet(&mut data).unwrap().is_some() {
        let begins = |window: &[u8]| window == data;
        let start = file.windows(data.len()).position(begins).unwrap();
        places.push(start..start + data.len());
    }
    places
}

fn open_native(bytes: Vec<u8>) -> NativeVideo {
    NativeVideo::open(Box::new(Cursor::new(bytes)), "test").unwrap()
}

/// Returns the frames by random access; `None` where one is lost to damage.
fn random_frames(bytes: Vec<u8>) -> Vec<Option<Frame>> {
    let input = Box::new(Cursor::new(bytes));
    let mut video = NativeRandom::open(input, "test", &OpenOptions::default()).unwrap();
    let n = video.times().len();
    // Backwards, so that every group is entered again.
    let mut frames: Vec<_> = (0..n)
        .rev()
        .map(|i| {
            let mut found = None;
            video
                .decode(i, i, &mut |_, frame| found = Some(frame))
                .unwrap();
            found
        })
        .collect();
    frames.reverse();
    frames
}

/// Reads `bytes` sequentially and by random access; returns the frames and the warning.
fn read_both_ways(bytes: Vec<u8>, what: &str) -> (Vec<Frame>, Option<String>) {
    let mut video = open_native(bytes.clone());
    let frames = all_frames(&mut video);
    let warning = video.warning().map(str::to_owned);
    assert_eq!(video.is_damaged(), warning.is_some(), "{what}");
    let again: Vec<_> = random_frames(bytes).into_iter().flatten().collect();
    let ids = |frames: &[Frame]| frames.iter().map(|f| f.id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&frames), "{what}: {warning:?}");
    for (a, b) in frames.iter().zip(&again) {
        assert!(
            (a.time_secs - b.time_secs).abs() < 1e-9,
            "{what}: frame {}",
            a.id
        );
        assert!(a.rgba() == b.rgba(), "{what}: frame {}", a.id);
    }
    (frames, warning)
}

/// Fails when damage in one coded frame ends a video or costs more than the rest of its group,
/// later frames change in number, time or pixels, or the damage is not reported.
#[test]
fn damage_costs_the_rest_of_a_group_and_nothing_else() {
    for name in ["groups.mp4", "groups.mkv"] {
        let whole = bytes(name);
        let all = all_frames(&mut open_native(whole.clone()));
        assert_eq!(all.len(), N_FRAMES);
        let places = packet_places(&whole, name);
        let damages: &[&[usize]] = &[&[0], &[2], &[5], &[6], &[12], &[19], &[3, 4, 11], &[6, 16]];
        for damaged in damages {
            for (what, fill) in [("zeros", 0), ("ones", 255)] {
                let mut file = whole.clone();
                for &i in *damaged {
                    file[places[i].clone()].fill(fill);
                }
                let what = format!("{name}, {what} in {damaged:?}");
                let (frames, warning) = read_both_ways(file, &what);
                let warning = warning.unwrap_or_else(|| panic!("{what}: not a word"));
                assert!(warning.contains("lost"), "{what}: {warning}");
                let is_hit = |group: u64| damaged.iter().any(|&i| i as u64 / 5 == group);
                for group in 0..4 {
                    let n = frames.iter().filter(|f| f.id / 5 == group).count();
                    assert_eq!(n == 5, !is_hit(group), "{what}: {n} frames in {group}");
                }
                for frame in &frames {
                    let true_one = &all[frame.id as usize];
                    assert!(
                        (frame.time_secs - true_one.time_secs).abs() < 1e-9,
                        "{what}"
                    );
                    assert!(
                        frame.rgba() == true_one.rgba(),
                        "{what}: frame {}",
                        frame.id
                    );
                }
            }
        }
    }
}

/// Fails when damage in the structure of a Matroska file makes later frames unreadable.
#[test]
fn a_broken_matroska_element_is_passed() {
    let whole = bytes("groups.mkv");
    let places = packet_places(&whole, "groups.mkv");
    let all = all_frames(&mut open_native(whole.clone()));
    for i in [3, 7, 10] {
        // The header of the block: its id, length, track and time.
        let mut file = whole.clone();
        file[places[i].start - 6..places[i].start].fill(0xEE);
        let mut video = open_native(file);
        let frames = all_frames(&mut video);
        assert!(video.is_damaged() && video.warning().is_some());
        assert!(frames.len() >= 10, "block {i}: {} frames", frames.len());
        let last = frames.last().unwrap();
        assert!(last.rgba() == all[N_FRAMES - 1].rgba(), "block {i}");
        assert!((last.time_secs - 1.9).abs() < 1e-9, "block {i}");
    }
}

/// Fails when a change of the frame size loses frames, shifts numbers or times, or fails in either
/// way of reading.
#[test]
fn sizes_change_without_a_lost_frame() {
    let sizes = [(64, 48), (96, 64), (48, 32), (66, 50), (48, 64)];
    for name in ["sizes.mp4", "sizes.mkv"] {
        let (frames, warning) = read_both_ways(bytes(name), name);
        assert_eq!((frames.len(), warning), (30, None), "{name}");
        for (i, frame) in frames.iter().enumerate() {
            let (width, height) = sizes[i / 6];
            assert_eq!(frame.size(), Size::new(width, height), "{name}: frame {i}");
            assert_eq!(frame.id, i as u64);
            assert!(
                (frame.time_secs - i as f64 / 10.0).abs() < 1e-6,
                "{name}: frame {i}"
            );
        }
    }
}

/// Fails when frames with non-square pixels are shown squeezed, in any decoder, container or
/// orientation.
#[test]
fn pixels_become_square() {
    for (name, width, height) in [
        ("wide_pixels.mp4", 64, 48),
        ("wide_pixels.mkv", 64, 48),
        ("wide_pixels_rotated.mp4", 48, 64),
        ("tall_pixels.avi", 64, 48),
    ] {
        let size = Size::new(width, height);
        let is_foreign = name.ends_with("avi");
        if !is_foreign {
            let mut video = open_with(&golden(name), name, &no_ffmpeg()).unwrap();
            assert_eq!(video.info().size, Some(size), "{name}");
            let frames = all_frames(video.as_mut());
            assert!(
                frames.len() == 3 && frames.iter().all(|f| f.size() == size),
                "{name}"
            );
        }
        if is_foreign && !has_ffmpeg() {
            continue;
        }
        let mut scrub = scrub_as(&golden(name), name, &OpenOptions::default()).unwrap();
        assert_eq!(scrub.info().size, Some(size), "{name}");
        let mut seen = None;
        scrub
            .decode(1, 1, &mut |_, frame| seen = Some(frame.size()))
            .unwrap();
        assert_eq!(seen, Some(size), "{name}");
    }
}

/// Fails when ffmpeg interprets a file name as a pattern, an option or a protocol, or scales later
/// frames to the size of the first.
#[test]
fn ffmpeg_reads_files_of_any_name_at_their_sizes() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["-v.mp4", "a%03d.bmp", "100%.gif", "http:x.mp4", "a b'c.mp4"] {
        let path = folder.path().join(name);
        std::fs::copy(golden("sizes.mp4"), &path).unwrap();
        let mut video = FfmpegVideo::open(&Ffmpeg::on_path(), &path, "test").unwrap();
        let frames = all_frames(&mut video);
        let last = frames.last().unwrap();
        assert_eq!(last.size(), Size::new(48, 64), "{name}");
        assert_eq!(video.warning(), None, "{name}");
    }
}

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

/// Fails when damage in the structure of a Matroska file makes later frames unreadable, or changes
/// their numbers or times, in either way of reading.
#[test]
fn a_broken_matroska_element_is_passed() {
    let whole = bytes("groups.mkv");
    let places = packet_places(&whole, "groups.mkv");
    let all = all_frames(&mut open_native(whole.clone()));
    // Bytes before the data of a block: its whole header, its track number, its flags.
    let headers = [(6, 0), (4, 3), (1, 0)];
    let damages: &[&[usize]] = &[
        &[0],
        &[3],
        &[4],
        &[5],
        &[7],
        &[10],
        &[14],
        &[15],
        &[18],
        &[3, 12],
    ];
    for (damaged, header) in damages
        .iter()
        .flat_map(|d| headers.iter().map(move |h| (d, h)))
    {
        let mut file = whole.clone();
        for &i in *damaged {
            let start = places[i].start;
            file[start - header.0..start - header.1].fill(0xEE);
        }
        let what = format!("bytes {header:?} before {damaged:?}");
        let (frames, warning) = read_both_ways(file, &what);
        let warning = warning.unwrap_or_else(|| panic!("{what}: not a word"));
        assert!(warning.contains("lost"), "{what}: {warning}");
        assert!(frames.len() >= 10, "{what}: {} frames", frames.len());
        assert_true(&frames, &all, &what);
        if damaged.iter().all(|&i| i < 15) {
            assert_eq!(frames.last().unwrap().id, N_FRAMES as u64 - 1, "{what}");
        }
    }
}

/// Asserts that each of `frames` has the time and the pixels of the frame of `all` with its number.
fn assert_true(frames: &[Frame], all: &[Frame], what: &str) {
    for frame in frames {
        let true_one = &all[frame.id as usize];
        let shift = (frame.time_secs - true_one.time_secs).abs();
        assert!(shift < 1e-9, "{what}: frame {} by {shift}", frame.id);
        assert!(
            frame.rgba() == true_one.rgba(),
            "{what}: frame {}",
            frame.id
        );
    }
}

/// Fails when a fragment of an MP4 file that cannot be read is not reported, makes later ones
/// unreadable or changes their numbers or times, in either way of reading.
#[test]
fn a_broken_fragment_is_passed() {
    let whole = bytes("groups_fragmented.mp4");
    let all = all_frames(&mut open_native(whole.clone()));
    assert_eq!(all.len(), N_FRAMES);
    let kinds = whole
        .windows(4)
        .enumerate()
        .filter(|(_, kind)| kind == b"moof");
    let fragments: Vec<_> = kinds.map(|(i, _)| i).collect();
    assert_eq!(fragments.len(), 4);
    // The kind of the box, its length, both with the kind of the box inside.
    for (from, to) in [(0, 4), (-4, 0), (-4, 12)] {
        for (i, fragment) in fragments.iter().enumerate().skip(1).take(2) {
            let mut file = whole.clone();
            let at = |shift: i64| (*fragment as i64 + shift) as usize;
            file[at(from)..at(to)].fill(0xEE);
            let what = format!("{from} to {to} of fragment {i}");
            let (frames, warning) = read_both_ways(file, &what);
            let warning = warning.unwrap_or_else(|| panic!("{what}: not a word"));
            assert!(warning.contains("5 frames are lost"), "{what}: {warning}");
            assert_eq!(frames.len(), 15, "{what}");
            assert_true(&frames, &all, &what);
        }
    }
}

/// Returns the position of the body of a leaf box.
fn body_of(file: &[u8], kind: &str) -> usize {
    file.windows(4).position(|w| w == kind.as_bytes()).unwrap() + 4
}

/// Fails when tables of an MP4 file that disagree cost frames or go unnoticed, frames that tables
/// list and the file lacks are not counted, or bytes after a complete file are taken for damage.
#[test]
fn the_tables_of_a_plain_file_declare_its_frames() {
    let whole = bytes("groups.mp4");
    let all = all_frames(&mut open_native(whole.clone()));
    let mut tail = whole.clone();
    tail.extend([0; 500]);
    let (frames, warning) = read_both_ways(tail, "zeros behind");
    assert_eq!((frames.len(), warning), (N_FRAMES, None));

    let times = body_of(&whole, "stts") + 8;
    for count in [[0xA5; 4], 7_u32.to_be_bytes()] {
        let mut file = whole.clone();
        file[times..times + 4].copy_from_slice(&count);
        let mut video = open_native(file);
        let frames = all_frames(&mut video);
        assert!(video.is_damaged());
        assert!(
            video
                .warning()
                .unwrap()
                .contains("20 frames but the times of")
        );
        assert_eq!(frames.len(), N_FRAMES);
        for (a, b) in frames.iter().zip(&all) {
            assert!((a.time_secs - b.time_secs).abs() < 0.01, "frame {}", a.id);
        }
    }

    let mut file = whole.clone();
    let offsets = body_of(&file, "stco") + 8;
    file[offsets..].iter_mut().take(4).for_each(|b| *b = 0xA5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offsets.mp4");
    std::fs::write(&path, file).unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("outside of the file"), "{error}");
}

/// Fails when frames that a container declares and a cut file lacks are not counted as damage, or a
/// recording that was cut before its length was known is taken for damaged.
#[test]
fn a_cut_is_damage_where_the_container_declares_more_frames() {
    let whole = bytes("groups.mkv");
    let cut = packet_places(&whole, "groups.mkv")[12].start;
    let duration = whole.windows(3).position(|w| w == b"\x44\x89\x88").unwrap();
    for is_declared in [true, false] {
        let mut file = whole[..cut].to_vec();
        if !is_declared {
            // A void element, as in a file that is being recorded.
            file[duration..duration + 3].copy_from_slice(b"\xEC\x40\x08");
        }
        let mut video = open_native(file);
        let frames = all_frames(&mut video);
        let warning = video.warning().unwrap();
        assert!(warning.contains("ends after"), "{warning}");
        assert_eq!(video.is_damaged(), is_declared, "{warning}");
        assert_eq!(warning.contains("missing"), is_declared, "{warning}");
        assert!(!frames.is_empty() && frames.len() <= 12);
    }
}

/// Returns the frames as (number, tenths of a second) from a stand-in for ffmpeg that reports
/// frames of 10 per second at these ticks, with an error before the one at `broken`: sequentially
/// and by random access.
#[cfg(unix)]
fn through_ffmpeg(ticks: &[i64], broken: Option<i64>) -> [Vec<(u64, i64)>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let head = "#!/bin/sh
head='[Parsed_showinfo_0 @ 0x1] [info]'
echo \"$head config in time_base: 1/10, frame_rate: 10/1\" >&2
";
    let lines = ticks.iter().map(|tick| {
        let is_broken = Some(*tick) == broken;
        let error = if is_broken {
            "echo '[error] a packet is broken' >&2"
        } else {
            ""
        };
        format!("{error}\necho \"$head n:0 pts:{tick} s:1x1 i:P\" >&2\nprintf abcd\n")
    });
    let script = std::iter::once(head.to_owned())
        .chain(lines)
        .collect::<String>();
    let program = super::tests::scripted_ffmpeg(folder.path(), &script);
    let (ffmpeg, path) = (Ffmpeg::at(&program), Path::new("a.avi"));
    let shown = |frame: &Frame| (frame.id, (frame.time_secs * 10.0).round() as i64);

    let mut video = FfmpegVideo::open(&ffmpeg, path, "test").unwrap();
    let frames: Vec<_> = all_frames(&mut video).iter().map(shown).collect();
    assert_eq!(video.is_damaged(), broken.is_some());
    let n_lost = frames.last().unwrap().0 as usize + 1 - frames.len();
    let says_lost = video.warning().is_some_and(|w| w.contains("lost"));
    assert_eq!(says_lost, n_lost > 0, "{:?}", video.warning());

    let options = OpenOptions::default();
    let mut video = FfmpegRandom::open(&ffmpeg, path, "test", &options).unwrap();
    let n = video.times().len();
    let mut sought = Vec::new();
    for i in (0..n).rev() {
        let mut keep = |_: usize, frame: Frame| sought.push(shown(&frame));
        video.decode(i, i, &mut keep).unwrap();
    }
    sought.reverse();
    [frames, sought]
}

/// Fails when frames after damage that ffmpeg reports get the numbers of lost frames, or frames are
/// taken for lost where the rate varies or nothing is damaged.
#[cfg(unix)]
#[test]
fn frames_after_damage_in_ffmpeg_keep_their_numbers() {
    for (ticks, broken, numbers) in [
        (&[5, 6, 7, 10, 11][..], Some(10), &[0, 1, 2, 5, 6][..]),
        (&[5, 6, 7, 10, 11], None, &[0, 1, 2, 3, 4]),
        (&[5, 7, 8, 12, 13], Some(12), &[0, 1, 2, 3, 4]),
        (&[5, 6, 7, 8], Some(7), &[0, 1, 2, 3]),
    ] {
        let wanted: Vec<_> = numbers
            .iter()
            .zip(ticks)
            .map(|(n, t)| (*n, t - 5))
            .collect();
        let [read, sought] = through_ffmpeg(ticks, broken);
        assert_eq!(read, wanted, "{ticks:?}");
        assert_eq!(sought, wanted, "{ticks:?}");
    }
}

/// Fails when frames lost at the start of a file, or to a damage that ffmpeg only warns of, shift the
/// numbers or times of the frames that are left, or are not counted.
#[cfg(unix)]
#[test]
fn frames_lost_at_the_start_or_to_a_warning_are_counted() {
    let info = "[Parsed_showinfo_0 @ 0x1] [info]";
    let error = "[h264 @ 0x1] [error] a packet is broken";
    let corrupt = "[mpegts @ 0x1] [warning] Packet corrupt (stream = 0, dts = 8).";
    // Format, start, time stamps in tenths of a second, message, numbers of the frames.
    for (format, start, ticks, message, numbers) in [
        ("avi", "0.0", &[5, 6][..], error, &[5, 6][..]),
        ("matroska,webm", "0.5", &[0, 1], error, &[5, 6]),
        ("mov,mp4,m4a", "0.2", &[0, 1], error, &[0, 1]),
        ("mpegts", "1.4", &[0, 1], error, &[0, 1]),
        ("mpegts", "1.4", &[0, 1, 4, 5], corrupt, &[0, 1, 4, 5]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let head = format!(
            "#!/bin/sh\necho '{message}' >&2\necho \"[info] Input #0, {format}, from 'a':\" >&2\n\
             echo '[info]   Duration: 00:00:02.00, start: {start}, bitrate: 1 kb/s' >&2\n\
             echo '{info} config in time_base: 1/10, frame_rate: 10/1' >&2\n"
        );
        let frames = ticks
            .iter()
            .map(|tick| format!("echo '{info} n:0 pts:{tick} s:1x1 i:P' >&2\nprintf abcd\n"));
        let script: String = std::iter::once(head).chain(frames).collect();
        let program = super::tests::scripted_ffmpeg(folder.path(), &script);
        let path = Path::new("a");
        let mut video = FfmpegVideo::open(&Ffmpeg::at(&program), path, "test").unwrap();
        let frames = all_frames(&mut video);
        let ids: Vec<_> = frames.iter().map(|frame| frame.id).collect();
        assert_eq!(ids, numbers, "{format}");
        for frame in &frames {
            let shift = frame.time_secs - frame.id as f64 / 10.0;
            assert!(
                shift.abs() < 1e-6,
                "{format}: frame {} by {shift}",
                frame.id
            );
        }
        let warning = video.warning().unwrap();
        let n_lost = ids[ids.len() - 1] + 1 - ids.len() as u64;
        assert!(video.is_damaged(), "{format}");
        assert_eq!(warning.contains("lost"), n_lost > 0, "{warning}");
        assert!(!warning.contains("about 0 frames"), "{warning}");
    }
}

/// Fails when frames that ffmpeg cannot decode shift the numbers or times of later ones.
#[test]
fn frames_after_one_that_ffmpeg_cannot_decode_keep_their_numbers() {
    if !has_ffmpeg() {
        return;
    }
    let mut file = bytes("mjpeg.avi");
    let begins = |window: &[u8]| window == b"\xFF\xD8\xFF";
    let pictures = file.windows(3).enumerate().filter(|(_, w)| begins(w));
    let pictures: Vec<_> = pictures.map(|(i, _)| i).collect();
    assert_eq!(pictures.len(), 5);
    // Up to the header of the next chunk.
    for i in [1, 2] {
        file[pictures[i]..pictures[i + 1] - 8].fill(0);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.avi");
    std::fs::write(&path, file).unwrap();
    let mut video = open(&path).unwrap();
    let frames = all_frames(video.as_mut());
    let warning = video.warning().unwrap();
    assert!(video.is_damaged() && warning.contains("lost"), "{warning}");
    let ids: Vec<_> = frames.iter().map(|frame| frame.id).collect();
    assert_eq!(ids, [0, 3, 4], "{warning}");
    for frame in &frames {
        let shift = frame.time_secs - frame.id as f64 / 10.0;
        assert!(shift.abs() < 1e-6, "frame {} by {shift}", frame.id);
    }
    let mut scrub = scrub_as(&path, "test", &OpenOptions::default()).unwrap();
    let mut sought = Vec::new();
    for i in 0..scrub.times().len() {
        let mut keep = |_: usize, frame: Frame| sought.push(frame.id);
        scrub.decode(i, i, &mut keep).unwrap();
    }
    assert_eq!(sought, ids);
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

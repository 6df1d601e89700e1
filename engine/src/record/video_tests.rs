//! Videos are read back with another program's demuxer (re_mp4) and openh264's decoder.

use std::path::Path;

use crossbeam::channel::bounded;
use openh264::decoder::{Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;
use proptest::prelude::*;

use super::fmp4::TICKS_PER_SEC;
use super::test_disk::Disk;
use super::{Backpressure, Closing, Offered, Recorder, VideoWriter};
use crate::error::{Error, Result};
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;

const SIZE: Size = Size::new(64, 48);

/// Returns a smooth frame with a bright bar whose position encodes the frame's number.
fn picture(size: Size, number: usize) -> Vec<u8> {
    let bar = 3 * number % size.width;
    let pixel = |i: usize| {
        let (x, y) = (i % size.width, i / size.width);
        if (x + size.width - bar) % size.width < 6 {
            [240, 240, 240, 255]
        } else {
            [(x * 2) as u8, (y * 2) as u8, 60, 255]
        }
    };
    (0..size.area()).flat_map(pixel).collect()
}

/// A file read back.
struct Video {
    /// Start and duration of each frame in ticks.
    times: Vec<(u64, u64)>,
    keys: Vec<usize>,
    size: Size,
    /// RGBA of each frame.
    pictures: Vec<Vec<u8>>,
    /// Duration in the header in ticks.
    header_ticks: u64,
}

fn read(bytes: &[u8]) -> Video {
    let mp4 = re_mp4::Mp4::read_bytes(bytes).unwrap();
    let track = &mp4.tracks()[&1];
    let config = track.raw_codec_config(&mp4).unwrap();
    let mut decoder = Decoder::with_api_config(
        openh264::OpenH264API::from_source(),
        DecoderConfig::new().flush_after_decode(Flush::NoFlush),
    )
    .unwrap();
    // avcC: 6 bytes, then the parameter sets, each preceded by its length as 2 bytes.
    let sps_len = usize::from(u16::from_be_bytes([config[6], config[7]]));
    let (sps, pps) = (&config[8..8 + sps_len], &config[8 + sps_len + 3..]);
    let mut pictures = Vec::new();
    let mut keep = |yuv: openh264::decoder::DecodedYUV<'_>| {
        let mut rgba = vec![0; yuv.dimensions().0 * yuv.dimensions().1 * 4];
        yuv.write_rgba8(&mut rgba);
        pictures.push(rgba);
    };
    for sample in &track.samples {
        let mut stream = Vec::new();
        if sample.is_sync {
            for set in [sps, pps] {
                stream.extend_from_slice(&[0, 0, 0, 1]);
                stream.extend_from_slice(set);
            }
        }
        let mut data = &bytes[sample.offset as usize..][..sample.size as usize];
        while let [a, b, c, d, rest @ ..] = data {
            let (nal, after) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            stream.extend_from_slice(&[0, 0, 0, 1]);
            stream.extend_from_slice(nal);
            data = after;
        }
        if let Some(yuv) = decoder.decode(&stream).unwrap() {
            keep(yuv);
        }
    }
    decoder
        .flush_remaining()
        .unwrap()
        .into_iter()
        .for_each(keep);
    let samples = || track.samples.iter();
    Video {
        times: samples()
            .map(|s| (s.composition_timestamp as u64, s.duration))
            .collect(),
        keys: (0..)
            .zip(samples())
            .filter(|(_, s)| s.is_sync)
            .map(|(i, _)| i)
            .collect(),
        size: Size::new(track.width.into(), track.height.into()),
        pictures,
        header_ticks: mp4.moov.mvhd.duration,
    }
}

fn mean_error(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

/// Records frames at `times` to a file and returns its bytes.
fn record(size: Size, times: &[f64]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let mut writer = VideoWriter::create(&path, size, 30.0).unwrap();
    for (i, &time) in times.iter().enumerate() {
        writer.push(&picture(size, i), time).unwrap();
    }
    let summary = writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(summary.frames, times.len() as u64);
    assert_eq!(summary.bytes, bytes.len() as u64);
    bytes
}

fn constant_rate(n: usize) -> Vec<f64> {
    (0..n).map(|i| i as f64 / 30.0).collect()
}

/// Fails when frames are lost, swapped, blurred or shifted in time, or seeking is impossible.
#[test]
fn a_recording_gives_its_pictures_and_times_back() {
    let video = read(&record(SIZE, &constant_rate(90)));
    assert_eq!((video.size, video.pictures.len()), (SIZE, 90));
    for (i, decoded) in video.pictures.iter().enumerate() {
        assert_eq!(video.times[i], (3000 * i as u64, 3000));
        let error = mean_error(decoded, &picture(SIZE, i));
        assert!(error < 3.0, "frame {i}: mean error {error}");
    }
    assert_eq!(video.header_ticks, 90 * 3000);
    assert!(
        video.keys.contains(&0) && video.keys.contains(&60),
        "{:?}",
        video.keys
    );
}

/// Fails when 4:2:0 cuts off the last row and column, or skews the frame.
#[test]
fn odd_pictures_grow_by_a_repeated_row_and_column() {
    let odd = Size::new(33, 27);
    let video = read(&record(odd, &constant_rate(3)));
    assert_eq!(video.size, Size::new(34, 28));
    let grown: Vec<u8> = (0..28)
        .flat_map(|y| (0..34).map(move |x| y.min(26) * 33 + x.min(32)))
        .flat_map(|i| picture(odd, 2)[i * 4..][..4].to_vec())
        .collect();
    let error = mean_error(&video.pictures[2], &grown);
    assert!(error < 4.0, "mean error {error}");
}

/// Fails when a recording of one frame or none is not a valid video or has no duration.
#[test]
fn the_shortest_recordings_are_files_too() {
    let one = read(&record(SIZE, &[7.5]));
    assert_eq!((one.times, one.pictures.len()), (vec![(0, 3000)], 1));
    assert_eq!(read(&record(SIZE, &[])).header_ticks, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Fails when a variable frame rate is played at another speed.
    #[test]
    fn durations_are_the_steps_between_time_stamps(
        start in 0.0..1e4, steps in prop::collection::vec(1u32..200_000, 1..12),
    ) {
        let size = Size::new(16, 16);
        let mut ticks = vec![0];
        ticks.extend(steps.iter().scan(0, |t, &s| { *t += u64::from(s); Some(*t) }));
        let times: Vec<f64> =
            ticks.iter().map(|&t| start + t as f64 / TICKS_PER_SEC as f64).collect();
        let video = read(&record(size, &times));
        let last = *steps.last().unwrap();
        let expected: Vec<(u64, u64)> =
            ticks.iter().copied().zip(steps.iter().chain([&last]).map(|&s| u64::from(s))).collect();
        prop_assert_eq!(video.header_ticks, expected.iter().map(|e| e.1).sum::<u64>());
        prop_assert_eq!(video.pictures.len(), expected.len());
        prop_assert_eq!(video.times, expected);
    }
}

/// Returns the length of the complete boxes at the start of `bytes`; the two boxes of a fragment
/// count as one.
fn whole_boxes(bytes: &[u8]) -> usize {
    let (mut at, mut whole) = (0, 0);
    while let Some([a, b, c, d, kind @ ..]) = bytes.get(at..at + 8) {
        at += u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if at <= bytes.len() && kind != b"moof" {
            whole = at;
        }
    }
    whole
}

/// Fails when a killed process leaves an unreadable file or loses more than the last second.
#[test]
fn a_file_plays_at_every_moment_of_its_making() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.mp4");
    let mut writer = VideoWriter::create(&path, SIZE, 30.0).unwrap();
    for (i, time) in constant_rate(200).into_iter().enumerate() {
        writer.push(&picture(SIZE, i), time).unwrap();
        if i % 23 == 0 || i == 199 {
            let video = read(&std::fs::read(&path).unwrap());
            assert!(video.times.len() + 31 >= i, "{} of {i}", video.times.len());
            assert_eq!(video.pictures.len(), video.times.len());
        }
    }
    // As the kernel may leave it when the machine stops: truncated anywhere.
    let bytes = std::fs::read(&path).unwrap();
    let all = read(&bytes);
    let header = whole_boxes(&bytes[..1200]);
    let mut seen = Vec::new();
    for cut in (header..bytes.len()).step_by(bytes.len() / 40) {
        let video = read(&bytes[..whole_boxes(&bytes[..cut])]);
        let n = video.times.len();
        assert_eq!(video.times, all.times[..n]);
        assert_eq!(video.pictures, all.pictures[..n]);
        seen.push(n);
    }
    assert!(
        seen.is_sorted() && seen.contains(&0) && seen.iter().any(|&n| n > 100),
        "{seen:?}"
    );
}

/// Fails when dropping a writer, as in a panic, leaves a file without its end.
#[test]
fn a_dropped_writer_finishes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dropped.mp4");
    let mut writer = VideoWriter::create(&path, SIZE, 10.0).unwrap();
    for i in 0..5 {
        writer.push(&picture(SIZE, i), i as f64 / 10.0).unwrap();
    }
    drop(writer);
    let video = read(&std::fs::read(&path).unwrap());
    assert_eq!((video.pictures.len(), video.header_ticks), (5, 45_000));
}

/// Fails when an impossible recording is only detected after work was done, or destroys an old one.
#[test]
fn impossible_recordings_are_refused_at_create() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/folder/a.mp4");
    let error = VideoWriter::create(&missing, SIZE, 30.0).err().unwrap();
    assert!(
        matches!(&error, Error::Io { .. }) && error.to_string().contains("such"),
        "{error}"
    );

    let old = folder.path().join("old.mp4");
    std::fs::write(&old, "precious").unwrap();
    for (size, rate) in [(Size::new(8, 8), 30.0), (SIZE, 0.0), (SIZE, f64::NAN)] {
        let error = VideoWriter::create(&old, size, rate).err().unwrap();
        assert!(matches!(error, Error::Record { .. }), "{error}");
    }
    // Nor does one that ends before its first frame.
    drop(VideoWriter::create(&old, SIZE, 30.0).unwrap());
    let mut writer = VideoWriter::create(&old, SIZE, 30.0).unwrap();
    writer.push(&picture(SIZE, 0), 0.0).unwrap();
    assert_eq!(std::fs::read(&old).unwrap(), b"precious");
    writer.finish().unwrap();
    assert_eq!(read(&std::fs::read(&old).unwrap()).pictures.len(), 1);
}

/// Fails when a camera that changes its frame size damages the recording.
#[test]
fn a_change_of_size_is_an_error_and_keeps_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let mut writer = VideoWriter::create(&path, SIZE, 30.0).unwrap();
    writer.push(&picture(SIZE, 0), 0.0).unwrap();
    let error = writer
        .push(&picture(Size::new(32, 32), 1), 0.1)
        .unwrap_err();
    assert!(error.to_string().contains("size changed"), "{error}");
    writer.push(&picture(SIZE, 1), 0.1).unwrap();
    assert_eq!(writer.finish().unwrap().frames, 2);
}

impl Disk {
    pub(super) fn writer(&self) -> VideoWriter {
        let disk = self.clone();
        VideoWriter::with_sink(
            Path::new("disk.mp4"),
            SIZE,
            30.0,
            (crate::sound::Sound::default(), 0.0),
            |_| Ok(Box::new(disk)),
        )
        .unwrap()
    }

    fn read(&self) -> Video {
        read(self.bytes.lock().unwrap().get_ref())
    }
}

/// Fails when a full disk destroys the part of the recording that did fit, including when only the
/// rest or the key frame table does not fit, or a file without frames stays or is called playable.
#[test]
fn a_full_disk_keeps_what_fits() {
    let mut most = 0;
    for room in (1_000..9_000).step_by(333) {
        let disk = Disk {
            room,
            ..Disk::default()
        };
        let mut writer = disk.writer();
        let pushed: Result<Vec<()>> = (0..100)
            .map(|i| writer.push(&picture(SIZE, i), i as f64 / 30.0))
            .collect();
        let error = match pushed {
            Err(error) => {
                assert!(writer.push(&picture(SIZE, 0), 30.0).is_err());
                writer.finish().unwrap();
                error
            }
            Ok(_) => match writer.finish() {
                Err(error) => error,
                Ok(_) => break,
            },
        };
        let error = error.to_string();
        let is_empty = disk.bytes.lock().unwrap().get_ref().is_empty();
        assert!(error.contains("disk.mp4"), "{error}");
        assert!(!is_empty || most == 0);
        assert_eq!(error.contains("no frame was written"), is_empty, "{error}");
        assert_eq!(error.contains("stays playable"), !is_empty, "{error}");
        if is_empty {
            continue;
        }
        let video = disk.read();
        assert!(video.times.len() >= most);
        most = video.times.len();
        assert_eq!(video.pictures.len(), most);
        assert_eq!(video.header_ticks, 3000 * most as u64);
    }
    assert!(most >= 60, "{most}");
}

fn frame(number: usize, time_secs: f64) -> Frame {
    let pixels = Pixels::unpooled(picture(SIZE, number));
    Frame::new(number as u64, time_secs, SIZE, pixels)
}

/// Fails when frames of a file are dropped, or the summary is wrong.
#[test]
fn a_blocking_recorder_keeps_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let mut recorder = Recorder::start(&path, SIZE, 30.0, Backpressure::Block).unwrap();
    for i in 0..150 {
        assert_eq!(recorder.offer(frame(i, i as f64 / 30.0)), Offered::Queued);
    }
    let summary = recorder.finish(Closing::default()).unwrap();
    assert_eq!(
        (summary.frames, summary.dropped, summary.duration_secs),
        (150, 0, 5.0)
    );
    assert_eq!(summary.encode_millis.len(), 150);
    assert_eq!(read(&std::fs::read(&path).unwrap()).pictures.len(), 150);
}

/// Fails when a slow disk blocks the live view, or drops are not counted.
#[test]
fn a_slow_disk_drops_frames_and_counts_them() {
    let (open, gate) = bounded(0);
    let disk = Disk {
        gate: Some(gate),
        ..Disk::default()
    };
    let mut recorder = Recorder::with_writer(
        Path::new("disk.mp4"),
        disk.writer(),
        SIZE,
        Backpressure::DropNewest,
    )
    .unwrap();
    // Every frame ends a fragment, so the second one already waits for the disk.
    let offered: Vec<Offered> = (0..80)
        .map(|i| recorder.offer(frame(i, 2.0 * i as f64)))
        .collect();
    let dropped = offered.iter().filter(|&&o| o == Offered::Dropped).count() as u64;
    assert!((14..=16).contains(&dropped), "{dropped}");
    assert_eq!(recorder.dropped(), dropped);
    drop(open);
    let summary = recorder.finish(Closing::default()).unwrap();
    assert_eq!((summary.frames + dropped, summary.dropped), (80, dropped));
    assert_eq!(disk.read().pictures.len() as u64, summary.frames);
}

/// Offers frames until the recorder reports a failure; the reason must be available then.
fn offer_until_failed(recorder: &mut Recorder, mut next: impl FnMut(usize) -> Frame) -> String {
    for i in 0..10_000 {
        if recorder.offer(next(i)) == Offered::Failed {
            return recorder.failure().to_string();
        }
    }
    panic!("no failure was reported");
}

/// Fails when a failing recording continues silently, or its message names the file twice.
#[test]
fn a_failure_is_reported_to_who_offers() {
    for backpressure in [Backpressure::Block, Backpressure::DropNewest] {
        let disk = Disk {
            room: 20_000,
            ..Disk::default()
        };
        let path = Path::new("disk.mp4");
        let mut recorder = Recorder::with_writer(path, disk.writer(), SIZE, backpressure).unwrap();
        let reason = offer_until_failed(&mut recorder, |i| frame(i, i as f64 / 30.0));
        assert_eq!(reason.matches("disk.mp4").count(), 1, "{reason}");
        assert_eq!(
            recorder.finish(Closing::default()).unwrap_err().to_string(),
            reason
        );
    }
}

/// Fails when a frame of another size ends a recording, or is distorted, cut or omitted.
#[test]
fn frames_of_other_sizes_are_fitted_into_the_first_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let mut recorder = Recorder::start(&path, SIZE, 10.0, Backpressure::Block).unwrap();
    let sizes = [SIZE, Size::new(16, 48), Size::new(640, 20), Size::new(2, 2)];
    for (i, size) in sizes.into_iter().enumerate() {
        let white = Pixels::unpooled(vec![255; size.area() * 4]);
        let frame = Frame::new(i as u64, i as f64 / 10.0, size, white);
        assert_eq!(recorder.offer(frame), Offered::Queued);
    }
    assert_eq!(recorder.finish(Closing::default()).unwrap().frames, 4);
    let video = read(&std::fs::read(&path).unwrap());
    // The white fraction of each frame: all, 16x48 of 64x48, 64x2 of 64x48, 48x48.
    let shares = video.pictures.iter().map(|picture| {
        let n_white = picture.chunks(4).filter(|p| p[0] > 128).count();
        n_white as f64 / SIZE.area() as f64
    });
    for (share, expected) in shares.zip([1.0, 0.25, 2.0 / 48.0, 0.75]) {
        assert!((share - expected).abs() < 0.02, "{share} for {expected}");
    }
}

/// Fails when a panic in the recording thread leaves an unreadable file.
#[test]
fn a_panic_leaves_a_closed_file() {
    let disk = Disk {
        broken: Some(3),
        ..Disk::default()
    };
    let mut recorder = Recorder::with_writer(
        Path::new("disk.mp4"),
        disk.writer(),
        SIZE,
        Backpressure::Block,
    )
    .unwrap();
    let reason = offer_until_failed(&mut recorder, |i| frame(i, i as f64));
    assert!(reason.contains("broken disk"), "{reason}");
    drop(recorder);
    let video = disk.read();
    assert_eq!((video.pictures.len(), video.header_ticks), (2, 180_000));
}

/// Fails when closing the window waits for the queue or leaves an unfinished file.
#[test]
fn a_dropped_recorder_closes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let mut recorder = Recorder::start(&path, SIZE, 30.0, Backpressure::Block).unwrap();
    for i in 0..100 {
        assert_eq!(recorder.offer(frame(i, i as f64 / 30.0)), Offered::Queued);
    }
    drop(recorder);
    let video = read(&std::fs::read(&path).unwrap());
    assert!(video.pictures.len() >= 36, "{}", video.pictures.len());
    assert_eq!(video.header_ticks, 3000 * video.times.len() as u64);
}

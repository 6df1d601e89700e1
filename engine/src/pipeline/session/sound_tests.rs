//! Sound of recorded files, read back by our own reader.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tests::model_record;
use super::{FilePlan, FileRecording, SessionPlan, SessionTap};
use crate::pipeline::Look;
use crate::record::{Backpressure, VideoWriter};
use crate::sound::{Sound, SoundEnd, SoundPacket};
use crate::source::{OpenOptions, SourceSpec, video};
use crate::test_golden;
use crate::test_wait::wait_for;

fn golden(name: &str) -> PathBuf {
    test_golden::path(&format!("sound/{name}"))
}

/// Returns the packets of each track with their times in seconds.
fn tracks(sound: Sound) -> Vec<Vec<(f64, SoundPacket)>> {
    let tracks = sound.tracks.into_iter().map(|mut track| {
        let rate = f64::from(track.format.timescale);
        let next = || track.packets.next_packet().unwrap();
        let packets = std::iter::from_fn(next);
        packets.map(|p| (p.tick as f64 / rate, p)).collect()
    });
    tracks.collect()
}

/// Records a file whole, without a model.
fn record(file: &Path, folder: &Path) -> super::FileOutcome {
    let spec = SourceSpec::parse(file.to_str().unwrap()).unwrap();
    let plan = SessionPlan {
        folder: folder.to_owned(),
        source_spec: file.display().to_string(),
        model: Some(model_record()),
        backpressure: Backpressure::Block,
        exports: Vec::new(),
        file: Some(spec.clone()),
    };
    let plan = FilePlan {
        open: Arc::new(move || spec.open(&OpenOptions::default())),
        make_infer: None,
        look: Look::default(),
        make_tap: Box::new(move |first| Ok(Box::new(SessionTap::create(plan, first)?))),
    };
    let work = FileRecording::start(plan, Arc::new(|| {})).unwrap();
    wait_for(|| work.try_outcome()).unwrap()
}

/// Fails when a recording lacks sound packets, changes them, or shifts them against the video by
/// more than 1.5 ms, including priming, delay and an early start.
#[test]
fn recordings_of_files_have_their_sound() {
    for name in [
        "first_aac.mp4",
        "delayed_aac.mp4",
        "early_opus.mkv",
        "mp3_vorbis.mkv",
    ] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("s");
        let outcome = record(&golden(name), &folder);
        assert_eq!(
            outcome.warning.is_some(),
            name == "mp3_vorbis.mkv",
            "{name}"
        );
        let source = tracks(video::sound(&golden(name)));
        for file in ["raw.mp4", "annotated.mp4"] {
            let copied = tracks(video::sound(&folder.join(file)));
            assert_eq!(copied.len(), source.len(), "{name} {file}");
            for (copied, source) in copied.iter().zip(&source) {
                assert_eq!(copied.len(), source.len(), "{name} {file}");
                for ((secs, copy), (expected, packet)) in copied.iter().zip(source) {
                    assert_eq!(copy.data, packet.data, "{name} {file}");
                    assert!(
                        (secs - expected).abs() < 0.0015,
                        "{name} {file}: {secs} {expected}"
                    );
                }
            }
        }
    }
}

/// Fails when a part of a file has other sound than is heard with its frames, or the rest of the
/// file's sound is copied after an early end.
#[test]
fn a_part_has_the_sound_of_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.mp4");
    let file = golden("first_aac.mp4");
    let mut source = video::open(&file).unwrap();
    let mut writer = None;
    while let Some(frame) = source.next_frame().unwrap() {
        if (0.35..0.75).contains(&frame.time_secs) {
            let start = || {
                let sound = video::sound(&file);
                VideoWriter::with_sound(&path, frame.size(), 10.0, sound, frame.time_secs).unwrap()
            };
            let writer = writer.get_or_insert_with(start);
            writer.push(frame.rgba(), frame.time_secs).unwrap();
        }
    }
    writer.unwrap().finish_at(SoundEnd::WithVideo).unwrap();
    let source = &tracks(video::sound(&file))[0];
    let part = &tracks(video::sound(&path))[0];
    // Frames from 0.4 to 0.8 s; packets of 64 ms that start at multiples of it.
    let expected: Vec<_> = source
        .iter()
        .filter(|(s, _)| (0.337..0.8).contains(s))
        .collect();
    assert_eq!(part.len(), expected.len());
    for ((secs, copy), (source_secs, packet)) in part.iter().zip(expected) {
        assert_eq!(copy.data, packet.data);
        assert!(
            (secs + 0.4 - source_secs).abs() < 0.0015,
            "{secs} {source_secs}"
        );
    }
}

/// Fails when truncating a recording at any place loses sound before that place, or the video with
/// it.
#[test]
fn a_cut_recording_keeps_sound_and_pictures_before_the_cut() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("s");
    record(&golden("first_aac.mp4"), &folder);
    let whole = std::fs::read(folder.join("raw.mp4")).unwrap();
    let all = tracks(video::sound(&folder.join("raw.mp4"))).remove(0);
    let cut_file = parent.path().join("cut.mp4");
    let mut lengths = Vec::new();
    for cut in (whole.len() / 10..whole.len()).step_by(whole.len() / 40) {
        std::fs::write(&cut_file, &whole[..cut]).unwrap();
        let bytes: Arc<[u8]> = whole[..cut].into();
        let Ok(mut sound) = video::sound_bytes(&bytes, "cut") else {
            continue;
        };
        // The header itself is cut.
        let Some(track) = sound.tracks.first_mut() else {
            continue;
        };
        let packets = &mut track.packets;
        let mut n = 0;
        while let Ok(Some(packet)) = packets.next_packet() {
            assert_eq!(packet.data, all[n].1.data, "cut at {cut}");
            n += 1;
        }
        lengths.push(n);
    }
    assert!(
        lengths.is_sorted() && lengths.last() == Some(&all.len()),
        "{lengths:?}"
    );
}

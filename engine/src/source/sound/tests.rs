//! Small files in `tests/golden/sound`; the expected values are those of ffprobe.

use std::sync::Arc;

use super::open_bytes;
use crate::sound::{Sound, SoundPacket, SoundPackets, SoundTrack};
use crate::test_golden;

fn sound(name: &str) -> Sound {
    super::open(&test_golden::path(&format!("sound/{name}")), name)
}

fn packets(track: &mut SoundTrack) -> Vec<SoundPacket> {
    std::iter::from_fn(|| track.packets.next_packet().unwrap()).collect()
}

/// Codec, ticks per second, number of packets, sizes of the first three, seconds from the first
/// frame to the first packet and to the first audible one.
type Expected = (&'static str, u32, usize, [usize; 3], f64, f64);

fn assert_track(name: &str, track: &mut SoundTrack, expected: Expected) {
    let (codec, rate, n, sizes, begin, heard) = expected;
    let format = track.format.clone();
    assert_eq!(&format.sample_entry[4..8], codec.as_bytes(), "{name}");
    assert_eq!(format.timescale, rate, "{name}");
    let packets = packets(track);
    assert_eq!(packets.len(), n, "{name}");
    let first: Vec<_> = packets.iter().take(3).map(|p| p.data.len()).collect();
    assert_eq!(first, sizes, "{name}");
    let secs = |tick: i64| tick as f64 / f64::from(rate);
    let close = |a: f64, b: f64| (a - b).abs() < 0.0015;
    assert!(
        close(secs(packets[0].tick), begin),
        "{name}: {}",
        secs(packets[0].tick)
    );
    assert!(
        close(secs(format.heard.0), heard),
        "{name}: {}",
        secs(format.heard.0)
    );
    for pair in packets.windows(2) {
        assert_eq!(
            pair[0].tick + i64::from(pair[0].duration),
            pair[1].tick,
            "{name}"
        );
    }
}

/// Fails when a container's packets, its edit list or its delays are misread.
#[test]
fn tracks_are_found_with_their_times() {
    let cases: [(&str, Expected); 3] = [
        (
            "first_aac.mp4",
            ("mp4a", 16_000, 20, [191, 176, 164], -0.064, 0.0),
        ),
        (
            "delayed_aac.mp4",
            ("mp4a", 16_000, 20, [191, 176, 164], 0.436, 0.436),
        ),
        // Audible 0.3 s before the first frame.
        (
            "early_opus.mkv",
            ("Opus", 48_000, 61, [52, 41, 50], -0.309, -0.307),
        ),
    ];
    for (name, expected) in cases {
        let mut sound = sound(name);
        assert!(sound.left_out.is_empty(), "{name}: {:?}", sound.left_out);
        assert_eq!(sound.tracks.len(), 1, "{name}");
        assert_track(name, &mut sound.tracks[0], expected);
    }
    assert_eq!(sound("first_aac.mp4").tracks[0].format.language, "deu");
}

/// Fails when a codec that MP4 cannot hold prevents copying another track, or is left out silently.
#[test]
fn what_cannot_be_copied_is_told() {
    let mut sound = sound("mp3_vorbis.mkv");
    let expected = ("mp4a", 16_000, 36, [72; 3], -0.069, -0.069);
    assert_track("mp3", &mut sound.tracks[0], expected);
    assert_eq!(sound.tracks.len(), 1);
    let [line] = sound.left_out.as_slice() else {
        panic!("{:?}", sound.left_out);
    };
    assert!(
        line.starts_with("mp3_vorbis.mkv: audio track 2 (Vorbis) is not recorded: "),
        "{line}"
    );
}

/// Fails when sound in containers that only ffmpeg reads is lost or shifted.
#[test]
fn other_containers_go_through_ffmpeg() {
    if crate::source::video::ffmpeg_version().is_none() {
        let required = std::env::var("POSELENS_TESTS_REQUIRE").unwrap_or_default();
        assert!(!required.contains("ffmpeg"), "there is no ffmpeg here");
        return;
    }
    let mut avi = sound("mp3.avi");
    assert_eq!(avi.left_out, [""; 0]);
    assert_track(
        "avi",
        &mut avi.tracks[0],
        ("mp4a", 16_000, 36, [72; 3], 0.0, 0.0),
    );
    let mut broadcast = sound("aac.ts");
    assert_eq!(broadcast.left_out, [""; 0]);
    assert_eq!(packets(&mut broadcast.tracks[0]).len(), 20);
}

/// Fails when sound is reported as lost that a file does not have.
#[test]
fn files_without_sound_have_none() {
    for name in [
        "mjpeg.avi",
        "mpeg4_bframes.avi",
        "ten_bit.mp4",
        "vp9.webm",
        "full.mkv",
    ] {
        let silent = super::open(&test_golden::path(&format!("video/{name}")), name);
        assert!(silent.tracks.is_empty(), "{name}");
        assert_eq!(silent.left_out, [""; 0], "{name}");
    }
}

/// Fails when damage causes a panic or an endless loop, or a truncated file loses sound before the
/// cut.
#[test]
fn cut_and_damaged_files_give_what_they_have() {
    for name in [
        "first_aac.mp4",
        "delayed_aac.mp4",
        "early_opus.mkv",
        "mp3_vorbis.mkv",
    ] {
        let whole = std::fs::read(test_golden::path(&format!("sound/{name}"))).unwrap();
        let all = packets(&mut sound(name).tracks[0]);
        for cut in (0..whole.len()).step_by(97) {
            let bytes: Arc<[u8]> = whole[..cut].into();
            for mut track in open_bytes(&bytes, name).map_or(Vec::new(), |s| s.tracks) {
                let read = read_with_damage(track.packets.as_mut(), whole.len());
                if name == "early_opus.mkv" {
                    // Where the first pictures are cut off, all times count from another one.
                    let data = |packets: &[SoundPacket]| -> Vec<_> {
                        packets.iter().map(|p| p.data.clone()).collect()
                    };
                    assert!(data(&all).starts_with(&data(&read)), "{name} cut at {cut}");
                }
            }
        }
        for at in (0..whole.len()).step_by(61) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xA5;
            let bytes: Arc<[u8]> = bytes.into();
            for mut track in open_bytes(&bytes, name).map_or(Vec::new(), |s| s.tracks) {
                read_with_damage(track.packets.as_mut(), whole.len());
            }
        }
    }
}

fn read_with_damage(packets: &mut dyn SoundPackets, limit: usize) -> Vec<SoundPacket> {
    let mut read = Vec::new();
    for _ in 0..limit {
        match packets.next_packet() {
            Ok(Some(packet)) => read.push(packet),
            Ok(None) => return read,
            Err(_) => {}
        }
    }
    panic!("no end");
}

//! The header of a recording: `moov` with one video track and the audio tracks.

use mp4_atom::{
    Atom, Avc1, Avcc, Codec, Colr, Dinf, Dref, Edts, Elst, ElstEntry, Encode, FourCC, Hdlr, Mdhd,
    Mdia, Mehd, Minf, Moov, Mvex, Mvhd, Smhd, Stbl, Stco, Stsc, Stsd, Stsz, Stts, Tkhd, Trak, Trex,
    Url, Visual, Vmhd,
};

use super::super::encoder::colour;
use super::sound::{AudioTrack, AudioTracks};
use super::{DELTA_FLAGS, KEY_FLAGS, Result, TICKS_PER_SEC, TRACK_ID, Track};
use crate::geometry::Size;

pub(super) fn encoded(atom: &impl Atom) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes)
        .map_err(|e| format!("a box of the MP4 file cannot be made: {e}"))?;
    Ok(bytes)
}

/// Returns the whole header for `ticks` of video, 0 while unknown. Its length does not depend on
/// durations.
pub(super) fn header(track: &Track, ticks: u64, sound: &AudioTracks) -> Result<Vec<u8>> {
    let mut bytes = encoded(&moov(track, ticks, sound)?)?;
    for track in &sound.all {
        bytes.extend(audio_track(track, sound.lead, ticks > 0)?);
    }
    let length = bytes.len() as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Returns an edit list: after `empty` ticks of the movie follows the media from `media_time` on.
/// `None` if that is the behaviour without a list.
fn edits(empty: u64, media_time: u64, ticks: u64) -> Option<Edts> {
    if empty == 0 && media_time == 0 {
        return None;
    }
    let entry = |segment_duration, media_time| ElstEntry {
        segment_duration,
        media_time,
        media_rate: 1.into(),
    };
    let mut entries = vec![entry(ticks, Some(media_time))];
    if empty > 0 {
        entries.insert(0, entry(empty, None));
    }
    Some(Edts {
        elst: Some(Elst { entries }),
    })
}

fn data_in_this_file() -> Dinf {
    Dinf {
        dref: Dref {
            entries: vec![Url::default().into()],
        },
    }
}

/// Returns a box that contains encoded boxes.
fn boxed(kind: [u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    let length = 8 + parts.iter().map(Vec::len).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend(kind);
    bytes.extend(parts.iter().flatten());
    bytes
}

/// Returns an audio track. It is assembled by hand, because the sample entry is copied from the
/// source.
fn audio_track(track: &AudioTrack, lead: u64, is_finished: bool) -> Result<Vec<u8>> {
    let format = &track.format;
    let stsd = [vec![0, 0, 0, 0, 0, 0, 0, 1], format.sample_entry.clone()];
    let table = [
        boxed(*b"stsd", &stsd),
        encoded(&Stts::default())?,
        encoded(&Stsc::default())?,
        encoded(&Stsz::default())?,
        encoded(&Stco::default())?,
    ];
    let media = [
        encoded(&Smhd::default())?,
        encoded(&data_in_this_file())?,
        boxed(*b"stbl", &table),
    ];
    let media = [
        encoded(&Mdhd {
            timescale: format.timescale,
            language: format.language.clone(),
            ..Mdhd::default()
        })?,
        encoded(&Hdlr {
            handler: FourCC::new(b"soun"),
            name: "PoseLens sound".to_owned(),
        })?,
        boxed(*b"minf", &media),
    ];
    let mut boxes = vec![encoded(&Tkhd {
        track_id: track.id,
        duration: if is_finished {
            track.end_ticks(lead)
        } else {
            0
        },
        // Players play one track of the group, the first by default.
        alternate_group: 1,
        enabled: track.id == TRACK_ID + 1,
        in_movie: true,
        volume: 1.into(),
        ..Tkhd::default()
    })?];
    let (empty, media_time) = track.placed(lead);
    if let Some(edits) = edits(empty, media_time, track.heard_ticks()) {
        boxes.push(encoded(&edits)?);
    }
    boxes.push(boxed(*b"mdia", &media));
    if let Some(priming) = track.priming_samples() {
        boxes.push(gapless(priming));
    }
    Ok(boxed(*b"trak", &boxes))
}

/// Returns `iTunSMPB`: the number of decoded samples to skip at the start. Used by players that do
/// not apply edit lists to fragmented files.
fn gapless(samples: u64) -> Vec<u8> {
    const UTF8: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 0];
    let text = format!(" 00000000 {samples:08X} 00000000 0000000000000000");
    let full = |kind: &[u8; 4], body: &[u8]| boxed(*kind, &[vec![0; 4], body.to_vec()]);
    let free_form = [
        full(b"mean", b"com.apple.iTunes"),
        full(b"name", b"iTunSMPB"),
        boxed(*b"data", &[UTF8.to_vec(), text.into_bytes()]),
    ];
    let list = boxed(*b"ilst", &[boxed(*b"----", &free_form)]);
    let handler = [&[0; 4], &b"mdirappl"[..], &[0; 9]].concat();
    let meta = [vec![0; 4], full(b"hdlr", &handler), list];
    boxed(*b"udta", &[boxed(*b"meta", &meta)])
}

fn moov(track: &Track, ticks: u64, sound: &AudioTracks) -> Result<Moov> {
    let AudioTracks {
        all: audio, lead, ..
    } = sound;
    let video_end = if ticks > 0 { lead + ticks } else { 0 };
    let ends = audio.iter().map(|track| track.end_ticks(*lead));
    let whole = ends.filter(|_| ticks > 0).fold(video_end, u64::max);
    let Size { width, height } = track.size;
    let (width, height) = (width as u16, height as u16);
    let avc1 = Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width,
            height,
            ..Visual::default()
        },
        avcc: Avcc::new(&track.sps, &track.pps).map_err(|e| e.to_string())?,
        btrt: None,
        colr: Some(Colr::Nclx {
            colour_primaries: colour::PRIMARIES,
            transfer_characteristics: colour::TRANSFER,
            matrix_coefficients: colour::MATRIX,
            full_range_flag: false,
        }),
        pasp: None,
        taic: None,
        fiel: None,
        spatial: None,
    };
    Ok(Moov {
        mvhd: Mvhd {
            timescale: TICKS_PER_SEC as u32,
            duration: whole,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK_ID + 1 + audio.len() as u32,
            ..Mvhd::default()
        },
        mvex: Some(Mvex {
            mehd: Some(Mehd {
                fragment_duration: whole,
            }),
            trex: std::iter::once(trex(TRACK_ID, DELTA_FLAGS))
                .chain(audio.iter().map(|track| trex(track.id, KEY_FLAGS)))
                .collect(),
        }),
        trak: vec![Trak {
            tkhd: Tkhd {
                track_id: TRACK_ID,
                duration: video_end,
                enabled: true,
                in_movie: true,
                width: width.into(),
                height: height.into(),
                ..Tkhd::default()
            },
            edts: edits(*lead, 0, ticks),
            mdia: Mdia {
                // The media in the header itself, which is empty.
                mdhd: Mdhd {
                    timescale: TICKS_PER_SEC as u32,
                    language: "und".to_owned(),
                    ..Mdhd::default()
                },
                hdlr: Hdlr {
                    handler: FourCC::new(b"vide"),
                    name: "PoseLens video".to_owned(),
                },
                minf: Minf {
                    vmhd: Some(Vmhd::default()),
                    dinf: data_in_this_file(),
                    stbl: Stbl {
                        stsd: Stsd {
                            codecs: vec![Codec::Avc1(avc1)],
                        },
                        stco: Some(Stco::default()),
                        ..Stbl::default()
                    },
                    ..Minf::default()
                },
            },
            ..Trak::default()
        }],
        ..Moov::default()
    })
}

fn trex(track_id: u32, default_sample_flags: u32) -> Trex {
    Trex {
        track_id,
        default_sample_description_index: 1,
        default_sample_flags,
        ..Trex::default()
    }
}

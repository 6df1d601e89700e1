//! Audio tracks of MP4 and QuickTime files.

use std::io::BufReader;

use mp4_atom::{Mdhd, Mvhd, Tkhd};

use super::entry;
use super::{Open, Tracks, language};
use crate::sound::{Sound, SoundFormat, SoundPacket, SoundPackets, SoundTrack};
use crate::source::video::mp4_boxes::{Edit, Part, all, boxes, find, find_leaf, has_handler, walk};
use crate::source::video::mp4_samples::{Sample, Samples};
use crate::source::video::stream::{Input, length, read_at};

/// Reads the tables of all audio tracks. The error explains why the file cannot be read.
pub(super) fn open(open: Open<'_>, name: &str) -> Result<Sound, String> {
    let mut input = BufReader::new(open()?);
    let file_length = length(&mut input)?;
    let mut tables: Option<Tables> = None;
    let damage = walk(&mut input, file_length, |part| {
        match (part, &mut tables) {
            (Part::Index(moov), none) => *none = Some(Tables::new(moov, file_length)?),
            (Part::Fragment(moof, at), Some(tables)) => {
                for timed in tables
                    .audio
                    .iter_mut()
                    .map(|a| &mut a.timed)
                    .chain(&mut tables.video)
                {
                    timed.samples.add_fragment(moof, at);
                }
            }
            (Part::Fragment(..), None) => {}
        }
        Ok(())
    })?;
    let tables = tables.ok_or("an MP4 file without its index")?;
    let origin_secs = tables.video.as_ref().map_or(0.0, Timed::first_secs);
    let mut tracks = Tracks::new(name);
    for audio in tables.audio {
        let codec = audio.codec.clone();
        let damage = damage.clone().or(audio.timed.samples.damage());
        tracks.add(&codec, |label| {
            audio.into_track(label, origin_secs, open()?, damage)
        });
    }
    Ok(tracks.sound)
}

/// Tracks described in `moov`.
struct Tables {
    /// The first video track: all times are relative to its first frame.
    video: Option<Timed>,
    audio: Vec<Audio>,
}

/// A track's samples with their presentation times.
struct Timed {
    timescale: u32,
    edit: Edit,
    samples: Samples,
}

struct Audio {
    timed: Timed,
    codec: String,
    /// The entry for a recording, or the reason why there is none.
    sample_entry: Result<Vec<u8>, String>,
    language: String,
}

impl Tables {
    fn new(moov: &[u8], file_length: u64) -> Result<Self, String> {
        let movie: Mvhd = find_leaf(moov, &[b"mvhd"]).ok_or(DAMAGED)?;
        let video = all(moov, b"trak").find(|trak| has_handler(trak, *b"vide"));
        let video = video.map(|trak| Timed::new(moov, trak, &movie, file_length, true));
        let mut audio = Vec::new();
        for trak in all(moov, b"trak").filter(|trak| has_handler(trak, *b"soun")) {
            let entries = find(trak, &[b"mdia", b"minf", b"stbl", b"stsd"]);
            let entries = entries.and_then(|stsd| stsd.get(8..)).unwrap_or_default();
            let mut entries = boxes(entries);
            let (kind, body) = entries.next().ok_or(DAMAGED)?;
            let is_only = entries.next().is_none();
            let media: Mdhd = find_leaf(trak, &[b"mdia", b"mdhd"]).ok_or(DAMAGED)?;
            let sample_entry = if is_only {
                entry::from_mp4(kind, body)
            } else {
                Err("its coding changes in the middle".to_owned())
            };
            audio.push(Audio {
                // The tables of uncompressed sound have an entry for every sample instant.
                timed: Timed::new(moov, trak, &movie, file_length, sample_entry.is_ok())?,
                codec: entry::codec_name(kind, body),
                sample_entry,
                language: language(&media.language),
            });
        }
        Ok(Self {
            video: video.transpose()?,
            audio,
        })
    }
}

const DAMAGED: &str = "an MP4 file with a damaged index";

impl Timed {
    fn new(
        moov: &[u8],
        trak: &[u8],
        movie: &Mvhd,
        file_length: u64,
        has_samples: bool,
    ) -> Result<Self, String> {
        let header: Tkhd = find_leaf(trak, &[b"tkhd"]).ok_or(DAMAGED)?;
        let media: Mdhd = find_leaf(trak, &[b"mdia", b"mdhd"]).ok_or(DAMAGED)?;
        let table = find(trak, &[b"mdia", b"minf", b"stbl"]).ok_or(DAMAGED)?;
        let timescale = media.timescale.max(1);
        let edit = Edit::of(trak, movie, timescale);
        let mut samples = Samples::new(moov, header.track_id, file_length);
        if has_samples {
            samples.add_table(table, media.duration).ok_or(DAMAGED)?;
        }
        Ok(Self {
            timescale,
            edit: edit.map_err(|what| format!("a track {what}"))?,
            samples,
        })
    }

    /// Returns the presentation time of the first sample within the edit list, in seconds.
    fn first_secs(&self) -> f64 {
        let window = self.edit.window.0..self.edit.window.1;
        let shown = self.samples.list.iter().map(|s| s.pts);
        let first = shown.filter(|pts| window.contains(pts)).min();
        let first = first.unwrap_or(self.edit.media_time);
        let ticks = first.saturating_sub(self.edit.media_time);
        self.edit.begin_secs + ticks as f64 / f64::from(self.timescale)
    }
}

impl Audio {
    fn into_track(
        self,
        label: String,
        origin_secs: f64,
        input: Box<dyn Input>,
        damage: Option<String>,
    ) -> Result<SoundTrack, String> {
        let Timed {
            timescale,
            edit,
            samples,
        } = self.timed;
        let begin = ((edit.begin_secs - origin_secs) * f64::from(timescale)).round() as i64;
        let shift = begin.saturating_sub(edit.media_time);
        let heard = |tick: i64| match tick {
            i64::MIN | i64::MAX => tick,
            tick => tick.saturating_add(shift),
        };
        let from = match (edit.window.0, samples.list.first()) {
            (i64::MIN, Some(first)) => first.pts,
            (from, _) => from,
        };
        Ok(SoundTrack {
            format: SoundFormat {
                label,
                sample_entry: self.sample_entry?,
                timescale,
                language: self.language,
                heard: (heard(from), heard(edit.window.1)),
            },
            packets: Box::new(Mp4Sound {
                input: BufReader::new(input),
                samples: samples.list,
                next: 0,
                shift,
                damage,
            }),
        })
    }
}

/// Reads the samples of a track one by one.
struct Mp4Sound {
    input: BufReader<Box<dyn Input>>,
    samples: Vec<Sample>,
    next: usize,
    /// Added to composition times.
    shift: i64,
    damage: Option<String>,
}

impl SoundPackets for Mp4Sound {
    fn skip_to(&mut self, tick: i64) {
        let ends_before = |sample: &&Sample| {
            let begin = sample.pts.saturating_add(self.shift);
            begin.saturating_add(sample.duration.into()) <= tick
        };
        let left = &self.samples[self.next..];
        self.next += left.iter().take_while(ends_before).count();
    }

    fn next_packet(&mut self) -> Result<Option<SoundPacket>, String> {
        let Some(sample) = self.samples.get(self.next) else {
            return self.damage.take().map_or(Ok(None), Err);
        };
        self.next += 1;
        let mut data = Vec::new();
        read_at(
            &mut self.input,
            sample.offset,
            sample.size.into(),
            &mut data,
        )?;
        Ok(Some(SoundPacket {
            tick: sample.pts.saturating_add(self.shift),
            duration: sample.duration,
            data,
        }))
    }
}

//! H.264 in MP4 and QuickTime files, plain and fragmented.

use std::collections::VecDeque;
use std::io::BufReader;

use mp4_atom::{Colr, Mdhd, Mvhd, Pasp, Tkhd};

use super::aspect::PixelAspect;
use super::colour::ColourHint;
use super::mp4_boxes::{Edit, Part, all, boxes, find, find_leaf, has_handler, walk};
use super::mp4_samples::{Sample, Samples};
use super::orientation::Orientation;
use super::stream::{
    Description, Input, Packet, Packets, Place, Stream, codec_name, length, read_at,
};

/// Reads the tables of the file's first video track. The error explains why it cannot be read.
pub(super) fn open(input: Box<dyn Input>) -> Result<Stream, String> {
    let mut input = BufReader::new(input);
    let file_length = length(&mut input)?;
    let mut track: Option<Track> = None;
    let damage = walk(&mut input, file_length, |part| {
        match (part, &mut track) {
            (Part::Index(moov), none) => *none = Some(Track::new(moov, file_length)?),
            (Part::Fragment(moof, at), Some(track)) => track.samples.add_fragment(moof, at),
            (Part::Fragment(..), None) => {}
        }
        Ok(())
    })?;
    let track = track.ok_or("an MP4 file without its index (its recording was never finished)")?;
    Ok(track.into_stream(input, damage))
}

/// A video track.
struct Track {
    descriptions: Vec<Description>,
    orientation: Orientation,
    timescale: u32,
    /// Range of displayed composition times: from, up to.
    window: (i64, i64),
    samples: Samples,
}

impl Track {
    /// Parses the body of `moov`.
    fn new(moov: &[u8], file_length: u64) -> Result<Self, String> {
        let trak = all(moov, b"trak")
            .find(|trak| has_handler(trak, *b"vide"))
            .ok_or("an MP4 file without video")?;
        let damaged = || "an MP4 file with a damaged index".to_owned();
        let movie: Mvhd = find_leaf(moov, &[b"mvhd"]).ok_or_else(damaged)?;
        let header: Tkhd = find_leaf(trak, &[b"tkhd"]).ok_or_else(damaged)?;
        let media: Mdhd = find_leaf(trak, &[b"mdia", b"mdhd"]).ok_or_else(damaged)?;
        let table = find(trak, &[b"mdia", b"minf", b"stbl"]).ok_or_else(damaged)?;
        let shown = (header.width.integer(), header.height.integer());
        let descriptions = read_descriptions(table, (shown.0.into(), shown.1.into()))?;
        if movie.matrix != mp4_atom::Matrix::default() {
            return Err("video that is turned as a whole".into());
        }
        let matrix = &header.matrix;
        let orientation = Orientation::new(matrix.a, matrix.b, matrix.c, matrix.d)
            .ok_or("video rotated by an angle that is not a multiple of 90 degrees")?;
        let edit = Edit::of(trak, &movie, media.timescale);
        let mut samples = Samples::new(moov, header.track_id, file_length);
        samples
            .add_table(table, media.duration)
            .ok_or_else(damaged)?;
        Ok(Self {
            descriptions,
            orientation,
            timescale: media.timescale.max(1),
            window: edit.map_err(|what| format!("video that {what}"))?.window,
            samples,
        })
    }

    fn into_stream(self, input: BufReader<Box<dyn Input>>, damage: Option<String>) -> Stream {
        // The tables of a plain file list every frame: what follows them does not matter.
        let damage = damage
            .filter(|_| self.samples.is_fragmented())
            .or_else(|| self.samples.table_damage())
            .or_else(|| self.samples.damage());
        let window = self.window.0..self.window.1;
        // Tables list every sample, fragments only their own.
        let has_gaps = !self.samples.gaps.is_empty();
        let usual = self.samples.usual_duration().filter(|_| has_gaps);
        let gaps = self.samples.gaps.into();
        let samples = self.samples.list;
        let shown = || samples.iter().map(|s| s.pts).filter(|t| window.contains(t));
        let n_frames = shown().count() as u64;
        let (first, last) = (shown().min().unwrap_or(0), shown().max().unwrap_or(0));
        let span_secs = last.saturating_sub(first) as f64 / f64::from(self.timescale);
        Stream {
            descriptions: self.descriptions,
            orientation: self.orientation,
            tick_secs: 1.0 / f64::from(self.timescale),
            step_ticks: usual.map(f64::from),
            rate: (span_secs > 0.0).then(|| (n_frames - 1) as f64 / span_secs),
            n_frames: Some(n_frames),
            packets: Box::new(Mp4Packets {
                input,
                window: self.window,
                samples,
                gaps,
                next: 0,
                damage,
            }),
        }
    }
}

/// Bytes of a visual sample entry before its boxes (14496-12 clause 12.1.3).
const VISUAL_HEADER: usize = 78;

/// Parses the sample descriptions in `stbl`. `shown` is the size that the track declares.
fn read_descriptions(table: &[u8], shown: (u64, u64)) -> Result<Vec<Description>, String> {
    let entries = find(table, &[b"stsd"])
        .and_then(|stsd| stsd.get(8..))
        .unwrap_or_default();
    let mut descriptions = boxes(entries)
        .map(|(kind, entry)| read_description(kind, entry))
        .collect::<Result<Vec<_>, _>>()?;
    let stored = |entry: &[u8]| {
        let [a, b, c, d] = *entry.get(24..28)?.first_chunk()?;
        let side = |bytes| u64::from(u16::from_be_bytes(bytes));
        Some((side([a, b]), side([c, d])))
    };
    match descriptions.as_mut_slice() {
        [] => Err("an MP4 file without a codec".into()),
        // Old QuickTime files give the aspect ratio only by the track's size.
        [only] if only.aspect.is_none() => {
            let stored = boxes(entries).next().and_then(|(_, entry)| stored(entry));
            let aspect = stored.and_then(|stored| PixelAspect::of_sizes(stored, shown));
            only.aspect = aspect.filter(|aspect| aspect.is_certain());
            Ok(descriptions)
        }
        _ => Ok(descriptions),
    }
}

fn read_description(kind: [u8; 4], entry: &[u8]) -> Result<Description, String> {
    if !matches!(&kind, b"avc1" | b"avc3") {
        return Err(codec_name(&String::from_utf8_lossy(&kind)));
    }
    let extensions = entry.get(VISUAL_HEADER..).unwrap_or_default();
    let configuration = find(extensions, &[b"avcC"]).ok_or("H.264 video without parameters")?;
    let aspect = find_leaf::<Pasp>(extensions, &[b"pasp"])
        .and_then(|pasp| PixelAspect::new(pasp.h_spacing.into(), pasp.v_spacing.into()));
    let colour = match find_leaf::<Colr>(extensions, &[b"colr"]) {
        Some(Colr::Nclx {
            matrix_coefficients,
            full_range_flag,
            ..
        }) => ColourHint {
            full_range: Some(full_range_flag),
            matrix: Some(u64::from(matrix_coefficients)),
        },
        Some(Colr::Nclc {
            matrix_coefficients,
            ..
        }) => ColourHint {
            full_range: None,
            matrix: Some(u64::from(matrix_coefficients)),
        },
        _ => ColourHint::default(),
    };
    Ok(Description {
        configuration: configuration.to_vec(),
        colour,
        aspect,
    })
}

/// Reads the samples one by one.
struct Mp4Packets {
    input: BufReader<Box<dyn Input>>,
    samples: Vec<Sample>,
    /// Indices of the samples before which fragments are missing, unless reported already.
    gaps: VecDeque<usize>,
    /// Range of displayed composition times: from, up to.
    window: (i64, i64),
    next: usize,
    damage: Option<String>,
}

impl Packets for Mp4Packets {
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        if self.gaps.front() == Some(&self.next) {
            self.gaps.pop_front();
            return Err("a fragment is missing".into());
        }
        let Some(sample) = self.samples.get(self.next) else {
            return self.damage.take().map_or(Ok(None), Err);
        };
        self.next += 1;
        let size = u64::from(sample.size).min(max);
        read_at(&mut self.input, sample.offset, size, data)?;
        Ok(Some(Packet {
            pts: sample.pts,
            is_shown: (self.window.0..self.window.1).contains(&sample.pts),
            description: sample.description,
        }))
    }

    fn place(&self) -> Place {
        Place {
            position: self.next as u64,
            base_time: 0,
        }
    }

    fn go_to(&mut self, place: Place) -> Result<(), String> {
        self.next = place.position as usize;
        Ok(())
    }
}

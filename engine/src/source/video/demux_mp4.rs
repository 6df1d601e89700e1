//! MP4 and QuickTime files, plain and fragmented (ISO/IEC 14496-12).
//!
//! A file is a row of boxes. `moov` describes the tracks and, in a plain file, lists every sample;
//! in a fragmented file each `moof` lists the samples of the `mdat` behind it. The walk over boxes
//! is our own, without recursion and bounded by the file's length, so that a cut or hostile file
//! costs nothing; the leaves are read by `mp4_atom`.

use std::io::BufReader;

use mp4_atom::{
    Atom, Co64, Colr, Ctts, Elst, Mdhd, Mvhd, Pasp, Stco, Stsc, Stsz, StszSamples, Stts, Tfdt,
    Tfhd, Tkhd, Trex, Trun,
};

use super::aspect::PixelAspect;
use super::colour::ColourHint;
use super::orientation::Orientation;
use super::stream::{
    CUT_OFF, Description, Input, MAX_PACKET_BYTES, Packet, Packets, Place, Stream, codec_name,
    length, read_at,
};

/// More frames than a day and a half at 30 a second are taken for damage: it bounds the memory
/// that a table of a few bytes can ask for.
const MAX_SAMPLES: usize = 1 << 22;

/// Reads the tables of the file's first video track. The error says why it cannot be read.
pub(super) fn open(input: Box<dyn Input>) -> Result<Stream, String> {
    let mut input = BufReader::new(input);
    let file_length = length(&mut input)?;
    let mut track: Option<Track> = None;
    let mut damage = None;
    let mut position = 0;
    let mut body = Vec::new();
    while position < file_length && damage.is_none() {
        let Some(found) = read_header(&mut input, position, file_length)? else {
            damage = Some(CUT_OFF.to_owned());
            break;
        };
        match (&found.kind, &mut track) {
            (b"moov", None) => {
                read_at(&mut input, found.body, found.end - found.body, &mut body)?;
                track = Some(Track::new(&body, file_length)?);
            }
            (b"moof", Some(track)) => {
                if let Err(what) =
                    read_at(&mut input, found.body, found.end - found.body, &mut body)
                {
                    damage = Some(what);
                } else {
                    track.add_fragment(&body, position);
                }
            }
            _ => {}
        }
        if found.is_cut && found.kind != *b"mdat" {
            damage = Some(CUT_OFF.to_owned());
        }
        position = found.end;
    }
    let track = track.ok_or("an MP4 file without its index (its recording was never finished)")?;
    Ok(track.into_stream(input, damage))
}

/// A box at the top of the file; `end` lies within the file.
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
    is_cut: bool,
}

/// `None` when there is no whole, sensible header at `position`.
fn read_header(
    input: &mut dyn Input,
    position: u64,
    file_length: u64,
) -> Result<Option<Found>, String> {
    let mut bytes = Vec::new();
    let available = (file_length - position).min(16);
    read_at(input, position, available, &mut bytes)?;
    Ok(split_header(&bytes).and_then(|(kind, header, size)| {
        let end = match size {
            Some(size) => position.checked_add(size)?,
            // Only a media data box may run to the end of the file; zeros there are a disk that
            // was never written.
            None if kind == *b"mdat" => file_length,
            None => return None,
        };
        Some(Found {
            kind,
            body: position + header,
            end: end.min(file_length),
            is_cut: end > file_length,
        })
    }))
}

/// Kind, length of the header and length of the whole box (`None`: to the end).
fn split_header(bytes: &[u8]) -> Option<([u8; 4], u64, Option<u64>)> {
    let size = u32::from_be_bytes(*bytes.first_chunk()?);
    let kind = *bytes.get(4..)?.first_chunk()?;
    match size {
        0 => Some((kind, 8, None)),
        1 => {
            let size = u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
            (size >= 16).then_some((kind, 16, Some(size)))
        }
        2..8 => None,
        size => Some((kind, 8, Some(u64::from(size)))),
    }
}

/// The boxes inside a box's body, up to the first that is not whole.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, size) = split_header(bytes)?;
        let end = size.map_or(bytes.len(), |s| usize::try_from(s).unwrap_or(usize::MAX));
        let body = bytes.get(header as usize..end)?;
        bytes = &bytes[end..];
        Some((kind, body))
    })
}

/// The body of the first box that is reached by going down `path`.
fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, &wanted| {
        boxes(bytes).find_map(|(kind, body)| (kind == *wanted).then_some(body))
    })
}

/// A box without boxes inside.
fn leaf<T: Atom>(mut body: &[u8]) -> Option<T> {
    T::decode_body(&mut body).ok()
}

/// A leaf at the end of `path`.
fn find_leaf<T: Atom>(bytes: &[u8], path: &[&[u8; 4]]) -> Option<T> {
    find(bytes, path).and_then(leaf)
}

/// Where a coded picture lies and when it is shown.
struct Sample {
    offset: u64,
    size: u32,
    packet: Packet,
}

/// A video track with the samples found so far.
struct Track {
    id: u32,
    descriptions: Vec<Description>,
    /// The description of the samples that are added.
    description: u16,
    orientation: Orientation,
    timescale: u32,
    /// Composition times that are shown: from, up to.
    window: (i64, i64),
    defaults: Option<Trex>,
    samples: Vec<Sample>,
    next_decode_time: i64,
    file_length: u64,
    /// Bytes that further samples can have: no two share bytes.
    bytes_left: u64,
    /// A sample lies outside of the file: none after it is taken.
    is_cut: bool,
}

impl Track {
    /// From the body of `moov`.
    fn new(moov: &[u8], file_length: u64) -> Result<Self, String> {
        let trak = boxes(moov)
            .filter(|(kind, _)| kind == b"trak")
            .map(|(_, body)| body)
            .find(|trak| {
                let handler = find(trak, &[b"mdia", b"hdlr"]);
                handler.and_then(|h| h.get(8..12)) == Some(b"vide".as_slice())
            })
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
            .ok_or("video that is turned by an odd angle")?;
        let defaults = find(moov, &[b"mvex"]).and_then(|mvex| {
            boxes(mvex)
                .filter(|(kind, _)| kind == b"trex")
                .filter_map(|(_, body)| leaf::<Trex>(body))
                .find(|trex| trex.track_id == header.track_id)
        });
        let edits = find_leaf::<Elst>(trak, &[b"edts", b"elst"]);
        let mut track = Self {
            id: header.track_id,
            descriptions,
            description: 0,
            orientation,
            timescale: media.timescale.max(1),
            window: shown_window(edits, movie.timescale, media.timescale)?,
            defaults,
            samples: Vec::new(),
            next_decode_time: 0,
            file_length,
            bytes_left: file_length,
            is_cut: false,
        };
        track.add_table(table).ok_or_else(damaged)?;
        Ok(track)
    }

    /// The samples of a plain file, from the body of `stbl`. A fragmented file has empty tables.
    fn add_table(&mut self, table: &[u8]) -> Option<()> {
        let durations: Stts = find_leaf(table, &[b"stts"])?;
        let chunks: Stsc = find_leaf(table, &[b"stsc"])?;
        let sizes: Stsz = find_leaf(table, &[b"stsz"])?;
        let chunk_offsets: Vec<u64> = match find_leaf::<Stco>(table, &[b"stco"]) {
            Some(stco) => stco.entries.into_iter().map(u64::from).collect(),
            None => find_leaf::<Co64>(table, &[b"co64"])?.entries,
        };
        let shifts = find_leaf::<Ctts>(table, &[b"ctts"]).unwrap_or_default();
        let mut durations = durations
            .entries
            .iter()
            .flat_map(|e| std::iter::repeat_n(e.sample_delta, e.sample_count as usize));
        let mut shifts = shifts
            .entries
            .iter()
            .flat_map(|e| std::iter::repeat_n(e.sample_offset, e.sample_count as usize));
        let (all_sizes, same_size) = match sizes.samples {
            StszSamples::Identical { count, size } => (Vec::new(), (size, count as usize)),
            StszSamples::Different { sizes } => (sizes, (0, 0)),
        };
        let mut sizes = all_sizes
            .into_iter()
            .chain(std::iter::repeat_n(same_size.0, same_size.1));
        let mut runs = chunks.entries.iter().peekable();
        let mut per_chunk = 0;
        for (number, offset) in (1_u32..).zip(chunk_offsets) {
            while let Some(run) = runs.next_if(|run| run.first_chunk <= number) {
                per_chunk = run.samples_per_chunk;
                self.description = number_of(run.sample_description_index);
            }
            let mut offset = offset;
            for size in sizes.by_ref().take(per_chunk as usize) {
                let duration = durations.next().unwrap_or(0);
                self.add(offset, size, duration, shifts.next().unwrap_or(0));
                if self.is_cut {
                    return Some(());
                }
                offset += u64::from(size);
            }
        }
        Some(())
    }

    /// The samples that the body of a `moof` at `start` lists for this track.
    fn add_fragment(&mut self, moof: &[u8], start: u64) {
        let mut previous_end = start;
        for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
            let Some(header) = find_leaf::<Tfhd>(traf, &[b"tfhd"]) else {
                continue;
            };
            let base = match header.base_data_offset {
                Some(base) => base,
                None if header.default_base_is_moof => start,
                None => previous_end,
            };
            let is_ours = header.track_id == self.id;
            if let Some(time) = find_leaf::<Tfdt>(traf, &[b"tfdt"])
                && is_ours
            {
                self.next_decode_time = i64::try_from(time.base_media_decode_time).unwrap_or(0);
            }
            let defaults = self.defaults.as_ref();
            let index = header.sample_description_index;
            let index = index.or(defaults.map(|d| d.default_sample_description_index));
            let description = number_of(index.unwrap_or(1));
            let duration = header.default_sample_duration;
            let duration = duration.or(defaults.map(|d| d.default_sample_duration));
            let size = header.default_sample_size;
            let size = size.or(defaults.map(|d| d.default_sample_size));
            let mut offset = base;
            for (_, body) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
                let Some(run) = leaf::<Trun>(body) else {
                    continue;
                };
                if let Some(from_base) = run.data_offset {
                    offset = base.saturating_add_signed(i64::from(from_base));
                }
                for entry in &run.samples {
                    let size = entry.size.or(size).unwrap_or(0);
                    let duration = entry.duration.or(duration).unwrap_or(0);
                    if is_ours {
                        self.description = description;
                        self.add(offset, size, duration, entry.cts.unwrap_or(0));
                    }
                    offset = offset.saturating_add(u64::from(size));
                    if self.is_cut || size == 0 || offset > self.file_length {
                        break;
                    }
                }
            }
            previous_end = offset;
        }
    }

    fn add(&mut self, offset: u64, size: u32, duration: u32, shift: i64) {
        let pts = self.next_decode_time.saturating_add(shift);
        let end = offset.saturating_add(u64::from(size));
        self.is_cut |= end > self.file_length
            || u64::from(size) > self.bytes_left.min(MAX_PACKET_BYTES)
            || self.samples.len() == MAX_SAMPLES;
        if self.is_cut {
            return;
        }
        self.next_decode_time = self.next_decode_time.saturating_add(i64::from(duration));
        self.bytes_left -= u64::from(size);
        if size > 0 {
            self.samples.push(Sample {
                offset,
                size,
                packet: Packet {
                    pts,
                    is_shown: (self.window.0..self.window.1).contains(&pts),
                    description: self.description,
                },
            });
        }
    }

    fn into_stream(self, input: BufReader<Box<dyn Input>>, damage: Option<String>) -> Stream {
        let damage = damage.or(self.is_cut.then(|| CUT_OFF.to_owned()));
        let shown = || self.samples.iter().filter(|s| s.packet.is_shown);
        let n_frames = shown().count() as u64;
        let first = shown().map(|s| s.packet.pts).min().unwrap_or(0);
        let last = shown().map(|s| s.packet.pts).max().unwrap_or(0);
        let span_secs = last.saturating_sub(first) as f64 / f64::from(self.timescale);
        Stream {
            descriptions: self.descriptions,
            orientation: self.orientation,
            tick_secs: 1.0 / f64::from(self.timescale),
            rate: (span_secs > 0.0).then(|| (n_frames - 1) as f64 / span_secs),
            n_frames: Some(n_frames),
            packets: Box::new(Mp4Packets {
                input,
                samples: self.samples,
                next: 0,
                damage,
            }),
        }
    }
}

/// Bytes of a visual sample entry before its boxes (14496-12 clause 12.1.3).
const VISUAL_HEADER: usize = 78;

/// From the number of a sample description, which counts from 1.
fn number_of(index: u32) -> u16 {
    u16::try_from(index.saturating_sub(1)).unwrap_or(u16::MAX)
}

/// How samples are coded, from the sample descriptions in `stbl`. `shown` is the size that the
/// track declares.
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
        // QuickTime files of old tell the shape by the track's size alone.
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

/// The composition times that an edit list lets through. Editors cut clips by such a list and
/// leave the hidden frames in the file.
fn shown_window(
    edits: Option<Elst>,
    movie_scale: u32,
    media_scale: u32,
) -> Result<(i64, i64), String> {
    let edits = edits.map(|e| e.entries).unwrap_or_default();
    let mut parts = edits.iter().filter(|e| e.media_time.is_some());
    let Some(part) = parts.next() else {
        return Ok((i64::MIN, i64::MAX));
    };
    if parts.next().is_some() {
        return Err("video that was edited into several parts".into());
    }
    if part.media_rate.integer() != 1 {
        return Err("video that was edited to another speed".into());
    }
    let start = i64::try_from(part.media_time.unwrap_or(0)).unwrap_or(0);
    let length = u128::from(part.segment_duration) * u128::from(media_scale)
        / u128::from(movie_scale.max(1));
    // A fragmented file is written before its length is known.
    let end = match i64::try_from(length) {
        Ok(0) | Err(_) => i64::MAX,
        Ok(length) => start.saturating_add(length),
    };
    Ok((start, end))
}

/// Reads the samples one by one.
struct Mp4Packets {
    input: BufReader<Box<dyn Input>>,
    samples: Vec<Sample>,
    next: usize,
    damage: Option<String>,
}

impl Packets for Mp4Packets {
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        let Some(sample) = self.samples.get(self.next) else {
            return self.damage.take().map_or(Ok(None), Err);
        };
        self.next += 1;
        let size = u64::from(sample.size).min(max);
        read_at(&mut self.input, sample.offset, size, data)?;
        Ok(Some(sample.packet))
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

//! Positions and presentation times of the samples of an MP4 track: from the tables of a plain file
//! or the fragments of a fragmented one.

use mp4_atom::{Co64, Ctts, Mfhd, Stco, Stsc, Stsz, StszSamples, Stts, Tfdt, Tfhd, Trex, Trun};

use super::mp4_boxes::{all, find, find_leaf, leaf};
use super::stream::{CUT_OFF, MAX_PACKET_BYTES, OUTSIDE};
use crate::words::are;

/// Maximum number of samples: more than a day and a half at 30 frames per second is taken for
/// damage, which bounds the memory that a table of a few bytes can request.
const MAX_SAMPLES: usize = 1 << 22;

/// Position and presentation time of a sample.
pub(in crate::source) struct Sample {
    pub(in crate::source) offset: u64,
    pub(in crate::source) size: u32,
    /// Ticks until the next one in decoding order.
    pub(in crate::source) duration: u32,
    /// Composition time in ticks.
    pub(in crate::source) pts: i64,
    /// Index of the track's sample description, from 0.
    pub(in crate::source) description: u16,
}

/// The samples of a track found so far.
pub(in crate::source) struct Samples {
    /// Samples in decoding order.
    pub(in crate::source) list: Vec<Sample>,
    /// Indices of the samples before which fragments are missing, in order.
    pub(in crate::source) gaps: Vec<usize>,
    /// Number of the last fragment.
    sequence: Option<u32>,
    track_id: u32,
    defaults: Option<Trex>,
    /// Index of the description for samples that are added.
    description: u16,
    next_decode_time: i64,
    file_length: u64,
    /// Number of bytes available for further samples, which do not overlap.
    bytes_left: u64,
    /// Whether a sample lies outside the file: later ones are ignored.
    is_cut: bool,
    /// Number of samples in the tables of a plain file.
    n_listed: u64,
    /// Number of samples with a duration in these tables.
    n_timed: u64,
}

impl Samples {
    /// Reads the description of a track in the body of `moov`.
    pub(in crate::source) fn new(moov: &[u8], track_id: u32, file_length: u64) -> Self {
        let defaults = find(moov, &[b"mvex"]).and_then(|mvex| {
            all(mvex, b"trex")
                .filter_map(leaf::<Trex>)
                .find(|trex| trex.track_id == track_id)
        });
        Self {
            list: Vec::new(),
            gaps: Vec::new(),
            sequence: None,
            track_id,
            defaults,
            description: 0,
            next_decode_time: 0,
            file_length,
            bytes_left: file_length,
            is_cut: false,
            n_listed: 0,
            n_timed: 0,
        }
    }

    /// Describes damage of the tables, if any.
    pub(in crate::source) fn damage(&self) -> Option<String> {
        self.is_cut.then(|| CUT_OFF.to_owned())
    }

    /// Describes damage of a plain file by its tables, which declare all of its frames.
    pub(in crate::source) fn table_damage(&self) -> Option<String> {
        let n_missing = self.n_listed.saturating_sub(self.list.len() as u64);
        if self.is_cut && n_missing > 0 {
            return Some(match self.list.len() {
                0 => OUTSIDE.to_owned(),
                _ => format!("{CUT_OFF}: {} missing", are(n_missing, "listed frame")),
            });
        }
        let (n_listed, n_timed) = (self.n_listed, self.n_timed);
        (n_listed != n_timed).then(|| {
            format!(
                "its index has {n_listed} frames but the times of {n_timed}; the others' times are \
                 estimated"
            )
        })
    }

    /// Returns whether samples may be listed outside of the file's index.
    pub(in crate::source) fn is_fragmented(&self) -> bool {
        self.defaults.is_some() || self.sequence.is_some()
    }

    /// Adds the samples of a plain file from the body of `stbl`. A fragmented file has empty
    /// tables. `span` is the declared duration of the track in ticks.
    pub(in crate::source) fn add_table(&mut self, table: &[u8], span: u64) -> Option<()> {
        let durations: Stts = find_leaf(table, &[b"stts"])?;
        let chunks: Stsc = find_leaf(table, &[b"stsc"])?;
        let sizes: Stsz = find_leaf(table, &[b"stsz"])?;
        let chunk_offsets: Vec<u64> = match find_leaf::<Stco>(table, &[b"stco"]) {
            Some(stco) => stco.entries.into_iter().map(u64::from).collect(),
            None => find_leaf::<Co64>(table, &[b"co64"])?.entries,
        };
        let shifts = find_leaf::<Ctts>(table, &[b"ctts"]).unwrap_or_default();
        self.n_listed = match &sizes.samples {
            StszSamples::Identical { count, .. } => u64::from(*count),
            StszSamples::Different { sizes } => sizes.len() as u64,
        };
        let counts = durations.entries.iter().map(|e| u64::from(e.sample_count));
        self.n_timed = counts.sum();
        // An entry for more samples than there are is damaged.
        let mut n_left = self.n_listed;
        let reliable = durations.entries.iter().take_while(|e| {
            let left = n_left.checked_sub(u64::from(e.sample_count));
            n_left = left.unwrap_or(0);
            left.is_some()
        });
        let reliable: Vec<_> = reliable.collect();
        let usual = match reliable.last() {
            Some(entry) => entry.sample_delta,
            None => u32::try_from(span / self.n_listed.max(1)).unwrap_or(0),
        };
        let mut durations = reliable
            .into_iter()
            .flat_map(|e| std::iter::repeat_n(e.sample_delta, e.sample_count as usize))
            .chain(std::iter::repeat(usual));
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
                let duration = durations.next().unwrap_or(usual);
                self.add(offset, size, duration, shifts.next().unwrap_or(0));
                if self.is_cut {
                    return Some(());
                }
                offset += u64::from(size);
            }
        }
        Some(())
    }

    /// Adds the samples that the body of a `moof` at `start` lists for this track.
    pub(in crate::source) fn add_fragment(&mut self, moof: &[u8], start: u64) {
        let sequence = find_leaf::<Mfhd>(moof, &[b"mfhd"]).map(|header| header.sequence_number);
        let before = std::mem::replace(&mut self.sequence, sequence);
        let is_next = |(before, sequence): (u32, u32)| sequence == before.wrapping_add(1);
        let mut is_after_gap = !before.zip(sequence).is_none_or(is_next);
        let mut previous_end = start;
        for traf in all(moof, b"traf") {
            let Some(header) = find_leaf::<Tfhd>(traf, &[b"tfhd"]) else {
                continue;
            };
            let base = match header.base_data_offset {
                Some(base) => base,
                None if header.default_base_is_moof => start,
                None => previous_end,
            };
            let is_ours = header.track_id == self.track_id;
            if let Some(time) = find_leaf::<Tfdt>(traf, &[b"tfdt"])
                && is_ours
            {
                let time = i64::try_from(time.base_media_decode_time).unwrap_or(0);
                // Some programs number fragments freely: times must be missing as well.
                if std::mem::take(&mut is_after_gap) && time > self.next_decode_time {
                    self.gaps.push(self.list.len());
                }
                self.next_decode_time = time;
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
            for body in all(traf, b"trun") {
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

    /// Returns the median duration of the samples in ticks.
    pub(in crate::source) fn usual_duration(&self) -> Option<u32> {
        let mut durations: Vec<_> = self.list.iter().map(|sample| sample.duration).collect();
        durations.sort_unstable();
        let median = durations.get(durations.len() / 2).copied();
        median.filter(|&duration| duration > 0)
    }

    fn add(&mut self, offset: u64, size: u32, duration: u32, shift: i64) {
        let pts = self.next_decode_time.saturating_add(shift);
        let end = offset.saturating_add(u64::from(size));
        self.is_cut |= end > self.file_length
            || u64::from(size) > self.bytes_left.min(MAX_PACKET_BYTES)
            || self.list.len() == MAX_SAMPLES;
        if self.is_cut {
            return;
        }
        self.next_decode_time = self.next_decode_time.saturating_add(i64::from(duration));
        self.bytes_left -= u64::from(size);
        if size > 0 {
            self.list.push(Sample {
                offset,
                size,
                duration,
                pts,
                description: self.description,
            });
        }
    }
}

/// Converts the 1-based number of a sample description.
fn number_of(index: u32) -> u16 {
    u16::try_from(index.saturating_sub(1)).unwrap_or(u16::MAX)
}

//! Fragmented MP4 with an H.264 track and audio tracks: a file that is playable at every moment of
//! the recording.
//!
//! ```text
//! ftyp moov(mvex) | moof mdat | moof mdat | ... | mfra
//! ```
//! The header comes first and only describes the codecs; each fragment (`moof` + `mdat`) holds
//! about a second of video and audio samples with their sizes and durations, and is written by one
//! call. A killed process therefore only loses the samples of the unfinished fragment.
//! [`FragmentWriter::finish`] adds the table of key frames (`mfra`) and the duration in the header,
//! which players use to display the length and to seek.

mod header;
mod sound;

use std::io::{Seek, SeekFrom, Write};

use mp4_atom::{FourCC, FragmentInfo, Ftyp, Mfhd, Mfra, Mfro, Moof, Tfra, TrunEntry};

use self::header::{encoded, header};
use self::sound::{AudioTracks, Run};
use crate::disk::Overwrite;
use crate::error::Error;
use crate::geometry::Size;
use crate::sound::{Sound, SoundEnd};

/// Ticks per second of every time in the file: the MPEG clock, a multiple of all usual rates.
pub(super) const TICKS_PER_SEC: u64 = 90_000;
/// Duration of a fragment: it ends at the first sample that begins this long after its start.
const FRAGMENT_TICKS: u64 = TICKS_PER_SEC;
const TRACK_ID: u32 = 1;
/// `sample_depends_on = 2`: a key frame.
const KEY_FLAGS: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`: depends on earlier samples.
const DELTA_FLAGS: u32 = 0x0101_0000;

/// Result with a reason without a file name as error.
type Result<T> = std::result::Result<T, String>;

/// Output of the writer: a file, or in tests a disk that fills up.
pub(super) trait Sink: Write + Seek + Send {
    /// Removes everything after `len` bytes.
    fn truncate(&mut self, len: u64) -> std::io::Result<()>;
    /// Waits until everything is on disk.
    fn sync(&mut self) -> std::io::Result<()>;
    /// Replaces an older file, now that this one has frames.
    fn keep(&mut self) -> Result<()>;
    /// Returns whether an older file is still in place.
    fn has_older(&self) -> bool;
    /// Removes a new file, which has no frames.
    fn discard(&mut self);
}

impl Sink for Overwrite {
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.set_len(len)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        Overwrite::sync(self)
    }
    fn keep(&mut self) -> Result<()> {
        Overwrite::keep(self).map_err(|error| match error {
            // The caller names the file.
            Error::Io { source, .. } => source.to_string(),
            other => other.to_string(),
        })
    }
    fn has_older(&self) -> bool {
        Overwrite::has_older(self)
    }
    fn discard(&mut self) {
        Overwrite::discard(self);
    }
}

/// Description of the video track in the header.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Size of the encoded frames.
    pub size: Size,
    /// Sequence parameter set, without start code.
    pub sps: Vec<u8>,
    /// Picture parameter set, without start code.
    pub pps: Vec<u8>,
}

/// One encoded frame with its time.
#[derive(Debug)]
pub(super) struct Sample {
    /// NAL units with 4-byte lengths.
    pub data: Vec<u8>,
    /// Presentation time in ticks; strictly increasing, less than `u32::MAX` after the last one.
    pub tick: u64,
    /// Whether decoding can start here.
    pub is_key: bool,
}

/// Totals of a finished file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    /// Number of frames.
    pub frames: u64,
    /// Sum of their durations in ticks.
    pub ticks: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// Writer of one file.
pub(super) struct FragmentWriter {
    out: Box<dyn Sink>,
    track: Track,
    moov_offset: u64,
    /// Number of bytes written in complete boxes.
    len: u64,
    n_fragments: u32,
    /// Video samples of the current fragment.
    entries: Vec<TrunEntry>,
    data: Vec<u8>,
    fragment_tick: u64,
    /// The newest sample: its duration is known when the next one arrives.
    held: Option<Sample>,
    last_duration: u32,
    /// End of the last sample that is in the file.
    end_tick: u64,
    n_written: u64,
    keys: Vec<FragmentInfo>,
    audio: AudioTracks,
    has_failed: bool,
}

impl FragmentWriter {
    /// Writes the header. `nominal_ticks` is the duration of a recording's only frame, `begin_secs`
    /// the source time of the recording's first frame.
    pub(super) fn new(
        mut out: Box<dyn Sink>,
        track: Track,
        nominal_ticks: u32,
        (sound, begin_secs): (Sound, f64),
    ) -> Result<Self> {
        let audio = AudioTracks::new(sound, begin_secs);
        let ftyp = Ftyp {
            major_brand: FourCC::new(b"iso6"),
            minor_version: 0,
            compatible_brands: [b"iso6", b"isom", b"avc1", b"mp41"]
                .map(FourCC::new)
                .to_vec(),
        };
        let mut bytes = encoded(&ftyp)?;
        let moov_offset = bytes.len() as u64;
        let mut header = header(&track, 0, &audio)?;
        // A duration of 0 would be wrong if the process is killed: its box stays `free` until then.
        if let Some(at) = header.windows(4).position(|w| w == b"mehd") {
            header[at..at + 4].copy_from_slice(b"free");
        }
        bytes.append(&mut header);
        if let Err(error) = out.write_all(&bytes) {
            out.discard();
            return Err(error.to_string());
        }
        Ok(Self {
            out,
            track,
            moov_offset,
            len: bytes.len() as u64,
            n_fragments: 0,
            entries: Vec::new(),
            data: Vec::new(),
            fragment_tick: 0,
            held: None,
            last_duration: nominal_ticks,
            end_tick: 0,
            n_written: 0,
            keys: Vec::new(),
            audio,
            has_failed: false,
        })
    }

    /// Adds a sample; the previous one gets its duration and is added to the fragment.
    pub(super) fn push(&mut self, sample: Sample) -> Result<()> {
        if self.has_failed {
            return Err("an earlier write failed".to_owned());
        }
        let (tick, is_key) = (sample.tick, sample.is_key);
        if let Some(before) = self.held.replace(sample) {
            self.last_duration = u32::try_from(tick - before.tick)
                .map_err(|_| "two frames are more than 13 hours apart".to_owned())?;
            self.add(&before, self.last_duration);
            if is_key || tick - self.fragment_tick >= FRAGMENT_TICKS {
                self.write_fragment()?;
            }
        }
        Ok(())
    }

    /// Writes the remaining samples, the key frame table and the duration. After a failed write it
    /// only cleans up, so that the file is valid up to there.
    pub(super) fn finish(&mut self, end: SoundEnd) -> Result<Totals> {
        let rest = if self.has_failed {
            Ok(())
        } else {
            self.write_rest(end)
        };
        let closed = self.close();
        rest.and(closed)?;
        Ok(Totals {
            frames: self.n_written,
            ticks: self.end_tick,
            bytes: self.len,
        })
    }

    /// Describes what is on disk after a failure.
    pub(super) fn remains(&self) -> &'static str {
        match (self.n_written, self.out.has_older()) {
            (0, true) => "no frame was written, and the older file is unchanged",
            (0, false) => "no frame was written",
            _ => "everything written before stays playable",
        }
    }

    /// Returns the problems of the sound, one line per track.
    pub(super) fn sound_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.audio.notes)
    }

    fn write_rest(&mut self, end: SoundEnd) -> Result<()> {
        if let Some(last) = self.held.take() {
            self.add(&last, self.last_duration);
        }
        self.write_fragment()?;
        // Sound that continues after the last frame.
        let limit = self.audio.limit(end, self.end_tick);
        let mut until = self.end_tick;
        while let Some(next) = self.audio.next_tick().filter(|_| until < limit) {
            until = next.max(until).saturating_add(FRAGMENT_TICKS).min(limit);
            let runs = self.audio.take_until(until);
            self.append_fragment(&runs)?;
        }
        self.audio.cut(limit);
        self.write_key_table()
    }

    /// Removes a partial fragment and writes the duration into the header.
    fn close(&mut self) -> Result<()> {
        if self.has_failed && self.n_written == 0 {
            self.out.discard();
            return Ok(());
        }
        if self.has_failed {
            self.out.truncate(self.len).map_err(|e| e.to_string())?;
        }
        let header = header(&self.track, self.end_tick, &self.audio)?;
        self.out
            .seek(SeekFrom::Start(self.moov_offset))
            .and_then(|_| self.out.write_all(&header))
            .and_then(|()| self.out.sync())
            .map_err(|e| e.to_string())
    }

    fn add(&mut self, sample: &Sample, duration: u32) {
        if self.entries.is_empty() {
            self.fragment_tick = sample.tick;
        }
        self.entries.push(TrunEntry {
            duration: Some(duration),
            size: Some(sample.data.len() as u32),
            flags: Some(if sample.is_key {
                KEY_FLAGS
            } else {
                DELTA_FLAGS
            }),
            cts: None,
        });
        self.data.extend_from_slice(&sample.data);
    }

    fn write_fragment(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.entries);
        let ticks: u64 = entries
            .iter()
            .filter_map(|e| e.duration)
            .map(u64::from)
            .sum();
        let n_entries = entries.len() as u64;
        let is_key = entries[0].flags == Some(KEY_FLAGS);
        let pictures = Run {
            track_id: TRACK_ID,
            decode_time: self.fragment_tick,
            entries,
            data: std::mem::take(&mut self.data),
        };
        let end_tick = self.fragment_tick + ticks;
        let mut runs = vec![pictures];
        runs.extend(self.audio.take_until(end_tick));
        let moof_offset = self.len;
        self.append_fragment(&runs)?;
        if self.n_written == 0 {
            self.has_failed = true;
            self.out.keep()?;
            self.has_failed = false;
        }
        if is_key {
            self.keys.push(FragmentInfo {
                time: self.fragment_tick,
                moof_offset,
                traf_number: 1,
                trun_number: 1,
                sample_delta: 1,
            });
        }
        self.n_written += n_entries;
        self.end_tick = end_tick;
        Ok(())
    }

    /// Writes a fragment with one run of samples per track.
    fn append_fragment(&mut self, runs: &[Run]) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        let moof = |mut offset: usize| {
            let mut traf = Vec::new();
            for run in runs {
                traf.push(run.traf(offset));
                offset += run.data.len();
            }
            encoded(&Moof {
                mfhd: Mfhd {
                    sequence_number: self.n_fragments + 1,
                },
                traf,
            })
        };
        // Samples follow the moof and the 8 bytes of the mdat's own header.
        let mut bytes = moof(moof(0)?.len() + 8)?;
        let data_len: usize = runs.iter().map(|run| run.data.len()).sum();
        let mdat_len = u32::try_from(data_len + 8)
            .map_err(|_| "a second of video is larger than 4 GB".to_owned())?;
        bytes.extend_from_slice(&mdat_len.to_be_bytes());
        bytes.extend_from_slice(b"mdat");
        for run in runs {
            bytes.extend_from_slice(&run.data);
        }
        self.append(&bytes)?;
        self.n_fragments += 1;
        Ok(())
    }

    /// Writes the key frames and their positions, which players use to seek.
    fn write_key_table(&mut self) -> Result<()> {
        let mut mfra = Mfra {
            tfra: vec![Tfra {
                track_id: TRACK_ID,
                entries: std::mem::take(&mut self.keys),
            }],
            mfro: Mfro::default(),
        };
        mfra.mfro.parent_size = encoded(&mfra)?.len() as u32;
        let bytes = encoded(&mfra)?;
        self.append(&bytes)
    }

    /// Writes at the end. The write counts as failed until it has succeeded, so that nothing is
    /// ever written after a partial fragment.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.has_failed = true;
        self.out.write_all(bytes).map_err(|e| e.to_string())?;
        self.has_failed = false;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

//! Fragmented MP4 with an H.264 track and tracks of sound: a file that plays at every moment of its
//! making.
//!
//! ```text
//! ftyp moov(mvex) | moof mdat | moof mdat | ... | mfra
//! ```
//! The header comes first and describes the codec only; each fragment (`moof` + `mdat`) holds
//! about a second of samples, pictures and what is heard with them, with their own sizes and
//! durations, and is written by one call. A process that is killed therefore loses the samples of the unfinished fragment and nothing
//! else. [`FragmentWriter::finish`] adds the table of key frames (`mfra`) and puts the duration
//! into the header, for players that show and seek by them.

mod header;
mod sound;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use mp4_atom::{FourCC, FragmentInfo, Ftyp, Mfhd, Mfra, Mfro, Moof, Tfra, TrunEntry};

use self::header::{encoded, header};
use self::sound::{Lanes, Run};
use crate::geometry::Size;
use crate::sound::{Sound, SoundEnd};

/// Ticks per second of every time in the file: the clock of MPEG, a multiple of all usual rates.
pub(super) const TICKS_PER_SEC: u64 = 90_000;
/// A fragment ends at the first sample that begins this long after the fragment's own begin.
const FRAGMENT_TICKS: u64 = TICKS_PER_SEC;
const TRACK_ID: u32 = 1;
/// `sample_depends_on = 2`: a key frame.
const KEY_FLAGS: u32 = 0x0200_0000;
/// `sample_depends_on = 1`, `sample_is_non_sync_sample`: needs the samples before it.
const DELTA_FLAGS: u32 = 0x0101_0000;

/// Result of this file: the error is a reason without a file name.
type Result<T> = std::result::Result<T, String>;

/// Where the bytes go: a file, or in tests a disk that fills up.
pub(super) trait Sink: Write + Seek + Send {
    /// Cuts everything after `len` bytes off.
    fn truncate(&mut self, len: u64) -> std::io::Result<()>;
    /// Waits until everything is on the disk.
    fn sync(&mut self) -> std::io::Result<()>;
}

impl Sink for File {
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.set_len(len)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.sync_all()
    }
}

/// What the header says about the track.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Size of the encoded pictures.
    pub size: Size,
    /// Sequence parameter set, without start code.
    pub sps: Vec<u8>,
    /// Picture parameter set, without start code.
    pub pps: Vec<u8>,
}

/// One encoded picture with its time.
#[derive(Debug)]
pub(super) struct Sample {
    /// NAL units with 4-byte lengths.
    pub data: Vec<u8>,
    /// Presentation time in ticks; strictly increasing, less than `u32::MAX` after the last one.
    pub tick: u64,
    /// Decoding can begin here.
    pub is_key: bool,
}

/// What is in a finished file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    /// Frames.
    pub frames: u64,
    /// Sum of their durations.
    pub ticks: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Writer of one file.
pub(super) struct FragmentWriter {
    out: Box<dyn Sink>,
    track: Track,
    moov_offset: u64,
    /// Bytes written and known to be whole.
    len: u64,
    n_fragments: u32,
    /// The fragment being filled.
    entries: Vec<TrunEntry>,
    data: Vec<u8>,
    fragment_tick: u64,
    /// The newest sample: its duration is known when the next one comes.
    held: Option<Sample>,
    last_duration: u32,
    /// End of the last sample that is in the file.
    end_tick: u64,
    n_written: u64,
    keys: Vec<FragmentInfo>,
    lanes: Lanes,
    has_failed: bool,
}

impl FragmentWriter {
    /// Writes the header. `nominal_ticks` is the duration of a recording's only frame,
    /// `begin_secs` the time of the recording's first picture in the time of the sound.
    pub fn new(
        mut out: Box<dyn Sink>,
        track: Track,
        nominal_ticks: u32,
        (sound, begin_secs): (Sound, f64),
    ) -> Result<Self> {
        let lanes = Lanes::new(sound, begin_secs);
        let ftyp = Ftyp {
            major_brand: FourCC::new(b"iso6"),
            minor_version: 0,
            compatible_brands: [b"iso6", b"isom", b"avc1", b"mp41"]
                .map(FourCC::new)
                .to_vec(),
        };
        let mut bytes = encoded(&ftyp)?;
        let moov_offset = bytes.len() as u64;
        let mut header = header(&track, 0, &lanes)?;
        // A duration of 0 would be a lie if the process is killed: its box stays free until then.
        if let Some(at) = header.windows(4).position(|w| w == b"mehd") {
            header[at..at + 4].copy_from_slice(b"free");
        }
        bytes.append(&mut header);
        out.write_all(&bytes).map_err(|e| e.to_string())?;
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
            lanes,
            has_failed: false,
        })
    }

    /// Takes a sample; the one before it gets its duration and goes into the fragment.
    pub fn push(&mut self, sample: Sample) -> Result<()> {
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

    /// Writes what is left, the key frame table and the duration. After a failed write it only
    /// tidies up, so that the file is whole up to there.
    pub fn finish(&mut self, end: SoundEnd) -> Result<Totals> {
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

    /// What was wrong with the sound, one line a track.
    pub fn sound_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lanes.notes)
    }

    fn write_rest(&mut self, end: SoundEnd) -> Result<()> {
        if let Some(last) = self.held.take() {
            self.add(&last, self.last_duration);
        }
        self.write_fragment()?;
        // Sound that goes on behind the last picture.
        let limit = self.lanes.limit(end, self.end_tick);
        let mut until = self.end_tick;
        while let Some(next) = self.lanes.next_tick().filter(|_| until < limit) {
            until = next.max(until).saturating_add(FRAGMENT_TICKS).min(limit);
            let runs = self.lanes.take_until(until);
            self.append_fragment(&runs)?;
        }
        self.lanes.cut(limit);
        self.write_key_table()
    }

    /// Cuts a torn fragment off and puts the duration into the header.
    fn close(&mut self) -> Result<()> {
        if self.has_failed {
            self.out.truncate(self.len).map_err(|e| e.to_string())?;
        }
        let header = header(&self.track, self.end_tick, &self.lanes)?;
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
        runs.extend(self.lanes.take_until(end_tick));
        let moof_offset = self.len;
        self.append_fragment(&runs)?;
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

    /// Writes a fragment of one run of samples a track.
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
        // Samples lie behind the moof and the 8 bytes of the mdat's own header.
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

    /// The key frames and where they are, for players that seek by them.
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

    /// Writes at the end. Until it has succeeded it counts as failed: whatever happens on the
    /// way, nothing is written behind a torn fragment.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.has_failed = true;
        self.out.write_all(bytes).map_err(|e| e.to_string())?;
        self.has_failed = false;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

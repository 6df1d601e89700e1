//! Encodes frames with times to an H.264 MP4 file.

use std::path::{Path, PathBuf};

use super::encoder::H264Encoder;
use super::fmp4::{FragmentWriter, Sample, Sink, TICKS_PER_SEC, Track};
use crate::disk::Overwrite;
use crate::error::{Error, Result};
use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;
use crate::sound::{Sound, SoundEnd};

/// Maximum key frame interval: seeking decodes at most two seconds of video.
const KEY_TICKS: u64 = 2 * TICKS_PER_SEC;
/// Time stamps that go back by less than this are clock jitter, by more a new run.
const TREMBLE_TICKS: f64 = TICKS_PER_SEC as f64;

/// Summary of a finished file.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSummary {
    /// Number of frames in the file.
    pub frames: u64,
    /// Sum of their durations in seconds.
    pub duration_secs: f64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Number of frames whose time stamp was adjusted because it was not later than the previous
    /// one.
    pub adjusted_times: u64,
    /// Problems of the sound, one line per track.
    pub sound_notes: Vec<String>,
}

/// Writer of one video file.
///
/// The file is playable at every moment up to the last complete fragment (about a second), whatever
/// happens to the process. Dropping the writer finishes the file as far as possible.
pub struct VideoWriter {
    path: PathBuf,
    size: Size,
    encoder: H264Encoder,
    fragments: FragmentWriter,
    clock: TickClock,
    last_key: Option<u64>,
    is_finished: bool,
}

impl VideoWriter {
    /// Creates the file for frames of `size`; an older one is replaced as soon as the new one has
    /// frames. `nominal_rate`, in frames per second,
    /// only matters where time stamps are inconclusive: for a recording of one frame and for
    /// adjusted stamps. Odd sides grow by one repeated column or row.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created, [`Error::Record`] when frames of this size
    /// cannot be encoded; an existing file is unchanged in this case.
    pub fn create(path: &Path, size: Size, nominal_rate: f64) -> Result<Self> {
        Self::with_sound(path, size, nominal_rate, Sound::default(), 0.0)
    }

    /// Like [`VideoWriter::create`], with the sound of the frames' source from `begin_secs` on, the
    /// source time of the first frame.
    ///
    /// # Errors
    /// Those of [`VideoWriter::create`]. Problems of the sound are not errors: they are listed in
    /// [`VideoSummary::sound_notes`].
    pub fn with_sound(
        path: &Path,
        size: Size,
        nominal_rate: f64,
        sound: Sound,
        begin_secs: f64,
    ) -> Result<Self> {
        Self::with_sink(path, size, nominal_rate, (sound, begin_secs), |path| {
            Ok(Box::new(Overwrite::create(path)?))
        })
    }

    pub(super) fn with_sink(
        path: &Path,
        size: Size,
        nominal_rate: f64,
        sound: (Sound, f64),
        open: impl FnOnce(&Path) -> Result<Box<dyn Sink>>,
    ) -> Result<Self> {
        let record = |reason| Error::Record {
            path: path.to_owned(),
            reason,
        };
        if !(nominal_rate.is_finite() && nominal_rate > 0.0) {
            return Err(record(format!(
                "{nominal_rate} frames per second is not a valid frame rate"
            )));
        }
        let encoder = H264Encoder::new(size, nominal_rate).map_err(record)?;
        let clock = TickClock::new(nominal_rate);
        let track = Track {
            size: H264Encoder::even(size),
            sps: encoder.sps().to_vec(),
            pps: encoder.pps().to_vec(),
        };
        let fragments =
            FragmentWriter::new(open(path)?, track, clock.nominal as u32, sound).map_err(record)?;
        Ok(Self {
            path: path.to_owned(),
            size,
            encoder,
            fragments,
            clock,
            last_key: None,
            is_finished: false,
        })
    }

    /// Appends a frame (`size.area() * 4` bytes, red first), shown from `time_secs` until the next
    /// frame's time; the last frame has the duration of the previous one.
    ///
    /// The first time is the file's zero. A time that is not later than the previous one is
    /// adjusted and counted, never refused: by less than a second, to the next possible tick; by
    /// more (a new run of the source) or if NaN, to one nominal frame later.
    ///
    /// # Errors
    /// [`Error::Record`] when the frame has another size, the encoder fails or the disk is full;
    /// the written part stays playable.
    pub fn push(&mut self, rgba: &[u8], time_secs: f64) -> Result<()> {
        let expected = self.size.area() * BYTES_PER_PIXEL;
        if rgba.len() != expected {
            return Err(self.error(format!(
                "the frame size changed ({} bytes, {} has {expected}); start a new recording",
                rgba.len(),
                self.size
            )));
        }
        let tick = self.clock.tick(time_secs);
        let key = self.last_key.is_none_or(|last| tick - last >= KEY_TICKS);
        // Milliseconds, the unit of openh264.
        let millis = tick / (TICKS_PER_SEC / 1000);
        let picture = self
            .encoder
            .encode(rgba, key, millis)
            .map_err(|reason| self.error(reason))?;
        if picture.is_key {
            self.last_key = Some(tick);
        }
        self.fragments
            .push(Sample {
                data: picture.data,
                tick,
                is_key: picture.is_key,
            })
            .map_err(|reason| self.failed(&reason))
    }

    /// Completes the file.
    ///
    /// # Errors
    /// [`Error::Record`] when the rest cannot be written; the written part stays playable. After an
    /// error of [`VideoWriter::push`] this closes the file and returns its summary.
    pub fn finish(self) -> Result<VideoSummary> {
        self.finish_at(SoundEnd::WithVideo)
    }

    /// Like [`VideoWriter::finish`], with the sound up to `end`.
    ///
    /// # Errors
    /// Those of [`VideoWriter::finish`].
    pub fn finish_at(mut self, end: SoundEnd) -> Result<VideoSummary> {
        self.close(end)
    }

    fn close(&mut self, end: SoundEnd) -> Result<VideoSummary> {
        self.is_finished = true;
        let finished = self.fragments.finish(end);
        let totals = finished.map_err(|reason| self.failed(&reason))?;
        Ok(VideoSummary {
            frames: totals.frames,
            duration_secs: totals.ticks as f64 / TICKS_PER_SEC as f64,
            bytes: totals.bytes,
            adjusted_times: self.clock.adjusted,
            sound_notes: self.fragments.sound_notes(),
        })
    }

    /// Returns the error of a failed write.
    fn failed(&self, reason: &str) -> Error {
        self.error(format!("{reason}; {}", self.fragments.remains()))
    }

    fn error(&self, reason: String) -> Error {
        Error::Record {
            path: self.path.clone(),
            reason,
        }
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = self.close(SoundEnd::WithVideo)
        {
            // The owner reports why the recording has ended.
            tracing::info!("closing a video that is not complete: {error}");
        }
    }
}

/// Converts seconds to strictly increasing ticks from 0.
#[derive(Debug)]
struct TickClock {
    /// Ticks of one frame at the nominal rate.
    nominal: u64,
    /// Seconds at tick 0.
    zero_secs: Option<f64>,
    last: Option<u64>,
    adjusted: u64,
}

impl TickClock {
    fn new(nominal_rate: f64) -> Self {
        let nominal = (TICKS_PER_SEC as f64 / nominal_rate).round();
        Self {
            nominal: nominal.clamp(1.0, f64::from(u32::MAX)) as u64,
            zero_secs: None,
            last: None,
            adjusted: 0,
        }
    }

    fn tick(&mut self, time_secs: f64) -> u64 {
        let ticks_per_sec = TICKS_PER_SEC as f64;
        let zero = self.zero_secs.unwrap_or(time_secs);
        let tick = ((time_secs - zero) * ticks_per_sec).round();
        let next = match self.last {
            None if time_secs.is_finite() => {
                self.zero_secs = Some(zero);
                0
            }
            None => {
                self.adjusted += 1;
                0
            }
            Some(last) => {
                let step = tick - last as f64;
                // A duration has 32 bits: 13 hours.
                if step >= 1.0 && step < f64::from(u32::MAX) {
                    tick as u64
                } else {
                    self.adjusted += 1;
                    if step > -TREMBLE_TICKS && step < 1.0 {
                        last + 1
                    } else {
                        let next = last + self.nominal;
                        if time_secs.is_finite() {
                            self.zero_secs = Some(time_secs - next as f64 / ticks_per_sec);
                        }
                        next
                    }
                }
            }
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Fails when hostile time stamps make ticks stand still, run backwards or overflow.
        #[test]
        fn ticks_always_increase(times in prop::collection::vec(
            prop_oneof![-1e3..1e3, Just(f64::NAN), Just(f64::INFINITY), Just(-1e300), Just(1e300), 0.0..0.1],
            1..60,
        )) {
            let mut clock = TickClock::new(30.0);
            let ticks: Vec<u64> = times.iter().map(|&t| clock.tick(t)).collect();
            prop_assert_eq!(ticks[0], 0);
            for pair in ticks.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1] - pair[0] < u64::from(u32::MAX), "{:?}", pair);
            }
        }

        /// Fails when valid time stamps are changed or lose precision over a long recording.
        #[test]
        fn good_times_are_kept_to_the_tick(start in 0.0..1e6, steps in prop::collection::vec(1u32..900_000, 1..60)) {
            let mut clock = TickClock::new(30.0);
            let mut expected = 0;
            prop_assert_eq!(clock.tick(start), 0);
            for step in steps {
                expected += u64::from(step);
                let time = start + expected as f64 / TICKS_PER_SEC as f64;
                prop_assert_eq!(clock.tick(time), expected);
            }
            prop_assert_eq!(clock.adjusted, 0);
        }
    }

    /// Fails when a duplicate stamp shifts all later frames, or a restarted source compresses its
    /// frames into no time.
    #[test]
    fn trembling_and_restarting_clocks_are_told_apart() {
        let mut clock = TickClock::new(30.0);
        let ticks: Vec<u64> = [5.0, 5.1, 5.1, 5.2, 1.0, 1.5].map(|t| clock.tick(t)).into();
        assert_eq!(ticks, [0, 9000, 9001, 18000, 21000, 66000]);
        assert_eq!(clock.adjusted, 2);
    }
}

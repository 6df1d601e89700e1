//! Sound of a recording: packets are read from their source along with the video frames.

use mp4_atom::{Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::{TICKS_PER_SEC, TRACK_ID};
use crate::sound::{Sound, SoundEnd, SoundFormat, SoundPacket, SoundPackets, SoundTrack};

/// Maximum priming in `iTunSMPB` that players accept.
const MAX_PRIMING: u64 = 16_384;
/// Maximum distance of the sound from its frames in seconds: more than a year is damage.
const MAX_SECS: u64 = 366 * 24 * 3600;

/// All audio tracks. Times are relative to the recording's first frame.
#[derive(Default)]
pub(super) struct AudioTracks {
    pub(super) all: Vec<AudioTrack>,
    /// Movie ticks by which the sound starts before the first frame.
    pub(super) lead: u64,
    /// Problems of the tracks, one line each.
    pub(super) notes: Vec<String>,
    /// Source time of the recording's first frame.
    begin_secs: f64,
}

impl AudioTracks {
    /// Creates the tracks; `begin_secs` is the source time of the recording's first frame. A
    /// recording that begins with the source's own first frame also includes the sound before it.
    pub(super) fn new(sound: Sound, begin_secs: f64) -> Self {
        let mut this = Self {
            begin_secs,
            ..Self::default()
        };
        for track in sound.tracks {
            let id = TRACK_ID + 1 + this.all.len() as u32;
            let mut track = AudioTrack::new(track, id, begin_secs);
            track.begin(begin_secs > 0.0);
            if track.held.is_some() {
                this.lead = this
                    .lead
                    .max(track.movie_ticks(track.from.saturating_neg()));
                this.all.push(track);
            } else {
                this.notes.extend(track.note);
            }
        }
        this
    }

    /// Takes the packets before `tick` of the movie, relative to the first frame, as one run for
    /// each track that has some. Samples follow `data_offset` of the first in their order.
    pub(super) fn take_until(&mut self, tick: u64) -> Vec<Run> {
        let runs = self.all.iter_mut().map(|track| track.take_until(tick));
        runs.filter(|run| !run.entries.is_empty()).collect()
    }

    /// Returns the end of the sound in a recording whose last frame ends at `tick`.
    pub(super) fn limit(&self, end: SoundEnd, tick: u64) -> u64 {
        match end {
            SoundEnd::WithVideo => tick,
            // No recording time is as large as the value of an unlimited one.
            SoundEnd::At(secs) => ((secs - self.begin_secs) * TICKS_PER_SEC as f64) as u64,
        }
    }

    /// Returns the start of the next packet in movie ticks.
    pub(super) fn next_tick(&self) -> Option<u64> {
        let held = |track: &AudioTrack| {
            let packet = track.held.as_ref()?;
            Some(track.movie_ticks(packet.tick))
        };
        self.all.iter().filter_map(held).min()
    }

    /// Cuts the sound off at this movie tick.
    pub(super) fn cut(&mut self, tick: u64) {
        for track in &mut self.all {
            track.until = track.until.min(track.own_ticks(tick));
            track.held = None;
            self.notes.extend(track.note.take());
        }
    }
}

/// Packets of one track for a fragment.
pub(super) struct Run {
    pub(super) track_id: u32,
    /// Decode time in ticks of the track.
    pub(super) decode_time: u64,
    pub(super) entries: Vec<TrunEntry>,
    pub(super) data: Vec<u8>,
}

impl Run {
    /// Returns the box for a fragment whose data are at `offset`.
    pub(super) fn traf(&self, offset: usize) -> Traf {
        Traf {
            tfhd: Tfhd {
                track_id: self.track_id,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: self.decode_time,
            }),
            trun: vec![Trun {
                data_offset: Some(offset as i32),
                samples: self.entries.clone().into(),
            }],
            ..Traf::default()
        }
    }
}

/// One audio track.
pub(super) struct AudioTrack {
    pub(super) id: u32,
    pub(super) format: SoundFormat,
    packets: Box<dyn SoundPackets>,
    /// Ticks of the track from the source's zero to the recording's.
    shift: i64,
    /// Start of the first packet.
    first: i64,
    /// Audible range: from, up to.
    from: i64,
    until: i64,
    /// The next packet: the previous one lasts until it begins.
    held: Option<SoundPacket>,
    /// End of the packets that were taken.
    end: i64,
    note: Option<String>,
}

impl AudioTrack {
    fn new(track: SoundTrack, id: u32, begin_secs: f64) -> Self {
        let SoundTrack { format, packets } = track;
        let shift = (begin_secs * f64::from(format.timescale)).round() as i64;
        Self {
            id,
            packets,
            shift,
            first: 0,
            from: format.heard.0.saturating_sub(shift),
            until: format.heard.1.saturating_sub(shift),
            held: None,
            end: 0,
            note: None,
            format,
        }
    }

    /// Seeks to the first packet. A recording of a part of the source omits the sound of the
    /// omitted frames.
    fn begin(&mut self, is_cut: bool) {
        if is_cut {
            self.packets.skip_to(self.shift);
            self.from = self.from.max(0);
        }
        self.held = self.next();
        self.first = self.held.as_ref().map_or(0, |packet| packet.tick);
        self.from = self.from.max(self.first);
        let secs = self.first.unsigned_abs() / u64::from(self.format.timescale);
        if secs > MAX_SECS {
            self.note = Some(format!(
                "{} is left out: its times make no sense",
                self.format.label
            ));
            self.held = None;
        }
    }

    /// Returns the next packet, in the recording's time. Damage is noted and skipped; errors of the
    /// sound must not lose the video.
    fn next(&mut self) -> Option<SoundPacket> {
        loop {
            match self.packets.next_packet() {
                Ok(packet) => {
                    let mut packet = packet?;
                    packet.tick = packet.tick.saturating_sub(self.shift);
                    return Some(packet).filter(|p| p.tick < self.until);
                }
                Err(reason) => {
                    let label = &self.format.label;
                    self.note.get_or_insert_with(|| {
                        format!("{label} has gaps or an early end: {reason}")
                    });
                }
            }
        }
    }

    fn take_until(&mut self, tick: u64) -> Run {
        let limit = self.own_ticks(tick);
        let mut run = Run {
            track_id: self.id,
            decode_time: 0,
            entries: Vec::new(),
            data: Vec::new(),
        };
        while let Some(packet) = self.held.take_if(|packet| packet.tick < limit) {
            if run.entries.is_empty() {
                run.decode_time = packet.tick.saturating_sub(self.first) as u64;
            }
            self.held = self.next();
            let duration = match &mut self.held {
                Some(next) => {
                    // Times within a track are strictly increasing.
                    next.tick = next.tick.max(packet.tick.saturating_add(1));
                    u32::try_from(next.tick - packet.tick).unwrap_or(packet.duration)
                }
                None => packet.duration,
            };
            self.end = packet.tick.saturating_add(duration.into());
            run.entries.push(TrunEntry {
                duration: Some(duration),
                size: Some(packet.data.len() as u32),
                ..TrunEntry::default()
            });
            run.data.extend(packet.data);
        }
        run
    }

    /// Converts ticks of the track to movie ticks; negative values become 0.
    fn movie_ticks(&self, own: i64) -> u64 {
        let own = u128::try_from(own).unwrap_or(0);
        let scale = u128::from(self.format.timescale);
        ((own * u128::from(TICKS_PER_SEC) + scale / 2) / scale) as u64
    }

    /// Converts movie ticks to ticks of the track.
    fn own_ticks(&self, movie: u64) -> i64 {
        let own = u128::from(movie) * u128::from(self.format.timescale) / u128::from(TICKS_PER_SEC);
        i64::try_from(own).unwrap_or(i64::MAX)
    }

    /// Returns the position of the track in a movie whose frames begin after `lead` ticks: the
    /// movie ticks before it is audible, and the track ticks to skip.
    pub(super) fn placed(&self, lead: u64) -> (u64, u64) {
        let empty = if self.from < 0 {
            lead.saturating_sub(self.movie_ticks(self.from.saturating_neg()))
        } else {
            lead + self.movie_ticks(self.from)
        };
        (empty, self.from.saturating_sub(self.first) as u64)
    }

    /// Returns its audible duration in movie ticks.
    pub(super) fn heard_ticks(&self) -> u64 {
        self.movie_ticks(self.end.min(self.until).saturating_sub(self.from))
    }

    /// Returns its end in movie ticks.
    pub(super) fn end_ticks(&self, lead: u64) -> u64 {
        self.placed(lead).0 + self.heard_ticks()
    }

    /// Returns the number of decoded samples to skip at the start, if it can be determined.
    pub(super) fn priming_samples(&self) -> Option<u64> {
        let (_, hidden) = self.placed(0);
        (1..MAX_PRIMING).contains(&hidden).then_some(hidden)
    }
}

//! The sound of a recording: packets are taken from their source as the pictures pass.

use mp4_atom::{Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::{TICKS_PER_SEC, TRACK_ID};
use crate::sound::{Sound, SoundEnd, SoundFormat, SoundPacket, SoundPackets, SoundTrack};

/// The priming that players believe in `iTunSMPB`.
const MAX_PRIMING: u64 = 16_384;
/// Sound that begins further away from its pictures is damage: a year.
const MAX_SECS: u64 = 366 * 24 * 3600;

/// All tracks of sound. Times count from the recording's first picture.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) all: Vec<Lane>,
    /// Ticks of the movie by which sound is heard before the first picture.
    pub(super) lead: u64,
    /// What was wrong with the tracks, one line each.
    pub(super) notes: Vec<String>,
    /// Source time of the recording's first picture.
    begin_secs: f64,
}

impl Lanes {
    /// `begin_secs` is the source's time of the recording's first picture. A recording that begins
    /// with the source's own first picture has also what is heard before it.
    pub(super) fn new(sound: Sound, begin_secs: f64) -> Self {
        let mut this = Self {
            begin_secs,
            ..Self::default()
        };
        for track in sound.tracks {
            let id = TRACK_ID + 1 + this.all.len() as u32;
            let mut lane = Lane::new(track, id, begin_secs);
            lane.begin(begin_secs > 0.0);
            if lane.held.is_some() {
                this.lead = this.lead.max(lane.movie_ticks(lane.from.saturating_neg()));
                this.all.push(lane);
            } else {
                this.notes.extend(lane.note);
            }
        }
        this
    }

    /// What is heard before `tick` of the movie, counted from the first picture, as fragments: one
    /// for each track that has some. Samples follow `data_offset` of the first in their order.
    pub(super) fn take_until(&mut self, tick: u64) -> Vec<Run> {
        let runs = self.all.iter_mut().map(|lane| lane.take_until(tick));
        runs.filter(|run| !run.entries.is_empty()).collect()
    }

    /// Where the sound ends in a recording whose last picture ends at `tick`.
    pub(super) fn limit(&self, end: SoundEnd, tick: u64) -> u64 {
        match end {
            SoundEnd::WithVideo => tick,
            // No time of a recording is as large as what an endless one becomes here.
            SoundEnd::At(secs) => ((secs - self.begin_secs) * TICKS_PER_SEC as f64) as u64,
        }
    }

    /// Movie ticks at which the next packet begins.
    pub(super) fn next_tick(&self) -> Option<u64> {
        let held = |lane: &Lane| {
            let packet = lane.held.as_ref()?;
            Some(lane.movie_ticks(packet.tick))
        };
        self.all.iter().filter_map(held).min()
    }

    /// Ends it at this tick of the movie.
    pub(super) fn cut(&mut self, tick: u64) {
        for lane in &mut self.all {
            lane.until = lane.until.min(lane.own_ticks(tick));
            lane.held = None;
            self.notes.extend(lane.note.take());
        }
    }
}

/// Packets of one track for a fragment.
pub(super) struct Run {
    pub(super) track_id: u32,
    /// In ticks of the track.
    pub(super) decode_time: u64,
    pub(super) entries: Vec<TrunEntry>,
    pub(super) data: Vec<u8>,
}

impl Run {
    /// The box for a fragment in which the data lies at `offset`.
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

/// One track of sound.
pub(super) struct Lane {
    pub(super) id: u32,
    pub(super) format: SoundFormat,
    packets: Box<dyn SoundPackets>,
    /// Ticks of the track from the source's zero to the recording's.
    shift: i64,
    /// When the first packet begins.
    first: i64,
    /// What is heard: from, up to.
    from: i64,
    until: i64,
    /// The next packet: the one before lasts until it begins.
    held: Option<SoundPacket>,
    /// Where the packets end that were taken.
    end: i64,
    note: Option<String>,
}

impl Lane {
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

    /// Goes to the first packet. What a cut recording has not of the pictures it does not have of
    /// the sound either.
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

    /// The next packet, in the recording's time. Damage is noted and passed over; nothing that is
    /// wrong with the sound is worth the pictures.
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
                    // Time stands still in no track.
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

    /// Ticks of the movie; 0 for what is negative.
    fn movie_ticks(&self, own: i64) -> u64 {
        let own = u128::try_from(own).unwrap_or(0);
        let scale = u128::from(self.format.timescale);
        ((own * u128::from(TICKS_PER_SEC) + scale / 2) / scale) as u64
    }

    /// Ticks of the track.
    fn own_ticks(&self, movie: u64) -> i64 {
        let own = u128::from(movie) * u128::from(self.format.timescale) / u128::from(TICKS_PER_SEC);
        i64::try_from(own).unwrap_or(i64::MAX)
    }

    /// Where the track lies in a movie whose pictures begin after `lead` ticks: ticks of the movie
    /// before it is heard, and ticks of the track that are not.
    pub(super) fn placed(&self, lead: u64) -> (u64, u64) {
        let empty = if self.from < 0 {
            lead.saturating_sub(self.movie_ticks(self.from.saturating_neg()))
        } else {
            lead + self.movie_ticks(self.from)
        };
        (empty, self.from.saturating_sub(self.first) as u64)
    }

    /// How long it is heard, ticks of the movie.
    pub(super) fn heard_ticks(&self) -> u64 {
        self.movie_ticks(self.end.min(self.until).saturating_sub(self.from))
    }

    /// Where it ends in the movie.
    pub(super) fn end_ticks(&self, lead: u64) -> u64 {
        self.placed(lead).0 + self.heard_ticks()
    }

    /// Decoded samples that are not heard at the begin, where that can be told.
    pub(super) fn priming_samples(&self) -> Option<u64> {
        let (_, hidden) = self.placed(0);
        (1..MAX_PRIMING).contains(&hidden).then_some(hidden)
    }
}

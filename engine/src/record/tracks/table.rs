//! The ids of all people in all frames, as recorded and as edited.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::TrackId;
use super::edit::TrackEdit;
use crate::words::counted;

/// A person over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// Its id.
    pub id: u64,
    /// Number of the first frame with this person.
    pub first: u64,
    /// Number of the last frame with this person.
    pub last: u64,
    /// Number of frames with this person.
    pub n_frames: usize,
}

/// A frame of the recorded poses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Number of the frame.
    pub(super) frame: u64,
    /// Time of the frame in seconds.
    pub(super) secs: f64,
    /// Where its line begins in the file.
    pub(super) begin: u64,
    /// Number of people in all frames before.
    pub(super) n_before: usize,
}

/// The frames, and the ids of their people.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    recorded: Vec<TrackId>,
    now: Vec<TrackId>,
}

impl Table {
    /// Appends a frame, whose number must be higher than all others.
    pub(super) fn push(&mut self, frame: u64, secs: f64, begin: u64, ids: &[TrackId]) {
        self.entries.push(Entry {
            frame,
            secs,
            begin,
            n_before: self.recorded.len(),
        });
        self.recorded.extend_from_slice(ids);
        self.now.extend_from_slice(ids);
    }

    /// Returns the frames in order.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the ids as edited, of all frames.
    pub(super) fn now(&self) -> &[TrackId] {
        &self.now
    }

    /// Replaces the ids by those returned by [`Self::edited`] or [`Self::replayed`].
    pub(super) fn set(&mut self, now: Vec<TrackId>) {
        self.now = now;
    }

    /// Returns the places of the people of frame `i` in the list of ids.
    pub(super) fn people(&self, i: usize) -> Range<usize> {
        let begin_of = |i: usize| {
            self.entries
                .get(i)
                .map_or(self.recorded.len(), |e| e.n_before)
        };
        begin_of(i)..begin_of(i + 1)
    }

    /// Returns the recorded ids of the people of frame `i`.
    pub(super) fn recorded(&self, i: usize) -> &[TrackId] {
        &self.recorded[self.people(i)]
    }

    /// Returns every track, by id.
    pub(super) fn tracks(&self) -> Vec<Track> {
        let mut tracks = BTreeMap::new();
        for (i, entry) in self.entries.iter().enumerate() {
            for id in &self.now[self.people(i)] {
                let TrackId::Id(id) = *id else { continue };
                let track = tracks.entry(id).or_insert(Track {
                    id,
                    first: entry.frame,
                    last: entry.frame,
                    n_frames: 0,
                });
                track.last = entry.frame;
                track.n_frames += 1;
            }
        }
        tracks.into_values().collect()
    }

    /// Returns the ids after one more edit.
    ///
    /// # Errors
    /// When the edit is not possible: the reason.
    pub(super) fn edited(&self, edit: &TrackEdit) -> Result<Vec<TrackId>, String> {
        self.check(edit)?;
        let mut now = self.now.clone();
        self.apply(edit, &mut now);
        Ok(now)
    }

    /// Returns the recorded ids after these edits, which have been possible before.
    pub(super) fn replayed(&self, edits: &[TrackEdit]) -> Vec<TrackId> {
        let mut now = self.recorded.clone();
        for edit in edits {
            self.apply(edit, &mut now);
        }
        now
    }

    /// Returns the indices of the frames in a range.
    fn within(&self, frames: &RangeInclusive<u64>) -> Range<usize> {
        let first = self.entries.partition_point(|e| e.frame < *frames.start());
        let end = self.entries.partition_point(|e| e.frame <= *frames.end());
        first..end.max(first)
    }

    fn check(&self, edit: &TrackEdit) -> Result<(), String> {
        let (a, b) = edit.ids();
        if b == Some(a) {
            return Err(format!("#{a} is one person: choose two"));
        }
        for id in std::iter::once(a).chain(b) {
            if !self.now.contains(&TrackId::Id(id)) {
                return Err(format!("there is no #{id}"));
            }
        }
        let frames = edit.frames();
        let range = format!("frames {} to {}", frames.start(), frames.end());
        let [a_id, b_id] = [Some(a), b].map(|id| id.map(TrackId::Id));
        let (mut n_any, mut n_both, mut first_both) = (0, 0_usize, None);
        for i in self.within(frames) {
            let here = &self.now[self.people(i)];
            let has = |id: Option<TrackId>| id.is_some_and(|id| here.contains(&id));
            // Who is not there cannot be joined or removed, but either can be swapped.
            let is_swap = matches!(edit, TrackEdit::Swap { .. });
            n_any += usize::from(has(a_id) || is_swap && has(b_id));
            if has(a_id) && has(b_id) {
                n_both += 1;
                first_both.get_or_insert(self.entries[i].frame);
            }
        }
        match (edit, b, first_both) {
            (TrackEdit::Swap { .. }, Some(b), _) if n_any == 0 => {
                Err(format!("neither #{a} nor #{b} is in {range}"))
            }
            (TrackEdit::Join { .. }, Some(b), Some(first)) => Err(format!(
                "#{a} and #{b} are two people: both are in {}, first in frame {first}",
                counted(n_both, "frame")
            )),
            _ if n_any == 0 => Err(format!("#{a} is not in {range}")),
            _ => Ok(()),
        }
    }

    /// Applies an edit to ids of this table.
    fn apply(&self, edit: &TrackEdit, now: &mut [TrackId]) {
        let lines = self.within(edit.frames());
        let people = self.people(lines.start).start..self.people(lines.end).start;
        for id in now.get_mut(people).into_iter().flatten() {
            let TrackId::Id(old) = *id else { continue };
            *id = match *edit {
                TrackEdit::Swap { a, b, .. } if old == a => TrackId::Id(b),
                TrackEdit::Swap { a, b, .. } if old == b => TrackId::Id(a),
                TrackEdit::Join { from, into, .. } if old == from => TrackId::Id(into),
                TrackEdit::Remove { id, .. } if old == id => TrackId::Removed,
                _ => *id,
            };
        }
    }
}

//! The counts behind the identity figures of one clip, and the figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::heaviest::heaviest;

/// The labels and predictions of one frame.
#[derive(Debug, Clone)]
pub(super) struct Encounter {
    /// Track ids of the labels.
    pub(super) people: Vec<u64>,
    /// Track ids of the predictions; `None` for a track of its own.
    pub(super) tracks: Vec<Option<u64>>,
    /// Similarity of every label to every prediction; 0 where the two cannot match.
    pub(super) similarities: Vec<Vec<f64>>,
}

/// A predicted track: its id, or the number of a prediction without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Track {
    Id(u64),
    Nameless(usize),
}

/// Counts of one clip, frame by frame.
#[derive(Debug, Default)]
pub(super) struct ClipCounts {
    clear: IdentityCounts,
    /// The track of each person's last match.
    track_of: BTreeMap<u64, Track>,
    /// The person of each track's last match.
    person_of: BTreeMap<Track, u64>,
    /// Number of labels of each person.
    people: BTreeMap<u64, usize>,
    /// Number of predictions of each track.
    tracks: BTreeMap<Track, usize>,
    /// Number of frames in which a person and a track can match.
    together: BTreeMap<(u64, Track), usize>,
}

impl ClipCounts {
    pub(super) fn add(&mut self, frame: &Encounter) {
        let n_before = self.clear.predictions;
        let name =
            |(i, id): (usize, &Option<u64>)| id.map_or(Track::Nameless(n_before + i), Track::Id);
        let tracks: Vec<Track> = frame.tracks.iter().enumerate().map(name).collect();
        for (person, row) in frame.people.iter().zip(&frame.similarities) {
            *self.people.entry(*person).or_default() += 1;
            for (track, _) in tracks.iter().zip(row).filter(|(_, s)| **s > 0.0) {
                *self.together.entry((*person, *track)).or_default() += 1;
            }
        }
        for track in &tracks {
            *self.tracks.entry(*track).or_default() += 1;
        }
        let matched = self.matched(frame, &tracks);
        let n_matches = matched.iter().flatten().count();
        let counts = &mut self.clear;
        counts.frames += 1;
        counts.labels += frame.people.len();
        counts.predictions += tracks.len();
        counts.matches += n_matches;
        counts.misses += frame.people.len() - n_matches;
        counts.false_positives += tracks.len() - n_matches;
        for (i, (person, at)) in frame.people.iter().zip(&matched).enumerate() {
            let Some(at) = *at else { continue };
            counts.similarity += frame.similarities[i][at];
            let last = self.track_of.insert(*person, tracks[at]);
            counts.switches += usize::from(last.is_some_and(|last| last != tracks[at]));
            self.person_of.insert(tracks[at], *person);
        }
    }

    /// Returns the prediction matched to each label.
    fn matched(&self, frame: &Encounter, tracks: &[Track]) -> Vec<Option<usize>> {
        let kept = |(person, row): (&u64, &Vec<f64>)| {
            let last = self.track_of.get(person)?;
            let at = tracks.iter().position(|track| track == last)?;
            let is_own = self.person_of.get(last) == Some(person);
            (is_own && row[at] > 0.0).then_some(at)
        };
        let pairs = frame.people.iter().zip(&frame.similarities);
        let mut matched: Vec<Option<usize>> = pairs.map(kept).collect();
        let mut rest = frame.similarities.clone();
        for (row, own) in rest.iter_mut().zip(&matched) {
            for (at, similarity) in row.iter_mut().enumerate() {
                if own.is_some() || matched.contains(&Some(at)) {
                    *similarity = 0.0;
                }
            }
        }
        for (place, assigned) in matched.iter_mut().zip(heaviest(&rest)) {
            *place = place.or(assigned);
        }
        matched
    }

    /// Returns all counts, with those of the whole clip.
    pub(super) fn counts(&self) -> IdentityCounts {
        let tracks: Vec<&Track> = self.tracks.keys().collect();
        let row = |person: &u64| {
            let together = |track: &&Track| self.together.get(&(*person, **track));
            let row = tracks
                .iter()
                .map(|track| together(track).map_or(0.0, |n| *n as f64));
            row.collect::<Vec<_>>()
        };
        let together: Vec<Vec<f64>> = self.people.keys().map(row).collect();
        let assigned = heaviest(&together).into_iter().zip(&together);
        let explained: f64 = assigned.filter_map(|(at, row)| Some(row[at?])).sum();
        IdentityCounts {
            people: self.people.len(),
            tracks: self.tracks.len(),
            id_true_positives: explained as usize,
            ..self.clear.clone()
        }
    }
}

/// Counts of one clip, or the sums over several.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct IdentityCounts {
    /// Labelled frames.
    pub frames: usize,
    /// Labelled tracks.
    pub people: usize,
    /// Predicted tracks.
    pub tracks: usize,
    /// Labels, summed over the frames.
    pub labels: usize,
    /// Predictions, summed over the frames.
    pub predictions: usize,
    /// Labels matched frame by frame.
    pub matches: usize,
    /// Matches of a person to another track than in its last match.
    pub switches: usize,
    /// Labels without a match.
    pub misses: usize,
    /// Predictions without a match.
    pub false_positives: usize,
    /// Labels that the track assigned to their person for the whole clip explains (IDTP).
    pub id_true_positives: usize,
    /// Sum of the similarities of all matches.
    #[serde(skip)]
    pub similarity: f64,
}

/// Figures computed from the counts, from 0 to 1 (MOTA also below); `None` without the people or
/// predictions that they refer to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IdentityFigures {
    /// `2 IDTP / (labels + predictions)`.
    pub idf1: Option<f64>,
    /// `IDTP / predictions`.
    pub id_precision: Option<f64>,
    /// `IDTP / labels`.
    pub id_recall: Option<f64>,
    /// `1 - (misses + false positives + switches) / labels`.
    pub mota: Option<f64>,
    /// Mean similarity of the matches.
    pub mean_oks: Option<f64>,
}

impl IdentityCounts {
    /// Adds the counts of another clip.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.people += other.people;
        self.tracks += other.tracks;
        self.labels += other.labels;
        self.predictions += other.predictions;
        self.matches += other.matches;
        self.switches += other.switches;
        self.misses += other.misses;
        self.false_positives += other.false_positives;
        self.id_true_positives += other.id_true_positives;
        self.similarity += other.similarity;
    }

    /// Computes the figures.
    pub fn figures(&self) -> IdentityFigures {
        let share = |value: f64, of: usize| (of > 0).then(|| value / of as f64);
        let explained = self.id_true_positives as f64;
        let errors = self.misses + self.false_positives + self.switches;
        IdentityFigures {
            idf1: share(2.0 * explained, self.labels + self.predictions),
            id_precision: share(explained, self.predictions),
            id_recall: share(explained, self.labels),
            mota: share(errors as f64, self.labels).map(|errors| 1.0 - errors),
            mean_oks: share(self.similarity, self.matches),
        }
    }
}

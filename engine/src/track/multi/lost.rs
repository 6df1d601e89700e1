//! People who are hidden by others, and come out again.

use super::MultiTracker;
use super::person::{Absence, Person};
use crate::pose::Pose;
use crate::track::appearance::Appearance;
use crate::track::identity::TrackIdentity;
use crate::track::motion::Prediction;

impl MultiTracker {
    /// Gives a person who is confirmed by a pose the identity of the lost person whom it fits, or a new
    /// one: who comes out from behind another person may first have been found as a fragment.
    pub(super) fn identify(
        &mut self,
        i: usize,
        time_secs: f64,
        pose: &Pose,
        looks: Option<&Appearance>,
    ) {
        let people = self.people.iter();
        let expected: Vec<Prediction> = people.map(|p| p.motion.expected(time_secs)).collect();
        let merit = |(j, person): (usize, &Person)| {
            let absence = self.absence(person, time_secs, &expected);
            let may_return = person.known.is_some() && absence.is_lost;
            let merit = person.merit(&expected[j], &absence, pose, looks, self.options.skeleton);
            Some((j, merit.filter(|_| may_return)?))
        };
        let lost = self.people.iter().enumerate().filter_map(merit);
        let lost = lost.max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((j, _)) = lost else {
            self.last_id += 1;
            let known = TrackIdentity::new(self.last_id, self.options.smoothing);
            self.people[i].known = Some(known);
            return;
        };
        if let Ok([new, lost]) = self.people.get_disjoint_mut([i, j]) {
            new.known = lost.known.take();
            new.looks.exchange(&mut lost.looks);
        }
    }

    /// Returns how long a person has not been seen, and by whom they may be hidden; `expected` has the
    /// predictions of all people.
    pub(super) fn absence(
        &self,
        person: &Person,
        time_secs: f64,
        expected: &[Prediction],
    ) -> Absence {
        let seen_secs = person.motion.seen_secs();
        let is_lost = seen_secs < self.previous_secs;
        let others = self.people.iter().zip(expected);
        let hides = |(other, _): &(&Person, &Prediction)| {
            is_lost
                && person.known.is_some()
                && person.looks.rivals().any(|key| key == other.key)
                && other.motion.seen_secs() >= self.previous_secs
        };
        Absence {
            secs: time_secs - seen_secs,
            is_lost,
            hiders: others.filter(hides).map(|(_, at)| at.bbox).collect(),
        }
    }
}

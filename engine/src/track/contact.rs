//! People who come so close that their identities may be exchanged, and how that is noticed.
//!
//! Position and motion tell people apart until one hides another. From then on they are *rivals*:
//! what they looked like before is kept, and how they look afterwards is collected separately. Once
//! both are clearly seen again, the two are compared: if the appearances fit better the other way
//! round, the identities were exchanged.

use std::collections::BTreeSet;

use super::appearance::Appearance;

/// Number of clear looks after a contact before appearances are compared.
const N_LOOKS: u32 = 3;

/// Weight of a new look in the appearance of a person.
const RATE: f32 = 0.1;

/// Minimum gain in similarity, summed over both people, for which identities are exchanged. Two
/// looks at one person differ by less than 0.1, shirts of different colours by 0.4 and more each.
const MIN_GAIN: f64 = 0.35;

/// The same for one of two people while the other is not seen.
const MIN_GAIN_ALONE: f64 = 0.3;

/// Minimum similarity of somebody who has appeared to a hidden person for being that person.
const SAME: f64 = 0.85;

/// Appearance of one person.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    /// Appearance before the contacts that are not decided.
    known: Option<Appearance>,
    /// Appearance since the last contact, with the number of looks.
    since: Option<(Appearance, u32)>,
    /// Keys of the people in undecided contacts.
    rivals: BTreeSet<u64>,
}

/// Whether two rivals are who they are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not enough is seen.
    Open,
    /// They are, or nothing speaks against it.
    Same,
    /// Each is the other.
    Exchanged,
}

impl Looks {
    /// Returns the appearance that belongs to the identity.
    pub(super) fn known(&self) -> Option<&Appearance> {
        self.known.as_ref()
    }

    /// Adds a clear look.
    pub(super) fn look(&mut self, new: &Appearance) {
        if self.rivals.is_empty() {
            match &mut self.known {
                None => self.known = Some(new.clone()),
                Some(known) => known.approach(new, RATE),
            }
            return;
        }
        match &mut self.since {
            None => self.since = Some((new.clone(), 1)),
            Some((since, n)) => {
                *n += 1;
                since.approach(new, (1.0 / *n as f32).max(RATE));
            }
        }
    }

    /// Notes that the person is close to the one with this key.
    pub(super) fn meet(&mut self, key: u64) {
        self.rivals.insert(key);
        self.since = None;
    }

    /// Notes that the person may be taken for the one with this key, who is not seen.
    pub(super) fn suspect(&mut self, key: u64) {
        if self.rivals.insert(key) {
            self.since = None;
        }
    }

    /// Returns whether there are rivals.
    pub(super) fn has_rivals(&self) -> bool {
        !self.rivals.is_empty()
    }

    /// Returns the keys of the rivals.
    pub(super) fn rivals(&self) -> impl Iterator<Item = u64> + '_ {
        self.rivals.iter().copied()
    }

    /// Ends the contact with the person with this key.
    pub(super) fn part(&mut self, key: u64) {
        self.rivals.remove(&key);
        if self.rivals.is_empty()
            && let Some((since, n)) = self.since.take()
        {
            match &mut self.known {
                None => self.known = Some(since),
                Some(known) => known.approach(&since, (RATE * n as f32).min(0.5)),
            }
        }
    }

    /// Exchanges the appearances that belong to the identities.
    pub(super) fn exchange(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.known, &mut other.known);
    }

    /// Compares rivals, of whom the second may not be seen at present.
    pub(super) fn verdict(&self, other: &Self, is_other_seen: bool) -> Verdict {
        let since = |looks: &Self| {
            let (since, n) = looks.since.as_ref()?;
            (*n >= N_LOOKS).then(|| since.clone())
        };
        let fit = |known: &Option<Appearance>, seen: &Appearance| {
            known.as_ref().map(|known| known.similarity(seen))
        };
        let Some(mine) = since(self) else {
            return Verdict::Open;
        };
        let alone = fit(&other.known, &mine).zip(fit(&self.known, &mine));
        let alone = alone.map(|(exchanged, same)| exchanged - same);
        if !is_other_seen {
            // Somebody who has appeared beside the hidden person, and looks like them.
            let is_back = || {
                let likeness = fit(&other.known, &mine);
                self.known.is_none() && likeness.is_some_and(|l| l >= SAME)
            };
            if is_back() {
                return Verdict::Exchanged;
            }
            return match alone {
                Some(gain) if gain > MIN_GAIN_ALONE => Verdict::Exchanged,
                _ => Verdict::Open,
            };
        }
        let Some(theirs) = since(other) else {
            return Verdict::Open;
        };
        let beside = fit(&self.known, &theirs).zip(fit(&other.known, &theirs));
        let beside = beside.map(|(exchanged, same)| exchanged - same);
        match alone.zip(beside) {
            Some((a, b)) if a + b > MIN_GAIN => Verdict::Exchanged,
            _ => Verdict::Same,
        }
    }
}

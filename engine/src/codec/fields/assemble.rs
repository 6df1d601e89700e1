//! Groups connections into people: limb type by limb type, each connection adds a joint to the
//! person that holds its other end. Every candidate belongs to at most one person.

use super::super::DecodedPerson;
use super::limbs::Connection;
use super::peaks::Candidate;
use crate::pose::Keypoint;
use crate::skeleton::Skeleton;

/// Minimum number of joints; smaller groups are discarded.
const MIN_PARTS: usize = 3;

/// Minimum score per joint; groups below it are discarded.
const MIN_MEAN_SCORE: f64 = 0.4;

/// A partially assembled person.
struct Draft {
    /// Index of the candidate chosen for each joint.
    joints: Vec<Option<usize>>,
    score: f64,
}

/// Assembles people, best first, from the candidates of each joint and the connections of each
/// limb.
pub(super) fn people(
    skeleton: &Skeleton,
    candidates: &[Vec<Candidate>],
    connections: &[Vec<Connection>],
) -> Vec<DecodedPerson> {
    let mut assembly = Assembly {
        candidates,
        drafts: Vec::new(),
        owners: candidates.iter().map(|c| vec![None; c.len()]).collect(),
    };
    let own_order: Vec<usize> = (0..skeleton.limbs.len()).collect();
    let order = if skeleton.assembly_order.is_empty() {
        &own_order
    } else {
        &skeleton.assembly_order
    };
    for &l in order {
        let begins = !skeleton.redundant_limbs.contains(&l);
        for connection in &connections[l] {
            assembly.join(skeleton.limbs[l], *connection, begins);
        }
    }
    let mut people: Vec<DecodedPerson> = assembly
        .drafts
        .iter()
        .filter_map(|draft| finished(draft, candidates))
        .collect();
    people.sort_by(|p, q| q.score.total_cmp(&p.score));
    people
}

struct Assembly<'a> {
    candidates: &'a [Vec<Candidate>],
    /// Drafts that were merged into another one stay in the list, emptied.
    drafts: Vec<Draft>,
    /// `owners[joint][candidate]` is the draft that holds the candidate.
    owners: Vec<Vec<Option<usize>>>,
}

impl Assembly<'_> {
    /// Adds a connection of the limb between joints `ja` and `jb`. If no draft holds either end, it
    /// starts a new person, but only if `begins` is set.
    fn join(&mut self, [ja, jb]: [usize; 2], connection: Connection, begins: bool) {
        let Connection { a, b, score } = connection;
        match (self.owners[ja][a], self.owners[jb][b]) {
            (None, None) => {
                if begins {
                    self.drafts.push(Draft {
                        joints: vec![None; self.candidates.len()],
                        score,
                    });
                    let draft = self.drafts.len() - 1;
                    self.give(draft, ja, a);
                    self.give(draft, jb, b);
                }
            }
            (Some(draft), None) => self.extend(draft, jb, b, score),
            (None, Some(draft)) => self.extend(draft, ja, a, score),
            (Some(p), Some(q)) if p == q => self.drafts[p].score += score,
            (Some(p), Some(q)) => self.merge(p.min(q), p.max(q), score),
        }
    }

    /// Adds candidate `c` as joint `j` of `draft`, with limb score `limb`, unless the draft already
    /// has that joint.
    fn extend(&mut self, draft: usize, j: usize, c: usize, limb: f64) {
        if self.drafts[draft].joints[j].is_none() {
            self.drafts[draft].score += limb;
            self.give(draft, j, c);
        }
    }

    fn give(&mut self, draft: usize, j: usize, c: usize) {
        self.drafts[draft].joints[j] = Some(c);
        self.drafts[draft].score += f64::from(self.candidates[j][c].score);
        self.owners[j][c] = Some(draft);
    }

    /// Merges two drafts connected by a limb of score `limb`, provided that they share no joint.
    fn merge(&mut self, into: usize, from: usize, limb: f64) {
        let mut pairs = self.drafts[into]
            .joints
            .iter()
            .zip(&self.drafts[from].joints);
        if pairs.any(|(p, q)| p.is_some() && q.is_some()) {
            return;
        }
        self.drafts[into].score += self.drafts[from].score + limb;
        for j in 0..self.candidates.len() {
            if let Some(c) = self.drafts[from].joints[j].take() {
                self.drafts[into].joints[j] = Some(c);
                self.owners[j][c] = Some(into);
            }
        }
    }
}

/// Converts a draft to a person, or returns `None` if it has too few joints or too low a score.
fn finished(draft: &Draft, candidates: &[Vec<Candidate>]) -> Option<DecodedPerson> {
    let n_parts = draft.joints.iter().flatten().count();
    let enough = n_parts >= MIN_PARTS && draft.score / n_parts as f64 >= MIN_MEAN_SCORE;
    let joint = |(c, candidates): (&Option<usize>, &Vec<Candidate>)| {
        let candidate = candidates[(*c)?];
        let (x, y) = (candidate.point.x as f32, candidate.point.y as f32);
        Some(Keypoint::from([x, y, candidate.score]))
    };
    enough.then(|| DecodedPerson {
        joints: draft
            .joints
            .iter()
            .zip(candidates)
            .map(|pair| joint(pair).unwrap_or_default())
            .collect(),
        score: draft.score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;

    const LIMBS: [[usize; 2]; 5] = [[0, 1], [2, 3], [1, 2], [0, 3], [3, 4]];

    /// Assembles people from connections `(limb, first candidate, second candidate)`, given in limb
    /// order. There are five joints with candidates 0, 1, ... of score 1; every limb scores 0.5.
    fn assembled(redundant: &[usize], links: &[(usize, usize, usize)]) -> Vec<(Vec<f32>, f64)> {
        let skeleton = Skeleton {
            name: "test".to_owned(),
            joints: vec![String::new(); 5],
            limbs: LIMBS.to_vec(),
            mirror: (0..5).collect(),
            oks_sigmas: Vec::new(),
            assembly_order: Vec::new(),
            redundant_limbs: redundant.to_vec(),
        };
        let candidate = |n: usize| Candidate {
            point: Point::new(n as f64, 0.0),
            score: 1.0,
        };
        let candidates = vec![(0..4).map(candidate).collect::<Vec<_>>(); 5];
        let mut connections = vec![Vec::new(); LIMBS.len()];
        for &(l, a, b) in links {
            connections[l].push(Connection { a, b, score: 0.5 });
        }
        let candidate_of = |k: &Keypoint| if k.score > 0.0 { k.x } else { -1.0 };
        people(&skeleton, &candidates, &connections)
            .iter()
            .map(|p| (p.joints.iter().map(candidate_of).collect(), p.score))
            .collect()
    }

    /// Fails when two connected halves of a person are not merged, or the merge loses their scores.
    #[test]
    fn halves_that_share_no_joint_become_one() {
        let people = assembled(&[], &[(0, 1, 1), (1, 2, 2), (2, 1, 2)]);
        assert_eq!(people, [(vec![1.0, 1.0, 2.0, 2.0, -1.0], 5.5)]);
        // The joints of the absorbed half have a new owner: limb 3 connects joints that are already
        // in the same person, limb 4 extends it.
        let people = assembled(
            &[],
            &[(0, 1, 1), (1, 2, 2), (2, 1, 2), (3, 1, 2), (4, 2, 3)],
        );
        assert_eq!(people, [(vec![1.0, 1.0, 2.0, 2.0, 3.0], 7.5)]);
    }

    /// Fails when a person gets a second candidate for a joint, or two people who share a joint
    /// type are merged into one.
    #[test]
    fn a_joint_belongs_to_one_person() {
        let whole = |c: usize| [(0, c, c), (1, c, c), (2, c, c)];
        let links = [whole(0), whole(1)].concat();
        let two = assembled(&[], &links);
        assert_eq!(two.len(), 2);
        // Limb 3 connects two complete people, then a complete person and a free candidate for a
        // joint that the person already has. Both are ignored, whichever end is free.
        for link in [(3, 0, 1), (3, 0, 2), (3, 2, 0)] {
            assert_eq!(assembled(&[], &[&links[..], &[link]].concat()), two);
        }
    }

    /// Fails when a redundant limb starts a new person, or no longer adds its score to an existing
    /// one.
    #[test]
    fn redundant_limbs_never_start_a_person() {
        let chain = [(0, 0, 0), (2, 0, 0)];
        assert_eq!(assembled(&[], &chain).len(), 1);
        assert_eq!(assembled(&[0], &chain).len(), 0);
        assert_eq!(
            assembled(&[2], &chain),
            [(vec![0.0, 0.0, 0.0, -1.0, -1.0], 4.0)]
        );
    }

    /// Fails when the list order of limbs decides which person comes first instead of the score, or
    /// a single limb is accepted as a person.
    #[test]
    fn the_best_person_comes_first() {
        let links = [
            (0, 3, 3),
            (0, 1, 1),
            (0, 2, 2),
            (2, 1, 1),
            (2, 2, 2),
            (3, 2, 0),
            (4, 1, 0),
        ];
        let people = assembled(&[], &links);
        assert_eq!(
            people,
            [
                (vec![2.0, 2.0, 2.0, 0.0, -1.0], 5.5),
                (vec![1.0, 1.0, 1.0, -1.0, -1.0], 4.0),
            ]
        );
    }
}

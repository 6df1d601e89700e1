//! Connections to people: limb after limb, joints are added to the people that hold the other
//! end. A candidate belongs to one person at most.

use super::super::Found;
use super::limbs::Connection;
use super::peaks::Candidate;
use crate::pose::Keypoint;
use crate::skeleton::Skeleton;

/// Fewer joints than this are no person.
const MIN_PARTS: usize = 3;

/// Score per joint below which people are not believed.
const MIN_MEAN_SCORE: f64 = 0.4;

/// A person in the making.
struct Draft {
    /// Per joint the candidate.
    joints: Vec<Option<usize>>,
    score: f64,
}

/// People, best first, from the candidates of each joint and the connections of each limb.
pub(super) fn people(
    skeleton: &Skeleton,
    candidates: &[Vec<Candidate>],
    connections: &[Vec<Connection>],
) -> Vec<Found> {
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
    let mut people: Vec<Found> = assembly
        .drafts
        .iter()
        .filter_map(|draft| finished(draft, candidates))
        .collect();
    people.sort_by(|p, q| q.score.total_cmp(&p.score));
    people
}

struct Assembly<'a> {
    candidates: &'a [Vec<Candidate>],
    /// Those merged into another stay, empty.
    drafts: Vec<Draft>,
    /// Per joint and candidate the draft that holds it.
    owners: Vec<Vec<Option<usize>>>,
}

impl Assembly<'_> {
    /// Joins the ends of a connection of the limb between joints `ja` and `jb`; where nobody holds
    /// either, a new person `begins`, or nothing.
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

    /// Gives `draft` candidate `c` for joint `j` through a limb of score `limb`, unless it has
    /// another one.
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

    /// Two halves that a limb of score `limb` joins are one person if they share no joint.
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

/// The person, if there is enough of it.
fn finished(draft: &Draft, candidates: &[Vec<Candidate>]) -> Option<Found> {
    let n_parts = draft.joints.iter().flatten().count();
    let enough = n_parts >= MIN_PARTS && draft.score / n_parts as f64 >= MIN_MEAN_SCORE;
    let joint = |(c, candidates): (&Option<usize>, &Vec<Candidate>)| {
        let candidate = candidates[(*c)?];
        let (x, y) = (candidate.point.x as f32, candidate.point.y as f32);
        Some(Keypoint::from([x, y, candidate.score]))
    };
    enough.then(|| Found {
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

    /// People from connections (limb, first candidate, second candidate), in the limbs' order, of
    /// five joints with candidates 0, 1, ... of score 1; all limbs score 0.5.
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

    /// Fails when two halves of a person stay two, or their scores are lost.
    #[test]
    fn halves_that_share_no_joint_become_one() {
        let people = assembled(&[], &[(0, 1, 1), (1, 2, 2), (2, 1, 2)]);
        assert_eq!(people, [(vec![1.0, 1.0, 2.0, 2.0, -1.0], 5.5)]);
        // The joints of the absorbed half have a new owner: limb 3 joins what is joined already,
        // limb 4 extends.
        let people = assembled(
            &[],
            &[(0, 1, 1), (1, 2, 2), (2, 1, 2), (3, 1, 2), (4, 2, 3)],
        );
        assert_eq!(people, [(vec![1.0, 1.0, 2.0, 2.0, 3.0], 7.5)]);
    }

    /// Fails when a person gets a second candidate for a joint, or two people that share a joint
    /// melt into one.
    #[test]
    fn a_joint_is_held_once() {
        let whole = |c: usize| [(0, c, c), (1, c, c), (2, c, c)];
        let links = [whole(0), whole(1)].concat();
        let two = assembled(&[], &links);
        assert_eq!(two.len(), 2);
        // Limb 3 joins two whole people, then a whole one and a free candidate of a joint that
        // it has: both are ignored, whichever end is the free one.
        for link in [(3, 0, 1), (3, 0, 2), (3, 2, 0)] {
            assert_eq!(assembled(&[], &[&links[..], &[link]].concat()), two);
        }
    }

    /// Fails when a redundant limb begins a person, or no longer adds to one.
    #[test]
    fn redundant_limbs_begin_nobody() {
        let chain = [(0, 0, 0), (2, 0, 0)];
        assert_eq!(assembled(&[], &chain).len(), 1);
        assert_eq!(assembled(&[0], &chain).len(), 0);
        assert_eq!(
            assembled(&[2], &chain),
            [(vec![0.0, 0.0, 0.0, -1.0, -1.0], 4.0)]
        );
    }

    /// Fails when the order of limbs in the list, not the score, decides who comes first, or a
    /// lone limb passes for a person.
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

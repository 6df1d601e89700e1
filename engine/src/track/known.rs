//! Which people were where in the frames processed last.

use std::collections::BTreeMap;

use super::assign;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::pose::Pose;

/// Maximum distance in time of a frame from the one whose people give it their ids.
const MAX_APART_SECS: f64 = 0.5;
/// Maximum distance of a person between these frames, in the longer side of the box.
const MAX_MOVED: f64 = 0.75;
/// Number of frames that are remembered: two minutes at 30 frames per second.
const N_FRAMES: usize = 4096;

/// Track ids and boxes of all people in the frames of a run, including people who are not selected.
/// People in frames that are visited afterwards, in any order, get their ids from it.
#[derive(Debug, Clone, Default)]
pub struct KnownPeople {
    /// Ids and boxes by time in microseconds.
    frames: BTreeMap<i64, Vec<(u64, BBox)>>,
}

impl KnownPeople {
    /// Forgets all frames, because track ids begin again.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// Remembers all people of a tracked frame.
    pub fn tracked(&mut self, frame: &Frame, poses: &[Pose]) {
        self.insert(micros(frame), poses);
    }

    /// Remembers the people of a visited frame unless it has been tracked or visited before.
    pub fn visited(&mut self, frame: &Frame, poses: &[Pose]) {
        let now = micros(frame);
        if !self.frames.contains_key(&now) && poses.iter().any(|pose| pose.track_id.is_some()) {
            self.insert(now, poses);
        }
    }

    /// Returns the ids of the people in a frame: those of the nearest people in the nearest
    /// remembered frame. `None` if there is no such frame within half a second.
    pub fn ids(&self, frame: &Frame, poses: &[Pose]) -> Option<Vec<Option<u64>>> {
        let now = micros(frame);
        let before = self.frames.range(..=now).next_back();
        let after = self.frames.range(now..).next();
        let nearest = before.into_iter().chain(after);
        let (at, known) = nearest.min_by_key(|(at, _)| at.abs_diff(now))?;
        if at.abs_diff(now) as f64 > MAX_APART_SECS * 1e6 {
            return None;
        }
        let closeness = |pose: &Pose, (_, other): &(u64, BBox)| {
            let side = other.w.max(other.h).max(1.0);
            -pose.bbox.center().distance(other.center()) / side
        };
        let to_known = |pose: &Pose| known.iter().map(|k| closeness(pose, k)).collect();
        let table: Vec<Vec<f64>> = poses.iter().map(to_known).collect();
        let owners = assign(&table, -MAX_MOVED).into_iter();
        Some(owners.map(|owner| owner.map(|i| known[i].0)).collect())
    }

    fn insert(&mut self, at: i64, poses: &[Pose]) {
        let people = poses.iter().filter_map(|p| Some((p.track_id?, p.bbox)));
        self.frames.insert(at, people.collect());
        while self.frames.len() > N_FRAMES {
            let ends = [self.frames.keys().next(), self.frames.keys().next_back()];
            let farthest = ends.into_iter().flatten().max_by_key(|t| t.abs_diff(at));
            let Some(farthest) = farthest.copied() else {
                return;
            };
            self.frames.remove(&farthest);
        }
    }
}

fn micros(frame: &Frame) -> i64 {
    (frame.time_secs * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;
    use crate::geometry::Size;

    fn frame(secs: f64) -> Frame {
        let size = Size::new(1, 1);
        Frame::new(0, secs, size, Pixels::unpooled(vec![0; 4]))
    }

    fn person(id: Option<u64>, x: f64) -> Pose {
        Pose {
            track_id: id,
            bbox: BBox::new(x, 0.0, 20.0, 40.0),
            ..Pose::default()
        }
    }

    /// Fails when people of a stepped frame lose their ids or get those of others, somebody new gets
    /// an id, ids drift although the frame was tracked, or a frame far away gets ids.
    #[test]
    fn visited_people_keep_their_ids() {
        let mut known = KnownPeople::default();
        let new = |x: f64| person(None, x);
        assert_eq!(known.ids(&frame(1.0), &[new(0.0)]), None);
        let two = [person(Some(3), 0.0), person(Some(7), 100.0)];
        known.tracked(&frame(1.0), &two);
        let seen = [new(104.0), new(400.0), new(-5.0)];
        let ids = known.ids(&frame(1.04), &seen);
        assert_eq!(ids, Some(vec![Some(7), None, Some(3)]));
        assert_eq!(known.ids(&frame(1.6), &seen), None);
        assert_eq!(known.ids(&frame(0.4), &seen), None);
        // Step by step, ids go on beyond half a second.
        let mut x = 100.0;
        for i in 1..=10 {
            let at = frame(1.0 + 0.1 * f64::from(i));
            x += 20.0;
            let mut seen = [new(x)];
            seen[0].track_id = known.ids(&at, &seen).unwrap()[0];
            assert_eq!(seen[0].track_id, Some(7), "step {i}");
            known.visited(&at, &seen);
        }
        // A visit does not replace what the tracker found.
        known.visited(&frame(1.0), &[person(Some(7), 0.0)]);
        assert_eq!(known.ids(&frame(1.0), &[new(1.0)]), Some(vec![Some(3)]));
    }

    /// Fails when a long run takes more and more memory, or the frames around the last one are
    /// forgotten first.
    #[test]
    fn the_frames_far_away_are_forgotten() {
        let mut known = KnownPeople::default();
        for i in 0..N_FRAMES + 100 {
            let at = frame(i as f64);
            known.tracked(&at, &[person(Some(1), 0.0)]);
        }
        assert_eq!(known.frames.len(), N_FRAMES);
        let ids = |secs: usize| known.ids(&frame(secs as f64), &[person(None, 0.0)]);
        assert!(ids(99).is_none() && ids(100).is_some());
        assert!(ids(N_FRAMES + 99).is_some());
    }
}

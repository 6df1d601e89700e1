//! Which of the tracked people are returned.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::motion::MAX_GONE_SECS;
use crate::error::Error;
use crate::frame::Frame;
use crate::geometry::Point;
use crate::pose::Pose;

/// The person to return instead of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follow {
    /// The person with this track id.
    Id(u64),
    /// The person who is nearest to the centre of the image when chosen.
    Nearest,
    /// The person with the largest box when chosen.
    Largest,
}

impl FromStr for Follow {
    type Err = Error;

    /// Parses `nearest`, `largest` or a track id.
    fn from_str(text: &str) -> Result<Self, Error> {
        match (text, text.parse()) {
            ("nearest", _) => Ok(Self::Nearest),
            ("largest", _) => Ok(Self::Largest),
            (_, Ok(id)) if id > 0 => Ok(Self::Id(id)),
            _ => Err(Error::Invalid(
                "nearest, largest or the number of a person, from 1".to_owned(),
            )),
        }
    }
}

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Nearest => write!(f, "nearest"),
            Self::Largest => write!(f, "largest"),
        }
    }
}

/// The people to return. All others are tracked as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// The only person to return, if any.
    pub follow: Option<Follow>,
    /// Track ids of people who are not returned.
    pub hidden: BTreeSet<u64>,
}

/// Applies a [`Selection`] frame by frame. A person chosen by position or size stays the chosen one
/// until they have been gone for longer than a tracker remembers people.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    selection: Selection,
    chosen: Option<Chosen>,
}

#[derive(Debug, Clone, Copy)]
struct Chosen {
    id: u64,
    seen_secs: f64,
}

impl Selector {
    /// Replaces the selection.
    pub fn set(&mut self, selection: &Selection) {
        if selection.follow != self.selection.follow {
            self.chosen = None;
        }
        self.selection.clone_from(selection);
    }

    /// Forgets the chosen person, for a new run.
    pub fn reset(&mut self) {
        self.chosen = None;
    }

    /// Returns whether the person with this track id may be returned in the next frame.
    pub fn may_return(&self, id: Option<u64>) -> bool {
        let is_hidden = id.is_some_and(|id| self.selection.hidden.contains(&id));
        !is_hidden
            && match (self.selection.follow, self.chosen) {
                (Some(Follow::Id(followed)), _) => id == Some(followed),
                (Some(_), Some(chosen)) => id == Some(chosen.id),
                (Some(_), None) | (None, _) => true,
            }
    }

    /// Removes the people who are not selected from `poses`, the people in `frame`.
    pub fn keep_selected(&mut self, frame: &Frame, poses: &mut Vec<Pose>) {
        let hidden = &self.selection.hidden;
        poses.retain(|pose| pose.track_id.is_none_or(|id| !hidden.contains(&id)));
        let Some(follow) = self.selection.follow else {
            return;
        };
        let now = frame.time_secs;
        if let Some(chosen) = &mut self.chosen {
            if poses.iter().any(|pose| pose.track_id == Some(chosen.id)) {
                chosen.seen_secs = now;
            } else if !(0.0..=MAX_GONE_SECS).contains(&(now - chosen.seen_secs)) {
                self.chosen = None;
            }
        }
        let id = match (follow, self.chosen) {
            (Follow::Id(id), _) => Some(id),
            (_, Some(chosen)) => Some(chosen.id),
            (Follow::Nearest | Follow::Largest, None) => self.choose(follow, frame, poses),
        };
        poses.retain(|pose| id.is_some() && pose.track_id == id);
    }

    /// Chooses one of `poses` and returns its track id.
    fn choose(&mut self, follow: Follow, frame: &Frame, poses: &[Pose]) -> Option<u64> {
        let size = frame.size();
        let center = Point::new(size.width as f64 / 2.0, size.height as f64 / 2.0);
        let merit = |pose: &Pose| match follow {
            Follow::Largest => pose.bbox.w * pose.bbox.h,
            Follow::Id(_) | Follow::Nearest => -pose.bbox.center().distance(center),
        };
        let numbered = poses.iter().filter_map(|p| Some((merit(p), p.track_id?)));
        // Ties go to the smaller id.
        let best = numbered.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let (_, id) = best?;
        self.chosen = Some(Chosen {
            id,
            seen_secs: frame.time_secs,
        });
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;
    use crate::geometry::{BBox, Size};

    fn frame(secs: f64) -> Frame {
        let size = Size::new(64, 48);
        let pixels = Pixels::unpooled(vec![0; 4 * size.area()]);
        Frame::new(0, secs, size, pixels)
    }

    /// A person with a box of side `side` around (`x`, 24).
    fn person(id: u64, x: f64, side: f64) -> Pose {
        Pose {
            track_id: Some(id),
            bbox: BBox::new(x - side / 2.0, 24.0 - side / 2.0, side, side),
            ..Pose::default()
        }
    }

    fn kept(selector: &mut Selector, secs: f64, people: &[Pose]) -> Vec<u64> {
        let mut poses = people.to_vec();
        selector.keep_selected(&frame(secs), &mut poses);
        poses.iter().filter_map(|p| p.track_id).collect()
    }

    fn follow(follow: Follow) -> Selection {
        Selection {
            follow: Some(follow),
            ..Selection::default()
        }
    }

    /// Fails when the followed person changes while they are there or briefly gone, nobody is chosen
    /// after they left, or another criterion keeps the old choice.
    #[test]
    fn the_choice_stays_with_its_person() {
        let all = [
            person(1, 10.0, 20.0),
            person(2, 30.0, 8.0),
            person(3, 50.0, 9.0),
        ];
        let mut selector = Selector::default();
        assert_eq!(kept(&mut selector, 0.0, &all), [1, 2, 3]);
        selector.set(&follow(Follow::Nearest));
        assert!(selector.may_return(Some(1)));
        assert_eq!(kept(&mut selector, 0.1, &all), [2]);
        assert!(!selector.may_return(Some(1)) && selector.may_return(Some(2)));
        let moved = [person(1, 32.0, 20.0), person(2, 60.0, 8.0)];
        assert_eq!(kept(&mut selector, 0.2, &moved), [2]);
        assert_eq!(kept(&mut selector, 1.1, &moved[..1]), [0; 0]);
        assert_eq!(kept(&mut selector, 1.15, &moved), [2]);
        assert_eq!(kept(&mut selector, 2.3, &moved[..1]), [1]);
        selector.set(&follow(Follow::Largest));
        assert_eq!(kept(&mut selector, 2.4, &all[1..]), [3]);
        selector.set(&follow(Follow::Id(2)));
        assert_eq!(kept(&mut selector, 2.5, &all), [2]);
        assert_eq!(kept(&mut selector, 9.0, &all[..1]), [0; 0]);
    }

    /// Fails when a hidden person is returned or chosen.
    #[test]
    fn hidden_people_are_not_chosen() {
        let all = [person(1, 10.0, 20.0), person(2, 30.0, 8.0)];
        let mut selector = Selector::default();
        let hidden = BTreeSet::from([1]);
        selector.set(&Selection {
            follow: None,
            hidden: hidden.clone(),
        });
        assert_eq!(kept(&mut selector, 0.0, &all), [2]);
        assert!(!selector.may_return(Some(1)));
        selector.set(&Selection {
            follow: Some(Follow::Largest),
            hidden,
        });
        assert_eq!(kept(&mut selector, 0.1, &all), [2]);
    }

    /// Fails when a printed choice is not read back, or a wrong one is accepted.
    #[test]
    fn choices_are_read_as_printed() {
        for text in ["nearest", "largest", "7"] {
            assert_eq!(text.parse::<Follow>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "Nearest", "1.5"] {
            assert!(text.parse::<Follow>().is_err(), "{text}");
        }
    }
}

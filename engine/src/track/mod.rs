//! Tracking: the regions of the next frame, the identity of people, and temporal smoothing.
//!
//! A [`Tracker`] returns the regions of the next frame that the network should process. It receives
//! the poses found there, and returns them with a track id ([`crate::pose::Pose::track_id`]) and
//! temporally smoothed joints. [`SingleTracker`] follows one person in a crop; [`MultiTracker`]
//! tells apart the people that a bottom-up network finds in the whole frame, and predicts the
//! regions in which a top-down network finds them again. A [`Selector`] keeps the selected people.

mod appearance;
mod assign;
mod contact;
mod cut;
mod evidence;
mod follow;
mod identity;
mod known;
mod motion;
mod multi;
mod one_euro;
mod selection;
mod single;

pub use assign::assign;
pub use cut::SceneCut;
pub use evidence::evidence_with;
pub use follow::region_around;
pub use known::KnownPeople;
pub use motion::{MAX_GONE_SECS, oks, shared_joints};
pub use multi::{MultiOptions, MultiTracker, Seen, Sighting, Track};
pub use one_euro::{MAX_GAP_SECS, OneEuro, Smoother};
pub use selection::{Follow, Selection, Selector};
pub use single::{SingleOptions, SingleTracker};

use crate::frame::Frame;
use crate::geometry::{Roi, Size};
use crate::pose::Pose;

/// Tracks people from frame to frame. For every frame, call [`Tracker::regions`] first, then
/// [`Tracker::update`] with the poses found in them.
pub trait Tracker: Send {
    /// Returns the regions to process in the next frame, which has size `frame`; at least one.
    fn regions(&mut self, frame: Size) -> Vec<Roi>;

    /// Takes the poses found in the regions of `frame`. Returns the tracked people, best first, with
    /// track id, smoothed joints and their past. The raw joints are unchanged.
    fn update(&mut self, frame: &Frame, poses: Vec<Pose>) -> Vec<Pose>;

    /// Replaces the filter parameters from the next frame on, if smoothing is enabled.
    fn set_smoothing(&mut self, params: OneEuro);

    /// Returns a copy, for processing a frame a second time.
    fn copied(&self) -> Box<dyn Tracker>;

    /// Returns a tracker of the same kind and options without any people.
    fn fresh(&self) -> Box<dyn Tracker>;

    /// Forgets all people, because the scene has changed. Track ids go on.
    fn forget(&mut self);

    /// Forgets all people, for a new source or run. Track ids start again at 1.
    fn reset(&mut self);
}

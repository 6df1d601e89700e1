//! Where to look next, who is who, and calm joints.
//!
//! A [`Tracker`] says which regions of the next frame the network should see, receives the poses
//! found there, and hands them on with an identity ([`crate::pose::Pose::track_id`]) and joints
//! smoothed over time. [`SingleTracker`] follows one person with a closer look; [`SeveralTracker`]
//! tells apart the people that a network finds in the whole picture.

mod assign;
mod follow;
mod identity;
mod moving;
mod one_euro;
mod several;
mod single;

pub use assign::assign;
pub use one_euro::{MAX_GAP_SECS, OneEuro, Smoother};
pub use several::{SeveralOptions, SeveralTracker};
pub use single::{SingleOptions, SingleTracker};

use crate::geometry::{Roi, Size};
use crate::pose::Pose;

/// Follows people from frame to frame. For every frame, first [`Tracker::regions`], then
/// [`Tracker::update`] with the poses found in them.
pub trait Tracker: Send {
    /// The regions to look at in the next frame, which has size `frame`; at least one.
    fn regions(&mut self, frame: Size) -> Vec<Roi>;

    /// Takes the poses found in the regions of the frame at `time_secs`; returns the people
    /// tracked, best first, with identity, smoothed joints and their past. Raw joints stay as
    /// they are.
    fn update(&mut self, time_secs: f64, frame: Size, poses: Vec<Pose>) -> Vec<Pose>;

    /// Smooths joints with these parameters from the next frame on, where it smooths at all.
    fn set_smoothing(&mut self, params: OneEuro);

    /// A tracker of the same kind and options that has seen nobody.
    fn fresh(&self) -> Box<dyn Tracker>;

    /// Forgets everybody: a new source or a new run begins. Identities start again at 1.
    fn reset(&mut self);
}

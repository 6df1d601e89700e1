//! Actions that concern the people in the live view.

use poselens_engine::estimator::People;
use poselens_engine::geometry::Point;
use poselens_engine::track::Follow;

/// An action on the people in the live view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PeopleAction {
    /// Estimate one person or several.
    Estimate(People),
    /// Show only this person; `None` shows everyone who is not hidden.
    Follow(Option<Follow>),
    /// Show only the person at this point of the image; without a person there, everyone.
    FollowAt(Point),
    /// Hide the person at this point of the image.
    HideAt(Point),
    /// Show the hidden people again.
    ShowHidden,
    /// Take back the last change of the selection: its click was the first of a double click.
    Restore,
}

//! Actions that concern live streams of joints.

/// An action on live streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamAction {
    /// Set the targets, separated by blanks or commas.
    Edit(String),
    /// Start or stop sending; the user is asked about targets on other computers first.
    Send(bool),
    /// Send to the targets on other computers as well.
    Confirm,
}

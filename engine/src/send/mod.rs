//! Live streams of joints to other programs: OSC and JSON by UDP, JSON by WebSocket.
//!
//! A [`Target`] says where to and in which form. [`Streams`] encodes each frame once per form and
//! puts it into the queue of every target, in which the newest frames win, so that a slow or vanished
//! receiver never slows down the caller. A thread per target empties the queue: [`datagrams`] sends
//! it, [`server`] passes it on to its [`client`]s. [`Tally`] counts what was sent and dropped.

mod client;
mod datagrams;
mod origin;
mod osc;
mod queue;
mod server;
mod streams;
mod tally;
mod target;

#[cfg(test)]
mod tests;

pub use osc::osc_bundle;
pub use streams::Streams;
pub use tally::Tally;
pub use target::{Form, Target};

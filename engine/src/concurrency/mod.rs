//! Building blocks of every thread in the program: a [`Slot`] in which the newest item wins, and a
//! [`Worker`], a named thread whose panic becomes a message.

mod slot;
mod worker;

pub use slot::Slot;
pub use worker::{StopFlag, Worker};

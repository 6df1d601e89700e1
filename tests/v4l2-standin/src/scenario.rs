//! What is plugged in, and what goes wrong: the file of a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// A camera, and its fate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Camera {
    /// Number of its `/dev/videoN`.
    pub(crate) node: u32,
    #[serde(default)]
    pub(crate) card: String,
    #[serde(default)]
    pub(crate) bus: String,
    /// What the node can do; what the device can do has always capture besides.
    #[serde(default = "capture")]
    pub(crate) caps: u32,
    #[serde(default)]
    pub(crate) formats: Vec<Format>,
    /// Whether buffers have planes.
    #[serde(default)]
    pub(crate) is_multi_planar: bool,
    /// Error numbers of requests, by their names without `VIDIOC_`; `OPEN` for opening.
    #[serde(default)]
    pub(crate) errors: BTreeMap<String, i32>,
    /// A request that never returns.
    #[serde(default)]
    pub(crate) hangs_in: String,
    /// The format that is set whatever is asked for: its number in the list.
    #[serde(default)]
    pub(crate) fixed: Option<usize>,
    /// Most buffers that it gives.
    #[serde(default = "many")]
    pub(crate) n_buffers: u32,
    /// Milliseconds from frame to frame.
    #[serde(default = "thirtieth")]
    pub(crate) millis: u64,
    /// Milliseconds from the start to the first frame.
    #[serde(default)]
    pub(crate) first_millis: u64,
    /// Frames before it falls silent, once, until it is started again.
    #[serde(default)]
    pub(crate) stalls_after: Option<u64>,
    /// Frames before it is unplugged.
    #[serde(default)]
    pub(crate) unplugged_after: Option<u64>,
    /// Milliseconds from there until it is plugged in again; never if not given.
    #[serde(default)]
    pub(crate) back_after: Option<u64>,
    /// Its node from then on.
    #[serde(default)]
    pub(crate) back_at: Option<u32>,
    /// Frames that are damaged.
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
    /// Which clock its time stamps are of: `monotonic`, `none`, `wall`, `zero`, `still`.
    #[serde(default)]
    pub(crate) clock: String,
    /// Every n-th call is interrupted.
    #[serde(default)]
    pub(crate) interrupts_every: Option<u64>,
    /// Whether waiting reports an error where it should report a frame.
    #[serde(default)]
    pub(crate) is_poll_odd: bool,
}

/// A pixel format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format {
    /// Four characters.
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) sizes: Sizes,
    #[serde(default)]
    pub(crate) rates: Rates,
    /// Bytes at the end of a row.
    #[serde(default)]
    pub(crate) padding: u32,
    #[serde(default)]
    pub(crate) colorspace: u32,
    /// Files with the frames, in turn; empty: black ones.
    #[serde(default)]
    pub(crate) frames: Vec<PathBuf>,
}

/// Sizes as drivers list them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) enum Sizes {
    /// The request is not known.
    #[default]
    Unlisted,
    Listed(Vec<(u32, u32)>),
    /// Smallest, largest, step; for width, then height.
    Stepwise([u32; 3], [u32; 3]),
}

/// Seconds per frame as drivers list them.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) enum Rates {
    /// The request is not known.
    #[default]
    Unlisted,
    Listed(Vec<(u32, u32)>),
    /// Shortest, longest.
    Continuous((u32, u32), (u32, u32)),
}

/// Frames number `offset`, `offset + every`, ... are damaged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) every: u64,
    #[serde(default)]
    pub(crate) offset: u64,
    pub(crate) how: Damage,
}

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Damage {
    /// The driver marks it as damaged.
    Marked,
    /// It has no bytes.
    Empty,
    /// It has a third of its bytes.
    Short,
    /// It lacks its last two bytes.
    Endless,
}

const fn capture() -> u32 {
    1
}

const fn many() -> u32 {
    32
}

const fn thirtieth() -> u64 {
    33
}

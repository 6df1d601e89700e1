//! The scenario of a test: connected cameras and their faults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// A camera and its faults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Camera {
    /// Number N of its `/dev/videoN`.
    pub(crate) node: u32,
    #[serde(default)]
    pub(crate) card: String,
    #[serde(default)]
    pub(crate) bus: String,
    /// Capabilities of the node; those of the device always include capture.
    #[serde(default = "capture")]
    pub(crate) caps: u32,
    #[serde(default)]
    pub(crate) formats: Vec<Format>,
    /// Whether the buffers are multi-planar.
    #[serde(default)]
    pub(crate) is_multi_planar: bool,
    /// Error numbers by request name without `VIDIOC_`; `OPEN` for opening.
    #[serde(default)]
    pub(crate) errors: BTreeMap<String, i32>,
    /// Name of a request that never returns.
    #[serde(default)]
    pub(crate) hangs_in: String,
    /// Index of the format that is always set, whatever is requested.
    #[serde(default)]
    pub(crate) fixed: Option<usize>,
    /// Maximum number of buffers.
    #[serde(default = "many")]
    pub(crate) n_buffers: u32,
    /// Frame interval in milliseconds.
    #[serde(default = "thirtieth")]
    pub(crate) millis: u64,
    /// Delay of the first frame after the start in milliseconds.
    #[serde(default)]
    pub(crate) first_millis: u64,
    /// Number of frames until it stops delivering, once, until restarted.
    #[serde(default)]
    pub(crate) stalls_after: Option<u64>,
    /// Number of frames until it is unplugged.
    #[serde(default)]
    pub(crate) unplugged_after: Option<u64>,
    /// Milliseconds until it is plugged in again; never if not given.
    #[serde(default)]
    pub(crate) back_after: Option<u64>,
    /// Its node after that.
    #[serde(default)]
    pub(crate) back_at: Option<u32>,
    /// Faults of single frames.
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
    /// Clock of its timestamps: `monotonic`, `none`, `wall`, `zero` or `still`.
    #[serde(default)]
    pub(crate) clock: String,
    /// Every n-th call is interrupted.
    #[serde(default)]
    pub(crate) interrupts_every: Option<u64>,
    /// Whether `poll` reports an error instead of a frame.
    #[serde(default)]
    pub(crate) is_poll_odd: bool,
}

/// A pixel format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format {
    /// Four-character code.
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) sizes: Sizes,
    #[serde(default)]
    pub(crate) rates: Rates,
    /// Padding at the end of a row in bytes.
    #[serde(default)]
    pub(crate) padding: u32,
    #[serde(default)]
    pub(crate) colorspace: u32,
    /// Files with the frames, used in rotation; black frames if empty.
    #[serde(default)]
    pub(crate) frames: Vec<PathBuf>,
}

/// Frame sizes as listed by drivers.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) enum Sizes {
    /// The request is not supported.
    #[default]
    Unlisted,
    Listed(Vec<(u32, u32)>),
    /// Minimum, maximum, step; for width, then height.
    Stepwise([u32; 3], [u32; 3]),
}

/// Frame intervals in seconds, as listed by drivers.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) enum Rates {
    /// The request is not supported.
    #[default]
    Unlisted,
    Listed(Vec<(u32, u32)>),
    /// Shortest, longest.
    Continuous((u32, u32), (u32, u32)),
}

/// Damages the frames `offset`, `offset + every`, ...
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) every: u64,
    #[serde(default)]
    pub(crate) offset: u64,
    pub(crate) how: Damage,
}

/// Kind of damage to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Damage {
    /// Marked as damaged by the driver.
    Marked,
    /// Contains no bytes.
    Empty,
    /// Contains a third of its bytes.
    Short,
    /// Lacks its last two bytes.
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

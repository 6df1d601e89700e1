//! PoseLens without its window.
//!
//! The module list follows the path of a frame: a [`source`] yields a [`frame::Frame`],
//! [`preprocess`] crops and normalises it, a [`model`] predicts heatmaps and attention maps, a
//! [`codec`] decodes them to keypoints, [`track`] assigns track ids and smooths them, an
//! [`overlay`] draws them, [`record`] writes them and [`send`] streams them to other programs.
//! [`estimator`] implements this sequence.
//!
//! Layers (a module imports only from rows below its own; modules in a row never from each other):
//!
//! | row | modules |
//! |---|---|
//! | L5 | `finetune` |
//! | L4 | `pipeline`, `project`, `train` |
//! | L3 | `estimator`, `dataset`, `eval`, `checkpoint` |
//! | L2 | `source`, `preprocess`, `augment`, `model`, `codec`, `track`, `overlay`, `record`, `send` (`model` may use `nn`) |
//! | L1 | `device`, `nn`, `concurrency`, `measure` |
//! | L0 | `frame`, `geometry`, `skeleton`, `pose`, `sample`, `output`, `pose_json`, `sound`, `disk`, `document`, `block_cache`, `error`, `words` |

pub mod augment;
pub mod block_cache;
pub mod checkpoint;
pub mod codec;
pub mod concurrency;
pub mod dataset;
pub mod device;
pub mod disk;
pub mod document;
pub mod error;
pub mod estimator;
pub mod eval;
pub mod finetune;
pub mod frame;
pub mod geometry;
pub mod measure;
pub mod model;
pub mod nn;
pub mod output;
pub mod overlay;
pub mod pipeline;
pub mod pose;
mod pose_json;
pub mod preprocess;
pub mod project;
pub mod record;
pub mod sample;
pub mod send;
pub mod skeleton;
pub mod sound;
pub mod source;
#[cfg(test)]
pub(crate) mod test_golden;
#[cfg(test)]
pub(crate) mod test_wait;
pub mod track;
pub mod train;
pub mod words;

pub use error::{Error, Result};

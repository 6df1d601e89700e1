//! Recording of videos and keypoint files.
//!
//! A [`VideoWriter`] encodes frames with times to an H.264 MP4 file that is playable even when the
//! process is killed; a [`Recorder`] does so on a separate thread with a bounded queue. An
//! [`Exporter`] writes poses to a file; to add one: a new file, one line in [`EXPORTERS`].
//! [`Outputs`] combines several of both, each of which may fail independently. [`tracks`] corrects the
//! ids in recorded poses.

mod coco;
mod columns;
mod csv;
mod encoder;
mod export;
mod fmp4;
mod jsonl;
mod openpose;
mod outputs;
mod png;
mod poses_file;
mod recorder;
mod stamp;
mod tensors;
pub mod tracks;
mod video_writer;

#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod test_disk;
#[cfg(test)]
mod video_tests;

pub use columns::csv_field;
pub(crate) use export::seconds;
pub use export::{ExportContext, Exporter, ExporterSpec, STDOUT};
pub use outputs::{Finished, Outputs};
pub use png::save_png;
pub use poses_file::{PosesFile, PosesLine, WrittenPose};
pub use recorder::{Backpressure, Closing, Offered, RecordSummary, Recorder};
pub use stamp::stamp;
pub use tensors::{Answer, NamedTensor, tensors, write_npy, write_safetensors};
pub use video_writer::{VideoSummary, VideoWriter};

impl ExporterSpec {
    /// Returns the exporter called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        EXPORTERS.iter().find(|spec| spec.name == name)
    }
}

/// Every kind of keypoint file.
pub const EXPORTERS: &[ExporterSpec] = &[jsonl::SPEC, coco::SPEC, openpose::SPEC, csv::SPEC];

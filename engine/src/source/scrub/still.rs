//! Images as frames: a single one, or those of a folder.

use std::path::{Path, PathBuf};

use super::{Keep, RandomAccess};
use crate::error::Result;
use crate::frame::FramePool;
use crate::geometry::Size;
use crate::source::SourceInfo;
use crate::source::image::read_picture;

/// Images that are read on request.
pub(in crate::source) struct Stills {
    info: SourceInfo,
    paths: Vec<PathBuf>,
    times: Vec<f64>,
    pool: FramePool,
    warning: Option<String>,
}

impl Stills {
    /// Creates one frame per image, `frame_secs` apart. `size` is that of the first.
    pub(in crate::source) fn new(
        name: String,
        paths: Vec<PathBuf>,
        frame_secs: f64,
        size: Option<Size>,
        warning: Option<String>,
    ) -> Self {
        Self {
            info: SourceInfo {
                name,
                size,
                rate: (paths.len() > 1).then(|| 1.0 / frame_secs),
                n_frames: Some(paths.len() as u64),
                is_live: false,
            },
            times: (0..paths.len()).map(|i| i as f64 * frame_secs).collect(),
            paths,
            pool: FramePool::new(),
            warning,
        }
    }
}

impl RandomAccess for Stills {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn times(&self) -> &[f64] {
        &self.times
    }

    fn key_before(&self, i: usize) -> usize {
        i
    }

    fn file(&self, i: usize) -> Option<&Path> {
        self.paths.get(i).map(PathBuf::as_path)
    }

    fn decode(&mut self, _from: usize, to: usize, keep: Keep<'_>) -> Result<()> {
        let picture = read_picture(&self.paths[to], to as u64, self.times[to], &self.pool)?;
        keep(to, picture);
        Ok(())
    }

    fn frames_stand_alone(&self) -> bool {
        true
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

//! Examined frames: what the network found in them, kept in `features.json` so that no frame is
//! examined twice.
//!
//! The file is only a cache: it belongs to one network, identified by its output for a test image,
//! and is replaced when another network examines frames. A frame is identified by the content of its
//! clip, and only the newest [`MAX_FRAMES`] are kept.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::description::projected;
use super::measures::Prediction;
use super::person::Joint;
use crate::augment::Rng;
use crate::disk::replace;
use crate::error::{Error, Result};
use crate::estimator::{Infer, RequestedMaps};
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::model::sha256_of;
use crate::output::PoseOutput;
use crate::skeleton::Skeleton;

/// File name of the cache.
const FILE: &str = "features.json";
/// Largest number of frames in the cache, about 20 kB each.
const MAX_FRAMES: usize = 2000;
/// Side of the test image in pixels.
const TEST_SIDE: usize = 64;
/// What a network is asked for.
const REQUESTED: RequestedMaps = RequestedMaps {
    heatmaps: true,
    attention: false,
    fields: false,
    description: true,
};

/// What the network found in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Examined {
    /// Joints of everybody found, as proposals in the project's skeleton.
    pub people: Vec<Vec<Joint>>,
    /// The best of them, for measures.
    pub prediction: Option<Prediction>,
    /// Description by the network's features; may be empty.
    pub description: Vec<f32>,
}

/// Returns the joints of everybody found, as proposals in the project's skeleton.
///
/// # Errors
/// When the model finds other joints.
pub(super) fn people(output: &PoseOutput, skeleton: &'static Skeleton) -> Result<Vec<Vec<Joint>>> {
    let map = output.skeleton.map_to(&skeleton.name).ok_or_else(|| {
        let found = &output.skeleton.name;
        let reason = format!(
            "the model {} finds the joints of {found}, the project has those of {}",
            output.model, skeleton.name
        );
        Error::Failed(reason)
    })?;
    // A pose without a counting joint means that nobody was found.
    let found = output.poses.iter().filter(|pose| pose.score > 0.0);
    Ok(found
        .map(|pose| Joint::all_predicted(&pose.keypoints_raw, &map))
        .collect())
}

/// A network that examines frames, with what it has examined before.
pub(super) struct Examiner<'a> {
    infer: &'a mut dyn Infer,
    /// Skeleton of the project.
    skeleton: &'static Skeleton,
    /// Skeleton of the network.
    pub model_skeleton: &'static Skeleton,
    cache: Cache,
}

impl<'a> Examiner<'a> {
    /// Reads what the network of `infer` has examined in the project in `folder`.
    ///
    /// # Errors
    /// When the network fails or finds other joints.
    pub(super) fn new(
        folder: &Path,
        infer: &'a mut dyn Infer,
        skeleton: &'static Skeleton,
    ) -> Result<Self> {
        let output = infer.inspect(&test_image(), &[], REQUESTED)?;
        people(&output, skeleton)?;
        Ok(Self {
            infer,
            skeleton,
            model_skeleton: output.skeleton,
            cache: Cache::read(folder.join(FILE), fingerprint(&output)),
        })
    }

    /// Returns what was found in a frame before.
    pub(super) fn known(&self, clip: &str, frame: u32) -> Option<Arc<Examined>> {
        self.cache.get(&key(clip, frame))
    }

    /// Examines frame `number` of the clip with this SHA-256.
    ///
    /// # Errors
    /// When the network fails.
    pub(super) fn examine(
        &mut self,
        clip: &str,
        number: u32,
        frame: &Frame,
    ) -> Result<Arc<Examined>> {
        // Without poses nearby, so that the result depends on this frame alone.
        let output = self.infer.inspect(frame, &[], REQUESTED)?;
        let region = output.regions.first();
        let examined = Arc::new(Examined {
            people: people(&output, self.skeleton)?,
            prediction: Prediction::of(&output),
            description: region.map_or_else(Vec::new, |r| projected(&r.description)),
        });
        self.cache.add(key(clip, number), &examined);
        Ok(examined)
    }

    /// Writes what is new. It is examined again if that fails.
    pub(super) fn save(&mut self) {
        self.cache.save();
    }
}

fn key(clip: &str, frame: u32) -> String {
    format!("{clip}/{frame}")
}

/// Returns an image with some structure, always the same.
fn test_image() -> Frame {
    let mut rng = Rng::new(&[TEST_SIDE as u64]);
    let rgba = (0..4 * TEST_SIDE * TEST_SIDE)
        .map(|_| rng.bits() as u8)
        .collect();
    Frame::new(0, 0.0, Size::square(TEST_SIDE), Pixels::unpooled(rgba))
}

/// Identifies a network by its output for the test image.
fn fingerprint(output: &PoseOutput) -> String {
    let mut bytes = output.skeleton.name.as_bytes().to_vec();
    for region in &output.regions {
        let values = region.heatmaps.values.iter().chain(&region.description);
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
    }
    for keypoint in output.poses.iter().flat_map(|pose| &pose.keypoints_raw) {
        let values: [f32; 3] = (*keypoint).into();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    sha256_of(&bytes)
}

struct Cache {
    path: PathBuf,
    network: String,
    frames: HashMap<String, Arc<Examined>>,
    /// Names of the frames, the newest last.
    names: Vec<String>,
    is_changed: bool,
}

#[derive(Deserialize)]
struct In {
    network: String,
    frames: Vec<(String, Examined)>,
}

#[derive(Serialize)]
struct Out<'a> {
    network: &'a str,
    frames: Vec<(&'a str, &'a Examined)>,
}

impl Cache {
    fn read(path: PathBuf, network: String) -> Self {
        let read = fs::read(&path).ok();
        let read = read.and_then(|bytes| serde_json::from_slice::<In>(&bytes).ok());
        let read = read.filter(|file| file.network == network);
        let read = read.map_or_else(Vec::new, |file| file.frames);
        Self {
            path,
            network,
            names: read.iter().map(|(name, _)| name.clone()).collect(),
            frames: read.into_iter().map(|(n, e)| (n, Arc::new(e))).collect(),
            is_changed: false,
        }
    }

    fn get(&self, name: &str) -> Option<Arc<Examined>> {
        self.frames.get(name).cloned()
    }

    fn add(&mut self, name: String, examined: &Arc<Examined>) {
        let before = self.frames.insert(name.clone(), Arc::clone(examined));
        if before.is_none() {
            self.names.push(name);
        }
        self.is_changed = true;
    }

    fn save(&mut self) {
        if !self.is_changed {
            return;
        }
        let n_old = self.names.len().saturating_sub(MAX_FRAMES);
        for name in self.names.drain(..n_old) {
            self.frames.remove(&name);
        }
        let names = self.names.iter();
        let frames = names.filter_map(|name| Some((&**name, &**self.frames.get(name)?)));
        let file = Out {
            network: &self.network,
            frames: frames.collect(),
        };
        let written = match serde_json::to_vec(&file) {
            Ok(bytes) => replace(&self.path, &bytes).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => self.is_changed = false,
            Err(error) => tracing::warn!("{}: {error}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_project::joints;
    use super::*;

    fn examined(x: f64) -> Arc<Examined> {
        Arc::new(Examined {
            people: vec![joints(x)],
            prediction: None,
            description: vec![0.5, 0.25],
        })
    }

    fn cache(folder: &Path, network: &str) -> Cache {
        Cache::read(folder.join(FILE), network.to_owned())
    }

    /// Fails when a frame is not found again, one of another network is, or a damaged cache is an
    /// error.
    #[test]
    fn frames_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = cache(folder.path(), "a");
        first.add(key("clip", 3), &examined(1.0));
        first.save();
        let again = cache(folder.path(), "a");
        assert_eq!(again.get(&key("clip", 3)), Some(examined(1.0)));
        assert_eq!(again.get(&key("other", 3)), None);
        assert_eq!(cache(folder.path(), "b").get(&key("clip", 3)), None);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(cache(folder.path(), "a").names.is_empty());
    }

    /// Fails when the cache grows without bound, or drops the newest frames.
    #[test]
    fn the_cache_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = cache(folder.path(), "a");
        let n = MAX_FRAMES as u32 + 7;
        for frame in 0..n {
            first.add(key("clip", frame), &examined(1.0));
        }
        first.save();
        let again = cache(folder.path(), "a");
        assert_eq!(again.names.len(), MAX_FRAMES);
        let has = |frame| again.get(&key("clip", frame)).is_some();
        assert!(!has(6) && has(7) && has(n - 1));
    }
}

//! `features.json`: descriptions of frames by the network's features, so that they are computed once.
//!
//! It is only a cache: it belongs to one backbone, which its description of a test image identifies,
//! and is replaced when another network describes the frames.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::person::FrameKey;
use crate::augment::Rng;
use crate::disk::replace;
use crate::error::Result;
use crate::estimator::Infer;
use crate::frame::{Frame, Pixels};
use crate::geometry::Size;
use crate::pose::Pose;

/// File name of the cache.
const FILE: &str = "features.json";
/// Number of values of a description. A random projection to so many keeps distances to about a
/// tenth.
const N_VALUES: usize = 64;
/// Side of the test image in pixels.
const TEST_SIDE: usize = 64;

/// Descriptions of frames.
pub(super) struct Descriptions {
    path: PathBuf,
    file: File,
    is_changed: bool,
}

#[derive(Serialize, Deserialize)]
struct File {
    /// Description of the test image.
    network: Vec<f32>,
    frames: BTreeMap<String, Vec<f32>>,
}

fn name(at: FrameKey) -> String {
    format!("{}/{}", at.clip, at.frame)
}

impl Descriptions {
    /// Reads the descriptions by the network of `infer`; starts anew if there are none.
    pub(super) fn read(project: &Path, infer: &mut dyn Infer) -> Result<Self> {
        let network = projected(&infer.describe(&test_image(), None)?);
        let path = project.join(FILE);
        let read = fs::read(&path).ok();
        let read = read.and_then(|bytes| serde_json::from_slice::<File>(&bytes).ok());
        let file = read.filter(|file| file.network == network);
        Ok(Self {
            path,
            file: file.unwrap_or(File {
                network,
                frames: BTreeMap::new(),
            }),
            is_changed: false,
        })
    }

    /// Returns the description of a frame; empty if the network has none.
    pub(super) fn of(
        &mut self,
        at: FrameKey,
        frame: &Frame,
        pose: Option<&Pose>,
        infer: &mut dyn Infer,
    ) -> Result<Vec<f32>> {
        if let Some(known) = self.known(at) {
            return Ok(known.to_vec());
        }
        let described = projected(&infer.describe(frame, pose)?);
        self.file.frames.insert(name(at), described.clone());
        self.is_changed = true;
        Ok(described)
    }

    /// Returns the description of a frame that was described before.
    pub(super) fn known(&self, at: FrameKey) -> Option<&[f32]> {
        let known = self.file.frames.get(&name(at))?;
        (known.len() == self.file.network.len()).then_some(known)
    }

    /// Writes new descriptions. They are computed again if that fails.
    pub(super) fn save(&self) {
        if !self.is_changed || self.file.network.is_empty() {
            return;
        }
        let written = match serde_json::to_vec(&self.file) {
            Ok(bytes) => replace(&self.path, &bytes).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            tracing::warn!("{}: {error}", self.path.display());
        }
    }
}

/// Returns an image with some structure, always the same.
fn test_image() -> Frame {
    let mut rng = Rng::new(&[TEST_SIDE as u64]);
    let rgba = (0..4 * TEST_SIDE * TEST_SIDE)
        .map(|_| rng.bits() as u8)
        .collect();
    Frame::new(0, 0.0, Size::square(TEST_SIDE), Pixels::unpooled(rgba))
}

/// Returns the values multiplied by a fixed random matrix of signs, rounded to four digits.
fn projected(values: &[f32]) -> Vec<f32> {
    if values.is_empty() {
        return Vec::new();
    }
    let scale = 1.0 / (N_VALUES as f64).sqrt();
    let one = |row: usize| {
        let mut rng = Rng::new(&[row as u64]);
        let mut bits = 0;
        let sum: f64 = values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                if i % 64 == 0 {
                    bits = rng.bits();
                }
                let sign = if bits >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 };
                sign * f64::from(*value)
            })
            .sum();
        ((sum * scale * 1e4).round() / 1e4) as f32
    };
    (0..N_VALUES).map(one).collect()
}

/// Returns the distance of two descriptions; 0 without one.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::RequestedMaps;
    use crate::output::PoseOutput;

    /// Describes a frame by its number and counts how often it is asked.
    struct Describes {
        seed: f32,
        n: usize,
    }

    impl Infer for Describes {
        fn infer(&mut self, _: &Frame, _: RequestedMaps) -> Result<PoseOutput> {
            Err(crate::Error::Failed("not asked for".to_owned()))
        }

        fn describe(&mut self, frame: &Frame, _: Option<&Pose>) -> Result<Vec<f32>> {
            self.n += 1;
            let value = |i: usize| self.seed + (frame.id as usize * i % 7) as f32;
            Ok((0..500).map(value).collect())
        }
    }

    fn frame(id: u64) -> Frame {
        Frame::new(id, 0.0, Size::square(1), Pixels::unpooled(vec![0; 4]))
    }

    /// Fails when a frame is described twice, descriptions of another network are used, or a
    /// damaged cache is an error.
    #[test]
    fn frames_are_described_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut infer = Describes { seed: 1.0, n: 0 };
        let at = |frame| FrameKey::new(1, frame);
        let mut first = Descriptions::read(folder.path(), &mut infer).unwrap();
        let a = first.of(at(3), &frame(3), None, &mut infer).unwrap();
        let b = first.of(at(4), &frame(4), None, &mut infer).unwrap();
        assert_eq!((a.len(), infer.n), (N_VALUES, 3));
        assert!(distance(&a, &b) > 0.0);
        first.save();
        let mut again = Descriptions::read(folder.path(), &mut infer).unwrap();
        assert_eq!(again.of(at(3), &frame(3), None, &mut infer).unwrap(), a);
        assert_eq!(infer.n, 4);
        let mut other = Describes { seed: 2.0, n: 0 };
        assert_eq!(
            Descriptions::read(folder.path(), &mut other)
                .unwrap()
                .known(at(3)),
            None
        );
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(
            Descriptions::read(folder.path(), &mut infer)
                .unwrap()
                .known(at(3)),
            None
        );
    }

    /// Fails when projecting changes the order of clearly different distances.
    #[test]
    fn projections_keep_distances() {
        let values = |step: f32| (0..900).map(move |i| (i % 13) as f32 + step * (i % 5) as f32);
        let [a, b, c] = [0.0, 0.2, 1.0].map(|step| values(step).collect::<Vec<f32>>());
        let exact = distance(&a, &c) / distance(&a, &b);
        let [a, b, c] = [a, b, c].map(|values| projected(&values));
        let found = distance(&a, &c) / distance(&a, &b);
        assert!((found / exact - 1.0).abs() < 0.1, "{found}, {exact}");
    }
}

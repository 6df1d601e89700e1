//! Features of a frozen backbone, computed once per input and kept on disk.
//!
//! A [`FeatureCache`] is a file in the checkpoint folder that exists as long as its trainer. It
//! holds exactly what the backbone returned, in f32, so that a step with kept features equals one
//! that computes them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::dataset::loader::{InputKey, SeenInput};
use crate::error::{Error, Result};
use crate::model::{BackboneOutput, RawMap, RawOutput};
use crate::nn::{Features, Pass};

/// Name of the file.
const FILE: &str = "features.cache";

/// Options of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureCacheConfig {
    /// Number of differently augmented inputs of every person, at least 1. Each is computed in the
    /// first epoch that shows it.
    pub variants: u64,
    /// Size of the file in bytes; inputs for which there is no room are computed in every epoch.
    pub max_bytes: u64,
}

/// Result of a backbone for several inputs: features, outputs, attention maps, each with the inputs
/// in its first dimension.
#[derive(Debug, Clone)]
pub(super) struct BackboneTensors {
    tensors: Vec<Tensor>,
    form: Arc<Form>,
}

/// What the tensors of [`BackboneTensors`] are.
#[derive(Debug)]
struct Form {
    n_features: usize,
    outputs: Vec<String>,
    maps: Vec<RawMap<()>>,
}

impl BackboneTensors {
    /// Takes the values of a backbone's result.
    pub(super) fn of(output: &BackboneOutput) -> Result<Self> {
        let features = output.features.iter().map(Features::to_tensor);
        let mut tensors: Vec<Tensor> = features.collect::<candle_core::Result<_>>()?;
        let out = output.out.to_tensors()?;
        if !out.query_key.is_empty() {
            let reason = "self-attention in a backbone cannot be kept";
            return Err(Error::Internal(reason.to_owned()));
        }
        let form = Form {
            n_features: tensors.len(),
            outputs: out.tensors.iter().map(|(name, _)| name.clone()).collect(),
            maps: out.maps.iter().map(|map| map.with(())).collect(),
        };
        tensors.extend(out.tensors.into_iter().map(|(_, tensor)| tensor));
        tensors.extend(out.maps.into_iter().map(|map| map.tensor));
        Ok(Self {
            tensors: tensors.iter().map(Tensor::detach).collect(),
            form: Arc::new(form),
        })
    }

    /// Joins the results for several inputs.
    pub(super) fn join(parts: &[Self]) -> Result<Self> {
        let [first, ..] = parts else {
            return Err(Error::Internal("no features".to_owned()));
        };
        let joined = (0..first.tensors.len()).map(|t| {
            let parts: Vec<&Tensor> = parts.iter().map(|part| &part.tensors[t]).collect();
            Ok(Tensor::cat(&parts, 0)?)
        });
        Ok(Self {
            tensors: joined.collect::<Result<_>>()?,
            form: Arc::clone(&first.form),
        })
    }

    /// Returns the result for some of the inputs.
    pub(super) fn narrow(&self, first: usize, n: usize) -> Result<Self> {
        let parts = self.tensors.iter().map(|t| t.narrow(0, first, n));
        Ok(Self {
            tensors: parts.collect::<candle_core::Result<_>>()?,
            form: Arc::clone(&self.form),
        })
    }

    /// Returns the input of the head.
    pub(super) fn enter(&self, pass: &Pass) -> Result<BackboneOutput> {
        let Form {
            n_features,
            outputs,
            maps,
        } = &*self.form;
        let (features, rest) = self.tensors.split_at(*n_features);
        let (tensors, of_maps) = rest.split_at(outputs.len());
        let features = features.iter().map(|t| pass.enter(t));
        let constant = |tensor: &Tensor| Features::Tensor(tensor.clone());
        let named = outputs.iter().cloned().zip(tensors.iter().map(constant));
        let maps = maps.iter().zip(of_maps);
        Ok(BackboneOutput {
            features: features.collect::<candle_core::Result<_>>()?,
            out: RawOutput {
                tensors: named.collect(),
                maps: maps.map(|(map, t)| map.with(constant(t))).collect(),
                query_key: Vec::new(),
            },
        })
    }

    /// Returns the values of each input, tensor after tensor.
    fn rows(&self) -> Result<Vec<Vec<f32>>> {
        let n = self.tensors.first().map_or(Ok(0), |t| t.dim(0))?;
        let mut rows = vec![Vec::new(); n];
        for tensor in &self.tensors {
            let flat: Vec<f32> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
            let each = (flat.len() / n.max(1)).max(1);
            for (row, values) in rows.iter_mut().zip(flat.chunks(each)) {
                row.extend_from_slice(values);
            }
        }
        Ok(rows)
    }
}

/// What every entry of the file holds.
#[derive(Debug)]
struct Entry {
    form: Arc<Form>,
    /// Shape of each tensor for a single input.
    shapes: Vec<Vec<usize>>,
    n_values: usize,
}

impl Entry {
    fn of(tensors: &BackboneTensors) -> Self {
        let shape = |t: &Tensor| t.dims().get(1..).unwrap_or_default().to_vec();
        let shapes: Vec<Vec<usize>> = tensors.tensors.iter().map(shape).collect();
        Self {
            form: Arc::clone(&tensors.form),
            n_values: shapes.iter().map(|s| s.iter().product::<usize>()).sum(),
            shapes,
        }
    }

    fn n_bytes(&self) -> u64 {
        (self.n_values * size_of::<f32>()) as u64
    }

    /// Returns the tensors of several inputs.
    fn tensors(&self, rows: &[Vec<f32>], device: &Device) -> Result<BackboneTensors> {
        let mut first = 0;
        let mut tensors = Vec::with_capacity(self.shapes.len());
        for shape in &self.shapes {
            let len = shape.iter().product::<usize>();
            let mut values = Vec::with_capacity(len * rows.len());
            for row in rows {
                values.extend_from_slice(&row[first..first + len]);
            }
            first += len;
            let shape: Vec<usize> = [rows.len()].iter().chain(shape).copied().collect();
            tensors.push(Tensor::from_vec(values, shape, device)?);
        }
        Ok(BackboneTensors {
            tensors,
            form: Arc::clone(&self.form),
        })
    }
}

/// Features of inputs by their key, in a file that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct FeatureCache {
    path: PathBuf,
    file: File,
    max_bytes: u64,
    /// Index of each entry in the file.
    kept: HashMap<InputKey, u64>,
    entry: Option<Entry>,
    is_full: bool,
}

impl FeatureCache {
    /// Creates the file in `folder`, in place of one that a killed program has left behind.
    pub(super) fn create(folder: &Path, max_bytes: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Self {
            file: options.open(&path).map_err(Error::io("create", &path))?,
            path,
            max_bytes,
            kept: HashMap::new(),
            entry: None,
            is_full: false,
        })
    }

    /// Returns whether the features of an input are kept.
    pub(super) fn holds(&self, key: &InputKey) -> bool {
        self.kept.contains_key(key)
    }

    /// Returns the result of the backbone for a batch: read where it is kept, otherwise computed by
    /// `compute` from the inputs' planes in `pixels` and kept.
    pub(super) fn backbone(
        &mut self,
        inputs: &[SeenInput],
        pixels: &Tensor,
        compute: impl FnOnce(&Tensor) -> Result<BackboneTensors>,
    ) -> Result<BackboneTensors> {
        let mut rows = vec![None; inputs.len()];
        let (mut missing, mut places, mut place) = (Vec::new(), Vec::new(), 0u32);
        for (i, input) in inputs.iter().enumerate() {
            match self.kept.get(&input.key).copied() {
                Some(at) => rows[i] = Some(self.read(at)?),
                None if input.has_pixels => {
                    missing.push(i);
                    places.push(place);
                }
                None => return Err(Error::Internal("features were lost".to_owned())),
            }
            place += u32::from(input.has_pixels);
        }
        if !missing.is_empty() {
            let all = places.len() == pixels.dim(0)?;
            let chosen = if all {
                pixels.clone()
            } else {
                let n = places.len();
                pixels.index_select(&Tensor::from_vec(places, n, pixels.device())?, 0)?
            };
            let computed = compute(&chosen)?;
            if self.entry.is_none() {
                self.entry = Some(Entry::of(&computed));
            }
            for (i, row) in missing.into_iter().zip(computed.rows()?) {
                self.keep(inputs[i].key, &row);
                rows[i] = Some(row);
            }
        }
        let rows: Vec<Vec<f32>> = rows.into_iter().flatten().collect();
        let entry = self.entry.as_ref();
        let entry = entry.ok_or_else(|| Error::Internal("an empty batch".to_owned()))?;
        entry.tensors(&rows, pixels.device())
    }

    fn read(&mut self, at: u64) -> Result<Vec<f32>> {
        let n = self.entry.as_ref().map_or(0, |entry| entry.n_values);
        let mut row = vec![0.0f32; n];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut row);
        let start = SeekFrom::Start(at * bytes.len() as u64);
        let read = self
            .file
            .seek(start)
            .and_then(|_| self.file.read_exact(bytes));
        read.map_err(Error::io("read", &self.path))?;
        Ok(row)
    }

    /// Keeps the features of an input if there is room. A full disk only costs time.
    fn keep(&mut self, key: InputKey, row: &[f32]) {
        let at = self.kept.len() as u64;
        let n_bytes = self.entry.as_ref().map_or(0, Entry::n_bytes);
        if self.is_full || self.kept.contains_key(&key) {
            return;
        }
        if (at + 1).saturating_mul(n_bytes) > self.max_bytes {
            tracing::info!("the features of {at} inputs are kept; there is no room for more");
            self.is_full = true;
            return;
        }
        let bytes: &[u8] = bytemuck::cast_slice(row);
        let start = SeekFrom::Start(at * n_bytes);
        match self
            .file
            .seek(start)
            .and_then(|_| self.file.write_all(bytes))
        {
            Ok(()) => {
                self.kept.insert(key, at);
            }
            Err(error) => {
                let path = self.path.display();
                tracing::warn!("{path}: {error}; further features are computed in every epoch");
                self.is_full = true;
            }
        }
    }
}

impl Drop for FeatureCache {
    fn drop(&mut self) {
        // Only wastes space if it stays.
        std::fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests;

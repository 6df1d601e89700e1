//! Weights: named tensors from a file or from the program itself, validated before use.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result as TensorResult, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use sha2::{Digest, Sha256};

use super::{ModelSpec, PoseModel};
use crate::disk::{Draft, TensorEntry, hex, tensor_header};
use crate::error::{Error, Result};
use crate::words::counted;

/// Tensors of a model that are neither required nor of a fixed shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTensors {
    /// Name prefix of the auxiliary heads that exist in training only: files may lack them or have
    /// them.
    pub training_only: Option<&'static str>,
    /// A computed table with a row for each position of the input, never trained: the one tensor
    /// whose first dimension depends on the input size. Networks accept it for another size and
    /// define how to adapt it.
    pub positions: Option<&'static str>,
}

impl SpecialTensors {
    /// No special tensors.
    pub const NONE: Self = Self {
        training_only: None,
        positions: None,
    };

    /// Returns whether a tensor exists in training only.
    pub fn is_training_only(&self, name: &str) -> bool {
        self.training_only
            .is_some_and(|prefix| name.starts_with(prefix))
    }

    /// Returns whether a tensor is the position table.
    pub fn is_positions(&self, name: &str) -> bool {
        self.positions == Some(name)
    }
}

/// Tensor names and shapes of a network as built, ordered by name, and which of them are special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightShapes(pub BTreeMap<String, Vec<usize>>, pub SpecialTensors);

/// Variable backend that records the requested tensors and returns zeros: drawing random weights
/// would take seconds.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<BTreeMap<String, Vec<usize>>>>);

impl SimpleBackend for Notes {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> TensorResult<Tensor> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(name.to_owned(), shape.dims().to_vec());
        Tensor::zeros(shape, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> TensorResult<Tensor> {
        candle_core::bail!("the shape of {name} must be given, it cannot be inferred")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

impl WeightShapes {
    /// Builds the network once with zeros and records the requested tensors.
    pub(super) fn of(
        special: SpecialTensors,
        build: impl FnOnce(&VarBuilder<'_>) -> TensorResult<Box<dyn PoseModel>>,
    ) -> Result<Self> {
        let notes = Notes::default();
        let backend = Box::new(notes.clone());
        build(&VarBuilder::from_backend(backend, DType::F32, Device::Cpu))?;
        let mut noted = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Self(std::mem::take(&mut *noted), special))
    }

    /// Returns the number of parameters: all tensors except running statistics of batch norms.
    pub fn n_params(&self) -> u64 {
        let count = |shape: &Vec<usize>| shape.iter().product::<usize>() as u64;
        self.0
            .iter()
            .filter(|(name, _)| !name.ends_with(".running_mean") && !name.ends_with(".running_var"))
            .map(|(_, shape)| count(shape))
            .sum()
    }
}

/// Named tensors with their origin.
#[derive(Debug, Clone)]
pub struct Weights {
    origin: PathBuf,
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    /// Maximum size of a weights file in bytes: the largest published pose checkpoints are below
    /// 500 MB.
    const MAX_BYTES: u64 = 2 << 30;

    /// Loads the weights bundled with the program, verified by the card's SHA-256.
    ///
    /// # Errors
    /// When the model has none or the verification fails.
    pub fn bundled(spec: &ModelSpec) -> Result<Self> {
        let origin = PathBuf::from(format!("bundled weights of {}", spec.name));
        let Some(bundled) = spec.bundled else {
            let how = spec.card()?.weights.unwrap_or_default();
            return Err(Error::Invalid(format!(
                "model {} has no bundled weights; give a file with --weights. {how}",
                spec.name
            )));
        };
        let wanted = spec.card_for(None)?.sha256;
        let found = sha256_of(bundled.weights);
        if wanted.as_deref() != Some(found.as_str()) {
            return Err(Error::data(
                &origin,
                format!("SHA-256 is {found}, the card says {wanted:?}; the program is damaged"),
            ));
        }
        Self::from_bytes(origin, bundled.weights)
    }

    /// Reads a safetensors file.
    ///
    /// # Errors
    /// When the file is missing, too large, damaged or in another format, or has NaN or infinite
    /// values.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path)
            .map_err(Error::io("open", path))?
            .len();
        if size > Self::MAX_BYTES {
            return Err(Error::data(path, "larger than 2 GiB: not pose weights"));
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        if is_torch(&bytes) {
            let reason = format!(
                "looks like a PyTorch checkpoint, not safetensors; convert it first: poselens import \
                 --in {} --out W.safetensors",
                path.display()
            );
            return Err(Error::data(path, reason));
        }
        let weights = Self::from_bytes(path.to_owned(), &bytes)?;
        check_finite(path, &weights.tensors)?;
        Ok(weights)
    }

    /// Returns random weights of an untrained network, the same for the same `seed`, for measuring
    /// speed. Matrices are uniform with variance `1 / fan_in`, norms are the identity.
    ///
    /// # Errors
    /// When memory is exhausted.
    pub fn random(shapes: &WeightShapes, seed: u64) -> Result<Self> {
        let mut state = seed;
        let mut fill = |name: &str, shape: &Vec<usize>| -> Vec<f32> {
            let n = shape.iter().product();
            if shape.len() < 2 {
                let is_factor = name.ends_with("weight") || name.ends_with("running_var");
                return vec![if is_factor { 1.0 } else { 0.0 }; n];
            }
            let fan_in = shape.iter().skip(1).product::<usize>().max(1);
            let reach = (3.0 / fan_in as f32).sqrt();
            let mut draw = || {
                // Knuth's linear congruential generator; its upper bits are of good quality.
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                reach * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
            };
            (0..n).map(|_| draw()).collect()
        };
        let tensors = shapes.0.iter().map(|(name, shape)| {
            let tensor = Tensor::from_vec(fill(name, shape), shape.as_slice(), &Device::Cpu)?;
            Ok((name.clone(), tensor))
        });
        Ok(Self {
            origin: PathBuf::from("random weights"),
            tensors: tensors.collect::<TensorResult<_>>()?,
        })
    }

    fn from_bytes(origin: PathBuf, bytes: &[u8]) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| {
            Error::data(
                &origin,
                format!("not a readable safetensors file ({})", first_line(&e)),
            )
        })?;
        Ok(Self { origin, tensors })
    }

    /// Wraps the tensors; `origin` is used in messages.
    pub fn from_tensors(origin: impl Into<PathBuf>, tensors: HashMap<String, Tensor>) -> Self {
        Self {
            origin: origin.into(),
            tensors,
        }
    }

    /// Returns all tensors by name, in the types of the file.
    pub fn tensors(&self) -> &HashMap<String, Tensor> {
        &self.tensors
    }

    /// Returns the tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Compares the tensors with those of a network. Accepts tensors that the network lacks if they
    /// exist in training only, and a position table for another input size ([`SpecialTensors`]).
    ///
    /// # Errors
    /// For the first missing, misshapen or unexpected tensor, with the number of further ones.
    pub fn check(&self, shapes: &WeightShapes) -> Result<()> {
        let mut faults = Vec::new();
        for (name, wanted) in &shapes.0 {
            match self.tensors.get(name) {
                None => faults.push(format!("tensor {name} {wanted:?} is missing")),
                Some(t) if shapes.1.is_positions(name) && fits_other_input(t.dims(), wanted) => {}
                Some(t) if t.dims() != wanted => faults.push(format!(
                    "tensor {name} has shape {:?}, the model needs {wanted:?}",
                    t.dims()
                )),
                Some(_) => {}
            }
        }
        let mut extra: Vec<_> = self
            .tensors
            .keys()
            .filter(|name| !shapes.0.contains_key(*name) && !shapes.1.is_training_only(name))
            .collect();
        extra.sort();
        faults.extend(
            extra
                .into_iter()
                .map(|name| format!("tensor {name} is not part of the model")),
        );
        let Some(first) = faults.first() else {
            return Ok(());
        };
        let more = match faults.len() - 1 {
            0 => String::new(),
            n => format!(" (and {})", counted(n, "more difference")),
        };
        Err(Error::data(
            &self.origin,
            format!("{first}{more}; these weights belong to another model"),
        ))
    }

    /// Returns the tensors on `device` as f32.
    pub(super) fn var_builder(&self, device: &Device) -> Result<VarBuilder<'static>> {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, t)| Ok((name.clone(), t.to_dtype(DType::F32)?.to_device(device)?)))
            .collect::<TensorResult<HashMap<_, _>>>()?;
        Ok(VarBuilder::from_tensors(tensors, DType::F32, device))
    }
}

/// Checks that every value is finite: a NaN in one tensor spreads to all predictions.
///
/// # Errors
/// For the first tensor by name that has others, with their number; `path` is the file it is from.
pub(crate) fn check_finite(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<()> {
    let mut faulty = Vec::new();
    for (name, tensor) in tensors {
        let n = n_not_finite(tensor)?;
        if n > 0 {
            faulty.push((name, n, tensor.elem_count()));
        }
    }
    let Some((name, n, of)) = faulty.iter().min() else {
        return Ok(());
    };
    let more = match faulty.len() - 1 {
        0 => String::new(),
        n => format!(" (and {})", counted(n, "more tensor")),
    };
    let name = name.escape_debug();
    Err(Error::data(
        path,
        format!(
            "tensor {name} has NaN or infinite values ({n} of {of}){more}; the training has diverged \
             or the file is damaged: use an earlier checkpoint"
        ),
    ))
}

fn n_not_finite(tensor: &Tensor) -> TensorResult<usize> {
    if !tensor.dtype().is_float() {
        return Ok(0);
    }
    let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
    Ok(values.iter().filter(|value| !value.is_finite()).count())
}

/// Returns whether a file begins like a checkpoint of `torch.save`: a zip archive or a pickle. The
/// length of a safetensors header may have the same bytes, but a brace follows it.
fn is_torch(bytes: &[u8]) -> bool {
    let is_old = matches!(bytes, [0x80, 2..=5, ..]);
    (bytes.starts_with(b"PK\x03\x04") || is_old) && bytes.get(8) != Some(&b'{')
}

/// Returns whether the shapes differ only in the number of rows, at least one.
fn fits_other_input(shape: &[usize], wanted: &[usize]) -> bool {
    shape.len() == wanted.len()
        && shape.iter().skip(1).eq(wanted.iter().skip(1))
        && shape.first().is_some_and(|rows| *rows > 0)
}

fn first_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Writes tensors of floats (as f32) or bytes as a safetensors file, atomically and in the order of
/// their names.
///
/// # Errors
/// When a tensor has another type, or the disk is full or not writable.
pub fn write_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<()> {
    draft_tensors(path, tensors)?.put()
}

/// Like [`write_tensors`], but does not move the file into place yet.
///
/// # Errors
/// When a tensor has another type, or the disk is full or not writable.
pub fn draft_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<Draft> {
    let mut sorted: Vec<(&String, &Tensor)> = tensors.into_iter().collect();
    // Floats first: text of any length before them would misalign them.
    sorted.sort_by_key(|(name, t)| (t.dtype() == DType::U8, *name));
    let mut entries = Vec::new();
    for (name, t) in &sorted {
        let (dtype, width) = match t.dtype() {
            DType::U8 => ("U8", 1),
            d if d.is_float() => ("F32", size_of::<f32>()),
            d => {
                let reason = format!("cannot hold tensor {name}, which is of type {d:?}");
                return Err(Error::data(path, reason));
            }
        };
        entries.push(TensorEntry {
            name,
            dtype,
            shape: t.dims(),
            n_bytes: t.elem_count() * width,
        });
    }
    Draft::write(path, |file| {
        file.write_all(&tensor_header(None, entries))?;
        for (_, t) in sorted {
            // One tensor at a time, so that no second copy of a whole state is in memory.
            let bytes = bytes_of(t).map_err(|e| std::io::Error::other(first_line(&e)))?;
            file.write_all(&bytes)?;
        }
        Ok(())
    })
}

fn bytes_of(tensor: &Tensor) -> TensorResult<Vec<u8>> {
    let flat = tensor.detach().to_device(&Device::Cpu)?.flatten_all()?;
    if flat.dtype() == DType::U8 {
        return flat.to_vec1();
    }
    let values: Vec<f32> = flat.to_dtype(DType::F32)?.to_vec1()?;
    let bytes: Vec<[u8; 4]> = values.into_iter().map(f32::to_le_bytes).collect();
    Ok(bytes.into_flattened())
}

/// Computes the SHA-256 of a file, lower-case hex.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String> {
    sha256_in_steps(path, &mut |_| Ok(()))
}

/// Computes the SHA-256 of a file. `step` receives the number of bytes of each part that was read; an
/// error that it returns ends the computation.
///
/// # Errors
/// When the file cannot be read, or `step` returns an error.
pub fn sha256_in_steps(path: &Path, step: &mut dyn FnMut(usize) -> Result<()>) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
        step(n)?;
    }
}

/// Computes the SHA-256 of bytes, lower-case hex.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

//! Other people's checkpoints: read without trust, compared with a model, written as safetensors
//! with a card.
//!
//! A file is a PyTorch checkpoint of either form ([`torch`]: a [`pickle`] that describes tensors,
//! [`storage`]s that hold their numbers, in a [`zip`] archive or one behind the other) or
//! safetensors. Only names and shapes are looked at until a model [`fit`]s them; then its tensors
//! are read, each bounded by the file's own size, and nothing else is.
//!
//! candle has a reader of `.pth` files too. It reserves whatever length a pickle states and copies
//! remembered values whole, so that a kilobyte can ask for terabytes; it builds any class it is
//! told to call, and does not know the older form.

mod fit;
mod pickle;
mod storage;
mod torch;
mod zip;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result as TensorResult, Tensor, safetensors};

use crate::disk::replace;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::model::{Card, OriginCard, draft_tensors, model, sha256_of_file};
use fit::{Fit, Shapes, fit};
use pickle::Pickle;

/// Largest file read: the largest published pose checkpoints are below 500 MB, with the moments
/// of their training below 1.5 GB.
const MAX_BYTES: u64 = 2 << 30;

/// Counters of batch norms: PyTorch keeps them, no network reads them.
const COUNTER_SUFFIX: &str = ".num_batches_tracked";

/// What to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// A PyTorch checkpoint or a safetensors file.
    pub input: PathBuf,
    /// The safetensors file to write; its card is written beside it.
    pub output: PathBuf,
    /// Name of a row of `MODELS`; `None` finds it out.
    pub model: Option<String>,
    /// The input size the weights are made for; `None` finds it out, or takes the model's.
    pub size: Option<Size>,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// `PyTorch zip`, `PyTorch before 1.6`, `safetensors`.
    pub format: &'static str,
    /// Which part of a training checkpoint was taken; `None` for a bare list of tensors.
    pub section: Option<&'static str>,
    /// Tensors written.
    pub n_tensors: usize,
    /// Batch norm counters left out.
    pub n_dropped: usize,
    /// The card as written.
    pub card: Card,
    /// Where the card was written.
    pub card_path: PathBuf,
}

/// Reads, compares, converts to f32 and writes.
///
/// # Errors
/// When the file cannot be read or is damaged, asks for more than tensors, or fits no model (the
/// message lists what differs), or when the result cannot be written. Nothing is written then.
pub fn import(options: &ImportOptions) -> Result<Imported> {
    let ImportOptions { input, output, .. } = options;
    let card_path = Card::path_beside(output);
    check_targets(input, output, &card_path)?;
    let found = read(options)?;
    let Fit {
        spec,
        card,
        skeleton,
        input: size,
    } = found.fit;

    let weights = draft_tensors(output, &found.tensors)?;
    let mut card = Card {
        model: spec.name.to_owned(),
        license: "Not stated in the imported file: that of its publisher".to_owned(),
        sha256: Some(sha256_of_file(weights.part())?),
        skeleton: skeleton.name.clone(),
        // What is known about the bundled weights is not known about these.
        weights: None,
        evidence: None,
        training: None,
        data: None,
        figures: toml::Table::new(),
        origin: Some(OriginCard {
            file: input
                .file_name()
                .map_or_else(String::new, |name| shown(&name.to_string_lossy())),
            sha256: sha256_of_file(input)?,
            tool: concat!("poselens ", env!("CARGO_PKG_VERSION")).to_owned(),
        }),
        ..card
    };
    (card.input.width, card.input.height) = (size.width, size.height);
    let text = toml::to_string(&card)
        .map_err(|e| Error::data(&card_path, format!("cannot be written ({e})")))?;
    // The card first: weights without it would be taken for the model's usual ones, older weights
    // of this name are told apart by its SHA-256.
    replace(&card_path, text.as_bytes())?;
    weights.put()?;
    Ok(Imported {
        format: found.format,
        section: found.section,
        n_tensors: found.tensors.len(),
        n_dropped: found.n_dropped,
        card,
        card_path,
    })
}

/// Refuses to overwrite the input, or a TOML file that is not a card.
fn check_targets(input: &Path, output: &Path, card_path: &Path) -> Result<()> {
    if card_path == output {
        return Err(Error::data(
            output,
            "is the name of a card; call the weights .safetensors",
        ));
    }
    if let Some(target) = [output, card_path].into_iter().find(|path| path.is_dir()) {
        return Err(Error::data(target, "is a folder; give the name of a file"));
    }
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    for target in [output, card_path] {
        if same(input, target) {
            return Err(Error::data(
                target,
                "is the input, which is not overwritten",
            ));
        }
    }
    match std::fs::read_to_string(card_path) {
        Ok(text) if Card::parse("it", &text).is_err() => {
            let reason = "stands where the card goes and is no model card: not overwritten";
            Err(Error::data(card_path, reason))
        }
        _ => Ok(()),
    }
}

/// A file's tensors and the model they fit.
struct Found {
    format: &'static str,
    section: Option<&'static str>,
    fit: Fit,
    n_dropped: usize,
    tensors: HashMap<String, Tensor>,
}

fn read(options: &ImportOptions) -> Result<Found> {
    let path = &options.input;
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let size = file.metadata().map_err(Error::io("open", path))?.len();
    let refused = |reason: String| Error::data(path, reason);
    if size > MAX_BYTES {
        return Err(refused("is larger than 2 GiB: not pose weights".into()));
    }
    let mut head = Vec::new();
    (&mut file)
        .take(16)
        .read_to_end(&mut head)
        .map_err(Error::io("read", path))?;
    if head.starts_with(zip::MAGIC) {
        let opened = torch::open_zip(&mut file, size).map_err(refused)?;
        read_torch(options, &mut file, "PyTorch zip", &opened)
    } else if head.starts_with(torch::OLD_MAGIC) {
        let opened = torch::open_old(&mut file, size).map_err(refused)?;
        read_torch(options, &mut file, "PyTorch before 1.6", &opened)
    } else if head.get(8) == Some(&b'{') {
        read_safetensors(options)
    } else {
        Err(refused(
            "is neither a PyTorch checkpoint (.pth, .pt) nor safetensors; load it in PyTorch and \
             torch.save the model's state_dict()"
                .into(),
        ))
    }
}

fn find_fit(options: &ImportOptions, shapes: &Shapes) -> Result<Fit> {
    let spec = options.model.as_deref().map(model).transpose()?;
    let outcome = fit(shapes, spec, options.size)?;
    outcome.map_err(|reason| Error::data(&options.input, reason))
}

fn read_torch(
    options: &ImportOptions,
    file: &mut File,
    format: &'static str,
    (bytes, store): &(Vec<u8>, torch::Store),
) -> Result<Found> {
    let refused = |reason: String| Error::data(&options.input, reason);
    let pickle = Pickle::run(bytes).map_err(refused)?;
    let mut section = torch::section(&pickle).map_err(refused)?;
    let n_before = section.tensors.len();
    section
        .tensors
        .retain(|name, _| !name.ends_with(COUNTER_SUFFIX));
    for (name, tensor) in &section.tensors {
        if !store.holds(&tensor.storage) {
            let name = shown(name);
            return Err(refused(format!(
                "lacks the numbers of tensor {name}: the file is damaged, fetch it again"
            )));
        }
    }
    let shapes = section
        .tensors
        .iter()
        .map(|(name, t)| ((*name).to_owned(), t.shape.clone()))
        .collect();
    let fit = find_fit(options, &shapes)?;
    Ok(Found {
        format,
        section: section.name,
        fit,
        n_dropped: n_before - section.tensors.len(),
        tensors: torch::read_all(file, store, &section.tensors).map_err(refused)?,
    })
}

fn read_safetensors(options: &ImportOptions) -> Result<Found> {
    let path = &options.input;
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let mut tensors = safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| {
        let reason = e.to_string();
        let line = reason.lines().next().unwrap_or_default();
        Error::data(
            path,
            format!("is no readable safetensors file ({})", shown(line)),
        )
    })?;
    let n_before = tensors.len();
    tensors.retain(|name, _| !name.ends_with(COUNTER_SUFFIX));
    let shapes = tensors
        .iter()
        .map(|(name, t)| (name.clone(), t.dims().to_vec()))
        .collect();
    let fit = find_fit(options, &shapes)?;
    if let Some((name, _)) = tensors.iter().find(|(_, t)| !t.dtype().is_float()) {
        let name = shown(name);
        let reason = format!("has integers in tensor {name}, where the model needs floats");
        return Err(Error::data(path, reason));
    }
    Ok(Found {
        format: "safetensors",
        section: None,
        fit,
        n_dropped: n_before - tensors.len(),
        tensors: tensors
            .into_iter()
            .map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?)))
            .collect::<TensorResult<_>>()?,
    })
}

/// A text of a file as it can be printed: one line, no control characters, not too long.
fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests;

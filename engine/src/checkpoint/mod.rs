//! Import of foreign checkpoints: parsed as untrusted input, matched with a model, written as
//! safetensors with a card.
//!
//! A file is a PyTorch checkpoint of either format ([`torch`]: a [`pickle`] that describes tensors
//! and [`storage`]s that hold their values, in a [`zip`] archive or concatenated) or safetensors.
//! Its [`section`]s are the dictionaries of tensors in it; prefixes that training wrappers add to
//! their [`names`] are ignored. Only names and shapes are examined until a model matches
//! ([`fit`](mod@fit)); then only its tensors are read, each bounded by the size of the file.
//!
//! candle also has a reader of `.pth` files. It reserves whatever length a pickle states and copies
//! memoised values, so that a kilobyte can ask for terabytes; it builds any class that the pickle
//! names, and does not support the older format.

mod fit;
mod names;
mod pickle;
mod section;
mod storage;
mod torch;
mod zip;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, safetensors};

use crate::disk::replace;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::model::{Card, OriginCard, check_finite, draft_tensors, model, sha256_of_file};
use fit::{Candidate, Fit, Misfit, Shapes, fit};
use pickle::Pickle;

/// Maximum file size in bytes: the largest published pose checkpoints are below 500 MB, with
/// optimizer state below 1.5 GB.
const MAX_BYTES: u64 = 2 << 30;

/// Suffix of batch norm step counters, which PyTorch stores and no network reads.
const COUNTER_SUFFIX: &str = ".num_batches_tracked";

/// Options of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// A PyTorch checkpoint or a safetensors file.
    pub input: PathBuf,
    /// The safetensors file to write; its card is written next to it.
    pub output: PathBuf,
    /// Name of an entry of `MODELS`; `None` detects the model.
    pub model: Option<String>,
    /// Input size that the weights are made for; `None` infers it or uses the model's.
    pub size: Option<Size>,
    /// Dictionary of the file to import, by its path of keys (`ema.state_dict`); `None` detects it.
    pub section: Option<String>,
}

/// Result of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// `PyTorch zip`, `PyTorch before 1.6` or `safetensors`.
    pub format: &'static str,
    /// Imported part of a training checkpoint, by its path of keys; `None` for a plain list of
    /// tensors.
    pub section: Option<String>,
    /// Other parts with the same tensors that could have been meant, e.g. averaged weights.
    pub also_fit: Vec<String>,
    /// Prefixes removed from tensor names.
    pub prefixes: Vec<String>,
    /// Ignored tensors of other networks and losses.
    pub left_out: Vec<String>,
    /// Number of tensors written.
    pub n_tensors: usize,
    /// Number of ignored batch norm counters.
    pub n_dropped: usize,
    /// The card as written.
    pub card: Card,
    /// Path of the card.
    pub card_path: PathBuf,
}

/// Reads the file, matches it with a model, converts to f32 and writes safetensors and card.
///
/// # Errors
/// When the file cannot be read or is damaged, requires more than tensors, has NaN or infinite
/// values, or matches no model (the message lists the differences), or when the result cannot be
/// written. No file is written in these cases.
pub fn import(options: &ImportOptions) -> Result<Imported> {
    let ImportOptions { input, output, .. } = options;
    let card_path = Card::path_beside(output);
    check_targets(input, output, &card_path)?;
    let found = read(options)?;
    check_finite(input, &found.tensors)?;
    let Fit {
        spec,
        card,
        skeleton,
        input: size,
        renamed,
    } = found.fit;

    let weights = draft_tensors(output, &found.tensors)?;
    let mut card = Card {
        model: spec.name.to_owned(),
        license: "Not stated in the imported file: that of its publisher".to_owned(),
        sha256: Some(sha256_of_file(weights.part())?),
        skeleton: skeleton.name.clone(),
        // Facts about the bundled weights do not apply to these.
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
    // The card first: weights without one would be taken for the model's usual ones, and older
    // weights of this name are detected by the SHA-256 in it.
    replace(&card_path, text.as_bytes())?;
    weights.put()?;
    Ok(Imported {
        format: found.format,
        section: found.section,
        also_fit: found.also_fit,
        prefixes: shown_all(renamed.prefixes.iter().filter(|p| !p.is_empty())),
        left_out: shown_all(renamed.outside.iter()),
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
            let reason = "is where the card belongs but is not a model card: not overwritten";
            Err(Error::data(card_path, reason))
        }
        _ => Ok(()),
    }
}

/// A file's tensors with the model that they match.
struct Found {
    format: &'static str,
    section: Option<String>,
    also_fit: Vec<String>,
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
        .take(32)
        .read_to_end(&mut head)
        .map_err(Error::io("read", path))?;
    if head.starts_with(zip::MAGIC) {
        let opened = torch::open_zip(&mut file, size).map_err(refused)?;
        read_torch(options, &mut file, "PyTorch zip", &opened)
    } else if torch::old_start(&head).is_some() {
        let opened = torch::open_old(&mut file, size).map_err(refused)?;
        read_torch(options, &mut file, "PyTorch before 1.6", &opened)
    } else if head.get(8) == Some(&b'{') {
        read_safetensors(options)
    } else if let [0x80, 2..=5, ..] = head[..] {
        Err(refused(
            "is a pickle of Python that torch.save did not write: load it in Python and \
             torch.save the dictionary of its tensors"
                .into(),
        ))
    } else {
        Err(refused(
            "is neither a PyTorch checkpoint (.pth, .pt) nor safetensors; load it in PyTorch and \
             torch.save the model's state_dict()"
                .into(),
        ))
    }
}

/// A dictionary of tensors that matches a model.
struct Choice {
    index: usize,
    fit: Fit,
    also_fit: Vec<String>,
}

/// Returns the first dictionary that matches a model, given the path and shapes of each.
fn choose(options: &ImportOptions, sections: &[(&str, Shapes)]) -> Result<Choice> {
    let refused = |reason: String| Error::data(&options.input, reason);
    let asked = |path: &str| options.section.as_deref().is_none_or(|asked| asked == path);
    if !sections.iter().any(|(path, _)| asked(path)) {
        let named = sections.iter().filter(|(path, _)| !path.is_empty());
        let paths: Vec<_> = named.map(|(path, _)| shown(path)).collect();
        let reason = if paths.is_empty() {
            "has no sections; leave out --section".to_owned()
        } else {
            format!("has no such section; it has {}", paths.join(", "))
        };
        return Err(refused(reason));
    }
    let candidates = Candidate::all(options.model.as_deref().map(model).transpose()?)?;
    let mut nearest: Option<Misfit> = None;
    for (index, (path, shapes)) in sections.iter().enumerate() {
        if !asked(path) {
            continue;
        }
        match fit(shapes, &candidates, options.size)? {
            Ok(fit) => {
                let also_fit = sections[index + 1..]
                    .iter()
                    .filter(|(_, other)| have_same_tensors(shapes, other))
                    .filter(|(outer, names)| !is_wrapper(outer, names, path))
                    .map(|(path, _)| shown(path))
                    .collect();
                return Ok(Choice {
                    index,
                    fit,
                    also_fit,
                });
            }
            Err(misfit) => {
                if nearest
                    .as_ref()
                    .is_none_or(|n| misfit.distance < n.distance)
                {
                    nearest = Some(misfit);
                }
            }
        }
    }
    let reason = nearest.map_or_else(String::new, |misfit| misfit.reason);
    Err(refused(format!("{reason}; {}", held(sections))))
}

/// Returns whether two dictionaries differ only in the prefixes of names.
fn have_same_tensors(a: &Shapes, b: &Shapes) -> bool {
    let sorted = |shapes: &Shapes| {
        let mut all: Vec<Vec<usize>> = shapes.values().cloned().collect();
        all.sort();
        all
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

/// Returns whether the dictionary `outer` consists of the dictionary `inner` alone, so that it has the
/// same tensors and is no alternative to it.
fn is_wrapper(outer: &str, names: &Shapes, inner: &str) -> bool {
    let key = match outer {
        "" => Some(inner),
        outer => inner
            .strip_prefix(outer)
            .and_then(|key| key.strip_prefix('.')),
    };
    let prefix = key
        .filter(|key| !key.is_empty())
        .map(|key| format!("{key}."));
    prefix.is_some_and(|prefix| names.keys().all(|name| name.starts_with(&prefix)))
}

/// Describes the content of a file for messages: its largest dictionaries with their first tensors.
fn held(sections: &[(&str, Shapes)]) -> String {
    const MAX_SECTIONS: usize = 3;
    const MAX_TENSORS: usize = 2;
    let parts: Vec<_> = sections
        .iter()
        .take(MAX_SECTIONS)
        .map(|(path, shapes)| {
            let first = shapes.iter().take(MAX_TENSORS);
            let first: Vec<_> = first
                .map(|(name, shape)| format!("{} {shape:?}", shown(name)))
                .collect();
            let place = match *path {
                "" => String::new(),
                path => format!(" in {}", shown(path)),
            };
            let (n, first) = (shapes.len(), first.join(", "));
            let tensors = if n == 1 { "tensor" } else { "tensors" };
            format!("{n} {tensors}{place} ({first}, ...)")
        })
        .collect();
    let more = if sections.len() > MAX_SECTIONS {
        ", ..."
    } else {
        ""
    };
    format!("it holds {}{more}", parts.join(", "))
}

fn read_torch(
    options: &ImportOptions,
    file: &mut File,
    format: &'static str,
    (bytes, store): &(Vec<u8>, torch::Store),
) -> Result<Found> {
    let refused = |reason: String| Error::data(&options.input, reason);
    let pickle = Pickle::run(bytes).map_err(refused)?;
    let mut sections = section::sections(&pickle).map_err(refused)?;
    let mut n_dropped = Vec::new();
    for section in &mut sections {
        let n_before = section.tensors.len();
        section
            .tensors
            .retain(|name, _| !name.ends_with(COUNTER_SUFFIX));
        n_dropped.push(n_before - section.tensors.len());
    }
    let listed: Vec<(&str, Shapes)> = sections
        .iter()
        .map(|section| {
            let shapes = section.tensors.iter();
            let shapes = shapes.map(|(name, t)| (name.clone(), t.shape.clone()));
            (section.path.as_str(), shapes.collect())
        })
        .collect();
    let choice = choose(options, &listed)?;
    let chosen = &sections[choice.index];
    let tensors: BTreeMap<_, _> = choice
        .fit
        .renamed
        .from
        .iter()
        .filter_map(|(to, from)| Some((to.clone(), chosen.tensors.get(from)?.clone())))
        .collect();
    for (name, tensor) in &tensors {
        if !store.holds(&tensor.storage) {
            let name = shown(name);
            return Err(refused(format!(
                "lacks the values of tensor {name}: the file is damaged, download it again"
            )));
        }
    }
    Ok(Found {
        format,
        section: (!chosen.path.is_empty()).then(|| shown(&chosen.path)),
        also_fit: choice.also_fit,
        n_dropped: n_dropped[choice.index],
        tensors: torch::read_all(file, store, &tensors).map_err(refused)?,
        fit: choice.fit,
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
            format!("is not a readable safetensors file ({})", shown(line)),
        )
    })?;
    let n_before = tensors.len();
    tensors.retain(|name, _| !name.ends_with(COUNTER_SUFFIX));
    let n_dropped = n_before - tensors.len();
    let shapes = tensors
        .iter()
        .map(|(name, t)| (name.clone(), t.dims().to_vec()))
        .collect();
    let Choice { fit, .. } = choose(options, &[("", shapes)])?;
    let mut read = HashMap::new();
    for (to, from) in &fit.renamed.from {
        let Some(tensor) = tensors.remove(from) else {
            continue;
        };
        if !tensor.dtype().is_float() {
            let name = shown(from);
            let reason = format!("has integers in tensor {name}, where the model needs floats");
            return Err(Error::data(path, reason));
        }
        read.insert(to.clone(), tensor.to_dtype(DType::F32)?);
    }
    Ok(Found {
        format: "safetensors",
        section: None,
        also_fit: Vec::new(),
        n_dropped,
        tensors: read,
        fit,
    })
}

fn shown_all<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    texts.map(|text| shown(text)).collect()
}

/// Sanitises text from a file for printing: one line, no control characters, limited length.
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
mod loop_tests;
#[cfg(test)]
mod tests;

//! Files of `torch.save`: a pickle that describes tensors, and the storages it refers to.
//!
//! Since 2020 such a file is a zip archive with the pickle in `NAME/data.pkl` and each storage in
//! `NAME/data/KEY`. Before, it consisted of five consecutive pickles (a magic number, a version,
//! facts about the machine, the tensors, the keys of the storages) followed by the storages, each
//! preceded by its length.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek};

use candle_core::Tensor;

use super::pickle::{self, Pickle, Value};
use super::shown;
use super::storage::{Storage, TensorRef};
use super::zip::{self, Entry, read_at};

/// Last bytes of the first pickle of an old-format file: its magic number.
const OLD_MAGIC: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Returns the length of the first pickle if `head` begins an old-format file.
pub(super) fn old_start(head: &[u8]) -> Option<usize> {
    let at = head.windows(OLD_MAGIC.len()).position(|w| w == OLD_MAGIC)?;
    // The protocol, and from protocol 4 on the length of what follows.
    let is_header = matches!(head[..at], [0x80, _] | [0x80, _, 0x95, ..]) && at <= 11;
    is_header.then_some(at + OLD_MAGIC.len())
}

/// Location of the storages.
pub(super) enum Store {
    Zip {
        /// Prefix of the entry names.
        prefix: String,
        entries: HashMap<String, Entry>,
    },
    Old {
        /// Offset and size in bytes by key.
        places: HashMap<String, (u64, u64)>,
    },
}

/// Returns the pickle of tensors and the storages of a zip file.
pub(super) fn open_zip(
    file: &mut (impl Read + Seek),
    file_size: u64,
) -> Result<(Vec<u8>, Store), String> {
    let entries = zip::contents(file, file_size)?;
    let mut pickles = entries.iter().filter_map(|(name, entry)| {
        let prefix = name.strip_suffix("data.pkl")?;
        (prefix.is_empty() || prefix.find('/') == Some(prefix.len() - 1)).then_some((prefix, entry))
    });
    let (Some((prefix, entry)), None) = (pickles.next(), pickles.next()) else {
        return Err("is a zip archive, but not one that torch.save wrote: no data.pkl".into());
    };
    if entries.contains_key(&format!("{prefix}constants.pkl")) {
        return Err(
            "is a TorchScript program, not a list of tensors: in PyTorch, torch.save the \
             state_dict() of torch.jit.load(FILE) and import that file"
                .into(),
        );
    }
    if entry.size > pickle::MAX_BYTES as u64 {
        return Err("has a pickle far larger than any list of tensors: refused".into());
    }
    let bytes = zip::read(file, "data.pkl", entry)?;
    let order = format!("{prefix}byteorder");
    if let Some(entry) = entries.get(&order)
        && (entry.size > 16 || zip::read(file, &order, entry)? != b"little")
    {
        return Err(big_endian());
    }
    let prefix = prefix.to_owned();
    Ok((bytes, Store::Zip { prefix, entries }))
}

/// Like [`open_zip`] for an old-format file.
pub(super) fn open_old(
    file: &mut (impl Read + Seek),
    file_size: u64,
) -> Result<(Vec<u8>, Store), String> {
    let head = read_at(file, 0, file_size.min(pickle::MAX_BYTES as u64))?;
    let mut at = old_start(&head).unwrap_or_default();
    let mut next = || {
        let pickle = Pickle::run(head.get(at..).unwrap_or_default())?;
        let start = at;
        at += pickle.n_bytes;
        Ok::<_, String>((pickle, start..at))
    };
    let (version, _) = next()?;
    if version.root != Value::Int(1001) {
        return Err("is a PyTorch file of an unknown version".into());
    }
    let (machine, _) = next()?;
    let facts = machine.pairs(machine.root).unwrap_or_default();
    if !facts.contains(&(Value::Text("little_endian"), Value::Bool(true))) {
        return Err(big_endian());
    }
    let (tensors, place) = next()?;
    let (keys, end) = next()?;
    let sizes = tensors.storages();
    let mut start = end.end as u64;
    let mut places = HashMap::new();
    for key in keys.items(keys.root).unwrap_or_default() {
        let Value::Text(key) = *key else {
            return Err("has a storage without a name: the file is damaged".into());
        };
        // A storage used by no tensor has an unknown element size: storages after it cannot be
        // located.
        let storage = sizes
            .get(key)
            .ok_or_else(|| format!("has a storage {} that belongs to no tensor", shown(key)))?;
        let declared = read_at(file, start, 8)?;
        let n = storage.n_bytes().map(|n| n as u64);
        let (Some(n), true) = (n, declared == (storage.len as u64).to_le_bytes()) else {
            let key = shown(key);
            return Err(format!(
                "has a storage {key} of another length than declared"
            ));
        };
        start += 8;
        if start.checked_add(n).is_none_or(|end| end > file_size) {
            return Err("is truncated: download the file again".into());
        }
        places.insert(key.to_owned(), (start, n));
        start += n;
    }
    Ok((head[place].to_vec(), Store::Old { places }))
}

fn big_endian() -> String {
    "was written on a big-endian machine: load and save it again on a little-endian one".into()
}

impl Store {
    /// Returns whether a storage lies completely in the file.
    pub(super) fn holds(&self, storage: &Storage<'_>) -> bool {
        let n = match self {
            Self::Zip { prefix, entries } => entries
                .get(&format!("{prefix}data/{}", storage.key))
                .map(|e| e.size),
            Self::Old { places } => places.get(storage.key).map(|(_, n)| *n),
        };
        n.is_some() && n == storage.n_bytes().map(|n| n as u64)
    }

    /// Reads the bytes of a storage.
    pub(super) fn read(
        &self,
        file: &mut (impl Read + Seek),
        storage: &Storage<'_>,
    ) -> Result<Vec<u8>, String> {
        let missing = || format!("lacks storage {}", shown(storage.key));
        match self {
            Self::Zip { prefix, entries } => {
                let name = format!("{prefix}data/{}", storage.key);
                zip::read(file, &name, entries.get(&name).ok_or_else(missing)?)
            }
            Self::Old { places } => {
                let (start, n) = places.get(storage.key).ok_or_else(missing)?;
                read_at(file, *start, *n)
            }
        }
    }
}

/// Reads tensors as f32, each storage once even if several tensors share it.
pub(super) fn read_all(
    file: &mut (impl Read + Seek),
    store: &Store,
    tensors: &BTreeMap<String, TensorRef<'_>>,
) -> Result<HashMap<String, Tensor>, String> {
    let mut in_order: Vec<_> = tensors.iter().collect();
    in_order.sort_by_key(|(_, t)| t.storage.key);
    let mut read = HashMap::new();
    let mut last: Option<(&str, Vec<u8>)> = None;
    for (name, tensor) in in_order {
        let key = tensor.storage.key;
        let bytes = match last.take() {
            Some((last_key, bytes)) if last_key == key => bytes,
            _ => store.read(file, &tensor.storage)?,
        };
        let value = tensor
            .read(&bytes)
            .map_err(|e| format!("tensor {}: {e}", shown(name)))?;
        let value = value.ok_or_else(|| {
            let name = shown(name);
            format!("has integers in tensor {name}, where the model needs floats")
        })?;
        read.insert(name.clone(), value);
        last = Some((key, bytes));
    }
    Ok(read)
}

//! Found joints of each held-out image, kept in a checkpoint folder for the best and the last epoch:
//! two networks are compared image by image.

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::EpochRecord;
use crate::disk::replace;
use crate::error::{Error, Result};

/// Name of the file in a checkpoint folder.
const FILE: &str = "held_out_hits.json";

/// [`EpochRecord::hits`] by epoch.
type ByEpoch = BTreeMap<u64, Vec<[u32; 2]>>;

fn read(folder: &Path) -> ByEpoch {
    let text = std::fs::read(folder.join(FILE)).unwrap_or_default();
    // Without it, the two networks are compared by their means alone.
    serde_json::from_slice(&text).unwrap_or_default()
}

fn write(folder: &Path, hits: &ByEpoch) -> Result<()> {
    let path = folder.join(FILE);
    let text = serde_json::to_vec(hits)
        .map_err(|e| Error::data(&path, format!("cannot be written: {e}")))?;
    replace(&path, &text)
}

/// Keeps the hits of a finished epoch, and those of the epoch `best`; drops others. A failure is
/// logged: the training does not need them.
pub(super) fn keep(folder: &Path, record: &EpochRecord, best: Option<u64>) {
    if record.hits.is_empty() {
        return;
    }
    let mut hits = read(folder);
    hits.retain(|epoch, _| Some(*epoch) == best);
    hits.insert(record.epoch, record.hits.clone());
    if let Err(error) = write(folder, &hits) {
        tracing::warn!("{error}");
    }
}

/// Adds the kept hits to the records of their epochs.
pub(super) fn recall(folder: &Path, history: &mut [EpochRecord]) {
    let mut hits = read(folder);
    for record in history {
        record.hits = hits.remove(&record.epoch).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, found: u32) -> EpochRecord {
        EpochRecord {
            epoch,
            step: epoch,
            lr: 0.1,
            loss: None,
            pck: None,
            oks_ap: None,
            pck_parts: BTreeMap::new(),
            hits: vec![[found, 12], [3, 7]],
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: BTreeMap::new(),
        }
    }

    /// Fails when the hits of the best or the last epoch are lost when a run is read again, or those
    /// of all others are kept.
    #[test]
    fn hits_of_the_best_and_the_last_epoch_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let epochs = [record(0, 5), record(1, 9), record(2, 6), record(3, 7)];
        for (record, best) in epochs.iter().zip([0, 1, 1, 1]) {
            keep(folder.path(), record, Some(best));
        }
        let mut history = epochs.to_vec();
        for record in &mut history {
            record.hits.clear();
        }
        recall(folder.path(), &mut history);
        let kept: Vec<_> = history
            .iter()
            .map(|record| !record.hits.is_empty())
            .collect();
        assert_eq!(kept, [false, true, false, true]);
        assert_eq!(history[1], epochs[1]);
    }
}

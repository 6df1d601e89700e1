//! Summaries of training runs on disk without their tensors: options and history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checkpoint::{BEST, EpochRecord, LAST};
use super::config::TrainConfig;
use super::hits;
use crate::error::{Error, Result};

/// A training run on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEntry {
    /// Its checkpoint folder.
    pub folder: PathBuf,
    /// Its options.
    pub config: TrainConfig,
    /// Metrics of the network before training, then of every finished epoch.
    pub history: Vec<EpochRecord>,
}

impl RunEntry {
    /// Reads the options and the log of a checkpoint folder.
    ///
    /// # Errors
    /// When it contains no run, or its options or log cannot be parsed.
    pub fn read(folder: &Path) -> Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            Ok::<_, Error>((path, text))
        };
        let (path, options) = text("config.toml")?;
        let mut config: TrainConfig = toml::from_str(&options)
            .map_err(|e| Error::data(&path, e.message().replace('\n', " ")))?;
        config.found_from(folder);
        let (path, log) = text("log.csv")?;
        let mut history = history(&log).ok_or_else(|| {
            Error::data(
                &path,
                "is not the log of a training; resume the training to write it again",
            )
        })?;
        hits::recall(folder, &mut history);
        Ok(Self {
            folder: folder.to_owned(),
            config,
            history,
        })
    }

    /// Returns the number of finished epochs.
    pub fn epochs(&self) -> u64 {
        self.history.last().map_or(0, |r| r.epoch)
    }

    /// Returns the best epoch; the network before training counts as one.
    pub fn best(&self) -> Option<&EpochRecord> {
        let scored = self.history.iter().filter_map(|r| Some((r.score()?, r)));
        // The first on a tie, like the trainer.
        let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, record)| record)
    }

    /// Returns the path of the weights to use: the best, otherwise the last.
    pub fn weights(&self) -> Option<PathBuf> {
        let files = [BEST, LAST].map(|name| self.folder.join(name));
        files.into_iter().find(|file| file.is_file())
    }
}

/// Returns the runs in the folders inside `parent`, newest first; empty if it does not exist. Other
/// folders are skipped.
///
/// # Errors
/// When `parent` cannot be read.
pub fn runs_in(parent: &Path) -> Result<Vec<RunEntry>> {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read", parent)(e)),
    };
    let mut found = Vec::new();
    for entry in entries.filter_map(std::result::Result::ok) {
        let folder = entry.path();
        let log = folder.join("log.csv");
        let Ok(changed) = log.metadata().and_then(|m| m.modified()) else {
            continue;
        };
        match RunEntry::read(&folder) {
            Ok(run) => found.push((changed, run)),
            Err(error) => tracing::warn!("a training is not listed: {error}"),
        }
    }
    found.sort_by_key(|(changed, _)| std::cmp::Reverse(*changed));
    Ok(found.into_iter().map(|(_, run)| run).collect())
}

/// Parses `log.csv`; `None` if it is malformed.
fn history(log: &str) -> Option<Vec<EpochRecord>> {
    let mut lines = log.lines();
    let names: Vec<&str> = lines.next()?.split(',').collect();
    let record = |line: &str| {
        let cells: BTreeMap<&str, &str> = names.iter().copied().zip(line.split(',')).collect();
        let given = |name: &str| cells.get(name)?.parse::<f64>().ok();
        let count = |name: &str| cells.get(name)?.parse().ok();
        let gates = cells.keys().filter_map(|name| {
            let block = name.strip_prefix("mean_abs_m_")?;
            Some((block.to_owned(), given(name)?))
        });
        let parts = cells.keys().filter_map(|name| {
            let part = name.strip_prefix("pck_of_")?;
            Some((part.to_owned(), given(name)?))
        });
        Some(EpochRecord {
            epoch: count("epoch")?,
            step: count("step")?,
            lr: given("lr")?,
            loss: given("loss"),
            pck: given("pck"),
            oks_ap: given("oks_ap"),
            pck_parts: parts.collect(),
            hits: Vec::new(),
            secs: given("secs")?,
            images_per_sec: given("images_per_sec")?,
            // Logs of earlier versions lack this column.
            broken: count("broken").unwrap_or(0),
            gates: gates.collect(),
        })
    };
    lines.map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::checkpoint::log;

    fn record(epoch: u64, pck: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            step: 10 * epoch,
            lr: 3e-4,
            loss: (epoch > 0).then_some(0.125),
            pck: Some(pck),
            oks_ap: None,
            hits: Vec::new(),
            pck_parts: BTreeMap::from([("round 1".to_owned(), 0.5), ("round 2".to_owned(), pck)]),
            secs: 1.5,
            images_per_sec: 20.25,
            broken: 2 * epoch,
            gates: BTreeMap::from([("x51".to_owned(), 0.25)]),
        }
    }

    /// Fails when a run is listed with other metrics than it wrote, or the initial weights are not
    /// listed as best although nothing was better.
    #[test]
    fn the_log_is_read_as_it_was_written() {
        let written = vec![record(0, 0.5), record(1, 0.75), record(2, 0.75)];
        assert_eq!(history(&log(&written)).unwrap(), written);
        assert!(history("something else\n1,2\n").is_none());
        let older = "epoch,step,lr,loss,pck,oks_ap,secs,images_per_sec\n1,7,0.1,,,,1.5,3.0\n";
        assert_eq!(history(older).unwrap()[0].broken, 0);
        let mut run = RunEntry {
            folder: PathBuf::new(),
            config: super::super::recipe::recipe("sfm", "fine-tune").unwrap(),
            history: written,
        };
        assert_eq!((run.epochs(), run.best().unwrap().epoch), (2, 1));
        run.history[0].pck = Some(0.9);
        assert_eq!(run.best().unwrap().epoch, 0);
    }

    /// Fails when a folder without a run, or a damaged one, hides the others.
    #[test]
    fn other_folders_are_skipped() {
        let parent = tempfile::tempdir().unwrap();
        assert!(runs_in(&parent.path().join("none")).unwrap().is_empty());
        for name in ["good", "damaged", "empty"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let config = super::super::recipe::recipe("sfm", "fine-tune").unwrap();
        let text = toml::to_string(&config).unwrap();
        for (name, text) in [("good", &*text), ("damaged", "model = 7")] {
            let folder = parent.path().join(name);
            std::fs::write(folder.join("config.toml"), text).unwrap();
            std::fs::write(folder.join("log.csv"), log(&[record(0, 0.5)])).unwrap();
        }
        let runs = runs_in(parent.path()).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].config.clone(), runs[0].weights()), (config, None));
    }
}

//! Reading the recorded poses once, from front to back.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::line::{Line, Person};
use super::list::Digest;
use super::table::Table;
use super::{MAX_LINE, TrackId};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::words::were;

/// Bytes that are read at once.
pub(super) const BUFFER: usize = 1 << 20;

/// What a poses file contains.
pub(super) struct Index {
    pub(super) table: Table,
    pub(super) digest: Digest,
    /// What was left out, one line each.
    pub(super) remarks: Vec<String>,
}

/// Reads the lines of a poses file one after the other.
pub(super) struct Lines<'a> {
    path: &'a Path,
    file: BufReader<File>,
    hash: Sha256,
    /// Number of bytes read.
    pub(super) bytes: u64,
    /// Number of lines read.
    pub(super) n: usize,
}

impl<'a> Lines<'a> {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        Ok(Self {
            path,
            file: BufReader::with_capacity(BUFFER, file),
            hash: Sha256::new(),
            bytes: 0,
            n: 0,
        })
    }

    /// Reads the next line with its line break into `line` and returns where it begins; `None` at
    /// the end of the file.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any line of poses.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<Option<u64>> {
        line.clear();
        let begin = self.bytes;
        let read = (&mut self.file).take(MAX_LINE).read_until(b'\n', line);
        let read = read.map_err(Error::io("read", self.path))? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.n += 1;
        if read == MAX_LINE {
            let reason = format!("line {} is too long to be one of recorded poses", self.n);
            return Err(Error::data(self.path, reason));
        }
        self.hash.update(&*line);
        self.bytes += read;
        Ok(Some(begin))
    }

    /// Returns the digest of all that was read.
    pub(super) fn digest(self) -> Digest {
        Digest::new(self.bytes, &self.hash.finalize())
    }
}

/// Reads a poses file; `progress` gets the numbers of bytes read and in the file. Damaged lines,
/// and a last one that is incomplete, are left out with a remark.
///
/// # Errors
/// When it cannot be read, has no line of poses, or the reading was stopped.
pub(super) fn read(
    path: &Path,
    stop: &StopFlag,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Index> {
    let total = path.metadata().map_err(Error::io("open", path))?.len();
    let mut lines = Lines::open(path)?;
    let mut table = Table::default();
    let mut damage: Option<(String, usize)> = None;
    let mut is_cut = false;
    let mut bytes = Vec::new();
    while let Some(begin) = lines.next(&mut bytes)? {
        if stop.is_stopped() {
            let text = format!("reading {} was stopped", path.display());
            return Err(Error::Cancelled(text));
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        progress(lines.bytes, total);
        if let Err(reason) = add(&mut table, &bytes, begin) {
            if bytes.last() != Some(&b'\n') {
                is_cut = true;
                continue;
            }
            let first = || (format!("line {}: {reason}", lines.n), 0);
            damage.get_or_insert_with(first).1 += 1;
        }
    }
    let mut remarks = Vec::new();
    let shown = path.display();
    if let Some((first, n)) = damage {
        if table.entries().is_empty() {
            let reason = format!("not the poses of a recording: {first}");
            return Err(Error::data(path, reason));
        }
        let n = were(n, "damaged line");
        remarks.push(format!("{shown}: {n} left out, first {first}"));
    }
    if is_cut {
        remarks.push(format!(
            "{shown}: the last line is incomplete, as the recording was interrupted while it was \
             written; it is left out"
        ));
    }
    if table.entries().is_empty() {
        return Err(Error::data(path, "no frame was recorded in it"));
    }
    Ok(Index {
        table,
        digest: lines.digest(),
        remarks,
    })
}

fn add(table: &mut Table, bytes: &[u8], begin: u64) -> Result<(), String> {
    let line = Line::parse(bytes)?;
    if let Some(last) = table.entries().last().filter(|e| e.frame >= line.frame) {
        return Err(format!("frame {} follows frame {}", line.frame, last.frame));
    }
    let ids: Vec<TrackId> = line.poses.iter().map(Person::id).collect();
    table.push(line.frame, line.time_secs, begin, &ids);
    Ok(())
}

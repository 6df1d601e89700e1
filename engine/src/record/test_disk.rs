//! A simulated disk for tests.

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use crossbeam::channel::Receiver;

use super::fmp4::Sink;

/// A disk in memory that may be small, slow or broken.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub bytes: Arc<Mutex<Cursor<Vec<u8>>>>,
    /// Capacity in bytes, 0 for unlimited.
    pub room: u64,
    /// Blocks writes, from the second one on, until the sender is dropped.
    pub gate: Option<Receiver<()>>,
    /// Index of the write (from 0) that panics.
    pub broken: Option<usize>,
    pub n_writes: usize,
}

impl Write for Disk {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.n_writes += 1;
        assert_ne!(self.broken, Some(self.n_writes - 1), "broken disk");
        if let (Some(gate), true) = (&self.gate, self.n_writes > 1) {
            let _ = gate.recv();
        }
        let mut bytes = self.bytes.lock().unwrap();
        let room = self.room.saturating_sub(bytes.position()) as usize;
        match room.min(data.len()) {
            _ if self.room == 0 => bytes.write(data),
            0 => Err(std::io::ErrorKind::StorageFull.into()),
            n => bytes.write(&data[..n]),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.bytes.lock().unwrap().seek(to)
    }
}

impl Sink for Disk {
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.bytes.lock().unwrap().get_mut().truncate(len as usize);
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn keep(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn has_older(&self) -> bool {
        false
    }

    fn discard(&mut self) {
        self.bytes.lock().unwrap().get_mut().clear();
    }
}

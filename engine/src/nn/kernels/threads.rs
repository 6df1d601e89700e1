//! [`Threads`] holds the instruction set, the thread pool and the scratch memory, and is passed to
//! every kernel call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use bytemuck::Zeroable;

use super::buffer::{Buffers, Line, lines};
use super::isa::Isa;
use super::tile::Seg;
use crate::{Error, Result};

/// Multiply-adds per thread below which an additional thread costs more than it saves.
///
/// Waking a sleeping rayon worker takes 5-20 us; an AVX-512 core does 0.4-1 M multiply-adds in that
/// time. Tests use all threads for everything.
const WORK_PER_THREAD: usize = if cfg!(test) { 1 } else { 1_000_000 };

/// Scratch memory of one kernel thread: grows to the largest size needed and is kept.
#[derive(Default)]
pub(super) struct Scratch {
    buf: Vec<Line>,
    /// Positions of the pieces of a dot product; see `tile`.
    pub(super) segs: Vec<Seg>,
}

impl Scratch {
    /// Returns two areas of at least these numbers of floats, aligned to cache lines and with
    /// arbitrary contents, and the list of segments.
    pub(super) fn take(&mut self, a: usize, b: usize) -> (&mut [f32], &mut [f32], &mut Vec<Seg>) {
        let (a, b) = (lines(a), lines(b));
        if self.buf.len() < a + b {
            self.buf.resize(a + b, Line::zeroed());
        }
        let (a, rest) = self.buf.split_at_mut(a);
        (
            bytemuck::cast_slice_mut(a),
            bytemuck::cast_slice_mut(&mut rest[..b]),
            &mut self.segs,
        )
    }
}

/// Instruction set, thread pool and scratch memory of the kernels.
pub struct Threads {
    isa: Isa,
    count: usize,
    pool: Option<rayon::ThreadPool>,
    scratch: Mutex<Vec<Scratch>>,
    /// Memory that lives as long as one kernel call and is visible to all its threads.
    pub(super) spare: Buffers,
}

impl Threads {
    /// Starts `count` threads (0: one per core) on the best instruction set, or the one named in
    /// the environment ([`Isa::from_env`]).
    pub fn new(count: usize) -> Result<Self> {
        Self::with_isa(count, Isa::from_env()?)
    }

    /// Starts `count` threads (0: one per core) on `isa`. With one thread, the caller's is used
    /// without a pool.
    pub fn with_isa(count: usize, isa: Isa) -> Result<Self> {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        };
        let pool = if count > 1 {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(|i| format!("kernel-{i}"))
                .build()
                .map_err(|e| Error::Failed(format!("cannot start {count} threads: {e}")))?;
            Some(pool)
        } else {
            None
        };
        tracing::info!(isa = isa.name(), threads = count, "CPU kernels");
        Ok(Self {
            isa,
            count,
            pool,
            scratch: Mutex::new(Vec::new()),
            spare: Buffers::new(),
        })
    }

    /// Returns the number of threads.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs `f` on the pool. Wrapping a whole forward pass in it pays for entering and leaving the
    /// pool once instead of in every kernel.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Runs `f`, whose rayon iterators use as many threads as this has. Unlike [`Threads::install`]
    /// it also restricts them to one thread, at the cost of a thread switch.
    pub fn iterate<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        static SINGLE: LazyLock<Option<rayon::ThreadPool>> = LazyLock::new(|| {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(1);
            builder.thread_name(|_| "kernel".to_owned()).build().ok()
        });
        match self.pool.as_ref().or(SINGLE.as_ref()) {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Returns the number of threads worth using for `work` multiply-adds.
    pub(super) fn useful(&self, work: usize) -> usize {
        self.count.min(work / WORK_PER_THREAD).max(1)
    }

    /// Calls `f(i)` for every `i < tasks`, on as many threads as `work` multiply-adds justify.
    ///
    /// Threads take the next task when they are free. The caller never waits for a thread that has
    /// not started, but runs the remaining tasks itself.
    pub(super) fn run(&self, tasks: usize, work: usize, f: impl Fn(usize, &mut Scratch) + Sync) {
        let next = AtomicUsize::new(0);
        let participate = || {
            if next.load(Ordering::Relaxed) >= tasks {
                return;
            }
            let mut scratch = self.lock_scratch().pop().unwrap_or_default();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                f(i, &mut scratch);
            }
            self.lock_scratch().push(scratch);
        };
        match (&self.pool, self.useful(work).min(tasks)) {
            (Some(pool), n @ 2..) => pool.install(|| fork(n, &participate)),
            _ => participate(),
        }
    }

    fn lock_scratch(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Offers `f` to `n` threads. `join` keeps its jobs on the stack, so nothing is allocated.
fn fork(n: usize, f: &(impl Fn() + Sync)) {
    if n <= 1 {
        f();
    } else {
        rayon::join(|| fork(n - n / 2, f), || fork(n / 2, f));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a task is lost or run twice, which would skip or duplicate part of a map.
    #[test]
    fn every_task_runs_once() {
        for count in [1, 2, 3] {
            let threads = Threads::with_isa(count, Isa::detect()).unwrap();
            let seen: Vec<_> = (0..37).map(|_| AtomicUsize::new(0)).collect();
            threads.run(37, usize::MAX, |i, _| {
                seen[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(seen.iter().all(|s| s.load(Ordering::Relaxed) == 1));
        }
    }
}

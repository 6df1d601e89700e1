//! Who computes: [`Threads`] is the instruction set, the thread count with its pool and the
//! scratch memory, handed to every kernel call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use bytemuck::Zeroable;

use super::buffer::{Buffers, Line, lines};
use super::isa::Isa;
use super::tile::Seg;
use crate::{Error, Result};

/// Scalar multiply-adds below which a second thread costs more than it brings.
///
/// Waking a sleeping rayon worker takes 5-20 us; an AVX-512 core does 0.4-1 M multiply-adds in
/// that time. Tests use all threads for everything.
const WORK_PER_THREAD: usize = if cfg!(test) { 1 } else { 1_000_000 };

/// Memory of one thread of a kernel: grows to the largest need and stays.
#[derive(Default)]
pub(super) struct Scratch {
    buf: Vec<Line>,
    /// Where the pieces of a dot product lie, see `tile`.
    pub(super) segs: Vec<Seg>,
}

impl Scratch {
    /// Two areas of at least these many floats on cache-line borders, contents arbitrary, and
    /// the list of segments.
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

/// The instruction set, the threads and their scratch memory.
pub struct Threads {
    isa: Isa,
    count: usize,
    pool: Option<rayon::ThreadPool>,
    scratch: Mutex<Vec<Scratch>>,
    /// Memory that lives as long as one kernel call and that all its threads see.
    pub(super) spare: Buffers,
}

impl Threads {
    /// `count` threads (0: one per core) on the best instruction set, or the one that the
    /// environment asks for ([`Isa::from_env`]).
    pub fn new(count: usize) -> Result<Self> {
        Self::with_isa(count, Isa::from_env()?)
    }

    /// `count` threads (0: one per core) on `isa`; one thread is the caller's, without a pool.
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
                .map_err(|e| Error::Invalid(format!("cannot start {count} threads: {e}")))?;
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

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs `f` on the pool: wrap a whole forward pass in it, so that the way there and back is
    /// paid once and not in every kernel.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Runs `f`, whose rayon iterators use as many threads as this has. Unlike
    /// [`Threads::install`] it holds them to one thread too, at the price of a change of threads.
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

    /// Threads worth using for `work` multiply-adds.
    pub(super) fn useful(&self, work: usize) -> usize {
        self.count.min(work / WORK_PER_THREAD).max(1)
    }

    /// Calls `f(i)` for every `i < tasks`, on as many threads as `work` multiply-adds deserve.
    ///
    /// Threads take the next task when they are free, and the caller never waits for a thread
    /// that has not started: what nobody else took it does itself.
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

/// Offers `f` to `n` threads; `join` keeps its jobs on the stack, so nothing is allocated.
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

    /// Fails when a task is lost or run twice, which would leave or double part of a map.
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

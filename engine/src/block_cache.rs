//! A global allocator that keeps large freed blocks for reuse.
//!
//! A training step allocates and frees the same large tensors every time. Allocators of the system
//! return such blocks to the kernel and fetch them again page by page. While a [`KeepBlocks`] exists,
//! [`BlockCache`] keeps blocks of at least 64 KiB in lists by size class; smaller ones, and all others
//! while none exists, go to the system's allocator.
//!
//! Sizes are rounded up by at most 1/32, and free blocks are released before blocks in use and free
//! ones together exceed the largest amount that was in use since then.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Binary logarithms of the smallest size that is cached, and of the sizes that no longer are.
const MIN_LOG2: u32 = 16;
const END_LOG2: u32 = 32;

/// Size classes from one power of two to the next.
const STEPS: usize = 32;
const N_CLASSES: usize = (END_LOG2 - MIN_LOG2) as usize * STEPS;

/// Alignment of cached blocks in bytes. It is the one that the system's `malloc` has anyway: for a
/// larger one, fresh memory would be zeroed by hand and copied to grow. Blocks with a larger one are
/// not cached; the maps of the kernels, which have, are pooled by themselves.
const ALIGN: usize = 16;

/// The allocator; all its values share one cache.
///
/// A program uses it by `#[global_allocator] static BLOCKS: BlockCache = BlockCache;`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockCache;

/// A free block, which holds the link to the next one of its class in its own memory.
struct Block {
    next: Option<NonNull<Block>>,
}

/// The free blocks of one class.
struct List(Option<NonNull<Block>>);

// SAFETY: the list owns its blocks, which are not tied to a thread.
unsafe impl Send for List {}

static LISTS: [Mutex<List>; N_CLASSES] = [const { Mutex::new(List(None)) }; N_CLASSES];
/// Bytes of cached sizes that the program uses, the largest value so far, and bytes of free blocks.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static FREE: AtomicUsize = AtomicUsize::new(0);
/// Number of [`KeepBlocks`] values.
static N_KEEPERS: AtomicUsize = AtomicUsize::new(0);

/// While a value exists, freed blocks are kept. The last one that is dropped releases all of them:
/// hold it as the last field of what frees and allocates large blocks again and again.
#[derive(Debug)]
pub struct KeepBlocks(());

impl KeepBlocks {
    /// Starts keeping freed blocks.
    pub fn new() -> Self {
        if N_KEEPERS.fetch_add(1, Ordering::Relaxed) == 0 {
            PEAK.store(IN_USE.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Self(())
    }
}

impl Default for KeepBlocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for KeepBlocks {
    fn drop(&mut self) {
        if N_KEEPERS.fetch_sub(1, Ordering::Relaxed) == 1 {
            release_down_to(0);
        }
    }
}

/// Returns the class of a layout; `None` if it is not cached. Depends on the layout alone, so that
/// a block is always freed the way it was allocated.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size < 1 << MIN_LOG2 || layout.align() > ALIGN {
        return None;
    }
    // The class holds sizes up to and including its own: those one above a step go to the next.
    let below = size - 1;
    let log2 = below.ilog2().max(MIN_LOG2 - 1);
    let step = (below >> (log2 - STEPS.ilog2())) & (STEPS - 1);
    let class = ((log2 + 1 - MIN_LOG2) as usize * STEPS + step + 1).checked_sub(STEPS)?;
    (class < N_CLASSES).then_some(class)
}

/// Returns the layout of the blocks of a class.
fn layout_of(class: usize) -> Layout {
    let (doubling, step) = (class / STEPS, class % STEPS);
    let size = ((STEPS + step) << MIN_LOG2 >> STEPS.ilog2()) << doubling;
    // SAFETY: the alignment is a power of two, and sizes are far below `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

fn list(class: usize) -> MutexGuard<'static, List> {
    LISTS[class].lock().unwrap_or_else(PoisonError::into_inner)
}

fn pop(class: usize) -> Option<NonNull<Block>> {
    if FREE.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let mut list = list(class);
    let block = list.0?;
    // SAFETY: blocks in a list are free and were initialised by `push`.
    list.0 = unsafe { block.as_ref().next };
    drop(list);
    FREE.fetch_sub(layout_of(class).size(), Ordering::Relaxed);
    Some(block)
}

fn push(class: usize, block: NonNull<Block>) {
    FREE.fetch_add(layout_of(class).size(), Ordering::Relaxed);
    let mut list = list(class);
    let next = list.0.replace(block);
    // SAFETY: the block is free, aligned to `ALIGN` and larger than a `Block`.
    unsafe { block.write(Block { next }) };
}

/// Releases free blocks, the largest first, until at most `limit` bytes of them are left.
fn release_down_to(limit: usize) {
    for class in (0..N_CLASSES).rev() {
        if FREE.load(Ordering::Relaxed) <= limit {
            return;
        }
        while FREE.load(Ordering::Relaxed) > limit {
            let Some(block) = pop(class) else { break };
            // SAFETY: blocks of a class are allocated with its layout.
            unsafe { System.dealloc(block.as_ptr().cast(), layout_of(class)) };
        }
    }
}

/// Returns a block of a class with arbitrary contents, and whether it is fresh from the system.
fn take(class: usize, allocate: unsafe fn(&System, Layout) -> *mut u8) -> (*mut u8, bool) {
    let layout = layout_of(class);
    let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
    let peak = PEAK.fetch_max(in_use, Ordering::Relaxed).max(in_use);
    if let Some(block) = pop(class) {
        return (block.as_ptr().cast(), false);
    }
    release_down_to(peak - in_use);
    // SAFETY: the layout has a size above 0.
    let block = unsafe { allocate(&System, layout) };
    if block.is_null() {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
    }
    (block, true)
}

// SAFETY: every block is given out once until it is freed, has at least the size and alignment of
// its layout, and is allocated and freed by the same allocator, which the layout alone determines.
unsafe impl GlobalAlloc for BlockCache {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => take(class, System::alloc).0,
            // SAFETY: as promised by the caller.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: as promised by the caller.
            return unsafe { System.alloc_zeroed(layout) };
        };
        let (block, is_fresh) = take(class, System::alloc_zeroed);
        if !is_fresh {
            // SAFETY: the block has at least the layout's size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (Some(class), Some(free)) = (class_of(layout), NonNull::new(block)) else {
            // SAFETY: as promised by the caller.
            return unsafe { System.dealloc(block, layout) };
        };
        IN_USE.fetch_sub(layout_of(class).size(), Ordering::Relaxed);
        if N_KEEPERS.load(Ordering::Relaxed) > 0 {
            push(class, free.cast());
        } else {
            // SAFETY: blocks of a class are allocated with its layout.
            unsafe { System.dealloc(block, layout_of(class)) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is valid for this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class_of(layout), class_of(new)) {
            // SAFETY: as promised by the caller.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (old, new_class) if old == new_class => block,
            // The system may grow a block without copying it.
            (Some(from), Some(to)) if N_KEEPERS.load(Ordering::Relaxed) == 0 => {
                let [from, to] = [from, to].map(layout_of);
                // SAFETY: blocks of a class are allocated with its layout, and both sizes are valid
                // for its alignment.
                let moved = unsafe { System.realloc(block, from, to.size()) };
                if !moved.is_null() {
                    let in_use = IN_USE.fetch_add(to.size(), Ordering::Relaxed) + to.size();
                    PEAK.fetch_max(in_use - from.size(), Ordering::Relaxed);
                    IN_USE.fetch_sub(from.size(), Ordering::Relaxed);
                }
                moved
            }
            _ => {
                // SAFETY: the new block has room for the smaller of both sizes, and the old one is
                // freed once.
                unsafe {
                    let moved = self.alloc(new);
                    if moved.is_null() {
                        return null_mut();
                    }
                    moved.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Held by tests that allocate: another one's allocation may release free blocks.
    static ALONE: Mutex<()> = Mutex::new(());

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    proptest! {
        /// Fails when a block is smaller than requested, wastes more than 1/32, or two sizes
        /// of a class have blocks of different sizes.
        #[test]
        fn blocks_fit_their_sizes(size in 0_usize..1 << 33) {
            match class_of(layout(size)) {
                None => prop_assert!(!(1 << MIN_LOG2..=1 << (END_LOG2 - 1)).contains(&size)),
                Some(class) => {
                    let block = layout_of(class).size();
                    prop_assert!((size..=size + size / 32 + 1).contains(&block), "{size}: {block}");
                    prop_assert_eq!(class_of(layout_of(class)), Some(class));
                }
            }
        }
    }

    /// Fails when a block is given out twice, loses its contents in a reallocation, is not zeroed
    /// where this was requested, or freed blocks are not reused.
    #[test]
    fn blocks_are_reused_and_never_shared() {
        const SIZE: usize = 3 << 20;
        let _alone = ALONE.lock();
        let keep = KeepBlocks::new();
        // SAFETY: every block is used within its size and freed once with its layout.
        unsafe {
            let first = BlockCache.alloc(layout(SIZE));
            let second = BlockCache.alloc(layout(SIZE));
            assert_ne!(first, second);
            first.write_bytes(7, SIZE);
            second.write_bytes(9, SIZE);
            assert!((0..SIZE).all(|i| *first.add(i) == 7));
            BlockCache.dealloc(first, layout(SIZE));
            let zeroed = BlockCache.alloc_zeroed(layout(SIZE - 100));
            assert_eq!(zeroed, first);
            assert!((0..SIZE - 100).all(|i| *zeroed.add(i) == 0));
            let moved = BlockCache.realloc(second, layout(SIZE), 2 * SIZE);
            assert!((0..SIZE).all(|i| *moved.add(i) == 9));
            let small = BlockCache.realloc(moved, layout(2 * SIZE), 100);
            assert!((0..100).all(|i| *small.add(i) == 9));
            BlockCache.dealloc(small, layout(100));
            BlockCache.dealloc(zeroed, layout(SIZE - 100));
        }
        assert!(FREE.load(Ordering::Relaxed) > 0);
        drop(keep);
        assert_eq!(
            FREE.load(Ordering::Relaxed),
            0,
            "blocks are kept for nothing"
        );
    }

    /// Fails when a block that grows or shrinks while nothing is kept loses its contents, or is
    /// counted wrongly.
    #[test]
    fn blocks_grow_and_shrink_while_nothing_is_kept() {
        const SIZE: usize = 1 << 20;
        let _alone = ALONE.lock();
        let before = IN_USE.load(Ordering::Relaxed);
        // SAFETY: the block is used within its size and freed once with its layout.
        unsafe {
            let block = BlockCache.alloc(layout(SIZE));
            block.write_bytes(5, SIZE);
            let grown = BlockCache.realloc(block, layout(SIZE), 5 * SIZE);
            assert!((0..SIZE).all(|i| *grown.add(i) == 5));
            assert!(IN_USE.load(Ordering::Relaxed) - before >= 5 * SIZE);
            let shrunk = BlockCache.realloc(grown, layout(5 * SIZE), SIZE / 2);
            assert!((0..SIZE / 2).all(|i| *shrunk.add(i) == 5));
            BlockCache.dealloc(shrunk, layout(SIZE / 2));
        }
        assert_eq!(IN_USE.load(Ordering::Relaxed), before);
    }

    /// Fails when blocks that several threads allocate and free at once are mixed up.
    #[test]
    fn threads_do_not_disturb_each_other() {
        let _alone = ALONE.lock();
        let _keep = KeepBlocks::new();
        std::thread::scope(|scope| {
            for t in 1..=4_u8 {
                scope.spawn(move || {
                    for round in 0..200_usize {
                        let size = (1 << 16) + (round * 7919) % (1 << 18);
                        // SAFETY: as above.
                        unsafe {
                            let block = BlockCache.alloc(layout(size));
                            block.write_bytes(t, size);
                            std::thread::yield_now();
                            assert!((0..size).step_by(997).all(|i| *block.add(i) == t));
                            BlockCache.dealloc(block, layout(size));
                        }
                    }
                });
            }
        });
    }
}

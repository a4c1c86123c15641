//! Memory out of one array, handed out from its beginning to its end.
//!
//! Only the block that was handed out last is taken back; what else is freed stays unused. That does for a program that
//! ends soon.
//!
//! To be an allocator is unsafe by signature, and to hand out parts of an array takes a cell that threads may share: so
//! this file may be unsafe.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// How much there is, in octets.
const SIZE: usize = 4 << 20;

#[global_allocator]
static MEMORY: Memory = Memory { octets: UnsafeCell::new([0; SIZE]), used: AtomicUsize::new(0) };

struct Memory {
    octets: UnsafeCell<[u8; SIZE]>,
    /// Where the next block may begin.
    used: AtomicUsize,
}

// SAFETY: the array is reached only through blocks that `alloc` hands out, and no two of them overlap, for `used` is
// changed by compare-and-swap alone.
unsafe impl Sync for Memory {}

/// How many octets were in use at most, but for those that the last block has given back.
pub fn used() -> usize {
    MEMORY.used.load(Relaxed)
}

// SAFETY: a block is within the array, aligned, and its own until it is given back; where there is no room the answer is
// null.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.octets.get().cast::<u8>();
        let begin = |used: usize| used + base.wrapping_add(used).align_offset(layout.align());
        let end = |used: usize| begin(used).checked_add(layout.size()).filter(|end| *end <= SIZE);
        match self.used.fetch_update(Relaxed, Relaxed, end) {
            Ok(used) => base.wrapping_add(begin(used)),
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let begin = block.addr() - self.octets.get().addr();
        // Fails where it is not the last block: then nothing is to be done.
        let _ = self.used.compare_exchange(begin + layout.size(), begin, Relaxed, Relaxed);
    }
}

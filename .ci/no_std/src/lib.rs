//! Builds only where no dependency brings std: the panic handler below would be the second one.
//!
//! Linked into nothing and never run.
#![no_std]

use core::{
    alloc::{GlobalAlloc, Layout},
    hint, panic, ptr,
};
use zre_engine as _;
use zre_proto::{Beacon, Endpoint};

/// An allocator that has nothing to give. A library without std must name one, and to implement it is unsafe by
/// signature.
struct Nothing;

// SAFETY: null is how an allocator refuses; it hands out no memory, so none is ever given back.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static NOTHING: Nothing = Nothing;

#[panic_handler]
fn stop(_: &panic::PanicInfo<'_>) -> ! {
    loop {
        hint::spin_loop();
    }
}

/// Something to build.
pub fn is_known(datagram: &[u8], endpoint: &str) -> bool {
    Beacon::decode(datagram).is_ok() && endpoint.parse::<Endpoint>().is_ok()
}

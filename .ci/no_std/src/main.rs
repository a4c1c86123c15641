//! Two nodes that meet in a program without std.
//!
//! It builds only where no dependency brings std: the panic handler in `system.rs` would be the second one, which the
//! compiler refuses. It ends with 0 if both nodes have entered and a whisper has gone each way, and with another code if
//! not.
#![no_std]
#![no_main]

extern crate alloc;

mod allocator;
mod nodes;
mod system;

use alloc::format;
use core::ffi::c_int;

/// What the C library starts.
// SAFETY: no other function of this program has the name, and this is the one that C gives it.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    match nodes::meet() {
        Ok(met) => {
            let [alice, bob] = met.names;
            let used = allocator::used();
            system::print(&format!(
                "{alice} and {bob} have met in {} ms, with {used} octets of memory\n",
                met.after.as_millis()
            ));
            0
        }
        Err(why) => {
            system::print(&format!("they have not met: {why}\n"));
            1
        }
    }
}

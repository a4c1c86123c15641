//! What is asked of the system: to write, and to end. Calls of the C library are unsafe, so this file may be.

use core::{
    ffi::{c_int, c_void},
    panic::PanicInfo,
};

const STANDARD_ERROR: c_int = 2;

#[link(name = "c")]
unsafe extern "C" {
    fn write(descriptor: c_int, octets: *const c_void, count: usize) -> isize;
    fn abort() -> !;
}

/// Writes a text to standard error; where that does not take it, it is lost.
pub fn print(text: &str) {
    // SAFETY: pointer and count are those of a slice.
    let _ = unsafe { write(STANDARD_ERROR, text.as_ptr().cast(), text.len()) };
}

/// std has one too: a program with both does not compile.
#[panic_handler]
fn panic(why: &PanicInfo<'_>) -> ! {
    print(&alloc::format!("{why}\n"));
    // SAFETY: it may be called at any time.
    unsafe { abort() }
}

/// What a panic would do on its way up. The `alloc` that comes with the compiler was built for programs that unwind, and
/// names these two; here a panic aborts, so nobody calls them.
// SAFETY: std has one of this name, and so does the unwinder that comes with std; neither is in this program.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: it may be called at any time.
    unsafe { abort() }
}

//! The libc functions called by Video4Linux programs, exported under their own names.
//!
//! On the architectures supported by our Linux builds, variadic C arguments are passed in the same
//! registers as fixed ones, so plain functions can replace `open`, `ioctl` and `syscall`.

use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{nfds_t, pollfd};

use crate::driver;

/// Declares a wrapper of the system's own function, which is looked up once.
macro_rules! system {
    ($name:ident($($argument:ident: $type:ty),*) -> $result:ty) => {{
        static FOUND: AtomicUsize = AtomicUsize::new(0);
        let mut found = FOUND.load(Ordering::Relaxed);
        if found == 0 {
            let name = concat!(stringify!($name), "\0");
            // SAFETY: the name ends with a NUL byte.
            found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast()) } as usize;
            FOUND.store(found, Ordering::Relaxed);
        }
        // SAFETY: this is the type of the libc function with this name.
        let call: unsafe extern "C" fn($($type),*) -> $result = unsafe {
            std::mem::transmute(found)
        };
        // SAFETY: the caller's arguments are passed on unchanged.
        unsafe { call($($argument),*) }
    }};
}

/// Returns the number of a node from its path.
///
/// # Safety
/// `path` must be a valid C string.
unsafe fn node(path: *const c_char) -> Option<u32> {
    if path.is_null() {
        return None;
    }
    // SAFETY: guaranteed by the caller.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    path.strip_prefix("/dev/video")?.parse().ok()
}

/// Converts the result of a call to C conventions.
fn result(outcome: Result<c_int, c_int>) -> c_int {
    outcome.unwrap_or_else(|number| {
        // SAFETY: the address is that of this thread's `errno`.
        unsafe { *libc::__errno_location() = number };
        -1
    })
}

/// # Safety
/// As for `open` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open(
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller passes a string.
    match unsafe { node(path) } {
        Some(node) if driver::is_active() => result(driver::open(node)),
        _ => system!(open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int),
    }
}

/// # Safety
/// As for `open64` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open64(
    path: *const c_char,
    flags: c_int,
    mode: libc::mode_t,
) -> c_int {
    // SAFETY: the caller passes a string.
    match unsafe { node(path) } {
        Some(node) if driver::is_active() => result(driver::open(node)),
        _ => system!(open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int),
    }
}

/// # Safety
/// As for `statx` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: libc::c_uint,
    buffer: *mut libc::statx,
) -> c_int {
    // SAFETY: the caller passes a string.
    match unsafe { node(path) } {
        Some(node) if driver::is_active() => result(driver::exists(node)),
        _ => system!(statx(
            folder: c_int, path: *const c_char, flags: c_int, mask: libc::c_uint,
            buffer: *mut libc::statx
        ) -> c_int),
    }
}

/// # Safety
/// As for `close` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(fd: c_int) -> c_int {
    driver::close(fd);
    system!(close(fd: c_int) -> c_int)
}

/// # Safety
/// As for `ioctl` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if driver::is_ours(fd) {
        // SAFETY: the caller passes the argument of the request.
        return result(unsafe { driver::ioctl(fd, request, argument) });
    }
    system!(ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int)
}

/// # Safety
/// As for `syscall` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_ioctl && driver::is_ours(a as c_int) {
        // SAFETY: the caller passes the argument of the request.
        let outcome = unsafe { driver::ioctl(a as c_int, b as c_ulong, c as *mut c_void) };
        return result(outcome).into();
    }
    system!(syscall(
        number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long
    ) -> c_long)
}

/// # Safety
/// As for `poll` of libc.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn poll(fds: *mut pollfd, n: nfds_t, millis: c_int) -> c_int {
    if n == 1 {
        // SAFETY: the caller passes one structure.
        let only = unsafe { &mut *fds };
        if driver::is_ours(only.fd) {
            return result(driver::poll(only, millis));
        }
    }
    system!(poll(fds: *mut pollfd, n: nfds_t, millis: c_int) -> c_int)
}

//! The kernel's part: connected devices, descriptors, waiting.

use std::ffi::{c_int, c_ulong, c_void};
use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use libc::{EINTR, EINVAL, EMFILE, ENODEV, ENOENT, pollfd};

use crate::open::Open;
use crate::requests::{answer, name};
use crate::scenario::Camera;

/// Maximum number of open descriptors.
const MAX_OPEN: usize = 64;

/// Our descriptors, readable without a lock; unused entries are -1.
static OURS: [AtomicI32; MAX_OPEN] = [const { AtomicI32::new(-1) }; MAX_OPEN];

#[derive(Default)]
pub(crate) struct State {
    pub(crate) cameras: Vec<Plugged>,
    pub(crate) open: Vec<Open>,
    n_calls: u64,
    log: Option<std::fs::File>,
}

pub(crate) struct Plugged {
    pub(crate) camera: Camera,
    /// Number of frames produced so far.
    pub(crate) n_ever: u64,
    /// Whether it stopped delivering and was restarted.
    pub(crate) has_stalled: bool,
    gone_since: Option<Instant>,
}

static STATE: OnceLock<Option<Mutex<State>>> = OnceLock::new();

/// Returns the state; `None` in programs without a scenario.
fn state() -> Option<MutexGuard<'static, State>> {
    let state = STATE.get_or_init(|| {
        let text = std::fs::read_to_string(std::env::var_os("V4L2_STANDIN")?).ok()?;
        let cameras: Vec<Camera> = match serde_json::from_str(&text) {
            Ok(cameras) => cameras,
            Err(error) => {
                eprintln!("v4l2-standin: {error}");
                std::process::abort();
            }
        };
        let plugged = |camera| Plugged {
            camera,
            n_ever: 0,
            has_stalled: false,
            gone_since: None,
        };
        let log = std::env::var_os("V4L2_STANDIN_LOG");
        Some(Mutex::new(State {
            cameras: cameras.into_iter().map(plugged).collect(),
            log: log.and_then(|path| std::fs::File::create(path).ok()),
            ..State::default()
        }))
    });
    let mutex = state.as_ref()?;
    Some(mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn is_active() -> bool {
    std::env::var_os("V4L2_STANDIN").is_some()
}

pub(crate) fn is_ours(fd: c_int) -> bool {
    fd >= 0 && OURS.iter().any(|ours| ours.load(Ordering::Relaxed) == fd)
}

/// Blocks forever in the request named by a scenario.
fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

impl State {
    pub(crate) fn log(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            // A test that needs a missing line fails with a message.
            let _ = writeln!(log, "{line}");
        }
    }

    /// Returns the camera currently at this node.
    fn at(&mut self, node: u32) -> Option<usize> {
        (0..self.cameras.len()).find(|&i| {
            let plugged = &mut self.cameras[i];
            plugged.look();
            plugged.gone_since.is_none() && plugged.camera.node == node
        })
    }

    /// Returns whether this call is to fail with `EINTR`.
    fn is_interrupted(&mut self, camera: usize) -> bool {
        self.n_calls += 1;
        let every = self.cameras[camera].camera.interrupts_every;
        every.is_some_and(|n| self.n_calls.is_multiple_of(n))
    }

    /// Produces the frames that are due on a descriptor.
    fn advance(&mut self, place: usize) -> Result<(), c_int> {
        let open = &mut self.open[place];
        let plugged = &mut self.cameras[open.camera];
        while let Some(due) = open.next_due(&plugged.camera, plugged.n_ever, plugged.has_stalled)
            && due <= Instant::now()
        {
            open.deliver(&plugged.camera, plugged.n_ever)?;
            plugged.n_ever += 1;
        }
        plugged.look();
        Ok(())
    }
}

impl Plugged {
    /// Unplugs cameras and plugs them in again when due.
    fn look(&mut self) {
        if self
            .camera
            .unplugged_after
            .is_some_and(|n| self.n_ever >= n)
        {
            let since = *self.gone_since.get_or_insert_with(Instant::now);
            let back = self.camera.back_after.map(Duration::from_millis);
            if back.is_some_and(|back| since.elapsed() >= back) {
                self.camera.unplugged_after = None;
                self.camera.node = self.camera.back_at.unwrap_or(self.camera.node);
                self.gone_since = None;
            }
        }
    }
}

pub(crate) fn exists(node: u32) -> Result<c_int, c_int> {
    let mut state = state().ok_or(ENOENT)?;
    state.at(node).map(|_| 0).ok_or(ENOENT)
}

pub(crate) fn open(node: u32) -> Result<c_int, c_int> {
    let mut state = state().ok_or(ENOENT)?;
    let place = state.at(node).ok_or(ENOENT)?;
    state.log(&format!("open {node}"));
    let camera = &state.cameras[place].camera;
    if camera.hangs_in == "OPEN" {
        drop(state);
        hang();
    }
    if let Some(&number) = camera.errors.get("OPEN") {
        return Err(number);
    }
    let open = Open::new(place)?;
    let fd = open.fd;
    let free = OURS.iter().find(|ours| ours.load(Ordering::Relaxed) < 0);
    free.ok_or(EMFILE)?.store(fd, Ordering::Relaxed);
    state.open.push(open);
    Ok(fd)
}

/// Forgets a descriptor; the system closes it.
pub(crate) fn close(fd: c_int) {
    if let Some(ours) = OURS.iter().find(|ours| ours.load(Ordering::Relaxed) == fd)
        && fd >= 0
    {
        ours.store(-1, Ordering::Relaxed);
        if let Some(mut state) = state() {
            state.open.retain(|open| open.fd != fd);
            state.log("close");
        }
    }
}

pub(crate) fn poll(waiting: &mut pollfd, millis: c_int) -> Result<c_int, c_int> {
    let begin = Instant::now();
    let limit = u64::try_from(millis).ok().map(Duration::from_millis);
    loop {
        let wait = {
            let mut state = state().ok_or(EINVAL)?;
            let place = state.open.iter().position(|open| open.fd == waiting.fd);
            let place = place.ok_or(EINVAL)?;
            let camera = state.open[place].camera;
            if state.is_interrupted(camera) {
                return Err(EINTR);
            }
            state.advance(place)?;
            let (open, plugged) = (&state.open[place], &state.cameras[camera]);
            let events = if plugged.gone_since.is_some() {
                libc::POLLERR | libc::POLLHUP
            } else if open.done.is_empty() {
                0
            } else if plugged.camera.is_poll_odd {
                libc::POLLERR
            } else {
                libc::POLLIN
            };
            waiting.revents = events;
            if events != 0 {
                return Ok(1);
            }
            open.next_due(&plugged.camera, plugged.n_ever, plugged.has_stalled)
                .map(|due| due.saturating_duration_since(Instant::now()))
        };
        let left = limit.map_or(Duration::MAX, |limit| limit.saturating_sub(begin.elapsed()));
        if left.is_zero() {
            return Ok(0);
        }
        let longest = Duration::from_millis(50);
        std::thread::sleep(
            left.min(wait.unwrap_or(longest))
                .clamp(Duration::from_micros(100), longest),
        );
    }
}

/// # Safety
/// `argument` must be that of the request.
pub(crate) unsafe fn ioctl(
    fd: c_int,
    request: c_ulong,
    argument: *mut c_void,
) -> Result<c_int, c_int> {
    let mut state = state().ok_or(EINVAL)?;
    let place = state
        .open
        .iter()
        .position(|open| open.fd == fd)
        .ok_or(EINVAL)?;
    let camera = state.open[place].camera;
    if state.is_interrupted(camera) {
        return Err(EINTR);
    }
    state.advance(place)?;
    if state.cameras[camera].gone_since.is_some() {
        return Err(ENODEV);
    }
    let name = name(request);
    if !matches!(name, "DQBUF" | "QBUF") && !name.starts_with("ENUM") {
        state.log(name);
    }
    if state.cameras[camera].camera.hangs_in == name {
        drop(state);
        hang();
    }
    if let Some(&number) = state.cameras[camera].camera.errors.get(name) {
        return Err(number);
    }
    // SAFETY: the caller guarantees that the argument belongs to the request, so it has its type.
    unsafe { answer(&mut state, place, name, argument) }.map(|()| 0)
}

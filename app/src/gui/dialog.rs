//! The answer of a file dialog, and whether the system has any.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// A dialog that closes faster than this was never visible: there is no dialog service.
const UNSEEN: Duration = Duration::from_millis(600);

/// What became of a dialog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<T> {
    /// Something was picked.
    Picked(T),
    /// The user closed the dialog.
    Cancelled,
    /// The system has no file dialog.
    NoDialog,
}

/// Shows a dialog and waits for its answer. Where the system has none, nothing is waited for.
pub(super) fn answer<T>(dialog: impl Future<Output = Option<T>>) -> Answer<T> {
    answer_if(is_available(), dialog)
}

fn answer_if<T>(is_available: bool, dialog: impl Future<Output = Option<T>>) -> Answer<T> {
    if !is_available {
        return Answer::NoDialog;
    }
    let start = Instant::now();
    match block_on(dialog) {
        Some(picked) => Answer::Picked(picked),
        None if start.elapsed() < UNSEEN => Answer::NoDialog,
        None => Answer::Cancelled,
    }
}

/// Returns whether the system can show a file dialog.
fn is_available() -> bool {
    // Windows and macOS have their own.
    !cfg!(target_os = "linux") || has_service(|name| std::env::var_os(name), Path::exists)
}

/// Returns whether there is a desktop portal on the session bus, or the program `zenity`: one of them
/// shows the dialogs. A call of a service that is not there would end only after a long timeout.
fn has_service(var: impl Fn(&str) -> Option<OsString>, exists: impl Fn(&Path) -> bool) -> bool {
    let var = |name| var(name).filter(|value: &OsString| !value.is_empty());
    let paths = |name, usual: &str| {
        let list = var(name).unwrap_or_else(|| usual.into());
        std::env::split_paths(&list).collect::<Vec<PathBuf>>()
    };
    let is_in = |folders: Vec<PathBuf>, file: &str| {
        let mut files = folders.into_iter().map(|folder| folder.join(file));
        files.any(|file| exists(&file))
    };
    if is_in(paths("PATH", ""), "zenity") {
        return true;
    }
    let runtime = var("XDG_RUNTIME_DIR").map(PathBuf::from);
    let has_socket = runtime.is_some_and(|folder| exists(&folder.join("bus")));
    if var("DBUS_SESSION_BUS_ADDRESS").is_none() && !has_socket {
        return false;
    }
    // Sandboxes reach the portal without seeing its description.
    if exists(Path::new("/.flatpak-info")) || var("SNAP").is_some() {
        return true;
    }
    let home = var("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let mut shared = paths("XDG_DATA_DIRS", "/usr/local/share:/usr/share");
    shared.extend(var("XDG_DATA_HOME").map(PathBuf::from).or(home));
    is_in(
        shared,
        "dbus-1/services/org.freedesktop.portal.Desktop.service",
    )
}

/// Blocks this thread until the future is ready.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a dialog is waited for that nothing can show, or one that closes at once, as without
    /// a service, counts as closed by the user.
    #[test]
    fn a_dialog_that_cannot_be_shown_is_not_waited_for() {
        let forever = std::future::pending::<Option<u8>>();
        assert_eq!(answer_if(false, forever), Answer::NoDialog);
        let at_once = std::future::ready(None::<u8>);
        assert_eq!(answer_if(true, at_once), Answer::NoDialog);
        let picked = std::future::ready(Some(7));
        assert_eq!(answer_if(true, picked), Answer::Picked(7));
    }

    /// Fails when dialogs are refused although a portal or zenity would show them, or are expected of
    /// a session without a bus, or of a bus without a portal.
    #[test]
    fn the_service_is_known_from_the_session() {
        let of = |vars: &[(&str, &str)], files: &[&str]| {
            let var = |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            has_service(var, |path| files.iter().any(|file| Path::new(file) == path))
        };
        let portal = "/usr/share/dbus-1/services/org.freedesktop.portal.Desktop.service";
        let (path, bus) = (("PATH", "/bin:/usr/bin"), "DBUS_SESSION_BUS_ADDRESS");
        assert!(!of(&[], &[]));
        assert!(!of(&[path], &[portal]), "no bus");
        assert!(!of(&[path, (bus, "unix:path=/x")], &[]), "no portal");
        assert!(of(&[path, (bus, "unix:path=/x")], &[portal]));
        assert!(of(
            &[("XDG_RUNTIME_DIR", "/run/user/1")],
            &["/run/user/1/bus", portal]
        ));
        assert!(of(&[path], &["/usr/bin/zenity"]));
        assert!(of(&[(bus, "unix:path=/x")], &["/.flatpak-info"]));
    }
}

//! Detects whether a display is available by connecting to it instead of trusting the environment.

/// Where a window can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Display {
    /// The display that the window library chooses.
    Default,
    /// The X server, because the Wayland compositor named by the environment does not respond.
    X11,
    /// No display: the environment names none.
    Unset,
    /// No display: the one named by the environment does not respond; which one, and why.
    Dead(String),
}

impl Display {
    /// Returns whether a window can be opened.
    pub fn is_available(&self) -> bool {
        matches!(self, Self::Default | Self::X11)
    }

    /// Returns the reason why no window can be opened, for messages.
    pub fn reason(&self) -> String {
        match self {
            Self::Default | Self::X11 => "there is a display".to_owned(),
            Self::Unset => {
                "no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)".to_owned()
            }
            Self::Dead(what) => format!("no display is available ({what})"),
        }
    }

    /// Returns what to do about the reason.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Default | Self::X11 => "open it there",
            Self::Unset => "set DISPLAY or WAYLAND_DISPLAY",
            Self::Dead(_) => "start that display",
        }
    }
}

/// Detects the display.
#[cfg(not(all(unix, not(target_os = "macos"))))]
pub fn display() -> Display {
    Display::Default
}

/// Tries to connect to the displays named by the environment, in the window library's order.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn display() -> Display {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if named("WAYLAND_SOCKET").is_some() {
        // A connection passed by file descriptor serves only one client: the window.
        return Display::Default;
    }
    let wayland = named("WAYLAND_DISPLAY").map(|name| {
        connect::wayland(&name).map_err(|why| format!("WAYLAND_DISPLAY is {name}: {why}"))
    });
    let x11 = || {
        named("DISPLAY")
            .map(|name| connect::x11().map_err(|why| format!("DISPLAY is {name}: {why}")))
    };
    match wayland {
        Some(Ok(())) => Display::Default,
        Some(Err(dead)) => match x11() {
            Some(Ok(())) => Display::X11,
            Some(Err(other)) => Display::Dead(format!("{dead}; {other}")),
            None => Display::Dead(dead),
        },
        None => match x11() {
            Some(Ok(())) => Display::Default,
            Some(Err(dead)) => Display::Dead(dead),
            None => Display::Unset,
        },
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod connect {
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use crossbeam::channel::bounded;
    use poselens_engine::concurrency::{StopFlag, Worker};

    /// Timeout for a server to respond, for example one behind an unreachable network.
    const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

    pub(super) fn wayland(name: &str) -> Result<(), String> {
        let folder = std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
        let socket = Path::new(&folder).join(name);
        let connected = UnixStream::connect(&socket).map(drop);
        connected.map_err(|e| format!("{}: {e}", socket.display()))
    }

    pub(super) fn x11() -> Result<(), String> {
        let (answer, answered) = bounded(1);
        let failed = answer.clone();
        let connect = move |_: &StopFlag| {
            let connected = x11rb::connect(None).map(drop).map_err(|e| e.to_string());
            // The receiver is gone after the timeout.
            let _ = answer.try_send(connected);
            Ok(())
        };
        let worker = Worker::spawn("display", StopFlag::new(), connect, move |error| {
            let _ = failed.try_send(Err(error.to_string()));
        });
        let worker = worker.map_err(|e| e.to_string())?;
        answered.recv_timeout(ANSWER_TIMEOUT).unwrap_or_else(|_| {
            worker.detach();
            Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))
        })
    }
}

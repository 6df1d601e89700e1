//! The window on its own virtual display, ended by signals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::has;
use super::network::{can_trace, sockets};
use crate::cli::{Running, Workdir};

/// A virtual display.
struct Display {
    server: Child,
    number: String,
}

impl Display {
    fn start() -> Option<Self> {
        if !has(
            "xvfb",
            Command::new("sh").args(["-c", "command -v Xvfb && command -v xdotool"]),
        ) {
            return None;
        }
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "1280x800x24",
                "-nolisten",
                "tcp",
                // Otherwise the server resets when its last window closes, and refuses the next.
                "-noreset",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();
        Some(Self {
            server,
            number: format!(":{}", number.trim()),
        })
    }

    /// Returns a command of the program with its own home folder on this display.
    fn window(&self, workdir: &Workdir, arguments: &str) -> Command {
        let mut command = workdir.command(arguments);
        command
            .env("DISPLAY", &self.number)
            .env("HOME", workdir.path(""));
        for name in ["CONFIG", "DATA", "STATE", "CACHE"] {
            command.env(format!("XDG_{name}_HOME"), workdir.path(name));
        }
        command.env("WAYLAND_DISPLAY", "");
        command
    }

    fn xdotool(&self, arguments: &[&str]) -> bool {
        let mut xdotool = Command::new("xdotool");
        let status = xdotool
            .args(arguments)
            .env("DISPLAY", &self.number)
            .output();
        status.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Returns the manifest of the only recording in the workdir's home folder.
fn manifest(workdir: &Workdir) -> Option<String> {
    let videos = std::fs::read_dir(workdir.path("PoseLens")).ok()?;
    let folder = videos.flatten().next()?.path();
    std::fs::read_to_string(folder.join("session.toml")).ok()
}

/// Fails when a logout leaves the window's recording unfinished, loses the settings, or does not
/// close the window.
#[test]
fn the_window_closes_its_recording_when_asked_to_end() {
    let Some(display) = Display::start() else {
        return;
    };
    for name in ["TERM", "INT"] {
        let workdir = Workdir::new();
        let mut running = Running::start(display.window(&workdir, "gui --input synthetic:live"));
        running.until("window", || {
            display.xdotool(&["search", "--onlyvisible", "--name", "PoseLens"])
        });
        running.until("recording", || {
            display.xdotool(&["search", "--name", "PoseLens", "windowfocus"]);
            display.xdotool(&["key", "r"]);
            // A second key press too early would end the recording.
            (0..150).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(200));
                manifest(&workdir).is_some()
            })
        });
        assert!(manifest(&workdir).unwrap().contains("is_finished = false"));
        running.signal(name);
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.stderr);
        let manifest = manifest(&workdir).unwrap();
        assert!(
            manifest.contains("is_finished = true"),
            "{name}: {manifest}"
        );
        assert!(
            workdir.path("CONFIG/poselens/settings.toml").exists(),
            "{name}"
        );
    }
}

/// Fails when the window accesses the network; display and session bus sockets are allowed.
#[test]
fn the_window_opens_no_socket() {
    let Some(display) = Display::start() else {
        return;
    };
    if !can_trace() {
        return;
    }
    let workdir = Workdir::new();
    let window = display.window(&workdir, "gui --input synthetic:live");
    let mut ended = Command::new("sh");
    ended.args([
        "-c",
        "\"$@\" & window=$!; sleep 8; kill -TERM $window; wait $window",
        "sh",
    ]);
    ended.arg(window.get_program()).args(window.get_args());
    for (name, value) in window.get_envs() {
        ended.env(name, value.unwrap_or_default());
    }
    let found = sockets(&workdir, &ended);
    assert!(found.is_empty(), "{found:?}");
}

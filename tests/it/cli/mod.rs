//! The command line as scripts see it: exit codes, both output streams, files.
//!
//! A [`Workdir`] is an empty folder in which the real program runs.

mod attention;
mod finetune;
mod import;
mod interrupted;
mod json;
mod labels;
mod measures;
mod mistakes;
mod outputs;
mod pictures;
mod project;
mod streams;
mod tracks;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use poselens_engine::frame::Frame;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_tests::WAIT_LIMIT;
use serde_json::Value;
use tempfile::TempDir;

/// Poll interval for running programs.
const POLL: Duration = Duration::from_millis(5);

/// A temporary folder, one per test.
pub(crate) struct Workdir(TempDir);

impl Workdir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn copy(&self, from: &Path, name: &str) {
        std::fs::copy(from, self.path(name)).unwrap();
    }

    /// Returns a command of the program in this folder; `arguments` are separated by spaces.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poselens-under-test"));
        command.args(arguments.split(' ')).current_dir(&self.0);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        Running::start(self.command(arguments)).wait()
    }

    /// Runs the program, which must succeed.
    pub(crate) fn succeed(&self, arguments: &str) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments}: {}", outcome.stderr);
        outcome
    }

    /// Runs the program, which must succeed and print a single JSON document.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let outcome = self.succeed(arguments);
        serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|e| panic!("{arguments}: {e}: {}", outcome.stdout))
    }

    /// Runs the program, which must fail as documented; returns its error line.
    pub(crate) fn complaint(&self, arguments: &str) -> String {
        self.run(arguments).complaint(arguments)
    }

    /// Runs the program, which must refuse its options; returns its error line.
    pub(crate) fn misuse(&self, arguments: &str) -> String {
        self.run(arguments).error_line(2, arguments)
    }

    /// Parses a JSON Lines file.
    pub(crate) fn json_lines(&self, name: &str) -> Vec<Value> {
        let text = self.read(name);
        let line = |l| serde_json::from_str(l).unwrap();
        text.lines().map(line).collect()
    }

    /// Returns every frame of a video, decoded by our own reader.
    pub(crate) fn frames(&self, name: &str) -> Vec<Frame> {
        let path = self.path(name);
        let spec = SourceSpec::parse(path.to_str().unwrap()).unwrap();
        read_all(&spec)
    }
}

/// Returns every frame of a source.
pub(crate) fn read_all(spec: &SourceSpec) -> Vec<Frame> {
    let mut source = spec.open(&OpenOptions::default()).unwrap();
    std::iter::from_fn(|| source.next_frame().unwrap()).collect()
}

/// Exit code and output of a program.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None` if it was ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Returns the single error line of a failed command; standard output must be empty, and there
    /// must be no panic.
    pub(crate) fn complaint(self, arguments: &str) -> String {
        self.error_line(1, arguments)
    }

    fn error_line(self, code: i32, arguments: &str) -> String {
        assert_eq!(self.code, Some(code), "{arguments}: {self:?}");
        assert_eq!(self.stdout, "", "{arguments}");
        assert_eq!(self.stderr.lines().count(), 1, "{arguments}: {self:?}");
        assert!(self.stderr.starts_with("poselens: "), "{self:?}");
        self.stderr
    }
}

/// A running program; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        // Files instead of pipes, which would block when full.
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits until `look` returns true while the program is running.
    pub(crate) fn until(&mut self, what: &str, mut look: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !look() {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "ended before {what}: {}", self.stderr());
            assert!(begin.elapsed() < WAIT_LIMIT, "no {what}");
            std::thread::sleep(POLL);
        }
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends signals one directly after the other.
    pub(crate) fn signals(&self, names: &[&str]) {
        let id = self.child.id();
        let kills = names.iter().map(|name| format!("kill -s {name} {id}"));
        let script = kills.collect::<Vec<_>>().join(" && ");
        let sent = Command::new("sh").args(["-c", &script]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn wait(mut self) -> Outcome {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < WAIT_LIMIT, "hangs: {}", self.stderr());
            std::thread::sleep(POLL);
        };
        Outcome {
            code: status.code(),
            stdout: text(&mut self.stdout),
            stderr: self.stderr(),
        }
    }

    fn stderr(&mut self) -> String {
        text(&mut self.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// Returns the path of a file in the repository.
pub(crate) fn asset(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().join("assets").join(name)
}

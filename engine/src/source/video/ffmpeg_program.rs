//! The ffmpeg program and its command line, which differs between versions.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The ffmpeg program to run.
#[derive(Debug, Clone)]
pub(in crate::source) struct Ffmpeg {
    pub(super) program: OsString,
}

impl Ffmpeg {
    /// Uses the program on the search path.
    pub(in crate::source) fn on_path() -> Self {
        Self::at("ffmpeg")
    }

    /// Uses the program at a path.
    pub(super) fn at(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
        }
    }

    pub(super) fn spawn(&self, path: &Path, dialect: Dialect, job: Job) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(["-hide_banner", "-nostdin", "-nostats"])
            .args(["-loglevel", "level+info"]);
        if job != Job::Read {
            // Time stamps of the file, regardless of the start position.
            command.arg("-copyts");
        }
        if let Job::ReadFrom(secs) = job {
            command.args(["-ss", &format!("{secs:.6}")]);
        }
        command
            // A playlist must not access the network.
            .args(["-protocol_whitelist", "file,concat", "-i"])
            .arg(input(path))
            .args(["-an", "-sn", "-dn", "-vf", job.filter()])
            .args(dialect.options());
        match job {
            Job::Index => command.args(["-f", "null", "-"]),
            _ => command.args(["-f", "rawvideo", "-pix_fmt", "rgba", "pipe:1"]),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// Returns the file's name for ffmpeg. `file:` prevents a name with a colon or a leading dash from
/// being taken for a protocol or an option. A name with a percent sign and an image extension would
/// be taken for a pattern: as the only part of a concatenation it is not.
pub(super) fn input(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mut input = OsString::from("file:");
    input.push(path);
    if bytes.contains(&b'%') && !bytes.contains(&b'|') {
        let mut chain = OsString::from("concat:");
        chain.push(input);
        chain.push("|");
        return chain;
    }
    input
}

/// Task of an ffmpeg process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::source) enum Job {
    /// Reads all frames.
    Read,
    /// Reads frames from this time on, in seconds from the start of the file, which may precede the
    /// first frame.
    ReadFrom(f64),
    /// Only lists the frames' times.
    Index,
}

impl Job {
    fn filter(self) -> &'static str {
        match self {
            // Checksums of frames that are not used take as long as decoding them.
            Self::Index => "showinfo=checksum=0",
            _ => "showinfo",
        }
    }
}

/// Returns the first line of `ffmpeg -version`; `None` if there is no ffmpeg.
pub fn ffmpeg_version() -> Option<String> {
    let output = Command::new("ffmpeg").arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

/// Option names supported by a version of ffmpeg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Dialect {
    /// Version 5.1 or later.
    Present,
    /// Version 4.4 or later.
    BeforeFpsMode,
    /// Earlier: frames of another size than the first are scaled to it.
    BeforeAutoscale,
}

impl Dialect {
    fn options(self) -> &'static [&'static str] {
        // Prevents duplicating and dropping frames for a constant rate, and scaling to the size of
        // the first frame.
        match self {
            Self::Present => &["-fps_mode", "passthrough", "-autoscale", "0"],
            Self::BeforeFpsMode => &["-vsync", "passthrough", "-autoscale", "0"],
            Self::BeforeAutoscale => &["-vsync", "passthrough"],
        }
    }

    /// Returns the next older version if ffmpeg does not know an option.
    pub(super) fn older(self, complaint: Option<&String>) -> Option<Self> {
        let complaint = complaint?;
        match self {
            Self::Present if complaint.contains("fps_mode") => Some(Self::BeforeFpsMode),
            Self::Present | Self::BeforeFpsMode if complaint.contains("autoscale") => {
                Some(Self::BeforeAutoscale)
            }
            _ => None,
        }
    }
}

/// A process that is killed on drop.
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both only fail if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

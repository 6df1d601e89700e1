//! An ffmpeg process that copies the sound of a file into Matroska on a pipe, without decoding.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use super::ffmpeg_program::{Ffmpeg, Process, input};

/// The process, which is killed on drop.
pub(in crate::source) struct SoundCopy(Process);

impl Ffmpeg {
    /// Starts copying one audio track, counted from 0, or all, to a pipe or a file. `offset_secs`
    /// is added to all times, which are those of [`super::ffmpeg_program::Job::ReadFrom`].
    pub(in crate::source) fn copy_sound(
        &self,
        path: &Path,
        track: Option<usize>,
        offset_secs: f64,
        into: Option<&Path>,
    ) -> std::io::Result<SoundCopy> {
        let map = track.map_or("0:a?".to_owned(), |track| format!("0:a:{track}"));
        // Errors are only available for output that is read to the end; a full pipe would block the
        // copy.
        let complaints = if track.is_none() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let child = Command::new(&self.program)
            .args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"])
            .args(["-copyts", "-y", "-protocol_whitelist", "file,concat", "-i"])
            .arg(input(path))
            // An optional map that matches nothing is no map: other kinds would be selected.
            .args(["-map", &map, "-vn", "-sn", "-dn"])
            .args(["-c", "copy", "-map_metadata:g", "-1"])
            .args(["-output_ts_offset", &offset_secs.to_string()])
            .args(["-avoid_negative_ts", "disabled", "-f", "matroska"])
            .arg(into.map_or("pipe:1".into(), |into| {
                let mut file = OsString::from("file:");
                file.push(into);
                file
            }))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()?;
        Ok(SoundCopy(Process(child)))
    }
}

impl SoundCopy {
    /// Takes the output pipe.
    pub(in crate::source) fn take_output(&mut self) -> Result<ChildStdout, String> {
        let output = self.0.0.stdout.take();
        output.ok_or_else(|| "ffmpeg gives no output".to_owned())
    }

    /// Waits until everything is copied.
    pub(in crate::source) fn finish(&mut self) -> Result<(), String> {
        let complaint = self.complaint();
        match self.0.0.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(complaint.unwrap_or_else(|| "it ended without a message".to_owned())),
        }
    }

    /// Waits for the end of the process and returns its last error line.
    pub(in crate::source) fn complaint(&mut self) -> Option<String> {
        let mut text = Vec::new();
        self.0.0.stderr.take()?.read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.next_back().map(str::to_owned)
    }
}

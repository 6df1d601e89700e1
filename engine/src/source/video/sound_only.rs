//! Files that hold sound but no video.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::Error;
use crate::source::sound;

/// End of the reasons why a container is not read natively: it has no video track.
const WITHOUT_VIDEO: &str = "without video";

/// Returns the error for a file of sound that is not read natively for this `reason`; `None` for
/// others. ffmpeg would show the cover of some as a video of one frame.
pub(super) fn refusal(path: &Path, name: &str, reason: &str) -> Option<Error> {
    let is_sound = begins_as_sound(path) || (reason.ends_with(WITHOUT_VIDEO) && has(path, name));
    is_sound.then(|| error(path))
}

/// Replaces ffmpeg's error for a file without video if the file holds sound.
pub(super) fn or_refusal(path: &Path, name: &str, failed: Error) -> Error {
    let is_without = failed.to_string().contains("does not contain any stream");
    if is_without && has(path, name) {
        error(path)
    } else {
        failed
    }
}

fn error(path: &Path) -> Error {
    let reason = "holds sound only, no video; give a video, an image, a folder or camera:0";
    Error::source(path.display().to_string(), reason)
}

/// Returns whether a file begins like one of WAV, MP3 with tags, or FLAC.
fn begins_as_sound(path: &Path) -> bool {
    let mut head = [0; 12];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let is_wave = head.starts_with(b"RIFF") && head.ends_with(b"WAVE");
    read.is_ok() && (is_wave || head.starts_with(b"ID3") || head.starts_with(b"fLaC"))
}

/// Returns whether a file has audio tracks, including those that cannot be copied.
fn has(path: &Path, name: &str) -> bool {
    let sound = sound::open(path, name);
    !sound.tracks.is_empty() || !sound.left_out.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::open;

    /// Fails when a file with sound only is called damaged or unknown, or its cover is taken for a
    /// video.
    #[test]
    fn a_file_with_sound_only_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sound/");
        let mut mp4 = std::fs::read(format!("{root}first_aac.mp4")).unwrap();
        let is_handler = |bytes: &[u8]| bytes == b"vide";
        while let Some(at) = mp4.windows(4).position(is_handler) {
            mp4[at..at + 4].copy_from_slice(b"meta");
        }
        for (name, bytes) in [
            ("a.wav", &b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"[..]),
            ("a.mp3", b"ID3\x04\0\0\0\0\0\x23TSSE"),
            ("a.flac", b"fLaC\0\0\0\x22\x10\0\x10\0"),
            ("clip.mp4", &mp4),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let message = open(&path).err().unwrap().to_string();
            assert!(message.contains(name), "{message}");
            assert!(message.contains("holds sound only"), "{message}");
        }
    }
}

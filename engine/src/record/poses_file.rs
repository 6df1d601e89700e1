//! Reading the poses that `--write-json` and recordings write: one JSON object per line and frame.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// The poses of one frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PosesLine {
    /// Number of the frame in its source.
    pub frame: u64,
    /// Name of the image file, if the source was a folder of images.
    #[serde(default)]
    pub file: Option<String>,
    /// Width of the frame in pixels.
    pub width: usize,
    /// Height of the frame in pixels.
    pub height: usize,
    /// Name of the skeleton of the poses.
    pub skeleton: String,
    /// People in the frame.
    pub poses: Vec<WrittenPose>,
}

/// One person in a frame.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WrittenPose {
    /// Id of the person's track.
    pub track_id: Option<u64>,
    /// Confidence of the pose.
    pub score: f64,
    /// Joints in the skeleton's order: x, y, score; all zero for a joint that was not found.
    pub keypoints: Vec<[f32; 3]>,
}

/// All frames of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct PosesFile {
    /// The frames, in the order of the file.
    pub lines: Vec<PosesLine>,
    /// Whether the last line was incomplete, as after a crash, and is left out.
    pub is_cut: bool,
}

impl PosesFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read or has no frame, a line other than an incomplete last one is
    /// damaged, or two lines are of the same frame.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(Error::io("open", path))?;
        Self::parse(&text).map_err(|reason| Error::data(path, reason))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        const WHAT: &str = "poses as `run --write-json` writes them";
        let mut file = Self {
            lines: Vec::new(),
            is_cut: false,
        };
        let mut line_of: HashMap<u64, usize> = HashMap::new();
        let mut lines = text.split(|byte| *byte == b'\n').enumerate().peekable();
        while let Some((i, bytes)) = lines.next() {
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let is_last = lines.peek().is_none();
            match serde_json::from_slice::<PosesLine>(bytes) {
                Ok(line) => {
                    if let Some(other) = line_of.insert(line.frame, i + 1) {
                        let (frame, this) = (line.frame, i + 1);
                        return Err(format!(
                            "lines {other} and {this} are both of frame {frame}"
                        ));
                    }
                    file.lines.push(line);
                }
                // Without a line break at its end.
                Err(_) if is_last && i > 0 => file.is_cut = true,
                Err(error) => return Err(format!("line {}: not {WHAT}: {error}", i + 1)),
            }
        }
        if file.lines.is_empty() {
            return Err(format!("no frames; {WHAT} are needed"));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = concat!(
        r#"{"frame":0,"time_secs":0.0,"width":4,"height":2,"model":"sfm","skeleton":"lsp14","poses":[]}"#,
        "\n",
        r#"{"frame":7,"time_secs":0.2,"file":"a.png","width":4,"height":2,"model":"sfm","skeleton":"lsp14","poses":[{"track_id":3,"score":0.5,"box":[0,0,1,1],"keypoints":[[1.5,2,0.9]],"keypoints_raw":[[1,2,0.9]]},{"track_id":null,"score":0.25,"box":[0,0,1,1],"keypoints":[],"keypoints_raw":[]}]}"#,
        "\n"
    );

    /// Fails when a number of a poses file is lost or read from the wrong field.
    #[test]
    fn every_line_is_read() {
        let file = PosesFile::parse(TEXT.as_bytes()).unwrap();
        assert!(!file.is_cut);
        let frames: Vec<_> = file
            .lines
            .iter()
            .map(|l| (l.frame, l.file.as_deref()))
            .collect();
        assert_eq!(frames, [(0, None), (7, Some("a.png"))]);
        let [line, other] = &file.lines[1].poses[..] else {
            panic!("two people");
        };
        assert_eq!((line.track_id, line.score), (Some(3), 0.5));
        assert_eq!(line.keypoints, [[1.5, 2.0, 0.9]]);
        assert_eq!(other.track_id, None);
        assert_eq!((file.lines[1].width, file.lines[1].height), (4, 2));
        assert_eq!(file.lines[1].skeleton, "lsp14");
    }

    /// Fails when a file that is cut off by a crash is refused, or damage elsewhere is not reported
    /// with its line.
    #[test]
    fn only_the_last_line_may_be_incomplete() {
        let first = TEXT.find('\n').unwrap() + 1;
        for end in first + 1..TEXT.len() {
            let file = PosesFile::parse(&TEXT.as_bytes()[..end]).unwrap();
            // The last line is complete even without its line break.
            let is_whole = end == TEXT.len() - 1;
            assert_eq!(
                (file.lines.len(), file.is_cut),
                (1 + usize::from(is_whole), !is_whole)
            );
        }
        let refused = |text: &str| PosesFile::parse(text.as_bytes()).unwrap_err();
        let damaged = TEXT.replacen("\"frame\":0", "\"frame\":x", 1);
        assert!(refused(&damaged).starts_with("line 1: not poses"));
        let doubled = [TEXT, TEXT].concat();
        assert_eq!(refused(&doubled), "lines 1 and 3 are both of frame 0");
        assert!(refused("").contains("no frames"));
        assert!(refused("[{\"image_id\": 1}]").starts_with("line 1"));
    }

    proptest! {
        /// Fails when a damaged file causes a panic.
        #[test]
        fn anything_can_be_read(at in 0..TEXT.len(), byte in any::<u8>(), end in 0..TEXT.len()) {
            let mut bytes = TEXT.as_bytes().to_vec();
            bytes[at] = byte;
            bytes.truncate(end.max(at));
            let _ = PosesFile::parse(&bytes);
        }
    }
}

//! The bundled clip, for use without a camera or a file.
//!
//! A sign-language gesture from Intel's sample videos, CC BY 4.0; see `assets/clips/LICENSE.md`.

use super::{SourceKind, video};

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "sample",
    help: "the bundled clip (Intel sample videos, CC BY 4.0)",
    stands_alone: true,
    accepts: |_| false,
    open: |_, _| video::open_bytes(CLIP, NAME),
    sound: None,
    scrub: Some(|_, options| video::scrub_bytes(CLIP, NAME, options)),
};

const NAME: &str = "sample clip";

/// Content of the file.
pub(crate) static CLIP: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/clips/sister.mkv"
));

#[cfg(test)]
mod tests {
    use crate::geometry::Size;
    use crate::source::{OpenOptions, SourceSpec};

    /// Fails when the bundled clip is incomplete, or its times are wrong.
    #[test]
    fn the_sample_clip_is_complete() {
        let spec = SourceSpec::parse("sample").unwrap();
        let mut source = spec.open(&OpenOptions::default()).unwrap();
        assert_eq!(source.info().size, Some(Size::new(640, 480)));
        let mut times = Vec::new();
        while let Some(frame) = source.next_frame().unwrap() {
            times.push(frame.time_secs);
        }
        assert_eq!(source.warning(), None);
        assert_eq!(times.len(), 87);
        for (i, time) in times.iter().enumerate() {
            // Matroska rounds to milliseconds.
            assert!(
                (time - i as f64 / 30.0).abs() < 0.0011,
                "frame {i} at {time}"
            );
        }
    }
}

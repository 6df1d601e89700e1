//! GIF, WebP and PNG files with several frames, each with its own duration.
//!
//! They are decoded here, front to back, on a separate thread: a frame may be a difference from the
//! previous one. For random access they are decoded from the start up to the requested frame.

use std::path::{Path, PathBuf};

use crossbeam::channel::{Receiver, Sender, bounded};
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frames, ImageFormat, ImageResult, RgbaImage};

use super::image::{Content, content, limit, name_of, opaque, open};
use super::scrub::{Keep, RandomAccess};
use super::{FrameSource, OpenOptions, SourceInfo, SourceKind};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::frame::{Frame, FramePool};
use crate::geometry::Size;

/// Entry of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "animation",
    help: "FILE: an animated GIF, WebP or PNG",
    stands_alone: false,
    accepts: |text| is_animated(Path::new(text)),
    open: |argument, _: &OpenOptions| Ok(Box::new(Animation::open(Path::new(argument))?)),
    sound: None,
    scrub: Some(|argument, options| {
        Ok(Box::new(AnimationRandom::open(
            Path::new(argument),
            options,
        )?))
    }),
};

/// Number of frames decoded ahead.
const N_AHEAD: usize = 2;

/// Minimum meaningful delay in seconds: shorter ones are mostly artefacts of the writing program,
/// and every browser shows such frames for [`USUAL_SECS`].
const MIN_SECS: f64 = 0.011;
const USUAL_SECS: f64 = 0.1;

/// Returns whether a file has an image format with more than one frame.
pub(super) fn is_animated(path: &Path) -> bool {
    let frames = |path| frames(path).map(|f| f.take(2).filter_map(ImageResult::ok).count());
    match content(path) {
        Ok(Content::Picture(ImageFormat::Gif)) => frames(path).is_ok_and(|n| n > 1),
        Ok(Content::Picture(ImageFormat::Png)) => open(path).is_ok_and(|file| {
            PngDecoder::new(file)
                .and_then(|d| d.is_apng())
                .unwrap_or(false)
        }),
        Ok(Content::Picture(ImageFormat::WebP)) => {
            open(path).is_ok_and(|file| WebPDecoder::new(file).is_ok_and(|d| d.has_animation()))
        }
        _ => false,
    }
}

/// Returns the composed frames of a file.
fn frames(path: &Path) -> Result<Frames<'static>, String> {
    let damaged = |e| format!("not a readable animation: {e}; save it again");
    let file = open(path)?;
    match content(path)? {
        Content::Picture(ImageFormat::Gif) => {
            let mut decoder = GifDecoder::new(file).map_err(damaged)?;
            limit(&mut decoder)?;
            Ok(decoder.into_frames())
        }
        Content::Picture(ImageFormat::WebP) => {
            let mut decoder = WebPDecoder::new(file).map_err(damaged)?;
            limit(&mut decoder)?;
            Ok(decoder.into_frames())
        }
        _ => {
            let mut decoder = PngDecoder::new(file).map_err(damaged)?;
            limit(&mut decoder)?;
            Ok(decoder.apng().map_err(damaged)?.into_frames())
        }
    }
}

/// A frame and its duration in seconds, or the error that ends the file.
type Step = Result<(RgbaImage, f64), String>;

/// Decodes front to back on a thread. On drop, the channel is closed first, then the thread, which
/// blocks on nothing else, is joined.
struct Reader {
    steps: Receiver<Step>,
    _worker: Worker,
    n_read: u64,
    secs: f64,
    pool: FramePool,
    file: String,
}

impl Reader {
    fn start(path: &Path) -> Result<Self> {
        let (sender, steps) = bounded(N_AHEAD);
        let owned = path.to_owned();
        let worker = Worker::spawn(
            "animation",
            StopFlag::new(),
            move |_| {
                decode(&owned, &sender);
                Ok(())
            },
            |error| tracing::error!("{error}"),
        )?;
        Ok(Self {
            steps,
            _worker: worker,
            n_read: 0,
            secs: 0.0,
            pool: FramePool::new(),
            file: name_of(path),
        })
    }

    /// Returns the next frame and its duration; `None` at the end.
    fn next(&mut self) -> Result<Option<(Frame, f64)>, String> {
        let Ok(step) = self.steps.recv() else {
            return Ok(None);
        };
        let (picture, length) = step?;
        let size = Size::new(picture.width() as usize, picture.height() as usize);
        let pixels = opaque(&picture, &self.pool);
        let frame = Frame::new(self.n_read, self.secs, size, pixels);
        self.n_read += 1;
        self.secs += length;
        Ok(Some((frame, length)))
    }
}

/// Sends frames until the end, or until the reader is dropped.
fn decode(path: &Path, steps: &Sender<Step>) {
    let frames = match frames(path) {
        Ok(frames) => frames,
        Err(reason) => {
            // If the reader is gone, the error is irrelevant.
            let _ = steps.send(Err(reason));
            return;
        }
    };
    for frame in frames {
        let step = frame
            .map(|frame| {
                let (numerator, denominator) = frame.delay().numer_denom_ms();
                let secs = f64::from(numerator) / f64::from(denominator.max(1)) / 1e3;
                let secs = if secs < MIN_SECS { USUAL_SECS } else { secs };
                (frame.into_buffer(), secs)
            })
            .map_err(|e| e.to_string());
        let is_over = step.is_err();
        if steps.send(step).is_err() || is_over {
            return;
        }
    }
}

/// An animation read front to back.
struct Animation {
    info: SourceInfo,
    /// Dropped before it is replaced, so that only one thread exists.
    reader: Reader,
    first: Option<Frame>,
    warning: Option<String>,
}

impl Animation {
    fn open(path: &Path) -> Result<Self> {
        let mut reader = Reader::start(path)?;
        let name = path.display().to_string();
        let first = reader
            .next()
            .map_err(|reason| Error::source(&name, reason))?;
        let (first, length) = first.ok_or_else(|| Error::source(&name, "has no frames"))?;
        Ok(Self {
            info: SourceInfo {
                name: name_of(path),
                size: Some(first.size()),
                rate: Some(1.0 / length),
                n_frames: None,
                is_live: false,
            },
            reader,
            first: Some(first),
            warning: None,
        })
    }
}

impl FrameSource for Animation {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.reader.next() {
            Ok(step) => Ok(step.map(|(frame, _)| frame)),
            Err(reason) => {
                let (file, n) = (&self.reader.file, self.reader.n_read);
                self.warning = Some(format!("{file}: damaged after frame {n}: {reason}"));
                Ok(None)
            }
        }
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

/// An animation with random access.
struct AnimationRandom {
    info: SourceInfo,
    path: PathBuf,
    times: Vec<f64>,
    reader: Reader,
    warning: Option<String>,
}

impl AnimationRandom {
    /// Decodes the whole file to get the times of its frames.
    fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let mut reader = Reader::start(path)?;
        let (mut times, mut size, mut warning) = (Vec::new(), None, None);
        while !options.stop.is_stopped() {
            match reader.next() {
                Ok(Some((frame, _))) => {
                    size.get_or_insert(frame.size());
                    times.push(frame.time_secs);
                    options
                        .indexing
                        .report(times.len() as u64, frame.time_secs, None);
                }
                Ok(None) => break,
                Err(reason) => {
                    warning = Some(format!("damaged after frame {}: {reason}", times.len()));
                    break;
                }
            }
        }
        let rate = match times.last() {
            Some(&last) if last > 0.0 => Some((times.len() - 1) as f64 / last),
            _ => None,
        };
        Ok(Self {
            info: SourceInfo {
                name: name_of(path),
                size,
                rate,
                n_frames: Some(times.len() as u64),
                is_live: false,
            },
            path: path.to_owned(),
            times,
            reader: Reader::start(path)?,
            warning,
        })
    }
}

impl RandomAccess for AnimationRandom {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn times(&self) -> &[f64] {
        &self.times
    }

    fn key_before(&self, _: usize) -> usize {
        0
    }

    fn decode(&mut self, from: usize, to: usize, keep: Keep<'_>) -> Result<()> {
        if self.reader.n_read > from as u64 {
            self.reader = Reader::start(&self.path)?;
        }
        while self.reader.n_read <= to as u64 {
            let i = self.reader.n_read as usize;
            let step = self.reader.next();
            match step.map_err(|reason| Error::source(&self.info.name, reason))? {
                Some((frame, _)) if i >= from => keep(i, frame),
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceSpec;
    use crate::source::scrub::Scrub;
    use ::image::codecs::gif::GifEncoder;
    use ::image::{Delay, Frame as Picture, Rgba};

    /// Writes a GIF of uniformly coloured frames with durations in milliseconds.
    fn gif(path: &Path, frames: &[(u8, u32)]) {
        let mut encoder = GifEncoder::new(std::fs::File::create(path).unwrap());
        for &(level, millis) in frames {
            let picture = RgbaImage::from_pixel(6, 4, Rgba([level, level, level, 255]));
            let delay = Delay::from_numer_denom_ms(millis, 1);
            let frame = Picture::from_parts(picture, 0, 0, delay);
            encoder.encode_frame(frame).unwrap();
        }
    }

    /// Fails when frames of an animation are lost, have wrong times or require ffmpeg, or a GIF
    /// with one frame is not read as an image.
    #[test]
    fn frames_come_at_their_times_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no extension");
        gif(&path, &[(10, 500), (60, 0), (110, 40), (200, 1000)]);
        let spec = SourceSpec::parse(&path).unwrap();
        assert_eq!(spec.kind().name, "animation");
        let mut source = spec.open(&OpenOptions::default()).unwrap();
        let mut all = Vec::new();
        while let Some(frame) = source.next_frame().unwrap() {
            all.push((frame.id, (frame.time_secs * 1e3).round(), frame.rgba()[0]));
        }
        assert_eq!(
            all,
            [
                (0, 0.0, 10),
                (1, 500.0, 60),
                (2, 600.0, 110),
                (3, 640.0, 200)
            ]
        );
        let mut scrub = Scrub::open(&path).unwrap();
        assert_eq!(scrub.n_frames(), 4);
        for i in [3, 0, 2, 1] {
            let frame = scrub.frame(i).unwrap();
            assert_eq!((frame.id, frame.rgba()[0]), (i as u64, all[i].2));
        }
        gif(&path, &[(10, 500)]);
        assert_eq!(SourceSpec::parse(&path).unwrap().kind().name, "image");
    }

    /// Fails when a truncated animation loses the frames before the damage, or the damage is not
    /// reported.
    #[test]
    fn a_cut_animation_gives_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.gif");
        gif(&path, &[(10, 500), (60, 500), (110, 500)]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
        let spec = SourceSpec::parse(&path).unwrap();
        let mut source = spec.open(&OpenOptions::default()).unwrap();
        let mut n = 0;
        while source.next_frame().unwrap().is_some() {
            n += 1;
        }
        assert_eq!(n, 2);
        let warning = source.warning().unwrap();
        assert!(
            warning.contains("cut.gif") && warning.contains("frame 2"),
            "{warning}"
        );
    }
}

//! Fake cameras that fail on command.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::driver::{CameraFormat, CameraInfo, Device, Driver, Reading, Refusal, Shot};
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::source::pixels::{PixelFormat, RawImage};

/// Size of every fake frame.
pub(super) const SIZE: Size = Size::new(16, 8);

/// Behaviour of a camera after its good frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AfterFrames {
    /// Never returns from the read.
    Hang,
    /// Fails, as after unplugging.
    Fail,
    /// Panics in the driver.
    Panic,
}

/// A plugged-in camera and its behaviour.
#[derive(Debug, Clone)]
pub(super) struct Plugged {
    pub(super) info: CameraInfo,
    pub(super) pixels: PixelFormat,
    /// Whether `open` never returns.
    pub(super) hangs_in_open: bool,
    /// Rates that are offered but refused.
    pub(super) refused_rates: Vec<f64>,
    pub(super) n_frames: usize,
    pub(super) then: AfterFrames,
    /// Every n-th frame is torn.
    pub(super) torn_every: usize,
}

/// Returns a working camera at `index`.
pub(super) fn camera(index: u32, id: &str) -> Plugged {
    Plugged {
        info: CameraInfo {
            index,
            name: "Fake".to_owned(),
            description: "a fake".to_owned(),
            id: id.to_owned(),
            problem: None,
        },
        pixels: PixelFormat::Gray,
        hangs_in_open: false,
        refused_rates: Vec::new(),
        n_frames: usize::MAX,
        then: AfterFrames::Hang,
        torn_every: usize::MAX,
    }
}

/// The system's cameras, in stages. The next stage starts when a camera has delivered its good
/// frames.
#[derive(Debug)]
pub(super) struct FakeDriver {
    stages: Vec<Vec<Plugged>>,
    stage: Arc<AtomicUsize>,
    /// Index of every camera opened so far.
    pub(super) opened: Mutex<Vec<u32>>,
    n_read: Arc<AtomicU64>,
}

impl FakeDriver {
    pub(super) fn new(stages: Vec<Vec<Plugged>>) -> Arc<Self> {
        Arc::new(Self {
            stages,
            stage: Arc::default(),
            opened: Mutex::default(),
            n_read: Arc::default(),
        })
    }

    /// Returns the number of frames read so far from all cameras.
    pub(super) fn n_read(&self) -> u64 {
        self.n_read.load(Ordering::SeqCst)
    }

    fn plugged(&self) -> &[Plugged] {
        let stage = self.stage.load(Ordering::SeqCst);
        &self.stages[stage.min(self.stages.len() - 1)]
    }
}

impl Driver for FakeDriver {
    fn authorize(&self, _stop: &StopFlag) -> Result<()> {
        Ok(())
    }

    fn list(&self) -> Result<Vec<CameraInfo>> {
        Ok(self.plugged().iter().map(|c| c.info.clone()).collect())
    }

    fn open(&self, camera: &CameraInfo) -> Result<Box<dyn Device>> {
        let index = camera.index;
        let found = self.plugged().iter().find(|c| c.info.index == index);
        let camera = found.ok_or_else(|| Error::source("fake", "unplugged"))?;
        if camera.hangs_in_open {
            hang();
        }
        self.opened.lock().unwrap().push(index);
        Ok(Box::new(FakeDevice {
            camera: camera.clone(),
            stage: Arc::clone(&self.stage),
            n_read: 0,
            raw: Vec::new(),
            n_read_ever: Arc::clone(&self.n_read),
        }))
    }
}

struct FakeDevice {
    camera: Plugged,
    stage: Arc<AtomicUsize>,
    n_read: usize,
    raw: Vec<u8>,
    n_read_ever: Arc<AtomicU64>,
}

impl Device for FakeDevice {
    fn formats(&mut self) -> Result<Vec<CameraFormat>> {
        let format = |rate| CameraFormat {
            size: SIZE,
            rate: Some(rate),
            pixels: self.camera.pixels,
        };
        Ok([15.0, 30.0, 60.0].map(format).to_vec())
    }

    fn start(&mut self, format: CameraFormat) -> Result<CameraFormat, Refusal> {
        if format
            .rate
            .is_some_and(|rate| self.camera.refused_rates.contains(&rate))
        {
            return Err(Refusal::Format(Error::source("fake", "no bandwidth")));
        }
        Ok(format)
    }

    fn read(&mut self) -> Result<Reading<'_>> {
        // 200 frames per second, to keep tests fast.
        std::thread::sleep(Duration::from_millis(5));
        if self.n_read == self.camera.n_frames {
            self.stage.fetch_add(1, Ordering::SeqCst);
            match self.camera.then {
                AfterFrames::Hang => hang(),
                AfterFrames::Fail => return Err(Error::source("fake", "No such device")),
                AfterFrames::Panic => panic!("assertion in the driver"),
            }
        }
        self.n_read += 1;
        self.n_read_ever.fetch_add(1, Ordering::SeqCst);
        let mut raw = vec![self.n_read as u8; SIZE.area()];
        if self.camera.pixels == PixelFormat::Mjpeg {
            let mut jpeg = Vec::new();
            image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
                .encode(
                    &raw,
                    SIZE.width as u32,
                    SIZE.height as u32,
                    image::ExtendedColorType::L8,
                )
                .unwrap();
            raw = jpeg;
        }
        if self.n_read.is_multiple_of(self.camera.torn_every) {
            raw.truncate(raw.len() / 3);
        }
        self.raw = raw;
        Ok(Reading {
            shot: Some(Shot {
                picture: RawImage::in_one_buffer(self.camera.pixels, SIZE, SIZE.width, &self.raw),
                captured: Instant::now(),
            }),
            ..Reading::default()
        })
    }
}

/// Blocks forever, like a thread stuck in the kernel.
fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

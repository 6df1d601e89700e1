//! H.264 in Matroska and WebM files.

use super::aspect::PixelAspect;
use super::colour::ColourHint;
use super::ebml::{Elements, child, number};
use super::mkv_blocks::{Blocks, Head, VIDEO, id};
use super::orientation::Orientation;
use super::stream::{CUT_OFF, Description, Input, Packet, Packets, Place, Stream, codec_name};
use crate::words::are;

/// Reads up to the first cluster. The error explains why the file cannot be read.
pub(super) fn open(input: Box<dyn Input>) -> Result<Stream, String> {
    let mut elements = Elements::new(input)?;
    let head = Head::read(&mut elements)?;
    let track = Track::new(&head)?;
    let blocks = Blocks::new(elements, &head, track.number);
    let step_ticks = |nanos: u64| nanos as f64 / head.tick_nanos as f64;
    Ok(Stream {
        descriptions: vec![track.description],
        orientation: Orientation::UPRIGHT,
        tick_secs: head.tick_nanos as f64 * 1e-9,
        step_ticks: track.frame_nanos.map(step_ticks),
        rate: track.frame_nanos.map(|nanos| 1e9 / nanos as f64),
        n_frames: None,
        packets: Box::new(MkvPackets {
            blocks,
            end_ticks: head.duration_ticks,
            step_ticks: track.frame_nanos.map(step_ticks),
            last_pts: 0,
        }),
    })
}

/// The first video track.
struct Track {
    number: u64,
    description: Description,
    frame_nanos: Option<u64>,
}

impl Track {
    fn new(head: &Head) -> Result<Self, String> {
        let entry = head.entries(VIDEO).next();
        let entry = entry.ok_or("a Matroska file without video")?;
        let codec = child(entry, id::CODEC_ID).unwrap_or_default();
        if codec != b"V_MPEG4/ISO/AVC" {
            return Err(codec_name(&String::from_utf8_lossy(codec)));
        }
        if child(entry, id::CONTENT_ENCODINGS).is_some() {
            return Err("compressed or encrypted H.264 video".into());
        }
        let configuration = child(entry, id::CODEC_PRIVATE);
        let video = child(entry, id::VIDEO).unwrap_or_default();
        let colour = child(video, id::COLOUR).unwrap_or_default();
        let configuration = configuration
            .ok_or("H.264 video without parameters")?
            .to_vec();
        let colour = ColourHint {
            full_range: match number(colour, id::RANGE) {
                Some(1) => Some(false),
                Some(2) => Some(true),
                _ => None,
            },
            matrix: number(colour, id::MATRIX_COEFFICIENTS),
        };
        Ok(Self {
            number: number(entry, id::TRACK_NUMBER).unwrap_or(0),
            description: Description {
                configuration,
                colour,
                aspect: pixel_aspect(video),
            },
            frame_nanos: number(entry, id::DEFAULT_DURATION).filter(|&n| n > 0),
        })
    }
}

/// Computes the ratio from the sizes in `Video`: pixels, centimetres, inches or a ratio.
fn pixel_aspect(video: &[u8]) -> Option<PixelAspect> {
    const UNKNOWN_UNIT: u64 = 4;
    if number(video, id::DISPLAY_UNIT).is_some_and(|unit| unit >= UNKNOWN_UNIT) {
        return None;
    }
    let size = |width, height| Some((number(video, width)?, number(video, height)?));
    let stored = size(id::PIXEL_WIDTH, id::PIXEL_HEIGHT)?;
    let shown = (
        number(video, id::DISPLAY_WIDTH).unwrap_or(stored.0),
        number(video, id::DISPLAY_HEIGHT).unwrap_or(stored.1),
    );
    // If it equals the default, the stream's own declaration is used.
    (shown != stored)
        .then(|| PixelAspect::of_sizes(stored, shown))
        .flatten()
}

/// The packets of a track.
struct MkvPackets {
    blocks: Blocks,
    /// Declared end of the file, and ticks from one frame to the next.
    end_ticks: Option<f64>,
    step_ticks: Option<f64>,
    /// Time of the latest frame read.
    last_pts: i64,
}

impl MkvPackets {
    /// Counts the frames that a file lacks by its declared duration if `reason` is a cut.
    fn with_missing(&self, reason: String) -> String {
        let (Some(end), Some(step)) = (self.end_ticks, self.step_ticks) else {
            return reason;
        };
        let n = ((end - self.last_pts as f64) / step).round() - 1.0;
        if reason == CUT_OFF && n >= 1.0 {
            let missing = are(n as u64, "frame");
            return format!("{reason}: about {missing} missing by its declared duration");
        }
        reason
    }
}

impl Packets for MkvPackets {
    fn next_head(&mut self, max: u64, data: &mut Vec<u8>) -> Result<Option<Packet>, String> {
        let block = self.blocks.next_block(max, data);
        let Some(block) = block.map_err(|reason| self.with_missing(reason))? else {
            return Ok(None);
        };
        self.last_pts = self.last_pts.max(block.time);
        if block.lacing() != 0 {
            return Err("H.264 video with laced blocks".into());
        }
        Ok(Some(Packet {
            pts: block.time,
            is_shown: true,
            description: 0,
        }))
    }

    fn place(&self) -> Place {
        let (position, base_time) = self.blocks.place();
        Place {
            position,
            base_time,
        }
    }

    fn go_to(&mut self, place: Place) -> Result<(), String> {
        self.blocks.go_to((place.position, place.base_time))
    }
}

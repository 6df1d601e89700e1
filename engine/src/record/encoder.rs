//! H.264 encoding of RGBA frames with openh264.
//!
//! Uses constant quality instead of a constant bit rate: thin skeleton lines stay sharp in every
//! frame, no frame is skipped, and variable frame rates need no bit budget. Colours are BT.601
//! limited range and signalled as such, at every size (the decoder of our own video source and
//! openh264's converters use the same matrix, so that a recording can be annotated again without
//! loss of colour; the converter rounds down; read back through ffmpeg, frames were 2 to 3 levels
//! of 255 too dark). openh264 uses neither B-frames nor reordering: frames are returned one for one
//! in input order.

use openh264::encoder::{
    BitRate, ColorPrimaries, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, QpRange,
    RateControlMode, TransferCharacteristics, VuiConfig,
};
use openh264::formats::{RgbaSliceU8, YUVBuffer};
use openh264::{OpenH264API, Timestamp};

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// Quantiser of every frame (0 best, 51 worst); up to two more right after a scene change. A noisy
/// moving image with thin lines at 30 frames per second takes 2.3 Mbit/s at 640x480 and 6.3 Mbit/s
/// at 1280x720.
const QP: QpRange = QpRange::new(22, 24);

/// Minimum side that openh264 encodes.
const MIN_SIDE: usize = 16;
/// Maximum longer and shorter side that openh264 encodes (level 5.2).
const MAX_SIDES: (usize, usize) = (3840, 2160);

/// Colour description of the frames as ITU-T H.273 code points, for the SPS and `colr`.
pub(super) mod colour {
    /// BT.709 = sRGB primaries, which cameras deliver to a computer.
    pub(crate) const PRIMARIES: u16 = 1;
    /// IEC 61966-2-1 (sRGB).
    pub(crate) const TRANSFER: u16 = 13;
    /// SMPTE 170M = BT.601: the matrix of openh264's RGB conversion.
    pub(crate) const MATRIX: u16 = 6;
}

/// One encoded frame.
#[derive(Debug)]
pub(super) struct EncodedPicture {
    /// NAL units, each preceded by its length as 4 bytes, big-endian (the MP4 format). Parameter
    /// sets are omitted: they are constant and stored in the file's header.
    pub data: Vec<u8>,
    /// Whether decoding can start here.
    pub is_key: bool,
}

/// Encoder for frames of one size.
pub(super) struct H264Encoder {
    encoder: Encoder,
    source: Size,
    /// Buffer for the padded frame; empty if both sides are even.
    padded: Vec<u8>,
    yuv: YUVBuffer,
    sps: Vec<u8>,
    pps: Vec<u8>,
}

impl H264Encoder {
    /// Creates an encoder for frames of size `source` at about `rate` frames per second. The error
    /// is a reason without a file name.
    pub(super) fn new(source: Size, rate: f64) -> Result<Self, String> {
        Self::check_size(source)?;
        let size = Self::even(source);
        let vui = VuiConfig::bt601()
            .color_primaries(ColorPrimaries::Bt709)
            .transfer_characteristics(TransferCharacteristics::Srgb);
        // openh264 calls this mode "buffer based": without reports of a full buffer it stays at the
        // lowest quantiser of the range, which gives constant quality at a chosen value (its "off"
        // mode is fixed at 26, its "quality" mode warns unless it may skip frames).
        let config = EncoderConfig::new()
            .rate_control_mode(RateControlMode::Bufferbased)
            .qp(QP)
            .skip_frames(false)
            // Only selects the level: 0.25 bits per pixel is above what this quality needs.
            .bitrate(BitRate::from_bps(
                (size.area() as f64 * rate * 0.25).clamp(1e5, 5e7) as u32,
            ))
            .max_frame_rate(FrameRate::from_hz(rate.clamp(1.0, 60.0) as f32))
            // 2.9 ms of CPU time for 640x480 and 9.0 for 1280x720, `Medium` 3.7 and 10.6; files are
            // 2 per cent larger, the quantiser, and with it the quality, is the same.
            .complexity(Complexity::Low)
            // One slice per frame, so further threads would be idle.
            .num_threads(1)
            .vui(vui);
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|e| format!("the H.264 encoder does not start: {e}"))?;
        let mut this = Self {
            encoder,
            source,
            padded: Vec::new(),
            yuv: YUVBuffer::new(size.width, size.height),
            sps: Vec::new(),
            pps: Vec::new(),
        };
        this.read_parameter_sets()?;
        Ok(this)
    }

    /// Checks that frames of `source` can be encoded.
    pub(super) fn check_size(source: Size) -> Result<(), String> {
        let size = Self::even(source);
        let (long, short) = (size.width.max(size.height), size.width.min(size.height));
        if short < MIN_SIDE || long > MAX_SIDES.0 || short > MAX_SIDES.1 {
            return Err(format!(
                "H.264 frames need sides from {MIN_SIDE} to {}x{}, these are {source}",
                MAX_SIDES.0, MAX_SIDES.1
            ));
        }
        Ok(())
    }

    /// Returns the size of a video for frames of `source`: their own if it can be encoded, otherwise
    /// the nearest one of their shape with even sides; frames are scaled to fit into it.
    pub(super) fn fitted(source: Size) -> Size {
        if Self::check_size(source).is_ok() {
            return source;
        }
        let (long, short) = (
            source.width.max(source.height),
            source.width.min(source.height),
        );
        let scale = (MAX_SIDES.0 as f64 / long.max(1) as f64)
            .min(MAX_SIDES.1 as f64 / short.max(1) as f64)
            .min(1.0);
        let side = |n: usize| ((n as f64 * scale / 2.0).round() as usize * 2).max(MIN_SIDE);
        Size::new(side(source.width), side(source.height))
    }

    /// Describes how frames of `source` differ from the video of their [`Self::fitted`] size.
    pub(super) fn fitted_text(source: Size) -> Option<String> {
        let size = Self::fitted(source);
        let (how, limit) = match (size == source, size.area() < source.area()) {
            (true, _) => return None,
            (_, true) => {
                let (width, height) = MAX_SIDES;
                ("scaled down to", format!("holds at most {width}x{height}"))
            }
            (_, false) => ("fitted into", format!("needs sides of {MIN_SIDE} pixels")),
        };
        Some(format!(
            "frames of {source} are {how} {size} in the video, because H.264 {limit}"
        ))
    }

    /// Returns the size of the encoded frames: odd sides grow by one, since 4:2:0 halves both
    /// sides.
    pub(super) fn even(size: Size) -> Size {
        Size::new(
            size.width.next_multiple_of(2),
            size.height.next_multiple_of(2),
        )
    }

    /// Returns the sequence parameter set, without start code.
    pub(super) fn sps(&self) -> &[u8] {
        &self.sps
    }

    /// Returns the picture parameter set, without start code.
    pub(super) fn pps(&self) -> &[u8] {
        &self.pps
    }

    /// Encodes one frame of the encoder's size. `key` requests a key frame; scene changes become
    /// key frames without a request.
    pub(super) fn encode(
        &mut self,
        rgba: &[u8],
        key: bool,
        time_millis: u64,
    ) -> Result<EncodedPicture, String> {
        let size = Self::even(self.source);
        let rgba = if size == self.source {
            rgba
        } else {
            pad(rgba, self.source, size, &mut self.padded);
            &self.padded
        };
        self.yuv
            .read_rgba8(RgbaSliceU8::new(rgba, (size.width, size.height)));
        if key {
            self.encoder.force_intra_frame();
        }
        let stream = self
            .encoder
            .encode_at(&self.yuv, Timestamp::from_millis(time_millis))
            .map_err(|e| format!("the H.264 encoder failed: {e}"))?;
        let is_key = stream.frame_type() == FrameType::IDR;
        let mut data = Vec::new();
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for nal in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let nal = without_start_code(nal);
                match nal_kind(nal) {
                    SPS => constant(&mut self.sps, nal)?,
                    PPS => constant(&mut self.pps, nal)?,
                    _ => {
                        data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                        data.extend_from_slice(nal);
                    }
                }
            }
        }
        if data.is_empty() {
            return Err("the H.264 encoder skipped a frame".to_owned());
        }
        Ok(EncodedPicture { data, is_key })
    }

    /// Encodes and discards a black frame: the parameter sets are needed for the file's header
    /// before the first frame, and a size that openh264 rejects is detected here.
    fn read_parameter_sets(&mut self) -> Result<(), String> {
        let black = vec![0; self.source.area() * BYTES_PER_PIXEL];
        self.encode(&black, false, 0)?;
        if self.sps.len() < 4 || self.pps.is_empty() {
            return Err("the H.264 encoder gave no parameter sets".to_owned());
        }
        Ok(())
    }
}

/// `nal_unit_type` of a sequence parameter set.
const SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
const PPS: u8 = 8;

fn nal_kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Stores the first parameter set and requires that it never changes: the header holds only one.
fn constant(kept: &mut Vec<u8>, nal: &[u8]) -> Result<(), String> {
    if kept.is_empty() {
        kept.extend_from_slice(nal);
    }
    if kept == nal {
        Ok(())
    } else {
        Err("the H.264 encoder changed its parameters".to_owned())
    }
}

/// Returns the NAL unit without its start code (0 0 1 or 0 0 0 1).
fn without_start_code(nal: &[u8]) -> &[u8] {
    let zeros = nal.iter().take_while(|&&b| b == 0).count();
    nal.get(zeros + 1..).unwrap_or_default()
}

/// Pads a frame by repeating its last column and row.
fn pad(rgba: &[u8], from: Size, to: Size, out: &mut Vec<u8>) {
    out.clear();
    for y in 0..to.height {
        let y = y.min(from.height - 1);
        let row = &rgba[y * from.width * BYTES_PER_PIXEL..][..from.width * BYTES_PER_PIXEL];
        out.extend_from_slice(row);
        for _ in from.width..to.width {
            out.extend_from_slice(&row[row.len() - BYTES_PER_PIXEL..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a frame of odd size ends in black or shifted pixels.
    #[test]
    fn odd_pictures_repeat_their_last_row_and_column() {
        let (from, to) = (Size::new(3, 1), Size::new(4, 2));
        let rgba: Vec<u8> = (1..=12).collect();
        let mut out = Vec::new();
        pad(&rgba, from, to, &mut out);
        let row = [&rgba[..], &rgba[8..]].concat();
        assert_eq!(out, [&row[..], &row[..]].concat());
    }

    /// Fails when a size that openh264 cannot encode is only detected during a recording.
    #[test]
    fn impossible_sizes_are_refused_at_once() {
        for size in [
            Size::new(0, 0),
            Size::new(14, 64),
            Size::new(4000, 2000),
            Size::new(2500, 2500),
        ] {
            let reason = H264Encoder::new(size, 30.0).err().unwrap();
            assert!(reason.contains(&size.to_string()), "{reason}");
        }
        assert!(H264Encoder::new(Size::new(15, 16), 30.0).is_ok());
    }

    /// Fails when frames of some size have no video, theirs has another shape, or a size that can be
    /// encoded is changed.
    #[test]
    fn every_size_has_a_video_of_its_shape() {
        for (source, fitted) in [
            ((6000, 4000), (3240, 2160)),
            ((4000, 6000), (2160, 3240)),
            ((7680, 4320), (3840, 2160)),
            ((4000, 2000), (3840, 1920)),
            ((5001, 3333), (3240, 2160)),
            ((16_384, 1), (3840, 16)),
            ((1, 1), (16, 16)),
            ((14, 64), (16, 64)),
            ((641, 479), (641, 479)),
        ] {
            let [source, fitted] = [source, fitted].map(|(w, h)| Size::new(w, h));
            assert_eq!(H264Encoder::fitted(source), fitted, "{source}");
            assert!(H264Encoder::check_size(fitted).is_ok(), "{source}");
            let text = H264Encoder::fitted_text(source);
            assert_eq!(text.is_some(), source != fitted, "{text:?}");
        }
    }
}

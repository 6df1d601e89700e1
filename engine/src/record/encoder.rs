//! H.264 encoding of RGBA pictures with openh264.
//!
//! Constant quality instead of a constant bit rate: thin skeleton lines stay sharp in every
//! frame, no frame is skipped, and variable frame rates need no bit budget. Colours are
//! BT.601 limited range and signalled as such, at every size (the decoder of our own video
//! source and openh264's converters use the same matrix, so a recording survives being
//! annotated again; the converter rounds down; read back through ffmpeg, pictures were 2 to 3 levels of 255 too dark). openh264 knows neither B-frames nor reordering: pictures come out in the
//! order they went in, one for one.

use openh264::encoder::{
    BitRate, ColorPrimaries, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, QpRange,
    RateControlMode, TransferCharacteristics, VuiConfig,
};
use openh264::formats::{RgbaSliceU8, YUVBuffer};
use openh264::{OpenH264API, Timestamp};

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// Quantiser of every picture (0 best, 51 worst); up to two more right after a scene change.
/// A noisy moving picture with thin lines at 30 frames per second becomes 2.3 Mbit/s at 640x480
/// and 6.3 Mbit/s at 1280x720.
const QP: QpRange = QpRange::new(22, 24);

/// Smallest side that openh264 encodes.
const MIN_SIDE: usize = 16;
/// Largest longer and shorter side that openh264 encodes (level 5.2).
const MAX_SIDES: (usize, usize) = (3840, 2160);

/// Colour description of the pictures as ITU-T H.273 code points, for the SPS and `colr`.
pub(super) mod colour {
    /// BT.709 = sRGB primaries: what cameras deliver to a computer.
    pub const PRIMARIES: u16 = 1;
    /// IEC 61966-2-1 (sRGB).
    pub const TRANSFER: u16 = 13;
    /// SMPTE 170M = BT.601: the matrix of openh264's RGB conversion.
    pub const MATRIX: u16 = 6;
}

/// One encoded picture.
#[derive(Debug)]
pub(super) struct EncodedPicture {
    /// NAL units, each after its length as 4 bytes, most significant first (the form of MP4).
    /// Parameter sets are left out: they are constant and stand in the file's header.
    pub data: Vec<u8>,
    /// Decoding can begin here.
    pub is_key: bool,
}

/// Encoder for pictures of one size.
pub(super) struct H264Encoder {
    encoder: Encoder,
    source: Size,
    /// Room for the enlarged picture; empty when both sides are even.
    padded: Vec<u8>,
    yuv: YUVBuffer,
    sps: Vec<u8>,
    pps: Vec<u8>,
}

impl H264Encoder {
    /// An encoder for pictures of `source` at about `rate` frames per second. The error is a
    /// reason without a file name.
    pub fn new(source: Size, rate: f64) -> Result<Self, String> {
        let size = Self::even(source);
        let (long, short) = (size.width.max(size.height), size.width.min(size.height));
        if short < MIN_SIDE || long > MAX_SIDES.0 || short > MAX_SIDES.1 {
            return Err(format!(
                "H.264 frames need sides from {MIN_SIDE} to {}x{}, these are {source}; choose \
                 another frame size",
                MAX_SIDES.0, MAX_SIDES.1
            ));
        }
        let vui = VuiConfig::bt601()
            .color_primaries(ColorPrimaries::Bt709)
            .transfer_characteristics(TransferCharacteristics::Srgb);
        // openh264 calls it "buffer based": without reports of a full buffer it stays at the
        // lowest quantiser of the range, which is constant quality at a value of our choice
        // (its "off" mode is fixed at 26, its "quality" mode warns unless it may skip frames).
        let config = EncoderConfig::new()
            .rate_control_mode(RateControlMode::Bufferbased)
            .qp(QP)
            .skip_frames(false)
            // Chooses the level only: 0.25 bits a pixel is above what this quality needs.
            .bitrate(BitRate::from_bps(
                (size.area() as f64 * rate * 0.25).clamp(1e5, 5e7) as u32,
            ))
            .max_frame_rate(FrameRate::from_hz(rate.clamp(1.0, 60.0) as f32))
            // 2.9 ms of processor time for 640x480 and 9.0 for 1280x720, `Medium` 3.7 and 10.6;
            // files are 2 percent larger, the quantiser, and with it the quality, is the same.
            .complexity(Complexity::Low)
            // One slice a picture, so further threads would only wait.
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

    /// Size of the encoded pictures: odd sides grow by one, since 4:2:0 halves both sides.
    pub fn even(size: Size) -> Size {
        Size::new(
            size.width.next_multiple_of(2),
            size.height.next_multiple_of(2),
        )
    }

    /// Sequence parameter set, without start code.
    pub fn sps(&self) -> &[u8] {
        &self.sps
    }

    /// Picture parameter set, without start code.
    pub fn pps(&self) -> &[u8] {
        &self.pps
    }

    /// Encodes one picture of the encoder's size. `key` asks for a picture at which decoding can
    /// begin; scene changes become such pictures without being asked for.
    pub fn encode(
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

    /// Encodes and forgets a black picture: the parameter sets are needed for the file's header
    /// before the first picture comes, and a size that openh264 rejects is found out here.
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

/// Keeps the first parameter set and insists that it never changes: the header holds only one.
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

/// The NAL unit after its start code (0 0 1 or 0 0 0 1).
fn without_start_code(nal: &[u8]) -> &[u8] {
    let zeros = nal.iter().take_while(|&&b| b == 0).count();
    nal.get(zeros + 1..).unwrap_or_default()
}

/// Enlarges a picture by repeating its last column and row.
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

    /// Fails when an odd picture would end in black or shifted pixels.
    #[test]
    fn odd_pictures_repeat_their_last_row_and_column() {
        let (from, to) = (Size::new(3, 1), Size::new(4, 2));
        let rgba: Vec<u8> = (1..=12).collect();
        let mut out = Vec::new();
        pad(&rgba, from, to, &mut out);
        let row = [&rgba[..], &rgba[8..]].concat();
        assert_eq!(out, [&row[..], &row[..]].concat());
    }

    /// Fails when a size openh264 cannot encode is noticed only in the middle of a recording.
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
}

//! Decoding of camera images to RGBA frames.

use openh264::decoder::Decoder as H264;
use openh264::formats::YUVSource;

use crate::error::{Error, Result};
use crate::frame::{FramePool, Pixels};
use crate::geometry::Size;
use crate::source::colour::{Planes, rgba_from_yuv420};
use crate::source::pixels::{PixelFormat, RawImage, has_jpeg_end, to_rgba};

/// Number of JPEGs without an end marker, from the first on, after which it is assumed that the
/// camera never writes one.
const N_ENDLESS: u32 = 10;

/// State of one camera's stream.
#[derive(Default)]
pub(super) struct Decoder {
    h264: Option<H264>,
    /// Whether H.264 has produced a frame: before that, the stream started in the middle of a
    /// group.
    has_begun: bool,
    /// Number of JPEGs without an end marker since the start; `None` once one had it.
    n_endless: Option<u32>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            n_endless: Some(0),
            ..Self::default()
        }
    }

    /// Returns the frame's size and pixels; `None` if later frames only depend on it.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn decode(
        &mut self,
        picture: &RawImage,
        pool: &FramePool,
    ) -> Result<Option<(Size, Pixels)>> {
        match picture.format {
            PixelFormat::H264 => return self.decode_h264(picture, pool),
            PixelFormat::Mjpeg => self.check_end(picture.data())?,
            _ => {}
        }
        picture.check()?;
        let mut pixels = pool.take(picture.size);
        to_rgba(picture, pixels.bytes_mut())?;
        Ok(Some((picture.size, pixels)))
    }

    /// Rejects a JPEG without an end marker as torn, even if its decoder fills the missing part. A
    /// few cameras never write the marker.
    fn check_end(&mut self, jpeg: &[u8]) -> Result<()> {
        if has_jpeg_end(jpeg) {
            self.n_endless = None;
            return Ok(());
        }
        match &mut self.n_endless {
            Some(n) if *n >= N_ENDLESS => Ok(()),
            n => {
                *n = n.map(|n| n + 1);
                Err(Error::Failed("a truncated JPEG".to_owned()))
            }
        }
    }

    fn decode_h264(
        &mut self,
        picture: &RawImage,
        pool: &FramePool,
    ) -> Result<Option<(Size, Pixels)>> {
        let decoder = match &mut self.h264 {
            Some(decoder) => decoder,
            none => none.insert(
                H264::new().map_err(|e| Error::Failed(format!("no decoder for H.264: {e}")))?,
            ),
        };
        let decoded = match decoder.decode(picture.data()) {
            Ok(decoded) => decoded,
            Err(_) if !self.has_begun => None,
            Err(e) => return Err(Error::Failed(format!("damaged H.264: {e}"))),
        };
        let Some(yuv) = decoded else {
            return Ok(None);
        };
        self.has_begun = true;
        let (width, height) = yuv.dimensions();
        let (y_stride, uv_stride, _) = yuv.strides();
        let planes = Planes {
            size: Size::new(width, height),
            y: yuv.y(),
            u: yuv.u(),
            v: yuv.v(),
            y_stride,
            uv_stride,
        };
        let mut pixels = pool.take(planes.size);
        rgba_from_yuv420(&planes, picture.colour, pixels.bytes_mut());
        Ok(Some((planes.size, pixels)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
            .encode(&[90; 16 * 8], 16, 8, image::ExtendedColorType::L8)
            .unwrap();
        jpeg
    }

    fn is_taken(decoder: &mut Decoder, jpeg: &[u8]) -> bool {
        let size = Size::new(16, 8);
        let picture = RawImage::in_one_buffer(PixelFormat::Mjpeg, size, 0, jpeg);
        decoder.decode(&picture, &FramePool::new()).is_ok()
    }

    /// Fails when a truncated JPEG is accepted, or a camera that never writes end markers never
    /// yields a frame.
    #[test]
    fn a_jpeg_without_its_end_is_torn_unless_all_are() {
        let whole = jpeg();
        let endless = &whole[..whole.len() - 2];
        let mut decoder = Decoder::new();
        assert!(!is_taken(&mut decoder, endless));
        assert!(is_taken(&mut decoder, &whole));
        assert!((0..3 * N_ENDLESS).all(|_| !is_taken(&mut decoder, endless)));
        let mut decoder = Decoder::new();
        let n = (0..2 * N_ENDLESS)
            .filter(|_| is_taken(&mut decoder, endless))
            .count();
        assert_eq!(n, N_ENDLESS as usize);
    }

    /// Fails when a camera that only offers H.264 yields no frame, or the packets before its first
    /// key frame count as damaged.
    #[test]
    fn h264_is_decoded_from_its_first_key_frame_on() {
        use openh264::encoder::Encoder;
        use openh264::formats::YUVBuffer;
        let size = Size::new(64, 48);
        let mut encoder = Encoder::new().unwrap();
        let mut packets = Vec::new();
        for luma in [60, 120, 180] {
            let mut planes = vec![luma; size.area()];
            planes.resize(size.area() * 3 / 2, 128);
            let yuv = YUVBuffer::from_vec(planes, size.width, size.height);
            packets.push(encoder.encode(&yuv).unwrap().to_vec());
        }
        let mut decoder = Decoder::new();
        let pool = FramePool::new();
        let mut decode = |packet: &[u8]| {
            let picture = RawImage::in_one_buffer(PixelFormat::H264, size, 0, packet);
            decoder
                .decode(&picture, &pool)
                .unwrap()
                .map(|(size, mut pixels)| (size, pixels.bytes_mut()[0]))
        };
        assert_eq!(decode(&packets[1]), None);
        for (packet, gray) in packets.iter().zip([51_u8, 121, 191]) {
            let (got, level) = decode(packet).unwrap();
            assert_eq!(got, size);
            assert!(level.abs_diff(gray) < 6, "{level} for {gray}");
        }
    }
}

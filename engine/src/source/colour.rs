//! Conversion from YUV to RGBA with the range and matrix that the video or the camera declares.
//!
//! The converters of the H.264 decoder's crate support one range and one matrix only, so that phone
//! and webcam clips (full range) would get too much contrast.

use std::ops::Range;

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// Colour description of a container or stream; values as in ITU-T H.273.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ColourHint {
    /// Whether luma ranges from 0 to 255 instead of 16 to 235.
    pub(super) full_range: Option<bool>,
    /// `MatrixCoefficients`; 2 means unspecified.
    pub(super) matrix: Option<u64>,
}

impl ColourHint {
    /// Returns this hint with missing fields taken from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            full_range: self.full_range.or(other.full_range),
            matrix: self.matrix.filter(|m| *m != 2).or(other.matrix),
        }
    }

    /// Returns the conversion to use. The default is limited range and BT.601 (as in ffmpeg, so
    /// that both decoders give the same frame).
    pub(super) fn resolve(self) -> Result<Colour, String> {
        let matrix = match self.matrix.unwrap_or(2) {
            1 => Matrix::Bt709,
            2 | 5 | 6 => Matrix::Bt601,
            4 => Matrix::Fcc,
            7 => Matrix::Smpte240,
            9 | 10 => Matrix::Bt2020,
            other => return Err(format!("video with colour matrix {other}")),
        };
        Ok(Colour {
            full_range: self.full_range.unwrap_or(false),
            matrix,
        })
    }
}

/// Conversion parameters from luma and chroma to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Colour {
    full_range: bool,
    matrix: Matrix,
}

impl Colour {
    /// BT.601 with limited range, as the USB video class prescribes.
    pub(super) const BT601: Self = Self {
        full_range: false,
        matrix: Matrix::Bt601,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matrix {
    Bt601,
    Bt709,
    Fcc,
    Smpte240,
    Bt2020,
}

impl Matrix {
    /// Returns the weights of red and blue in luma (H.273 table 4).
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Fcc => (0.30, 0.11),
            Self::Smpte240 => (0.212, 0.087),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// Planes of a 4:2:0 frame with their strides; chroma has half the size, rounded up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) size: Size,
    pub(super) y: &'a [u8],
    pub(super) u: &'a [u8],
    pub(super) v: &'a [u8],
    pub(super) y_stride: usize,
    pub(super) uv_stride: usize,
}

/// Pixels of a row that are converted together: their chroma stays in registers and the L1 cache,
/// and is used for two rows.
const BLOCK: usize = 64;

/// Chroma contributions to red, green and blue of a block's pixels.
type Added = [[f32; BLOCK]; 3];

/// The affine map from YUV to RGB.
///
/// Uses floats, because baseline x86-64 and ARM have vector minimum, maximum and multiplication for
/// them but not for 32-bit integers: without run-time CPU detection 640x480 takes 0.26 ms on one
/// core, a loop over pixels in 16.16 fixed point 1.1 ms.
struct Factors {
    luma: f32,
    offset: f32,
    red_v: f32,
    green_u: f32,
    green_v: f32,
    blue_u: f32,
}

impl Factors {
    fn new(colour: Colour) -> Self {
        let (kr, kb) = colour.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = if colour.full_range {
            (0.0, 1.0, 1.0)
        } else {
            (16.0, 255.0 / 219.0, 255.0 / 224.0)
        };
        Self {
            luma: luma as f32,
            offset: (-black * luma) as f32,
            red_v: (2.0 * (1.0 - kr) * chroma) as f32,
            green_u: (-2.0 * (1.0 - kb) * kb / kg * chroma) as f32,
            green_v: (-2.0 * (1.0 - kr) * kr / kg * chroma) as f32,
            blue_u: (2.0 * (1.0 - kb) * chroma) as f32,
        }
    }

    /// Computes the contributions of these chroma samples, each for two pixels.
    fn chroma(&self, u: &[u8], v: &[u8], [red, green, blue]: &mut Added) {
        let (red, _) = red.as_chunks_mut::<2>();
        let (green, _) = green.as_chunks_mut::<2>();
        let (blue, _) = blue.as_chunks_mut::<2>();
        let targets = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), (&u, &v)) in targets.zip(u.iter().zip(v)) {
            let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
            *red = [self.red_v * v + self.offset; 2];
            *green = [self.green_u * u + self.green_v * v + self.offset; 2];
            *blue = [self.blue_u * u + self.offset; 2];
        }
    }

    /// Converts a block's pixels of one row.
    fn convert(&self, y: &[u8], [red, green, blue]: &Added, rgba: &mut [u8]) {
        let (rgba, _) = rgba.as_chunks_mut::<BYTES_PER_PIXEL>();
        let added = red.iter().zip(green).zip(blue);
        for ((pixel, &y), ((red, green), blue)) in rgba.iter_mut().zip(y).zip(added) {
            let luma = f32::from(y) * self.luma;
            let [r, g, b] = [red, green, blue].map(|added| rounded_byte(luma + added));
            *pixel = (r | g << 8 | b << 16 | 255 << 24).to_le_bytes();
        }
    }
}

/// Returns the nearest integer from 0 to 255. Adding 2^23 shifts the fraction out of a float's
/// mantissa, whose low bits are then the integer; a cast would cost a NaN check.
fn rounded_byte(x: f32) -> u32 {
    const TWO_TO_23: f32 = 8_388_608.0;
    (x.clamp(0.0, 255.0) + TWO_TO_23).to_bits() & 255
}

/// Fills `rgba` (`size.area() * 4` bytes) from the planes. Each chroma sample is used for its four
/// pixels without interpolation, as in ffmpeg's fast path.
pub(super) fn rgba_from_yuv420(planes: &Planes, colour: Colour, rgba: &mut [u8]) {
    let factors = Factors::new(colour);
    let width = planes.size.width;
    let row_bytes = width * BYTES_PER_PIXEL;
    let mut added = [[0.0; BLOCK]; 3];
    for (pair, out) in rgba.chunks_mut(2 * row_bytes).enumerate() {
        for start in (0..width).step_by(BLOCK) {
            let end = width.min(start + BLOCK);
            let chroma =
                pair * planes.uv_stride + start / 2..pair * planes.uv_stride + end.div_ceil(2);
            factors.chroma(&planes.u[chroma.clone()], &planes.v[chroma], &mut added);
            for (row, out) in out.chunks_exact_mut(row_bytes).enumerate() {
                let y = &planes.y[(2 * pair + row) * planes.y_stride..][start..end];
                let out = &mut out[start * BYTES_PER_PIXEL..end * BYTES_PER_PIXEL];
                factors.convert(y, &added, out);
            }
        }
    }
}

/// Samples of up to [`BLOCK`] adjacent pixels of a row; two pixels share a pair of chroma samples.
pub(super) struct Samples {
    pub(super) y: [u8; BLOCK],
    pub(super) u: [u8; BLOCK / 2],
    pub(super) v: [u8; BLOCK / 2],
}

/// Fills `rgba` (rows of `width` pixels) from any layout with halved chroma columns: `gather`
/// writes the samples of a range of pixels in a row. A range starts at an even pixel.
pub(super) fn rgba_from_samples(
    width: usize,
    colour: Colour,
    rgba: &mut [u8],
    gather: impl Fn(usize, Range<usize>, &mut Samples),
) {
    let factors = Factors::new(colour);
    let mut added = [[0.0; BLOCK]; 3];
    let mut samples = Samples {
        y: [0; BLOCK],
        u: [0; BLOCK / 2],
        v: [0; BLOCK / 2],
    };
    for (row, out) in rgba.chunks_exact_mut(width * BYTES_PER_PIXEL).enumerate() {
        for (block, out) in out.chunks_mut(BLOCK * BYTES_PER_PIXEL).enumerate() {
            let start = block * BLOCK;
            let end = width.min(start + BLOCK);
            gather(row, start..end, &mut samples);
            factors.chroma(&samples.u, &samples.v, &mut added);
            factors.convert(&samples.y, &added, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hint(full_range: bool, matrix: u64) -> ColourHint {
        ColourHint {
            full_range: Some(full_range),
            matrix: Some(matrix),
        }
    }

    /// Inverse definition in floating point (H.273 clause 8.3): RGB to YUV.
    fn yuv_from_rgb(colour: Colour, rgb: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = rgb.map(f64::from);
        let (kr, kb) = colour.matrix.weights();
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (u, v) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
        let (y, u, v) = if colour.full_range {
            (y, u, v)
        } else {
            (
                16.0 + y * 219.0 / 255.0,
                u * 224.0 / 255.0,
                v * 224.0 / 255.0,
            )
        };
        [y, 128.0 + u, 128.0 + v].map(|x| x.round() as u8)
    }

    proptest! {
        /// Fails when a range or a matrix is mixed up: a colour would not survive the round trip.
        #[test]
        fn every_colour_survives_every_declared_encoding(
            rgb: [u8; 3],
            full_range: bool,
            matrix in prop::sample::select(vec![1_u64, 2, 4, 5, 6, 7, 9]),
            width in prop::sample::select(vec![1_usize, 2, 63, 64, 65, 131]),
            height in 1_usize..4,
        ) {
            let colour = hint(full_range, matrix).resolve().unwrap();
            let [y, u, v] = yuv_from_rgb(colour, rgb);
            let planes = Planes {
                size: Size::new(width, height),
                y: &[y; 140 * 4],
                u: &[u; 70 * 2],
                v: &[v; 70 * 2],
                y_stride: 140,
                uv_stride: 70,
            };
            let mut rgba = vec![0; width * height * BYTES_PER_PIXEL];
            rgba_from_yuv420(&planes, colour, &mut rgba);
            for pixel in rgba.chunks(BYTES_PER_PIXEL) {
                // Rounding luma and chroma to 8 bits costs up to half a step of each:
                // 0.5 * 1.17 + 0.5 * 2.15 < 2.
                for channel in 0..3 {
                    prop_assert!(pixel[channel].abs_diff(rgb[channel]) <= 2, "{pixel:?} {rgb:?}");
                }
                prop_assert_eq!(pixel[3], 255);
            }
        }
    }

    /// Fails when a block, a row or a chroma sample ends up in the wrong place.
    #[test]
    fn every_pixel_comes_from_its_own_samples() {
        let size = Size::new(131, 7);
        let at = |i: usize| (i * 37 % 256) as u8;
        let y: Vec<u8> = (0..140 * 7).map(at).collect();
        let u: Vec<u8> = (0..70 * 4).map(|i| at(i + 5)).collect();
        let v: Vec<u8> = (0..70 * 4).map(|i| at(3 * i)).collect();
        let planes = Planes {
            size,
            y: &y,
            u: &u,
            v: &v,
            y_stride: 140,
            uv_stride: 70,
        };
        let mut rgba = vec![0; size.area() * BYTES_PER_PIXEL];
        rgba_from_yuv420(&planes, hint(true, 6).resolve().unwrap(), &mut rgba);
        for (i, pixel) in rgba.chunks(BYTES_PER_PIXEL).enumerate() {
            let (row, column) = (i / 131, i % 131);
            let luma = f64::from(y[row * 140 + column]);
            let chroma = row / 2 * 70 + column / 2;
            let (u, v) = (f64::from(u[chroma]) - 128.0, f64::from(v[chroma]) - 128.0);
            // ITU-T T.871 clause 7.
            let expected = [
                luma + 1.402 * v,
                luma - 0.344_136 * u - 0.714_136 * v,
                luma + 1.772 * u,
            ];
            for (ours, expected) in pixel.iter().zip(expected) {
                let error = f64::from(*ours) - expected.clamp(0.0, 255.0);
                assert!(error.abs() < 0.51, "row {row}, column {column}: {error}");
            }
        }
    }

    /// Fails when the stream's declaration does not override the container's, or an unspecified
    /// matrix hides a specified one.
    #[test]
    fn hints_complete_each_other() {
        let stream = ColourHint {
            full_range: None,
            matrix: Some(2),
        };
        assert_eq!(stream.or(hint(true, 1)), hint(true, 1));
        assert_eq!(hint(false, 9).or(hint(true, 1)), hint(false, 9));
        assert!(hint(true, 0).resolve().is_err(), "RGB in YUV clothing");
    }
}

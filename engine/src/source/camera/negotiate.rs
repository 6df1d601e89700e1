//! Selection of a frame format: colour, then rate, then size, then the cheapest layout.

use std::cmp::Reverse;

use super::driver::CameraFormat;
use crate::geometry::Size;
use crate::source::pixels::PixelFormat;

/// Data rate in bytes per second above which MJPEG is preferred to uncompressed video. USB 2
/// transfers about 35 MB/s in practice, shared by all devices of a hub: 640x480 YUYV at 30 fps (18
/// MB/s) fits, 1280x720 at 30 fps (55 MB/s) does not.
const MAX_RAW_BYTES_PER_SEC: f64 = 20_000_000.0;

/// Tolerance for the requested rate: 29.97 fps counts as 30.
const TOLERANCE: f64 = 0.99;

/// Fraction of the requested rate below which a smaller frame size is preferred.
const TOO_SLOW: f64 = 0.5;

/// Returns `formats`, best first.
///
/// Colour is preferred to grey and H.264. Then a frame smaller than requested is preferred to less
/// than half the rate. Among frames of at least the requested size the rate decides, then the
/// nearest size, then the lowest sufficient rate, then the layout that is cheapest to transfer and
/// decode. An unknown rate counts as the requested one.
pub(super) fn ranked(formats: &[CameraFormat], size: Size, rate: f64) -> Vec<CameraFormat> {
    let mut ranked: Vec<_> = formats
        .iter()
        .copied()
        .filter(|f| f.size.area() > 0 && f.rate.is_none_or(|r| r.is_finite() && r > 0.0))
        .collect();
    ranked.sort_by_key(|f| {
        let offered = f.rate.unwrap_or(rate);
        let covers = f.size.width >= size.width && f.size.height >= size.height;
        let fulfilled = if offered >= TOLERANCE * rate {
            rate
        } else {
            offered
        };
        (
            kind_rank(f.pixels),
            offered < TOO_SLOW * rate,
            !covers,
            Reverse(millihertz(fulfilled)),
            distance(f.size, size),
            Reverse(f.size.area()),
            millihertz(offered),
            layout_rank(f, offered),
        )
    });
    ranked
}

/// Returns the rank of a pixel format. H.264 comes last: its frames cannot be skipped, because each
/// depends on previous ones.
fn kind_rank(pixels: PixelFormat) -> u8 {
    match pixels {
        PixelFormat::H264 => 2,
        gray if gray.is_gray() => 1,
        _ => 0,
    }
}

fn millihertz(rate: f64) -> u64 {
    (rate * 1e3).round() as u64
}

/// Squared difference of the sides.
fn distance(a: Size, b: Size) -> u128 {
    let square = |a: usize, b: usize| (a.abs_diff(b) as u128).pow(2);
    square(a.width, b.width) + square(a.height, b.height)
}

fn layout_rank(f: &CameraFormat, rate: f64) -> (bool, u8) {
    let bytes_per_sec = f.pixels.n_bytes(f.size).map_or(0.0, |n| n as f64 * rate);
    let layout = match f.pixels {
        PixelFormat::Yuyv => 0,
        PixelFormat::Uyvy => 1,
        PixelFormat::Yvyu => 2,
        PixelFormat::Vyuy => 3,
        PixelFormat::Nv12 => 4,
        PixelFormat::Nv21 => 5,
        PixelFormat::Yu12 => 6,
        PixelFormat::Yv12 => 7,
        PixelFormat::Mjpeg => 8,
        PixelFormat::Rgb => 9,
        PixelFormat::Bgr => 10,
        PixelFormat::Bgra => 11,
        PixelFormat::Gray => 12,
        PixelFormat::Gray16 => 13,
        PixelFormat::H264 => 14,
    };
    (bytes_per_sec > MAX_RAW_BYTES_PER_SEC, layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VGA: Size = Size::new(640, 480);

    fn format(width: usize, height: usize, rate: f64, pixels: PixelFormat) -> CameraFormat {
        CameraFormat {
            size: Size::new(width, height),
            rate: Some(rate),
            pixels,
        }
    }

    fn any_format() -> impl Strategy<Value = CameraFormat> {
        const SIZES: &[(usize, usize)] = &[
            (320, 240),
            (640, 360),
            (640, 480),
            (1280, 720),
            (1920, 1080),
        ];
        const RATES: &[f64] = &[0.0, 5.0, 7.5, 15.0, 24.0, 29.97, 30.0, 60.0, f64::NAN];
        const LAYOUTS: &[PixelFormat] = &[
            PixelFormat::Yuyv,
            PixelFormat::Nv12,
            PixelFormat::Mjpeg,
            PixelFormat::Gray,
            PixelFormat::H264,
        ];
        (
            prop::sample::select(SIZES),
            prop::sample::select(RATES),
            prop::sample::select(LAYOUTS),
        )
            .prop_map(|((w, h), rate, pixels)| format(w, h, rate, pixels))
    }

    proptest! {
        /// Fails when the order of a camera's list decides, or a camera is run in a format that it
        /// does not offer, in grey although it offers colour, or slower than possible at that size.
        #[test]
        fn nothing_on_offer_is_better_than_the_choice(
            mut formats in prop::collection::vec(any_format(), 0..25),
            rate in 1.0..70.0f64,
        ) {
            let usable: Vec<_> = formats.iter().copied().filter(|f| f.rate > Some(0.0)).collect();
            let Some(best) = ranked(&formats, VGA, rate).first().copied() else {
                prop_assert!(usable.is_empty());
                return Ok(());
            };
            prop_assert!(usable.contains(&best));
            for f in usable {
                prop_assert!(kind_rank(best.pixels) <= kind_rank(f.pixels));
                let is_comparable = f.size == best.size
                    && kind_rank(f.pixels) == kind_rank(best.pixels);
                if is_comparable {
                    let (best, other) = (best.rate.unwrap(), f.rate.unwrap());
                    let is_best = if best >= TOLERANCE * rate {
                        !(TOLERANCE * rate..best).contains(&other)
                    } else {
                        other <= best
                    };
                    prop_assert!(is_best, "{best} instead of {other} for {rate}");
                }
            }
            formats.reverse();
            prop_assert_eq!(best, ranked(&formats, VGA, rate)[0]);
        }
    }

    /// Fails when a slow mode is preferred to a faster one for its size, or a fast small one to one
    /// that is large and fast enough.
    #[test]
    fn the_rate_decides_before_the_size() {
        use PixelFormat::{Mjpeg, Yuyv};
        let cases: [(&[CameraFormat], usize); 7] = [
            (
                &[format(640, 480, 5.0, Yuyv), format(320, 240, 30.0, Yuyv)],
                1,
            ),
            (
                &[format(1280, 720, 5.0, Yuyv), format(640, 480, 30.0, Yuyv)],
                1,
            ),
            (
                &[format(640, 480, 5.0, Yuyv), format(1280, 720, 30.0, Mjpeg)],
                1,
            ),
            (
                &[format(640, 480, 15.0, Yuyv), format(1280, 720, 30.0, Mjpeg)],
                1,
            ),
            (
                &[
                    format(640, 480, 29.97, Yuyv),
                    format(1280, 720, 30.0, Mjpeg),
                ],
                0,
            ),
            (
                &[format(640, 480, 25.0, Yuyv), format(320, 240, 30.0, Yuyv)],
                0,
            ),
            (
                &[format(640, 480, 60.0, Yuyv), format(640, 480, 30.0, Mjpeg)],
                1,
            ),
        ];
        for (formats, best) in cases {
            assert_eq!(ranked(formats, VGA, 30.0)[0], formats[best]);
        }
    }

    /// Fails when a camera without reported rates is excluded, or ranks after a slow mode.
    #[test]
    fn an_unknown_rate_counts_as_the_requested_one() {
        let mut unknown = format(640, 480, 0.0, PixelFormat::Yuyv);
        unknown.rate = None;
        let slow = format(640, 480, 15.0, PixelFormat::Yuyv);
        assert_eq!(ranked(&[slow, unknown], VGA, 30.0), [unknown, slow]);
    }

    /// Fails when full-size video is requested uncompressed (stutter on USB 2), or small video
    /// compressed (needless decoding).
    #[test]
    fn the_bus_decides_between_raw_and_jpeg() {
        let offers = |w, h| {
            [
                format(w, h, 30.0, PixelFormat::Mjpeg),
                format(w, h, 30.0, PixelFormat::Yuyv),
            ]
        };
        let chosen = |w, h| ranked(&offers(w, h), Size::new(w, h), 30.0)[0].pixels;
        assert_eq!(chosen(640, 480), PixelFormat::Yuyv);
        assert_eq!(chosen(1280, 720), PixelFormat::Mjpeg);
    }
}

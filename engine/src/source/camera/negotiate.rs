//! Choice of a picture format: nearest size, then a sufficient rate, then the cheapest layout.

use std::cmp::Reverse;

use super::driver::CameraFormat;
use crate::geometry::Size;
use crate::source::pixels::PixelFormat;

/// Uncompressed video above this many bytes a second leaves MJPEG the better choice. USB 2 moves
/// about 35 MB/s in practice, shared by all devices of a hub: 640x480 YUYV at 30 fps (18 MB/s)
/// passes, 1280x720 at 30 fps (55 MB/s) does not.
const MAX_RAW_BYTES_PER_SEC: u64 = 20_000_000;

/// `formats`, best first: nearest in size to the wish; then the lowest rate that fulfils the
/// wish, or else the highest; then the layout that is cheapest to carry and decode.
pub(super) fn ranked(formats: &[CameraFormat], size: Size, rate: f64) -> Vec<CameraFormat> {
    let mut ranked: Vec<_> = formats
        .iter()
        .copied()
        .filter(|f| f.size.area() > 0 && f.rate > 0)
        .collect();
    ranked.sort_by_key(|f| {
        (
            distance(f.size, size),
            Reverse(f.size.area()),
            rate_rank(f.rate, rate),
            layout_rank(f),
        )
    });
    ranked
}

/// Squared difference of the sides.
fn distance(a: Size, b: Size) -> u128 {
    let square = |a: usize, b: usize| (a.abs_diff(b) as u128).pow(2);
    square(a.width, b.width) + square(a.height, b.height)
}

/// Sufficient rates come first, slowest first; insufficient ones after them, fastest first.
fn rate_rank(rate: u32, wish: f64) -> (bool, i64) {
    let is_short = f64::from(rate) < wish;
    let rate = i64::from(rate);
    (is_short, if is_short { -rate } else { rate })
}

fn layout_rank(f: &CameraFormat) -> (bool, u8) {
    let bytes_per_sec = f
        .pixels
        .n_bytes(f.size)
        .map_or(0, |n| n as u64 * u64::from(f.rate));
    let layout = match f.pixels {
        PixelFormat::Yuyv => 0,
        PixelFormat::Nv12 => 1,
        PixelFormat::Mjpeg => 2,
        PixelFormat::Rgb => 3,
        PixelFormat::Bgr => 4,
        PixelFormat::Bgra => 5,
        PixelFormat::Gray => 6,
    };
    (bytes_per_sec > MAX_RAW_BYTES_PER_SEC, layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(width: usize, height: usize, rate: u32, pixels: PixelFormat) -> CameraFormat {
        CameraFormat {
            size: Size::new(width, height),
            rate,
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
        const RATES: &[u32] = &[0, 5, 10, 15, 24, 30, 60, 120];
        const LAYOUTS: &[PixelFormat] = &[
            PixelFormat::Yuyv,
            PixelFormat::Nv12,
            PixelFormat::Mjpeg,
            PixelFormat::Gray,
        ];
        (
            prop::sample::select(SIZES),
            prop::sample::select(RATES),
            prop::sample::select(LAYOUTS),
        )
            .prop_map(|((w, h), rate, pixels)| format(w, h, rate, pixels))
    }

    proptest! {
        /// Fails when a camera would be run at a worse size or rate than it offers, at a format
        /// it does not offer, or when the order of its list decides.
        #[test]
        fn nothing_on_offer_is_better_than_the_choice(
            mut formats in prop::collection::vec(any_format(), 0..25),
            w in 1..3000usize, h in 1..3000usize, rate in 1.0..130.0f64,
        ) {
            let wish = Size::new(w, h);
            let Some(best) = ranked(&formats, wish, rate).first().copied() else {
                prop_assert!(formats.iter().all(|f| f.rate == 0));
                return Ok(());
            };
            prop_assert!(formats.contains(&best));
            for f in formats.iter().filter(|f| f.rate > 0) {
                let diff = |f: &CameraFormat| {
                    let (dw, dh) = (f.size.width as f64 - w as f64, f.size.height as f64 - h as f64);
                    dw.hypot(dh)
                };
                prop_assert!(diff(&best) <= diff(f) + 1e-9);
                if f.size == best.size {
                    let (b, f) = (f64::from(best.rate), f64::from(f.rate));
                    let is_best = if b >= rate { !(rate..b).contains(&f) } else { f <= b };
                    prop_assert!(is_best);
                }
            }
            formats.reverse();
            prop_assert_eq!(best, ranked(&formats, wish, rate)[0]);
        }
    }

    /// Fails when full-size video would be asked for uncompressed (stutter on USB 2), or small
    /// video compressed (a decoder's work for nothing).
    #[test]
    fn the_bus_decides_between_raw_and_jpeg() {
        let offers = |w, h| {
            [
                format(w, h, 30, PixelFormat::Mjpeg),
                format(w, h, 30, PixelFormat::Yuyv),
            ]
        };
        let chosen = |w, h| ranked(&offers(w, h), Size::new(w, h), 30.0)[0].pixels;
        assert_eq!(chosen(640, 480), PixelFormat::Yuyv);
        assert_eq!(chosen(1280, 720), PixelFormat::Mjpeg);
    }
}

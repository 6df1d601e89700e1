//! Formats, sizes and rates that a camera offers: discrete, stepwise or continuous.

use v4l::v4l_sys::{
    v4l2_fmtdesc, v4l2_format, v4l2_fract, v4l2_frmivalenum,
    v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE, v4l2_frmsizeenum,
    v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE,
};

use super::layout::Kind;
use super::node::{
    Argument, Node, VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMEINTERVALS, VIDIOC_ENUM_FRAMESIZES,
    VIDIOC_TRY_FMT,
};
use crate::geometry::Size;
use crate::source::camera::driver::CameraFormat;
use crate::source::pixels::PixelFormat;

/// V4L2 codes and their pixel formats. Codes with an M keep their planes in separate buffers.
const CODES: &[(&[u8; 4], PixelFormat)] = &[
    (b"MJPG", PixelFormat::Mjpeg),
    (b"JPEG", PixelFormat::Mjpeg),
    (b"YUYV", PixelFormat::Yuyv),
    (b"YVYU", PixelFormat::Yvyu),
    (b"UYVY", PixelFormat::Uyvy),
    (b"VYUY", PixelFormat::Vyuy),
    (b"NV12", PixelFormat::Nv12),
    (b"NM12", PixelFormat::Nv12),
    (b"NV21", PixelFormat::Nv21),
    (b"NM21", PixelFormat::Nv21),
    (b"YU12", PixelFormat::Yu12),
    (b"YM12", PixelFormat::Yu12),
    (b"YV12", PixelFormat::Yv12),
    (b"YM21", PixelFormat::Yv12),
    (b"RGB3", PixelFormat::Rgb),
    (b"BGR3", PixelFormat::Bgr),
    (b"BGR4", PixelFormat::Bgra),
    (b"XR24", PixelFormat::Bgra),
    (b"AR24", PixelFormat::Bgra),
    (b"GREY", PixelFormat::Gray),
    (b"Y16 ", PixelFormat::Gray16),
    (b"H264", PixelFormat::H264),
];

/// Sizes to offer from a range.
const USUAL_SIZES: &[(u32, u32)] = &[
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (1024, 768),
    (1280, 720),
    (1280, 960),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
];

/// Rates to offer from a range, as seconds per frame.
const USUAL_INTERVALS: &[(u32, u32)] = &[
    (1, 120),
    (1, 90),
    (1, 60),
    (1, 50),
    (1, 30),
    (1001, 30000),
    (1, 25),
    (1, 24),
    (1, 20),
    (1, 15),
    (1, 10),
    (2, 15),
    (1, 5),
];

/// Maximum number of list entries, for drivers that never end a list.
const MAX_LISTED: u32 = 128;

/// Parameters to request a format from the driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    pub(super) format: CameraFormat,
    pub(super) code: u32,
    /// Seconds per frame, as the driver reported them.
    pub(super) interval: Option<(u32, u32)>,
}

/// All formats of a stream.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// Formats that can be decoded.
    pub(super) readable: Vec<Offer>,
    /// Codes of all other formats.
    pub(super) unreadable: Vec<String>,
}

impl Offers {
    pub(super) fn list(node: &Node, stream: Kind) -> Self {
        let mut offers = Self::default();
        for code in codes(node, stream) {
            let Some(pixels) = pixel_format(code) else {
                offers.unreadable.push(code_text(code));
                continue;
            };
            for size in sizes(node, stream, code) {
                for interval in intervals(node, code, size) {
                    offers.add(Offer {
                        format: CameraFormat {
                            size: Size::new(size.0 as usize, size.1 as usize),
                            rate: interval.map(rate),
                            pixels,
                        },
                        code,
                        interval,
                    });
                }
            }
        }
        offers
    }

    /// Adds an offer; of codes with the same meaning, the first one is used.
    fn add(&mut self, offer: Offer) {
        if self.readable.iter().all(|o| o.format != offer.format) {
            self.readable.push(offer);
        }
    }
}

pub(super) fn pixel_format(code: u32) -> Option<PixelFormat> {
    let known = CODES.iter().find(|(c, _)| u32::from_le_bytes(**c) == code);
    known.map(|(_, pixels)| *pixels)
}

/// Returns a code in its usual spelling.
pub(super) fn code_text(code: u32) -> String {
    let text: String = code
        .to_le_bytes()
        .iter()
        .map(|&b| if b.is_ascii_graphic() { b.into() } else { ' ' })
        .collect();
    text.trim().to_owned()
}

/// Converts seconds per frame to frames per second.
pub(super) fn rate((secs, frames): (u32, u32)) -> f64 {
    f64::from(frames) / f64::from(secs)
}

/// Returns seconds per frame as a fraction; `None` if it is not a valid time.
pub(super) fn interval(fraction: v4l2_fract) -> Option<(u32, u32)> {
    let pair = (fraction.numerator, fraction.denominator);
    (pair.0 > 0 && pair.1 > 0).then_some(pair)
}

/// Requests the items of a list until the driver reports its end.
fn listed<T: Argument>(
    node: &Node,
    request: v4l::v4l2::vidioc::_IOC_TYPE,
    numbered: impl Fn(u32) -> T,
) -> impl Iterator<Item = T> {
    (0..MAX_LISTED).map_while(move |index| {
        let mut item = numbered(index);
        node.ask(request, &mut item).ok()?;
        Some(item)
    })
}

fn codes(node: &Node, stream: Kind) -> Vec<u32> {
    let mut codes = Vec::new();
    let numbered = |index| v4l2_fmtdesc {
        index,
        type_: stream.number(),
        ..v4l2_fmtdesc::zeroed()
    };
    for item in listed(node, VIDIOC_ENUM_FMT, numbered) {
        if !codes.contains(&item.pixelformat) {
            codes.push(item.pixelformat);
        }
    }
    codes
}

fn sizes(node: &Node, stream: Kind, code: u32) -> Vec<(u32, u32)> {
    let numbered = |index| v4l2_frmsizeenum {
        index,
        pixel_format: code,
        ..v4l2_frmsizeenum::zeroed()
    };
    let mut sizes = Vec::new();
    for item in listed(node, VIDIOC_ENUM_FRAMESIZES, numbered) {
        if item.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
            // SAFETY: both variants are integers.
            let size = unsafe { item.__bindgen_anon_1.discrete };
            sizes.push((size.width, size.height));
        } else {
            // SAFETY: both variants are integers.
            let range = unsafe { item.__bindgen_anon_1.stepwise };
            let width = Steps {
                min: range.min_width,
                max: range.max_width,
                step: range.step_width,
            };
            let height = Steps {
                min: range.min_height,
                max: range.max_height,
                step: range.step_height,
            };
            sizes.extend(usual_sizes(width, height));
            // There is one range only.
            break;
        }
    }
    if sizes.is_empty() {
        sizes = tried_sizes(node, stream, code);
    }
    let mut seen = Vec::new();
    for size in sizes {
        if size.0 > 0 && size.1 > 0 && !seen.contains(&size) {
            seen.push(size);
        }
    }
    seen
}

/// A range of side lengths in pixels.
#[derive(Debug, Clone, Copy)]
struct Steps {
    min: u32,
    max: u32,
    step: u32,
}

impl Steps {
    /// Returns the largest value of the range not above `wanted`; the smallest if there is none.
    fn nearest(self, wanted: u32) -> u32 {
        let within = wanted.min(self.max).max(self.min);
        within - (within - self.min) % self.step.max(1)
    }
}

/// Returns the usual sizes of a range, rounded to its steps; its limits if it contains no usual
/// size.
fn usual_sizes(width: Steps, height: Steps) -> Vec<(u32, u32)> {
    let usual = |steps: Steps, n: u32| (steps.min..=steps.max).contains(&n);
    let mut sizes: Vec<_> = USUAL_SIZES
        .iter()
        .filter(|(w, h)| usual(width, *w) && usual(height, *h))
        .map(|(w, h)| (width.nearest(*w), height.nearest(*h)))
        .collect();
    if sizes.is_empty() {
        sizes.push((width.nearest(640), height.nearest(480)));
        sizes.push((width.nearest(u32::MAX), height.nearest(u32::MAX)));
    }
    sizes
}

/// Returns the sizes of a driver that lists none: those it substitutes for the usual ones. If it
/// does not report that either, the size is determined when the format is set.
fn tried_sizes(node: &Node, stream: Kind, code: u32) -> Vec<(u32, u32)> {
    let tried = |&(width, height): &(u32, u32)| {
        let mut format = v4l2_format::zeroed();
        stream.write(&mut format, code, width, height);
        node.ask(VIDIOC_TRY_FMT, &mut format).ok()?;
        let (got, size) = stream.read(&format);
        (got == code).then_some(size)
    };
    let sizes: Vec<_> = USUAL_SIZES.iter().filter_map(tried).collect();
    if sizes.is_empty() {
        vec![(640, 480)]
    } else {
        sizes
    }
}

/// Returns the seconds per frame on offer; a single unknown one if the driver does not report them.
fn intervals(node: &Node, code: u32, (width, height): (u32, u32)) -> Vec<Option<(u32, u32)>> {
    let numbered = |index| v4l2_frmivalenum {
        index,
        pixel_format: code,
        width,
        height,
        ..v4l2_frmivalenum::zeroed()
    };
    let mut intervals = Vec::new();
    for item in listed(node, VIDIOC_ENUM_FRAMEINTERVALS, numbered) {
        if item.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
            // SAFETY: both variants are integers.
            intervals.extend(interval(unsafe { item.__bindgen_anon_1.discrete }));
        } else {
            // SAFETY: both variants are integers.
            let range = unsafe { item.__bindgen_anon_1.stepwise };
            intervals.extend(usual_intervals(interval(range.min), interval(range.max)));
            // There is one range only.
            break;
        }
    }
    if intervals.is_empty() {
        return vec![None];
    }
    intervals.into_iter().map(Some).collect()
}

/// Returns the usual intervals within a range, or else its limits.
fn usual_intervals(min: Option<(u32, u32)>, max: Option<(u32, u32)>) -> Vec<(u32, u32)> {
    let fastest = min.map_or(f64::INFINITY, rate);
    let slowest = max.map_or(0.0, rate);
    let usual: Vec<_> = USUAL_INTERVALS
        .iter()
        .copied()
        .filter(|i| (slowest..=fastest).contains(&rate(*i)))
        .collect();
    if usual.is_empty() {
        min.into_iter().chain(max).collect()
    } else {
        usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a range of sizes yields one outside it, or none.
    #[test]
    fn ranges_of_sizes_offer_what_is_in_them() {
        let steps = |min, max, step| Steps { min, max, step };
        let loopback = usual_sizes(steps(2, 8192, 1), steps(1, 8192, 1));
        assert_eq!(loopback, USUAL_SIZES);
        let coarse = usual_sizes(steps(160, 1920, 16), steps(120, 1080, 16));
        assert!(coarse.contains(&(640, 472)) && coarse.contains(&(1920, 1080)));
        for (w, h) in coarse {
            assert_eq!(((w - 160) % 16, (h - 120) % 16), (0, 0));
        }
        assert_eq!(
            usual_sizes(steps(100, 200, 8), steps(100, 200, 0)),
            [(196, 200), (196, 200)]
        );
        assert_eq!(steps(5, 3, 2).nearest(9), 5, "a range that is none");
    }

    /// Fails when a range of rates yields one outside it, or none.
    #[test]
    fn ranges_of_rates_offer_what_is_in_them() {
        let rates = |min, max| -> Vec<f64> {
            let intervals = usual_intervals(min, max);
            intervals
                .into_iter()
                .map(|i| (rate(i) * 100.0).round() / 100.0)
                .collect()
        };
        assert_eq!(
            rates(Some((1, 30)), Some((1, 10))),
            [30.0, 29.97, 25.0, 24.0, 20.0, 15.0, 10.0]
        );
        assert_eq!(rates(Some((1, 1000)), Some((1, 500))), [1000.0, 500.0]);
        assert_eq!(rates(Some((1, 8)), None), [7.5, 5.0]);
        assert_eq!(rates(Some((1, 60)), Some((1, 55)))[0], 60.0);
    }

    /// Fails when a code is listed twice, or is not spelled as by its manufacturer.
    #[test]
    fn codes_are_unique_and_readable() {
        for (i, (code, _)) in CODES.iter().enumerate() {
            assert!(CODES[..i].iter().all(|(c, _)| c != code));
        }
        assert_eq!(code_text(u32::from_le_bytes(*b"Y16 ")), "Y16");
        assert_eq!(code_text(u32::from_le_bytes(*b"pBAA")), "pBAA");
        assert_eq!(code_text(1), "");
    }
}

//! RGBA to planar YUV 4:2:0 and back: full range, BT.601 (the colours of JPEG).

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// Half a unit of the 16.16 fixed point below.
const HALF: i32 = 1 << 15;
/// Zero of chroma, plus rounding.
const MIDDLE: i32 = (128 << 16) + HALF;

fn chroma_size(size: Size) -> Size {
    Size::new(size.width.div_ceil(2), size.height.div_ceil(2))
}

/// Returns the size of an encoded frame in bytes.
pub(super) fn n_bytes(size: Size) -> usize {
    size.area() + 2 * chroma_size(size).area()
}

/// Fills `yuv` (`n_bytes(size)` bytes: Y, then U, then V) from `rgba`. A chroma sample is the mean
/// of its four pixels.
pub(super) fn encode(rgba: &[u8], size: Size, yuv: &mut [u8]) {
    let chroma = chroma_size(size);
    let (luma, rest) = yuv.split_at_mut(size.area());
    let (us, vs) = rest.split_at_mut(chroma.area());
    let (pixels, _) = rgba.as_chunks::<BYTES_PER_PIXEL>();
    for (y, &[r, g, b, _]) in luma.iter_mut().zip(pixels) {
        let [r, g, b] = [r, g, b].map(i32::from);
        *y = ((19595 * r + 38470 * g + 7471 * b + HALF) >> 16) as u8;
    }
    let rows = us
        .chunks_exact_mut(chroma.width)
        .zip(vs.chunks_exact_mut(chroma.width));
    for (row, (us, vs)) in rows.enumerate() {
        let upper = &pixels[2 * row * size.width..][..size.width];
        // An odd last row or column replaces its missing neighbour.
        let lower = pixels
            .get((2 * row + 1) * size.width..(2 * row + 2) * size.width)
            .unwrap_or(upper);
        let pairs = upper.chunks(2).zip(lower.chunks(2));
        for ((u, v), (upper, lower)) in us.iter_mut().zip(vs).zip(pairs) {
            let (a, b) = (upper[0], upper[upper.len() - 1]);
            let (c, d) = (lower[0], lower[lower.len() - 1]);
            let mean = |i: usize| {
                let sum = i32::from(a[i]) + i32::from(b[i]) + i32::from(c[i]) + i32::from(d[i]);
                (sum + 2) >> 2
            };
            let [r, g, b] = [mean(0), mean(1), mean(2)];
            *u = ((-11058 * r - 21710 * g + 32768 * b + MIDDLE) >> 16).clamp(0, 255) as u8;
            *v = ((32768 * r - 27439 * g - 5329 * b + MIDDLE) >> 16).clamp(0, 255) as u8;
        }
    }
}

/// Fills `rgba` from the output of [`encode`] for a frame of `size`.
pub(super) fn decode(yuv: &[u8], size: Size, rgba: &mut [u8]) {
    let chroma = chroma_size(size);
    let (luma, rest) = yuv.split_at(size.area());
    let (us, vs) = rest.split_at(chroma.area());
    let (pixels, _) = rgba.as_chunks_mut::<BYTES_PER_PIXEL>();
    let rows = pixels
        .chunks_exact_mut(size.width)
        .zip(luma.chunks_exact(size.width));
    for (row, (pixels, luma)) in rows.enumerate() {
        let at = row / 2 * chroma.width;
        let (us, vs) = (&us[at..at + chroma.width], &vs[at..at + chroma.width]);
        for (x, (pixel, &y)) in pixels.iter_mut().zip(luma).enumerate() {
            let y = (i32::from(y) << 16) + HALF;
            let (u, v) = (i32::from(us[x / 2]) - 128, i32::from(vs[x / 2]) - 128);
            let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
            *pixel = [
                byte(y + 91881 * v),
                byte(y - 22554 * u - 46802 * v),
                byte(y + 116_130 * u),
                255,
            ];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(rgba: &[u8], size: Size) -> Vec<u8> {
        let mut yuv = vec![0; n_bytes(size)];
        encode(rgba, size, &mut yuv);
        let mut out = vec![0; rgba.len()];
        decode(&yuv, size, &mut out);
        out
    }

    proptest! {
        /// Fails when a uniform colour changes by more than rounding, at any size.
        #[test]
        fn plain_colours_survive(rgb: [u8; 3], width in 1_usize..9, height in 1_usize..9) {
            let size = Size::new(width, height);
            let [r, g, b] = rgb;
            let rgba = [r, g, b, 255].repeat(size.area());
            for (out, wanted) in round_trip(&rgba, size).iter().zip(&rgba) {
                prop_assert!(out.abs_diff(*wanted) <= 2, "{out} {wanted}");
            }
        }

        /// Fails when a grey pixel changes by more than one level: shapes seen by the network would
        /// change.
        #[test]
        fn greys_survive_exactly(greys in prop::collection::vec(any::<u8>(), 35)) {
            let rgba: Vec<u8> = greys.iter().flat_map(|&g| [g, g, g, 255]).collect();
            prop_assert_eq!(round_trip(&rgba, Size::new(7, 5)), rgba);
        }
    }
}

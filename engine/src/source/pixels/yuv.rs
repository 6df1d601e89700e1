//! The YUV layouts of cameras as sample gatherers for [`super::super::colour`].
//!
//! The const parameters are positions: of samples in a group of bytes, or of planes in a frame.

use super::RawImage;
use crate::source::colour::{Samples, rgba_from_samples};

/// Converts packed YUV with two pixels in four bytes.
pub(super) fn packed<const Y0: usize, const U: usize, const Y1: usize, const V: usize>(
    picture: &RawImage,
    rgba: &mut [u8],
) {
    let plane = picture.planes[0];
    let (width, colour) = (picture.size.width, picture.colour);
    rgba_from_samples(width, colour, rgba, |row, pixels, samples| {
        let row = &plane.bytes[row * plane.stride..];
        let (groups, _) = row[pixels.start * 2..pixels.end.div_ceil(2) * 4].as_chunks::<4>();
        let (lumas, _) = samples.y.as_chunks_mut::<2>();
        let chroma = samples.u.iter_mut().zip(&mut samples.v);
        for ((group, luma), (u, v)) in groups.iter().zip(lumas).zip(chroma) {
            *luma = [group[Y0], group[Y1]];
            (*u, *v) = (group[U], group[V]);
        }
    });
}

/// Converts semi-planar YUV: a plane of luma and one of chroma pairs.
pub(super) fn paired<const U: usize, const V: usize>(picture: &RawImage, rgba: &mut [u8]) {
    let [luma, chroma, _] = picture.planes;
    let (width, colour) = (picture.size.width, picture.colour);
    rgba_from_samples(width, colour, rgba, |row, pixels, samples| {
        luma_into(samples, &luma.bytes[row * luma.stride..][pixels.clone()]);
        let row = &chroma.bytes[row / 2 * chroma.stride..];
        let (pairs, _) = row[pixels.start..pixels.end.div_ceil(2) * 2].as_chunks::<2>();
        for (pair, (u, v)) in pairs.iter().zip(samples.u.iter_mut().zip(&mut samples.v)) {
            (*u, *v) = (pair[U], pair[V]);
        }
    });
}

/// Converts planar YUV with three planes.
pub(super) fn planar<const U: usize, const V: usize>(picture: &RawImage, rgba: &mut [u8]) {
    let (luma, u, v) = (picture.planes[0], picture.planes[U], picture.planes[V]);
    let (width, colour) = (picture.size.width, picture.colour);
    rgba_from_samples(width, colour, rgba, |row, pixels, samples| {
        luma_into(samples, &luma.bytes[row * luma.stride..][pixels.clone()]);
        let pairs = pixels.start / 2..pixels.end.div_ceil(2);
        let n = pairs.len();
        samples.u[..n].copy_from_slice(&u.bytes[row / 2 * u.stride..][pairs.clone()]);
        samples.v[..n].copy_from_slice(&v.bytes[row / 2 * v.stride..][pairs]);
    });
}

fn luma_into(samples: &mut Samples, luma: &[u8]) {
    samples.y[..luma.len()].copy_from_slice(luma);
}

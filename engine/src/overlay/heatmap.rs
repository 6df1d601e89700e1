//! Heatmaps over the picture: where the network sees joints.

use poselens_shaders::canvas::Canvas;
use poselens_shaders::heat::{Fade, HeatLayer, Sampling};

use super::legend::{self, Corner};
use super::{OverlayStyle, RangeMode};
use crate::output::{Planes, PoseOutput};

pub(super) fn draw(canvas: &mut Canvas<'_>, output: &PoseOutput, style: &OverlayStyle) {
    let maps: Vec<_> = output
        .regions
        .iter()
        .filter_map(|r| {
            let map_from_image = r.image_from_heatmap.inverse()?;
            let values = shown(&r.heatmaps, style.joint)?;
            Some((values, r.heatmaps.size, map_from_image.m))
        })
        .collect();
    let caption = match style.joint.map(|j| output.skeleton.joints.get(j)) {
        None => "all joints",
        Some(Some(name)) => name,
        Some(None) => "unknown joint",
    };
    if maps.is_empty() {
        if style.legends {
            legend::note(canvas, Corner::Left, "no heatmaps");
        }
        return;
    }
    let range = match style.heatmap_range {
        RangeMode::Fixed => (0.0, 1.0),
        RangeMode::PerFrame => extent(maps.iter().flat_map(|(values, ..)| values)),
    };
    for (values, size, map_from_pixel) in &maps {
        HeatLayer {
            values,
            width: size.width,
            height: size.height,
            cut: 0,
            map_from_pixel: *map_from_pixel,
            range,
            colors: style.colors,
            alpha: style.opacity,
            fade: Fade::Low,
            sampling: Sampling::Bilinear,
        }
        .draw(canvas);
    }
    if style.legends {
        legend::draw(canvas, Corner::Left, caption, style.colors, range);
    }
}

/// The map of `joint`, or the largest value of all joints; `None` when there is no such map.
fn shown(maps: &Planes, joint: Option<usize>) -> Option<Vec<f32>> {
    let area = maps.size.area();
    if area == 0 || maps.values.len() != maps.n * area {
        return None;
    }
    let mut planes = maps.values.chunks_exact(area);
    if let Some(j) = joint {
        return planes.nth(j).map(<[f32]>::to_vec);
    }
    let mut largest = planes.next()?.to_vec();
    for plane in planes {
        for (l, v) in largest.iter_mut().zip(plane) {
            *l = l.max(*v);
        }
    }
    Some(largest)
}

/// Smallest and largest of the finite values; [0, 1] when there are none.
fn extent<'a>(values: impl Iterator<Item = &'a f32>) -> (f32, f32) {
    let (lo, hi) = values
        .filter(|v| v.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(*v), hi.max(*v))
        });
    if lo <= hi { (lo, hi) } else { (0.0, 1.0) }
}

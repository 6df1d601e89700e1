//! Heatmaps on the image: where the network detects joints.

use std::sync::Arc;

use poselens_shaders::heat::{Fade, HeatLayer};
use poselens_shaders::legend::{ColorScale, Corner, Legend};
use poselens_shaders::scene::{Mark, Scene};

use super::{OverlayStyle, RangeMode};
use crate::output::{PoseOutput, SharedPlanes};

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
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
    let mut legend = Legend {
        corner: Corner::Left,
        caption: caption.to_owned(),
        scale: None,
    };
    if maps.is_empty() {
        "no heatmaps".clone_into(&mut legend.caption);
        if style.legends {
            scene.marks.push(Mark::Legend(legend));
        }
        return;
    }
    let range = match style.heatmap_range {
        RangeMode::Fixed => (0.0, 1.0),
        RangeMode::PerFrame => extent(maps.iter().flat_map(|(values, ..)| values.iter())),
    };
    let shown = maps.iter().flat_map(|(values, ..)| values.iter());
    let colored = ColorScale::of(style.colors, range, shown);
    for (values, size, map_from_pixel) in maps {
        scene.marks.push(Mark::Heat(HeatLayer {
            values,
            width: size.width,
            height: size.height,
            cut: 0,
            map_from_pixel,
            range,
            colors: style.colors,
            alpha: style.opacity,
            threshold: style.map_threshold,
            fade: Fade::Low,
            sampling: style.sampling,
        }));
    }
    if style.legends {
        legend.scale = Some(colored);
        scene.marks.push(Mark::Legend(legend));
    }
}

/// Returns the map of `joint`, or the maximum over all joints; `None` when the map does not exist.
fn shown(maps: &SharedPlanes, joint: Option<usize>) -> Option<Arc<[f32]>> {
    let area = maps.size.area();
    if area == 0 || maps.values.len() != maps.n * area {
        return None;
    }
    let mut planes = maps.values.chunks_exact(area);
    if let Some(j) = joint {
        return planes.nth(j).map(Arc::from);
    }
    let mut largest = planes.next()?.to_vec();
    for plane in planes {
        for (l, v) in largest.iter_mut().zip(plane) {
            *l = l.max(*v);
        }
    }
    Some(largest.into())
}

/// Returns the smallest and largest finite value, or [0, 1] when there is none.
fn extent<'a>(values: impl Iterator<Item = &'a f32>) -> (f32, f32) {
    let (lo, hi) = values
        .filter(|v| v.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(*v), hi.max(*v))
        });
    if lo <= hi { (lo, hi) } else { (0.0, 1.0) }
}

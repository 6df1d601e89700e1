//! Overlays one attention map on the image: the regions to which the network gives more or less
//! weight.

use std::borrow::Cow;
use std::sync::Arc;

use poselens_shaders::colormap::ColorMap;
use poselens_shaders::heat::{Fade, HeatLayer};
use poselens_shaders::legend::{ColorScale, Corner, Legend};
use poselens_shaders::scene::{Mark, Scene};

use super::{OverlayStyle, RangeMode};
use crate::output::{AttentionMap, PoseOutput};

/// Border in map pixels that is neither shown nor counted: the zero padding of HSA's 7x7
/// convolutions (3 pixels) leaves a frame around its maps.
const FRAME: usize = 3;

/// Map sides from which the border is cut. Cutting an 8x8 map would leave a quarter of its side.
const CUT_FROM: usize = 32;

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    let maps = chosen(output, style);
    let Some(first) = maps.first() else {
        if style.legends {
            // Self-attention layers have one map per query pixel, so they are shown in the
            // inspector instead.
            let has_layers = output.regions.iter().any(|r| !r.query_key.is_empty());
            let caption = match &style.attention {
                Some(name) => format!("no attention map {name}"),
                None if has_layers => "self-attention: see Inspect".to_owned(),
                None => "no attention maps".to_owned(),
            };
            scene.marks.push(Mark::Legend(Legend {
                corner: Corner::Right,
                caption,
                scale: None,
            }));
        }
        return;
    };
    let references: Vec<_> = maps.iter().map(Cow::as_ref).collect();
    let (range, colors, fade) = scale(&references, style);
    let colored = ColorScale::of(colors, range, &visible(&references));
    for map in references {
        scene
            .marks
            .extend(heat(map, range, colors, fade, style).map(Mark::Heat));
    }
    if style.legends {
        scene.marks.push(Mark::Legend(Legend {
            corner: Corner::Right,
            caption: format!("{}\n{}", first.name, first.title),
            scale: Some(colored),
        }));
    }
}

/// Places a one-plane map on the image; returns `None` when it does not overlap it.
pub(super) fn heat(
    map: &AttentionMap,
    range: (f32, f32),
    colors: ColorMap,
    fade: Fade,
    style: &OverlayStyle,
) -> Option<HeatLayer> {
    let map_from_image = map.image_from_map.inverse()?;
    Some(HeatLayer {
        values: Arc::clone(&map.map.values),
        width: map.map.size.width,
        height: map.map.size.height,
        cut: cut(map),
        map_from_pixel: map_from_image.m,
        range,
        colors,
        alpha: style.opacity,
        threshold: style.map_threshold,
        fade,
        sampling: style.sampling,
    })
}

/// Returns the selected map (by default the model's first) of every region as one plane. Of a map
/// with one plane per joint, this is the selected joint's plane, or the maximum over the joints.
fn chosen<'a>(output: &'a PoseOutput, style: &OverlayStyle) -> Vec<Cow<'a, AttentionMap>> {
    let maps = || output.regions.iter().flat_map(|r| &r.attention);
    let first = || maps().next().map(|map| map.name.as_str());
    let Some(name) = style.attention.as_deref().or_else(first) else {
        return Vec::new();
    };
    let plane = |map: &'a AttentionMap| match (map.map.n, style.joint) {
        (1, _) => Some(Cow::Borrowed(map)),
        (_, Some(joint)) => map.plane(joint).map(Cow::Owned),
        (_, None) => Some(Cow::Owned(map.largest())),
    };
    let is_whole = |map: &&AttentionMap| map.map.values.len() == map.map.n * map.map.size.area();
    let named = maps().filter(|map| map.name == name).filter(is_whole);
    named.filter_map(plane).collect()
}

/// Number of pixels cut off at each border.
fn cut(map: &AttentionMap) -> usize {
    let large = map.map.size.width.min(map.map.size.height) >= CUT_FROM;
    if large && map.neutral().is_some() {
        FRAME
    } else {
        0
    }
}

/// Chooses the value range, colour map and transparency for all maps of one name.
pub(super) fn scale(maps: &[&AttentionMap], style: &OverlayStyle) -> ((f32, f32), ColorMap, Fade) {
    let possible = maps.first().map_or((0.0, 1.0), |m| m.range);
    let (lo, hi) = match style.attention_range {
        RangeMode::Fixed => possible,
        RangeMode::PerFrame => percentiles(maps).unwrap_or(possible),
    };
    match maps.first().and_then(|m| m.neutral()) {
        Some(middle) => {
            // A minimum width keeps rounding noise around the neutral value colourless.
            let reach = (lo - middle).abs().max((hi - middle).abs()).max(1e-3);
            let range = (middle - reach, middle + reach);
            (range, ColorMap::Coolwarm, Fade::Even)
        }
        None => ((lo, hi), style.colors, Fade::Low),
    }
}

/// Returns the finite visible values of all regions.
pub(super) fn visible(maps: &[&AttentionMap]) -> Vec<f32> {
    let mut values = Vec::new();
    for map in maps {
        let (size, cut) = (map.map.size, cut(map));
        let rows = map.map.values.chunks_exact(size.width.max(1));
        for row in rows.skip(cut).take(size.height.saturating_sub(2 * cut)) {
            let shown = row.get(cut..size.width.saturating_sub(cut));
            values.extend(shown.into_iter().flatten().filter(|v| v.is_finite()));
        }
    }
    values
}

/// Returns the 1st and 99th percentile of the visible values.
fn percentiles(maps: &[&AttentionMap]) -> Option<(f32, f32)> {
    let mut values = visible(maps);
    let last = values.len().checked_sub(1)?;
    let mut at = |share: f64| {
        let index = (share * last as f64).round() as usize;
        *values.select_nth_unstable_by(index, f32::total_cmp).1
    };
    Some((at(0.01), at(0.99)))
}

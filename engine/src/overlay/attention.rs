//! One attention map over the picture: what the network weighs up and down.

use std::borrow::Cow;

use poselens_shaders::colormap::ColorMap;
use poselens_shaders::heat::{Fade, HeatLayer};
use poselens_shaders::legend::{Corner, Legend};
use poselens_shaders::scene::{Mark, Scene};

use super::{OverlayStyle, RangeMode};
use crate::output::{AttentionMap, PoseOutput};

/// Zero padding of HSA's 7x7 convolutions (3 pixels) draws a frame around its maps: that many
/// pixels at the border are neither shown nor counted.
const FRAME: usize = 3;

/// Sides from which the frame is cut. Cutting an 8x8 map would leave a quarter of its side.
const CUT_FROM: usize = 32;

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    let maps = chosen(output, style);
    let Some(first) = maps.first() else {
        if style.legends {
            // Maps of self-attention belong to a place that is asked about: one for each pixel.
            let has_layers = output.regions.iter().any(|r| !r.query_key.is_empty());
            let caption = match &style.attention {
                Some(name) => format!("no attention map {name}"),
                None if has_layers => "self-attention: look inside".to_owned(),
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
    for map in references {
        scene
            .marks
            .extend(heat(map, range, colors, fade, style).map(Mark::Heat));
    }
    if style.legends {
        scene.marks.push(Mark::Legend(Legend {
            corner: Corner::Right,
            caption: first.name.clone(),
            scale: Some((colors, range)),
        }));
    }
}

/// A one-plane map where it lies in the picture; `None` when it lies nowhere.
pub(super) fn heat(
    map: &AttentionMap,
    range: (f32, f32),
    colors: ColorMap,
    fade: Fade,
    style: &OverlayStyle,
) -> Option<HeatLayer> {
    let map_from_image = map.image_from_map.inverse()?;
    Some(HeatLayer {
        values: map.map.values.as_slice().into(),
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

/// The map asked for, or else the model's first, in every region, as one plane: of a map with a
/// plane for each joint that of the joint asked for, or else the largest value at each place.
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

/// Pixels cut off at each border.
fn cut(map: &AttentionMap) -> usize {
    let large = map.map.size.width.min(map.map.size.height) >= CUT_FROM;
    if large && map.neutral().is_some() {
        FRAME
    } else {
        0
    }
}

/// Range, colours and transparency for maps of one name.
pub(super) fn scale(maps: &[&AttentionMap], style: &OverlayStyle) -> ((f32, f32), ColorMap, Fade) {
    let possible = maps.first().map_or((0.0, 1.0), |m| m.range);
    let (lo, hi) = match style.attention_range {
        RangeMode::Fixed => possible,
        RangeMode::PerFrame => percentiles(maps).unwrap_or(possible),
    };
    match maps.first().and_then(|m| m.neutral()) {
        Some(middle) => {
            // At least so wide that rounding noise around the middle stays neutral.
            let reach = (lo - middle).abs().max((hi - middle).abs()).max(1e-3);
            let range = (middle - reach, middle + reach);
            (range, ColorMap::Coolwarm, Fade::Even)
        }
        None => ((lo, hi), style.colors, Fade::Low),
    }
}

/// 1st and 99th percentile of the finite values shown, over all regions.
fn percentiles(maps: &[&AttentionMap]) -> Option<(f32, f32)> {
    let mut values = Vec::new();
    for map in maps {
        let (size, cut) = (map.map.size, cut(map));
        let rows = map.map.values.chunks_exact(size.width.max(1));
        for row in rows.skip(cut).take(size.height.saturating_sub(2 * cut)) {
            let shown = row.get(cut..size.width.saturating_sub(cut));
            values.extend(shown.into_iter().flatten().filter(|v| v.is_finite()));
        }
    }
    let last = values.len().checked_sub(1)?;
    let mut at = |share: f64| {
        let index = (share * last as f64).round() as usize;
        *values.select_nth_unstable_by(index, f32::total_cmp).1
    };
    Some((at(0.01), at(0.99)))
}

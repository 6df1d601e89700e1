//! One colour range for one map of two frames: equal colours are equal values.

use poselens_shaders::heat::HeatLayer;
use poselens_shaders::legend::ColorScale;
use poselens_shaders::scene::{Mark, Scene};

/// Caption of the legends.
const CAPTION: &str = "range of both frames";

/// Gives the maps of two scenes the range of both together, and says so in their legends. Nothing
/// changes if one of them has no map.
pub(super) fn share(first: &mut Scene, second: &mut Scene) {
    let (Some(a), Some(b)) = (range_of(first), range_of(second)) else {
        return;
    };
    for scene in [first, second] {
        set(scene, union(a, b));
    }
}

fn union(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Returns the range of all maps of a scene.
fn range_of(scene: &Scene) -> Option<(f32, f32)> {
    let ranges = scene.marks.iter().filter_map(|mark| match mark {
        Mark::Heat(heat) => Some(heat.range),
        _ => None,
    });
    ranges.reduce(union)
}

fn set(scene: &mut Scene, range: (f32, f32)) {
    let mut values = Vec::new();
    for mark in &mut scene.marks {
        if let Mark::Heat(heat) = mark {
            heat.range = range;
            values.extend(visible(heat));
        }
    }
    for mark in &mut scene.marks {
        if let Mark::Legend(legend) = mark
            && let Some(scale) = &mut legend.scale
        {
            *scale = ColorScale::of(scale.colors, range, &values);
            CAPTION.clone_into(&mut legend.caption);
        }
    }
}

/// Returns the values of the part of a map that is shown.
fn visible(heat: &HeatLayer) -> Vec<f32> {
    let shown = |n: usize| heat.cut..n.saturating_sub(heat.cut).max(heat.cut);
    let rows = heat.values.chunks_exact(heat.width.max(1)).enumerate();
    let rows = rows.filter(|(y, _)| shown(heat.height).contains(y));
    let values = rows.filter_map(|(_, row)| row.get(shown(heat.width)));
    values.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use poselens_shaders::colormap::ColorMap;
    use poselens_shaders::heat::{Fade, Sampling};
    use poselens_shaders::legend::{Corner, Legend};

    use super::*;

    /// Returns a map of 1 x 3 values in its own colours, with its legend.
    fn scene(values: [f32; 3], range: (f32, f32)) -> Scene {
        let heat = Mark::Heat(HeatLayer {
            values: values.into(),
            width: 3,
            height: 1,
            cut: 0,
            map_from_pixel: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            range,
            colors: ColorMap::Viridis,
            alpha: 1.0,
            threshold: 0.0,
            fade: Fade::Low,
            sampling: Sampling::Nearest,
        });
        let legend = Mark::Legend(Legend {
            corner: Corner::Left,
            caption: String::new(),
            scale: Some(ColorScale::of(ColorMap::Viridis, range, &values)),
        });
        Scene {
            marks: vec![heat, legend],
        }
    }

    fn legend(scene: &Scene) -> (&str, ColorScale) {
        match &scene.marks[..] {
            [Mark::Heat(_), Mark::Legend(legend)] => (&legend.caption, legend.scale.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// Fails when the same value has two colours in the images of two frames, or the legend has
    /// another range than the map, does not say that it is common, or hides values beyond it.
    #[test]
    fn two_frames_share_one_range() {
        let mut first = scene([0.0, 0.2, 0.4], (0.0, 0.4));
        let mut second = scene([0.1, 0.5, 0.9], (0.1, 0.8));
        share(&mut first, &mut second);
        for (scene, beyond) in [(&first, false), (&second, true)] {
            assert_eq!(range_of(scene), Some((0.0, 0.8)));
            let (caption, scale) = legend(scene);
            assert_eq!((caption, scale.range), (CAPTION, (0.0, 0.8)));
            assert_eq!(scale.beyond, [false, beyond]);
        }
        let mut alone = scene([0.0, 0.2, 0.4], (0.0, 0.4));
        share(&mut alone, &mut Scene::default());
        assert_eq!(legend(&alone).1.range, (0.0, 0.4));
    }
}

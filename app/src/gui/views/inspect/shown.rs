//! Conversion of a prediction into overlays: which map, which joint, which numbers.
//!
//! No map is computed here: a [`Shown`] draws the values of the prediction unchanged.

use std::sync::Arc;

use poselens_engine::geometry::{Affine2, Point};
use poselens_engine::measure::Measures;
use poselens_engine::output::{AttentionMap, PoseOutput, RegionOutput, SharedPlanes};
use poselens_engine::overlay::{OverlayStyle, RangeMode, overlay, pen, scene};
use poselens_engine::pose::Keypoint;
use poselens_shaders::canvas::Paint;
use poselens_shaders::heat::Sampling;
use poselens_shaders::scene::{Disc, Mark, Rect, Scene};
use poselens_shaders::{CENTER, INK, Rgb};

use crate::gui::state::inspect::{Choices, Pick, What};
use crate::gui::views::inspect::limbs::chosen_name;

/// Colour of the heatmap's peak pixel and the decoded joint.
const PEAK: Rgb = [0xFF, 0xD1, 0x3B];

/// Maps of one name: a single one, or one per mean-field iteration.
#[derive(Debug, Clone)]
pub struct MapGroup<'a> {
    /// Name without the iteration.
    pub name: &'a str,
    /// Display name.
    pub title: &'a str,
    /// Index of the stack, layer or block, from 0.
    pub layer: usize,
    /// In the order of iterations.
    pub maps: Vec<&'a AttentionMap>,
}

impl<'a> MapGroup<'a> {
    /// Returns the map of an iteration (counted from 1, clamped); the last for `None`.
    pub fn at(&self, iteration: Option<usize>) -> Option<&'a AttentionMap> {
        let last = self.maps.len().checked_sub(1)?;
        let i = iteration.map_or(last, |n| n.saturating_sub(1).min(last));
        self.maps.get(i).copied()
    }
}

/// Groups the maps of a region, in execution order.
pub fn groups(region: &RegionOutput) -> Vec<MapGroup<'_>> {
    let mut groups: Vec<MapGroup<'_>> = Vec::new();
    for map in &region.attention {
        let name = map.place.iteration.map_or(map.name.as_str(), |t| {
            let base = map.name.strip_suffix(&t.to_string());
            base.and_then(|b| b.strip_suffix(".iter"))
                .unwrap_or(&map.name)
        });
        let layer = map.place.layer;
        match groups
            .iter_mut()
            .find(|g| g.name == name && g.layer == layer)
        {
            Some(group) => group.maps.push(map),
            None => groups.push(MapGroup {
                name,
                title: "",
                layer,
                maps: vec![map],
            }),
        }
    }
    for group in &mut groups {
        // The name of the last iteration has no number.
        group
            .maps
            .sort_by_key(|m| m.place.iteration.unwrap_or(usize::MAX));
        group.title = group.maps.last().map_or("", |map| &map.title);
    }
    groups.sort_by_key(|g| g.layer);
    groups
}

/// Returns the group selected for this model, or else its first.
pub fn chosen_group<'a>(
    model: &str,
    region: &'a RegionOutput,
    choices: &Choices,
) -> Option<MapGroup<'a>> {
    let mut groups = groups(region);
    let wanted = choices.maps.get(model);
    let i = groups
        .iter()
        .position(|g| Some(g.name) == wanted.map(String::as_str));
    (!groups.is_empty()).then(|| groups.swap_remove(i.unwrap_or(0)))
}

/// A pick resolved in one prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picked {
    /// Position in the image.
    pub point: Point,
    /// Joint index and decoded keypoint, if a joint was picked.
    pub joint: Option<(usize, Keypoint)>,
}

/// Resolves a pick in a prediction; `None` if the model has no such joint or found no one.
pub fn picked(output: &PoseOutput, pick: &Pick) -> Option<Picked> {
    match pick {
        Pick::Pixel(point) => Some(Picked {
            point: *point,
            joint: None,
        }),
        Pick::Joint { name, person } => {
            let j = output.skeleton.joint(name)?;
            let pose = output.poses.get(*person).or(output.poses.first())?;
            let keypoint = *pose.keypoints_raw.get(j)?;
            Some(Picked {
                point: keypoint.point(),
                joint: Some((j, keypoint)),
            })
        }
    }
}

/// Returns the nearest drawn joint within `reach` image pixels. Joints below the score threshold
/// are not drawn, so a click on them selects the pixel.
pub fn joint_near(output: &PoseOutput, point: Point, reach: f64) -> Option<Pick> {
    let joints = output.poses.iter().enumerate().flat_map(|(person, pose)| {
        let names = output.skeleton.joints.iter();
        names
            .zip(&pose.keypoints_raw)
            .filter(|(_, k)| k.score >= OverlayStyle::default().keypoint_threshold)
            .map(move |(name, k)| (name, person, k.point().distance(point)))
    });
    let (name, person, distance) = joints.min_by(|a, b| a.2.total_cmp(&b.2))?;
    (distance <= reach).then(|| Pick::Joint {
        name: name.clone(),
        person,
    })
}

/// Returns the region whose heatmaps contain a point, else the first with heatmaps. The limb fields
/// of the whole frame can be a region of their own, without heatmaps; it is returned if it is alone.
pub fn region(output: &PoseOutput, point: Option<Point>) -> Option<&RegionOutput> {
    let with_heatmaps = || output.regions.iter().filter(|r| r.heatmaps.n > 0);
    let holds = |r: &&RegionOutput| {
        let size = r.heatmaps.size;
        let at = point.and_then(|p| pixel_at(&r.image_from_heatmap, p));
        at.is_some_and(|[x, y]| {
            (0..size.width as i64).contains(&x) && (0..size.height as i64).contains(&y)
        })
    };
    with_heatmaps()
        .find(holds)
        .or_else(|| with_heatmaps().next())
        .or(output.regions.first())
}

/// Returns the map pixel under a point of the image.
fn pixel_at(image_from_map: &Affine2, point: Point) -> Option<[i64; 2]> {
    let p = image_from_map.inverse()?.apply(point);
    Some([p.x.round() as i64, p.y.round() as i64])
}

/// Returns the value of plane `i` under a point of the image; `None` outside the map.
pub fn value_at(
    planes: &SharedPlanes,
    i: usize,
    image_from_map: &Affine2,
    point: Point,
) -> Option<f32> {
    let [x, y] = pixel_at(image_from_map, point)?;
    let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
    (i < planes.n && x < planes.size.width && y < planes.size.height)
        .then(|| planes.plane(i)[y * planes.size.width + x])
}

/// Peak of a joint's heatmap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Coordinates of the highest pixel.
    pub pixel: [usize; 2],
    /// Value of the highest pixel.
    pub value: f32,
    /// Decoded joint in heatmap pixels.
    pub decoded: Point,
}

/// Returns the heatmap peak of a joint and its decoded position.
pub fn peak(region: &RegionOutput, joint: usize, keypoint: Keypoint) -> Option<Peak> {
    let maps = &region.heatmaps;
    if joint >= maps.n || maps.size.width == 0 {
        return None;
    }
    let values = maps.plane(joint).iter().enumerate();
    let (at, value) = values.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    Some(Peak {
        pixel: [at % maps.size.width, at / maps.size.width],
        value: *value,
        decoded: region.image_from_heatmap.inverse()?.apply(keypoint.point()),
    })
}

/// Returns one plane of a map: the only one, or that of a joint.
fn plane(map: &AttentionMap, joint: Option<usize>) -> Option<AttentionMap> {
    map.plane(if map.map.n == 1 { 0 } else { joint? })
}

/// Overlays on the image of one model.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Scene for the GPU.
    pub scene: Arc<Scene>,
    /// The displayed map: one plane with the network's unmodified values.
    pub map: Option<AttentionMap>,
    /// Title of the overlay drawn besides the skeleton.
    pub layer: Option<&'static str>,
    /// Whether the predicted skeletons are drawn.
    pub has_skeleton: bool,
    /// Reason why there is no map, and what to do.
    pub hint: Option<String>,
}

/// Builds the overlays selected for `output`. `cell` is the selected self-attention thumbnail, if
/// it is finished; `measures` are drawn if they are chosen.
pub fn show(
    output: &PoseOutput,
    pick: Option<&Pick>,
    choices: &Choices,
    cell: Option<&AttentionMap>,
    measures: &Measures,
) -> Shown {
    let picked = pick.and_then(|pick| picked(output, pick));
    let Some(region) = region(output, picked.map(|p| p.point)) else {
        return Shown {
            hint: Some("the model has processed no part of this frame".to_owned()),
            ..Shown::default()
        };
    };
    let joint = picked.and_then(|p| p.joint);
    let what = What::of(output, region, choices.what);
    let (map, hint) = match what {
        What::Picture | What::Heatmap | What::Fields => (None, None),
        What::Maps => {
            let group = chosen_group(&output.model, region, choices);
            let map = group.and_then(|g| g.at(choices.iteration));
            let map = map.and_then(|m| plane(m, joint.map(|(j, _)| j)));
            let hint = map
                .is_none()
                .then_some("this map has one plane for each joint: pick a joint");
            (map, hint)
        }
        What::QueryKey if picked.is_none() => (None, Some("pick a joint or a pixel")),
        What::QueryKey => (cell.cloned(), None),
    };
    let style = OverlayStyle {
        measures: measures.clone(),
        ..style(output, joint.map(|(j, _)| j), choices)
    };
    // Overlays draw everything in their input: they get a copy with only the selected map.
    let drawn = PoseOutput {
        regions: vec![RegionOutput {
            heatmaps: region.heatmaps.clone(),
            image_from_heatmap: region.image_from_heatmap,
            attention: map.iter().cloned().collect(),
            query_key: Vec::new(),
            fields: output.limb_fields().cloned(),
            description: Vec::new(),
            track_id: None,
        }],
        ..output.clone()
    };
    let layer = match what {
        What::Heatmap => Some("heatmap"),
        What::Fields => Some("fields"),
        What::Maps | What::QueryKey if map.is_some() => Some("attention"),
        _ => None,
    };
    let [skeleton, layer] =
        [choices.has_skeleton.then_some("skeleton"), layer].map(|name| name.and_then(overlay));
    let numbers = choices.has_measures.then(|| overlay("measures")).flatten();
    let overlays: Vec<_> = skeleton.into_iter().chain(layer).chain(numbers).collect();
    let mut scene = scene(&drawn, &overlays, &style);
    shorten_legends(&mut scene);
    if let Some(picked) = picked {
        if let (What::Heatmap, Some((j, keypoint))) = (what, joint)
            && let Some(peak) = peak(region, j, keypoint)
        {
            scene
                .marks
                .push(pixel_mark(&region.image_from_heatmap, peak));
        }
        let pen = pen(output.frame.size());
        for (stroke, rgb) in [
            (4.0, INK),
            (2.0, if joint.is_some() { PEAK } else { CENTER }),
        ] {
            scene.marks.push(Mark::Disc(Disc {
                center: [picked.point.x as f32, picked.point.y as f32],
                radius: 6.0 * pen,
                stroke: stroke * pen,
                paint: Paint::new(rgb, 1.0),
            }));
        }
    }
    Shown {
        scene: Arc::new(scene),
        map,
        layer: layer.map(|overlay| overlay.title),
        has_skeleton: choices.has_skeleton,
        hint: hint.map(str::to_owned),
    }
}

/// Converts the choices; `joint` is the picked one.
fn style(output: &PoseOutput, joint: Option<usize>, choices: &Choices) -> OverlayStyle {
    let range = if choices.is_range_fixed {
        RangeMode::Fixed
    } else {
        RangeMode::PerFrame
    };
    let fields = output.limb_fields();
    OverlayStyle {
        opacity: choices.opacity,
        joint,
        attention: None,
        limb: fields.and_then(|fields| chosen_name(fields, choices)),
        map_threshold: choices.threshold,
        sampling: if choices.is_smooth {
            Sampling::Bilinear
        } else {
            Sampling::Nearest
        },
        heatmap_range: range,
        attention_range: range,
        ..OverlayStyle::default()
    }
}

/// Returns the skeleton of a second prediction in a single colour, to be drawn over the first.
pub fn second(output: &PoseOutput, skeleton: Rgb) -> Vec<Mark> {
    let style = OverlayStyle {
        tint: Some(skeleton),
        side_badges: false,
        track_ids: false,
        legends: false,
        ..OverlayStyle::default()
    };
    let overlays: Vec<_> = overlay("skeleton").into_iter().collect();
    scene(output, &overlays, &style).marks
}

/// Removes the captions of colour scales: the line above the image names the map.
fn shorten_legends(scene: &mut Scene) {
    for mark in &mut scene.marks {
        if let Mark::Legend(legend) = mark
            && legend.scale.is_some()
        {
            legend.caption.clear();
        }
    }
}

/// Returns the outline of the highest heatmap pixel.
fn pixel_mark(image_from_heatmap: &Affine2, peak: Peak) -> Mark {
    let corner = |by: f64| {
        let [x, y] = peak.pixel.map(|v| v as f64 + by);
        let p = image_from_heatmap.apply(Point::new(x, y));
        [p.x as f32, p.y as f32]
    };
    Mark::Rect(Rect {
        min: corner(-0.5),
        max: corner(0.5),
        corner: 0.0,
        stroke: 1.5,
        paint: Paint::new(PEAK, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::output::{PeopleCount, Timings};
    use poselens_engine::skeleton::Skeleton;

    use super::*;

    /// Returns a region of 4 x 4 image pixels from `left` on, with `n` heatmaps.
    fn region_at(left: f64, n: usize) -> RegionOutput {
        let size = Size::square(4);
        RegionOutput {
            heatmaps: SharedPlanes {
                n,
                size,
                values: vec![0.5; n * size.area()].into(),
            },
            image_from_heatmap: Affine2 {
                m: [[1.0, 0.0, left], [0.0, 1.0, 0.0]],
            },
            attention: Vec::new(),
            query_key: Vec::new(),
            fields: None,
            description: Vec::new(),
            track_id: None,
        }
    }

    /// Fails when a pixel beside all people selects the region that has limb fields only, so that
    /// the other kinds of maps cannot be chosen.
    #[test]
    fn a_pixel_beside_all_people_keeps_the_maps_of_the_first() {
        let mut output = PoseOutput {
            frame: Frame::new(0, 0.0, Size::square(1), Pixels::unpooled(vec![0; 4])),
            model: "m".into(),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: Vec::new(),
            regions: vec![region_at(0.0, 17), region_at(10.0, 17), region_at(0.0, 0)],
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        output.regions[2].image_from_heatmap.m[0][0] = 10.0;
        let left = |output: &PoseOutput, x: f64| {
            let point = Some(Point::new(x, 1.0));
            region(output, point).map(|r| (r.image_from_heatmap.m[0][2], r.heatmaps.n))
        };
        assert_eq!(left(&output, 11.0), Some((10.0, 17)));
        assert_eq!(left(&output, 25.0), Some((0.0, 17)));
        output.regions.drain(..2);
        assert_eq!(left(&output, 25.0), Some((0.0, 0)));
    }
}

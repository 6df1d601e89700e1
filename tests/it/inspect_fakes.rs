//! A fake network whose outputs differ by frame, map and plane.

use std::sync::Arc;

use poselens_engine::Result;
use poselens_engine::estimator::{Infer, RequestedMaps};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::{Affine2, Size};
use poselens_engine::output::{
    AttentionKind, AttentionMap, LimbFields, MapPlace, PeopleCount, PoseOutput, QueryKey,
    RegionOutput, SharedPlanes, Timings,
};
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::skeleton::Skeleton;

pub(crate) const SIZE: Size = Size::new(32, 24);
pub(crate) const MAP: Size = Size::new(4, 3);

/// A map pixel is eight image pixels wide.
fn image_from_map() -> Affine2 {
    Affine2 {
        m: [[8.0, 0.0, 3.5], [0.0, 8.0, 3.5]],
    }
}

/// Returns values that differ by frame, map and plane.
pub(crate) fn planes(n: usize, seed: f32) -> SharedPlanes {
    SharedPlanes {
        n,
        size: MAP,
        values: (0..n * MAP.area())
            .map(|i| ((i as f32 + 1.0) * seed).sin())
            .collect(),
    }
}

fn map(name: &str, layer: usize, iteration: Option<usize>, map: SharedPlanes) -> AttentionMap {
    AttentionMap {
        name: name.to_owned(),
        title: format!("{name} in words"),
        kind: AttentionKind::Signed,
        place: MapPlace { layer, iteration },
        map,
        range: (-1.0, 1.0),
        image_from_map: image_from_map(),
    }
}

/// `maps` has attention maps, `tokens` has queries and keys, `fields` has limb fields, `plain` has
/// none of them, `blind` finds no person.
pub(crate) struct Fake(pub(crate) Arc<str>);

impl Infer for Fake {
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput> {
        // The grey level of a frame identifies it.
        let seed = f32::from(frame.rgba()[0]) + 1.0;
        let joints = (0..17).map(|j| Keypoint {
            x: 3.5 + 8.0 * (j % 4) as f32,
            y: 4.0 + 4.0 * (j / 4) as f32,
            score: 0.9,
        });
        let attention = [
            map("b.field.iter1", 1, Some(1), planes(17, seed + 0.1)),
            map("b.field", 1, Some(2), planes(17, seed + 0.2)),
            map("a.sum", 0, None, planes(1, seed + 0.3)),
        ];
        let values = |by: f32| planes(1, seed + by).values.repeat(4);
        let query_key = (0..2).map(|layer| QueryKey {
            name: format!("layer{layer}"),
            title: format!("self-attention, layer {layer}"),
            layer,
            heads: 2,
            grid: MAP,
            queries: values(layer as f32),
            keys: values(0.5),
            image_from_map: image_from_map(),
        });
        let limbs = Skeleton::by_name("openpose18").unwrap();
        let has = |name: &str| requested.attention && &*self.0 == name;
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.0),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: match &*self.0 {
                "blind" => Vec::new(),
                _ => vec![Pose::from_keypoints(joints.collect())],
            },
            regions: vec![RegionOutput {
                heatmaps: planes(17, seed),
                image_from_heatmap: image_from_map(),
                attention: attention.into_iter().filter(|_| has("maps")).collect(),
                query_key: query_key.filter(|_| has("tokens")).collect(),
                fields: (requested.fields && &*self.0 == "fields").then(|| LimbFields {
                    planes: planes(2 * limbs.limbs.len(), seed),
                    skeleton: limbs,
                    image_from_field: image_from_map(),
                }),
                description: Vec::new(),
                track_id: None,
            }],
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }
}

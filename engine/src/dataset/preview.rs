//! Contact sheet of training samples: every input of a batch as the network receives it, with the
//! joints on the left and the target heatmaps on the right.

use std::sync::Arc;

use poselens_shaders::INK;
use poselens_shaders::canvas::Canvas;

use super::loader::{Batch, SeenInput};
use super::{Joint, Visibility};
use crate::frame::{BYTES_PER_PIXEL, Frame, Pixels};
use crate::geometry::Size;
use crate::output::{PeopleCount, Planes, PoseOutput, RegionOutput, Timings};
use crate::overlay::{OverlayStyle, draw_all, overlay};
use crate::pose::{Keypoint, Pose};
use crate::preprocess::InputSpec;
use crate::skeleton::Skeleton;
use crate::words::counted;

/// Gap between tiles in pixels.
const GAP: usize = 4;
/// Opacity of occluded joints.
const HIDDEN: f32 = 0.4;

/// The inputs of a batch in one image.
#[derive(Debug, Clone)]
pub struct ContactSheet {
    /// The image.
    pub frame: Frame,
    /// The inputs on it, row by row.
    pub tiles: Vec<SheetTile>,
}

/// An input on a contact sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetTile {
    /// Top left pixel of its two pictures.
    pub corner: [usize; 2],
    /// Size of both pictures together in pixels.
    pub size: Size,
    /// Description: `person 17 of set 2, mirrored, 12 joints, 3 absent`.
    pub caption: String,
}

/// Draws up to `most` inputs of `batch` in rows of `columns`. Left is blue, right is orange,
/// occluded joints are faint, unlabelled ones are not drawn. `input` and `skeleton` are those of
/// the loader.
pub fn contact_sheet(
    batch: &Batch,
    input: &InputSpec,
    skeleton: &'static Skeleton,
    (columns, most): (usize, usize),
) -> ContactSheet {
    let n = batch.len().min(most);
    let columns = columns.clamp(1, n.max(1));
    let tile = Size::new(2 * input.size.width, input.size.height);
    let rows = n.div_ceil(columns);
    let size = Size::new(
        columns * (tile.width + GAP) + GAP,
        rows * (tile.height + GAP) + GAP,
    );
    let [r, g, b] = INK;
    let mut sheet = [r, g, b, 255].repeat(size.area());
    let mut tiles = Vec::with_capacity(n);
    for (i, seen_input) in batch.inputs.iter().take(n).enumerate() {
        let x = GAP + i % columns * (tile.width + GAP);
        let y = GAP + i / columns * (tile.height + GAP);
        let output = seen(batch, i, input, skeleton);
        for (k, layer) in ["skeleton", "heatmap"].into_iter().enumerate() {
            let mut pixels = output.frame.rgba().to_vec();
            let mut canvas = Canvas::new(&mut pixels, input.size.width, input.size.height);
            let layers: Vec<_> = overlay(layer).into_iter().collect();
            draw_all(&mut canvas, &output, &layers, &style());
            let bytes = input.size.width * BYTES_PER_PIXEL;
            for (row, line) in pixels.chunks_exact(bytes).enumerate() {
                let at = ((y + row) * size.width + x) * BYTES_PER_PIXEL + k * bytes;
                sheet[at..at + bytes].copy_from_slice(line);
            }
        }
        let n_weights = batch.weights.len() / batch.len();
        let weights = &batch.weights[i * n_weights..][..n_weights];
        tiles.push(SheetTile {
            corner: [x, y],
            size: tile,
            caption: caption(seen_input, weights, input.size),
        });
    }
    ContactSheet {
        frame: Frame::new(0, 0.0, size, Pixels::unpooled(sheet)),
        tiles,
    }
}

fn style() -> OverlayStyle {
    OverlayStyle {
        keypoint_threshold: HIDDEN / 2.0,
        track_ids: false,
        legends: false,
        ..OverlayStyle::default()
    }
}

/// Formats `person 17 of set 2, mirrored, 12 joints, 3 absent`, or for inputs of several people `4
/// images, 7 people, 61 joints`.
fn caption(seen: &SeenInput, weights: &[f32], input: Size) -> String {
    let joints = seen.people().flatten();
    let is_inside = |j: &&Joint| j.inside(input).is_some();
    let inside = joints.filter(is_inside).count();
    let joints = counted(inside, "joint");
    if let [tile] = &seen.tiles[..]
        && let Some(id) = tile.annotation_id
        && tile.people.len() == 1
    {
        let mirrored = if tile.flipped { ", mirrored" } else { "" };
        let set = tile.set;
        let taught = weights.iter().filter(|w| **w > 0.0).count();
        let is_one_a_joint = weights.len() == tile.people[0].len();
        let absent = match taught.saturating_sub(inside) {
            n if is_one_a_joint => format!(", {n} absent"),
            _ => String::new(),
        };
        let of_set = match set {
            0 => String::new(),
            set => format!(" of set {}", set + 1),
        };
        return format!("person {id}{of_set}{mirrored}, {joints}{absent}");
    }
    let people = seen.people().count();
    let pictures = match seen.tiles.len() {
        1 => String::new(),
        n => format!("{}, ", counted(n, "image")),
    };
    format!("{pictures}{}, {joints}", counted(people, "person"))
}

/// Returns input `i` of the batch with its targets as if a network had predicted them.
fn seen(batch: &Batch, i: usize, input: &InputSpec, skeleton: &'static Skeleton) -> PoseOutput {
    let keypoint = |joint: &Joint| {
        let score = match (joint.inside(input.size), joint.visibility) {
            (None, _) => 0.0,
            (_, Visibility::Hidden) => HIDDEN,
            _ => 1.0,
        };
        Keypoint::from([joint.point.x as f32, joint.point.y as f32, score])
    };
    let pose = |joints: &Vec<Joint>| Pose::from_keypoints(joints.iter().map(keypoint).collect());
    // In any target, the first channels are heatmaps of joints.
    let n_targets = batch.targets.len() / batch.len();
    let n_maps = skeleton.n_joints() * batch.heatmap_size.area();
    PoseOutput {
        frame: picture(
            &batch.input[i * input.n_values()..][..input.n_values()],
            input,
        ),
        model: Arc::from("targets"),
        skeleton,
        poses: batch.inputs[i].people().map(pose).collect(),
        regions: vec![RegionOutput {
            heatmaps: Planes {
                n: skeleton.n_joints(),
                size: batch.heatmap_size,
                values: Arc::from(&batch.targets[i * n_targets..][..n_maps]),
            },
            image_from_heatmap: input
                .alignment
                .input_from_heatmap(input.size, batch.heatmap_size),
            attention: Vec::new(),
            query_key: Vec::new(),
            fields: None,
            description: Vec::new(),
            track_id: None,
        }],
        timings: Timings::default(),
        people: PeopleCount::default(),
    }
}

/// Converts normalised planes back to an image.
fn picture(values: &[f32], input: &InputSpec) -> Frame {
    Frame::new(0, 0.0, input.size, Pixels::unpooled(rgba_of(values, input)))
}

/// Converts normalised planes to interleaved RGBA.
pub(crate) fn rgba_of(values: &[f32], input: &InputSpec) -> Vec<u8> {
    let area = input.size.area();
    let mut rgba = vec![255; area * BYTES_PER_PIXEL];
    for (i, pixel) in rgba.chunks_exact_mut(BYTES_PER_PIXEL).enumerate() {
        for (c, byte) in pixel.iter_mut().take(3).enumerate() {
            let v = values[c * area + i] * input.std[c] + input.mean[c];
            *byte = (v * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    }
    rgba
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Tile;
    use crate::dataset::loader::{Position, SeenTile};
    use crate::geometry::{Affine2, Alignment, Point};
    use poselens_shaders::{LEFT, RIGHT};

    fn input() -> InputSpec {
        InputSpec {
            size: Size::square(64),
            mean: InputSpec::IMAGENET_MEAN,
            std: InputSpec::IMAGENET_STD,
            alignment: Alignment::HalfPixel,
            padding: 1.25,
            border: [0; 3],
        }
    }

    /// Fails when the sheet shows joints, sides or targets at other places than the network gets
    /// them, or describes an input by the caption of another.
    #[test]
    fn the_sheet_shows_inputs_and_targets() {
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let input = input();
        let (l, r) = (
            skeleton.joint("l_wrist").unwrap(),
            skeleton.joint("r_wrist").unwrap(),
        );
        let mut joints = vec![
            Joint {
                point: Point::default(),
                visibility: Visibility::Unlabelled,
            };
            17
        ];
        for (j, x) in [(l, 44.0), (r, 20.0)] {
            joints[j] = Joint {
                point: Point::new(x, 30.0),
                visibility: Visibility::Visible,
            };
        }
        let seen = SeenInput {
            key: [0; 3],
            has_pixels: true,
            tiles: vec![SeenTile {
                set: 0,
                image_id: 1,
                annotation_id: Some(7),
                tile: Tile::whole(input.size),
                image_from_tile: Affine2::IDENTITY,
                flipped: true,
                people: vec![joints],
            }],
        };
        let mut heatmaps = vec![0.0; 3 * 17 * 32 * 32];
        heatmaps[l * 32 * 32 + 15 * 32 + 22] = 1.0;
        let batch = Batch {
            position: Position::default(),
            sigma: 2.0,
            input_size: input.size,
            heatmap_size: Size::square(32),
            input: vec![0.0; 3 * input.n_values()],
            targets: heatmaps,
            weight_size: Size::square(1),
            weights: vec![1.0; 3 * 17],
            outputs: &["heatmaps"],
            inputs: vec![seen; 3],
        };
        let ContactSheet {
            frame: sheet,
            tiles,
        } = contact_sheet(&batch, &input, skeleton, (2, 3));
        assert_eq!(sheet.size(), Size::new(2 * 132 + 4, 2 * 68 + 4));
        let corners: Vec<_> = tiles.iter().map(|tile| tile.corner).collect();
        assert_eq!(corners, [[4, 4], [136, 4], [4, 72]]);
        assert_eq!(tiles[2].size, Size::new(128, 64));
        assert_eq!(tiles[2].caption, "person 7, mirrored, 2 joints, 15 absent");
        let pixel = |x: usize, y: usize| {
            let at = (y * sheet.size().width + x) * 4;
            [sheet.rgba()[at], sheet.rgba()[at + 1], sheet.rgba()[at + 2]]
        };
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40);
        assert!(near(pixel(4 + 44, 4 + 30), LEFT));
        assert!(near(pixel(4 + 20, 4 + 30), RIGHT));
        let ground = pixel(4 + 30, 4 + 5);
        assert!(near(ground, [124, 116, 104]), "{ground:?}");
        assert!(
            !near(pixel(4 + 64 + 44, 4 + 30), ground),
            "the target is drawn"
        );
        assert!(
            near(pixel(4 + 64 + 20, 4 + 30), ground),
            "an empty map is not"
        );
        let text = caption(&batch.inputs[0], &[1.0; 17], input.size);
        assert_eq!(text, "person 7, mirrored, 2 joints, 15 absent");
        let mut mosaic = batch.inputs[0].clone();
        mosaic.tiles = vec![mosaic.tiles[0].clone(); 4];
        let text = caption(&mosaic, &[1.0; 40], input.size);
        assert_eq!(text, "4 images, 4 people, 8 joints");
        let nobody = Batch {
            inputs: Vec::new(),
            ..batch
        };
        assert_eq!(
            contact_sheet(&nobody, &input, skeleton, (5, 9))
                .frame
                .size()
                .height,
            GAP
        );
    }
}

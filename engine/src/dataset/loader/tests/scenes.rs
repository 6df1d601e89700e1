//! Inputs of several people: whole images and mosaics.

use super::*;
use crate::augment::{Distribution, Mosaic, Tile};

const BORDER: [u8; 3] = [0; 3];

/// Creates black images of one person each, with a soft white spot on the nose.
fn spotted(folder: &Path, n: u64) -> Dataset {
    let mut dataset = pictures(folder, "coco17", n);
    for (i, sample) in dataset.samples.iter_mut().enumerate() {
        sample.annotations.truncate(1);
        let nose = Point::new(24.0 + i as f64, 20.0);
        sample.annotations[0].joints[0].point = nose;
        let pixel = |i: usize| {
            let p = Point::new((i % IMAGE.width) as f64, (i / IMAGE.width) as f64);
            (255.0 * (-p.distance(nose).powi(2) / 8.0).exp()).round() as u8
        };
        let pixels: Vec<u8> = (0..IMAGE.area()).map(pixel).collect();
        let (w, h) = (IMAGE.width as u32, IMAGE.height as u32);
        image::save_buffer(&sample.path, &pixels, w, h, image::ColorType::L8).unwrap();
    }
    dataset
}

fn everybody(dataset: Dataset) -> Arc<People> {
    let mut people = People::new(Skeleton::by_name("openpose18").unwrap());
    people.add("set0", dataset, &SetOptions::default()).unwrap();
    Arc::new(people)
}

fn options_for_all(mosaic: f64, workers: usize) -> LoaderOptions {
    let mut options = options(workers);
    options.input = InputSpec {
        size: Size::square(160),
        mean: [0.0; 3],
        std: [1.0; 3],
        padding: 1.667,
        border: BORDER,
        ..options.input
    };
    options.target = TargetSpec::fields();
    options.augment = (preset("ssa").unwrap().build)();
    options.augment.mosaic = Mosaic {
        probability: mosaic,
        ..Mosaic::default()
    };
    options
}

/// Returns the first batch without augmentation.
fn plain_batch(people: &Arc<People>) -> Batch {
    let mut options = options_for_all(0.0, 1);
    options.augment = Augment::default();
    take(people, options, Position::default(), 1).remove(0)
}

/// Returns the centroid of brightness in a tile of a plane of `width`, and its sum.
fn light(plane: &[f32], width: usize, tile: &Tile) -> (Point, f64) {
    let (mut sum, mut at) = (0.0, Point::new(0.0, 0.0));
    for y in tile.y..tile.y + tile.size.height {
        for x in tile.x..tile.x + tile.size.width {
            let v = f64::from(plane[y * width + x]);
            sum += v;
            at = Point::new(at.x + v * x as f64, at.y + v * y as f64);
        }
    }
    (Point::new(at.x / sum, at.y / sum), sum)
}

/// Fails when the pixels of a mosaic tile and its labels are transformed differently, a label
/// crosses a seam, targets and labels disagree, or the number of threads changes the result.
#[test]
fn a_mosaic_s_labels_lie_on_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let people = everybody(spotted(folder.path(), 9));
    let start = Position::default();
    let far = |workers| {
        let mut options = options_for_all(1.0, workers);
        options.augment.shift = 0.45;
        options
    };
    let batches = take(&people, far(1), start, 8);
    assert!(take(&people, far(3), start, 8) == batches);
    assert_eq!(people.skeleton().joint("nose"), Some(0));
    let (mut n_seen, mut n_cut) = (0, 0);
    for batch in &batches {
        let (width, grid) = (batch.input_size.width, batch.heatmap_size);
        let n_values = 3 * batch.input_size.area();
        let n_targets = batch.targets.len() / batch.len();
        for (i, seen) in batch.inputs.iter().enumerate() {
            assert_eq!(seen.tiles.len(), 4);
            let red = &batch.input[i * n_values..][..batch.input_size.area()];
            let noses = &batch.targets[i * n_targets..][..grid.area()];
            for tile in &seen.tiles {
                let labelled = tile.people.iter().flatten();
                for joint in labelled.filter(|j| j.labelled().is_some()) {
                    assert!(tile.tile.contains(joint.point));
                }
                let nose = tile.people.first().map(|joints| joints[0]);
                let (middle, amount) = light(red, width, &tile.tile);
                let Some(nose) = nose.and_then(|joint| joint.labelled()) else {
                    n_cut += 1;
                    // Half a spot may remain at the seam.
                    let [xx, xy, _] = tile.image_from_tile.m[0];
                    let whole = 2.0 * std::f64::consts::PI * 4.0 / xx.hypot(xy).powi(2);
                    assert!(amount < 0.7 * whole, "{}", tile.image_id);
                    continue;
                };
                let cell = |v: f64| ((v + 0.5) / 8.0).floor() as usize;
                let target = noses[cell(nose.y) * grid.width + cell(nose.x)];
                assert!(target > 0.4, "{target} at {nose:?}");
                let [xx, xy, _] = tile.image_from_tile.m[0];
                let rim = 7.0 / xx.hypot(xy) + 1.0;
                let inner = |v: f64, first: usize, n: usize| {
                    v > first as f64 + rim && v < (first + n) as f64 - rim
                };
                let Tile { x, y, size } = tile.tile;
                if inner(nose.x, x, size.width) && inner(nose.y, y, size.height) {
                    n_seen += 1;
                    assert!(middle.distance(nose) < 0.5, "{middle:?} for {nose:?}");
                }
            }
        }
    }
    assert!(n_seen > 30 && n_cut > 3, "{n_seen} seen, {n_cut} cut off");
}

/// Fails when an unaugmented input of a bottom-up network shows or labels only one of its people,
/// or a joint's target is not at its label.
#[test]
fn everybody_in_a_picture_is_taught() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 4);
    for sample in &mut dataset.samples {
        for (a, joint) in sample.annotations[1].joints.iter_mut().enumerate() {
            joint.point = Point::new(40.0 - a as f64 * 0.7, 9.0 + (a * a % 30) as f64);
        }
    }
    let people = everybody(dataset);
    let batch = plain_batch(&people);
    assert_eq!(batch.outputs, ["heatmaps", "paf", "offsets"]);
    assert_eq!(batch.weight_size, batch.heatmap_size);
    assert_eq!(batch.weights.len(), batch.targets.len());
    let (grid, skeleton) = (batch.heatmap_size, people.skeleton());
    // Heatmaps and background, two fields for each limb, two offsets for each joint.
    let first_offset = skeleton.n_joints() + 1 + 2 * skeleton.limbs.len();
    let n = batch.targets.len() / batch.len();
    let mut n_taught = 0;
    for (i, seen) in batch.inputs.iter().enumerate() {
        let maps = &batch.targets[i * n..][..n];
        assert_eq!(seen.people().count(), 2);
        for (j, joint) in seen.people().flat_map(|p| p.iter().enumerate()) {
            let Some(p) = joint.labelled() else { continue };
            let cell = |v: f64| ((v + 0.5) / 8.0).floor();
            let (column, row) = (cell(p.x), cell(p.y));
            let at = row as usize * grid.width + column as usize;
            assert!(maps[j * grid.area() + at] > 0.4, "joint {j}");
            let offset = |axis| maps[(first_offset + 2 * j + axis) * grid.area() + at];
            let place = |cell: f64, axis| 8.0 * (cell + f64::from(offset(axis))) + 3.5;
            let taught = Point::new(place(column, 0), place(row, 1));
            // The other person's joint may share the cell.
            let mut both = seen.people().map(|joints| joints[j].point);
            assert!(both.any(|p| p.distance(taught) < 1e-3), "joint {j}");
            n_taught += 1;
        }
    }
    assert!(n_taught > 100, "{n_taught}");
}

/// Fails when the place of an unlabelled person or crowd is trained as background, joints that a
/// data set never labels are trained as absent, or a labelled person near them is lost.
#[test]
fn unlabelled_people_weigh_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 2);
    for sample in &mut dataset.samples {
        let [labelled, other] = &mut sample.annotations[..] else {
            panic!("two people a picture");
        };
        labelled.bbox = BBox::new(2.0, 4.0, 20.0, 40.0);
        for joint in &mut labelled.joints {
            joint.point.x = 4.0 + joint.point.x / 4.0;
        }
        labelled.joints[3].visibility = Visibility::Unlabelled;
        // A joint that reaches into the other person's box.
        labelled.joints[16].point = Point::new(18.0, 24.0);
        other.bbox = BBox::new(16.0, 4.0, 40.0, 40.0);
        if sample.image_id == 0 {
            other.is_crowd = true;
        } else {
            for joint in &mut other.joints {
                joint.visibility = Visibility::Unlabelled;
            }
        }
    }
    let people = everybody(dataset);
    let batch = plain_batch(&people);
    let (grid, skeleton) = (batch.heatmap_size, people.skeleton());
    let l_ear = skeleton.joint("l_ear").unwrap();
    let n = batch.weights.len() / batch.len();
    assert_eq!(batch.len(), 2);
    for (i, seen) in batch.inputs.iter().enumerate() {
        let weights = &batch.weights[i * n..][..n];
        let map = seen.tiles[0].image_from_tile;
        let (mut n_known, mut n_unknown) = (0, 0);
        for cell in 0..grid.area() {
            let input = |v: usize| 8.0 * v as f64 + 3.5;
            let p = Point::new(input(cell % grid.width), input(cell / grid.width));
            let p = map.apply(p);
            let near = p.distance(Point::new(18.0, 24.0)) <= 0.06 * 40.0;
            let of_other = p.x > 16.0 && p.x < 56.0 && p.y > 4.0 && p.y < 44.0 && !near;
            assert_eq!(weights[cell], f32::from(u8::from(!of_other)), "{p:?}");
            assert_eq!(weights[l_ear * grid.area() + cell], 0.0, "never labelled");
            n_known += usize::from(!of_other);
            n_unknown += usize::from(of_other);
        }
        assert!(n_known > 50 && n_unknown > 20, "{n_known}, {n_unknown}");
    }
}

/// Fails when an unreadable image of a mosaic is reported under the name of another one.
#[test]
fn the_broken_picture_of_a_mosaic_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = spotted(folder.path(), 6);
    std::fs::write(&dataset.samples[2].path, b"not an image").unwrap();
    let people = everybody(dataset);
    let mut options = options_for_all(1.0, 2);
    options.augment.mosaic.middle = Distribution::Fixed { value: 0.5 };
    let mut loader = Loader::new(people, options, Position::default()).unwrap();
    for _ in 0..4 {
        loader.next_batch().unwrap();
    }
    let skipped = loader.take_skipped();
    assert!(!skipped.is_empty() && loader.take_skipped().is_empty());
    for broken in skipped {
        assert!(broken.image_id == 2 && broken.reason.contains("2.png"));
    }
}

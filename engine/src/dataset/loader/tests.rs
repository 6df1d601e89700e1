//! Guarantees of the loader: batches independent of threads, exact resuming, broken images skipped,
//! fast shutdown.

mod labels;
mod scenes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::augment::preset;
use crate::codec::Outside;
use crate::dataset::{Annotation, Dataset, Joint, Sample, Visibility, picture};
use crate::geometry::{Alignment, BBox, Point, Size};
use crate::sample::Square;
use crate::skeleton::Skeleton;
use crate::test_wait::{quickly, timed};

const IMAGE: Size = Size::new(60, 48);

/// Creates a data set of `n` images in `folder` with two people each.
fn pictures(folder: &Path, skeleton: &str, n: u64) -> Dataset {
    let skeleton = Skeleton::by_name(skeleton).unwrap();
    let sample = |i: u64| {
        let path = folder.join(format!("{i}.png"));
        let mut rng = crate::augment::Rng::new(&[i]);
        let pixels: Vec<u8> = (0..IMAGE.area() * 3).map(|_| rng.bits() as u8).collect();
        let (w, h) = (IMAGE.width as u32, IMAGE.height as u32);
        image::save_buffer(&path, &pixels, w, h, image::ColorType::Rgb8).unwrap();
        let annotation = |id: u64| Annotation {
            id,
            bbox: BBox::new(10.0, 6.0, 30.0, 36.0),
            area: 1080.0,
            is_crowd: false,
            n_keypoints: skeleton.n_joints(),
            joints: (0..skeleton.n_joints())
                .map(|j| Joint {
                    point: Point::new(12.0 + j as f64, 8.0 + (j * j % 30) as f64),
                    visibility: Visibility::Visible,
                })
                .collect(),
            head_box: None,
            region: None,
            track_id: None,
        };
        Sample {
            image_id: i,
            path,
            size: IMAGE,
            clip: None,
            frame: None,
            orientation: crate::sample::Orientation::Auto,
            annotations: vec![annotation(2 * i), annotation(2 * i + 1)],
        }
    };
    Dataset {
        samples: (0..n).map(sample).collect(),
        ..Dataset::of(skeleton)
    }
}

fn people(sets: Vec<(Dataset, f64)>) -> Arc<People> {
    let mut people = People::new(Skeleton::by_name("coco17").unwrap());
    for (i, (dataset, weight)) in sets.into_iter().enumerate() {
        let options = SetOptions {
            weight,
            ..SetOptions::default()
        };
        people.add(&format!("set{i}"), dataset, &options).unwrap();
    }
    Arc::new(people)
}

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions {
        input: InputSpec {
            size: Size::square(32),
            mean: InputSpec::IMAGENET_MEAN,
            std: InputSpec::IMAGENET_STD,
            alignment: Alignment::HalfPixel,
            padding: 1.25,
            border: [124, 116, 104],
        },
        target: TargetSpec {
            narrow_batches: 10,
            ..TargetSpec::default()
        },
        augment: (preset("default").unwrap().build)(),
        seed: 5,
        batch: 4,
        empty_share: 0.0,
        variants: 0,
        workers,
        prefetch: 1,
    }
}

fn take(people: &Arc<People>, options: LoaderOptions, from: Position, n: usize) -> Vec<Batch> {
    let mut loader = Loader::new(Arc::clone(people), options, from).unwrap();
    (0..n).map(|_| loader.next_batch().unwrap()).collect()
}

/// Fails when the number of threads changes a batch, a resumed run continues differently, or the
/// lengths of a batch do not match its shape.
#[test]
fn threads_and_interruptions_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(vec![(pictures(folder.path(), "coco17", 9), 1.0)]);
    let start = Position::default();
    // 18 people make 4 batches per epoch; 10 batches end in the third epoch.
    let all = take(&people, options(1), start, 10);
    for workers in [2, 4] {
        assert!(take(&people, options(workers), start, 10) == all);
    }
    for done in [1, 4, 6] {
        let mut loader = Loader::new(Arc::clone(&people), options(2), start).unwrap();
        for _ in 0..done {
            loader.next_batch().unwrap();
        }
        let saved = serde_json::to_string(&loader.position()).unwrap();
        drop(loader);
        let from: Position = serde_json::from_str(&saved).unwrap();
        let rest = take(&people, options(3), from, 10 - done);
        assert!(rest == all[done..], "after {done} batches");
    }
    assert_eq!((all[9].position.epoch, all[9].position.batch), (2, 1));
    assert_eq!((all[0].sigma, all[5].sigma), (4.0, 3.0));
    assert_ne!(all[0].input, all[4].input);
    let mut other = options(1);
    other.seed = 6;
    assert_ne!(take(&people, other, start, 1)[0], all[0]);

    assert_eq!(all[0].len(), 4);
    let (mut batch, device) = (all[0].clone(), candle_core::Device::Cpu);
    let input = batch.take_input(&device).unwrap();
    assert_eq!(input.dims(), [4, 3, 32, 32]);
    let tensors = batch.into_targets(&device).unwrap();
    assert_eq!(tensors.targets.dims(), [4, 17, 16, 16]);
    assert_eq!(tensors.weights.dims(), [4, 17, 1, 1]);
}

/// Pixels and targets of an input.
type Seen = (Vec<f32>, Vec<f32>, SeenInput);

/// Fails when an input of a variant differs between the epochs that show it, equals that of another
/// variant, or has other targets once its pixels are not needed.
#[test]
fn variants_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(2);
    options.variants = 2;
    options.target.narrow_batches = 0;
    let twice = people(vec![(pictures(folder.path(), "coco17", 4), 2.0)]);
    let epoch = take(&twice, options.clone(), Position::default(), 4);
    let keys: HashSet<InputKey> = epoch
        .iter()
        .flat_map(|b| &b.inputs)
        .map(|i| i.key)
        .collect();
    assert_eq!(
        keys.len(),
        16,
        "a person shown twice in an epoch has two inputs"
    );
    let people = people(vec![(pictures(folder.path(), "coco17", 4), 1.0)]);
    let mut loader = Loader::new(people, options, Position::default()).unwrap();
    let mut epochs: Vec<HashMap<InputKey, Seen>> = vec![HashMap::new(); 4];
    // 8 people make 2 batches per epoch.
    for _ in 0..8 {
        let batch = loader.next_batch().unwrap();
        let n = batch.len();
        let targets = batch.targets.chunks(batch.targets.len() / n);
        let n_pixels = batch.inputs.iter().filter(|input| input.has_pixels).count();
        let mut pixels = batch
            .input
            .chunks((batch.input.len() / n_pixels.max(1)).max(1));
        for (input, target) in batch.inputs.iter().zip(targets) {
            let pixels = if input.has_pixels {
                pixels.next().unwrap().to_vec()
            } else {
                Vec::new()
            };
            let seen = (pixels, target.to_vec(), input.clone());
            epochs[batch.position.epoch as usize].insert(input.key, seen);
            if batch.position.epoch >= 1 {
                loader.set_known(input.key);
            }
        }
    }
    assert!(epochs.iter().all(|epoch| epoch.len() == 8));
    assert!(epochs[0].keys().all(|key| !epochs[1].contains_key(key)));
    for (key, (pixels, target, seen)) in &epochs[0] {
        let (again, same, other) = &epochs[2][key];
        assert!(again == pixels && same == target && other == seen);
    }
    let mut n_without = 0;
    for (key, (_, target, seen)) in &epochs[1] {
        let (_, same, other) = &epochs[3][key];
        assert!(same == target && other.tiles == seen.tiles);
        n_without += usize::from(!other.has_pixels);
    }
    assert!(n_without > 0);
}

/// Fails when training without augmentation sees other pixels or joint positions than evaluation,
/// especially of people whose box or square crosses the image border; or when a person without any
/// part in the image is used.
#[test]
fn without_augmentation_training_sees_what_evaluation_sees() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 3);
    let person = |dataset: &mut Dataset, i: usize, bbox| {
        dataset.samples[i / 2].annotations[i % 2].bbox = bbox;
    };
    person(&mut dataset, 1, BBox::new(-20.0, 6.0, 50.0, 36.0));
    person(&mut dataset, 2, BBox::new(30.0, 20.0, 60.0, 90.0));
    person(&mut dataset, 3, BBox::new(300.0, 20.0, 60.0, 90.0));
    dataset.samples[2].annotations[0].region = Some(Square {
        center: Point::new(3.0, 40.0),
        side: 70.0,
    });
    for alignment in [Alignment::HalfPixel, Alignment::MinusOne] {
        let mut options = options(2);
        options.augment = Augment::default();
        options.input.alignment = alignment;
        options.batch = 5;
        let people = people(vec![(dataset.clone(), 1.0)]);
        let batch = take(&people, options.clone(), Position::default(), 1).remove(0);
        let mut seen = Vec::new();
        for (input, values) in batch
            .inputs
            .iter()
            .zip(batch.input.chunks(options.input.n_values()))
        {
            let tile = &input.tiles[0];
            let sample = &dataset.samples[tile.image_id as usize];
            let mut people = sample.annotations.iter();
            let person = people.find(|a| Some(a.id) == tile.annotation_id).unwrap();
            let roi = options.input.roi_of(person, sample.size).unwrap();
            let frame = picture::of_sample(sample).unwrap();
            let crop = options.input.crop(&frame, &roi, Vec::new());
            assert!(values == crop.values, "{}", person.id);
            assert_eq!(tile.image_from_tile, crop.image_from_input);
            let back = tile.image_from_tile.apply(tile.people[0][4].point);
            assert!(back.distance(person.joints[4].point) < 1e-9);
            seen.push(person.id);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 4, 5]);
    }
}

/// Fails when a broken image ends a run, is skipped only for some numbers of threads, is reported
/// repeatedly, or its file is not named.
#[test]
fn broken_pictures_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 6);
    std::fs::write(&dataset.samples[2].path, b"not an image").unwrap();
    std::fs::remove_file(&dataset.samples[4].path).unwrap();
    dataset.samples[5].size = Size::new(50, 48);
    let run = |workers| {
        let people = people(vec![(dataset.clone(), 1.0)]);
        let mut loader = Loader::new(people, options(workers), Position::default()).unwrap();
        let mut batches = Vec::new();
        while loader.position().epoch < 2 {
            batches.push(loader.next_batch().unwrap());
        }
        (batches, loader.take_skipped())
    };
    let (batches, skipped) = run(1);
    assert!(run(4) == (batches.clone(), skipped.clone()));
    let n: usize = batches.iter().map(Batch::len).sum();
    assert_eq!((n, skipped.len()), (12, 12));
    for epoch in 0..2 {
        let of_epoch = skipped.iter().filter(|b| b.epoch == epoch);
        let mut ids: Vec<u64> = of_epoch.map(|b| b.image_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [2, 2, 4, 4, 5, 5]);
    }
    for b in &skipped {
        let name = format!("{}.png", b.image_id);
        assert!(b.reason.contains(&name) && b.set == 0, "{b:?}");
    }
}

/// Fails when the loader searches a removed folder forever.
#[test]
fn an_epoch_without_pictures_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 4);
    for sample in &mut dataset.samples {
        sample.path = PathBuf::from("/nowhere").join(sample.path.file_name().unwrap());
    }
    let people = people(vec![(dataset, 1.0)]);
    let mut loader = Loader::new(people, options(2), Position::default()).unwrap();
    let message = loader.next_batch().unwrap_err().to_string();
    assert!(message.contains("/nowhere"), "{message}");
    assert!(loader.next_batch().is_err());
}

/// Fails when the weights of data sets do not determine how often their people are shown, or joints
/// that a data set does not label are trained as absent.
#[test]
fn several_sets_are_mixed_by_weight_and_name() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let people = people(vec![
        (pictures(a.path(), "coco17", 4), 2.5),
        (pictures(b.path(), "lsp14", 4), 0.5),
    ]);
    let mut options = options(2);
    options.augment = Augment::default();
    options.target.outside = Outside::Empty;
    let mut loader = Loader::new(Arc::clone(&people), options, Position::default()).unwrap();
    assert_eq!(loader.batches_per_epoch(), 6);
    let mut counts = HashMap::new();
    for _ in 0..6 {
        let batch = loader.next_batch().unwrap();
        for (seen, weights) in batch.inputs.iter().zip(batch.weights.chunks(17)) {
            let tile = &seen.tiles[0];
            *counts.entry((tile.set, tile.annotation_id)).or_insert(0) += 1;
            let face: f32 = weights[..5].iter().sum();
            assert_eq!(face, if tile.set == 0 { 5.0 } else { 0.0 });
            assert_eq!(weights[5..].iter().sum::<f32>(), 12.0);
        }
    }
    let of_set = |set| {
        let mut n: Vec<i32> = counts
            .iter()
            .filter(|((s, _), _)| *s == set)
            .map(|(_, n)| *n)
            .collect();
        n.sort_unstable();
        n
    };
    assert_eq!(of_set(0), [2, 2, 2, 2, 3, 3, 3, 3]);
    assert_eq!(of_set(1), [1; 4]);
    assert_eq!(people.set_name(1), "set1");
}

/// Fails when crowds, people without a box or people without labels are used.
#[test]
fn only_sound_people_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = pictures(folder.path(), "coco17", 3);
    dataset.samples[0].annotations[0].is_crowd = true;
    dataset.samples[0].annotations[1].bbox.w = 0.0;
    dataset.samples[1].annotations[0].bbox.x = f64::NAN;
    for joint in &mut dataset.samples[1].annotations[1].joints {
        joint.visibility = Visibility::Unlabelled;
    }
    for joint in &mut dataset.samples[2].annotations[0].joints {
        joint.point = Point::new(-1000.0, -1000.0);
    }
    let people = people(vec![(dataset, 1.0)]);
    let seen: Vec<u64> = (0..people.len())
        .map(|i| people.get(i).unwrap().annotation.id)
        .collect();
    assert_eq!(seen, [5]);
}

/// Fails when stopping a run waits for everything prepared ahead, which takes seconds every time.
#[test]
fn dropping_ends_the_threads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(vec![(pictures(folder.path(), "coco17", 4), 1000.0)]);
    let mut options = options(2);
    (options.batch, options.prefetch) = (1000, 3);
    options.input.size = Size::square(128);
    quickly(Duration::from_millis(500), || {
        let mut loader =
            Loader::new(Arc::clone(&people), options.clone(), Position::default()).unwrap();
        loader.give_out().unwrap();
        timed(|| drop(loader))
    });
}

/// Fails when invalid options, or a position of different data, start a run.
#[test]
fn mistakes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(vec![(pictures(folder.path(), "coco17", 4), 1.0)]);
    let refused = |spoil: &dyn Fn(&mut LoaderOptions), position| {
        let mut options = options(1);
        spoil(&mut options);
        let loader = Loader::new(Arc::clone(&people), options, position);
        loader.err().unwrap().to_string()
    };
    let start = Position::default();
    assert!(refused(&|o| o.batch = 0, start).contains("batch"));
    assert!(refused(&|o| o.workers = 0, start).contains("thread"));
    assert!(refused(&|o| o.augment.flip = 2.0, start).contains("flip"));
    assert!(refused(&|o| o.target.stride = 3, start).contains("stride"));
    assert!(refused(&|o| o.augment.mosaic.probability = 0.5, start).contains("mosaic"));
    assert!(refused(&|o| o.target.wide_sigma = 0.0, start).contains("sigma"));
    let late = Position { epoch: 1, batch: 2 };
    assert!(refused(&|_| {}, late).contains("batch 2 of epoch 1"));
    let nobody = Arc::new(People::new(people.skeleton()));
    assert!(Loader::new(nobody, options(1), start).is_err());
}

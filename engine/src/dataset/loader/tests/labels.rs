//! Targets where labels are missing: masked, unless the data set declares its labels complete, and
//! absent in images without people.

use super::*;

const BOTTOM_UP: (&str, usize) = ("openpose18", 160);

/// Creates two people in one image, the second far from the first and without a left wrist.
fn without_a_wrist(folder: &Path) -> Dataset {
    let mut dataset = pictures(folder, "coco17", 2);
    let wrist = dataset.skeleton.joint("l_wrist").unwrap();
    for sample in &mut dataset.samples {
        for (person, left) in sample.annotations.iter_mut().zip([2.0, 34.0]) {
            person.bbox = BBox::new(left, 8.0, 22.0, 32.0);
            for (j, joint) in person.joints.iter_mut().enumerate() {
                joint.point = Point::new(left + 1.0 + j as f64, 10.0 + (j * 7 % 28) as f64);
            }
        }
        sample.annotations[1].joints[wrist].visibility = Visibility::Unlabelled;
    }
    dataset
}

fn batch_of(dataset: Dataset, complete: bool, bottom_up: bool) -> (Arc<People>, Batch) {
    let skeleton = if bottom_up { BOTTOM_UP.0 } else { "coco17" };
    let mut people = People::new(Skeleton::by_name(skeleton).unwrap());
    let set = SetOptions {
        complete,
        ..SetOptions::default()
    };
    people.add("set", dataset, &set).unwrap();
    let people = Arc::new(people);
    let mut options = options(1);
    options.augment = crate::augment::Augment::default();
    if bottom_up {
        options.input.size = Size::square(BOTTOM_UP.1);
        options.target = TargetSpec::fields();
    }
    let batch = take(&people, options, Position::default(), 1).remove(0);
    (people, batch)
}

/// Fails when an unlabelled wrist of a labelled person is trained as absent where it may be, when
/// the whole image is masked for it, or when complete labels are not used as such.
#[test]
fn an_unlabelled_joint_is_unknown_inside_its_person() {
    let folder = tempfile::tempdir().unwrap();
    for complete in [false, true] {
        let (people, batch) = batch_of(without_a_wrist(folder.path()), complete, true);
        let wrist = people.skeleton().joint("l_wrist").unwrap();
        let nose = people.skeleton().joint("nose").unwrap();
        let grid = batch.heatmap_size;
        let n = batch.weights.len() / batch.len();
        for (i, seen) in batch.inputs.iter().enumerate() {
            let weights = &batch.weights[i * n..][..n];
            let mut n_unknown = 0;
            for cell in 0..grid.area() {
                let input = |v: usize| 8.0 * v as f64 + 3.5;
                let p = Point::new(input(cell % grid.width), input(cell / grid.width));
                let p = seen.tiles[0].image_from_tile.apply(p);
                // Grown by a tenth of its sides.
                let inside = BBox::new(34.0 - 2.2, 8.0 - 3.2, 26.4, 38.4).contains(p);
                let unknown = inside && !complete;
                let weight = |j: usize| weights[j * grid.area() + cell];
                assert_eq!(weight(wrist), f32::from(u8::from(!unknown)), "{p:?}");
                assert_eq!(weight(nose), 1.0, "{p:?}");
                n_unknown += usize::from(unknown);
            }
            assert_eq!(n_unknown > 5, !complete, "{n_unknown}");
        }
    }
}

/// Fails when a top-down network trains an unlabelled joint as absent although the labels are not
/// complete, or does not although they are.
#[test]
fn complete_labels_teach_absence_to_one_person_networks() {
    let folder = tempfile::tempdir().unwrap();
    for complete in [false, true] {
        let (people, batch) = batch_of(without_a_wrist(folder.path()), complete, false);
        let wrist = people.skeleton().joint("l_wrist").unwrap();
        let mut n_absent = 0;
        for (i, seen) in batch.inputs.iter().enumerate() {
            // Of two people in an image, the odd annotation is the one without a wrist.
            if seen.tiles[0].annotation_id.unwrap() % 2 == 1 {
                let weight = batch.weights[i * 17 + wrist];
                assert_eq!(weight, f32::from(u8::from(complete)));
                n_absent += 1;
            }
        }
        assert!(n_absent > 0);
    }
}

/// Fails when images without people are shown too often, too rarely or not at all, have targets
/// other than absence, depend on the number of threads, or are missing without an error.
#[test]
fn pictures_without_people_teach_that_nothing_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let with_empty = |share: f64, workers: usize, bottom_up: bool| {
        let mut dataset = pictures(folder.path(), "coco17", 9);
        for sample in &mut dataset.samples[6..] {
            sample.annotations.clear();
        }
        let skeleton = if bottom_up { BOTTOM_UP.0 } else { "coco17" };
        let mut people = People::new(Skeleton::by_name(skeleton).unwrap());
        people.add("set", dataset, &SetOptions::default()).unwrap();
        let mut options = options(workers);
        options.empty_share = share;
        if bottom_up {
            options.target = TargetSpec::fields();
            options.augment = (preset("ssa").unwrap().build)();
        }
        (Arc::new(people), options)
    };
    for bottom_up in [false, true] {
        let (people, options) = with_empty(0.25, 1, bottom_up);
        assert_eq!(people.n_empty(), 3);
        let batches = take(&people, options, Position::default(), 8);
        let (again, more_threads) = with_empty(0.25, 3, bottom_up);
        assert!(take(&again, more_threads, Position::default(), 8) == batches);
        let mut shown = HashSet::new();
        for batch in &batches {
            let n = batch.targets.len() / batch.len();
            let n_weights = batch.weights.len() / batch.len();
            let is_empty = |seen: &SeenInput| seen.tiles[0].annotation_id.is_none();
            let empty: Vec<usize> = (0..batch.len())
                .filter(|&i| is_empty(&batch.inputs[i]))
                .collect();
            assert_eq!(empty, [3], "one of four");
            let seen = &batch.inputs[3];
            shown.insert(seen.tiles[0].image_id);
            if seen.tiles.len() == 1 {
                let targets = &batch.targets[3 * n..];
                let weights = &batch.weights[3 * n_weights..];
                let joints = people.skeleton().n_joints() * batch.heatmap_size.area();
                assert!(targets[..joints].iter().all(|v| *v == 0.0));
                let n_taught = people.skeleton().n_joints() * batch.weight_size.area();
                assert!(weights[..n_taught].iter().all(|w| *w == 1.0));
            }
        }
        assert!(shown.len() > 1 && shown.iter().all(|id| *id >= 6));
        // Twelve people in batches of three.
        let loader = Loader::new(
            people,
            with_empty(0.25, 1, bottom_up).1,
            Position::default(),
        );
        assert_eq!(loader.unwrap().batches_per_epoch(), 4);
    }
    let (_, options) = with_empty(0.25, 1, false);
    let nobody_missing = super::people(vec![(pictures(folder.path(), "coco17", 3), 1.0)]);
    let refused = Loader::new(nobody_missing, options, Position::default());
    assert!(refused.unwrap_err().to_string().contains("without people"));
}

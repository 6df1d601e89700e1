//! Tests of the judgement in words.

use super::*;
use poselens_engine::train::{BaselineResults, EpochRecord};
use std::collections::BTreeMap;

fn after(pck: &[Option<f64>]) -> TrainProgress {
    let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
    progress.history = (0..)
        .zip(pck)
        .map(|(epoch, pck)| EpochRecord {
            hits: pck.map_or_else(Vec::new, hits),
            epoch,
            step: epoch,
            lr: 0.1,
            loss: (epoch > 0).then_some(0.5),
            pck: *pck,
            oks_ap: None,
            pck_parts: BTreeMap::new(),
            secs: 1.0,
            images_per_sec: 1.0,
            broken: 0,
            gates: BTreeMap::new(),
        })
        .collect();
    progress
}

fn in_use(name: &str, pck: f64) -> BaselineResults {
    BaselineResults {
        name: name.to_owned(),
        pck: Some(pck),
        oks_ap: None,
        n_joints: 61,
        hits: hits(pck),
    }
}

/// Returns images in each of which this share of the joints was found.
fn hits(pck: f64) -> Vec<[u32; 2]> {
    vec![[(1000.0 * pck).round() as u32, 1000]; 20]
}

/// Fails when worse weights are recommended, or better ones are not.
#[test]
fn the_verdict_follows_the_held_out_people() {
    let of = |pck: &[f64]| verdict(&after(&pck.iter().map(|v| Some(*v)).collect::<Vec<_>>()));
    assert_eq!(of(&[0.8, 0.7, 0.75]).0, Some(false));
    assert_eq!(of(&[0.8, 0.8]).0, Some(false));
    let (better, text) = of(&[0.8, 0.85, 0.84]);
    assert!(
        better == Some(true) && text.contains("5.0 points"),
        "{text}"
    );
    assert!(of(&[0.8, 0.801]).1.starts_with("Hardly"));
    assert_eq!(verdict(&after(&[None, None])).0, None);
    let mut mixed = after(&[Some(0.8), Some(0.9)]);
    (mixed.history[0].oks_ap, mixed.history[1].oks_ap) = (Some(0.5), Some(0.4));
    let (better, text) = verdict(&mixed);
    assert!(
        better.is_none() && text.starts_with("Mixed: 10.0"),
        "{text}"
    );
    mixed.history[1].oks_ap = Some(0.492);
    let (better, text) = verdict(&mixed);
    assert!(
        better == Some(true) && text.contains("10.0 points more") && text.contains("OKS AP -0.8"),
        "{text}"
    );
    assert_eq!(verdict(&after(&[])).0, None);
}

/// Fails when new weights are called better because they beat the untrained network they
/// started from, although the network in use is far better on the same people.
#[test]
fn new_weights_are_compared_with_the_network_in_use() {
    let mut progress = after(&[Some(0.02), Some(0.1), Some(0.15)]);
    progress.is_fresh = true;
    let (better, text) = verdict(&progress);
    assert!(better.is_none() && text.contains("not compared"), "{text}");
    progress.compare_with(in_use("sfm", 0.8));
    let (better, text) = verdict(&progress);
    assert_eq!(better, Some(false));
    assert!(
        text.starts_with("sfm, in use so far, is better") && text.contains("80.0 % against 15.0 %"),
        "{text}"
    );
    progress.history[2].pck = Some(0.85);
    let (better, text) = verdict(&progress);
    assert_eq!(better, Some(true));
    assert!(text.contains("than sfm, in use so far"), "{text}");
}

/// Fails when the advice is to keep initial weights that were never trained, or to lower the
/// learning rate while the loss still falls.
#[test]
fn without_initial_weights_the_advice_is_to_train_longer() {
    let mut progress = after(&[Some(0.0), Some(0.0), Some(0.0)]);
    progress.history[2].loss = Some(0.4);
    assert!(verdict(&progress).1.contains("keep the old"));
    progress.is_fresh = true;
    let (better, text) = verdict(&progress);
    assert_eq!(better, None);
    assert!(
        text.contains("train longer") && !text.contains("keep the old"),
        "{text}"
    );
    progress.history[2].loss = Some(0.6);
    assert!(!verdict(&progress).1.contains("train longer"));
}
/// Fails when weights that equal the network in use are called no better than those that the
/// training began with, although they improved on these.
#[test]
fn equal_weights_are_compared_by_name() {
    let mut progress = after(&[Some(0.934), Some(0.967), Some(0.951)]);
    progress.compare_with(in_use("sfm · 11-30 16:50", 0.967));
    let (better, text) = verdict(&progress);
    assert_eq!(better, Some(false));
    assert!(
        text.starts_with("As good as sfm · 11-30 16:50, in use so far,")
            && text.contains("up from 93.4 % before training")
            && !text.contains("No epoch was better"),
        "{text}"
    );
    // Nothing improved: the initial weights are those in use.
    let mut progress = after(&[Some(0.967), Some(0.967)]);
    progress.compare_with(in_use("sfm", 0.967));
    let (better, text) = verdict(&progress);
    assert!(
        better == Some(false) && text.starts_with("No epoch was better"),
        "{text}"
    );
    // As many joints, but more exactly.
    let mut progress = after(&[Some(0.9), Some(0.95)]);
    progress.history[1].oks_ap = Some(0.9);
    progress.compare_with(BaselineResults {
        oks_ap: Some(0.88),
        ..in_use("sfm", 0.95)
    });
    let (better, text) = verdict(&progress);
    assert!(
        better.is_none() && text.contains("more exactly (OKS AP +2.0)"),
        "{text}"
    );
}

/// Fails when figures that look equal are called different, or their difference is -0.0.
#[test]
fn figures_that_look_equal_are_equal() {
    let pck = 59.0_f64 / 61.0;
    for other in [pck.next_up(), pck.next_down(), pck, pck - 0.0004] {
        assert_eq!(format!("{:+.1}", points(other, pck)), "+0.0");
        assert_eq!(format!("{:+.1}", points(pck, other)), "+0.0");
        let mut progress = after(&[Some(0.9), Some(pck)]);
        progress.compare_with(in_use("sfm", other));
        let text = verdict(&progress).1;
        assert!(text.starts_with("As good as sfm"), "{text}");
    }
    assert_eq!(points(0.5, 0.4), -10.0);
}

/// Fails when a longer training is advised after a divergence, whether its rise is in the
/// first epoch, in a later one, or visible only in the figures.
#[test]
fn a_divergence_is_no_reason_to_train_longer() {
    let losses = |pck: &[f64], losses: &[f64]| {
        let mut progress = after(&pck.iter().map(|v| Some(*v)).collect::<Vec<_>>());
        for (record, loss) in progress.history.iter_mut().skip(1).zip(losses) {
            record.loss = Some(*loss);
        }
        progress.compare_with(in_use("sfm", 0.93));
        progress
    };
    let pck = [0.93, 0.0, 0.0, 0.05, 0.1];
    let risen = losses(&pck, &[0.2289, 4.718e10, 74.77, 1.062]);
    let text = verdict(&risen).1;
    assert!(
        text.contains("from 0.2289 to 4.72e10): the learning rate is too high")
            && !text.contains("train longer"),
        "{text}"
    );
    let mut at_once = losses(&pck, &[900.0, 75.0, 10.0, 1.0]);
    let text = verdict(&at_once).1;
    assert!(
        text.contains("Far fewer joints") && text.contains("too high"),
        "{text}"
    );
    at_once.losses.push(1.0, 0.25);
    let text = verdict(&at_once).1;
    assert!(text.contains("from 0.25 to 900)"), "{text}");
    let sound = losses(&[0.93, 0.91, 0.92, 0.92, 0.92], &[0.3, 0.25, 0.2, 0.15]);
    let text = verdict(&sound).1;
    assert!(text.contains("train longer"), "{text}");
}

/// Fails when a difference that is two joints looks like a proof, or thousands are counted.
#[test]
fn few_joints_are_counted() {
    let mut progress = after(&[Some(57.0 / 61.0), Some(59.0 / 61.0)]);
    progress.compare_with(in_use("sfm", 57.0 / 61.0));
    let text = verdict(&progress).1;
    assert!(
        text.contains("3.3 points more joints found (2 of 61)."),
        "{text}"
    );
    progress.in_use.as_mut().unwrap().n_joints = 5000;
    assert!(verdict(&progress).1.contains("joints found."));
}

/// Fails when a difference that is within its 95 % interval is called better or worse, or weights
/// of which no interval is known are recommended.
#[test]
fn a_difference_that_may_be_chance_is_not_clear() {
    let images = |found: u32| {
        let mut images = vec![[10, 12]; 25];
        images[3][0] = found;
        images
    };
    let of = |before: u32, after: u32| {
        let share = |found: u32| f64::from(240 + found) / 300.0;
        let mut progress = super::tests::after(&[Some(0.5), Some(share(after))]);
        progress.history[1].hits = images(after);
        let mut in_use = in_use("sfm", share(before));
        (in_use.hits, in_use.n_joints) = (images(before), 300);
        progress.compare_with(in_use);
        verdict(&progress)
    };
    for (before, after, more) in [(9, 11, "0.7 points more"), (11, 9, "0.7 points fewer")] {
        let (better, text) = of(before, after);
        assert!(
            better.is_none()
                && text.starts_with("No clear difference to sfm, in use so far,")
                && text.contains(&format!("{more} joints found (2 of 300)")),
            "{text}"
        );
    }
    let mut progress = super::tests::after(&[Some(0.8), Some(0.9)]);
    progress.history[1].hits.clear();
    let (better, text) = verdict(&progress);
    assert!(better.is_none() && text.contains("not known"), "{text}");
}

//! Tests of the progress of a training.

use super::*;

fn record(epoch: u64, pck: f64, loss: f64) -> EpochRecord {
    EpochRecord {
        hits: Vec::new(),
        epoch,
        step: 2 * epoch,
        lr: 0.1,
        loss: (epoch > 0).then_some(loss),
        pck: Some(pck),
        oks_ap: None,
        pck_parts: std::collections::BTreeMap::new(),
        secs: 1.0,
        images_per_sec: 2.0,
        broken: 0,
        gates: std::collections::BTreeMap::new(),
    }
}

/// Fails when events of a training are not shown, or validation looks like a stall.
#[test]
fn events_update_the_progress() {
    let mut progress = TrainProgress::new("run".into(), "sfm".into(), 2);
    progress.take(Event::Started(Started {
        epoch: 0,
        epochs: 2,
        steps_per_epoch: 2,
        warm_up_steps: 0,
        people: 1234,
        n_learning: 1_234_567,
    }));
    assert_eq!(progress.phase, Phase::Running);
    progress.take(Event::Measuring { epoch: 0 });
    assert!(progress.is_measuring);
    let begun = &progress.log[0];
    assert!(begun.contains("1 234 567 trainable"), "{begun}");
    progress.take(Event::Epoch(record(0, 0.5, 0.5)));
    assert!(!progress.is_measuring);
    for step in 1..=2 {
        progress.take(Event::Step {
            step,
            steps: 4,
            loss: 0.25,
            lr: 0.1,
            images_per_sec: 3.0,
            eta_secs: 60.0,
        });
    }
    assert!(!progress.is_measuring && progress.share() == 0.5);
    assert_eq!(progress.about_broken(), None);
    progress.take(Event::Broken {
        pictures: 3,
        first: "7.png: damaged".to_owned(),
    });
    let last = progress.log.back().unwrap();
    assert!(last.starts_with("3 images could not be used") && last.contains("7.png"));
    progress.take(Event::Epoch(EpochRecord {
        broken: 3,
        ..record(1, 0.4, 0.5)
    }));
    assert!(progress.about_broken().unwrap().contains("7.png: damaged"));
    progress.take(Event::Measuring { epoch: 1 });
    progress.take(Event::Stopped(StopReason::Requested));
    assert!(!progress.is_measuring, "the measurement was cancelled");
    assert_eq!(progress.best().unwrap().epoch, 0);
    assert_eq!(progress.judged().unwrap().epoch, 1);
    assert_eq!(progress.first().unwrap().pck, Some(0.5));
    for _ in 0..N_LINES {
        progress.say("x".to_owned());
    }
    assert_eq!(progress.log.len(), N_LINES);
}

/// Fails when the images next to the metrics belong to other weights than those offered,
/// nothing is offered although there are no previous weights, or worse weights are.
#[test]
fn images_and_metrics_are_of_the_offered_weights() {
    let of = |pck: &[f64]| {
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
        for (epoch, pck) in (0..).zip(pck) {
            let held_out_images = HeldOutImages {
                epoch,
                people: Vec::new(),
            };
            progress.show_held_out(Arc::new(held_out_images));
            progress.take(Event::Epoch(record(epoch, *pck, 1.0 / (epoch + 1) as f64)));
        }
        progress
    };
    let shown = |progress: &TrainProgress| {
        let epoch = |p: &Option<Arc<HeldOutImages>>| p.as_ref().map(|p| p.epoch);
        let judged = progress.judged().map(|r| r.epoch);
        assert_eq!(epoch(&progress.after), judged);
        (
            judged,
            progress.offered().map(|r| r.epoch),
            epoch(&progress.now),
        )
    };
    let mut progress = of(&[0.5, 0.7, 0.6, 0.65]);
    assert_eq!(shown(&progress), (Some(1), Some(1), Some(3)));
    let before = HeldOutImages {
        epoch: 0,
        people: Vec::new(),
    };
    // Resumed: the initial weights are shown again.
    progress.show_held_out(Arc::new(before));
    assert_eq!(shown(&progress), (Some(1), Some(1), Some(3)));
    let mut progress = of(&[0.0, 0.0, 0.0]);
    assert_eq!(shown(&progress), (Some(2), None, Some(2)));
    progress.is_fresh = true;
    assert_eq!(shown(&progress), (Some(2), Some(2), Some(2)));
    assert!(progress.is_falling() && !of(&[0.5, 0.5]).is_falling());
    assert_eq!(of(&[0.5]).judged(), None);
    let last = progress.history.last().unwrap().clone();
    for (epoch, loss) in (3..).zip([0.2, 0.21, 0.1, 0.101]) {
        progress.history.push(EpochRecord {
            epoch,
            loss: Some(loss),
            ..last.clone()
        });
    }
    assert!(progress.is_falling(), "one epoch went up");
}

/// Fails when the weights before the training, or weights of which a figure fell below them, are
/// called the best so far in the log.
#[test]
fn the_log_says_what_weights_are_the_best_of() {
    let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
    let mut log = |epoch: u64, pck: f64, oks_ap: f64| {
        progress.take(Event::Epoch(EpochRecord {
            oks_ap: Some(oks_ap),
            ..record(epoch, pck, 0.5)
        }));
        progress.take(Event::Saved { is_best: true });
        progress.log.back().unwrap().clone()
    };
    assert!(log(0, 0.9, 1.0).starts_with("Saved: the start"));
    assert!(log(1, 0.91, 0.975).ends_with("best of this training, with OKS AP below the start"));
    assert!(log(2, 0.89, 1.0).ends_with("best of this training, below the start"));
    assert_eq!(log(3, 0.95, 1.0), "Saved; the best so far");
}

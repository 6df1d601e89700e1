//! Judgement of trained weights in words: whether they are better than the network in use, and what
//! to do otherwise.

use crate::gui::training::progress::TrainProgress;
use crate::words::short;

/// Differences in PCK below half a point are hardly noticeable.
const HARDLY: f64 = 0.5;
/// Drop in average precision that counts as significant, in points.
const MUCH: f64 = 2.0;
/// Ratio of an epoch's mean loss to the loss at the start that no stable training reaches.
const RISEN: f64 = 3.0;
/// PCK of a network that detects people, 0 to 1.
const DETECTS: f64 = 0.2;
/// Number of joints from which the number of joints says no more than the percentage.
const MANY_JOINTS: usize = 1000;

/// Returns the difference of two fractions in percentage points, rounded to the digit that is
/// shown: figures that look equal have no difference, and it is never -0.
pub(super) fn points(before: f64, after: f64) -> f64 {
    // Of the shown figures, so that they add up.
    let tenths = |share: f64| (1000.0 * share).round();
    let points = (tenths(after) - tenths(before)) / 10.0;
    if points == 0.0 { 0.0 } else { points }
}

/// Returns whether the new weights are better, and a sentence about it.
pub(super) fn verdict(progress: &TrainProgress) -> (Option<bool>, String) {
    let Some(judged) = progress.judged() else {
        return (None, "No epoch is done yet.".to_owned());
    };
    let Some(after) = judged.pck else {
        let text = "Without held-out people, improvement cannot be measured.";
        return (None, text.to_owned());
    };
    let (pck, oks_ap) = progress.baseline().unwrap_or_default();
    let Some(before) = pck else {
        if progress.first().and_then(|first| first.pck) >= Some(after) {
            return unbeaten(progress);
        }
        let text = "It was not compared with the network in use; check the people below before \
         you decide.";
        return (None, text.to_owned());
    };
    let difference = points(before, after);
    let precision = oks_ap.zip(judged.oks_ap);
    let precision = precision.map_or(0.0, |(before, after)| points(before, after));
    if difference < 0.0 {
        return match &progress.in_use {
            Some(in_use) => worse(progress, &in_use.name, before, after),
            None => unbeaten(progress),
        };
    }
    if difference == 0.0 {
        let is_compared = progress.is_fresh && progress.in_use.is_some();
        return if progress.has_improved() || is_compared {
            equal(progress, after, precision)
        } else {
            unbeaten(progress)
        };
    }
    if precision < -MUCH {
        let text = format!(
            "Mixed: {difference:.1} points more joints are found, but poses are less precise (OKS \
             AP {precision:.1}). Check the people below before you decide."
        );
        return (None, text);
    }
    let how = if difference < HARDLY {
        "Hardly better"
    } else {
        "Better"
    };
    let than = progress.in_use.as_ref().map_or_else(String::new, |in_use| {
        format!(" than {}, in use so far,", in_use.name)
    });
    let joints = joints(progress, after - before);
    let fallen = if precision < 0.0 {
        format!(", though whole people a little less exactly (OKS AP {precision:.1})")
    } else {
        String::new()
    };
    let text = format!(
        "{how}{than} on the held-out people: {difference:.1} points more joints \
         found{joints}{fallen}."
    );
    (Some(true), text)
}

/// Returns the number of joints behind a difference in PCK, if the joints are few.
fn joints(progress: &TrainProgress, difference: f64) -> String {
    let n = progress.in_use.as_ref().map_or(0, |in_use| in_use.n_joints);
    if !(1..MANY_JOINTS).contains(&n) {
        return String::new();
    }
    format!(" ({:.0} of {n})", difference * n as f64)
}

/// Returns the sentence for weights that find as many joints as the baseline.
fn equal(progress: &TrainProgress, pck: f64, precision: f64) -> (Option<bool>, String) {
    let than = progress.in_use.as_ref().map_or_else(
        || "the network before training".to_owned(),
        |in_use| format!("{}, in use so far,", in_use.name),
    );
    // The list of trainings shows this improvement.
    let first = progress.first().and_then(|first| first.pck);
    let began = first.filter(|first| points(*first, pck) != 0.0);
    let began = began.map_or_else(String::new, |first| {
        format!(", up from {:.1} % before training", 100.0 * first)
    });
    let exactness = match precision {
        0.0 => String::new(),
        p if p < 0.0 => format!("; whole people are found less exactly (OKS AP {p:+.1})"),
        p => format!("; whole people are found more exactly (OKS AP {p:+.1})"),
    };
    let (is_better, advice) = if precision > 0.0 {
        let text = "Check the people below before you decide.";
        (None, text.to_owned())
    } else {
        let advice = advice(progress, "More varied images may help.");
        (Some(false), format!("Keep it. {advice}"))
    };
    let text = format!(
        "As good as {than} on the held-out people: both find {:.1} % of the joints \
         (PCK@0.2){began}{exactness}. {advice}",
        100.0 * pck
    );
    (is_better, text)
}

/// Returns the sentence for a training whose weights are worse than the network in use.
fn worse(progress: &TrainProgress, name: &str, before: f64, after: f64) -> (Option<bool>, String) {
    let text = format!(
        "{name}, in use so far, is better on the held-out people: PCK@0.2 {:.1} % against \
         {:.1} % of the new weights. Keep it. {}",
        100.0 * before,
        100.0 * after,
        advice(progress, "More varied images may help.")
    );
    (Some(false), text)
}

/// Returns the sentence for a training of which no epoch improved on its initial weights.
fn unbeaten(progress: &TrainProgress) -> (Option<bool>, String) {
    if progress.is_fresh {
        let otherwise =
            "The loss no longer falls: more varied images or another learning rate may help.";
        let text = format!(
            "It is not yet better on the held-out people than the untrained network, and there \
             are no earlier weights to keep. {}",
            advice(progress, otherwise)
        );
        return (None, text);
    }
    let text = format!(
        "No epoch was better on the held-out people than the network before training: keep the \
         old weights. {}",
        advice(
            progress,
            "More varied images or a lower learning rate may help."
        )
    );
    (Some(false), text)
}

/// Returns what to do for better weights: a wrong learning rate first, then a longer training.
fn advice(progress: &TrainProgress, otherwise: &str) -> String {
    if let Some((start, peak)) = rise(progress) {
        return format!(
            "The loss rose far above its start (from {} to {}): the learning rate is too high. \
             Start again with a lower one.",
            short(start),
            short(peak)
        );
    }
    if is_ruined(progress) {
        return "Far fewer joints are found than before training: the learning rate is probably \
                too high. Start again with a lower one."
            .to_owned();
    }
    if progress.is_falling() {
        return "The loss was still falling: train longer.".to_owned();
    }
    otherwise.to_owned()
}

/// Returns the loss at the start and the highest mean of an epoch, if it rose far above its start.
fn rise(progress: &TrainProgress) -> Option<(f64, f64)> {
    let losses = || {
        progress
            .history
            .iter()
            .filter_map(|r| Some((r.step, r.loss?)))
    };
    let (end_of_first, first) = losses().next()?;
    // The first epoch may have diverged itself. Without stored losses, the point is its mean.
    let first_step = progress.losses.points.first();
    let first_step = first_step.filter(|[step, _]| *step <= end_of_first as f64);
    let start = first_step.map_or(first, |[_, loss]| *loss);
    let peak = losses().map(|(_, loss)| loss).reduce(f64::max)?;
    (start > 0.0 && peak > RISEN * start).then_some((start, peak))
}

/// Returns whether the training ruined weights that detected people.
fn is_ruined(progress: &TrainProgress) -> bool {
    let first = progress.first().and_then(|first| first.pck);
    let last = progress.history.last().and_then(|last| last.pck);
    let fell = |(first, last): (f64, f64)| first >= DETECTS && last < 0.5 * first;
    first.zip(last).is_some_and(fell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poselens_engine::train::{BaselineResults, EpochRecord};
    use std::collections::BTreeMap;

    fn after(pck: &[Option<f64>]) -> TrainProgress {
        let mut progress = TrainProgress::new("run".into(), "sfm".into(), 3);
        progress.history = (0..)
            .zip(pck)
            .map(|(epoch, pck)| EpochRecord {
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
        }
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
            better == Some(true)
                && text.contains("10.0 points more")
                && text.contains("OKS AP -0.8"),
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
            text.starts_with("sfm, in use so far, is better")
                && text.contains("80.0 % against 15.0 %"),
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
}

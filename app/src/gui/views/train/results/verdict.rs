//! Judgement of trained weights in words: whether they are better than the network in use, and what
//! to do otherwise.

use poselens_engine::finetune::{Interval, pck_interval};

use crate::gui::scale::Scale;
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

/// Returns the difference of two fractions in percentage points, as they are shown: figures that
/// look equal have no difference.
pub(super) fn points(before: f64, after: f64) -> f64 {
    Scale::PERCENT.difference(before, after)
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
    let interval = interval(progress);
    let is_clear = interval.is_none_or(|[low, high]| low > 0.0 || high < 0.0);
    // Without a network in use, the initial weights are kept unless they are beaten.
    if !is_clear
        && (difference > 0.0 || difference < 0.0 && progress.in_use.is_some())
        && let Some(interval) = interval
    {
        return unclear(progress, difference, after - before, interval);
    }
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
    let than = name_in_use(progress).map_or_else(String::new, |name| format!(" than {name}"));
    let joints = joints(progress, after - before);
    let fallen = if precision < 0.0 {
        format!(", though whole people a little less exactly (OKS AP {precision:.1})")
    } else {
        String::new()
    };
    let mut text = format!(
        "{how}{than} on the held-out people: {difference:.1} points more joints \
         found{joints}{fallen}."
    );
    if interval.is_none() {
        text.push_str(" Whether that is more than chance is not known; check the people below.");
    }
    (interval.is_some().then_some(true), text)
}

/// Returns what the network in use is called in a sentence: `sfm, in use so far,`.
fn name_in_use(progress: &TrainProgress) -> Option<String> {
    let in_use = progress.in_use.as_ref()?;
    Some(format!("{}, in use so far,", in_use.name))
}

/// Returns the 95 % interval of the difference in PCK to the baseline. `None` if it is not known: with
/// fewer than three images, or after a training of an earlier version.
fn interval(progress: &TrainProgress) -> Option<Interval> {
    let after = &progress.judged()?.hits;
    let before = match &progress.in_use {
        Some(in_use) => &in_use.hits,
        None => &progress.first().filter(|_| !progress.is_fresh)?.hits,
    };
    pck_interval(before, after)
}

/// Returns the sentence for a difference to the baseline that is within its interval. `share` is the
/// difference before rounding.
fn unclear(
    progress: &TrainProgress,
    points: f64,
    share: f64,
    interval: Interval,
) -> (Option<bool>, String) {
    let than = name_in_use(progress).unwrap_or_else(|| "the network before training".to_owned());
    let more = if points > 0.0 { "more" } else { "fewer" };
    let [low, high] = interval.map(|limit| Scale::PERCENT.difference(0.0, limit));
    let text = format!(
        "No clear difference to {than} on the held-out people: {:.1} points {more} joints found{} \
         may be chance (95 % interval {low:+.1} to {high:+.1} points). {}",
        points.abs(),
        joints(progress, share.abs()),
        advice(progress, "More held-out people make it clear.")
    );
    (None, text)
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
    let than = name_in_use(progress).unwrap_or_else(|| "the network before training".to_owned());
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
mod tests;

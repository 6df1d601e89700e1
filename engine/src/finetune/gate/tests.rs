//! Tests of the verdict.

use super::*;

/// Returns frames of one person whose five joints all have the error of the frame.
fn frames(errors: &[f64]) -> Vec<FrameErrors> {
    let frame = |(i, error): (usize, &f64)| FrameErrors {
        clip: "clip".to_owned(),
        frame: i as u32,
        people: vec![vec![*error; 5]],
        poses: Vec::new(),
    };
    errors.iter().enumerate().map(frame).collect()
}

fn compared(before: &[f64], after: &[f64]) -> Comparison {
    compare(&frames(before), &frames(after), 0).unwrap()
}

/// Fails when a verdict is wrong at its borders: no change, a change in every frame, in one of
/// many, or in too few frames to tell.
#[test]
fn verdicts_at_the_borders() {
    let before = [0.2; 12];
    let one = |value: f64| {
        let mut after = before;
        after[3] = value;
        after
    };
    for (after, verdict) in [
        (before, Verdict::NoClearDifference),
        ([0.19; 12], Verdict::Better),
        ([0.21; 12], Verdict::Worse),
        (one(0.01), Verdict::NoClearDifference),
        (one(2.0), Verdict::NoClearDifference),
    ] {
        assert_eq!(
            Verdict::of(&compared(&before, &after)),
            verdict,
            "{after:?}"
        );
    }
    assert_eq!(
        Verdict::of(&compared(&[0.2; 2], &[0.1; 2])),
        Verdict::NoClearDifference
    );
    assert_eq!(
        Verdict::of(&compared(&[0.2; 3], &[0.1; 3])),
        Verdict::Better
    );
    for verdict in [Verdict::Better, Verdict::Worse, Verdict::NoClearDifference] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
}

/// Fails when a loss is not said, a gain or a change within the tolerance is called a loss, or the
/// place is not named.
#[test]
fn losses_are_said_in_plain_words() {
    let same = compared(&[0.05; 12], &[0.05; 12]);
    let small = compared(&[0.05; 12], &[0.06; 12]);
    let large = compared(&[0.05; 12], &[0.25; 12]);
    let better = compared(&[0.25; 12], &[0.05; 12]);
    assert_eq!(losses(&better, Some(&same)), [""; 0]);
    assert_eq!(losses(&same, Some(&small)), [""; 0]);
    assert_eq!(losses(&small, None).len(), 1);
    let said = losses(&better, Some(&large));
    assert_eq!(said.len(), 3, "{said:?}");
    for (line, part) in said
        .iter()
        .zip(["mean error rose", "PCK@0.1 fell", "PCK@0.2 fell"])
    {
        assert!(
            line.contains(part) && line.contains("not labelled"),
            "{line}"
        );
    }
    assert_eq!(losses(&compared(&[0.1; 2], &[0.9; 2]), None), [""; 0]);
}

/// Fails when the worst frame of the new network is not the first.
#[test]
fn the_worst_frames_come_first() {
    let listed = worst_first(&frames(&[0.3, 0.2, 0.1]), &frames(&[0.1, 0.4, 0.2]));
    let numbers: Vec<u32> = listed.iter().map(|frame| frame.frame).collect();
    assert_eq!(numbers, [1, 2, 0]);
    assert!((listed[0].before - 0.2).abs() < 1e-12 && (listed[0].after - 0.4).abs() < 1e-12);
}

/// Fails when a round of the hold-out has the name of another one because an earlier round has no
/// measured person.
#[test]
fn rounds_keep_their_names() {
    let same = compared(&[0.05; 12], &[0.05; 12]);
    let mut gate = Gate {
        version: VERSION,
        verdict: Verdict::NoClearDifference,
        losses: Vec::new(),
        remarks: Vec::new(),
        holdout: same.clone(),
        rounds: vec![same.clone(), same],
        round_numbers: vec![1, 3],
        retention: None,
        frames: Vec::new(),
    };
    let names =
        |gate: &Gate| -> Vec<String> { gate.named_rounds().map(|(name, _)| name).collect() };
    assert_eq!(names(&gate), ["round 1", "round 3"]);
    gate.round_numbers.clear();
    assert_eq!(names(&gate), ["round 1", "round 2"]);
}

//! Edits of tracks, in temporary folders.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::line::with_ids;
use super::*;
use crate::Result;
use crate::concurrency::StopFlag;

/// Returns a person as text; numbers are written in ways that a parser would not reproduce.
fn person(id: &str, x: u64) -> String {
    let joints = vec![format!("[{x}.50,1e1, 0.90]"); 14].join(",");
    format!(
        r#"{{"track_id":{id},"score":0.90,"mood":"a \"}}],","box":[0,0,1.0,1],"keypoints":[{joints}],"keypoints_raw":[{joints}]}}"#
    )
}

fn line(frame: u64, people: &[String]) -> String {
    let (people, secs) = (people.join(", "), frame as f64 / 8.0);
    format!(
        "{{\"frame\":{frame},\"time_secs\":{secs},\"note\":{{\"poses\":[1,{{}}]}},\"width\":64,\
         \"height\":48,\"model\":\"fake\",\"skeleton\":\"lsp14\",\"poses\":[{people}],\"z\":[]}}\n"
    )
}

/// Returns twelve frames: #1 is always there, #2 in the first half, #3 in the second one, and a
/// person without an id in frame 0.
fn recorded() -> String {
    let frames = (0..12).map(|frame| {
        let mut people = vec![person("1", frame)];
        people.push(person(if frame < 6 { "2" } else { "3" }, 10 + frame));
        if frame == 0 {
            people.push(person("null", 30));
        }
        line(frame, &people)
    });
    frames.collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(poses: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.at("poses.jsonl"), poses).unwrap();
        folder
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> Tracks {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Tracks> {
        Tracks::open(&self.at("poses.jsonl"), &StopFlag::new(), &mut |_, _| {})
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn edited(&self) -> String {
        self.text("poses.edited.jsonl")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

fn ids(tracks: &Tracks, frame: u64) -> Vec<Option<u64>> {
    let found = tracks.at(At::Frame(frame)).unwrap().unwrap();
    found.poses.iter().map(|pose| pose.track_id).collect()
}

fn all_ids(tracks: &Tracks) -> Vec<Vec<Option<u64>>> {
    (0..12).map(|frame| ids(tracks, frame)).collect()
}

fn swap(a: u64, b: u64, frames: std::ops::RangeInclusive<u64>) -> TrackEdit {
    TrackEdit::Swap { a, b, frames }
}

fn join(from: u64, into: u64, frames: std::ops::RangeInclusive<u64>) -> TrackEdit {
    TrackEdit::Join { from, into, frames }
}

fn refused(outcome: Result<()>) -> String {
    outcome.unwrap_err().to_string()
}

/// Fails when a correction of ids changes a number, an unknown field, a string or the white space
/// of a line, or leaves a comma without a person.
#[test]
fn only_ids_change_in_a_line() {
    use TrackId::{Absent, Id, Removed};
    let people = [person("7", 1), person("null", 2), person("8", 3)];
    let before = line(4, &people);
    let now = |ids: [TrackId; 3]| {
        let recorded = [Id(7), Absent, Id(8)];
        let line = with_ids(before.as_bytes(), &recorded, &ids).unwrap();
        String::from_utf8(line).unwrap()
    };
    let [a, b, c] = people;
    assert_eq!(now([Id(7), Absent, Id(8)]), before);
    let swapped = [person("8", 1), b.clone(), person("1234", 3)];
    assert_eq!(now([Id(8), Absent, Id(1234)]), line(4, &swapped));
    assert_eq!(
        now([Removed, Absent, Id(8)]),
        line(4, &[b.clone(), c.clone()])
    );
    assert_eq!(now([Id(7), Removed, Id(8)]), line(4, &[a.clone(), c]));
    assert_eq!(now([Id(7), Absent, Removed]), line(4, &[a, b.clone()]));
    assert_eq!(now([Removed, Absent, Removed]), line(4, &[b]));
    assert_eq!(now([Removed; 3]), line(4, &[]));
    assert_eq!(with_ids(before.as_bytes(), &[], &[]), None);
}

/// Fails when tracks are listed with other frames than those they are in, or the people of a frame
/// are those of another one.
#[test]
fn tracks_and_people_are_those_recorded() {
    let folder = Folder::new(&recorded());
    let tracks = folder.open();
    let listed = |t: Track| (t.id, t.first, t.last, t.n_frames);
    let all: Vec<_> = tracks.tracks().into_iter().map(listed).collect();
    assert_eq!(all, [(1, 0, 11, 12), (2, 0, 5, 6), (3, 6, 11, 6)]);
    let found = tracks.at(At::Frame(7)).unwrap().unwrap();
    assert_eq!((found.frame, &*found.model), (7, "fake"));
    assert_eq!(found.poses[1].keypoints[3].x, 17.5);
    assert_eq!(found.poses[1].track_id, Some(3));
    assert_eq!(ids(&tracks, 0), [Some(1), Some(2), None]);
    assert!(tracks.at(At::Frame(12)).unwrap().is_none());
    // The annotated video may begin later; its times count from its first frame.
    let later: String = recorded().split_inclusive('\n').skip(4).collect();
    let folder = Folder::new(&later);
    let found = folder.open().at(At::Secs(0.25001)).unwrap().unwrap();
    assert_eq!(found.frame, 6);
    assert!(folder.open().at(At::Secs(0.3)).unwrap().is_none());
    // Nothing is written by looking.
    assert_eq!(folder.names(), ["poses.jsonl"]);
}

/// Fails when an edit applies outside its frames, is not on disk, changes the recorded file, or
/// cannot be undone and made again.
#[test]
fn edits_are_written_and_undone() {
    let folder = Folder::new(&recorded());
    let mut tracks = folder.open();
    tracks.edit(swap(1, 2, 3..=u64::MAX)).unwrap();
    assert_eq!(ids(&tracks, 2), [Some(1), Some(2)]);
    assert_eq!(ids(&tracks, 3), [Some(2), Some(1)]);
    assert_eq!(ids(&tracks, 9), [Some(2), Some(3)]);
    tracks.edit(join(3, 1, 0..=u64::MAX)).unwrap();
    assert_eq!(ids(&tracks, 9), [Some(2), Some(1)]);
    let remove = TrackEdit::Remove {
        id: 2,
        frames: 11..=11,
    };
    assert_eq!(remove.to_string(), "remove #2");
    tracks.edit(remove).unwrap();
    assert_eq!(ids(&tracks, 11), [Some(1)]);
    assert_eq!(tracks.depth(), (3, 0));
    let (edited, now) = (folder.edited(), all_ids(&tracks));
    let last = edited.lines().nth(11).unwrap();
    assert_eq!(format!("{last}\n"), line(11, &[person("1", 21)]));
    assert_eq!(folder.text("poses.jsonl"), recorded());

    // After a restart.
    let mut tracks = folder.open();
    assert_eq!((all_ids(&tracks), tracks.depth()), (now.clone(), (3, 0)));
    for n in (0..3).rev() {
        assert!(tracks.undo().unwrap());
        assert_eq!(tracks.depth(), (n, 3 - n));
    }
    assert!(!tracks.undo().unwrap());
    assert_eq!(folder.edited(), recorded());
    let mut tracks = folder.open();
    assert_eq!(tracks.depth(), (0, 3));
    while tracks.redo().unwrap() {}
    assert_eq!((folder.edited(), all_ids(&tracks)), (edited, now));
    // Another edit forgets those that were undone.
    tracks.undo().unwrap();
    tracks.edit(swap(1, 2, 0..=0)).unwrap();
    assert_eq!(tracks.depth(), (3, 0));
}

/// Fails when two people become one, an edit without effect is accepted, or a refusal does not say
/// why.
#[test]
fn impossible_edits_are_refused() {
    let folder = Folder::new(&recorded());
    let mut tracks = folder.open();
    let before = all_ids(&tracks);
    for (edit, reason) in [
        (
            join(3, 1, 0..=8),
            "#3 and #1 are two people: both are in 3 frames, first in frame 6",
        ),
        (join(2, 3, 6..=9), "#2 is not in frames 6 to 9"),
        (swap(2, 9, 0..=9), "there is no #9"),
        (swap(2, 2, 0..=9), "#2 is one person: choose two"),
        (
            swap(2, 3, 20..=30),
            "neither #2 nor #3 is in frames 20 to 30",
        ),
        (
            TrackEdit::Remove {
                id: 3,
                frames: 0..=5,
            },
            "#3 is not in frames 0 to 5",
        ),
    ] {
        assert_eq!(refused(tracks.edit(edit)), reason);
    }
    assert_eq!(all_ids(&tracks), before);
    assert_eq!(folder.names(), ["poses.jsonl"]);
    // These two are never in the same frame.
    tracks.edit(join(3, 2, 0..=11)).unwrap();
}

/// Fails when a recording that was interrupted or damaged cannot be corrected, or what is left out
/// is not counted.
#[test]
fn damaged_lines_are_left_out_and_counted() {
    let good: Vec<_> = recorded().lines().map(|l| format!("{l}\n")).collect();
    let twice = line(5, &[person("1", 0), person("1", 1)]);
    let cut = &good[9][..good[9].len() / 2];
    let text = [
        &*good[0], "\0\0\n", &good[1], "\n", &good[0], &twice, &good[8], cut,
    ]
    .concat();
    let folder = Folder::new(&text);
    let mut tracks = folder.open();
    let remarks = tracks.remarks().join("; ");
    assert!(
        remarks.contains("3 damaged lines were left out, first line 2: "),
        "{remarks}"
    );
    assert!(remarks.contains("the last line is incomplete"), "{remarks}");
    tracks.edit(swap(1, 3, 8..=8)).unwrap();
    let swapped = line(8, &[person("3", 8), person("1", 18)]);
    assert_eq!(folder.edited(), [&*good[0], &good[1], &swapped].concat());
    // A last line without a line break can be complete.
    let whole = Folder::new(recorded().trim_end());
    assert!(whole.open().remarks().is_empty());
    for (text, reason) in [
        ("", "no frame was recorded in it"),
        ("{}\n", "not the poses of a recording: line 1"),
        ("[[1]]\n[2]\n", "not the poses of a recording: line 1"),
    ] {
        let error = Folder::new(text).try_open().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Fails when edits are applied to poses that they were not made for, edits of another program or
/// version are overwritten, or a refusal changes a file.
#[test]
fn edits_of_other_poses_are_left_alone() {
    let folder = Folder::new(&recorded());
    let mut tracks = folder.open();
    tracks.edit(swap(1, 2, 0..=3)).unwrap();
    let stored = folder.text("poses.edits.json");
    let mut other = folder.open();
    other.edit(swap(1, 2, 5..=5)).unwrap();
    let message = refused(tracks.edit(swap(1, 3, 0..=9)));
    assert!(message.contains("changed by another program"), "{message}");
    assert_eq!(ids(&tracks, 7), [Some(1), Some(3)]);

    let newer = stored.replace("\"version\": 1", "\"version\": 2");
    let broken = &stored[..stored.len() / 2];
    let longer = [recorded(), line(12, &[])].concat();
    for (poses, list, reason) in [
        (&*recorded(), &*newer, "newer version"),
        (&*recorded(), broken, "is damaged"),
        (&*longer, &*stored, "has changed since"),
    ] {
        fs::write(folder.at("poses.jsonl"), poses).unwrap();
        fs::write(folder.at("poses.edits.json"), list).unwrap();
        let mut tracks = folder.open();
        let obstacle = tracks.obstacle().unwrap().to_owned();
        assert!(obstacle.contains(reason), "{obstacle}");
        assert_eq!(ids(&tracks, 0), [Some(1), Some(2), None]);
        assert_eq!(refused(tracks.edit(swap(1, 2, 0..=0))), obstacle);
        assert_eq!(folder.text("poses.edits.json"), list);
        assert_eq!(folder.text("poses.jsonl"), poses);
    }
    // The poses are still being recorded.
    fs::remove_file(folder.at("poses.edits.json")).unwrap();
    let mut tracks = folder.open();
    fs::write(
        folder.at("poses.jsonl"),
        [&*longer, &line(13, &[])].concat(),
    )
    .unwrap();
    let message = refused(tracks.edit(swap(1, 2, 0..=0)));
    assert!(message.contains("still being recorded"), "{message}");
    assert!(!folder.at("poses.edits.json").exists());
}

/// Fails when an edit counts that is not on disk, or files do not agree after a kill between them.
#[test]
fn a_failed_or_killed_write_costs_nothing() {
    let folder = Folder::new(&recorded());
    let mut tracks = folder.open();
    tracks.edit(swap(1, 2, 0..=3)).unwrap();
    let (edited, names) = (folder.edited(), folder.names());
    for name in [
        "poses.edited.jsonl.poselens.part",
        "poses.edits.json.poselens.part",
    ] {
        fs::create_dir(folder.at(name)).unwrap();
        let message = refused(tracks.edit(swap(1, 2, 5..=5)));
        assert!(message.contains("cannot write"), "{message}");
        assert_eq!(tracks.depth(), (1, 0));
        assert_eq!(
            (folder.edited(), ids(&tracks, 5)),
            (edited.clone(), vec![Some(1), Some(2)])
        );
        fs::remove_dir(folder.at(name)).unwrap();
        assert_eq!(folder.names(), names);
    }
    for stale in [Some("half"), None] {
        match stale {
            Some(text) => fs::write(folder.at("poses.edited.jsonl"), text).unwrap(),
            None => fs::remove_file(folder.at("poses.edited.jsonl")).unwrap(),
        }
        let remarks = folder.open().remarks().join("; ");
        assert!(remarks.contains("is written again"), "{remarks}");
        assert_eq!(folder.edited(), edited);
    }
    assert!(folder.open().remarks().is_empty());
    let stop = StopFlag::new();
    stop.stop();
    let stopped = Tracks::open(&folder.at("poses.jsonl"), &stop, &mut |_, _| {});
    assert!(stopped.unwrap_err().is_cancelled());
}

/// A step of a random session.
#[derive(Debug, Clone)]
enum Step {
    Edit(TrackEdit),
    Undo,
    Redo,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let ids = (1..5_u64, 1..5_u64);
    let edit = (0..3, ids, 0..12_u64, 0..12_u64).prop_map(|(kind, (a, b), from, n)| {
        let frames = from..=from + n;
        Step::Edit(match kind {
            0 => swap(a, b, frames),
            1 => join(a, b, frames),
            _ => TrackEdit::Remove { id: a, frames },
        })
    });
    prop_oneof![
        4 => edit,
        2 => Just(Step::Undo),
        1 => Just(Step::Redo),
        1 => Just(Step::Reopen),
    ]
}

/// Checks that no frame has an id twice, and that the file has the ids in memory.
fn check(folder: &Path, tracks: &Tracks) {
    for frame in 0..12 {
        let mut here: Vec<_> = ids(tracks, frame).into_iter().flatten().collect();
        here.sort_unstable();
        let n = here.len();
        here.dedup();
        assert_eq!(here.len(), n, "frame {frame}");
    }
    let edited = folder.join("poses.edited.jsonl");
    if edited.exists() {
        let again = Tracks::open(&edited, &StopFlag::new(), &mut |_, _| {}).unwrap();
        assert_eq!(all_ids(&again), all_ids(tracks));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fails when a frame has an id twice, the files are not what is in memory, a restart changes
    /// anything, or undoing everything does not restore every byte.
    #[test]
    fn any_session_is_kept(steps in proptest::collection::vec(any_step(), 1..10)) {
        let folder = Folder::new(&recorded());
        let mut tracks = folder.open();
        for step in steps {
            let (before, depth) = (all_ids(&tracks), tracks.depth());
            match step {
                Step::Edit(edit) => {
                    if tracks.edit(edit).is_ok() {
                        prop_assert_eq!(tracks.depth(), (depth.0 + 1, 0));
                    } else {
                        prop_assert_eq!(all_ids(&tracks), before);
                    }
                }
                Step::Undo => prop_assert_eq!(tracks.undo().unwrap(), depth.0 > 0),
                Step::Redo => prop_assert_eq!(tracks.redo().unwrap(), depth.1 > 0),
                Step::Reopen => {
                    tracks = folder.open();
                    prop_assert!(tracks.remarks().is_empty() && tracks.obstacle().is_none());
                    prop_assert_eq!((all_ids(&tracks), tracks.depth()), (before, depth));
                }
            }
            check(folder.0.path(), &tracks);
        }
        let any_edits = folder.at("poses.edited.jsonl").exists();
        while tracks.undo().unwrap() {}
        prop_assert!(!any_edits || folder.edited() == recorded());
        prop_assert_eq!(folder.text("poses.jsonl"), recorded());
    }

    /// Fails when swapping twice is not the same as not at all.
    #[test]
    fn two_swaps_change_nothing(a in 1..4_u64, b in 1..4_u64, from in 0..12_u64, n in 0..12_u64) {
        let folder = Folder::new(&recorded());
        let mut tracks = folder.open();
        // A swap with a track that has no frame in the range may leave no frame of the other one.
        let mut swapped = || tracks.edit(swap(a, b, from..=from + n)).is_ok();
        if swapped() && swapped() {
            prop_assert_eq!(folder.edited(), recorded());
        }
    }

    /// Fails when a damaged file causes a panic.
    #[test]
    fn anything_can_be_read(at in 0..4000_usize, byte in any::<u8>(), end in 0..4000_usize) {
        let mut text = recorded().into_bytes();
        text[at] = byte;
        text.truncate(end.max(at));
        let folder = Folder::new("");
        fs::write(folder.at("poses.jsonl"), text).unwrap();
        if let Ok(mut tracks) = folder.try_open() {
            let _ = tracks.edit(swap(1, 2, 0..=9));
        }
    }
}

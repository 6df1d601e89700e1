//! A label project with proposals in every frame: opening, edits, memory.
//!
//! `cargo bench --workspace --bench project -- [FRAMES]`

use std::fs;
use std::time::Instant;

use poselens_engine::geometry::Point;
use poselens_engine::project::{Edit, FrameKey, FrameProposal, Joint, Project};
use poselens_engine::sample::Visibility;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes `--bench` before our own arguments.
    let n_frames: u32 = std::env::args()
        .find_map(|a| a.parse().ok())
        .unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let description = format!(
        "version = 1\nskeleton = \"coco17\"\nmodel = \"sfm\"\n[[clip]]\nid = 1\nname = \
         \"clip\"\npath = \"clip.mp4\"\nkind = \"video\"\ncopied = false\nbytes = 1\nsha256 = \
         \"\"\nn_frames = {n_frames}\nseconds = 1.0\n"
    );
    fs::write(folder.path().join("project.toml"), description)?;
    let person = |frame: u32| {
        let joint = |j: u32| {
            let place = Point::new(
                f64::from(frame % 997) + 0.25 * f64::from(j),
                f64::from(j) * 20.37,
            );
            Joint::new(place, 0.83, Visibility::Visible)
        };
        (0..17).map(joint).collect::<Vec<_>>()
    };
    let frames = (0..n_frames).map(|frame| FrameProposal {
        at: FrameKey::new(1, frame),
        suggestion: None,
        people: vec![person(frame)],
        is_confirmed: false,
    });
    let frames = frames.collect();
    let mut project = Project::open(folder.path())?;
    measure("one edit with all proposals", || {
        project.apply(&Edit::Propose { frames })
    })?;
    drop(project);
    let mut project = measure("open from the journal", || Project::open(folder.path()))?;
    measure("snapshot", || project.save())?;
    drop(project);
    let before = resident();
    let mut project = measure("open from the snapshot", || Project::open(folder.path()))?;
    let grown = resident().saturating_sub(before);
    println!("{:32} {grown:>9} KiB", "resident memory grown by");
    let n_edits = 200;
    let moved = |project: &mut Project, i: u32| {
        let at = FrameKey::new(1, (i * 7919) % n_frames);
        let person = project.labels().people(at)[0].id;
        let (joint, to) = (9, Point::new(f64::from(i), 3.5));
        project.apply(&Edit::MoveJoint {
            at,
            person,
            joint,
            to,
        })
    };
    let begin = Instant::now();
    for i in 0..n_edits {
        moved(&mut project, i)?;
    }
    let each = begin.elapsed().as_secs_f64() * 1e3 / f64::from(n_edits);
    println!("{:32} {each:>9.3} ms", "an edit, with its flush");
    let begin = Instant::now();
    for _ in 0..n_edits {
        project.undo()?;
    }
    let each = begin.elapsed().as_secs_f64() * 1e3 / f64::from(n_edits);
    println!("{:32} {each:>9.3} ms", "an undo, with its flush");
    for name in ["labels.journal", "labels.coco.json"] {
        let kib = fs::metadata(folder.path().join(name))?.len() >> 10;
        println!("{name:32} {kib:>9} KiB");
    }
    Ok(())
}

fn measure<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begin = Instant::now();
    let done = work()?;
    println!("{what:32} {:>9.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    Ok(done)
}

/// Returns the resident memory of this process in KiB; 0 where `/proc` does not exist.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).unwrap_or_default()
}

//! Confirmed labels as a table of DeepLabCut.

use std::collections::HashMap;

use super::coco::{FrameNames, exported, spelled};
use super::labels::FrameLabels;
use super::open::Contents;
use super::person::{FrameKey, Joint};
use crate::geometry::Size;
use crate::record::csv_field;

/// Name that DeepLabCut shows as the author of the labels.
const SCORER: &str = "poselens";

/// Returns the table as CSV. One person a frame gives the header rows `scorer`, `bodyparts` and
/// `coords`; several give `individuals` as well, who are told apart by the order of their ids.
/// Joints that are absent or outside of the image have empty cells; whether a joint is occluded has no place in the table.
pub(super) fn table(contents: &Contents, sizes: &HashMap<FrameKey, Size>) -> String {
    let (labels, parts) = (contents.labels(), contents.parts(sizes));
    let confirmed = || labels.frames().filter(|(_, frame)| frame.is_confirmed());
    let n_people = |frame: &FrameLabels| {
        let people = frame.people.iter();
        people.filter(|person| person.is_confirmed).count()
    };
    let most = confirmed().map(|(_, f)| n_people(f)).max();
    let most = most.unwrap_or_default().max(1);
    let joints = &labels.skeleton().joints;
    let n_columns = most * joints.len();

    let scorers = std::iter::repeat_n(SCORER.to_owned(), n_columns);
    let mut rows = vec![header("scorer", scorers)];
    if most > 1 {
        let people = (1..=most).map(|i| std::iter::repeat_n(format!("person{i}"), joints.len()));
        rows.push(header("individuals", people.flatten()));
    }
    let bodyparts = joints.iter().map(|joint| spelled(joint)).cycle();
    rows.push(header("bodyparts", bodyparts.take(n_columns)));
    let coords = std::iter::repeat_n(["x", "y"].map(str::to_owned), n_columns);
    let first = std::iter::once("coords".to_owned());
    rows.push(first.chain(coords.flatten()).collect());
    let mut names = FrameNames::default();
    for (at, frame) in confirmed() {
        let Some(clip) = contents.file().clip(at.clip) else {
            continue;
        };
        let name = names.of(contents.folder(), clip, at.frame);
        let mut row = vec![format!("labeled-data/{}/{name}", clip.name)];
        for person in frame.people.iter().filter(|person| person.is_confirmed) {
            let image = parts.size_of(at);
            row.extend(person.joints.iter().flat_map(|joint| cells(joint, image)));
        }
        row.resize(1 + 2 * n_columns, String::new());
        rows.push(row);
    }
    let line = |row: Vec<String>| {
        let cells: Vec<_> = row.iter().map(|cell| csv_field(cell)).collect();
        cells.join(",") + "\n"
    };
    rows.into_iter().map(line).collect()
}

/// Returns a header row: every joint has two columns.
fn header(name: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    let cells = cells.flat_map(|cell| [cell.clone(), cell]);
    std::iter::once(name.to_owned()).chain(cells).collect()
}

fn cells(joint: &Joint, image: Option<Size>) -> [String; 2] {
    let is_written = exported(joint, image).is_some();
    joint.xy().map(|value| {
        if is_written {
            value.to_string()
        } else {
            String::new()
        }
    })
}

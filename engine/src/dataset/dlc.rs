//! Tables of DeepLabCut: `CollectedData_*.csv` with labels, or the predictions for a video.
//!
//! The first rows are headers, each named by its first cell: `scorer`, `individuals` (only with
//! several animals or people), `bodyparts`, `coords`. The first columns of the other rows name the
//! image, as one path or in parts, or are the number of a frame. Joints are matched by name.

use std::path::Path;

use super::names::{Naming, naming};
use crate::error::{Error, Result};
use crate::pose::Keypoint;
use crate::skeleton::Skeleton;

/// A table that was read.
#[derive(Debug)]
pub struct DlcTable {
    /// Defines the joints and their order.
    pub skeleton: &'static Skeleton,
    /// Body parts that the skeleton lacks.
    pub left_out: Vec<String>,
    /// Whether it has predictions with a likelihood, not labels.
    pub is_predicted: bool,
    /// Number of cells of joints that hold neither a number nor nothing; their joints count as absent.
    pub n_gaps: usize,
    /// Images or frames.
    pub rows: Vec<DlcRow>,
}

/// The people in one image.
#[derive(Debug, PartialEq)]
pub struct DlcRow {
    /// Path of the image as written, or number of the frame.
    pub image: String,
    /// Joints of everybody with at least one; the score is the likelihood, 1 for labels and 0 for
    /// absent joints.
    pub people: Vec<Vec<Keypoint>>,
}

/// Meaning of a column.
struct Column {
    individual: String,
    bodypart: String,
    coord: String,
}

/// Reads a table.
///
/// # Errors
/// When the file cannot be read, is no table of DeepLabCut, or its body parts are not those of a
/// person.
pub fn read_dlc(path: &Path) -> Result<DlcTable> {
    let bytes = std::fs::read(path).map_err(Error::io("open", path))?;
    let text = String::from_utf8_lossy(&bytes);
    // Spreadsheet programs begin a file with a byte order mark.
    let lines = text.trim_start_matches('\u{feff}').lines();
    let lines = lines.filter(|line| !line.trim().is_empty());
    let records: Vec<_> = lines.map(fields).collect();
    parse(&records).map_err(|reason| Error::data(path, reason))
}

/// Returns the cells of a line: separated by commas, or in quotes, in which `""` is a quote.
fn fields(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, cells.last_mut()) {
            (',', _) if !is_quoted => cells.push(String::new()),
            ('"', Some(cell)) if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            ('"', _) => is_quoted = !is_quoted,
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    cells
}

fn parse(records: &[Vec<String>]) -> Result<DlcTable, String> {
    let header = |name: &str| {
        let mut first = records.iter().take(4);
        first.find(|record| record.first().is_some_and(|cell| cell.trim() == name))
    };
    let missing =
        |name: &str| format!("not a table of DeepLabCut: the header row `{name}` is missing");
    header("scorer").ok_or_else(|| missing("scorer"))?;
    let bodyparts = header("bodyparts").ok_or_else(|| missing("bodyparts"))?;
    let coords = header("coords").ok_or_else(|| missing("coords"))?;
    let individuals = header("individuals");
    let n_headers = 3 + usize::from(individuals.is_some());
    let is_coord = |cell: &String| ["x", "y", "likelihood"].contains(&cell.trim());
    let n_index = coords.iter().position(is_coord);
    let n_index = n_index.ok_or("not a table of DeepLabCut: `coords` has no x and y")?;
    let cell = |record: &Vec<String>, i: usize| record.get(i).map_or("", |c| c.trim()).to_owned();
    let columns: Vec<Column> = (n_index..coords.len())
        .map(|i| Column {
            individual: individuals.map(|row| cell(row, i)).unwrap_or_default(),
            bodypart: cell(bodyparts, i),
            coord: cell(coords, i),
        })
        .collect();
    let names = distinct(columns.iter().map(|column| &column.bodypart));
    let Naming {
        skeleton,
        joints,
        left_out,
        ..
    } = naming(&names)
        .map_err(|reason| reason.replace("the category's `keypoints`", "the table"))?;
    let individuals = distinct(columns.iter().map(|column| &column.individual));

    let place = |column: &Column| {
        let person = individuals.iter().position(|i| *i == column.individual)?;
        let name = names.iter().position(|name| *name == column.bodypart)?;
        let axis = ["x", "y", "likelihood"];
        let axis = axis.iter().position(|axis| *axis == column.coord)?;
        Some((person, joints[name]?, axis))
    };
    let layout = Layout {
        n_index,
        n_people: individuals.len(),
        n_joints: skeleton.n_joints(),
        places: columns.iter().map(place).collect(),
    };
    let rows = records.iter().skip(n_headers);
    let n_gaps = rows.clone().map(|record| layout.n_gaps(record)).sum();
    Ok(DlcTable {
        skeleton,
        left_out,
        n_gaps,
        is_predicted: columns.iter().any(|column| column.coord == "likelihood"),
        rows: rows.map(|record| layout.row(record)).collect(),
    })
}

/// Where the values of a row belong.
struct Layout {
    /// Number of columns that name the image.
    n_index: usize,
    n_people: usize,
    n_joints: usize,
    /// Person, joint and place in `[x, y, likelihood]` of each other column.
    places: Vec<Option<(usize, usize, usize)>>,
}

impl Layout {
    /// Returns the number of cells that hold neither a finite number nor nothing; `nan` is nothing.
    fn n_gaps(&self, record: &[String]) -> usize {
        let cells = record.iter().skip(self.n_index).zip(&self.places);
        let is_gap = |(cell, place): &(&String, &Option<(usize, usize, usize)>)| {
            let text = cell.trim();
            let is_nothing = text.is_empty() || text.eq_ignore_ascii_case("nan");
            let is_number = text.parse().is_ok_and(|v: f64| v.is_finite());
            place.is_some() && !is_nothing && !is_number
        };
        cells.filter(is_gap).count()
    }

    fn row(&self, record: &[String]) -> DlcRow {
        let image = record.iter().take(self.n_index).map(|cell| cell.trim());
        let image: Vec<_> = image.filter(|part| !part.is_empty()).collect();
        let nothing = [f64::NAN, f64::NAN, 1.0];
        let mut people = vec![vec![nothing; self.n_joints]; self.n_people];
        for (text, place) in record.iter().skip(self.n_index).zip(&self.places) {
            if let Some((person, joint, axis)) = *place {
                people[person][joint][axis] = text.trim().parse().unwrap_or(f64::NAN);
            }
        }
        let people = people.into_iter();
        let people = people.map(|joints| joints.into_iter().map(keypoint).collect::<Vec<_>>());
        DlcRow {
            image: image.join("/"),
            people: people
                .filter(|joints| joints.iter().any(|k| k.score > 0.0))
                .collect(),
        }
    }
}

/// Returns the joint of three values, absent if one of them is missing.
fn keypoint(values: [f64; 3]) -> Keypoint {
    if values.iter().all(|v| v.is_finite()) {
        values.map(|v| v as f32).into()
    } else {
        Keypoint::default()
    }
}

/// Returns the different texts in the order in which they appear.
fn distinct<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(text) {
            seen.push(text.clone());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DlcTable, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        read_dlc(&path).map_err(|error| error.to_string())
    }

    /// Fails when one of the layouts of labels or predictions is not read, joints are matched by
    /// order, or an empty cell becomes a position.
    #[test]
    fn every_layout_is_read() {
        let single = "scorer,me,me,me,me,me,me\n\
                      bodyparts,Right Wrist,Right Wrist,nose,nose,tail,tail\n\
                      coords,x,y,x,y,x,y\n\
                      labeled-data/dance/img0012.png,1.5,2.25,,,7,8\n\
                      labeled-data/dance/img0013.png,,,,,7,8\n";
        let table = read(single).unwrap();
        assert_eq!(
            (table.skeleton.name.as_str(), table.is_predicted),
            ("coco17", false)
        );
        assert_eq!(table.left_out, ["tail"]);
        assert_eq!(table.rows[0].image, "labeled-data/dance/img0012.png");
        let joints = &table.rows[0].people[0];
        assert_eq!(
            joints[table.skeleton.joint("r_wrist").unwrap()],
            [1.5, 2.25, 1.0].into()
        );
        assert_eq!(
            joints[table.skeleton.joint("nose").unwrap()],
            Keypoint::default()
        );
        assert_eq!(table.rows[1].people.len(), 0);

        let several = "scorer,,,me,me,me,me\n\
                       individuals,,,a,a,b,b\n\
                       bodyparts,,,nose,nose,nose,nose\n\
                       coords,,,x,y,x,y\n\
                       labeled-data,dance,img3.png,1,2,3,4\n\
                       labeled-data,dance,img4.png,,,3,4\n";
        let table = read(several).unwrap();
        assert_eq!(table.rows[0].image, "labeled-data/dance/img3.png");
        let nose = |row: usize| {
            let people = table.rows[row].people.iter();
            people.map(|joints| joints[0].x).collect::<Vec<_>>()
        };
        assert_eq!((nose(0), nose(1)), (vec![1.0, 3.0], vec![3.0]));

        let predicted = "scorer,net,net,net\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n\
                         0,1,2,0.5\n1,1,2,0.25\n";
        let table = read(predicted).unwrap();
        assert!(table.is_predicted);
        let rows = table.rows.iter();
        let found: Vec<_> = rows
            .map(|row| (row.image.as_str(), row.people[0][0].score))
            .collect();
        assert_eq!(found, [("0", 0.5), ("1", 0.25)]);
    }

    /// Fails when quotes, as spreadsheet programs write them, become part of a name or divide it.
    #[test]
    fn cells_may_be_quoted() {
        for (line, cells) in [
            ("a,b", vec!["a", "b"]),
            ("\"a,b\",c", vec!["a,b", "c"]),
            ("\"say \"\"a\"\"\",", vec!["say \"a\"", ""]),
            ("", vec![""]),
            ("\"open,", vec!["open,"]),
        ] {
            assert_eq!(fields(line), cells, "{line}");
        }
    }

    /// Fails when a cell that is no number becomes a position, or is dropped without being counted.
    #[test]
    fn cells_that_are_no_numbers_are_counted() {
        let text = "scorer,a,a,a,a\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n\
                    0,inf,2,x,1\n1,,,1,2\n2,nan,nan,1,2\n3,\"1,5\",2,1,2\n4,1,2,1,2\n";
        let table = read(text).unwrap();
        let people: Vec<_> = table.rows.iter().map(|row| row.people.len()).collect();
        assert_eq!((table.n_gaps, people), (2, vec![0, 0, 0, 0, 1]));
    }

    /// Fails when another table is accepted, or refused without saying why.
    #[test]
    fn other_tables_are_refused() {
        for (text, expected) in [
            ("", "`scorer` is missing"),
            ("frame,time_secs\n0,0\n", "`scorer` is missing"),
            ("scorer,a\nbodyparts,nose\n0,1\n", "`coords` is missing"),
            ("scorer,a\nbodyparts,nose\ncoords,z\n0,1\n", "no x and y"),
            (
                "scorer,a,a\nbodyparts,snout,snout\ncoords,x,y\n0,1,2\n",
                "snout",
            ),
        ] {
            let reason = read(text).unwrap_err();
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}

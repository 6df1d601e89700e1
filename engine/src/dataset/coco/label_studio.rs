//! Label Studio's JSON export: a list of tasks, each an image and its annotations by one or several
//! annotators. Points are in percent of the image. Those of one person have the same rectangle as
//! their parent, or lie in the same one; where no two points of an image have the same name, they are
//! one person.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::category::Category;
use super::{CocoAnnotation, CocoImage, Tables, read_tables};
use crate::dataset::json::{head, is_json, read_json};
use crate::dataset::loose::Loose;
use crate::dataset::numbers::Numbers;
use crate::dataset::{Dataset, DatasetSpec, Finding, Request, Severity};
use crate::error::{Error, Result};
use crate::geometry::{BBox, Point};
use crate::source::image::has_picture_extension;
use crate::words::are;

/// Entry of [`crate::dataset::DATASETS`].
pub(in crate::dataset) const FORMAT: DatasetSpec = DatasetSpec {
    name: "label-studio",
    help: "Label Studio JSON (tasks with keypointlabels)",
    accepts: |path| is_json(path, b'[') && is_export(&head(path)),
    file: Path::to_path_buf,
    has_categories: false,
    read,
};

/// Returns whether a file that begins with `head` is an export of Label Studio with all its fields.
pub(in crate::dataset) fn is_export(head: &[u8]) -> bool {
    let has = |name: &[u8]| head.windows(name.len()).any(|w| w == name);
    has(b"\"data\"") && has(b"\"result\"")
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Task {
    id: Loose,
    data: Option<BTreeMap<String, Loose>>,
    #[serde(alias = "completions")]
    annotations: Option<Vec<Work>>,
}

/// What one annotator made of a task.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Work {
    was_cancelled: Loose,
    result: Option<Vec<Region>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Region {
    id: Loose,
    #[serde(rename = "parentID")]
    parent: Loose,
    original_width: Loose,
    original_height: Loose,
    image_rotation: Loose,
    value: Option<Value>,
}

/// Position in percent of the image, and labels.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Value {
    x: Loose,
    y: Loose,
    width: Loose,
    height: Loose,
    rotation: Loose,
    keypointlabels: Option<Vec<Loose>>,
    rectanglelabels: Option<Vec<Loose>>,
}

/// A labelled point or rectangle in pixels.
struct Shape {
    id: Option<String>,
    parent: Option<String>,
    /// Name of the joint; a rectangle has none.
    name: Option<String>,
    place: BBox,
    is_turned: bool,
}

fn read(request: &Request<'_>, findings: &mut Vec<Finding>) -> Result<Dataset> {
    let path = request.annotations;
    let tasks: Vec<Task> = read_json(path, "JSON export of Label Studio (a list of tasks)")?;
    let mut export = Export {
        path,
        findings,
        tables: Tables {
            images: Vec::new(),
            annotations: Vec::new(),
            categories: vec![Category::of_people(1)],
        },
        n_further: 0,
        n_nameless: 0,
    };
    for (i, task) in tasks.iter().enumerate() {
        export.add(task, i as u64 + 1);
    }
    export.report();
    let Export {
        tables, findings, ..
    } = export;
    if tables.annotations.is_empty() {
        let error = findings.iter().find(|f| f.severity == Severity::Error);
        let reason = error.map_or(
            "an export of Label Studio without people: no task has points with `keypointlabels`",
            |error| error.text.as_str(),
        );
        return Err(Error::data(path, reason));
    }
    read_tables(request, tables, findings)
}

/// Collects the people of all tasks.
struct Export<'a> {
    path: &'a Path,
    findings: &'a mut Vec<Finding>,
    tables: Tables,
    /// Number of annotations of tasks that another one is read of.
    n_further: usize,
    /// Number of points without a label.
    n_nameless: usize,
}

impl Export<'_> {
    fn add(&mut self, task: &Task, number: u64) {
        let works = task.annotations.iter().flatten();
        let mut works = works.filter(|work| !work.was_cancelled.flag());
        let regions = works.next().and_then(|work| work.result.as_deref());
        let regions = regions.unwrap_or_default();
        self.n_further += works.count();
        let image = CocoImage {
            id: Loose::Whole(task.id.id().unwrap_or(number)),
            file_name: image_name(task).map_or(Loose::Nothing, Loose::Text),
            width: first(regions, |region| &region.original_width),
            height: first(regions, |region| &region.original_height),
            ..CocoImage::default()
        };
        let people = self.shapes(regions).and_then(people);
        match people {
            Ok(people) => {
                for (joints, place) in people {
                    let joints = joints.into_iter().map(|(name, p)| (name, [p.x, p.y, 2.0]));
                    let bbox = place.map(|b| [b.x, b.y, b.w, b.h].to_vec());
                    self.tables.annotations.push(CocoAnnotation {
                        image_id: image.id.clone(),
                        category_id: Loose::Whole(1),
                        keypoints: Numbers::named(joints),
                        bbox: Numbers {
                            values: bbox.unwrap_or_default(),
                            ..Numbers::default()
                        },
                        ..CocoAnnotation::default()
                    });
                }
            }
            Err(reason) => {
                let name = &image.file_name;
                let text = format!("task {} ({name}): {reason}", image.id);
                let finding = Finding::of_file(Severity::Error, self.path, text);
                self.findings.push(finding);
            }
        }
        self.tables.images.push(image);
    }

    /// Returns the points and rectangles of an image.
    fn shapes(&mut self, regions: &[Region]) -> std::result::Result<Vec<Shape>, String> {
        let mut shapes = Vec::new();
        for region in regions {
            let Some(value) = &region.value else {
                continue;
            };
            let names = value.keypointlabels.as_ref();
            if names.is_none() && value.rectanglelabels.is_none() {
                continue;
            }
            if region
                .image_rotation
                .number()
                .is_some_and(|turn| turn != 0.0)
            {
                let reason = "the image was turned in Label Studio (`image_rotation`), which is \
                              not read; turn the file instead";
                return Err(reason.to_owned());
            }
            let sides = [&region.original_width, &region.original_height].map(Loose::number);
            let [Some(width), Some(height)] = sides else {
                return Err("`original_width` or `original_height` is missing".to_owned());
            };
            let share = |share: &Loose| share.number().unwrap_or(f64::NAN) / 100.0;
            let name = names.and_then(|names| names.first()).and_then(Loose::text);
            if names.is_some() && name.is_none() {
                self.n_nameless += 1;
                continue;
            }
            shapes.push(Shape {
                id: region.id.text(),
                parent: region.parent.text(),
                name,
                place: BBox::new(
                    share(&value.x) * width,
                    share(&value.y) * height,
                    share(&value.width) * width,
                    share(&value.height) * height,
                ),
                is_turned: value.rotation.number().is_some_and(|turn| turn != 0.0),
            });
        }
        Ok(shapes)
    }

    /// Reports what is not read.
    fn report(&mut self) {
        let mut note = |text: String| {
            let finding = Finding::of_file(Severity::Warning, self.path, text);
            self.findings.push(finding);
        };
        if self.n_further > 0 {
            let annotations = are(self.n_further, "further annotation");
            note(format!(
                "{annotations} left out: of tasks that several annotators have done, the first \
                 annotation is read"
            ));
        }
        if self.n_nameless > 0 {
            let points = are(self.n_nameless, "point");
            note(format!("{points} left out: without a label"));
        }
    }
}

/// Returns the first value that is there.
fn first(regions: &[Region], of: fn(&Region) -> &Loose) -> Loose {
    let mut values = regions
        .iter()
        .map(of)
        .filter(|value| **value != Loose::Nothing);
    values.next().cloned().unwrap_or_default()
}

/// Returns the path or address of a task's image: of its texts the one that ends like an image's,
/// else the first.
fn image_name(task: &Task) -> Option<String> {
    let texts = task
        .data
        .iter()
        .flatten()
        .filter_map(|(_, value)| match value {
            Loose::Text(text) => Some(text),
            _ => None,
        });
    let texts: Vec<&String> = texts.collect();
    let is_image = |text: &&&String| has_picture_extension(Path::new(text.as_str()));
    let image = texts.iter().find(is_image).or(texts.first());
    image.map(|text| (*text).clone())
}

/// Joints by name, and the rectangle around them.
type Person = (Vec<(String, Point)>, Option<BBox>);

/// Tells the people of an image apart.
///
/// # Errors
/// When that is not possible.
fn people(shapes: Vec<Shape>) -> std::result::Result<Vec<Person>, String> {
    let (points, boxes): (Vec<_>, Vec<_>) =
        shapes.into_iter().partition(|shape| shape.name.is_some());
    let parent = |point: &Shape| {
        let parent = point.parent.as_ref()?;
        boxes.iter().position(|one| one.id.as_ref() == Some(parent))
    };
    let (with_parent, loose): (Vec<_>, Vec<_>) = points
        .into_iter()
        .partition(|point| parent(point).is_some());
    let mut groups: BTreeMap<Option<usize>, Vec<Shape>> = BTreeMap::new();
    for point in with_parent {
        groups.entry(parent(&point)).or_default().push(point);
    }
    if repeated(&loose).is_none() {
        // One rectangle in all is that of the only person.
        let only = (boxes.len() == 1 && groups.is_empty()).then_some(0);
        groups.entry(only).or_default().extend(loose);
    } else {
        for point in loose {
            let around = |one: &Shape| one.place.contains(Point::new(point.place.x, point.place.y));
            let mut around = (0..boxes.len()).filter(|i| around(&boxes[*i]));
            let only = around.next().filter(|_| around.next().is_none());
            groups.entry(only).or_default().push(point);
        }
    }
    if let Some(name) = groups.values().find_map(|group| repeated(group)) {
        return Err(format!(
            "two points are called {name}; draw a rectangle around each person, or make it the \
             parent of its points"
        ));
    }
    let place = |i: usize| {
        boxes
            .get(i)
            .filter(|one| !one.is_turned)
            .map(|one| one.place)
    };
    let person = |(of, group): (Option<usize>, Vec<Shape>)| {
        let joint = |point: Shape| {
            let at = Point::new(point.place.x, point.place.y);
            Some((point.name?, at))
        };
        let joints = group.into_iter().filter_map(joint).collect();
        (joints, of.and_then(place))
    };
    let groups = groups.into_iter().filter(|(_, group)| !group.is_empty());
    Ok(groups.map(person).collect())
}

/// Returns a name that two points have.
fn repeated(points: &[Shape]) -> Option<String> {
    let names: Vec<_> = points
        .iter()
        .filter_map(|point| point.name.as_ref())
        .collect();
    let is_repeated = |(i, name): &(usize, &&String)| names[..*i].contains(*name);
    let found = names.iter().enumerate().find(is_repeated);
    found.map(|(_, name)| (*name).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Split, guess_format};
    use crate::skeleton::Skeleton;
    use serde_json::{Value as Json, json};

    fn point(name: &str, x: f64, y: f64, parent: Option<&str>) -> Json {
        json!({
            "type": "keypointlabels", "original_width": 200, "original_height": 100,
            "image_rotation": 0, "parentID": parent,
            "value": { "x": x, "y": y, "width": 0.5, "keypointlabels": [name] },
        })
    }

    fn rectangle(id: &str, [x, y, width, height]: [f64; 4]) -> Json {
        json!({
            "id": id, "type": "rectanglelabels", "original_width": 200, "original_height": 100,
            "value": { "x": x, "y": y, "width": width, "height": height,
                       "rectanglelabels": ["person"] },
        })
    }

    fn task(id: u64, result: &[Json]) -> Json {
        json!({
            "id": id,
            "data": { "img": format!("/data/upload/3/5f3a91c2-{id}.jpg"), "note": "a" },
            "annotations": [
                { "was_cancelled": true, "result": [] },
                { "was_cancelled": false, "result": result },
            ],
        })
    }

    fn load(tasks: &Json) -> std::result::Result<(Dataset, String), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.json");
        std::fs::write(&path, tasks.to_string()).unwrap();
        let format = guess_format(&path).map_err(|e| e.to_string())?;
        assert_eq!(format.name, "label-studio");
        let mut findings = Vec::new();
        let request = Request::new(&path, folder.path(), Split::Learn);
        let data = format.examine(&request, &mut findings);
        let data = data.map_err(|e| e.to_string())?;
        let texts = findings.iter().map(ToString::to_string);
        Ok((data, texts.collect::<Vec<_>>().join("; ")))
    }

    /// Fails when points in percent get to a wrong place or joint, people are mixed, or the rectangle
    /// of a person is lost.
    #[test]
    fn people_are_told_apart() {
        let tasks = json!([
            task(
                4,
                &[
                    point("Left Wrist", 10.0, 20.0, None),
                    point("nose", 50.0, 60.0, None)
                ]
            ),
            task(
                5,
                &[
                    rectangle("a", [0.0, 0.0, 40.0, 100.0]),
                    rectangle("b", [50.0, 0.0, 50.0, 100.0]),
                    point("nose", 10.0, 50.0, None),
                    point("nose", 75.0, 50.0, None),
                    point("Left Wrist", 60.0, 50.0, Some("a")),
                ]
            ),
        ]);
        let (data, said) = load(&tasks).unwrap();
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let (nose, wrist) = (
            skeleton.joint("nose").unwrap(),
            skeleton.joint("l_wrist").unwrap(),
        );
        assert_eq!(data.skeleton.name, "coco17");
        let [one, two] = &data.samples[..] else {
            panic!("two images: {said}");
        };
        assert_eq!((one.image_id, one.size.width), (4, 200));
        assert!(one.path.ends_with("data/upload/3/5f3a91c2-4.jpg"));
        let person = &one.annotations[0];
        assert_eq!(
            person.joints[nose].labelled(),
            Some(Point::new(100.0, 60.0))
        );
        assert_eq!(
            person.joints[wrist].labelled(),
            Some(Point::new(20.0, 20.0))
        );
        assert_eq!(two.annotations.len(), 2);
        let noses = two.annotations.iter().map(|a| a.joints[nose].point.x);
        assert_eq!(noses.collect::<Vec<_>>(), [20.0, 150.0]);
        assert_eq!(two.annotations[0].bbox, BBox::new(0.0, 0.0, 80.0, 100.0));
        assert_eq!(
            two.annotations[0].joints[wrist].labelled(),
            Some(Point::new(120.0, 50.0))
        );
    }

    /// Fails when points of several people become one, a turned image is read as it is, an annotation
    /// is dropped without a word, or an export without points passes.
    #[test]
    fn what_cannot_be_read_is_said() {
        let twice = [point("nose", 1.0, 2.0, None), point("nose", 3.0, 4.0, None)];
        let sound = task(5, &[point("nose", 1.0, 2.0, None)]);
        let (data, said) = load(&json!([task(4, &twice), sound])).unwrap();
        assert_eq!(data.samples[1].annotations.len(), 1);
        for part in ["error", "task 4", "two points are called nose"] {
            assert!(said.contains(part), "{said}");
        }
        let mut turned = task(4, &[point("nose", 1.0, 2.0, None)]);
        turned["annotations"][1]["result"][0]["image_rotation"] = json!(90);
        let said = load(&json!([turned])).unwrap_err();
        assert!(said.contains("`image_rotation`"), "{said}");
        let mut two = task(4, &[point("nose", 1.0, 2.0, None)]);
        two["annotations"][0]["was_cancelled"] = json!(false);
        two["annotations"].as_array_mut().unwrap().swap(0, 1);
        let (data, said) = load(&json!([two])).unwrap();
        assert_eq!(data.samples[0].annotations.len(), 1);
        assert!(said.contains("1 further annotation is left out"), "{said}");
        let boxes = task(4, &[rectangle("a", [0.0, 0.0, 1.0, 1.0])]);
        let message = load(&json!([boxes])).unwrap_err();
        assert!(message.contains("no task has points"), "{message}");
    }
}

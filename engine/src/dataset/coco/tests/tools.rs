//! Labels as written by various tools.

use super::*;

type Spell = fn(&mut Value);

fn each(value: &mut Value, change: fn(&mut Value)) {
    value["annotations"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(change);
}

fn joints(value: &mut Value, change: fn(&[Value]) -> Value) {
    for person in value["annotations"].as_array_mut().unwrap() {
        let triples = person["keypoints"]
            .as_array()
            .unwrap()
            .chunks(3)
            .map(change);
        let joints: Vec<Value> = triples.collect();
        person["keypoints"] = json!(joints);
    }
}

fn flat(value: &mut Value) {
    for person in value["annotations"].as_array_mut().unwrap() {
        let lists = person["keypoints"].as_array().unwrap();
        let all: Vec<Value> = lists
            .iter()
            .flat_map(|l| l.as_array().unwrap().clone())
            .collect();
        person["keypoints"] = json!(all);
    }
}

fn without(value: &mut Value, key: &'static str) {
    for person in value["annotations"].as_array_mut().unwrap() {
        person.as_object_mut().unwrap().remove(key);
    }
}

/// Ways to write the sound file, and what of them is reported.
const SPELLINGS: [(Spell, &str); 24] = [
    (|v| each(v, |a| a["area"] = json!(0)), "no `area`"),
    (|v| each(v, |a| a["area"] = Value::Null), "no `area`"),
    (|v| each(v, |a| a["area"] = json!("NaN")), "no `area`"),
    (|v| without(v, "area"), "no `area`"),
    (|v| each(v, |a| a["bbox"] = Value::Null), "no usable `bbox`"),
    (
        |v| each(v, |a| a["bbox"] = json!([0, 0, 0, 0])),
        "no usable `bbox`",
    ),
    (
        |v| each(v, |a| a["bbox"] = json!([1, 2, -3, 4])),
        "no usable `bbox`",
    ),
    (|v| each(v, |a| a["bbox"] = json!([])), "no usable `bbox`"),
    (|v| without(v, "bbox"), "no usable `bbox`"),
    (
        |v| each(v, |a| a["bbox"] = json!(["10", "20.0", 16, "6"])),
        "",
    ),
    (
        |v| each(v, |a| a["num_keypoints"] = json!(0)),
        "`num_keypoints`",
    ),
    (|v| each(v, |a| a["num_keypoints"] = json!(99)), ""),
    (|v| without(v, "num_keypoints"), ""),
    (|v| without(v, "iscrowd"), ""),
    (|v| each(v, |a| a["iscrowd"] = json!("0")), ""),
    (|v| joints(v, |j| json!([j[0], j[1]])), "without visibility"),
    (
        |v| {
            joints(v, |j| json!([j[0], j[1]]));
            flat(v);
        },
        "without visibility",
    ),
    (|v| joints(v, |j| json!([j[0], j[1], true])), ""),
    (
        |v| {
            joints(v, |j| json!([j[0], j[1], 3]));
            flat(v);
        },
        "other than 0, 1 and 2",
    ),
    (
        |v| {
            joints(v, |j| json!([j[0].to_string(), j[1], "2"]));
            flat(v);
        },
        "",
    ),
    (
        |v| {
            v["images"][0]["id"] = json!("7");
            each(v, |a| a["image_id"] = json!("07"));
        },
        "",
    ),
    (|v| each(v, |a| a["image_id"] = json!(7.0)), ""),
    (
        |v| {
            v["images"][0]["width"] = json!(64.0);
            v["images"][0]["height"] = json!("48");
        },
        "",
    ),
    (|v| each(v, |a| a["category_id"] = json!("1")), ""),
];

/// Fails when a way in which tools write or omit numbers is read differently from the usual one, or
/// filled-in fields are not reported.
#[test]
fn tools_write_in_many_ways() {
    let (expected, _) = read_value(&sound());
    for (i, (spell, said)) in SPELLINGS.into_iter().enumerate() {
        let mut value = sound();
        spell(&mut value);
        let (data, findings) = read_value(&value);
        for (a, b) in data.samples.iter().zip(&expected.samples) {
            let people = |s: &Sample| s.annotations.clone();
            let rounded = |mut a: Annotation| {
                a.area = (a.area * 1e6).round();
                a
            };
            let [a, b] = [a, b].map(|s| people(s).into_iter().map(rounded).collect::<Vec<_>>());
            assert_eq!(a, b, "case {i}");
        }
        let texts: Vec<_> = findings.iter().map(|f| f.text.as_str()).collect();
        assert_eq!(
            texts.len(),
            usize::from(!said.is_empty()),
            "case {i}: {texts:?}"
        );
        assert!(texts.join("").contains(said), "case {i}: {texts:?}");
    }
}

/// Fails when joints given as fractions of the image are taken for pixels, or joints of a person
/// whose pixels happen to be small for fractions.
#[test]
fn fractions_of_the_image_become_pixels() {
    let (expected, _) = read_value(&sound());
    let mut value = sound();
    for person in value["annotations"].as_array_mut().unwrap() {
        person.as_object_mut().unwrap().remove("area");
        for (i, number) in person["keypoints"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            let side = [64.0, 48.0, 1.0][i % 3];
            *number = json!(number.as_f64().unwrap() / side);
        }
        for (i, number) in person["bbox"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            *number = json!(number.as_f64().unwrap() / [64.0, 48.0][i % 2]);
        }
    }
    let (data, findings) = read_value(&value);
    assert!(
        findings.iter().any(|f| f.text.contains("fractions")),
        "{findings:?}"
    );
    let people = |data: &Dataset| data.samples[0].annotations.clone();
    for (read, expected) in people(&data).iter().zip(&people(&expected)) {
        assert!(
            (read.bbox.x - expected.bbox.x).abs() < 1e-9,
            "{:?}",
            read.bbox
        );
        for (a, b) in read.joints.iter().zip(&expected.joints) {
            assert_eq!(a.visibility, b.visibility);
            assert!((a.point.x - b.point.x).abs() + (a.point.y - b.point.y).abs() < 1e-9);
        }
    }
    let mut value = sound();
    for person in value["annotations"].as_array_mut().unwrap() {
        person["keypoints"][0] = json!(0.5);
    }
    let (_, findings) = read_value(&value);
    assert!(
        !findings.iter().any(|f| f.text.contains("fractions")),
        "{findings:?}"
    );
}

/// Fails when entries that a label file holds twice, as joined files do, count twice or make the
/// file unusable, or when a second image with the same id passes unnoticed.
#[test]
fn repeated_entries_count_once() {
    let (expected, _) = read_value(&sound());
    let mut value = sound();
    for kind in ["images", "annotations"] {
        let list = value[kind].as_array_mut().unwrap();
        let again = list.clone();
        list.extend(again);
    }
    let (data, findings) = read_value(&value);
    assert_eq!(data.samples[0].annotations, expected.samples[0].annotations);
    let texts: Vec<_> = findings.iter().map(|f| f.text.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        findings.iter().all(|f| f.severity == Severity::Note),
        "{texts:?}"
    );
    value["images"][1]["file_name"] = json!("another.jpg");
    let (_, findings) = read_value(&value);
    assert!(
        findings.iter().any(|f| f.severity == Severity::Error),
        "{findings:?}"
    );
}

/// Fails when an unlabelled joint, as some tool writes it, counts as labelled, or a labelled joint
/// next to it is lost.
#[test]
fn gaps_are_unlabelled_joints() {
    for gap in [
        json!([0, 0, 0]),
        json!([null, null, 0]),
        json!([null, null, null]),
        json!(["NaN", "NaN", 2]),
        json!(["nan", 3, 2]),
        json!(["", "", ""]),
        json!([-1, -1, -1]),
        json!([5, 5, false]),
    ] {
        let mut value = sound();
        for (k, number) in gap.as_array().unwrap().iter().enumerate() {
            value["annotations"][0]["keypoints"][3 * 4 + k] = number.clone();
        }
        let (data, _) = read_value(&value);
        let person = &data.samples[0].annotations[0];
        assert_eq!(person.joints[4].labelled(), None, "{gap}");
        assert_eq!(person.n_keypoints, 16, "{gap}");
        assert_eq!(person.joints[5].labelled(), Some(Point::new(15.0, 25.0)));
    }
    let pairs: Vec<[i32; 2]> = (0..17)
        .map(|j| if j < 5 { [0, 0] } else { [j, j] })
        .collect();
    let mut value = sound();
    value["annotations"][0]["keypoints"] = json!(pairs.concat());
    let (data, _) = read_value(&value);
    assert_eq!(data.samples[0].annotations[0].n_keypoints, 12);
}

/// Fails when a person without box and joints is dropped without being counted, or joints outside
/// the image enlarge a box.
#[test]
fn boxes_are_drawn_around_joints_in_the_picture() {
    let mut value = sound();
    for i in 0..2 {
        value["annotations"][i]
            .as_object_mut()
            .unwrap()
            .remove("bbox");
    }
    value["annotations"][0]["keypoints"][0] = json!(-1000);
    value["annotations"][1]["keypoints"] = Value::Null;
    let (data, findings) = read_value(&value);
    let people = &data.samples[0].annotations;
    assert_eq!(
        (people.len(), people[0].bbox),
        (3, BBox::new(11.0, 20.0, 15.0, 6.0))
    );
    assert_eq!(data.left_out.people.values().sum::<usize>(), 1);
    assert!(
        findings
            .iter()
            .any(|f| f.text.contains("1 person is left out")),
        "{findings:?}"
    );
}

/// Fails when boxes given as corners are not recognised, or ordinary boxes are taken for corners.
#[test]
fn boxes_may_be_corners() {
    let mut value = sound();
    for (i, person) in value["annotations"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        let shift = 30.0 + i as f64;
        for (k, v) in person["keypoints"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            if k % 3 == 0 {
                *v = json!(v.as_f64().unwrap() + shift);
            }
        }
        person["bbox"] = json!([10.0 + shift, 20.0, 26.0 + shift, 26.0]);
    }
    let (data, findings) = read_value(&value);
    assert_eq!(
        data.samples[0].annotations[0].bbox,
        BBox::new(40.0, 20.0, 16.0, 6.0)
    );
    assert!(
        findings
            .iter()
            .any(|f| f.text.contains("left, top, right, bottom"))
    );
    for person in value["annotations"].as_array_mut().unwrap() {
        person["bbox"] = json!([12.0, 6.0, 40.0, 36.0]);
    }
    let (data, _) = read_value(&value);
    assert_eq!(
        data.samples[0].annotations[0].bbox,
        BBox::new(12.0, 6.0, 40.0, 36.0)
    );
}

/// Fails when the category of people is not found among others, cannot be chosen, or the other
/// categories are not reported.
#[test]
fn one_category_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.json");
    let read_as = |value: &Value, category: Option<&str>| {
        std::fs::write(&path, value.to_string()).unwrap();
        let mut findings = Vec::new();
        let request = Request {
            category,
            ..Request::new(&path, Path::new(""), Split::Learn)
        };
        let data = FORMAT
            .examine(&request, &mut findings)
            .map_err(|e| e.to_string())?;
        let texts: Vec<_> = findings.into_iter().map(|f| f.text).collect();
        Ok::<_, String>((data, texts.join("; ")))
    };
    let mut value = sound();
    let racket =
        json!({ "id": 9, "image_id": 7, "category_id": 2, "keypoints": [1, 2, 2, 3, 4, 2] });
    value["annotations"].as_array_mut().unwrap().push(racket);
    let names = value["categories"][0]["keypoints"].clone();
    value["categories"][1] = json!({ "id": 2, "name": "racket", "keypoints": ["tip", "grip"] });
    let (data, said) = read_as(&value, None).unwrap();
    assert_eq!(
        (data.category_id, data.samples[0].annotations.len()),
        (1, 4)
    );
    assert!(
        said.contains("person (1) is read") && said.contains("racket (2) with 1"),
        "{said}"
    );
    assert_eq!(data.left_out.people["of another category"], 1);
    assert!(
        read_as(&value, Some("racket"))
            .unwrap_err()
            .contains("tip, grip")
    );
    assert!(
        read_as(&value, Some("cat"))
            .unwrap_err()
            .contains("racket (2)")
    );

    value["categories"][1] = json!({ "id": 2, "name": "child", "keypoints": names });
    value["annotations"][4] = value["annotations"][0].clone();
    value["annotations"][4]["category_id"] = json!(2);
    assert!(read_as(&value, None).unwrap_err().contains("--category"));
    for (wanted, n) in [("person", 4), ("1", 4), ("Child", 1), ("2", 1)] {
        let (data, _) = read_as(&value, Some(wanted)).unwrap();
        assert_eq!(data.samples[0].annotations.len(), n, "{wanted}");
    }

    // Without names, or without categories, the order of joints counts, and this is reported.
    let mut unnamed = sound();
    unnamed["categories"] = json!([{ "id": 1, "name": "person" }]);
    let mut bare = sound();
    bare.as_object_mut().unwrap().remove("categories");
    for value in [unnamed, bare] {
        let (data, said) = read_as(&value, None).unwrap();
        assert_eq!(
            (
                data.skeleton.name.as_str(),
                data.samples[0].annotations.len()
            ),
            ("coco17", 4)
        );
        assert!(said.contains("by order"), "{said}");
    }
}

/// Fails when boxes of other categories or images are taken for people's, are not counted, or the
/// message blames the wrong cause.
#[test]
fn boxes_of_people_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boxes.json");
    let (data, _) = read_value(&sound());
    let boxes = |list: Value| {
        std::fs::write(&path, list.to_string()).unwrap();
        read_boxes(&path, &data).map_err(|e| e.to_string())
    };
    let one = |image: Value, category: Value| json!({ "image_id": image, "category_id": category, "bbox": [1, 2, 30, "40"], "score": 0.5 });
    for image in [
        json!(7),
        json!("7"),
        json!("007"),
        json!(7.0),
        json!("a.jpg"),
        json!("x/a.jpg"),
        json!("a"),
    ] {
        let list = json!([
            one(image.clone(), json!("1")),
            one(json!(7), json!(2)),
            one(json!(9), json!(1))
        ]);
        let found = boxes(list).unwrap();
        assert_eq!(found.boxes.len(), 1, "{image}");
        let found_box = found.boxes[0];
        assert_eq!(
            (found_box.image_id, found_box.bbox),
            (7, BBox::new(1.0, 2.0, 30.0, 40.0))
        );
        assert_eq!((found.of_other_categories, found.of_other_pictures), (1, 1));
    }
    let mut broken = [[1, 2, 0, 40], [1, 2, 30, -4], [1, 2, 30, 40]].map(|bbox| {
        let mut broken = one(json!(7), json!(1));
        broken["bbox"] = json!(bbox);
        broken
    });
    broken[1]["bbox"][0] = json!("NaN");
    let found = boxes(json!(broken)).unwrap();
    assert_eq!((found.boxes.len(), found.unusable), (1, 2));
    for (list, expected) in [
        (json!([broken[0]]), "has a width and height above 0"),
        (
            json!([{ "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": "NaN" }]),
            "not a number",
        ),
        (
            json!([one(json!(7), json!(0))]),
            "`category_id` is 0 (1 box)",
        ),
        (
            json!([one(json!(8), json!(1))]),
            "`image_id` 8, the labels 7",
        ),
        (json!([one(json!("b.jpg"), json!(1))]), "`image_id` b.jpg"),
        (json!([]), "empty"),
        (json!({ "annotations": [] }), "not a list of boxes"),
        (json!([{ "image_id": 7 }]), "`category_id`"),
        (json!([{ "category_id": 1 }]), "`image_id`"),
        (
            json!([{ "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4] }]),
            "`score`",
        ),
        (
            json!([{ "image_id": 7, "category_id": 1, "bbox": null, "score": 1 }]),
            "`bbox`",
        ),
    ] {
        let message = boxes(list).unwrap_err();
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

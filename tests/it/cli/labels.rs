//! Labels in the styles of other tools, read by all commands that take labels.

use serde_json::{Value, json};

use super::Workdir;
use super::json::label;
use crate::train::draw_people;

const EVAL: &str = "eval --threads 1 --device cpu --annotations";

fn labels(workdir: &Workdir, name: &str) -> Value {
    serde_json::from_str(&workdir.read(name)).unwrap()
}

fn each_person(value: &mut Value, change: impl FnMut(&mut Value)) {
    let people = value["annotations"].as_array_mut().unwrap();
    people.iter_mut().for_each(change);
}

/// Writes labels in another style: other order and spelling of joints, two unknown joints, strings
/// as numbers, gaps in ids, folders in names, NaN for absent joints.
fn in_another_style(sound: &Value) -> String {
    let mut other = sound.clone();
    let names = sound["categories"][0]["keypoints"].as_array().unwrap();
    let spell = |name: &Value| {
        let name = name
            .as_str()
            .unwrap()
            .replace("l_", "left_")
            .replace("r_", "right_");
        let words = name.split('_').map(|w| w[..1].to_uppercase() + &w[1..]);
        words.collect::<Vec<_>>().join(" ")
    };
    let mut spelled: Vec<String> = names.iter().map(spell).rev().collect();
    spelled.extend(["Tail".to_owned(), "Left Paw".to_owned()]);
    other["categories"][0]["keypoints"] = json!(spelled);
    let racket = json!({ "id": 2, "name": "racket", "keypoints": ["tip", "grip"] });
    other["categories"].as_array_mut().unwrap().push(racket);
    each_person(&mut other, |a| {
        let triples = a["keypoints"]
            .as_array()
            .unwrap()
            .chunks(3)
            .rev()
            .map(<[Value]>::to_vec);
        let mut numbers: Vec<Value> = triples.flatten().collect();
        numbers.extend([
            json!(5),
            json!(5),
            json!(2),
            Value::Null,
            Value::Null,
            json!(0),
        ]);
        a["keypoints"] = json!(numbers);
        a["id"] = json!(format!("person {}", a["id"]));
        a["image_id"] = json!(a["image_id"].to_string());
        for key in ["area", "iscrowd", "num_keypoints"] {
            a.as_object_mut().unwrap().remove(key);
        }
    });
    for image in other["images"].as_array_mut().unwrap() {
        image["file_name"] = json!(format!(
            "C:\\data\\images\\{}",
            image["file_name"].as_str().unwrap()
        ));
        image["width"] = json!(96.0);
        image["height"] = json!(0);
    }
    let racket =
        json!({ "id": 7, "image_id": "0", "category_id": 2, "keypoints": [1, 2, 2, 3, 4, 2] });
    other["annotations"].as_array_mut().unwrap().push(racket);
    other.to_string().replace("null,null", "NaN,-Infinity")
}

/// Fails when a tool's style of labels changes a metric, omitted labels are not reported, or
/// training reads other people than evaluation.
#[test]
fn metrics_do_not_depend_on_the_labelling_tool() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    std::fs::create_dir(workdir.path("images")).unwrap();
    for i in 0..2 {
        let name = format!("{i}.png");
        std::fs::rename(workdir.path(&name), workdir.path(&format!("images/{name}"))).unwrap();
    }
    // The areas are those that the reader substitutes if they are missing.
    let mut sound = labels(&workdir, "people.json");
    each_person(&mut sound, |a| a["area"] = json!(0.53 * 60.0 * 84.0));
    workdir.write("people.json", sound.to_string());
    let figures = |name: &str| {
        let report = workdir.json(&format!("{EVAL} {name} --json"));
        (
            report["n_people"].clone(),
            report["pck"].clone(),
            report["oks"].clone(),
            report,
        )
    };
    let (n, pck, oks, report) = figures("people.json");
    assert_eq!((n.clone(), &report["notes"]), (json!(2), &json!([])));

    workdir.write("other.json", in_another_style(&sound));
    let (other_n, other_pck, other_oks, report) = figures("other.json");
    assert_eq!((other_n, other_pck), (n, pck));
    assert_eq!(other_oks, oks);
    assert_eq!(report["left_out"]["joints"], json!(["Tail", "Left Paw"]));
    assert_eq!(report["left_out"]["people"]["of another category"], 1);
    let said = report["notes"].to_string();
    for part in [
        "Tail, Left Paw",
        "racket (2)",
        "no `area`",
        "`width` and `height`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let lines = workdir.succeed(&format!("{EVAL} other.json")).stderr;
    assert_eq!(
        lines.lines().count(),
        report["notes"].as_array().unwrap().len(),
        "{lines}"
    );

    let check = workdir.json("train --check --annotations other.json --json");
    assert_eq!(check["learn"]["people"], 2);
    assert_eq!(check["learn"]["left_out"], report["left_out"]);
    let train = "train --annotations other.json --out out --epochs 1 --batch-size 2 --input-size 64 \
                 --device cpu --threads 1 --json";
    let trained = workdir.json(train);
    assert_eq!(trained["left_out"]["other.json"], report["left_out"]);
}

/// Fails when evaluating no one gives a number or does not count the reasons, or when a check omits
/// its findings because a data set is unusable.
#[test]
fn evaluating_no_one_gives_no_number() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let mut value = labels(&workdir, "people.json");
    each_person(&mut value, |a| a["keypoints"] = json!(vec![0; 51]));
    value["annotations"][1]
        .as_object_mut()
        .unwrap()
        .remove("bbox");
    value["images"][1]["file_name"] = json!("missing.png");
    workdir.write("people.json", value.to_string());
    let outcome = workdir.run(&format!("{EVAL} people.json --json"));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    let line = outcome.stderr.lines().last().unwrap();
    for part in [
        "none of the 2 labelled people can be measured",
        "1 without labelled joints",
        "1 without a box",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let checked = workdir.run("train --check --annotations people.json");
    assert_eq!(checked.code, Some(1));
    for part in [
        "none of its 2 people",
        "without a labelled joint",
        "missing.png: the image is missing",
    ] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }
}

/// Fails when predictions or boxes are accepted as labels, labels as boxes, or the error names
/// another cause.
#[test]
fn files_of_another_kind_are_named() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 1);
    let prediction =
        json!({ "image_id": 0, "category_id": 0, "bbox": [18, 8, 60, 84], "score": 0.9 });
    workdir.write("boxes.json", json!([prediction]).to_string());
    let mut pose = prediction;
    pose["keypoints"] = json!(vec![0.5; 51]);
    workdir.write("poses.json", json!([pose]).to_string());
    for (arguments, expected) in [
        (format!("{EVAL} poses.json"), "predictions with scores"),
        (format!("{EVAL} boxes.json"), "eval --boxes"),
        (
            "train --annotations poses.json --out out".to_owned(),
            "predictions with scores",
        ),
        (
            format!("{EVAL} people.json --boxes boxes.json"),
            "`category_id` is 0",
        ),
        (
            format!("{EVAL} people.json --boxes people.json"),
            "not a list of boxes",
        ),
    ] {
        let line = workdir.complaint(&arguments);
        assert!(line.contains(expected), "{expected}: {line}");
    }
    let line = workdir.misuse(&format!("{EVAL} people.json --category dog"));
    assert!(line.contains("no category is called dog"), "{line}");
}

/// Fails when a missing image is measured around without a word, errors of a check exit with 0, or
/// training stops at it.
#[test]
fn a_missing_image_is_never_ignored() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let mut value = labels(&workdir, "people.json");
    value["images"][1]["file_name"] = json!("gone.png");
    workdir.write("gone.json", value.to_string());
    let line = workdir.complaint(&format!("{EVAL} gone.json"));
    assert!(
        line.contains("1 of 2 labelled images is missing (gone.png)"),
        "{line}"
    );
    let checked = workdir.run("train --check --annotations gone.json");
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stdout.contains("gone.png: the image is missing"),
        "{checked:?}"
    );
    assert!(checked.stderr.contains("1 error"), "{checked:?}");
    let train = "train --annotations gone.json --out out --epochs 1 --batch-size 1 --input-size 64 \
                 --device cpu --threads 1";
    let trained = workdir.succeed(train);
    assert!(trained.stderr.contains("gone.png"), "{trained:?}");
    workdir.succeed("train --check --annotations people.json");
    // An image without people is not needed.
    value["annotations"].as_array_mut().unwrap().truncate(1);
    workdir.write("gone.json", value.to_string());
    assert_eq!(
        workdir.json(&format!("{EVAL} gone.json --json"))["n_people"],
        1
    );
}

/// Fails when boxes without an area or in another layout are used as they are, or nothing is said.
#[test]
fn boxes_that_cannot_be_used_are_counted() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let people = labels(&workdir, "people.json");
    let found = |change: fn(&mut Vec<f64>)| {
        let boxes = people["annotations"].as_array().unwrap().iter().map(|a| {
            let bbox = a["bbox"].as_array().unwrap();
            let mut bbox: Vec<f64> = bbox.iter().map(|v| v.as_f64().unwrap()).collect();
            change(&mut bbox);
            json!({ "image_id": a["image_id"], "category_id": a["category_id"], "bbox": bbox,
                    "score": 0.9 })
        });
        let mut boxes: Vec<Value> = boxes.collect();
        boxes.push(boxes[0].clone());
        boxes[0]["bbox"] = json!([1, 1, 0, 0]);
        workdir.write("boxes.json", json!(boxes).to_string());
        workdir.json(&format!("{EVAL} people.json --boxes boxes.json --json"))
    };
    let plain = found(|_| {});
    assert_eq!(plain["boxes_left_out"], 1);
    assert!(
        plain["notes"].to_string().contains("1 without a position"),
        "{plain}"
    );
    let corners = found(|b| {
        b[2] += b[0];
        b[3] += b[1];
    });
    assert_eq!(corners["oks"], plain["oks"]);
    assert!(
        corners["notes"]
            .to_string()
            .contains("left, top, right, bottom"),
        "{corners}"
    );
}

/// Fails when an export of Label Studio gives other figures than the same labels as COCO, or a format
/// that is not read is not named.
#[test]
fn exports_of_labelling_tools_are_read_or_named() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let mut people = labels(&workdir, "people.json");
    let names = people["categories"][0]["keypoints"].clone();
    // Boxes and areas are those that the reader substitutes if they are missing.
    each_person(&mut people, |a| {
        for key in ["area", "bbox", "num_keypoints"] {
            a.as_object_mut().unwrap().remove(key);
        }
        for flag in a["keypoints"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .skip(2)
            .step_by(3)
        {
            if flag.as_f64() == Some(1.0) {
                *flag = json!(2);
            }
        }
    });
    workdir.write("people.json", people.to_string());
    let images = people["images"].as_array().unwrap();
    let tasks = images.iter().zip(people["annotations"].as_array().unwrap());
    let tasks = tasks.map(|(image, person)| {
        let [width, height] = ["width", "height"].map(|side| image[side].as_f64().unwrap());
        let numbers: Vec<f64> = person["keypoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_f64().unwrap())
            .collect();
        let points = numbers.chunks(3).zip(names.as_array().unwrap());
        let points = points.filter(|(n, _)| n[2] > 0.0).map(|(n, name)| {
            json!({ "type": "keypointlabels", "original_width": width, "original_height": height,
                    "value": { "x": 100.0 * n[0] / width, "y": 100.0 * n[1] / height,
                               "keypointlabels": [name] } })
        });
        let upload = format!(
            "/data/upload/1/5f3a91c2-{}",
            image["file_name"].as_str().unwrap()
        );
        json!({ "id": image["id"], "data": { "img": upload },
                "annotations": [{ "result": points.collect::<Vec<_>>() }] })
    });
    workdir.write("studio.json", json!(tasks.collect::<Vec<_>>()).to_string());
    let coco = workdir.json(&format!("{EVAL} people.json --json"));
    let studio = workdir.json(&format!("{EVAL} studio.json --json"));
    assert_eq!(studio["n_people"], 2, "{studio}");
    let pck = |report: &Value| report["pck"]["mean"].as_f64();
    assert_eq!(pck(&studio), pck(&coco), "{studio}");
    for (name, text, expected) in [
        (
            "a.xml",
            "<annotations><image/></annotations>",
            "COCO Keypoints 1.0",
        ),
        (
            "a.csv",
            "scorer,me\nbodyparts,nose\n",
            "project import --dlc",
        ),
    ] {
        workdir.write(name, text);
        let line = workdir.complaint(&format!("{EVAL} {name}"));
        assert!(line.contains(expected), "{line}");
    }
}

/// Fails when a damaged image ends an evaluation halfway, is not named at the end, counts as people who
/// were missed, or the exit code is that of a whole evaluation.
#[test]
fn a_damaged_image_is_left_out_and_named_at_the_end() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 3);
    workdir.write("2.png", b"\x89PNG\r\n\x1a\n");
    let outcome = workdir.run(&format!("{EVAL} people.json --json"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["n_people"], 2);
    assert_eq!(report["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(
        report["left_out"]["people"]["in images that cannot be read"],
        1
    );
    let line = outcome.stderr.lines().last().unwrap();
    let text = "poselens: people.json: 1 of 3 labelled images cannot be read (2.png); 1 person is";
    assert!(line.starts_with(text), "{line}");
    let table = workdir.run(&format!("{EVAL} people.json"));
    assert!(table.stdout.starts_with("sfm on 2 people"), "{table:?}");
    for name in ["0.png", "1.png"] {
        workdir.write(name, "not an image");
    }
    let line = workdir.complaint(&format!("{EVAL} people.json"));
    assert!(
        line.contains("3 of 3 labelled images cannot be read"),
        "{line}"
    );
}

/// Returns a JPEG whose EXIF data declare it upside down.
fn upside_down(picture: &image::RgbaImage) -> Vec<u8> {
    let turned = image::DynamicImage::ImageRgba8(picture.clone())
        .rotate180()
        .into_rgb8();
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.encode_image(&turned).unwrap();
    let mut bytes = bytes.into_inner();
    // APP1, "Exif", a big-endian TIFF header and one entry: tag 0x112, SHORT, one value, 3.
    let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    bytes.splice(2..2, exif.iter().copied());
    bytes
}

/// Fails when an image with EXIF rotation is evaluated or trained on in the wrong orientation
/// although the labels determine it, or the output does not say which orientation is used.
#[test]
fn the_labels_determine_the_image_orientation() {
    let workdir = Workdir::new();
    label(&workdir);
    let mut value = labels(&workdir, "labels.json");
    for image in value["images"].as_array_mut().unwrap() {
        let name = image["file_name"].as_str().unwrap().to_owned();
        let picture = image::open(workdir.path(&name)).unwrap().into_rgba8();
        let name = name.replace("png", "jpg");
        workdir.write(&name, upside_down(&picture));
        image["file_name"] = json!(name);
    }
    workdir.write("turned.json", value.to_string());
    let pck = |options: &str| {
        let report = workdir.json(&format!("eval --annotations turned.json --json{options}"));
        (
            report["pck"]["mean"].as_f64().unwrap(),
            report["notes"].to_string(),
        )
    };
    let (found, said) = pck("");
    assert!(found > 0.9, "{found}");
    assert!(
        said.contains("3 images") && said.contains("turned as their EXIF"),
        "{said}"
    );
    assert!(pck(" --orientation exif").0 > 0.9);
    assert!(pck(" --orientation stored").0 < 0.5);
    let check = workdir.json("train --check --annotations turned.json --json");
    assert!(
        check["learn"]["findings"]
            .to_string()
            .contains("turned as their EXIF"),
        "{check}"
    );
}

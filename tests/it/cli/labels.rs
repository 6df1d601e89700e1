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

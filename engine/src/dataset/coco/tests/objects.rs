//! Joints that are objects, or not numbers.

use super::*;

/// Fails when a labelled joint that is not a number is dropped without being counted, or an unlabelled
/// one is counted.
#[test]
fn joints_that_are_not_numbers_are_counted() {
    for (gap, is_counted) in [
        (json!(["NaN", "NaN", 2]), true),
        (json!(["inf", 3, 1]), true),
        (json!([5, 5, null]), true),
        (json!([null, null, 0]), false),
        (json!([null, null, null]), false),
        (json!([0, 0, 0]), false),
    ] {
        let mut value = sound();
        for (k, number) in gap.as_array().unwrap().iter().enumerate() {
            value["annotations"][0]["keypoints"][3 * 4 + k] = number.clone();
        }
        let (_, findings) = read_value(&value);
        let said = findings.iter().any(|f| {
            f.text.contains("1 joint has a coordinate")
                && f.text.contains("treated as not labelled")
        });
        assert_eq!(said, is_counted, "{gap}: {findings:?}");
    }
}

/// Fails when joints that are objects are refused, get to other joints than their names say, or pass
/// although they have no position.
#[test]
fn joints_may_be_objects() {
    let (expected, _) = read_value(&sound());
    let expected = &expected.samples[0].annotations[0].joints;
    let names: Vec<String> = valid()["categories"][0]["keypoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let spell = |object: &dyn Fn(usize, &[Value]) -> Value| {
        let mut value = sound();
        for person in value["annotations"].as_array_mut().unwrap() {
            let numbers = person["keypoints"].as_array().unwrap().clone();
            let joints = numbers.chunks(3).enumerate().map(|(j, n)| object(j, n));
            person["keypoints"] = joints.collect();
        }
        value
    };
    let plain = spell(&|_, n| json!({ "x": n[0], "y": n[1], "v": n[2] }));
    let named = |j: usize, n: &[Value]| json!({ "name": names[j], "x": n[0], "y": n[1], "visibility": n[2] });
    let mut backwards = spell(&named);
    for person in backwards["annotations"].as_array_mut().unwrap() {
        person["keypoints"].as_array_mut().unwrap().reverse();
    }
    let mut nameless = backwards.clone();
    nameless["categories"] = json!([{ "id": 1, "name": "person" }]);
    let mut bare = backwards.clone();
    bare.as_object_mut().unwrap().remove("categories");
    let mut by_name = sound();
    for person in by_name["annotations"].as_array_mut().unwrap() {
        let numbers = person["keypoints"].as_array().unwrap().clone();
        let joints = numbers.chunks(3).zip(&names);
        let joints = joints.map(|(n, name)| (name.clone(), json!(n)));
        person["keypoints"] = Value::Object(joints.collect());
    }
    for value in [plain, backwards, nameless, bare, by_name] {
        let (data, findings) = read_value(&value);
        assert_eq!(&data.samples[0].annotations[0].joints, expected, "{value}");
        let errors = findings.iter().filter(|f| f.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{findings:?}");
    }
    let odd = spell(&|_, n| json!({ "px": n[0], "py": n[1] }));
    let (_, findings) = read_value(&odd);
    let error = findings.iter().find(|f| f.severity == Severity::Error);
    assert!(
        error.unwrap().text.contains("objects with px, py"),
        "{findings:?}"
    );
}

//! Choice of the camera, and messages when one does not open.

use serde_json::{Value, json};

use super::standin::{RUN, Scene, small, webcam, with};

/// A camera with infrared formats only.
fn infrared(node: u32) -> Value {
    let mut camera = small(&json!({"code": "GREY"}));
    (camera["node"], camera["card"]) = (json!(node), json!("IR Camera"));
    camera
}

fn failing(errors: &Value) -> Value {
    json!([with(small(&json!({})), &json!({"errors": errors}))])
}

/// Fails when two causes for a camera that does not open share a message, the message is a raw
/// system error or longer than a line, or it does not say what to do.
#[test]
fn every_failure_has_its_own_message() {
    let cases = [
        (failing(&json!({"OPEN": 16})), "in use by another program"),
        (failing(&json!({"S_FMT": 16})), "in use by another program"),
        (
            failing(&json!({"STREAMON": 16})),
            "in use by another program",
        ),
        (failing(&json!({"OPEN": 13})), "no permission"),
        (failing(&json!({"OPEN": 19})), "no such device"),
        (
            failing(&json!({"STREAMON": 28})),
            "the USB bus has no bandwidth",
        ),
        (failing(&json!({"STREAMON": 5})), "it does not start"),
        (failing(&json!({"REQBUFS": 22})), "it does not start"),
        (
            json!([small(&json!({"code": "BA81"}))]),
            "formats that are not read here (BA81)",
        ),
        (
            json!([with(small(&json!({})), &json!({"formats": []}))]),
            "offers no formats at all",
        ),
        (json!([]), "no camera found"),
        (json!([webcam(2)]), "not found; there are: 2 (HD Webcam)"),
    ];
    for (cameras, words) in cases {
        let complaint = Scene::new(&cameras).complaint(RUN);
        assert!(complaint.contains(words), "{complaint} for {cameras}");
        for jargon in ["--input", "os error", "VIDIOC", "Errno", "ioctl"] {
            assert!(!complaint.contains(jargon), "{complaint}");
        }
    }
}

/// Fails when a camera that is grey only, in use, does not start or delivers no frames is chosen
/// although another one works, or is not chosen when it is the only one.
#[test]
fn the_first_camera_that_delivers_frames_is_chosen() {
    let run = "run --input camera --max-frames 2 --json";
    let silent = json!({"first_millis": 1_000_000});
    for first in [
        infrared(0),
        failing(&json!({"OPEN": 16}))[0].clone(),
        failing(&json!({"STREAMON": 5}))[0].clone(),
        small(&json!({"code": "BA81"})),
        with(small(&json!({})), &silent),
    ] {
        let scene = Scene::new(&json!([first, webcam(2)]));
        assert_eq!(scene.json(run)["camera"]["name"], "HD Webcam", "{first}");
    }
    let scene = Scene::new(&json!([infrared(0), small(&json!({"code": "BA81"}))]));
    assert_eq!(scene.json(run)["camera"]["name"], "IR Camera");
    let none = Scene::new(&json!([
        failing(&json!({"OPEN": 16}))[0],
        with(webcam(2), &json!({"errors": {"OPEN": 13}})),
    ]));
    let complaint = none.complaint(run);
    assert!(
        complaint.contains("in use") && complaint.contains("no permission"),
        "{complaint}"
    );
}

/// Fails when a metadata node counts as a camera, two equal webcams cannot be told apart, or the
/// other one is opened in place of one that was unplugged.
#[test]
fn equal_webcams_are_told_apart() {
    let metadata = with(webcam(1), &json!({"caps": 0x0080_0000}));
    let again = json!({"unplugged_after": 8, "back_after": 1500, "back_at": 5});
    let scene = Scene::new(&json!([with(webcam(0), &again), metadata, webcam(2)]));
    let complaint = scene.complaint("run --input camera:1 --json");
    assert!(
        complaint.contains("there are: 0 (HD Webcam (usb"),
        "{complaint}"
    );
    assert!(
        complaint.contains("2 (HD Webcam (usb-0000:00:14.0-3))"),
        "{complaint}"
    );
    let run = scene.json("run --input camera:14.0-3 --max-frames 2 --json");
    assert_eq!(run["camera"]["name"], "HD Webcam (usb-0000:00:14.0-3)");
    let run = scene.json("run --input camera:0 --max-frames 60 --json --kpt-thr 1");
    assert_eq!(run["camera"]["name"], "HD Webcam (usb-0000:00:14.0-1)");
    assert_eq!(run["camera"]["outages"], 1);
    let opened: Vec<_> = scene
        .calls()
        .into_iter()
        .filter(|c| c.starts_with("set ") || c == "open 5")
        .collect();
    assert!(opened.contains(&"open 5".to_owned()), "{opened:?}");
}

/// Fails when `doctor` lists neither a camera's formats nor the reason why there are none.
#[test]
fn doctor_lists_formats_or_the_reason() {
    let scene = Scene::new(&json!([
        with(webcam(0), &json!({"errors": {"OPEN": 13}})),
        with(webcam(1), &json!({"caps": 0x0080_0000})),
        webcam(2),
        with(infrared(4), &json!({"formats": [{"code": "BA81"}]})),
    ]));
    let report = scene.json("doctor --json");
    let cameras: Vec<_> = report["cameras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c.as_str().unwrap())
        .collect();
    assert_eq!(cameras.len(), 3, "{cameras:?}");
    assert!(cameras[0].contains("no permission"), "{cameras:?}");
    assert!(cameras[1].starts_with("camera:2 HD Webcam"), "{cameras:?}");
    assert!(
        cameras[1].contains("YUYV 640x480 at 30 fps, 15 fps"),
        "{cameras:?}"
    );
    assert!(
        cameras[1].contains("MJPEG 1280x720 at 30 fps"),
        "{cameras:?}"
    );
    assert!(cameras[2].contains("not read here (BA81)"), "{cameras:?}");
}

/// Fails when a camera whose driver hangs prevents others from being listed or opened, or is not
/// named in the message.
#[test]
fn a_hanging_camera_delays_no_other() {
    let hung = with(small(&json!({})), &json!({"hangs_in": "OPEN"}));
    let scene = Scene::new(&json!([hung, webcam(2), webcam(4)]));
    let report = scene.json("doctor --json");
    let cameras: Vec<_> = report["cameras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c.as_str().unwrap())
        .collect();
    assert_eq!(cameras.len(), 3, "{cameras:?}");
    assert!(
        cameras[0].contains("/dev/video0 does not answer"),
        "{cameras:?}"
    );
    for camera in &cameras[1..] {
        assert!(camera.contains("YUYV 640x480 at 30 fps"), "{cameras:?}");
    }
    let run = scene.json("run --input camera --max-frames 2 --json");
    assert_eq!(run["camera"]["name"], "HD Webcam (usb-0000:00:14.0-3)");
    let complaint = scene.complaint("run --input camera:0 --max-frames 2 --json");
    assert!(
        complaint.contains("/dev/video0 does not answer"),
        "{complaint}"
    );
}

//! Pixel formats of cameras, and format negotiation.

use image::ExtendedColorType;
use serde_json::{Value, json};

use super::standin::{RUN, Scene, small, webcam, with};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// Colours of the left and right half of every frame.
const LEFT: [u8; 3] = [200, 60, 40];
const RIGHT: [u8; 3] = [30, 90, 210];

fn colour(x: usize) -> [u8; 3] {
    if x < WIDTH / 2 { LEFT } else { RIGHT }
}

/// Converts to limited-range BT.601.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let (u, v) = ((b - y) / 1.772, (r - y) / 1.402);
    let scaled = [
        16.0 + y * 219.0 / 255.0,
        128.0 + u * 224.0 / 255.0,
        128.0 + v * 224.0 / 255.0,
    ];
    scaled.map(|x| x.round() as u8)
}

/// Returns `n` rows of `row(x)` for every x in `0..WIDTH` by `step`, each with padding.
fn plane(
    n: usize,
    step: usize,
    padding: usize,
    row: impl Fn([u8; 3], [u8; 3]) -> Vec<u8>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..n {
        for x in (0..WIDTH).step_by(step) {
            bytes.extend(row(colour(x), yuv(colour(x))));
        }
        bytes.resize(bytes.len() + padding, 0xEE);
    }
    bytes
}

/// Returns a frame in the format with this code.
fn frame(code: &str, padding: usize) -> Vec<u8> {
    let (luma, half) = (HEIGHT, HEIGHT / 2);
    let y = || plane(luma, 1, padding, |_, [y, ..]| vec![y]);
    let u = |n| plane(half, 2, n, |_, [_, u, _]| vec![u]);
    let v = |n| plane(half, 2, n, |_, [_, _, v]| vec![v]);
    match code {
        "YUYV" => plane(luma, 2, padding, |_, [y, u, v]| vec![y, u, y, v]),
        "UYVY" => plane(luma, 2, padding, |_, [y, u, v]| vec![u, y, v, y]),
        "NV12" | "NM12" => [y(), plane(half, 2, padding, |_, [_, u, v]| vec![u, v])].concat(),
        "NV21" => [y(), plane(half, 2, padding, |_, [_, u, v]| vec![v, u])].concat(),
        "YU12" | "YM12" => [y(), u(padding / 2), v(padding / 2)].concat(),
        "RGB3" => plane(luma, 1, padding, |rgb, _| rgb.to_vec()),
        "BGR3" => plane(luma, 1, padding, |[r, g, b], _| vec![b, g, r]),
        "GREY" => plane(luma, 1, padding, |[r, ..], _| vec![r]),
        "Y16 " => plane(luma, 1, padding, |[r, ..], _| vec![0x77, r]),
        "MJPG" => {
            let mut jpeg = Vec::new();
            let rgb = frame("RGB3", 0);
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95)
                .encode(&rgb, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8)
                .unwrap();
            jpeg
        }
        other => panic!("no frame of {other}"),
    }
}

/// Returns the colours of both halves in the recorded video.
fn recorded(scene: &Scene) -> [[u8; 3]; 2] {
    scene.json(&format!("{RUN} --record out.mp4"));
    let frames = scene.0.frames("out.mp4");
    let frame = &frames[0];
    assert_eq!((frame.size().width, frame.size().height), (WIDTH, HEIGHT));
    [WIDTH / 4, WIDTH * 3 / 4].map(|x| {
        let at = (HEIGHT / 2 * WIDTH + x) * 4;
        [0, 1, 2].map(|c| frame.rgba()[at + c])
    })
}

/// Fails when a pixel format is not opened, or has wrong colours or shear, with and without
/// padding, single-planar and multi-planar.
#[test]
fn every_format_has_its_colours() {
    let cases = [
        ("YUYV", 0, false),
        ("YUYV", 24, false),
        ("UYVY", 0, false),
        ("NV12", 16, false),
        ("NV12", 0, true),
        ("NM12", 16, true),
        ("NV21", 0, false),
        ("YU12", 32, false),
        ("YM12", 0, true),
        ("RGB3", 0, false),
        ("BGR3", 4, false),
        ("GREY", 0, false),
        ("Y16 ", 0, false),
        ("MJPG", 0, false),
    ];
    for (code, padding, is_multi_planar) in cases {
        let scene = Scene::new(&Value::Null);
        scene.0.write("frame.raw", frame(code, padding));
        let format = json!({
            "code": code,
            "padding": padding,
            "frames": [scene.0.path("frame.raw")],
        });
        let mut fields = json!({"is_multi_planar": is_multi_planar});
        if is_multi_planar {
            fields["caps"] = json!(0x1000);
        }
        let camera = with(small(&format), &fields);
        scene.0.write("scenario.json", json!([camera]).to_string());
        let want = match code {
            "GREY" | "Y16 " => [LEFT, RIGHT].map(|[r, ..]| [r; 3]),
            _ => [LEFT, RIGHT],
        };
        for (got, want) in recorded(&scene).iter().zip(want) {
            for c in 0..3 {
                let distance = got[c].abs_diff(want[c]);
                assert!(distance <= 14, "{code}+{padding}: {got:?} for {want:?}");
            }
        }
    }
}

/// Fails when a camera that offers only H.264 is refused, has wrong colours, or its frames count as
/// damaged.
#[test]
fn a_camera_with_h264_alone_is_read() {
    let stream = std::fs::read(poselens_tests::golden("video/camera.h264")).unwrap();
    let scene = Scene::new(&Value::Null);
    // Every access unit starts with a delimiter.
    let begins: Vec<_> = (0..stream.len())
        .filter(|&i| stream[i..].starts_with(&[0, 0, 0, 1, 9]))
        .collect();
    let ends = begins.iter().copied().skip(1).chain([stream.len()]);
    let mut frames = Vec::new();
    for (i, (begin, end)) in begins.iter().zip(ends).enumerate() {
        let name = format!("{i}.h264");
        scene.0.write(&name, &stream[*begin..end]);
        frames.push(scene.0.path(&name));
    }
    assert_eq!(frames.len(), 8);
    let camera = small(&json!({"code": "H264", "frames": frames}));
    scene.0.write("scenario.json", json!([camera]).to_string());
    for (got, want) in recorded(&scene).iter().zip([LEFT, RIGHT]) {
        for c in 0..3 {
            assert!(got[c].abs_diff(want[c]) <= 14, "{got:?} for {want:?}");
        }
    }
    let run = scene.json("run --input camera:0 --max-frames 12 --json");
    assert_eq!(
        (&run["frames"], &run["camera"]["damaged"]),
        (&json!(12), &json!(0))
    );
    assert_eq!(run["camera"]["format"], "64x48 at 30 fps as H264");
}

/// Fails when a camera uses the format left by another program instead of setting one, or does not
/// open because its frame rate is not an integer.
#[test]
fn a_camera_is_opened_by_setting_its_format() {
    for (interval, rate) in [
        ([1, 30], 30.0),
        ([2, 15], 7.5),
        ([1001, 30000], 29.97),
        ([1, 5], 5.0),
    ] {
        let rates = json!({"rates": {"Listed": [interval]}});
        let camera = with(small(&rates), &json!({"errors": {"G_FMT": 22}}));
        let scene = Scene::new(&json!([camera]));
        let run = scene.json(RUN);
        assert_eq!(run["frames"], 3);
        let format = format!("64x48 at {rate} fps as YUYV");
        assert_eq!(run["camera"]["format"], format);
        let calls = scene.calls();
        assert!(
            calls.contains(&format!("rate {}/{}", interval[0], interval[1])),
            "{calls:?}"
        );
        assert!(!calls.contains(&"G_FMT".to_owned()), "{calls:?}");
        assert_eq!(calls.last().unwrap(), "close");
        assert!(calls.contains(&"STREAMOFF".to_owned()), "{calls:?}");
    }
}

/// Fails when a camera does not open that lists no sizes or rates, lists ranges of them, or
/// delivers another format than was set.
#[test]
fn unusual_format_lists_are_supported() {
    let ranges = json!({"sizes": {"Stepwise": [[16, 1920, 16], [16, 1080, 8]]}});
    let loopback = json!({
        "sizes": {"Stepwise": [[2, 8192, 1], [1, 8192, 1]]},
        "rates": {"Continuous": [[1, 1000], [1, 1]]},
    });
    let cases = [
        (
            json!({"sizes": "Unlisted", "rates": "Unlisted"}),
            json!({}),
            "640x480",
        ),
        (
            ranges,
            json!({"errors": {"S_PARM": 25, "G_PARM": 25}}),
            "640x480",
        ),
        (loopback.clone(), json!({}), "640x480"),
        (loopback, json!({"n_buffers": 1}), "640x480"),
        (json!({}), json!({"is_poll_odd": true}), "64x48"),
        (
            json!({"rates": "Unlisted"}),
            json!({"errors": {"G_PARM": 22}}),
            "64x48",
        ),
    ];
    for (format, fields, size) in cases {
        let scene = Scene::new(&json!([with(small(&format), &fields)]));
        let run = scene.json(RUN);
        let got = run["camera"]["format"].as_str().unwrap();
        assert!(got.starts_with(size), "{got} for {format} {fields}");
    }
    // A loopback device has the format of the program that feeds it.
    let mut camera = small(&json!({"sizes": {"Stepwise": [[2, 8192, 1], [1, 8192, 1]]}}));
    let fed = json!({"code": "UYVY", "sizes": {"Listed": [[80, 60]]}, "rates": "Unlisted"});
    camera["formats"].as_array_mut().unwrap().push(fed);
    camera["fixed"] = json!(1);
    let run = Scene::new(&json!([camera])).json(RUN);
    let format = run["camera"]["format"].as_str().unwrap();
    assert!(
        format.starts_with("80x60") && format.ends_with("UYVY"),
        "{format}"
    );
}

/// Fails when a slow mode is preferred for its size, or an ordinary webcam does not run at 30 fps.
#[test]
fn the_frame_rate_has_priority() {
    let run = Scene::new(&json!([webcam(0)])).json(RUN);
    assert_eq!(run["camera"]["format"], "640x480 at 30 fps as YUYV");
    let slow = json!({
        "code": "YUYV",
        "sizes": {"Listed": [[1280, 720]]},
        "rates": {"Listed": [[1, 5]]},
    });
    let mut camera = small(&json!({"sizes": {"Listed": [[320, 240]]}}));
    camera["formats"]
        .as_array_mut()
        .unwrap()
        .insert(0, with(slow, &json!({"code": "UYVY"})));
    let run = Scene::new(&json!([camera])).json(RUN);
    assert_eq!(run["camera"]["format"], "320x240 at 30 fps as YUYV");
}

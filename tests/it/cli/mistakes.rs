//! Messages about wrong usage and unusable inputs.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, safetensors};
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::Size;
use poselens_engine::record::save_png;
use poselens_tests::{fill, golden, torch};

use super::{Running, Workdir, asset};

/// Fails when wrong usage (2) and failure (1) have the same exit code, or a mistyped option is
/// ignored.
#[test]
fn wrong_usage_exits_with_2() {
    let workdir = Workdir::new();
    for arguments in [
        "dance",
        "run",
        "run --input sample --model nosuch",
        "run --input sample --nosuch",
        "run --input sample --max-frames many",
        "run --input sample --max-frames 0",
        "run --input sample --kpt-thr 1.5",
        "attention --input sample --keypoint nose --out out.jpg",
        "eval --annotations labels.json --plot out.pdf",
        "run --input sample --start -1",
        "run --input sample --record out.gif",
        "run --input sample --record out.webm",
        "run --input sample --record out",
        "run --input sample --overlay skeleton,nosuch",
        "run --input sample --people two",
        "run --input sample --people several:0",
        "run --input sample --follow 0",
        "run --input sample --follow left",
        "run --input sample --device toaster",
        "run --input sample --threads 0",
        "doctor --log poselens_engine=loud",
        "bench --iters 0",
        "eval --annotations a.json --images . --metric nosuch",
        "forward --model sfm",
        "gui --weights w.safetensors",
    ] {
        let outcome = workdir.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments}: {outcome:?}");
        assert_eq!(outcome.stdout, "", "{arguments}");
        assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    }
}

/// Fails when an output replaces an input of the command: an image by its attention map, a video by a
/// recording through a hard link, weights by poses, or an image of the input folder by a list.
#[test]
fn inputs_are_never_replaced() {
    let workdir = Workdir::new();
    workdir.copy(&asset("clips/sister.mkv"), "in.mp4");
    std::fs::hard_link(workdir.path("in.mp4"), workdir.path("linked.mp4")).unwrap();
    let frame = Frame::new(0, 0.0, Size::new(8, 8), Pixels::unpooled(vec![99; 256]));
    save_png(&frame, &workdir.path("images/1.png")).unwrap();
    std::fs::write(workdir.path("w.safetensors"), "weights").unwrap();
    for (arguments, input) in [
        (
            "attention --input images/1.png --keypoint nose --out images/1.png",
            "images/1.png",
        ),
        (
            "run --input in.mp4 --max-frames 2 --record linked.mp4",
            "in.mp4",
        ),
        (
            "run --input sample --weights w.safetensors --write-json w.safetensors",
            "w.safetensors",
        ),
        (
            "run --input images --write-csv images/1.png",
            "images/1.png",
        ),
        (
            "forward --model sfm --weights w.safetensors --input in.mp4 --output in.mp4",
            "in.mp4",
        ),
    ] {
        let before = std::fs::read(workdir.path(input)).unwrap();
        let outcome = workdir.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments}: {outcome:?}");
        assert!(outcome.stderr.contains("cannot write to"), "{outcome:?}");
        assert_eq!(std::fs::read(workdir.path(input)).unwrap(), before);
    }
}

/// Fails when conflicting options exit with the code of a failure, or their file is not named.
#[test]
fn conflicting_options_exit_with_2() {
    let workdir = Workdir::new();
    workdir.write("misspelt.toml", "epocs = 3\n");
    workdir.write(
        "frozen.toml",
        "freeze = \"backbone\"\nfixed_norms = false\n",
    );
    let backwards = workdir.run("run --input sample --start 2 --end 1");
    assert_eq!(backwards.code, Some(2), "{backwards:?}");
    assert!(backwards.stderr.contains("--end 1"), "{backwards:?}");
    let all = workdir.run("run --input sample --model ssa-sfm-2 --people one");
    assert_eq!(all.code, Some(2), "{all:?}");
    assert!(all.stderr.contains("--follow largest"), "{all:?}");
    let train = "train --annotations people.json --out out";
    for (options, named) in [
        ("--init scratch --freeze backbone", "random weights"),
        ("--model mca-2-slim --input-size 96", "multiples of 64"),
        ("--model ssa-vgg-6 --init bundled", "no bundled weights"),
        (
            "--config misspelt.toml",
            "misspelt.toml: unknown field `epocs`",
        ),
        ("--config frozen.toml", "fixed_norms"),
    ] {
        let outcome = workdir.run(&format!("{train} {options}"));
        assert_eq!(outcome.code, Some(2), "{options}: {outcome:?}");
        assert!(outcome.stderr.starts_with("poselens: "), "{outcome:?}");
        assert!(outcome.stderr.contains(named), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(!workdir.path("out").exists());
    }
    let outcome = workdir.run(&format!("{train} --config nowhere.toml"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}

/// Fails when an unusable input causes a panic or hang, prints several lines, or is not named.
#[test]
fn an_unusable_input_is_named_in_one_line() {
    let workdir = Workdir::new();
    let noise: Vec<u8> = fill::filled(20_000, |i| 256.0 * fill::unit("noise", i))
        .into_iter()
        .map(|v| v as u8)
        .collect();
    workdir.write("empty.mp4", "");
    workdir.write("empty.png", "");
    workdir.write("noise.mp4", &noise);
    workdir.write("noise.png", &noise);
    std::fs::create_dir(workdir.path("bare")).unwrap();
    for (input, named) in [
        ("missing.mp4", "missing.mp4"),
        ("missing.png", "missing.png"),
        ("empty.mp4", "empty.mp4"),
        ("empty.png", "empty.png"),
        ("noise.mp4", "noise.mp4"),
        ("noise.png", "noise.png"),
        ("bare", "bare: no images"),
        ("camera:99", "camera 99"),
        ("synthetic:nosuch", "synthetic:nosuch"),
    ] {
        let line = workdir.complaint(&format!("run --input {input} --json"));
        assert!(line.contains(named), "{input}: {line}");
    }
}

/// Fails when a video that needs ffmpeg is refused without saying so.
#[test]
fn a_video_that_needs_ffmpeg_says_so_if_it_is_missing() {
    let workdir = Workdir::new();
    workdir.write("film.avi", "RIFF, but not really");
    let mut command = workdir.command("run --input film.avi");
    command.env("PATH", workdir.path("bare"));
    let line = Running::start(command).wait().complaint("film.avi");
    assert!(
        line.contains("film.avi") && line.contains("install"),
        "{line}"
    );
}

/// Fails when a run that cannot write its output seems to succeed, or does not name the file.
#[test]
fn an_output_that_cannot_be_written_is_named_in_one_line() {
    let workdir = Workdir::new();
    workdir.write("file", "not a folder");
    let mut options = vec!["record"];
    options.extend(["write-json", "write-coco", "write-csv", "write-openpose"]);
    for option in options {
        let arguments = format!("run --input synthetic --max-frames 2 --{option} file/out.mp4");
        let line = workdir.complaint(&arguments);
        assert!(line.contains("file/out.mp4"), "{option}: {line}");
    }
}

/// Fails when a mistyped output overwrites the video being read, or two outputs are written to one
/// file.
#[test]
fn an_output_never_overwrites_the_input_or_another_output() {
    let workdir = Workdir::new();
    let clip = std::fs::read(asset("clips/sister.mkv")).unwrap();
    workdir.write("clip.mp4", &clip);
    for option in ["record", "write-json", "write-coco", "write-csv"] {
        let line = workdir.misuse(&format!("run --input clip.mp4 --{option} ./clip.mp4"));
        assert!(
            line.contains("clip.mp4") && line.contains("input"),
            "{line}"
        );
    }
    assert_eq!(std::fs::read(workdir.path("clip.mp4")).unwrap(), clip);
    let line = workdir.misuse("run --input clip.mp4 --record out.mp4 --write-csv ./out.mp4");
    assert!(line.contains("out"), "{line}");
}

/// Fails when options that contradict each other, or a value that the chosen model does not know,
/// exit with the code of a failure, or something is written nevertheless.
#[test]
fn options_that_cannot_be_meant_exit_with_2() {
    let workdir = Workdir::new();
    let run = "run --input synthetic --max-frames 2";
    let mut cases = vec![
        (format!("{run} --json --write-json -"), "--json"),
        (
            format!("{run} --write-csv - --write-coco -"),
            "another output",
        ),
        (format!("{run} --write-openpose -"), "--write-openpose"),
        (
            "attention --input synthetic --keypoint tail --out out.png".to_owned(),
            "l_wrist",
        ),
        (
            "eval --annotations a.json --metric pck --boxes b.json".to_owned(),
            "--boxes gt",
        ),
        ("eval --annotations a.json --scales 99".to_owned(), "scales"),
        (
            "eval --annotations a.json --decode fields".to_owned(),
            "fields",
        ),
        ("train --check".to_owned(), "--annotations"),
    ];
    if cfg!(target_os = "linux") {
        cases.push((format!("{run} --json --write-json /dev/stdout"), "--json"));
    }
    for (arguments, named) in cases {
        let line = workdir.misuse(&arguments);
        assert!(line.contains(named), "{arguments}: {line}");
        assert_eq!(std::fs::read_dir(workdir.path("")).unwrap().count(), 0);
    }
}

/// Fails when the failure of an output is printed twice, or one of several is not printed.
#[test]
fn the_failure_of_an_output_is_printed_once() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let workdir = Workdir::new();
    let run = "run --input synthetic --max-frames 3 --write-json /dev/full";
    let line = workdir.complaint(run);
    assert_eq!(line.matches("/dev/full").count(), 1, "{line}");
    // The others continue and are complete.
    let line = workdir.complaint(&format!("{run} --write-csv ok.csv"));
    assert_eq!(line.matches("/dev/full").count(), 1, "{line}");
    assert!(workdir.read("ok.csv").lines().count() > 1);
    let line = workdir.complaint(&format!(
        "{run} --write-csv gone/a.csv --write-coco gone/b.json"
    ));
    for name in ["a.csv", "b.json"] {
        assert_eq!(line.matches(name).count(), 1, "{line}");
    }
    let log = workdir.run(&format!("{run} --log info")).stderr;
    let is_logged = |l: &str| l.contains("INFO") && l.contains("/dev/full");
    assert!(log.lines().any(is_logged), "{log}");
}

/// Fails when a folder of videos is refused without saying what to open.
#[test]
fn a_folder_of_videos_is_refused_with_advice() {
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("clips")).unwrap();
    workdir.copy(&golden("video/bframes.mp4"), "clips/a.mp4");
    let line = workdir.complaint("run --input clips --write-json out.jsonl");
    assert!(line.contains("open one of its videos"), "{line}");
}

/// Fails when images that H.264 cannot hold are not recorded, or that they are scaled is not said,
/// said for each image, or taken for input that was not read.
#[test]
fn images_of_any_size_are_recorded() {
    let workdir = Workdir::new();
    for (folder, size, video) in [
        ("dots", (1, 1), Size::new(16, 16)),
        ("wide", (4000, 20), Size::new(3840, 20)),
    ] {
        std::fs::create_dir(workdir.path(folder)).unwrap();
        for name in ["a.png", "b.png"] {
            let path = workdir.path(&format!("{folder}/{name}"));
            image::RgbImage::new(size.0, size.1).save(path).unwrap();
        }
        let run = workdir.json(&format!(
            "run --input {folder} --record {folder}.mp4 --write-json out.jsonl --json --strict"
        ));
        let text = format!("{}x{}", size.0, size.1);
        let [warning] = run["warnings"].as_array().unwrap().as_slice() else {
            panic!("{run}");
        };
        assert!(warning.as_str().unwrap().contains(&text), "{warning}");
        let frames = workdir.frames(&format!("{folder}.mp4"));
        let sizes: Vec<_> = frames.iter().map(Frame::size).collect();
        assert_eq!(sizes, [video; 2]);
        assert_eq!(workdir.json_lines("out.jsonl")[1]["width"], size.0);
    }
}

/// Fails when poses are lost because the video beside them cannot be begun, or the run seems to
/// succeed without it.
#[test]
fn a_video_that_cannot_begin_leaves_the_others_going() {
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("out.mp4")).unwrap();
    let line = workdir
        .complaint("run --input synthetic --max-frames 3 --record out.mp4 --write-json out.jsonl");
    assert_eq!(line.matches("out.mp4").count(), 1, "{line}");
    assert_eq!(workdir.json_lines("out.jsonl").len(), 3);
    // Without other outputs, nothing is computed in vain.
    let alone = workdir.complaint("run --input synthetic:live --record out.mp4");
    assert!(alone.contains("out.mp4"), "{alone}");
}

/// Fails when weights that do not fit are loaded, or rejected without naming the difference.
#[test]
fn unsuitable_weights_are_named_with_tensor_and_shapes() {
    let workdir = Workdir::new();
    let bundled = asset("models/sfm-coco17.safetensors");
    let mut tensors = safetensors::load(&bundled, &Device::Cpu).unwrap();
    let narrow = Tensor::zeros(16, DType::F32, &Device::Cpu).unwrap();
    tensors.insert("head.bias".to_owned(), narrow);
    safetensors::save(&tensors, workdir.path("narrow.safetensors")).unwrap();
    let run = "run --input synthetic --max-frames 1 --weights";
    let line = workdir.complaint(&format!("{run} narrow.safetensors"));
    for part in ["narrow.safetensors", "head.bias", "[16]", "[17]"] {
        assert!(line.contains(part), "{line}");
    }
    let stranger = HashMap::from([("weight", tensors["head.bias"].clone())]);
    safetensors::save(&stranger, workdir.path("stranger.safetensors")).unwrap();
    let line = workdir.complaint(&format!("{run} stranger.safetensors"));
    assert!(line.contains("belong to another model"), "{line}");
    let whole = std::fs::read(&bundled).unwrap();
    workdir.write("cut.safetensors", &whole[..whole.len() / 2]);
    for name in ["cut.safetensors", "missing.safetensors"] {
        let line = workdir.complaint(&format!("{run} {name}"));
        assert!(line.contains(name), "{line}");
    }
}

/// Fails when weights with NaN or infinite values are loaded or imported, or the tensor is not named.
#[test]
fn weights_that_are_no_numbers_are_refused() {
    let workdir = Workdir::new();
    let bundled = safetensors::load(asset("models/sfm-coco17.safetensors"), &Device::Cpu).unwrap();
    for wrong in [f32::NAN, f32::NEG_INFINITY] {
        let mut tensors = bundled.clone();
        let mut bias = vec![0f32; 17];
        bias[3..5].fill(wrong);
        let bias = Tensor::from_vec(bias, 17, &Device::Cpu).unwrap();
        tensors.insert("head.bias".to_owned(), bias);
        safetensors::save(&tensors, workdir.path("w.safetensors")).unwrap();
        let input = Tensor::zeros((1, 3, 256, 256), DType::F32, &Device::Cpu).unwrap();
        let input = HashMap::from([("input", input)]);
        safetensors::save(&input, workdir.path("in.safetensors")).unwrap();
        for arguments in [
            "run --input synthetic --max-frames 1 --weights w.safetensors",
            "forward --model sfm --weights w.safetensors --input in.safetensors --output o.safetensors",
            "import --in w.safetensors --out new.safetensors --model sfm",
        ] {
            let line = workdir.complaint(arguments);
            assert!(
                line.contains(
                    "w.safetensors: tensor head.bias has NaN or infinite values (2 of 17)"
                ),
                "{line}"
            );
        }
        assert!(!workdir.path("new.safetensors").exists());
    }
}

/// Fails when a PyTorch checkpoint given as weights is called damaged, without a word on how to
/// convert it.
#[test]
fn a_pytorch_checkpoint_is_to_be_imported_first() {
    let workdir = Workdir::new();
    let tensors = [("a".to_owned(), vec![1], vec![1.0])];
    workdir.write("new.pth", torch::checkpoint("", &tensors));
    workdir.write("old.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.");
    for name in ["new", "old"] {
        let run = format!("run --input synthetic --max-frames 1 --weights {name}.pth");
        let line = workdir.complaint(&run);
        let remedy = format!("poselens import --in {name}.pth --out");
        assert!(line.contains(&remedy), "{line}");
    }
}

/// Fails when invalid labels crash an evaluation or are not named.
#[test]
fn broken_labels_are_named_in_one_line() {
    let workdir = Workdir::new();
    workdir.write("cut.json", r#"{"images": ["#);
    workdir.write("lacks.json", r#"{"images": [], "annotations": []}"#);
    workdir.write("list.json", "[]");
    for name in ["cut.json", "lacks.json", "list.json", "missing.json"] {
        let line = workdir.complaint(&format!("eval --annotations {name} --images . --json"));
        assert!(line.contains(name), "{line}");
    }
}

/// Fails when a device requested by name is silently replaced by another.
#[test]
fn an_absent_device_is_an_error() {
    let workdir = Workdir::new();
    let line = workdir.complaint("run --input synthetic --max-frames 1 --device cuda:7");
    assert!(line.contains("cuda:7"), "{line}");
}

/// Fails when `--help` and `--version` do not print to standard output and exit with 0.
#[test]
fn help_and_version_are_not_errors() {
    let workdir = Workdir::new();
    for arguments in ["--help", "run --help", "--version"] {
        let outcome = workdir.succeed(arguments);
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty());
    }
}

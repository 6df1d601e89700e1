//! `poselens import`: checkpoints are converted to weights, or rejected with one line.

use std::process::Command;

use candle_core::{DType, Device, Tensor, safetensors};
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, model};
use poselens_tests::{golden, torch};
use serde_json::{Value, json};

use super::{Running, Workdir, asset};
use crate::sfm::filled_weights;
use crate::transpose;

/// Returns the tensors as listed in a checkpoint, including the batch counter, which is not used.
fn listed(
    tensors: impl IntoIterator<Item = (String, Tensor)>,
) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let values = |t: &Tensor| {
        let t = t.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
        t.to_vec1().unwrap()
    };
    let mut listed: Vec<_> = tensors
        .into_iter()
        .map(|(name, t)| (name, t.dims().to_vec(), values(&t)))
        .collect();
    let counter = "stem.bn.num_batches_tracked".to_owned();
    listed.push((counter, Vec::new(), vec![7.0]));
    listed
}

fn keypoints(lines: &[Value]) -> Vec<&Value> {
    lines.iter().map(|l| &l["poses"][0]["keypoints"]).collect()
}

/// Fails when an imported network gives other predictions than the original.
#[test]
fn an_imported_network_finds_the_same_joints() {
    let workdir = Workdir::new();
    let bundled = safetensors::load(asset("models/sfm-coco17.safetensors"), &Device::Cpu).unwrap();
    let n = bundled.len();
    workdir.write(
        "parallel.pth",
        torch::checkpoint("module.", &listed(bundled)),
    );
    let summary = workdir.json("import --in parallel.pth --out w.safetensors --json");
    for (key, value) in [
        ("model", json!("sfm")),
        ("skeleton", json!("coco17")),
        ("joints", json!(17)),
        ("width", json!(256)),
        ("tensors", json!(n)),
        ("counters_dropped", json!(1)),
        ("card", json!("w.toml")),
        ("format", json!("PyTorch zip")),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary}");
    }
    let card = workdir.read("w.toml");
    for part in [
        "parallel.pth",
        "poselens 0.",
        summary["sha256"].as_str().unwrap(),
    ] {
        assert!(card.contains(part), "{card}");
    }
    let run = "run --input sample --max-frames 2";
    workdir.succeed(&format!("{run} --write-json bundled.jsonl"));
    workdir.succeed(&format!(
        "{run} --weights w.safetensors --write-json imported.jsonl"
    ));
    let (bundled, imported) = (
        workdir.json_lines("bundled.jsonl"),
        workdir.json_lines("imported.jsonl"),
    );
    assert_eq!(keypoints(&bundled), keypoints(&imported));

    // Safetensors can be imported as well, and equal tensors give an identical file.
    let again =
        workdir.json("import --in w.safetensors --out again.safetensors --model sfm --json");
    assert_eq!(again["sha256"], summary["sha256"]);

    // A card whose weights file was replaced.
    workdir.copy(&asset("models/sfm-coco17.safetensors"), "w.safetensors");
    let line = workdir.complaint(&format!("{run} --weights w.safetensors"));
    assert!(
        line.contains("w.toml") && line.contains("SHA-256"),
        "{line}"
    );
}

/// Fails when the checkpoint of a training loop is rejected because of the data next to its weights
/// or a wrapper around the network; all variants must give the same weights.
#[test]
fn checkpoints_of_training_loops_are_imported() {
    let workdir = Workdir::new();
    let bundled = safetensors::load(asset("models/sfm-coco17.safetensors"), &Device::Cpu).unwrap();
    workdir.write("plain.pth", torch::checkpoint("", &listed(bundled.clone())));
    let plain = workdir.json("import --in plain.pth --out w.safetensors --json");
    for (section, prefix, taken_off) in [
        ("state_dict", "", json!([])),
        ("state_dict", "model.", json!(["model."])),
        ("net", "_orig_mod.", json!([])),
        ("ema", "module._orig_mod.net.", json!(["net."])),
    ] {
        workdir.write(
            "loop.pth",
            torch::training(section, prefix, &listed(bundled.clone())),
        );
        let loaded = workdir.json("import --in loop.pth --out w.safetensors --json");
        assert_eq!(loaded["sha256"], plain["sha256"], "{section} {prefix}");
        assert_eq!(loaded["section"], section);
        assert_eq!(loaded["prefixes"], taken_off);
    }
    let mut prefixed: std::collections::HashMap<String, Tensor> = bundled
        .iter()
        .map(|(name, tensor)| (format!("module.{name}"), tensor.clone()))
        .collect();
    let loss = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    safetensors::save(&prefixed, workdir.path("module.safetensors")).unwrap();
    let loaded = workdir.json("import --in module.safetensors --out w.safetensors --json");
    assert_eq!(loaded["sha256"], plain["sha256"]);
    // A Lightning module contains its loss next to the network.
    prefixed = bundled
        .into_iter()
        .map(|(name, tensor)| (format!("model.{name}"), tensor))
        .collect();
    prefixed.insert("loss.weight".to_owned(), loss);
    safetensors::save(&prefixed, workdir.path("loss.safetensors")).unwrap();
    let loaded = workdir.json("import --in loss.safetensors --out w.safetensors --json");
    assert_eq!(loaded["sha256"], plain["sha256"]);
    assert_eq!(loaded["left_out"], json!(["loss.weight"]));
    let line = workdir.complaint("import --in loop.pth --out w.safetensors --section model");
    assert!(line.contains("no such section; it has ema"), "{line}");
}

/// Fails when a dictionary around the only section is called an alternative to it, with an empty
/// name, or a plain list of tensors is said to have sections.
#[test]
fn a_wrapper_is_no_section() {
    let workdir = Workdir::new();
    let bundled = safetensors::load(asset("models/sfm-coco17.safetensors"), &Device::Cpu).unwrap();
    let tensors = listed(bundled);
    workdir.write("wrapped.pth", torch::wrapped("model", &tensors));
    let import = "import --in wrapped.pth --out w.safetensors";
    let imported = workdir.json(&format!("{import} --json"));
    assert_eq!(imported["section"], "model");
    assert_eq!(imported["also_fit"], json!([]));
    let outcome = workdir.succeed(import);
    assert!(!outcome.stderr.contains("also matching"), "{outcome:?}");
    let line = workdir.complaint(&format!("{import} --section ema"));
    assert!(line.contains("it has model\n"), "{line}");
    workdir.write("plain.pth", torch::checkpoint("", &tensors));
    let line = workdir.complaint("import --in plain.pth --out w.safetensors --section ema");
    assert!(line.contains("has no sections"), "{line}");
}

/// Fails when joints are lost or renamed: a network with other joints must bring its own skeleton.
#[test]
fn a_network_for_other_joints_brings_its_skeleton() {
    let workdir = Workdir::new();
    let tensors = listed(filled_weights(model("sfm").unwrap()));
    workdir.write("mpii.pth", torch::checkpoint("", &tensors));
    let outcome = workdir.succeed("import --in mpii.pth --out mpii.safetensors");
    assert!(
        outcome.stderr.contains("sfm for 16 joints (mpii16)"),
        "{outcome:?}"
    );
    workdir.succeed(
        "run --input synthetic --max-frames 1 --weights mpii.safetensors --write-json a.jsonl",
    );
    assert_eq!(workdir.json_lines("a.jsonl")[0]["skeleton"], "mpii16");
}

/// Fails when a network with a position table is imported with another input size, and is fed
/// distorted crops.
#[test]
fn a_position_table_determines_the_input_size() {
    let workdir = Workdir::new();
    let options = BuildOptions {
        n_joints: 16,
        n_limbs: 14,
        input: Size::square(256),
    };
    let tensors = transpose::filled_weights(model("tp-r-a3").unwrap(), &options);
    workdir.write("mpii.pth", torch::checkpoint("", &listed(tensors)));
    let summary = workdir.json("import --in mpii.pth --out tp.safetensors --json");
    for (key, value) in [
        ("model", json!("tp-r-a3")),
        ("skeleton", json!("mpii16")),
        ("width", json!(256)),
        ("height", json!(256)),
        ("tensors", json!(165)),
    ] {
        assert_eq!(summary[key], value, "{key}: {summary}");
    }
    let card = workdir.read("tp.toml");
    assert!(
        card.contains("width = 256") && card.contains("decode = \"dark\""),
        "{card}"
    );
    workdir
        .succeed("run --input synthetic --max-frames 1 --model tp-r-a3 --weights tp.safetensors");
}

/// Fails when a file that does not contain the weights of a model is accepted, causes a panic,
/// leaves partial output, executes its contents, or is rejected without a reason.
#[test]
fn files_without_model_weights_are_refused_in_one_line() {
    let workdir = Workdir::new();
    for name in [
        "tiny_zip",
        "tiny_legacy_nonzip",
        "tiny_zip_training_checkpoint",
    ] {
        let file = format!("{name}.pth");
        workdir.copy(&golden("checkpoint").join(&file), &file);
    }
    let tiny = std::fs::read(workdir.path("tiny_zip.pth")).unwrap();
    workdir.write("cut.pth", &tiny[..tiny.len() / 2]);
    workdir.write("empty.pth", "");
    workdir.write("text.pth", "these are no weights at all");
    workdir.write("evil.pth", torch::calling("os", "system", "touch pwned"));
    workdir.write("notes.toml", "mine = true");
    let mut narrow = listed(filled_weights(model("sfm").unwrap()));
    narrow.retain(|(name, ..)| name != "head.weight");
    workdir.write("narrow.pth", torch::checkpoint("", &narrow));
    for (arguments, parts) in [
        (
            "--in tiny_zip.pth",
            &[
                "tiny_zip.pth",
                "fits no model; the nearest is ",
                "it holds 4 tensors (bn1.weight [",
            ][..],
        ),
        ("--in tiny_legacy_nonzip.pth", &["fits no model"]),
        (
            "--in tiny_zip_training_checkpoint.pth",
            &["fits no model", " in best_state_dict ("],
        ),
        (
            "--in tiny_zip.pth --model sfm",
            &[
                "sfm",
                "tensors missing (head.bias, ",
                "...",
                "not part of the model (bn1.weight, ",
            ],
        ),
        (
            "--in narrow.pth --model sfm",
            &["1 tensor missing (head.weight)"],
        ),
        ("--in cut.pth", &["cut.pth", "truncated"]),
        ("--in empty.pth", &["empty.pth", "neither"]),
        ("--in text.pth", &["text.pth", "torch.save"]),
        ("--in missing.pth", &["missing.pth"]),
        ("--in evil.pth", &["evil.pth", "os.system"]),
    ] {
        let line = workdir.complaint(&format!("import {arguments} --out out.safetensors"));
        for part in parts {
            assert!(line.contains(part), "{arguments}: {line}");
        }
        for left in [
            "out.safetensors",
            "out.toml",
            "out.safetensors.poselens.part",
            "pwned",
        ] {
            assert!(!workdir.path(left).exists(), "{arguments} left {left}");
        }
    }
    let line = workdir.complaint("import --in tiny_zip.pth --out ./tiny_zip.pth");
    assert!(line.contains("input"), "{line}");
    let line = workdir.complaint("import --in tiny_zip.pth --out notes.safetensors");
    assert!(
        line.contains("notes.toml") && workdir.read("notes.toml") == "mine = true",
        "{line}"
    );
    assert_eq!(
        workdir
            .run("import --in tiny_zip.pth --out w --width 100 --height 100")
            .code,
        Some(2)
    );
}

/// Fails when a small file makes the program allocate a lot of memory. The system kills a program
/// that exceeds the limit, which leaves no error message.
#[cfg(unix)]
#[test]
fn a_hostile_file_uses_little_memory() {
    const LIMIT_KIB: u64 = 1 << 20;
    let workdir = Workdir::new();
    let claim = |opcode: u8, n: usize| {
        let mut old =
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02".to_vec();
        old.resize(old.len() + n, opcode);
        old
    };
    workdir.write("deep.pth", claim(b'(', 8 << 20));
    workdir.write("many.pth", claim(b']', 8 << 20));
    workdir.write(
        "long.pth",
        [claim(b'N', 1), b"X\xff\xff\xff\xff".to_vec()].concat(),
    );
    let huge = [("w".to_owned(), vec![1 << 15, 1 << 15], vec![1.0])];
    workdir.write("huge.pth", torch::checkpoint("", &huge));
    // A header of 2^60 bytes.
    let header = [(1u64 << 60).to_le_bytes().as_slice(), b"{}"].concat();
    workdir.write("header.safetensors", header);
    for file in [
        "deep.pth",
        "many.pth",
        "long.pth",
        "huge.pth",
        "header.safetensors",
    ] {
        let program = workdir.command(&format!("import --in {file} --out out.safetensors"));
        let mut limited = Command::new("sh");
        limited
            .args(["-c", &format!("ulimit -v {LIMIT_KIB} && exec \"$@\""), "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(workdir.path("."));
        let line = Running::start(limited).wait().complaint(file);
        assert!(line.contains(file), "{line}");
    }
}

/// Fails when a failed import leaves partial files, weights without their card, or weights with
/// stricter permissions than the card.
#[test]
fn an_import_is_complete_or_leaves_no_files() {
    let workdir = Workdir::new();
    workdir.copy(&asset("models/sfm-coco17.safetensors"), "in.safetensors");
    let import = "import --in in.safetensors --out w.safetensors --model sfm";
    for (block, named) in [
        ("w.toml.poselens.part", "w.toml"),
        ("w.safetensors.poselens.part", "w.safetensors"),
        ("w.safetensors", "is a folder"),
        ("w.toml", "is a folder"),
    ] {
        std::fs::create_dir(workdir.path(block)).unwrap();
        let line = workdir.complaint(import);
        assert!(line.contains(named), "{line}");
        std::fs::remove_dir(workdir.path(block)).unwrap();
        let left = std::fs::read_dir(workdir.path("")).unwrap();
        assert_eq!(left.count(), 1, "{block}: only what was there before");
    }
    workdir.succeed(import);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| workdir.path(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("w.safetensors"), mode("w.toml"));
    }
}

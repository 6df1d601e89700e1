//! Exported ONNX files in ONNX Runtime, which is used where `python3` (or the Python that
//! `POSELENS_PYTHON` names) has it.

use std::process::Command;

use candle_core::{DType, Device, Tensor, safetensors};
use poselens_engine::model::{MODELS, RawOutput, Recording, Weights, model};
use poselens_engine::nn::Pass;
use poselens_tests::{fill, is_required};

use super::cli::Workdir;

/// One of each kind of network, with the tolerance relative to the largest value. Random weights
/// amplify rounding errors in deep networks: our own implementations differ as much there.
const ROWS: [(&str, f32); 5] = [
    ("sfm", 1e-4),
    ("tp-r-a3", 1e-4),
    ("tp-h-s", 2e-3),
    ("mca-2-slim", 1e-3),
    ("ssa-sfm-2", 1e-4),
];

/// Runs `model.onnx` on the values in `in` and writes each output to a file of its name.
const SCRIPT: &str = "
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession('model.onnx', providers=['CPUExecutionProvider'])
x = numpy.fromfile('in', '<f4').reshape([int(side) for side in sys.argv[1:]])
names = [output.name for output in session.get_outputs()]
for name, y in zip(names, session.run(names, {'input': x})):
    y.astype('<f4').tofile(name)
print(' '.join(names))
";

/// Returns the Python that has ONNX Runtime.
fn python() -> Option<String> {
    let python = std::env::var("POSELENS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    command.args(["-c", "import numpy, onnxruntime"]);
    let has_it = command.output().is_ok_and(|out| out.status.success());
    assert!(
        has_it || !is_required("onnxruntime"),
        "{python} has no onnxruntime"
    );
    has_it.then_some(python)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Returns the outputs of an exported file for two inputs, in its order.
fn exported(workdir: &Workdir, python: &str, input: &Tensor) -> Vec<(String, Vec<f32>)> {
    let bytes = |values: &[f32]| {
        values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<_>>()
    };
    std::fs::write(workdir.path("in"), bytes(&flat(input))).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).current_dir(workdir.path("."));
    let sides = input.dims().iter().map(usize::to_string);
    let out = command.args(sides).output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{error}");
    let names = String::from_utf8(out.stdout).unwrap();
    let read = |name: &str| {
        let bytes = std::fs::read(workdir.path(name)).unwrap();
        let floats = bytes.chunks_exact(4);
        let floats = floats.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        (name.to_owned(), floats.collect())
    };
    names.split_whitespace().map(read).collect()
}

/// Fails when ONNX Runtime computes other values from an exported network than its definition, for
/// one or several inputs, or outputs are missing or in another order.
#[test]
fn exported_networks_give_the_same_values() {
    let Some(python) = python() else {
        eprintln!("skipped: no onnxruntime");
        return;
    };
    for (name, tolerance) in ROWS {
        let spec = model(name).unwrap();
        let card = spec.card().unwrap();
        let options = card.build_options().unwrap();
        let weights = Weights::random(&spec.shapes(&options).unwrap(), 5).unwrap();
        let workdir = Workdir::new();
        safetensors::save(weights.tensors(), workdir.path("w.safetensors")).unwrap();
        workdir.succeed(&format!(
            "export --model {name} --weights w.safetensors --out model.onnx"
        ));
        let net = spec.load(&options, &weights, &Device::Cpu).unwrap();
        let shape = [2, 3, options.input.height, options.input.width];
        let values = fill::filled(shape.iter().product(), |i| fill::signed("input", i));
        let input = Tensor::from_vec(values, &shape, &Device::Cpu).unwrap();
        let want: RawOutput = net.forward(&input, &mut Pass::eval()).unwrap();
        let got = exported(&workdir, &python, &input);
        assert_eq!(got.len(), want.tensors.len(), "{name}");
        for ((output, got), (wanted, want)) in got.iter().zip(&want.tensors) {
            assert_eq!(output, wanted, "{name}");
            let want = flat(&want.to_dtype(DType::F32).unwrap());
            assert_eq!(got.len(), want.len(), "{name}, {output}");
            let largest = want.iter().fold(1e-3_f32, |top, v| top.max(v.abs()));
            for (got, want) in got.iter().zip(&want) {
                let error = (got - want).abs() / largest;
                assert!(error <= tolerance, "{name}, {output}: {got} is not {want}");
            }
        }
    }
}

/// Fails when a network of the table cannot be recorded, or a value is read before it is computed.
#[test]
fn every_model_records() {
    for spec in MODELS {
        let card = spec.card().unwrap();
        let options = card.build_options().unwrap();
        let vb = candle_nn::VarBuilder::zeros(DType::F32, &Device::Cpu);
        let net = (spec.build)(&options, &vb).unwrap();
        let recording = Recording::of(&*net, card.input_size()).unwrap();
        let graph = &recording.graph;
        let mut known = vec![false; graph.values.len()];
        known[graph.inputs[0].0] = true;
        for node in &graph.nodes {
            let name = &node.name;
            assert!(
                node.inputs.iter().all(|v| known[v.0]),
                "{}: {name}",
                spec.name
            );
            assert!(
                !std::mem::replace(&mut known[node.output.0], true),
                "{name}"
            );
            assert!(!name.is_empty());
        }
        assert_eq!(recording.out.tensors[0].0, "heatmaps", "{}", spec.name);
        assert!(graph.macs() > 1_000_000_000, "{}", spec.name);
    }
}

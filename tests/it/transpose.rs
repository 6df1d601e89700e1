//! TransPose against its golden outputs.

mod golden;

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use poselens_engine::geometry::Size;
use poselens_engine::model::{
    BuildOptions, ModelSpec, PoseModel, PositionKind, TransPose, TransPoseConfig, Weights, model,
    sine_positions,
};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_tests::fill;

use self::golden::{Golden, values, worst};
use crate::cli::Workdir;

const OPTIONS: BuildOptions = BuildOptions {
    n_joints: 17,
    n_limbs: 19,
    input: Size::new(192, 256),
};

/// Model name, parameters, millions of multiply-accumulates at 256x192, attention layers.
const ROWS: [(&str, u64, u64, usize); 6] = [
    ("tp-r-a3s", 5_001_809, 5_263, 3),
    ("tp-r-a3", 5_195_345, 5_414, 3),
    ("tp-r-a4", 5_985_105, 6_320, 4),
    ("tp-h-s", 8_019_281, 9_929, 4),
    ("tp-h-a4", 17_306_129, 17_205, 4),
    ("tp-h-a6", 17_455_697, 21_282, 6),
];

/// Pixels per token.
fn stride(name: &str) -> usize {
    if name.starts_with("tp-r") { 8 } else { 4 }
}

/// Returns the weights from the fill rule, with the sine table for an input size.
pub(crate) fn filled_weights(spec: &ModelSpec, options: &BuildOptions) -> HashMap<String, Tensor> {
    let grid = Size::new(
        options.input.width / stride(spec.name),
        options.input.height / stride(spec.name),
    );
    let shapes = spec.shapes(options).unwrap().0.into_iter();
    shapes
        .map(|(name, shape)| {
            let tensor = if name == "pos_embedding" {
                sine_positions(grid, shape[2], &Device::Cpu).unwrap()
            } else {
                let values = fill::transpose_tensor(&name, &shape);
                Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
            };
            (name, tensor)
        })
        .collect()
}

fn built(spec: &ModelSpec, tensors: &HashMap<String, Tensor>) -> Box<dyn PoseModel> {
    let vb = VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu);
    (spec.build)(&OPTIONS, &vb).unwrap()
}

fn input(h: usize, w: usize) -> Tensor {
    let values = fill::filled(3 * h * w, |i| {
        let i = i as usize;
        let (c, y, x) = (i / (h * w), i / w % h, i % w);
        let coarse = (c * (h / 16) + y / 16) * (w / 16) + x / 16;
        1.5 * fill::signed("input.coarse", coarse as u64)
            + 0.5 * fill::signed("input.fine", i as u64)
    });
    Tensor::from_vec(values, (1, 3, h, w), &Device::Cpu).unwrap()
}

fn fast() -> Pass {
    Pass {
        kernels: Some(Kernels::new(2).unwrap()),
        ..Pass::eval()
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    worst(&values(a), &values(b), |_| 1.0)
}

/// Fails when a block, an encoder layer, the head or the attention of TransPose-R-A3 differs from
/// the published network, with candle's operations or with our kernels.
#[test]
fn r_a3_equals_its_golden() {
    let golden = Golden::of("r_a3");
    let spec = model("tp-r-a3").unwrap();
    let tensors = filled_weights(spec, &OPTIONS);
    let probe_rows = golden.rows("pos_embedding_probe_rows");
    for (token, wanted) in [0, 1, 24, 767].into_iter().zip(probe_rows) {
        let got = values(&tensors["pos_embedding"].get(token).unwrap());
        assert!(worst(&got, &wanted, |_| 1e-6) <= 1.0, "token {token}");
    }
    let net = built(spec, &tensors);
    golden.check("with kernels", net.as_ref(), fast());
    golden.check("as written", net.as_ref(), Pass::eval());
}

/// Fails when the other ResNet variants differ from their golden outputs.
#[test]
fn the_other_resnet_variants_equal_their_goldens() {
    for (name, key) in [("tp-r-a3s", "r_a3s"), ("tp-r-a4", "r_a4")] {
        let spec = model(name).unwrap();
        let net = built(spec, &filled_weights(spec, &OPTIONS));
        Golden::of(key).check("with kernels", net.as_ref(), fast());
    }
}

/// Fails when a branch, a fusion or the encoder of TransPose-H-S differs from the published
/// network, or candle's operations from our kernels.
#[test]
fn h_s_equals_its_golden() {
    let spec = model("tp-h-s").unwrap();
    let net = built(spec, &filled_weights(spec, &OPTIONS));
    Golden::of("h_s").check("with kernels", net.as_ref(), fast());
    let small = input(64, 32);
    let [want, got] = [Pass::eval(), fast()].map(|mut pass| {
        let out = net.forward(&small, &mut pass).unwrap();
        assert!(out.query_key.is_empty(), "maps that nobody wants");
        out.get("heatmaps").unwrap().clone()
    });
    assert!(largest_difference(&got, &want) <= 2e-5);
}

/// Returns the published tensor names and shapes of every model. A line is a name and a shape, or
/// the name of a batch norm, `bn` and its channels.
fn published_shapes() -> HashMap<String, BTreeMap<String, Vec<usize>>> {
    let text = std::fs::read_to_string(poselens_tests::golden("transpose/names.txt")).unwrap();
    let mut rows: HashMap<String, BTreeMap<String, Vec<usize>>> = HashMap::new();
    let mut row = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &&str| word.parse().unwrap();
        match words.as_slice() {
            ["#", name] => (*name).clone_into(&mut row),
            [name, "bn", channels] => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    let shapes = rows.entry(row.clone()).or_default();
                    shapes.insert(format!("{name}.{part}"), vec![number(channels)]);
                }
            }
            [name, shape @ ..] => {
                let shapes = rows.entry(row.clone()).or_default();
                shapes.insert((*name).to_owned(), shape.iter().map(number).collect());
            }
            [] => {}
        }
    }
    rows
}

/// Fails when a published checkpoint would not load, the parameters or operations of the graph
/// differ from the specification's table, or a layer's attention is missing from the model's list.
#[test]
fn names_shapes_and_work_are_the_published_ones() {
    let published = published_shapes();
    for (name, params, macs, layers) in ROWS {
        let spec = model(name).unwrap();
        let shapes = spec.shapes(&OPTIONS).unwrap();
        assert_eq!(shapes.n_params(), params, "{name}");
        assert_eq!(shapes.0, published[name], "{name}");
        let survey = spec.survey(&OPTIONS, OPTIONS.input).unwrap();
        let counted = survey.macs;
        assert_eq!((counted + 500_000) / 1_000_000, macs, "{name}: {counted}");
        let maps = (0..layers).map(|i| format!("encoder_layer{i}.attention"));
        assert_eq!(survey.maps, maps.collect::<Vec<_>>(), "{name}");
    }
}

/// Fails when the attention written by `forward` is missing, has another name, or its rows do not
/// sum to 1.
#[test]
fn forward_writes_every_layers_attention() {
    let workdir = Workdir::new();
    let spec = model("tp-r-a3s").unwrap();
    let weights = filled_weights(spec, &OPTIONS);
    candle_core::safetensors::save(&weights, workdir.path("w.safetensors")).unwrap();
    let x = HashMap::from([("input", input(64, 32))]);
    candle_core::safetensors::save(&x, workdir.path("in.safetensors")).unwrap();
    let forward = "forward --model tp-r-a3s --weights w.safetensors --input in.safetensors \
                   --output o.safetensors --height 64 --width 32";
    let read = |arguments: &str| {
        workdir.succeed(arguments);
        candle_core::safetensors::load(workdir.path("o.safetensors"), &Device::Cpu).unwrap()
    };
    let plain = read(forward);
    assert_eq!(plain.len(), 1);
    let full = read(&format!("{forward} --attention"));
    assert_eq!(full.len(), 4);
    assert_eq!(values(&full["heatmaps"]), values(&plain["heatmaps"]));
    for layer in 0..3 {
        let weights = &full[&format!("encoder_layer{layer}.attention")];
        assert_eq!(weights.dims(), [1, 8, 32, 32]);
        let rows = values(&weights.sum(3).unwrap());
        assert!(worst(&rows, &[1.0; 256], |_| 1e-5) <= 1.0, "layer {layer}");
    }
}

/// Fails when weights for one input size cannot be used at another, are combined with the wrong
/// position table, or weights for another skeleton are accepted.
#[test]
fn weights_for_another_input_can_be_used() {
    let spec = model("tp-r-a3s").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    candle_core::safetensors::save(&filled_weights(spec, &OPTIONS), &path).unwrap();
    let weights = Weights::read(&path).unwrap();
    let small = BuildOptions {
        input: Size::new(96, 64),
        ..OPTIONS
    };
    let x = input(64, 96);
    let run = |net: &dyn PoseModel| {
        let out = net.forward(&x, &mut fast()).unwrap();
        out.get("heatmaps").unwrap().clone()
    };
    // Built for the input size, told the input size later, and not told.
    let native = built_for(spec, &small);
    let told = spec.load(&small, &weights, &Device::Cpu).unwrap();
    let untold = spec.load(&OPTIONS, &weights, &Device::Cpu).unwrap();
    let want = run(native.as_ref());
    assert_eq!(want.dims(), [1, 17, 16, 24]);
    for net in [told, untold] {
        assert!(largest_difference(&run(net.as_ref()), &want) <= 1e-6);
    }
    let others = BuildOptions {
        n_joints: 16,
        ..small
    };
    let refusal = spec.load(&others, &weights, &Device::Cpu).err().unwrap();
    assert!(
        refusal.to_string().contains("final_layer.bias"),
        "{refusal}"
    );
    let odd = Tensor::zeros((1, 3, 64, 48), DType::F32, &Device::Cpu).unwrap();
    let refusal = native.forward(&odd, &mut fast()).err().unwrap();
    assert!(refusal.to_string().contains("48x64"), "{refusal}");
}

fn built_for(spec: &ModelSpec, options: &BuildOptions) -> Box<dyn PoseModel> {
    let tensors = filled_weights(spec, options);
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    (spec.build)(options, &vb).unwrap()
}

/// Fails when a parameter gets no gradient, or the fixed position table gets one.
#[test]
fn every_parameter_receives_a_gradient() {
    let learned = TransPoseConfig {
        positions: PositionKind::Learned,
        ..TransPoseConfig::r_a3(2)
    };
    let blind = TransPoseConfig {
        positions: PositionKind::None,
        layers: 1,
        ..TransPoseConfig::r_a3_star(2)
    };
    for config in [learned, blind, TransPoseConfig::h_s(2)] {
        let map = candle_nn::VarMap::new();
        let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let net = TransPose::new(&config, Size::square(32), &vb).unwrap();
        let mut pass = Pass {
            mode: Mode::Train,
            ..fast()
        };
        let x = Tensor::cat(&[input(64, 32), input(64, 32).neg().unwrap()], 0).unwrap();
        let out = net.forward(&x, &mut pass).unwrap();
        let heatmaps = out.get("heatmaps").unwrap();
        assert_eq!(heatmaps.dims(), [2, 2, 16, 8]);
        let target = Tensor::randn(0f32, 1.0, heatmaps.dims(), &Device::Cpu).unwrap();
        let loss = (heatmaps - target).unwrap().sqr().unwrap();
        let grads = loss.sum_all().unwrap().backward().unwrap();
        for (name, var) in map.data().lock().unwrap().iter() {
            let is_fixed = name.contains("running_")
                || (name == "pos_embedding" && config.positions == PositionKind::Sine);
            let size = grads.get(var).map_or(0.0, |grad| {
                let sum = grad.abs().unwrap().sum_all().unwrap();
                sum.to_scalar::<f32>().unwrap()
            });
            assert!(size.is_finite(), "{name}: {size}");
            assert_eq!(size > 0.0, !is_fixed, "{name} of {config:?}: {size}");
        }
    }
}

//! TransPose against its golden numbers.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use poselens_engine::geometry::{Affine2, Size};
use poselens_engine::model::{
    BuildOptions, ModelSpec, PoseModel, PositionKind, RawOutput, TransPose, TransPoseConfig,
    Weights, model, sine_positions,
};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_engine::output::QueryKey;
use poselens_tests::{fill, golden};
use serde_json::Value;

const OPTIONS: BuildOptions = BuildOptions {
    n_joints: 17,
    input: Size::new(192, 256),
};

/// Name of a row, parameters, and millions of multiply-accumulates at 256x192.
const ROWS: [(&str, u64, u64); 6] = [
    ("tp-r-a3s", 5_001_809, 5_263),
    ("tp-r-a3", 5_195_345, 5_414),
    ("tp-r-a4", 5_985_105, 6_320),
    ("tp-h-s", 8_019_281, 9_929),
    ("tp-h-a4", 17_306_129, 17_205),
    ("tp-h-a6", 17_455_697, 21_282),
];

/// Pixels per token.
fn stride(name: &str) -> usize {
    if name.starts_with("tp-r") { 8 } else { 4 }
}

/// The weights by the fill rule, with the sine table for an input.
pub fn filled_weights(spec: &ModelSpec, options: &BuildOptions) -> HashMap<String, Tensor> {
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

fn values(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_dtype(DType::F32).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest of the differences, each over `allowed(wanted)`.
fn worst(got: &[f32], wanted: &[f32], allowed: impl Fn(f32) -> f32) -> f32 {
    assert_eq!(got.len(), wanted.len());
    let pairs = got.iter().zip(wanted);
    pairs.fold(0.0, |worst, (got, wanted)| {
        let share = (got - wanted).abs() / allowed(*wanted);
        if share.is_nan() {
            f32::NAN
        } else {
            worst.max(share)
        }
    })
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    worst(&values(a), &values(b), |_| 1.0)
}

/// Goldens of one row.
struct Golden {
    key: &'static str,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    fn of(key: &'static str) -> Self {
        let path = golden("transpose/models.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self { key, tensors }
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.tensors[&format!("{}.{name}", self.key)]
    }

    fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let rows = self.get(name).to_dtype(DType::F32).unwrap();
        rows.to_vec2().unwrap()
    }

    /// Runs the network and compares everything.
    fn check(&self, way: &str, net: &dyn PoseModel, pass: Pass) {
        let mut probing = Pass {
            wants_maps: true,
            probes: Some(Vec::new()),
            ..pass
        };
        let out = net.forward(&input(256, 192), &mut probing).unwrap();
        self.check_intermediates(way, &probing.probes.unwrap());
        self.check_heatmaps(way, &out);
        self.check_attention(way, &out);
    }

    /// In order of execution: the first that differs is the one at fault.
    fn check_intermediates(&self, way: &str, probes: &[(String, Tensor)]) {
        let text = std::fs::read(golden("transpose/models.json")).unwrap();
        let stats: Value = serde_json::from_slice(&text).unwrap();
        let stats = stats[self.key].as_array().unwrap();
        assert!(stats.len() >= 8);
        let number = |value: &Value| value.as_f64().unwrap() as f32;
        for wanted in stats {
            let name = wanted["name"].as_str().unwrap();
            let Some((_, got)) = probes.iter().find(|(probe, _)| probe == name) else {
                panic!("{way}, {}: {name} was not probed", self.key);
            };
            // Tokens are compared in their order, features innermost.
            let is_tokens = name.starts_with("encoder");
            let got = if is_tokens {
                got.permute((0, 2, 3, 1)).unwrap()
            } else {
                got.clone()
            };
            let got = values(&got);
            let mean_of = |f: &dyn Fn(f64) -> f64| {
                let sum: f64 = got.iter().map(|&v| f(f64::from(v))).sum();
                sum / got.len() as f64
            };
            let mean = mean_of(&|v| v);
            let std = mean_of(&|v| (v - mean) * (v - mean)).sqrt();
            let (mean, std) = (mean as f32, std as f32);
            let indices = wanted["probe_idx"].as_array().unwrap();
            let some = indices.iter().map(|i| got[i.as_u64().unwrap() as usize]);
            let some: Vec<f32> = some.collect();
            let wanted_some: Vec<f32> = wanted["probe"]
                .as_array()
                .unwrap()
                .iter()
                .map(number)
                .collect();
            let share = worst(&some, &wanted_some, |v| 5e-5 * (1.0 + v.abs()))
                .max((mean - number(&wanted["mean"])).abs() / 1e-4)
                .max((std - number(&wanted["std"])).abs() / 1e-4);
            assert!(share <= 1.0, "{way}, {}, {name}: {share}", self.key);
        }
    }

    fn check_heatmaps(&self, way: &str, out: &RawOutput) {
        let heatmaps = out.get("heatmaps").unwrap();
        assert_eq!(heatmaps.dims(), [1, 17, 64, 48]);
        let maps = values(heatmaps);
        let maps: Vec<&[f32]> = maps.chunks_exact(64 * 48).collect();
        for (joint, place) in self.rows("argmax_xy").iter().enumerate() {
            let at = place[1] as usize * 48 + place[0] as usize;
            let top = maps[joint]
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(maps[joint][at], top, "{way}, {}, joint {joint}", self.key);
        }
        let wanted = self.get("heatmaps");
        // Only the first and the last joint's are kept of some rows.
        let got = match wanted.dims()[1] {
            17 => maps.concat(),
            _ => [maps[0], maps[16]].concat(),
        };
        let error = worst(&got, &values(wanted), |_| 1.0);
        assert!(error <= 2e-5, "{way}, {}: heatmaps {error}", self.key);
    }

    /// Rows and columns of the attention matrices, out of queries and keys.
    fn check_attention(&self, way: &str, out: &RawOutput) {
        let threads = Kernels::new(2).unwrap();
        let close = |got: &[f32], wanted: &[f32]| {
            // 1e-6 or 1e-4 of the value.
            worst(got, wanted, |v| (1e-4 * v).max(1e-6)) <= 1.0
        };
        let layers: Vec<QueryKey> = out.query_key.iter().map(query_key).collect();
        let width = layers[0].grid.width;
        let token = |place: &[f32]| place[1] as usize * width + place[0] as usize;
        let places = self.rows("query_xy");
        let last = layers.last().unwrap();
        for (name, is_row) in [("attn_last_rows", true), ("attn_last_cols", false)] {
            for (place, wanted) in places.iter().zip(self.rows(name)) {
                let got = if is_row {
                    last.dependency(token(place), None).unwrap()
                } else {
                    last.affected(token(place), None, &threads.threads).unwrap()
                };
                assert!(close(&got.values, &wanted), "{way}, {}, {name}", self.key);
            }
        }
        let every_layer = self.rows("attn_all_layers_row_q0");
        assert_eq!(layers.len(), every_layer.len());
        for (layer, wanted) in layers.iter().zip(&every_layer) {
            let got = layer.dependency(token(&places[0]), None).unwrap();
            assert!(close(&got.values, wanted), "{way}, {}", layer.name);
        }
        let heads = format!("{}.attn_last_heads_row_q0", self.key);
        if let Some(heads) = self.tensors.get(&heads) {
            for (head, wanted) in heads.to_vec2::<f32>().unwrap().iter().enumerate() {
                let got = last.dependency(token(&places[0]), Some(head)).unwrap();
                assert!(close(&got.values, wanted), "{way}, head {head}");
            }
        }
    }
}

fn query_key(raw: &poselens_engine::model::RawQueryKey) -> QueryKey {
    QueryKey {
        name: raw.name.clone(),
        layer: raw.layer,
        heads: raw.heads,
        grid: raw.grid,
        queries: values(&raw.queries),
        keys: values(&raw.keys),
        image_from_map: Affine2::IDENTITY,
    }
}

/// Fails when a block, a layer of the encoder, the head or the attention of TransPose-R-A3 differs
/// from the published network, with candle's operations or with our kernels.
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

/// Fails when the other variants with ResNet differ from theirs.
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

/// Names and shapes of every row's tensors as published. A line is a name and a shape, or the
/// name of a batch norm, `bn` and its channels.
fn published_shapes() -> HashMap<String, BTreeMap<String, Vec<usize>>> {
    let text = std::fs::read_to_string(golden("transpose/names.txt")).unwrap();
    let mut rows: HashMap<String, BTreeMap<String, Vec<usize>>> = HashMap::new();
    let mut row = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &&str| word.parse().unwrap();
        match words.as_slice() {
            ["#", name] => row = (*name).to_owned(),
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

/// Fails when a published checkpoint would not load, or the graph has other parameters or work
/// than the specification's table.
#[test]
fn names_shapes_and_work_are_the_published_ones() {
    let published = published_shapes();
    for (name, params, macs) in ROWS {
        let spec = model(name).unwrap();
        let shapes = spec.shapes(&OPTIONS).unwrap();
        assert_eq!(shapes.n_params(), params, "{name}");
        assert_eq!(shapes.0, published[name], "{name}");
        let zeros = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let net = (spec.build)(&OPTIONS, &zeros).unwrap();
        let mut pass = Pass {
            kernels: fast().kernels,
            ..Pass::counting()
        };
        let x = Tensor::zeros((1, 3, 256, 192), DType::F32, &Device::Cpu).unwrap();
        net.forward(&x, &mut pass).unwrap();
        let counted = pass.tally.unwrap().macs();
        assert_eq!((counted + 500_000) / 1_000_000, macs, "{name}: {counted}");
    }
}

/// Fails when the network is counted otherwise than it runs, or its attention is not announced.
#[test]
fn the_survey_names_every_layers_attention() {
    let spec = model("tp-r-a3").unwrap();
    let survey = spec.survey(&OPTIONS, Size::square(64)).unwrap();
    assert_eq!(
        survey.maps,
        [0, 1, 2].map(|i| format!("encoder_layer{i}.attention"))
    );
}

/// Fails when weights for one input size cannot be used at another, get positions that are not
/// that size's, or weights for another skeleton slip through.
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
    // Made for the input, told what the input will be, and not told.
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

/// Fails when a parameter does not learn, or the fixed table of positions does.
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

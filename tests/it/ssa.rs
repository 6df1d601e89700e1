//! SSA's networks against their golden outputs.

use std::collections::{BTreeMap, HashMap};
use std::thread;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use poselens_engine::geometry::Size;
use poselens_engine::model::{
    BuildOptions, MODELS, ModelSpec, PoseModel, RawOutput, Ssa, SsaConfig, Weights, model,
};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_engine::output::Approach;
use poselens_engine::train::params::Parameters;
use poselens_tests::{fill, golden};
use serde_json::Value;

/// Joints and limbs of openpose18.
const OPTIONS: BuildOptions = BuildOptions {
    n_joints: 18,
    n_limbs: 19,
    input: Size::square(64),
};

/// Returns an image from the fill rule.
fn input([n, h, w]: [usize; 3]) -> Tensor {
    let values = fill::filled(n * 3 * h * w, |i| fill::signed("input", i));
    Tensor::from_vec(values, (n, 3, h, w), &Device::Cpu).unwrap()
}

/// Returns the network with weights from the fill rule, filled on two threads because there are 54
/// million.
fn filled(spec: &ModelSpec) -> Box<dyn PoseModel> {
    let shapes: Vec<_> = spec.shapes(&OPTIONS).unwrap().0.into_iter().collect();
    let draw = |odd: usize| -> HashMap<String, Tensor> {
        let mine = shapes.iter().skip(odd).step_by(2);
        let tensor = |(name, shape): &(String, Vec<usize>)| {
            let values = fill::ssa_tensor(name, shape);
            let tensor = Tensor::from_vec(values, shape.as_slice(), &Device::Cpu);
            (name.clone(), tensor.unwrap())
        };
        mine.map(tensor).collect()
    };
    let tensors = thread::scope(|scope| {
        let other = scope.spawn(|| draw(1));
        let mut tensors = draw(0);
        tensors.extend(other.join().unwrap());
        tensors
    });
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    (spec.build)(&OPTIONS, &vb).unwrap()
}

/// All implementations: candle's operations, our inference kernels, and our training kernels.
fn passes() -> [(&'static str, Pass); 3] {
    let kernels = Kernels::new(2).unwrap();
    let probing = |kernels| Pass {
        kernels,
        probes: Some(Vec::new()),
        ..Pass::eval()
    };
    let learning = Pass {
        mode: Mode::Train,
        ..probing(Some(kernels.clone()))
    };
    [
        ("as written", probing(None)),
        ("with kernels", probing(Some(kernels))),
        ("learning", learning),
    ]
}

fn values(x: &Tensor) -> Vec<f64> {
    let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    x.to_vec1().unwrap()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |top, v| v.abs().max(top))
}

/// Fails the test unless all values agree to 1e-4 of the largest.
fn assert_close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = largest(want).max(1e-6);
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let is_close = (got - want).abs() <= 1e-4 * scale;
        assert!(is_close, "{what}, value {i}: {got}, not {want}");
    }
}

/// Returns mean, standard deviation and largest magnitude.
fn statistics(values: &[f64]) -> [f64; 3] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    [mean, variance.sqrt(), largest(values)]
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// Names of a stage's outputs, here and in the golden file, with their channels.
const FIELDS: [(&str, &str, usize); 3] = [
    ("heatmaps", "heat", 19),
    ("paf", "paf", 38),
    ("offsets", "off", 36),
];

/// Fails when the backbone, a branch, the order in which a stage receives its predecessor's fields,
/// or the boundary between heatmaps and offsets differs from the specified network, with any
/// implementation.
#[test]
fn six_stages_equal_their_golden() {
    let text = std::fs::read(golden("ssa/ssa_net.json")).unwrap();
    let golden: Value = serde_json::from_slice(&text).unwrap();
    let spec = model("ssa-vgg-6").unwrap();
    let shapes = spec.shapes(&OPTIONS).unwrap().0;
    // Besides the network's tensors, the file contains some of training-only heads.
    let of_net = |name: &&String| !name.starts_with("p2h.");
    let names = golden["names"].as_object().unwrap();
    for name in names.keys().filter(of_net) {
        let shape: Vec<f64> = shapes[name].iter().map(|&side| side as f64).collect();
        assert_eq!(shape, numbers(&names[name]), "{name}");
    }
    let net = filled(spec);
    for (way, mut pass) in passes() {
        let out = net.forward(&input([1, 64, 64]), &mut pass).unwrap();
        let probes = pass.probes.unwrap();
        let [(name, f0)] = &probes[..] else {
            panic!("{way}: {} probes", probes.len());
        };
        let [mean, std, _] = statistics(&values(&f0.to_tensor().unwrap()));
        let want = numbers(&golden["f0_stat"]);
        assert_close(&[mean, std], &want, &format!("{way}, {name}"));
        let mut order: Vec<String> = FIELDS.iter().map(|f| f.0.to_owned()).collect();
        for t in 1..6 {
            order.extend(FIELDS.iter().map(|f| format!("{}.stage{t}", f.0)));
        }
        let names: Vec<_> = out.tensors.iter().map(|(name, _)| name).collect();
        assert_eq!(names, order.iter().collect::<Vec<_>>(), "{way}");
        for (i, (name, tensor)) in out.tensors.iter().enumerate() {
            // The last stage comes first.
            let stage = (i / 3 + 5) % 6;
            let (_, key, channels) = FIELDS[i % 3];
            assert_eq!(tensor.dims(), [1, channels, 8, 8], "{way}, {name}");
            let got = values(tensor);
            let want = &golden["stages"][stage][key];
            let what = format!("{way}, {name}");
            assert_close(&statistics(&got), &numbers(&want["stat"]), &what);
            let (first, last) = (&got[..64], &got[got.len() - 64..]);
            for (key, got) in [("ch0", first), ("last", last)] {
                if let Some(want) = want.get(key) {
                    assert_close(got, &numbers(want), &format!("{what}, {key}"));
                }
            }
        }
    }
}

/// Fails when the parameters or operations of the graph differ from the specification's table, or
/// the light network has become too slow for live use.
#[test]
fn parameters_and_work_follow_from_the_graph() {
    let counts = |name: &str, size: Option<Size>| {
        let spec = model(name).unwrap();
        let card = spec.card().unwrap();
        let options = card.build_options().unwrap();
        let survey = spec.survey(&options, size.unwrap_or(card.input_size()));
        let n_params = spec.shapes(&options).unwrap().n_params();
        (n_params, survey.unwrap().macs)
    };
    assert_eq!(counts("ssa-vgg-6", None), (54_611_054, 140_799_520_256));
    let small = Some(Size::square(256));
    assert_eq!(counts("ssa-sfm-2", small), (2_219_814, 2_147_582_208));
}

/// Fails when a top-down network is declared bottom-up or vice versa, so that its outputs would be
/// decoded wrongly.
#[test]
fn every_model_declares_its_approach() {
    for spec in MODELS {
        let is_ssa = spec.name.starts_with("ssa-");
        assert_eq!(spec.approach == Approach::BottomUp, is_ssa, "{}", spec.name);
    }
}

/// Fails when SFM's weights do not fit the light network's pyramids or give other features there,
/// its implementations differ, or attention is missing when requested.
#[test]
fn the_light_network_starts_from_sfm_weights() {
    let (sfm, spec) = (model("sfm").unwrap(), model("ssa-sfm-2").unwrap());
    let given = Weights::bundled(sfm).unwrap();
    let shapes = spec.shapes(&OPTIONS).unwrap();
    let mut tensors = Weights::random(&shapes, 1).unwrap().tensors().clone();
    for (name, fresh) in &mut tensors {
        let is_stage = name.starts_with("paf.") || name.starts_with("heat.");
        match given.get(name) {
            Some(tensor) if !is_stage => *fresh = tensor.to_dtype(DType::F32).unwrap(),
            other => assert!(is_stage && other.is_none(), "{name}"),
        }
    }
    let weights = Weights::from_tensors("mixed", tensors);
    let net = spec.load(&OPTIONS, &weights, &Device::Cpu).unwrap();
    let sfm = {
        let options = sfm.card_for(None).unwrap().build_options().unwrap();
        sfm.load(&options, &given, &Device::Cpu).unwrap()
    };
    let picture = input([2, 64, 96]);
    let [(_, mut written), (_, mut fast), _] = passes();
    written.wants_maps = true;
    fast.wants_maps = true;
    let want = net.forward(&picture, &mut written).unwrap();
    let got = net.forward(&picture, &mut fast).unwrap();
    let maps = |out: &RawOutput| -> Vec<(String, Tensor)> {
        let maps = out.maps.iter();
        maps.map(|m| (m.name.clone(), m.tensor.clone())).collect()
    };
    assert_eq!(got.maps.len(), 9, "M, M_deeper and gate of x51, x12, x52");
    let all = |out: &RawOutput| [out.tensors.clone(), maps(out)].concat();
    for ((name, got), (_, want)) in all(&got).iter().zip(&all(&want)) {
        assert_eq!(got.dims(), want.dims(), "{name}");
        assert_close(&values(got), &values(want), name);
    }
    // Live: only the fields used in deployment.
    let mut live = Pass {
        kernels: fast.kernels.clone(),
        ..Pass::eval()
    };
    let answer = net.forward(&picture, &mut live).unwrap();
    assert!(answer.maps.is_empty());
    assert_eq!(answer.tensors.len(), 3);
    for (name, tensor) in &answer.tensors {
        assert_close(&values(tensor), &values(got.get(name).unwrap()), name);
    }
    let [(_, mut pass), ..] = passes();
    sfm.forward(&picture, &mut pass).unwrap();
    let probe = |pass: Pass, wanted: &str| {
        let probes: BTreeMap<_, _> = pass.probes.unwrap().into_iter().collect();
        values(&probes[wanted].to_tensor().unwrap())
    };
    assert_eq!(probe(written, "f0"), probe(pass, "x34"));
}

/// Fails when a parameter of a randomly initialised network gets no gradient: a field is not
/// returned in training, a path does not propagate gradients, or the initial values are so small
/// that the signal vanishes.
#[test]
fn every_parameter_has_a_gradient() {
    // The later stages of the published network are alike, so two of six suffice.
    let two_stages = ModelSpec {
        name: "ssa-vgg-2",
        build: |options, vb| {
            let config = SsaConfig {
                stages: 2,
                ..SsaConfig::vgg_6(options.n_joints, options.n_limbs)
            };
            Ok(Box::new(Ssa::new(&config, vb)?))
        },
        ..*model("ssa-vgg-6").unwrap()
    };
    for spec in [model("ssa-sfm-2").unwrap(), &two_stages] {
        let name = spec.name;
        let (params, net) =
            Parameters::build(spec, &OPTIONS, BTreeMap::new(), &[], 1, &Device::Cpu).unwrap();
        let mut pass = Pass {
            mode: Mode::Train,
            kernels: Some(Kernels::new(2).unwrap()),
            ..Pass::eval()
        };
        let out = net.forward(&input([2, 64, 64]), &mut pass).unwrap();
        let errors = out.tensors.iter().map(|(name, y)| {
            let target = fill::filled(y.elem_count(), |i| fill::signed(name, i));
            let target = Tensor::from_vec(target, y.dims(), &Device::Cpu).unwrap();
            (y - target).unwrap().sqr().unwrap().sum_all().unwrap()
        });
        let loss = errors.reduce(|a, b| (a + b).unwrap()).unwrap();
        let grads = loss.backward().unwrap();
        for (parameter, var) in params.learning() {
            let top = grads.get(var).map_or(0.0, |grad| {
                let top = grad.abs().unwrap().max_all().unwrap();
                top.to_scalar::<f32>().unwrap()
            });
            let is_right = top.is_finite() && top > 1e-7;
            assert!(is_right, "{name}: gradient of {parameter} is at most {top}");
        }
    }
}

/// Fails when an image of unsupported size is silently cropped or padded.
#[test]
fn other_sides_are_refused() {
    for (name, side, unit) in [("ssa-vgg-6", 12, "8"), ("ssa-sfm-2", 48, "32")] {
        let zeros = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let net = (model(name).unwrap().build)(&OPTIONS, &zeros).unwrap();
        let answer = net.forward(&input([1, 64, side]), &mut Pass::eval());
        let text = answer.err().unwrap().to_string();
        assert!(
            text.contains(&format!("multiples of {unit}, not {side}x64")),
            "{text}"
        );
    }
}

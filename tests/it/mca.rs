//! MCA against its golden outputs.

mod variants;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use poselens_engine::geometry::Size;
use poselens_engine::model::{
    BuildOptions, Mca, McaConfig, ModelSpec, PoseModel, RawOutput, model,
};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_tests::{fill, golden};

/// The tiny networks of the golden files, input 64x64.
const TINY_PAPER: McaConfig = McaConfig {
    modules: 2,
    ..McaConfig::paper(4, 2, 32)
};
const TINY_RELEASED: McaConfig = McaConfig {
    channels: 32,
    ..McaConfig::released(4, 2, 2)
};

/// The fill rule: convolutions uniform with variance `gain^2 / fan_in`, norms near identity.
pub(crate) fn filled(name: &str, shape: &[usize]) -> Tensor {
    const QUARTER: [&str; 5] = [
        ".conv3.weight",
        ".pool_conv2.weight",
        ".unary.weight",
        ".merge_hm.weight",
        ".merge_feat.conv.weight",
    ];
    let hash = fill::fnv1a(name);
    let unit = |i: u64| (fill::splitmix64(hash.wrapping_add(i)) >> 40) as f64 / f64::from(1 << 24);
    let (parent, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    let is_norm = parent.rsplit('.').next().unwrap().contains("bn");
    let gain = if name.ends_with(".lin1.conv.weight") {
        0.2
    } else if QUARTER.iter().any(|end| name.ends_with(end)) {
        0.25
    } else {
        1.0
    };
    let fan_in: usize = shape.iter().skip(1).product();
    let (low, span) = match leaf {
        "running_var" => (1.0, 0.5),
        "running_mean" => (-0.1, 0.2),
        "weight" if is_norm => (0.9, 0.2),
        "bias" if is_norm => (-0.1, 0.2),
        "bias" => (-0.05, 0.1),
        "weight" => {
            let top = gain * (3.0 / fan_in as f64).sqrt();
            (-top, 2.0 * top)
        }
        _ => (-1.0, 2.0),
    };
    let values = fill::filled(shape.iter().product(), |i| low + span * unit(i));
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Provides tensors from a function of name and shape.
struct Source<F>(F);

impl<F: Fn(&str, &[usize]) -> Tensor + Send + Sync> SimpleBackend for Source<F> {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        _: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        Ok((self.0)(name, shape.dims()))
    }
    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} without a shape")
    }
    fn contains_tensor(&self, _: &str) -> bool {
        false
    }
}

fn tensors<'a>(source: impl Fn(&str, &[usize]) -> Tensor + Send + Sync + 'a) -> VarBuilder<'a> {
    VarBuilder::from_backend(Box::new(Source(source)), DType::F32, Device::Cpu)
}

/// Returns variables filled by the rule, and the network built on them.
fn trainable(config: &McaConfig) -> (BTreeMap<String, Var>, Mca) {
    let vars = Mutex::new(BTreeMap::new());
    let net = Mca::new(
        config,
        &tensors(|name, shape| {
            let var = Var::from_tensor(&filled(name, shape)).unwrap();
            let tensor = var.as_tensor().clone();
            vars.lock().unwrap().insert(name.to_owned(), var);
            tensor
        }),
    );
    let net = net.unwrap();
    (vars.into_inner().unwrap(), net)
}

/// Returns the network with fixed weights from the fill rule.
fn fixed(config: &McaConfig) -> Mca {
    Mca::new(config, &tensors(filled)).unwrap()
}

/// Both implementations, with maps requested: candle's operations and our kernels.
fn passes() -> [Pass; 2] {
    [None, Some(Kernels::new(2).unwrap())].map(|kernels| Pass {
        kernels,
        wants_maps: true,
        ..Pass::eval()
    })
}

fn goldens(name: &str) -> HashMap<String, Tensor> {
    let path = golden(&format!("mca/{name}.safetensors"));
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn largest(x: &Tensor) -> f32 {
    let top = x.abs().unwrap().max_all().unwrap();
    top.to_scalar::<f32>().unwrap()
}

/// Fails the test unless all values agree to 1e-4 of the largest.
fn assert_close(got: &Tensor, want: &Tensor, what: &str) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let error = largest(&(got - want).unwrap()) / largest(want).max(1e-6);
    assert!(error < 1e-4, "{what}: off by {error} of the largest");
}

/// Returns all outputs of a forward pass, by their names in the golden files.
fn answers(out: &RawOutput) -> HashMap<String, Tensor> {
    let maps = out.maps.iter().map(|m| (m.name.clone(), m.tensor.clone()));
    let heatmaps = out.tensors.iter().filter_map(|(name, t)| {
        let stack = name.strip_prefix("heatmaps.stack")?;
        Some((format!("s{stack}_heatmap"), t.clone()))
    });
    maps.chain(heatmaps).collect()
}

/// Fails when a block, a level, an attention map or a head differs from the specified network, with
/// candle's operations or with our kernels.
#[test]
fn tiny_nets_equal_their_goldens() {
    for (name, config, n_maps) in [
        ("tiny_paper", TINY_PAPER, 10 * 3 + 2),
        ("tiny_released", TINY_RELEASED, 3 * 3),
    ] {
        let golden = goldens(name);
        let net = fixed(&config);
        for mut pass in passes() {
            let way = format!("{name}, kernels: {}", pass.kernels.is_some());
            pass.probes = Some(Vec::new());
            let out = net
                .forward(&filled("input", &[1, 3, 64, 64]), &mut pass)
                .unwrap();
            let probes = pass.probes.unwrap().into_iter();
            let probes = probes.map(|(name, map)| (name, map.to_tensor().unwrap()));
            let probes: Vec<_> = probes.collect();
            let mut checked = 0;
            for (key, got) in probes.iter().map(|(k, t)| (k, t)).chain(&answers(&out)) {
                if let Some(want) = golden.get(key) {
                    assert_close(got, want, &format!("{way}, {key}"));
                    checked += 1;
                }
            }
            let wanted = golden.keys().filter(|k| !k.contains(':') && *k != "loss");
            assert_eq!(checked, wanted.count(), "{way}");
            assert_eq!(out.maps.len(), n_maps, "{way}");
        }
    }
}

/// Fails when the full-size network differs from its golden file although tiny ones do not: at this
/// size other convolution kernels are selected.
#[test]
fn two_stacks_equal_their_golden() {
    let golden = goldens("s2");
    let spec = model("mca-2").unwrap();
    let options = options(spec);
    let net = (spec.build)(&options, &tensors(filled)).unwrap();
    let [_, mut pass] = passes();
    let out = net
        .forward(&filled("input", &[1, 3, 256, 256]), &mut pass)
        .unwrap();
    let answers = answers(&out);
    let some = Tensor::new(&[0u32, 5, 9, 15], &Device::Cpu).unwrap();
    for (name, want) in &golden {
        let mut got = answers[name].clone();
        if got.dim(1).unwrap() == 16 {
            got = got.index_select(&some, 1).unwrap();
        }
        assert_close(&got, want, name);
    }
    let [first, .., last] = &out.tensors[..] else {
        panic!("heatmaps of two stacks are missing");
    };
    assert_eq!(
        (first.0.as_str(), last.0.as_str()),
        ("heatmaps", "heatmaps.stack1")
    );
    assert_close(
        &first.1,
        &last.1,
        "the deployed heatmaps are the last stack's",
    );
}

/// The published loss: the sum of mean squared errors over stacks.
fn loss(out: &RawOutput, target: &Tensor) -> Tensor {
    let stacks = out.tensors.iter().filter(|(name, _)| name != "heatmaps");
    stacks
        .map(|(_, y)| (y - target).unwrap().sqr().unwrap().mean_all().unwrap())
        .reduce(|a, b| (a + b).unwrap())
        .unwrap()
}

/// Fails when the loss or a gradient with fixed statistics differs from the reference because of a
/// wrong backward pass or a path that gradients do not take.
#[test]
fn loss_and_gradients_equal_their_goldens() {
    for (name, config) in [("tiny_paper", TINY_PAPER), ("tiny_released", TINY_RELEASED)] {
        let golden = goldens(name);
        let (vars, net) = trainable(&config);
        let input = filled("input", &[1, 3, 64, 64]);
        let out = net.forward(&input, &mut Pass::eval()).unwrap();
        let loss = loss(&out, &filled("target", &[1, 4, 16, 16]));
        assert_close(&loss.reshape(1).unwrap(), &golden["loss"], name);
        let grads = loss.backward().unwrap();
        let mut checked = 0;
        for (key, want) in &golden {
            if let Some(weight) = key.strip_prefix("grad:") {
                let got = grads.get(&vars[weight]).unwrap();
                assert_close(got, want, &format!("{name}, {key}"));
                checked += 1;
            }
        }
        assert_eq!(checked, 8, "{name}");
    }
}

/// Fails when a parameter has no gradient, or training makes it NaN.
#[test]
fn every_parameter_has_a_gradient() {
    let (vars, net) = trainable(&TINY_PAPER);
    // Training mode first: it updates the filled statistics, with which one unit is dead behind a
    // ReLU for this image, in the reference, too.
    for (mode, picture) in [(Mode::Train, "input"), (Mode::Eval, "a")] {
        let mut pass = Pass {
            mode,
            ..Pass::eval()
        };
        let input = filled(picture, &[2, 3, 64, 64]);
        let out = net.forward(&input, &mut pass).unwrap();
        let target = filled("target", &[2, 4, 16, 16]);
        let grads = loss(&out, &target).backward().unwrap();
        for (name, var) in vars.iter().filter(|(name, _)| !name.contains("running_")) {
            let top = grads.get(var).map_or(0.0, largest);
            // A norm with batch statistics cancels the bias before it.
            let is_superfluous = mode == Mode::Train
                && [
                    ".conv1.bias",
                    ".conv2.bias",
                    ".pool_conv1.bias",
                    ".conv.bias",
                ]
                .iter()
                .any(|end| name.ends_with(end));
            let is_right = top.is_finite() && (top > 1e-9 || is_superfluous);
            assert!(is_right, "{mode:?}: gradient of {name} is at most {top}");
        }
    }
}

fn options(spec: &ModelSpec) -> BuildOptions {
    BuildOptions {
        n_joints: spec.card().unwrap().skeleton().unwrap().n_joints(),
        n_limbs: 0,
        input: Size::square(256),
    }
}

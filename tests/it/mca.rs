//! MCA against its golden numbers, and the paper's ablations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use poselens_engine::geometry::Size;
use poselens_engine::model::{
    Attention, BuildOptions, Mca, McaConfig, ModelSpec, PoseModel, RawOutput, model,
};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_tests::{fill, golden};

/// The tiny networks of the goldens, input 64x64.
const TINY_PAPER: McaConfig = McaConfig {
    modules: 2,
    ..McaConfig::paper(4, 2, 32)
};
const TINY_RELEASED: McaConfig = McaConfig {
    channels: 32,
    ..McaConfig::released(4, 2, 2)
};

/// The fill rule: convolutions uniform with variance `gain^2 / fan_in`, norms near identity.
fn filled(name: &str, shape: &[usize]) -> Tensor {
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

/// Where tensors come from: a function of name and shape.
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

/// Variables with weights by the fill rule, and the network of them.
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

/// The network with fixed weights by the fill rule.
fn fixed(config: &McaConfig) -> Mca {
    Mca::new(config, &tensors(filled)).unwrap()
}

/// Both ways to compute, wanting maps: with candle's operations and with our kernels.
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

/// Everything a forward call answered, by the goldens' names.
fn answers(out: &RawOutput) -> HashMap<String, Tensor> {
    let maps = out.maps.iter().map(|m| (m.name.clone(), m.tensor.clone()));
    let heatmaps = out.tensors.iter().filter_map(|(name, t)| {
        let stack = name.strip_prefix("heatmaps.stack")?;
        Some((format!("s{stack}_heatmap"), t.clone()))
    });
    maps.chain(heatmaps).collect()
}

/// Fails when a block, a level, an attention map or a head differs from the specified network,
/// with candle's operations or with our kernels.
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
            let probes = pass.probes.unwrap();
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

/// Fails when the full-size network differs from its golden where tiny ones do not: other
/// convolutions are chosen at this size.
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

/// The release's loss: over stacks, the sum of mean squared errors.
fn loss(out: &RawOutput, target: &Tensor) -> Tensor {
    let stacks = out.tensors.iter().filter(|(name, _)| name != "heatmaps");
    stacks
        .map(|(_, y)| (y - target).unwrap().sqr().unwrap().mean_all().unwrap())
        .reduce(|a, b| (a + b).unwrap())
        .unwrap()
}

/// Fails when the loss or a gradient with fixed statistics differs from the reference: a wrong
/// backward, or a way through the network that gradients do not take.
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

/// Fails when a parameter is never trained, or training makes it NaN.
#[test]
fn every_parameter_has_a_gradient() {
    let (vars, net) = trainable(&TINY_PAPER);
    // Training first: it moves the filled statistics, with which one unit is dead behind a ReLU
    // for this picture, in the reference, too.
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
            // A norm by the batch's statistics takes away what a bias before it adds.
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
        input: Size::square(256),
    }
}

/// The tensors that a network is made of.
fn shapes(config: &McaConfig) -> BTreeMap<String, Vec<usize>> {
    let shapes = Mutex::new(BTreeMap::new());
    let note = |name: &str, shape: &[usize]| {
        shapes
            .lock()
            .unwrap()
            .insert(name.to_owned(), shape.to_vec());
        Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
    };
    Mca::new(config, &tensors(note)).unwrap();
    shapes.into_inner().unwrap()
}

/// Fails when a variant has another size or other work than the specification's table: its
/// parameters, running statistics, tensors, and thousandths of GMACs for 256x256.
#[test]
fn sizes_and_work_equal_the_specification() {
    let modules = |modules, config| McaConfig { modules, ..config };
    for (config, sizes, gmacs) in [
        (McaConfig::mca_8(16), [58_377_740, 171_264, 3038], 63.927),
        (
            McaConfig::mca_8_released(16),
            [58_312_088, 171_264, 2926],
            63.864,
        ),
        (McaConfig::mca_2(16), [15_095_459, 45_312, 842], 19.716),
        (
            McaConfig::released(16, 2, 1),
            [15_080_774, 45_312, 814],
            19.707,
        ),
        (
            modules(4, McaConfig::mca_2(16)),
            [57_602_723, 137_472, 2318],
            56.604,
        ),
        (
            McaConfig::mca_2_released_m4(16),
            [57_588_038, 137_472, 2290],
            56.595,
        ),
        (
            McaConfig::paper(16, 4, 256),
            [29_486_481, 87_296, 1574],
            34.289,
        ),
        (
            McaConfig::released(16, 4, 2),
            [57_790_556, 148_736, 2498],
            58.843,
        ),
        (
            McaConfig::paper(16, 1, 256),
            [7_899_948, 24_320, 476],
            12.429,
        ),
    ] {
        let shapes = shapes(&config);
        let size = |running: bool| -> usize {
            let tensors = shapes.iter();
            let tensors = tensors.filter(|(name, _)| name.contains(".running_") == running);
            tensors
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum()
        };
        assert_eq!([size(false), size(true), shapes.len()], sizes, "{config:?}");
        // All work is per pixel: 64x64 does a sixteenth of it.
        let net = Mca::new(&config, &VarBuilder::zeros(DType::F32, &Device::Cpu)).unwrap();
        let mut pass = Pass::counting();
        let input = Tensor::zeros((1, 3, 64, 64), DType::F32, &Device::Cpu).unwrap();
        net.forward(&input, &mut pass).unwrap();
        let macs = 16.0 * pass.tally.unwrap().macs() as f64;
        assert_eq!((macs / 1e6).round() / 1e3, gmacs, "{config:?}");
    }
}

/// Fails when a row of the table builds another variant than its name says, or its work is not
/// that of its input.
#[test]
fn rows_build_their_variants() {
    for (name, config) in [
        ("mca-8", McaConfig::mca_8(16)),
        ("mca-8-released", McaConfig::mca_8_released(16)),
        ("mca-2", McaConfig::mca_2(16)),
        ("mca-2-released-m4", McaConfig::mca_2_released_m4(16)),
        ("mca-2-slim", McaConfig::paper(17, 2, 128)),
    ] {
        let spec = model(name).unwrap();
        let built = spec.shapes(&options(spec)).unwrap();
        assert_eq!(built.0, shapes(&config), "{name}");
    }
    let slim = model("mca-2-slim").unwrap();
    let survey = |size| slim.survey(&options(slim), size).unwrap();
    let (once, twice) = (survey(Size::square(64)), survey(Size::new(128, 64)));
    assert_eq!(2 * once.tally.macs(), twice.tally.macs());
    assert_eq!(once.maps, twice.maps);
    assert!(slim.survey(&options(slim), Size::square(96)).is_err());
}

/// Fails when a tensor is called otherwise than in checkpoints of the reference.
#[test]
fn tensors_have_their_specified_names_and_shapes() {
    for (file, config) in [
        ("paper", McaConfig::mca_2(16)),
        ("released", McaConfig::released(16, 2, 1)),
    ] {
        let path = golden(&format!("mca/tensors_{file}_s2.txt"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut wanted: Vec<_> = text.lines().map(str::to_owned).collect();
        wanted.sort();
        let mut got: Vec<_> = shapes(&config)
            .iter()
            .map(|(n, s)| format!("{n}\t{s:?}"))
            .collect();
        got.sort();
        assert_eq!(got, wanted);
    }
}

/// Fails when the map of an iteration is not what that many iterations give, or the last one
/// does not say that it is the last.
#[test]
fn earlier_iterations_are_those_of_shorter_inference() {
    let maps = |iters: usize| {
        let config = McaConfig {
            iters,
            ..McaConfig::paper(2, 1, 8)
        };
        let mut pass = passes().into_iter().next().unwrap();
        let input = filled("input", &[1, 3, 64, 64]);
        fixed(&config).forward(&input, &mut pass).unwrap().maps
    };
    let all = maps(3);
    let find = |name: &str| all.iter().find(|m| m.name == name).unwrap();
    for iters in 1..3 {
        for n in 1..=4 {
            let name = format!("s0_att_l{n}");
            let short = maps(iters).into_iter().find(|m| m.name == name).unwrap();
            let early = find(&format!("{name}.iter{iters}"));
            assert_eq!(early.place.iteration, Some(iters));
            assert_eq!(short.place, early.place);
            assert_close(&early.tensor, &short.tensor, &early.name);
        }
    }
    assert_eq!(find("s0_part").place.iteration, Some(3));
    assert_eq!(find("s0_att_sum").place.iteration, None);
}

/// Fails when a switch of the component analysis changes too little or too much, when the kernels
/// compute another network, or when a softmax does not run over the whole map.
#[test]
fn the_ablations_have_their_maps() {
    const NAMES: [&str; 8] = [
        "s0_att",
        "s1_att",
        "s0_att_l1",
        "s1_att_l3",
        "s0_att_sum",
        "s0_refine",
        "s1_refine",
        "s1_part",
    ];
    let base = McaConfig {
        depth: 3,
        iters: 1,
        ..McaConfig::paper(3, 2, 8)
    };
    let kernels = Kernels::new(2).unwrap();
    for bits in 0..21 {
        // All switches with a CRF, two with softmax, none without attention.
        let (attention, bits) = match bits {
            0..16 => (Attention::Crf, bits),
            16..20 => (Attention::Softmax, 2 * (bits % 4) + 9),
            _ => (Attention::None, 15),
        };
        let [multi_resolution, part, hru, refined] = [2, 4, 1, 8].map(|bit| bits & bit != 0);
        let config = McaConfig {
            hru,
            multi_resolution,
            refined,
            part,
            attention,
            ..base
        };
        let tensors = shapes(&config);
        let has_hru = tensors.keys().any(|name| name.contains("pool_conv1"));
        assert_eq!(has_hru, hru, "{config:?}");
        let net = fixed(&config);
        let input = filled("input", &[2, 3, 32, 64]);
        let [plain, fast] = [None, Some(kernels.clone())].map(|kernels| {
            let mut pass = Pass {
                kernels,
                wants_maps: true,
                ..Pass::eval()
            };
            net.forward(&input, &mut pass).unwrap()
        });
        for ((name, plain), (_, fast)) in plain.tensors.iter().zip(&fast.tensors) {
            assert_close(fast, plain, &format!("{name}, {config:?}"));
        }
        let any = attention != Attention::None;
        let single = !multi_resolution;
        let expected = [
            single,
            single,
            !single,
            !single,
            !single,
            refined,
            refined && !part,
            part,
        ];
        for (name, expected) in NAMES.iter().zip(expected) {
            let map = fast.maps.iter().find(|m| m.name == *name);
            assert_eq!(map.is_some(), any && expected, "{name}, {config:?}");
        }
        for map in &fast.maps {
            let whole = map.tensor.sum((2, 3)).unwrap();
            if attention == Attention::Softmax && !map.name.ends_with("sum") {
                assert_close(&whole, &whole.ones_like().unwrap(), &map.name);
            }
            let top = map.tensor.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(top > 0.0 && top < map.range.1, "{}: {top}", map.name);
        }
    }
}

/// Fails when a size that cannot be halved often enough reaches a pool, or a network that cannot
/// be is built.
#[test]
fn impossible_sizes_are_refused_with_a_reason() {
    let config = McaConfig::paper(2, 1, 4);
    let net = fixed(&config);
    for (h, w) in [(64, 96), (32, 64), (0, 64)] {
        let input = Tensor::zeros((1, 3, h, w), DType::F32, &Device::Cpu).unwrap();
        let refusal = net.forward(&input, &mut Pass::eval()).err().unwrap();
        let text = refusal.to_string();
        assert!(
            text.contains(&format!("multiples of 64, not {w}x{h}")),
            "{text}"
        );
    }
    let zeros = VarBuilder::zeros(DType::F32, &Device::Cpu);
    for wrong in [
        McaConfig {
            nstack: 0,
            ..config
        },
        McaConfig {
            channels: 7,
            ..config
        },
        McaConfig {
            kernel: 10,
            ..config
        },
        McaConfig { iters: 0, ..config },
        McaConfig { depth: 0, ..config },
    ] {
        assert!(Mca::new(&wrong, &zeros).is_err(), "{wrong:?}");
    }
}

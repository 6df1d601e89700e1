//! MCA's variants: sizes, operations, tensor names, the paper's ablations.

use std::collections::BTreeMap;
use std::sync::Mutex;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use poselens_engine::geometry::Size;
use poselens_engine::model::{Attention, Mca, McaConfig, PoseModel, Recording, model};
use poselens_engine::nn::{Kernels, Pass};
use poselens_tests::golden;

use super::{assert_close, filled, fixed, options, passes, tensors};

/// Returns the shapes of a network's tensors.
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

/// Fails when a variant differs from the specification's table in its numbers of parameters,
/// running statistics and tensors, or in GMACs (to three decimals) at 256x256.
#[test]
fn sizes_and_work_equal_the_specification() {
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
        // All work is per pixel: 64x64 needs a sixteenth of it.
        let net = Mca::new(&config, &VarBuilder::zeros(DType::F32, &Device::Cpu)).unwrap();
        let recording = Recording::of(&net, Size::square(64)).unwrap();
        let macs = 16.0 * recording.survey().macs as f64;
        assert_eq!((macs / 1e6).round() / 1e3, gmacs, "{config:?}");
    }
}

/// Fails when a row of the table builds another variant than its name says, or its operations are
/// not those of its input size.
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
    assert_eq!(2 * once.macs, twice.macs);
    assert_eq!(once.maps, twice.maps);
    assert!(slim.survey(&options(slim), Size::square(96)).is_err());
}

/// Fails when a tensor has another name than in checkpoints of the reference.
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

/// Fails when the map of an iteration is not the result of inference with that many iterations, or
/// the last one is not marked as the last.
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

/// Fails when a switch of the component analysis has too little or too much effect, when the
/// kernels compute another network, or when a softmax does not cover the whole map.
#[test]
fn ablations_have_the_expected_maps() {
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

/// Fails when a size that cannot be halved often enough reaches a pooling layer, or an impossible
/// configuration is built.
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

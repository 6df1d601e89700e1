//! Tests of executors and plans on random graphs.

use candle_core::Tensor;
use proptest::prelude::*;

use super::plan::Plan;
use super::*;
use crate::nn::graph::{ConvCall, Op, Recorded, Recorder, Shape, reference};
use crate::nn::kernels::Activation;

/// Returns values in -1..1 that depend only on the seed.
fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn tensor(seed: u64, dims: &[usize]) -> Tensor {
    let values = values(seed, dims.iter().product());
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// Number of kinds of operations in random graphs.
const KINDS: usize = 11;

/// Applies an operation of a kind to `x` and, where it has two operands, `y` of the same size; the
/// result has that size, too.
fn grown(kind: usize, seed: u64, x: &Recorded, y: &Recorded) -> Recorded {
    let Shape { c, .. } = x.shape();
    let half = c.div_ceil(2);
    let slice =
        |x: &Recorded, from, channels| x.push("", Op::Slice { from, channels }, &[]).unwrap();
    let weight = |part, dims: &[usize]| x.weight(("w", part), &tensor(seed, dims)).unwrap();
    let call = |weight, bias| ConvCall {
        name: "conv",
        weight,
        bias,
        stride: 1,
        relu: seed.is_multiple_of(2),
    };
    match kind {
        0 => x.push("", Op::Mul, &[y]),
        1 => x.push("", Op::Mul, &[&slice(y, c - 1, 1)]),
        2 => {
            let relu = seed.is_multiple_of(2);
            x.push("", Op::Add { factor: 1, relu }, &[y])
        }
        3 => {
            let bias = seed.is_multiple_of(2).then(|| weight("bias", &[c]));
            let op = Op::Gate { channels: c, bias };
            x.push("", op, &[&slice(y, 0, 1), &slice(y, c / 2, 1)])
        }
        4 => slice(x, 0, half).push("", Op::Concat, &[&slice(y, half, c - half)]),
        5 => {
            let weights = (weight("weight", &[c]), weight("bias", &[c]));
            let (weight, bias) = weights;
            let eps = 1e-3;
            x.push("", Op::LayerNorm { weight, bias, eps }, &[])
        }
        6 => {
            let op = Op::Affine {
                factor: weight("factor", &[c]),
                shift: weight("shift", &[c]),
                relu: false,
            };
            x.push("", op, &[])
        }
        7 => x.convolve(call(&tensor(seed, &[c, c, 3, 3]), None), None),
        8 => {
            let pool = Op::MaxPool {
                kernel: 3,
                stride: 2,
                pad: 1,
            };
            let low = x.push("", pool, &[]).unwrap();
            let op = Op::Add {
                factor: 2,
                relu: true,
            };
            low.push("", op, &[y])
        }
        9 => {
            let op = Op::Depthwise {
                kernel: 3,
                weight: weight("weight", &[c, 1, 3, 3]),
                bias: None,
                adds: true,
                activation: Activation::Tanh,
            };
            x.push("", op, &[y])
        }
        _ => {
            let both = x.push("", Op::Concat, &[y]).unwrap();
            both.push("", Op::Attention { heads: 1 }, &[y])
        }
    }
    .unwrap()
}

/// Kinds and operands of the operations of a random graph.
type Growth = Vec<(usize, usize, usize)>;

fn grow(shape: Shape, growth: &Growth) -> Graph {
    let recorder = Recorder::new();
    let mut all = vec![recorder.input(shape)];
    for (i, &(kind, x, y)) in growth.iter().enumerate() {
        let (x, y) = (&all[x % all.len()], &all[y % all.len()]);
        let next = grown(kind, i as u64, x, y);
        all.push(next);
    }
    recorder.finish(Vec::new())
}

fn kernels() -> Arc<Kernels> {
    static KERNELS: std::sync::OnceLock<Arc<Kernels>> = std::sync::OnceLock::new();
    KERNELS.get_or_init(|| Kernels::new(2).unwrap()).clone()
}

/// Compares outputs of an executable with the reference.
fn check(
    graph: &Graph,
    run: &mut dyn Executable,
    n: usize,
    outputs: &[ValueId],
) -> std::result::Result<(), TestCaseError> {
    let shape = graph.shape(graph.inputs[0]);
    let rows = values(n as u64, n * shape.len());
    let mut planes = vec![0.0; rows.len()];
    for (i, value) in rows.iter().enumerate() {
        let (c, pixel) = (i % shape.c, i / shape.c % shape.area());
        planes[i / shape.len() * shape.len() + c * shape.area() + pixel] = *value;
    }
    let wanted = reference::run(graph, n, &[&rows], outputs).unwrap();
    run.run(&[&planes], outputs, None).unwrap();
    for (output, want) in outputs.iter().zip(wanted) {
        let view = run.output(*output).unwrap();
        let Shape { h, w, c } = graph.shape(*output);
        prop_assert_eq!(view.dims(), [n, h, w, c]);
        let largest = want.iter().fold(1.0_f32, |top, v| top.max(v.abs()));
        let got = (0..n).flat_map(|i| view.pixels(i)).flatten();
        for (got, want) in got.zip(&want) {
            prop_assert!((got - want).abs() <= 1e-3 * largest, "{} {}", got, want);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Fails when an operation differs from its reference, works in place on a value that is still
    /// needed, or the memory of a value is taken too early, for any set of outputs and any number
    /// of images, in any order.
    #[test]
    fn random_graphs_equal_the_reference(
        (h, w, c) in (1..7usize, 1..7usize, 2..6usize),
        growth in prop::collection::vec((0..KINDS, 0..9usize, 0..9usize), 1..9),
        sets in prop::collection::vec((1..4usize, prop::collection::vec(0..99usize, 1..4)), 1..5),
    ) {
        let graph = grow(Shape { h, w, c }, &growth);
        for kernels in [Some(kernels()), None] {
            let mut run = executor(&Device::Cpu, kernels.as_ref()).prepare(&graph).unwrap();
            for (n, outputs) in &sets {
                let outputs = outputs.iter().map(|i| ValueId(i % graph.values.len()));
                check(&graph, &mut *run, *n, &outputs.collect::<Vec<_>>())?;
            }
        }
    }
}

/// Fails when a chain of operations takes memory for each of its results, or an operation that may
/// work in place does not.
#[test]
fn memory_is_reused() {
    let shape = Shape { h: 4, w: 3, c: 2 };
    let len = shape.len();
    let chain = grow(shape, &(0..20).map(|i| (2, i, i)).collect());
    let last = ValueId(chain.values.len() - 1);
    let plan = Plan::new(&chain, &[last]);
    assert_eq!(plan.slots, [len, len]);
    assert_eq!(plan.steps.len(), 20);
    // Layer norms in place.
    let chain = grow(shape, &(0..20).map(|i| (5, i, i)).collect());
    let plan = Plan::new(&chain, &[ValueId(20)]);
    assert_eq!(plan.slots, [len]);
    assert_eq!(
        Plan::new(&chain, &[ValueId(20), ValueId(0)]).slots,
        [len, len]
    );
}

/// Fails when only some nodes are needed but others are run, or the reported nodes are not those.
#[test]
fn only_what_is_needed_is_run_and_timed() {
    let growth = vec![(6, 0, 0), (6, 1, 1), (6, 1, 1)];
    let graph = grow(Shape { h: 2, w: 2, c: 2 }, &growth);
    for kernels in [Some(kernels()), None] {
        let mut run = executor(&Device::Cpu, kernels.as_ref())
            .prepare(&graph)
            .unwrap();
        let mut times = Vec::new();
        run.run(&[&[0.0; 8]], &[ValueId(3)], Some(&mut times))
            .unwrap();
        let nodes: Vec<usize> = times.iter().map(|(node, _)| *node).collect();
        assert_eq!(nodes, [0, 2]);
        assert!(run.output(ValueId(2)).is_err());
        assert!(run.output(ValueId(3)).is_ok());
    }
}

/// Fails when inputs of another size are read beyond their end.
#[test]
fn inputs_of_other_sizes_are_refused() {
    let graph = grow(Shape { h: 2, w: 2, c: 2 }, &vec![(6, 0, 0)]);
    for kernels in [Some(kernels()), None] {
        let mut run = executor(&Device::Cpu, kernels.as_ref())
            .prepare(&graph)
            .unwrap();
        for inputs in [&[][..], &[&[0.0; 7][..]], &[&[0.0; 8][..], &[0.0; 8][..]]] {
            assert!(run.run(inputs, &[ValueId(1)], None).is_err());
        }
        run.run(&[&[0.0; 16]], &[ValueId(1)], None).unwrap();
        assert_eq!(run.output(ValueId(1)).unwrap().dims(), [2, 2, 2, 2]);
    }
}

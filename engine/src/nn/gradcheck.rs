//! Test utilities for layers: gradients must equal finite differences ([`gradcheck`]), and tensors,
//! folded weights and kernels must agree ([`agree`]).

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};

use super::execute::executor;
use super::graph::{Graph, Recorder, Shape, reference};
use super::linear::to_rows;
use super::{Features, Kernels, Mode, Pass, Random, add};

/// A layer under test: built from named weights and applied to its inputs.
pub(super) trait Layer:
    Fn(&VarBuilder<'_>, &[Features], &mut Pass) -> Result<Features>
{
}
impl<F: Fn(&VarBuilder<'_>, &[Features], &mut Pass) -> Result<Features>> Layer for F {}

/// Number of coordinates perturbed per variable, including the first and the last.
const PROBES: usize = 20;
/// Step of the central difference, whose error is of the order of its square.
const STEP: f64 = 1e-5;

/// Compares the gradients of `layer` with central differences in f64, in training and evaluation
/// mode, for all its weights and inputs. Each check runs with the layer alone, and with another
/// consumer of the inputs before or after the layer in the sum that is differentiated.
pub(super) fn gradcheck(shapes: &[&[usize]], layer: impl Layer) {
    let dtype = DType::F64;
    let inputs: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| {
            let x = values(shape, i as u64, dtype, -1.0);
            Var::from_tensor(&x).unwrap()
        })
        .collect();
    for mode in [Mode::Train, Mode::Eval] {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, dtype, &Device::Cpu);
        let run = || {
            let x: Vec<_> = inputs
                .iter()
                .map(|x| Features::Tensor(x.as_tensor().clone()))
                .collect();
            let mut pass = Pass {
                mode,
                random: Some(Random::new(1)),
                ..Pass::eval()
            };
            layer(&vb, &x, &mut pass).unwrap().to_tensor().unwrap()
        };
        let weight = values(run().dims(), 99, dtype, -1.0);
        randomise(&map);
        let weighted = || (run() * &weight).unwrap().sum_all().unwrap();
        let value = || weighted().to_scalar::<f64>().unwrap();
        let others = || {
            let squares = inputs.iter().map(|x| x.sqr().unwrap().sum_all().unwrap());
            squares.reduce(|a, b| (a + b).unwrap()).unwrap()
        };
        let losses = [
            (weighted(), 0.0),
            ((others() + weighted()).unwrap(), 2.0),
            ((weighted() + others()).unwrap(), 2.0),
        ];
        let grads = losses.map(|(loss, squares)| (loss.backward().unwrap(), squares));
        let named = inputs
            .iter()
            .enumerate()
            .map(|(i, x)| (format!("x{i}"), x.clone(), true));
        let weights = learnable(&map)
            .into_iter()
            .map(|(name, var)| (name, var, false));
        for (name, var, is_input) in named.chain(weights).collect::<Vec<_>>() {
            let at = flat(&var);
            for i in probes(at.len()) {
                let moved = |step: f64| {
                    let mut at = at.clone();
                    at[i] += step;
                    set(&var, &at);
                    value()
                };
                let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                set(&var, &at);
                for (order, (grads, squares)) in grads.iter().enumerate() {
                    let extra = if is_input { squares * at[i] } else { 0.0 };
                    let want = slope + extra;
                    let Some(grad) = grads.get(&var) else {
                        panic!("{name} has no gradient in {mode:?}, order {order}, {shapes:?}");
                    };
                    let got = flat(grad)[i];
                    assert!(
                        (got - want).abs() <= 1e-6 * (1.0 + want.abs()),
                        "gradient {i} of {name} is {got}, not {want}, in {mode:?}, order {order}, {shapes:?}"
                    );
                }
            }
        }
    }
}

/// Compares `layer` in evaluation mode with trainable weights, with frozen weights, and as a recorded
/// graph on every executor and the scalar reference: values to 1e-4 of the largest.
pub(super) fn agree(shapes: &[&[usize]], layer: impl Layer) {
    let map = VarMap::new();
    let trainable = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let inputs: Vec<Tensor> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| values(shape, i as u64, DType::F32, -1.0))
        .collect();
    let run = |vb: &VarBuilder<'_>| {
        let x: Vec<_> = inputs.iter().cloned().map(Features::Tensor).collect();
        let y = layer(vb, &x, &mut Pass::eval()).unwrap();
        y.to_tensor().unwrap()
    };
    run(&trainable);
    randomise(&map);
    let fixed = freeze(&map);
    let want = run(&trainable);
    let recorder = Recorder::new();
    let x = shapes.iter().map(|shape| {
        let (c, h, w) = (shape[1], shape[2], shape[3]);
        Features::Recorded(recorder.input(Shape { h, w, c }))
    });
    let x: Vec<Features> = x.collect();
    let Features::Recorded(y) = layer(&fixed, &x, &mut Pass::eval()).unwrap() else {
        panic!("recorded maps lead to a map with values");
    };
    let graph = recorder.finish(vec![("y".to_owned(), y.id())]);
    let mut results = vec![("frozen".to_owned(), run(&fixed))];
    results.extend(executed(&graph, &inputs));
    let (shape, want) = (want.dims().to_vec(), flat(&want));
    let largest = want.iter().fold(1e-3_f64, |m, v| m.max(v.abs()));
    for (way, got) in results {
        assert_eq!(got.dims(), shape, "{way}");
        for (i, (got, want)) in flat(&got).into_iter().zip(&want).enumerate() {
            assert!(
                (got - want).abs() <= 1e-4 * largest,
                "value {i} is {got}, not {want}; {way}, {shapes:?}"
            );
        }
    }
}

/// Returns the output `y` of `graph` by the scalar reference and by every executor.
fn executed(graph: &Graph, inputs: &[Tensor]) -> Vec<(String, Tensor)> {
    let y = graph.output("y").unwrap();
    let n = inputs[0].dim(0).unwrap();
    let vectors = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let shape = graph.shape(y);
    let tensor = |values: Vec<f32>| {
        let rows = Tensor::from_vec(values, (n, shape.h, shape.w, shape.c), &Device::Cpu);
        rows.unwrap().permute((0, 3, 1, 2)).unwrap()
    };
    let rows: Vec<_> = inputs
        .iter()
        .map(|x| vectors(&to_rows(x).unwrap()))
        .collect();
    let rows: Vec<_> = rows.iter().map(|x| &x[..]).collect();
    let reference = reference::run(graph, n, &rows, &[y]).unwrap().remove(0);
    let mut results = vec![("reference".to_owned(), tensor(reference))];
    let planes: Vec<_> = inputs.iter().map(vectors).collect();
    let planes: Vec<_> = planes.iter().map(|x| &x[..]).collect();
    for kernels in [Some(kernels()), None] {
        let mut run = executor(&Device::Cpu, kernels.as_ref())
            .prepare(graph)
            .unwrap();
        // The second run reuses the memory of the first one.
        for _ in 0..2 {
            run.run(&planes, &[y], None).unwrap();
            let view = run.output(y).unwrap();
            let values = (0..n).flat_map(|i| view.pixels(i)).flatten().copied();
            let way = format!("kernels: {}", kernels.is_some());
            results.push((way, tensor(values.collect())));
        }
    }
    results
}

/// Compares training and evaluation with and without our kernels: values, and the gradients of all
/// weights and inputs, to 1e-3 of the largest. The layer is applied once, and twice to the same
/// inputs, so that everything has two consumers.
pub(super) fn learn_alike(shapes: &[&[usize]], layer: impl Layer) {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    let inputs: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| Var::from_tensor(&values(shape, i as u64, DType::F32, -1.0)).unwrap())
        .collect();
    let run = |kernels, mode, twice: bool| {
        let mut pass = Pass {
            mode,
            kernels,
            random: Some(Random::new(1)),
            ..Pass::eval()
        };
        let x: Vec<_> = inputs.iter().map(|x| pass.enter(x).unwrap()).collect();
        let mut y = layer(&vb, &x, &mut pass).unwrap();
        if twice {
            let again = layer(&vb, &x, &mut pass).unwrap();
            y = add(&y, &again, false).unwrap();
        }
        assert_eq!(
            pass.kernels.is_some(),
            matches!(y, Features::Traced(_)),
            "kernels are used if requested"
        );
        let y = y.to_tensor().unwrap();
        let weight = values(y.dims(), 99, DType::F32, -1.0);
        let grads = (&y * weight)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        (y, grads)
    };
    run(None, Mode::Train, false);
    randomise(&map);
    let near = |got: &Tensor, want: &Tensor, what: &str| {
        let (got, want) = (flat(got), flat(want));
        assert_eq!(got.len(), want.len(), "{what}");
        let largest = want.iter().fold(1e-3_f64, |m, v| m.max(v.abs()));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let is_near = (got - want).abs() <= 1e-3 * largest;
            assert!(is_near, "{what} {i} is {got}, not {want}, {shapes:?}");
        }
    };
    for (mode, twice) in [
        (Mode::Train, false),
        (Mode::Train, true),
        (Mode::Eval, false),
    ] {
        // Training moves the running statistics, so both runs start from the same values.
        let statistics: Vec<_> = all(&map)
            .into_iter()
            .map(|(_, var)| (var.as_tensor().copy().unwrap(), var))
            .collect();
        let (want, want_grads) = run(None, mode, twice);
        for (before, var) in &statistics {
            var.set(before).unwrap();
        }
        let (got, got_grads) = run(Some(kernels()), mode, twice);
        near(&got, &want, "value");
        let vars = learnable(&map).into_iter().map(|(_, var)| var);
        for var in inputs.iter().cloned().chain(vars) {
            let [got, want] = [&got_grads, &want_grads].map(|grads| grads.get(&var).unwrap());
            near(got, want, "gradient");
        }
    }
}

/// Kernels with two threads, started once.
fn kernels() -> std::sync::Arc<Kernels> {
    static KERNELS: std::sync::OnceLock<std::sync::Arc<Kernels>> = std::sync::OnceLock::new();
    KERNELS.get_or_init(|| Kernels::new(2).unwrap()).clone()
}

/// Returns the current weights as constants.
pub(super) fn freeze(map: &VarMap) -> VarBuilder<'static> {
    let fixed: HashMap<_, _> = all(map)
        .into_iter()
        .map(|(name, var)| (name, var.as_tensor().copy().unwrap().detach()))
        .collect();
    VarBuilder::from_tensors(fixed, DType::F32, &Device::Cpu)
}

/// Randomises all weights such that mistakes show: no zeros, no ones, positive variances.
fn randomise(map: &VarMap) {
    for (i, (name, var)) in all(map).into_iter().enumerate() {
        let low = if name.ends_with("running_var") {
            0.5
        } else {
            -1.0
        };
        let fresh = values(var.dims(), 1000 + i as u64, var.dtype(), low);
        var.set(&fresh).unwrap();
    }
}

/// Returns all variables in the order of their names.
fn all(map: &VarMap) -> Vec<(String, Var)> {
    let vars = map.data().lock().unwrap();
    let mut vars: Vec<_> = vars.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    vars.sort_by(|a, b| a.0.cmp(&b.0));
    vars
}

fn learnable(map: &VarMap) -> Vec<(String, Var)> {
    let mut vars = all(map);
    vars.retain(|(name, _)| !name.contains("running_"));
    vars
}

/// Returns values in low..1 that depend only on the seed.
fn values(shape: &[usize], seed: u64, dtype: DType, low: f64) -> Tensor {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        low + (1.0 - low) * (x >> 11) as f64 / (1_u64 << 53) as f64
    };
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| next()).collect();
    let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    values.to_dtype(dtype).unwrap()
}

fn flat(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    x.to_vec1().unwrap()
}

fn set(var: &Var, values: &[f64]) {
    let values = Tensor::from_slice(values, var.shape(), &Device::Cpu).unwrap();
    var.set(&values).unwrap();
}

/// Returns all of `0..len`, or a subset spread evenly from the first to the last.
fn probes(len: usize) -> Vec<usize> {
    if len <= PROBES {
        return (0..len).collect();
    }
    (0..PROBES).map(|i| i * (len - 1) / (PROBES - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the check accepts a layer that loses half of its gradient.
    #[test]
    #[should_panic(expected = "gradient 0 of x0 is")]
    fn a_wrong_gradient_is_detected() {
        gradcheck(&[&[1, 2, 2, 2]], |_, x, _| {
            let x = x[0].to_tensor()?;
            Ok(Features::Tensor((&x * x.detach())?))
        });
    }

    /// Fails when the check accepts a variable without a gradient.
    #[test]
    #[should_panic(expected = "x0 has no gradient")]
    fn a_missing_gradient_is_detected() {
        gradcheck(&[&[1, 2, 2, 2], &[1, 2, 2, 2]], |_, x, _| Ok(x[1].clone()));
    }
}

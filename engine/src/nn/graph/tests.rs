//! Tests of recording.

use candle_core::{DType, Device, Tensor, Var};

use super::*;

const SHAPE: Shape = Shape { h: 3, w: 4, c: 2 };

fn weight() -> Tensor {
    Tensor::ones((5, 2, 1, 1), DType::F32, &Device::Cpu).unwrap()
}

fn call(weight: &Tensor) -> ConvCall<'_> {
    ConvCall {
        name: "layer",
        weight,
        bias: None,
        stride: 1,
        relu: false,
    }
}

/// Fails when trainable weights are recorded, which would change after the recording, or values of
/// two graphs are mixed.
#[test]
fn what_cannot_be_recorded_is_refused() {
    let recorder = Recorder::new();
    let x = recorder.input(SHAPE);
    let trainable = Var::from_tensor(&weight()).unwrap();
    let error = x.convolve(call(&trainable), None).err().unwrap();
    assert!(error.to_string().contains("trainable"), "{error}");
    let other = Recorder::new().input(SHAPE);
    assert!(x.push("", Op::Mul, &[&other]).is_err());
    let narrow = recorder.input(Shape { c: 3, ..SHAPE });
    let error = x.push("", Op::Mul, &[&narrow]).err().unwrap();
    assert!(error.to_string().contains("multiply"), "{error}");
}

/// Fails when a layer that is applied twice has its weights twice, or different weights get the
/// same name.
#[test]
fn weights_are_recorded_once() {
    let recorder = Recorder::new();
    let x = recorder.input(SHAPE);
    let (a, b) = (weight(), weight());
    for weight in [&a, &b, &a] {
        x.convolve(call(weight), None).unwrap();
    }
    let graph = recorder.finish(Vec::new());
    let names: Vec<_> = graph.weights.iter().map(|w| &w.name[..]).collect();
    assert_eq!(names, ["layer.weight", "layer.weight.2"]);
    assert_eq!(graph.nodes.len(), 3);
    assert_eq!(graph.macs(), 3 * (3 * 4 * 2 * 5));
}

/// Fails when an operation that no output depends on is run, or one that an output depends on is
/// not.
#[test]
fn needed_nodes_are_those_before_the_outputs() {
    let recorder = Recorder::new();
    let x = recorder.input(SHAPE);
    let square = x.push("", Op::Mul, &[&x]).unwrap();
    let unused = square.push("", Op::Mul, &[&x]).unwrap();
    let last = square.push("", Op::Mul, &[&square]).unwrap();
    let graph = recorder.finish(vec![("y".to_owned(), last.id())]);
    assert_eq!(graph.needed(&[graph.output("y").unwrap()]), [0, 2]);
    assert_eq!(graph.needed(&[unused.id()]), [0, 1]);
    assert_eq!(graph.needed(&[x.id()]), [0; 0]);
}

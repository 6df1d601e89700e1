//! Scalar reference of every operation, with sums in f64: the oracle of the executors' tests.

use candle_core::{Result, bail};

use super::{Addend, Graph, Node, Op, Shape, ValueId, WeightId};
use crate::nn::kernels::{Activation, reference};

/// Computes `outputs` for channels-last `inputs` of `n` images each; one vector per output, `[n, h,
/// w, c]`.
///
/// # Errors
/// When the inputs do not have the sizes that the graph was recorded for.
pub fn run(
    graph: &Graph,
    n: usize,
    inputs: &[&[f32]],
    outputs: &[ValueId],
) -> Result<Vec<Vec<f32>>> {
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); graph.values.len()];
    if inputs.len() != graph.inputs.len() {
        bail!("{} inputs for {}", inputs.len(), graph.inputs.len());
    }
    for (&id, input) in graph.inputs.iter().zip(inputs) {
        if input.len() != n * graph.shape(id).len() {
            bail!("an input of {} values", input.len());
        }
        values[id.0] = input.to_vec();
    }
    for i in graph.needed(outputs) {
        let node = &graph.nodes[i];
        let operands: Vec<&[f32]> = node.inputs.iter().map(|v| &values[v.0][..]).collect();
        let result = Step { graph, node, n }.compute(&operands);
        values[node.output.0] = result;
    }
    Ok(outputs.iter().map(|v| values[v.0].clone()).collect())
}

/// One node and the number of images.
struct Step<'a> {
    graph: &'a Graph,
    node: &'a Node,
    n: usize,
}

impl Step<'_> {
    fn compute(&self, inputs: &[&[f32]]) -> Vec<f32> {
        let n = self.n;
        let x = inputs.first().copied().unwrap_or_default();
        let shape = self.shape_of(0);
        let dims = [n, shape.h, shape.w, shape.c];
        let space = [n, shape.h, shape.w];
        let out = self.graph.shape(self.node.output);
        match self.node.op {
            Op::Conv {
                shape: conv,
                weight,
                bias,
                addend,
                relu,
            } => {
                let sums = reference::conv2d(conv, space, x, self.values(weight));
                let sums = self.with_bias(sums, bias);
                let sums = self.with_addend(sums, addend, inputs);
                apply(sums, rectify(relu))
            }
            Op::ConvTransposed {
                shape: conv,
                weight,
                bias,
                relu,
            } => {
                let space = [n, out.h, out.w];
                let sums = reference::conv2d_transposed(conv, space, x, self.values(weight));
                apply(self.with_bias(sums, bias), rectify(relu))
            }
            Op::Depthwise { .. } => self.depthwise(dims, x, inputs),
            Op::Attention { heads } => self.attend(heads, x, inputs[1]),
            Op::LayerNorm { weight, bias, eps } => {
                let (weight, bias) = (self.values(weight), self.values(bias));
                let pixels = x.chunks_exact(shape.c.max(1));
                pixels
                    .flat_map(|pixel| layer_norm(pixel, [weight, bias], eps))
                    .collect()
            }
            Op::Affine {
                factor,
                shift,
                relu,
            } => {
                let (factor, shift) = (self.values(factor), self.values(shift));
                let at = |(i, x): (usize, &f32)| x * factor[i % shape.c] + shift[i % shape.c];
                apply(x.iter().enumerate().map(at).collect(), rectify(relu))
            }
            Op::Add { factor, relu } => {
                let low = self.repeated(x, shape, factor, out);
                apply(sum(&low, inputs[1]), rectify(relu))
            }
            Op::AddTable { table } => {
                let table = self.values(table).iter().cycle();
                x.iter().zip(table).map(|(x, t)| x + t).collect()
            }
            Op::Mul => {
                let each = shape.c / self.shape_of(1).c.max(1);
                let at = |(i, x): (usize, &f32)| x * inputs[1][i / each];
                x.iter().enumerate().map(at).collect()
            }
            Op::Gate { channels, bias } => {
                let at = |i: usize| {
                    let pixel = i / channels;
                    let (m, d) = (inputs[1][pixel], inputs[2][pixel]);
                    x[pixel * shape.c + i % channels] * (1.0 + m + m * d)
                };
                let gated = (0..n * out.len()).map(at).collect();
                self.with_bias(gated, bias)
            }
            Op::MaxPool {
                kernel,
                stride,
                pad,
            } => reference::max_pool([kernel, stride, pad], dims, x),
            Op::Upsample { factor } => self.repeated(x, shape, factor, out),
            Op::Bilinear { align_corners } => reference::upsample_bilinear2(align_corners, dims, x),
            Op::Concat => self.concat(inputs),
            Op::Slice { from, channels } => {
                let pixels = x.chunks_exact(shape.c.max(1));
                let part = |pixel: &[f32]| pixel[from..from + channels].to_vec();
                pixels.flat_map(part).collect()
            }
            Op::Softmax => softmax(x, n, shape),
        }
    }

    fn depthwise(&self, dims: [usize; 4], x: &[f32], inputs: &[&[f32]]) -> Vec<f32> {
        let Op::Depthwise {
            kernel,
            weight,
            bias,
            adds,
            activation,
        } = self.node.op
        else {
            return Vec::new();
        };
        let sums = reference::depthwise(kernel, dims, x, self.values(weight));
        let sums = self.with_bias(sums, bias);
        let addend = if adds { Addend::Same } else { Addend::None };
        apply(self.with_addend(sums, addend, inputs), activation)
    }

    fn shape_of(&self, input: usize) -> Shape {
        self.graph.shape(self.node.inputs[input])
    }

    fn values(&self, weight: WeightId) -> &[f32] {
        &self.graph.weight(weight).values
    }

    fn with_bias(&self, mut sums: Vec<f32>, bias: Option<WeightId>) -> Vec<f32> {
        if let Some(bias) = bias {
            let bias = self.values(bias).iter().cycle();
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
        sums
    }

    fn with_addend(&self, sums: Vec<f32>, addend: Addend, inputs: &[&[f32]]) -> Vec<f32> {
        let out = self.graph.shape(self.node.output);
        match addend {
            Addend::None => sums,
            Addend::Same => sum(&sums, inputs[1]),
            Addend::Up2 => sum(&sums, &self.repeated(inputs[1], self.shape_of(1), 2, out)),
        }
    }

    /// Repeats the pixels of `x` `factor` x `factor` times, cut to the size of `out`.
    fn repeated(&self, x: &[f32], from: Shape, factor: usize, out: Shape) -> Vec<f32> {
        let at = |i: usize| {
            let (channel, column) = (i % out.c, i / out.c % out.w);
            let (row, image) = (i / out.c / out.w % out.h, i / out.len());
            let pixel = (image * from.h + row / factor) * from.w + column / factor;
            x[pixel * from.c + channel]
        };
        (0..self.n * out.len()).map(at).collect()
    }

    fn attend(&self, heads: usize, query_keys: &[f32], values: &[f32]) -> Vec<f32> {
        let shape = self.graph.shape(self.node.output);
        let d = shape.c;
        let half = |first: usize| -> Vec<f32> {
            let tokens = query_keys.chunks_exact(2 * d);
            let part = tokens.flat_map(|token| &token[first..first + d]);
            part.copied().collect()
        };
        let (queries, keys) = (half(0), half(d));
        let dims = [self.n, shape.area(), d, d];
        reference::attention(heads, dims, [&queries, &keys, values]).0
    }

    fn concat(&self, inputs: &[&[f32]]) -> Vec<f32> {
        let out = self.graph.shape(self.node.output);
        let mut all = Vec::with_capacity(self.n * out.len());
        for pixel in 0..self.n * out.area() {
            for (i, input) in inputs.iter().enumerate() {
                let c = self.shape_of(i).c;
                all.extend_from_slice(&input[pixel * c..][..c]);
            }
        }
        all
    }
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn rectify(relu: bool) -> Activation {
    if relu {
        Activation::Relu
    } else {
        Activation::None
    }
}

fn apply(values: Vec<f32>, activation: Activation) -> Vec<f32> {
    let of = |x: f32| match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    };
    values.into_iter().map(of).collect()
}

fn layer_norm(pixel: &[f32], [weight, bias]: [&[f32]; 2], eps: f32) -> Vec<f32> {
    let n = pixel.len() as f64;
    let mean = pixel.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let squares = pixel.iter().map(|&x| (f64::from(x) - mean).powi(2));
    let factor = 1.0 / (squares.sum::<f64>() / n + f64::from(eps)).sqrt();
    let values = pixel.iter().zip(weight).zip(bias);
    values
        .map(|((&x, &w), &b)| ((f64::from(x) - mean) * factor) as f32 * w + b)
        .collect()
}

fn softmax(x: &[f32], n: usize, shape: Shape) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    for first in (0..n).flat_map(|i| (0..shape.c).map(move |c| i * shape.len() + c)) {
        let at = || (0..shape.area()).map(|pixel| first + pixel * shape.c);
        let top = at().map(|i| x[i]).fold(f32::NEG_INFINITY, f32::max);
        let exp = |i: usize| f64::from(x[i] - top).exp();
        let sum: f64 = at().map(exp).sum();
        for i in at() {
            out[i] = (exp(i) / sum) as f32;
        }
    }
    out
}

//! [`TensorExecutor`]: runs graphs with candle's tensor operations, on any device that candle knows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use candle_core::{D, Device, Result, Tensor, bail};
use candle_nn::ops::layer_norm_slow;

use super::{Executable, Executor, n_images};
use crate::nn::conv::convolve;
use crate::nn::depthwise::activate;
use crate::nn::graph::{Addend, Graph, Node, Op, ValueId, WeightId};
use crate::nn::kernels::View;
use crate::nn::linear::{from_rows, softmax, to_rows};
use crate::nn::pool::{Pool, pool_tensor};
use crate::nn::upsample::{repeat_tensor, repeat_to, resize_bilinear};

/// Runs graphs with candle's tensors.
pub struct TensorExecutor {
    device: Device,
}

impl TensorExecutor {
    /// Creates the executor of a device.
    pub fn new(device: Device) -> Self {
        Self { device }
    }
}

impl Executor for TensorExecutor {
    fn prepare(&self, graph: &Graph) -> Result<Box<dyn Executable>> {
        let weights = graph.weights.iter();
        let weights = weights.map(|w| Tensor::from_slice(&w.values, &w.dims[..], &self.device));
        Ok(Box::new(TensorExecutable {
            device: self.device.clone(),
            weights: weights.collect::<Result<_>>()?,
            graph: Graph {
                weights: Vec::new(),
                ..graph.clone()
            },
            results: HashMap::new(),
        }))
    }
}

struct TensorExecutable {
    device: Device,
    graph: Graph,
    weights: Vec<Tensor>,
    /// Shape `[n, h, w, c]` and values of the outputs of the last run.
    results: HashMap<ValueId, ([usize; 4], Vec<f32>)>,
}

impl Executable for TensorExecutable {
    fn run(
        &mut self,
        inputs: &[&[f32]],
        outputs: &[ValueId],
        mut times: Option<&mut Vec<(usize, Duration)>>,
    ) -> Result<()> {
        let n = n_images(&self.graph, inputs)?;
        let mut values: HashMap<ValueId, Tensor> = HashMap::new();
        for (&id, input) in self.graph.inputs.iter().zip(inputs) {
            let shape = self.graph.shape(id);
            let dims = (n, shape.c, shape.h, shape.w);
            values.insert(id, Tensor::from_slice(input, dims, &self.device)?);
        }
        let needed = self.graph.needed(outputs);
        let mut last_reader = HashMap::new();
        for &i in &needed {
            last_reader.extend(self.graph.nodes[i].inputs.iter().map(|v| (*v, i)));
        }
        for i in needed {
            let begin = Instant::now();
            let node = &self.graph.nodes[i];
            let operand = |v: &ValueId| match values.get(v) {
                Some(value) => Ok(value.clone()),
                None => bail!("an operand of {} is missing", node.name),
            };
            let operands = node.inputs.iter().map(operand);
            let operands = operands.collect::<Result<Vec<Tensor>>>()?;
            let value = self.compute(node, &operands)?;
            values.insert(node.output, value);
            for input in &node.inputs {
                if last_reader.get(input) == Some(&i) && !outputs.contains(input) {
                    values.remove(input);
                }
            }
            if let Some(times) = times.as_deref_mut() {
                self.device.synchronize()?;
                times.push((i, begin.elapsed()));
            }
        }
        self.results.clear();
        for output in outputs {
            let Some(value) = values.get(output) else {
                bail!("value {} was not computed", output.0);
            };
            let rows = to_rows(value)?;
            let (n, h, w, c) = rows.dims4()?;
            let values = rows.flatten_all()?.to_vec1()?;
            self.results.insert(*output, ([n, h, w, c], values));
        }
        Ok(())
    }

    fn output(&self, output: ValueId) -> Result<View<'_>> {
        match self.results.get(&output) {
            Some((dims, values)) => Ok(View::new(values, *dims, dims[3])),
            None => bail!("value {} was not computed", output.0),
        }
    }
}

/// Applies ReLU if `relu` is set.
fn rectified(x: Tensor, relu: bool) -> Result<Tensor> {
    if relu { x.relu() } else { Ok(x) }
}

impl TensorExecutable {
    fn weight(&self, id: WeightId) -> &Tensor {
        &self.weights[id.0]
    }

    /// Returns one value per channel as `[1, C, 1, 1]`.
    fn per_channel(&self, id: WeightId) -> Result<Tensor> {
        self.weight(id).reshape((1, (), 1, 1))
    }

    fn with_bias(&self, x: Tensor, bias: Option<WeightId>) -> Result<Tensor> {
        match bias {
            None => Ok(x),
            Some(bias) => x.broadcast_add(&self.per_channel(bias)?),
        }
    }

    fn compute(&self, node: &Node, inputs: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        match node.op {
            Op::Conv {
                shape,
                weight,
                bias,
                addend,
                relu,
            } => {
                let bias = bias.map(|bias| self.weight(bias));
                let y = convolve(x, self.weight(weight), bias, shape.stride)?;
                let sum = match addend {
                    Addend::None => y,
                    Addend::Same => (y + &inputs[1])?,
                    Addend::Up2 => (repeat_to(&inputs[1], 2, &y)? + y)?,
                };
                rectified(sum, relu)
            }
            Op::ConvTransposed {
                shape,
                weight,
                bias,
                relu,
            } => {
                let y = x.conv_transpose2d(self.weight(weight), shape.pad, 0, shape.stride, 1)?;
                rectified(self.with_bias(y, bias)?, relu)
            }
            Op::Depthwise {
                kernel,
                weight,
                bias,
                adds,
                activation,
            } => {
                let c = x.dim(1)?;
                let y = x.conv2d(self.weight(weight), kernel / 2, 1, 1, c)?;
                let y = self.with_bias(y, bias)?;
                let sum = if adds { (y + &inputs[1])? } else { y };
                activate(&sum, activation)
            }
            Op::Attention { heads } => attend(heads, x, &inputs[1]),
            Op::LayerNorm { weight, bias, eps } => {
                let (weight, bias) = (self.weight(weight), self.weight(bias));
                from_rows(&layer_norm_slow(&to_rows(x)?, weight, bias, eps)?)
            }
            Op::Affine {
                factor,
                shift,
                relu,
            } => {
                let y = x.broadcast_mul(&self.per_channel(factor)?)?;
                rectified(self.with_bias(y, Some(shift))?, relu)
            }
            Op::Add { factor, relu } => {
                rectified((repeat_to(x, factor, &inputs[1])? + &inputs[1])?, relu)
            }
            Op::AddTable { table } => {
                let table = from_rows(&self.weight(table).unsqueeze(0)?)?;
                x.broadcast_add(&table)
            }
            Op::Mul => x.broadcast_mul(&inputs[1]),
            Op::Gate { channels, bias } => {
                let (m, d) = (&inputs[1], &inputs[2]);
                let gate = ((m + (m * d)?)? + 1.0)?;
                let y = x.narrow(1, 0, channels)?.broadcast_mul(&gate)?;
                self.with_bias(y, bias)
            }
            Op::MaxPool {
                kernel,
                stride,
                pad,
            } => pool_tensor(
                x,
                Pool {
                    kernel,
                    stride,
                    pad,
                },
            ),
            Op::Upsample { factor } => repeat_tensor(x, factor),
            Op::Bilinear { align_corners } => {
                let (_, _, h, w) = x.dims4()?;
                resize_bilinear(x, (2 * h, 2 * w), align_corners)
            }
            Op::Concat => Tensor::cat(inputs, 1),
            Op::Slice { from, channels } => x.narrow(1, from, channels)?.contiguous(),
            Op::Softmax => softmax(&x.flatten_from(2)?)?.reshape(x.dims()),
        }
    }
}

/// Computes attention from queries and keys side by side, and values.
fn attend(heads: usize, query_keys: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (n, d, h, w) = values.dims4()?;
    let by_head = |x: &Tensor| {
        to_rows(x)?
            .reshape((n, h * w, heads, d / heads))?
            .transpose(1, 2)?
            .contiguous()
    };
    let query = by_head(&query_keys.narrow(1, 0, d)?)?;
    let key = by_head(&query_keys.narrow(1, d, d)?)?;
    let scale = 1.0 / ((d / heads) as f64).sqrt();
    let weights = softmax(&(query * scale)?.matmul(&key.transpose(D::Minus2, D::Minus1)?)?)?;
    let read = weights.matmul(&by_head(values)?)?.transpose(1, 2)?;
    from_rows(&read.reshape((n, h, w, d))?)
}

//! [`CpuExecutor`]: runs graphs on our CPU kernels.
//!
//! Weights are packed when a graph is prepared. The memory of all results is planned for each set of
//! outputs and allocated in the first run, so that later ones allocate nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{Result, bail};

use super::plan::{Plan, Step};
use super::{Executable, Executor, n_images};
use crate::nn::Kernels;
use crate::nn::graph::{Addend, Graph, Node, Op, Shape, ValueId, WeightId};
use crate::nn::kernels::{
    self, Activation, Epilogue, Heads, Nhwc, PackedConv, PackedDepthwise, PackedTransposed,
    Plan as Algorithm, Threads, View,
};

/// Runs graphs on our CPU kernels.
pub struct CpuExecutor {
    kernels: Arc<Kernels>,
}

impl CpuExecutor {
    /// Creates the executor of a thread pool.
    pub fn new(kernels: Arc<Kernels>) -> Self {
        Self { kernels }
    }
}

impl Executor for CpuExecutor {
    fn prepare(&self, graph: &Graph) -> Result<Box<dyn Executable>> {
        let nodes = graph.nodes.iter().map(|node| Prepared::new(graph, node));
        Ok(Box::new(CpuExecutable {
            kernels: Arc::clone(&self.kernels),
            nodes: nodes.collect(),
            graph: Graph {
                // The weights are packed: only the structure is needed from here on.
                weights: Vec::new(),
                ..graph.clone()
            },
            plans: Vec::new(),
            last: 0,
            slots: Vec::new(),
        }))
    }
}

/// Weights of a node in the form of its kernel.
enum Prepared {
    /// Operations without weights.
    Plain,
    Conv(PackedConv),
    /// A 1x1 convolution to one channel, without bias.
    Project(Arc<[f32]>),
    ConvTransposed(PackedTransposed),
    Depthwise(PackedDepthwise),
    /// One or two lists of values, by channel or pixel.
    Values(Arc<[f32]>, Option<Arc<[f32]>>),
}

impl Prepared {
    fn new(graph: &Graph, node: &Node) -> Self {
        let values = |weight: WeightId| Arc::clone(&graph.weight(weight).values);
        let bias = |bias: Option<WeightId>| bias.map(values);
        let x = graph.shape(node.inputs[0]);
        match node.op {
            Op::Conv {
                shape,
                weight,
                bias: None,
                addend: Addend::None,
                relu: false,
            } if (shape.kernel, shape.stride, shape.cout) == (1, 1, 1) => {
                Self::Project(values(weight))
            }
            Op::Conv {
                shape,
                weight,
                bias: b,
                ..
            } => {
                let algorithm = match shape.kernel {
                    1 => Algorithm::Direct,
                    _ => Algorithm::For(x.h, x.w),
                };
                let (weight, bias) = (values(weight), bias(b));
                Self::Conv(PackedConv::new(shape, &weight, bias.as_deref(), algorithm))
            }
            Op::ConvTransposed {
                shape,
                weight,
                bias: b,
                ..
            } => {
                let (weight, bias) = (values(weight), bias(b));
                Self::ConvTransposed(PackedTransposed::new(shape, &weight, bias.as_deref()))
            }
            Op::Depthwise {
                kernel,
                weight,
                bias: b,
                ..
            } => {
                let (weight, bias) = (values(weight), bias(b));
                let bias = bias.as_deref();
                Self::Depthwise(PackedDepthwise::new(x.c, kernel, &weight, bias))
            }
            Op::LayerNorm { weight, bias, .. } => Self::Values(values(weight), Some(values(bias))),
            Op::Affine { factor, shift, .. } => Self::Values(values(factor), Some(values(shift))),
            Op::AddTable { table } => Self::Values(values(table), None),
            Op::Gate {
                bias: Some(bias), ..
            } => Self::Values(values(bias), None),
            _ => Self::Plain,
        }
    }
}

struct CpuExecutable {
    kernels: Arc<Kernels>,
    graph: Graph,
    nodes: Vec<Prepared>,
    /// Plans of all sets of outputs that were asked for.
    plans: Vec<Plan>,
    /// Index of the plan of the last run.
    last: usize,
    /// Memory of the slots; a slot is absent while its operation writes it.
    slots: Vec<Option<Nhwc>>,
}

impl Executable for CpuExecutable {
    fn run(
        &mut self,
        inputs: &[&[f32]],
        outputs: &[ValueId],
        times: Option<&mut Vec<(usize, Duration)>>,
    ) -> Result<()> {
        let n = n_images(&self.graph, inputs)?;
        let planned = self.plans.iter().position(|plan| plan.outputs == outputs);
        self.last = planned.unwrap_or_else(|| {
            self.plans.push(Plan::new(&self.graph, outputs));
            self.plans.len() - 1
        });
        let plan = &self.plans[self.last];
        let kernels = &self.kernels;
        if self.slots.len() < plan.slots.len() {
            self.slots.resize_with(plan.slots.len(), || None);
        }
        for (slot, &len) in self.slots.iter_mut().zip(&plan.slots) {
            // The largest size first: later ones fit into it.
            let map = slot.get_or_insert_with(|| kernels.buffers.map(0, 0, 0, 0));
            map.resize([n, 1, 1, len]);
        }
        let mut run = Run {
            graph: &self.graph,
            nodes: &self.nodes,
            slots: &mut self.slots,
            threads: &kernels.threads,
            n,
        };
        // Entering the thread pool once costs less than entering it in every kernel.
        kernels.threads.install(|| run.all(plan, inputs, times))
    }

    fn output(&self, output: ValueId) -> Result<View<'_>> {
        let slot = self.plans.get(self.last).and_then(|plan| {
            let i = plan.outputs.iter().position(|other| *other == output)?;
            self.slots.get(plan.results[i])?.as_ref()
        });
        match slot {
            Some(map) => Ok(map.view()),
            None => bail!("value {} was not computed", output.0),
        }
    }
}

/// State of one run.
struct Run<'a> {
    graph: &'a Graph,
    nodes: &'a [Prepared],
    slots: &'a mut [Option<Nhwc>],
    threads: &'a Threads,
    n: usize,
}

impl Run<'_> {
    fn all(
        &mut self,
        plan: &Plan,
        inputs: &[&[f32]],
        mut times: Option<&mut Vec<(usize, Duration)>>,
    ) -> Result<()> {
        let given = self.graph.inputs.iter().zip(inputs);
        for ((&id, input), slot) in given.zip(&plan.inputs) {
            if let Some(slot) = *slot {
                let mut map = self.take(slot, self.graph.shape(id))?;
                kernels::from_nchw_into(input, &mut map);
                self.slots[slot] = Some(map);
            }
        }
        for step in &plan.steps {
            let begin = Instant::now();
            self.step(step)?;
            if let Some(times) = times.as_deref_mut() {
                times.push((step.node, begin.elapsed()));
            }
        }
        Ok(())
    }

    /// Takes the memory of a slot for a value of this size.
    fn take(&mut self, slot: usize, shape: Shape) -> Result<Nhwc> {
        let Some(mut map) = self.slots[slot].take() else {
            bail!("slot {slot} is in use");
        };
        map.resize([self.n, shape.h, shape.w, shape.c]);
        Ok(map)
    }

    fn input(&self, step: &Step, i: usize) -> Result<&Nhwc> {
        match step
            .inputs
            .get(i)
            .and_then(|&slot| self.slots[slot].as_ref())
        {
            Some(map) => Ok(map),
            None => bail!("operand {i} of node {} is missing", step.node),
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let node = &self.graph.nodes[step.node];
        let shape = self.graph.shape(node.output);
        let mut out = self.take(step.output, shape)?;
        if node.op.is_in_place() {
            self.compute_in_place(step, node, &mut out)?;
        } else {
            self.compute(step, node, &mut out)?;
        }
        self.slots[step.output] = Some(out);
        Ok(())
    }

    /// Computes operations that may change their first operand. If it is still needed, `out` is
    /// another map.
    fn compute_in_place(&self, step: &Step, node: &Node, out: &mut Nhwc) -> Result<()> {
        let threads = self.threads;
        let prepared = &self.nodes[step.node];
        let is_copy = step.output != step.inputs[0];
        if let Op::Gate { channels, .. } = node.op {
            let maps = [self.input(step, 1)?, self.input(step, 2)?];
            let bias = match prepared {
                Prepared::Values(bias, _) => Some(&bias[..]),
                _ => None,
            };
            if is_copy {
                let f = self.input(step, 0)?.channels(0, channels);
                kernels::gate_into(f, maps, bias, out, threads);
            } else {
                kernels::gate(out.view_mut(), maps[0], maps[1], bias, threads);
            }
            return Ok(());
        }
        if is_copy {
            kernels::copy_channels(self.input(step, 0)?.view(), out.view_mut(), threads);
        }
        match (&node.op, prepared) {
            (Op::LayerNorm { eps, .. }, Prepared::Values(weight, Some(bias))) => {
                kernels::layer_norm(out, weight, bias, *eps, threads);
            }
            (Op::Mul, _) => {
                let factor = self.input(step, 1)?;
                if factor.c() == 1 {
                    kernels::scale_pixels(out.view_mut(), factor, threads);
                } else {
                    kernels::multiply_by(out, factor, threads);
                }
            }
            _ => bail!("{} was prepared wrongly", node.name),
        }
        Ok(())
    }

    fn compute(&self, step: &Step, node: &Node, out: &mut Nhwc) -> Result<()> {
        let threads = self.threads;
        let x = self.input(step, 0)?;
        let second = || self.input(step, 1);
        match (&node.op, &self.nodes[step.node]) {
            (Op::Conv { addend, relu, .. }, Prepared::Conv(packed)) => {
                let epilogue = match addend {
                    Addend::None if *relu => Epilogue::RELU,
                    Addend::None => Epilogue::NONE,
                    Addend::Same => Epilogue::add(second()?, *relu),
                    Addend::Up2 => Epilogue::add_up2(second()?, *relu),
                };
                kernels::conv2d_into(packed, x.view(), out.view_mut(), epilogue, threads);
            }
            (Op::Conv { .. }, Prepared::Project(weight)) => {
                kernels::project_into(x.view(), weight, out, threads);
            }
            (Op::ConvTransposed { relu, .. }, Prepared::ConvTransposed(packed)) => {
                let epilogue = if *relu {
                    Epilogue::RELU
                } else {
                    Epilogue::NONE
                };
                kernels::conv2d_transposed_into(packed, x, epilogue, out, threads);
            }
            (
                Op::Depthwise {
                    adds, activation, ..
                },
                Prepared::Depthwise(packed),
            ) => {
                let addend = adds.then(second).transpose()?;
                kernels::depthwise_into(packed, x, addend, *activation, out, threads);
            }
            (Op::Attention { heads }, _) => {
                let d = out.c();
                let heads = Heads {
                    queries: x.channels(0, d),
                    keys: x.channels(d, d),
                    values: second()?.view(),
                    count: *heads,
                };
                kernels::attention(heads, None, out.view_mut(), None, threads);
            }
            (Op::Affine { relu, .. }, Prepared::Values(factor, Some(shift))) => {
                let activation = if *relu {
                    Activation::Relu
                } else {
                    Activation::None
                };
                kernels::affine_into(x, factor, shift, None, activation, out, threads);
            }
            (Op::Add { factor, relu }, _) => {
                kernels::upsample_add_into(x, *factor, second()?, *relu, out, threads);
            }
            (Op::AddTable { .. }, Prepared::Values(table, _)) => {
                kernels::add_to_each_into(x, table, out);
            }
            (
                Op::MaxPool {
                    kernel,
                    stride,
                    pad,
                },
                _,
            ) => kernels::max_pool_into(x, [*kernel, *stride, *pad], out, threads),
            (Op::Upsample { factor }, _) => kernels::upsample_nearest_into(x, *factor, out),
            (Op::Bilinear { align_corners }, _) => {
                kernels::upsample_bilinear2_into(x, *align_corners, out, threads);
            }
            (Op::Concat, _) => {
                let mut from = 0;
                for i in 0..step.inputs.len() {
                    let x = self.input(step, i)?;
                    let part = out.channels_mut(from, x.c());
                    kernels::copy_channels(x.view(), part, threads);
                    from += x.c();
                }
            }
            (Op::Slice { from, channels }, _) => {
                kernels::copy_channels(x.channels(*from, *channels), out.view_mut(), threads);
            }
            (Op::Softmax, _) => kernels::softmax_over_pixels_into(x, out),
            _ => bail!("{} was prepared wrongly", node.name),
        }
        Ok(())
    }
}

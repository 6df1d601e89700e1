//! [`Recorder`]: collects the operations of a network that is run without values.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, Tensor, TensorId, bail};

use super::{Addend, Graph, Node, Op, Shape, ValueId, Weight, WeightId};
use crate::nn::kernels::ConvShape;

/// A graph under construction, shared with its values.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    graph: Graph,
    /// Weights by the tensors they were taken from: a layer that is applied twice has its weights
    /// once. The tensors are kept, because the identity of a dropped one says nothing.
    taken: HashMap<TensorId, (Tensor, WeightId)>,
    names: HashSet<String>,
}

impl State {
    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}.{count}");
        }
        unique
    }
}

/// A value of a graph under construction: a map without values.
#[derive(Clone)]
pub struct Recorded {
    recorder: Recorder,
    id: ValueId,
    shape: Shape,
}

/// A convolution to be recorded.
#[derive(Clone, Copy)]
pub struct ConvCall<'a> {
    /// Tensor prefix of the layer.
    pub name: &'a str,
    /// `[cout, cin, kernel, kernel]`, with the norm folded in.
    pub weight: &'a Tensor,
    /// `[cout]`.
    pub bias: Option<&'a Tensor>,
    /// Input pixels between output pixels.
    pub stride: usize,
    /// Whether ReLU follows.
    pub relu: bool,
}

impl Recorder {
    /// Starts an empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input.
    pub fn input(&self, shape: Shape) -> Recorded {
        let mut state = self.lock();
        let id = ValueId(state.graph.values.len());
        state.graph.values.push(shape);
        state.graph.inputs.push(id);
        Recorded {
            recorder: self.clone(),
            id,
            shape,
        }
    }

    /// Returns the graph with these outputs. Recording ends: further operations go to a new graph.
    pub fn finish(&self, outputs: Vec<(String, ValueId)>) -> Graph {
        let mut graph = std::mem::take(&mut *self.lock()).graph;
        graph.outputs = outputs;
        graph
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// Returns the value's index.
    pub fn id(&self) -> ValueId {
        self.id
    }

    /// Returns the value's size for one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Adds a constant that is used by an operation called `name`; `part` says what it is, such as
    /// `weight`.
    ///
    /// # Errors
    /// When the tensor is trainable: its values may change after the recording.
    pub fn weight(&self, (name, part): (&str, &str), tensor: &Tensor) -> Result<WeightId> {
        if tensor.is_variable() {
            bail!("trainable weights cannot be recorded; build the model from tensors");
        }
        let mut state = self.recorder.lock();
        if let Some((_, id)) = state.taken.get(&tensor.id()) {
            return Ok(*id);
        }
        let id = WeightId(state.graph.weights.len());
        let name = state.unique(&format!("{name}.{part}"));
        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
        state.graph.weights.push(Weight {
            name,
            dims: tensor.dims().to_vec(),
            values: values.into(),
        });
        state.taken.insert(tensor.id(), (tensor.clone(), id));
        Ok(id)
    }

    /// Adds an operation on this value and `others`; an empty name stands for the operation's.
    ///
    /// # Errors
    /// When the sizes do not fit, or the values belong to different graphs.
    pub fn push(&self, name: &str, op: Op, others: &[&Self]) -> Result<Self> {
        let all = [&[self], others].concat();
        if others
            .iter()
            .any(|v| !Arc::ptr_eq(&v.recorder.0, &self.recorder.0))
        {
            bail!("values of two graphs in one operation");
        }
        let shapes: Vec<Shape> = all.iter().map(|v| v.shape).collect();
        let shape = op.output(&shapes)?;
        let macs = op.macs(&shapes, shape);
        let mut state = self.recorder.lock();
        let output = ValueId(state.graph.values.len());
        state.graph.values.push(shape);
        let name = if name.is_empty() { op.name() } else { name };
        state.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs: all.iter().map(|v| v.id).collect(),
            output,
            macs,
        });
        Ok(Self {
            recorder: self.recorder.clone(),
            id: output,
            shape,
        })
    }

    /// Replaces the MACs of the operation that computes this value by those of the layer as
    /// published.
    pub fn count_as(self, macs: u64) -> Self {
        let mut state = self.recorder.lock();
        let mut nodes = state.graph.nodes.iter_mut().rev();
        if let Some(node) = nodes.find(|node| node.output == self.id) {
            node.macs = macs;
        }
        drop(state);
        self
    }

    /// Adds a convolution with padding `kernel / 2`, and the addition of a second value if given.
    ///
    /// # Errors
    /// When the sizes do not fit, or the weights are trainable.
    pub fn convolve(&self, call: ConvCall<'_>, add: Option<(Addend, &Self)>) -> Result<Self> {
        let ConvCall {
            name,
            weight,
            bias,
            stride,
            relu,
        } = call;
        let (cout, cin, kernel, _) = weight.dims4()?;
        let op = Op::Conv {
            shape: ConvShape::same(cin, cout, kernel, stride),
            weight: self.weight((name, "weight"), weight)?,
            bias: bias.map(|b| self.weight((name, "bias"), b)).transpose()?,
            addend: add.map_or(Addend::None, |(addend, _)| addend),
            relu,
        };
        let others: Vec<&Self> = add.iter().map(|(_, value)| *value).collect();
        self.push(name, op, &others)
    }
}

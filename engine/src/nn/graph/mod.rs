//! A network as data: [`Graph`], a list of operations ([`Op`]) on values.
//!
//! A network is recorded once for each input size: its layers fold their weights and push operations
//! to a [`Recorder`] instead of computing. Executors ([`super::execute`]), the table of
//! multiply-accumulates and the ONNX export ([`onnx`]) read the result. Values are channels-last maps;
//! the number of images is not part of a graph.

pub mod onnx;
mod op;
mod record;
pub mod reference;

use std::sync::Arc;

pub use op::{Addend, Op};
pub use record::{ConvCall, Recorded, Recorder};

/// Size of a value for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows.
    pub h: usize,
    /// Pixels per row.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Shape {
    /// Returns the number of values of one image.
    pub const fn len(&self) -> usize {
        self.h * self.w * self.c
    }

    /// Returns whether there are no values.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of pixels of one image.
    pub const fn area(&self) -> usize {
        self.h * self.w
    }
}

/// Index of a value in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// Index of a weight in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightId(pub usize);

/// A constant tensor, with the norm of its layer folded in.
#[derive(Debug, Clone)]
pub struct Weight {
    /// Name derived from the layer, such as `stem.conv.weight`; unique.
    pub name: String,
    /// Dimensions, as the operation that uses it defines them.
    pub dims: Vec<usize>,
    /// Values in row-major order.
    pub values: Arc<[f32]>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Node {
    /// Tensor prefix of the layer, such as `x21.down.conv`, or the name of the operation for layers
    /// without tensors.
    pub name: String,
    /// What is computed.
    pub op: Op,
    /// Operands, in the order that the operation defines.
    pub inputs: Vec<ValueId>,
    /// The result.
    pub output: ValueId,
    /// Multiply-accumulates (MACs) per image of the layer as published; an operation may need fewer
    /// than the layer it stands for.
    pub macs: u64,
}

/// A recorded network for one input size. Every value is an input or the output of one node, and
/// nodes follow the nodes that they read.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Operations in order of execution.
    pub nodes: Vec<Node>,
    /// Size of every value.
    pub values: Vec<Shape>,
    /// Constants.
    pub weights: Vec<Weight>,
    /// Values given by the caller.
    pub inputs: Vec<ValueId>,
    /// Named results.
    pub outputs: Vec<(String, ValueId)>,
}

impl Graph {
    /// Returns the size of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        self.values[value.0]
    }

    /// Returns a weight.
    pub fn weight(&self, weight: WeightId) -> &Weight {
        &self.weights[weight.0]
    }

    /// Returns the sizes of a node's operands.
    pub fn input_shapes(&self, node: &Node) -> Vec<Shape> {
        node.inputs.iter().map(|&v| self.shape(v)).collect()
    }

    /// Returns the MACs per image of all nodes, in the form in which networks are published.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| node.macs).sum()
    }

    /// Returns the value called `name` among the outputs.
    pub fn output(&self, name: &str) -> Option<ValueId> {
        let mut outputs = self.outputs.iter();
        outputs.find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// Returns the indices of the nodes that `outputs` depend on, in order.
    pub fn needed(&self, outputs: &[ValueId]) -> Vec<usize> {
        let mut is_needed = vec![false; self.values.len()];
        for output in outputs {
            is_needed[output.0] = true;
        }
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if is_needed[node.output.0] {
                nodes.push(i);
                for input in &node.inputs {
                    is_needed[input.0] = true;
                }
            }
        }
        nodes.reverse();
        nodes
    }
}

#[cfg(test)]
mod tests;

//! Translation of operations.

use std::collections::HashSet;

use super::super::{Addend, Graph, Node, Op, Shape, ValueId, WeightId};
use super::input_name;
use super::message::{Attribute, Elements, Message, attribute, tensor};
use crate::nn::kernels::{Activation, ConvShape};

/// Nodes and constants of an ONNX graph.
pub(super) struct Translation<'a> {
    graph: &'a Graph,
    /// Name of every value.
    names: Vec<String>,
    pub(super) nodes: Vec<Message>,
    pub(super) initializers: Vec<Message>,
    /// Names of the constants written so far.
    written: HashSet<String>,
    /// Number of results inside of translated operations.
    n_inner: usize,
}

/// Attributes of a node.
type Attributes<'a> = &'a [(&'a str, Attribute<'a>)];

impl<'a> Translation<'a> {
    /// Translates the operations that `outputs` depend on.
    pub(super) fn of(graph: &'a Graph, outputs: &[(&str, ValueId)]) -> Self {
        let mut names: Vec<String> = (0..graph.values.len()).map(|i| format!("v{i}")).collect();
        for (i, input) in graph.inputs.iter().enumerate() {
            names[input.0] = input_name(i);
        }
        let mut named = HashSet::new();
        let mut copies = Vec::new();
        for (name, value) in outputs {
            if !graph.inputs.contains(value) && named.insert(*value) {
                (*name).clone_into(&mut names[value.0]);
            } else {
                copies.push((*name, *value));
            }
        }
        let mut all = Self {
            graph,
            names,
            nodes: Vec::new(),
            initializers: Vec::new(),
            written: HashSet::new(),
            n_inner: 0,
        };
        let values: Vec<ValueId> = outputs.iter().map(|(_, value)| *value).collect();
        for i in graph.needed(&values) {
            all.translate(&graph.nodes[i]);
        }
        for (name, value) in copies {
            let from = all.names[value.0].clone();
            all.node("Identity", &[&from], name, &[]);
        }
        all
    }

    fn name(&self, node: &Node, input: usize) -> String {
        self.names[node.inputs[input].0].clone()
    }

    fn shape(&self, node: &Node, input: usize) -> Shape {
        self.graph.shape(node.inputs[input])
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Attributes<'_>) {
        let mut message = Message::new();
        for input in inputs {
            message = message.text(1, input);
        }
        message = message
            .text(2, output)
            .text(3, &format!("{op}_{}", self.nodes.len()))
            .text(4, op);
        for (name, value) in attributes {
            message = message.message(5, &attribute(name, value));
        }
        self.nodes.push(message);
    }

    /// Adds a node with a result of its own and returns the result's name.
    fn inner(&mut self, op: &str, inputs: &[&str], attributes: Attributes<'_>) -> String {
        let output = format!("t{}", self.n_inner);
        self.n_inner += 1;
        self.node(op, inputs, &output, attributes);
        output
    }

    fn constant(&mut self, name: String, dims: &[usize], elements: Elements<'_>) -> String {
        if self.written.insert(name.clone()) {
            self.initializers.push(tensor(&name, dims, elements));
        }
        name
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let name = values.iter().map(i64::to_string).collect::<Vec<_>>();
        let name = format!("ints[{}]", name.join(","));
        self.constant(name, &[values.len()], Elements::Int(values))
    }

    fn number(&mut self, value: f32) -> String {
        self.constant(format!("{value}"), &[], Elements::Float(&[value]))
    }

    fn weight(&mut self, id: WeightId) -> String {
        let weight = self.graph.weight(id);
        let values = Elements::Float(&weight.values);
        self.constant(weight.name.clone(), &weight.dims, values)
    }

    /// Adds a weight with one value per channel as `[C, 1, 1]`.
    fn per_channel(&mut self, id: WeightId) -> String {
        let weight = self.graph.weight(id);
        let name = format!("{} per channel", weight.name);
        let dims = [weight.values.len(), 1, 1];
        self.constant(name, &dims, Elements::Float(&weight.values))
    }

    /// Writes the last operations of a node: optionally ReLU.
    fn finish(&mut self, node: &Node, from: (&str, &[&str], Attributes<'_>), relu: bool) {
        let activation = if relu {
            Activation::Relu
        } else {
            Activation::None
        };
        self.finish_with(node, from, activation);
    }

    /// Writes the operation `from`, followed by an activation, with the node's result.
    fn finish_with(
        &mut self,
        node: &Node,
        (op, inputs, attributes): (&str, &[&str], Attributes<'_>),
        activation: Activation,
    ) {
        let output = self.names[node.output.0].clone();
        let function = match activation {
            Activation::None => return self.node(op, inputs, &output, attributes),
            Activation::Relu => "Relu",
            Activation::Tanh => "Tanh",
            Activation::Sigmoid => "Sigmoid",
        };
        let before = self.inner(op, inputs, attributes);
        self.node(function, &[&before], &output, &[]);
    }

    fn translate(&mut self, node: &Node) {
        let x = self.name(node, 0);
        let shape = self.shape(node, 0);
        match node.op {
            Op::Conv { .. } | Op::ConvTransposed { .. } | Op::Depthwise { .. } => {
                self.convolution(node);
            }
            Op::Attention { heads } => self.attention(node, heads),
            Op::LayerNorm { weight, bias, eps } => {
                let rows = self.inner("Transpose", &[&x], &[("perm", Attribute::Ints(&ROWS))]);
                let (weight, bias) = (self.weight(weight), self.weight(bias));
                let attributes = [("epsilon", Attribute::Float(eps)), AXIS_LAST];
                let inputs = [&*rows, &weight, &bias];
                let y = self.inner("LayerNormalization", &inputs, &attributes);
                let back = [("perm", Attribute::Ints(&PLANES))];
                self.finish(node, ("Transpose", &[&y], &back), false);
            }
            Op::Affine {
                factor,
                shift,
                relu,
            } => {
                let (factor, shift) = (self.per_channel(factor), self.per_channel(shift));
                let y = self.inner("Mul", &[&x, &factor], &[]);
                self.finish(node, ("Add", &[&y, &shift], &[]), relu);
            }
            Op::Add { factor, relu } => {
                let other = self.name(node, 1);
                let low = self.repeated(&x, shape, factor, self.shape(node, 1));
                self.finish(node, ("Add", &[&low, &other], &[]), relu);
            }
            Op::AddTable { table } => {
                let table = self.table(table, shape);
                self.finish(node, ("Add", &[&x, &table], &[]), false);
            }
            Op::Mul => {
                let factor = self.name(node, 1);
                self.finish(node, ("Mul", &[&x, &factor], &[]), false);
            }
            Op::Gate { channels, bias } => self.gate(node, channels, bias),
            Op::MaxPool {
                kernel,
                stride,
                pad,
            } => {
                let [kernel, stride, pad] = [kernel, stride, pad].map(|side| side as i64);
                let attributes = [
                    ("kernel_shape", Attribute::Ints(&[kernel; 2])),
                    ("strides", Attribute::Ints(&[stride; 2])),
                    ("pads", Attribute::Ints(&[pad; 4])),
                ];
                self.finish(node, ("MaxPool", &[&x], &attributes), false);
            }
            Op::Upsample { factor } => {
                let scales = self.scales(factor);
                self.finish(node, ("Resize", &[&x, "", &scales], &NEAREST), false);
            }
            Op::Bilinear { align_corners } => {
                let mode = if align_corners {
                    "align_corners"
                } else {
                    "half_pixel"
                };
                let attributes = [
                    ("mode", Attribute::Text("linear")),
                    ("coordinate_transformation_mode", Attribute::Text(mode)),
                ];
                let scales = self.scales(2);
                self.finish(node, ("Resize", &[&x, "", &scales], &attributes), false);
            }
            Op::Concat => {
                let inputs: Vec<String> =
                    (0..node.inputs.len()).map(|i| self.name(node, i)).collect();
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.finish(node, ("Concat", &inputs, &[CHANNELS]), false);
            }
            Op::Slice { from, channels } => {
                let inputs = self.range(1, from, channels);
                let inputs = [&x, &inputs[0], &inputs[1], &inputs[2]].map(String::as_str);
                self.finish(node, ("Slice", &inputs, &[]), false);
            }
            Op::Softmax => {
                let flat = self.ints(&[0, 0, -1]);
                let y = self.inner("Reshape", &[&x, &flat], &[]);
                let y = self.inner("Softmax", &[&y], &[AXIS_LAST]);
                let whole = self.ints(&[0, 0, shape.h as i64, shape.w as i64]);
                self.finish(node, ("Reshape", &[&y, &whole], &[]), false);
            }
        }
    }

    fn convolution(&mut self, node: &Node) {
        let x = self.name(node, 0);
        let (op, shape, weight, bias, groups) = match node.op {
            Op::Conv {
                shape,
                weight,
                bias,
                ..
            } => ("Conv", shape, weight, bias, 1),
            Op::ConvTransposed {
                shape,
                weight,
                bias,
                ..
            } => ("ConvTranspose", shape, weight, bias, 1),
            Op::Depthwise {
                kernel,
                weight,
                bias,
                ..
            } => {
                let c = self.shape(node, 0).c;
                ("Conv", ConvShape::same(c, c, kernel, 1), weight, bias, c)
            }
            _ => return,
        };
        let (addend, activation) = match node.op {
            Op::Conv { addend, relu, .. } => (addend, rectified(relu)),
            Op::ConvTransposed { relu, .. } => (Addend::None, rectified(relu)),
            Op::Depthwise {
                adds: true,
                activation,
                ..
            } => (Addend::Same, activation),
            Op::Depthwise { activation, .. } => (Addend::None, activation),
            _ => return,
        };
        let [kernel, stride, pad] = [shape.kernel, shape.stride, shape.pad].map(|s| s as i64);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[kernel; 2])),
            ("strides", Attribute::Ints(&[stride; 2])),
            ("pads", Attribute::Ints(&[pad; 4])),
            ("group", Attribute::Int(groups as i64)),
        ];
        let weight = self.weight(weight);
        let bias = bias.map(|bias| self.weight(bias));
        let inputs: Vec<&str> = [&x, &weight]
            .into_iter()
            .chain(&bias)
            .map(|s| &**s)
            .collect();
        if addend == Addend::None {
            return self.finish_with(node, (op, &inputs, &attributes), activation);
        }
        let y = self.inner(op, &inputs, &attributes);
        let other = self.name(node, 1);
        let factor = if addend == Addend::Up2 { 2 } else { 1 };
        let out = self.graph.shape(node.output);
        let other = self.repeated(&other, self.shape(node, 1), factor, out);
        self.finish_with(node, ("Add", &[&y, &other], &[]), activation);
    }

    fn attention(&mut self, node: &Node, heads: usize) {
        let out = self.graph.shape(node.output);
        let d = out.c / heads;
        let split = self.ints(&[0, heads as i64, d as i64, -1]);
        let [both, values] = [self.name(node, 0), self.name(node, 1)];
        let mut part = |from: usize| {
            let range = self.range(1, from, out.c);
            let inputs = [&both, &range[0], &range[1], &range[2]].map(String::as_str);
            let part = self.inner("Slice", &inputs, &[]);
            self.inner("Reshape", &[&part, &split], &[])
        };
        let (queries, keys) = (part(0), part(out.c));
        let swap = [("perm", Attribute::Ints(&[0, 1, 3, 2]))];
        let queries = self.inner("Transpose", &[&queries], &swap);
        let scale = self.number(1.0 / (d as f32).sqrt());
        let queries = self.inner("Mul", &[&queries, &scale], &[]);
        let scores = self.inner("MatMul", &[&queries, &keys], &[]);
        let weights = self.inner("Softmax", &[&scores], &[AXIS_LAST]);
        let values = self.inner("Reshape", &[&values, &split], &[]);
        let values = self.inner("Transpose", &[&values], &swap);
        let read = self.inner("MatMul", &[&weights, &values], &[]);
        let read = self.inner("Transpose", &[&read], &swap);
        let whole = self.ints(&[0, out.c as i64, out.h as i64, out.w as i64]);
        self.finish(node, ("Reshape", &[&read, &whole], &[]), false);
    }

    fn gate(&mut self, node: &Node, channels: usize, bias: Option<WeightId>) {
        let [f, m, d] = [0, 1, 2].map(|i| self.name(node, i));
        let f = if channels == self.shape(node, 0).c {
            f
        } else {
            let range = self.range(1, 0, channels);
            let inputs = [&f, &range[0], &range[1], &range[2]].map(String::as_str);
            self.inner("Slice", &inputs, &[])
        };
        let product = self.inner("Mul", &[&m, &d], &[]);
        let sum = self.inner("Add", &[&product, &m], &[]);
        let one = self.number(1.0);
        let gate = self.inner("Add", &[&sum, &one], &[]);
        match bias {
            None => self.finish(node, ("Mul", &[&f, &gate], &[]), false),
            Some(bias) => {
                let bias = self.per_channel(bias);
                let gated = self.inner("Mul", &[&f, &gate], &[]);
                self.finish(node, ("Add", &[&gated, &bias], &[]), false);
            }
        }
    }

    /// Repeats the pixels of `x`, cut to the size of `out`.
    fn repeated(&mut self, x: &str, from: Shape, factor: usize, out: Shape) -> String {
        if factor == 1 {
            return x.to_owned();
        }
        let scales = self.scales(factor);
        let mut y = self.inner("Resize", &[x, "", &scales], &NEAREST);
        for (axis, full, len) in [(2, factor * from.h, out.h), (3, factor * from.w, out.w)] {
            if full != len {
                let range = self.range(axis, 0, len);
                let inputs = [&y, &range[0], &range[1], &range[2]].map(String::as_str);
                y = self.inner("Slice", &inputs, &[]);
            }
        }
        y
    }

    fn scales(&mut self, factor: usize) -> String {
        let scales = [1.0, 1.0, factor as f32, factor as f32];
        self.constant(format!("x{factor}"), &[4], Elements::Float(&scales))
    }

    /// Returns the starts, ends and axes of a `Slice` along one axis.
    fn range(&mut self, axis: i64, from: usize, len: usize) -> [String; 3] {
        [from as i64, (from + len) as i64, axis].map(|value| self.ints(&[value]))
    }

    /// Adds a table `[h, w, c]` channels-first.
    fn table(&mut self, id: WeightId, shape: Shape) -> String {
        let weight = self.graph.weight(id);
        let Shape { h, w, c } = shape;
        let at = |i: usize| weight.values[i % (h * w) * c + i / (h * w)];
        let planes: Vec<f32> = (0..shape.len()).map(at).collect();
        self.constant(weight.name.clone(), &[c, h, w], Elements::Float(&planes))
    }
}

fn rectified(relu: bool) -> Activation {
    if relu {
        Activation::Relu
    } else {
        Activation::None
    }
}

/// Channels-first to channels-last.
const ROWS: [i64; 4] = [0, 2, 3, 1];
/// Channels-last to channels-first.
const PLANES: [i64; 4] = [0, 3, 1, 2];

const AXIS_LAST: (&str, Attribute<'static>) = ("axis", Attribute::Int(-1));
const CHANNELS: (&str, Attribute<'static>) = ("axis", Attribute::Int(1));

/// Nearest-neighbour interpolation in which pixel `i` is copied from `i / factor`.
const NEAREST: [(&str, Attribute<'static>); 3] = [
    ("mode", Attribute::Text("nearest")),
    (
        "coordinate_transformation_mode",
        Attribute::Text("asymmetric"),
    ),
    ("nearest_mode", Attribute::Text("floor")),
];

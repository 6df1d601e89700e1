//! ONNX export: [`onnx`] writes a graph with ONNX's operations, channels-first and for any number of
//! images. Norms stay folded; operations that ONNX does not have are written as several.

mod message;
mod translate;

use message::{Message, value_info};

use super::{Graph, ValueId};

/// Version of the operator set: the first one with `LayerNormalization`.
pub const OPSET: i64 = 17;

/// Version of the file format that belongs to it.
const IR_VERSION: i64 = 8;

/// Name of the input of networks with one input; others are `input1`, `input2`, ...
const INPUT: &str = "input";

/// Returns an ONNX file that computes the named values `outputs` of a graph. `name` is that of the
/// network, `version` that of this program.
pub fn onnx(graph: &Graph, (name, version): (&str, &str), outputs: &[(&str, ValueId)]) -> Vec<u8> {
    let translated = translate::Translation::of(graph, outputs);
    let info = |name: &str, value: ValueId| {
        let shape = graph.shape(value);
        value_info(name, [shape.c, shape.h, shape.w])
    };
    let inputs = graph.inputs.iter().enumerate();
    let inputs: Vec<Message> = inputs.map(|(i, &v)| info(&input_name(i), v)).collect();
    let results: Vec<Message> = outputs.iter().map(|(name, v)| info(name, *v)).collect();
    let body = Message::new()
        .messages(1, &translated.nodes)
        .text(2, name)
        .messages(5, &translated.initializers)
        .messages(11, &inputs)
        .messages(12, &results);
    Message::new()
        .int(1, IR_VERSION)
        .text(2, "poselens")
        .text(3, version)
        .message(7, &body)
        .message(8, &Message::new().text(1, "").int(2, OPSET))
        .into_bytes()
}

/// Returns the name of input `i`.
fn input_name(i: usize) -> String {
    if i == 0 {
        INPUT.to_owned()
    } else {
        format!("{INPUT}{i}")
    }
}

#[cfg(test)]
mod tests;

//! A pickle interpreter that can only build plain containers and descriptions of tensors.
//!
//! A pickle is a program: it may name any Python function and call it. This interpreter supports
//! the opcodes of protocols 2 to 5 and the functions and classes in [`names`]: those of tensors,
//! and the plain data that training loops store with them. It refuses to build anything else and
//! names it. No function is called and no value is read from a storage here.
//!
//! The objects of a pickle are kept in one list of [`Node`]s that refer to each other by index:
//! regardless of nesting and cycles, nothing recurses, and all memory is freed at once. Every
//! opcode makes at most one node of bounded size, and the limits of the [`machine`] bound their
//! number.

mod calls;
mod input;
mod machine;
mod names;

use std::collections::HashMap;

use super::shown;
use super::storage::{Refusal, Storage, TensorRef};
use machine::Machine;
use names::Global;

/// Maximum length of a pickle in bytes. A checkpoint of a thousand tensors has less than one
/// megabyte.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// A value on the interpreter's stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(&'a str),
    /// Plain data that the import ignores: bytes, dates, NumPy numbers.
    Data,
    Global(Global),
    /// An unknown function or class: it may be mentioned, but not used.
    Foreign {
        module: &'a str,
        name: &'a str,
    },
    Node(usize),
}

/// A container or another object with parts.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// An object, with the dictionary of its attributes if it has one.
    Object(Option<usize>),
    Storage(Storage<'a>),
    Tensor(TensorRef<'a>),
}

/// Returns the refusal to use `module.name`.
fn refused(module: &str, name: &str) -> Refusal {
    let class = shown(&format!("{module}.{name}"));
    format!(
        "asks to build {class}, which no list of tensors needs and which may run a program: \
         refused. In PyTorch, save only the model's state_dict() and import that file"
    )
}

/// The result of running a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    /// The object built.
    pub root: Value<'a>,
    /// Length of the pickle in bytes.
    pub n_bytes: usize,
    nodes: Vec<Node<'a>>,
}

impl<'a> Pickle<'a> {
    /// Runs the pickle at the beginning of `bytes`.
    pub(super) fn run(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let pickle = Machine::new(bytes).finish()?;
        match pickle.root {
            Value::Foreign { module, name } => Err(refused(module, name)),
            _ => Ok(pickle),
        }
    }

    /// Returns the node of a value; `None` for a plain value.
    pub(super) fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(index) => self.nodes.get(index),
            _ => None,
        }
    }

    /// Returns the pairs of a dictionary, or the attributes of an object.
    pub(super) fn pairs(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value)? {
            Node::Dict(pairs) => Some(pairs),
            Node::Object(Some(index)) => match self.nodes.get(*index) {
                Some(Node::Dict(pairs)) => Some(pairs),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the items of a list or tuple.
    pub(super) fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value) {
            Some(Node::List(items) | Node::Tuple(items)) => Some(items),
            _ => None,
        }
    }

    /// Returns the tensor that a value refers to.
    pub(super) fn tensor(&self, value: Value<'a>) -> Option<&TensorRef<'a>> {
        match self.node(value) {
            Some(Node::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// Returns every referenced storage by key.
    pub(super) fn storages(&self) -> HashMap<&'a str, Storage<'a>> {
        let storage = |node: &Node<'a>| match node {
            Node::Storage(s) => Some((s.key, *s)),
            _ => None,
        };
        self.nodes.iter().filter_map(storage).collect()
    }

    /// Names the type of a value for messages.
    pub(super) fn kind(&self, value: Value<'a>) -> &'static str {
        match value {
            Value::None => "nothing",
            Value::Bool(_) | Value::Int(_) | Value::Float => "a number",
            Value::Text(_) => "a text",
            Value::Data | Value::Global(_) | Value::Foreign { .. } => "other data",
            Value::Node(_) => match self.node(value) {
                Some(Node::Dict(_)) => "a dictionary",
                Some(Node::Tensor(_)) => "a tensor",
                Some(Node::Object(_)) => "an object",
                _ => "a list",
            },
        }
    }
}

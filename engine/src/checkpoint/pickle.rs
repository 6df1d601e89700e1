//! A pickle machine that can build nothing but plain containers and descriptions of tensors.
//!
//! A pickle is a program: it may name any Python function and call it. This machine knows the
//! opcodes of protocols 2 to 5 and the functions and classes in [`names`]: those of tensors, and
//! the plain data that training loops leave beside them. It refuses to build anything else, by
//! name. Nothing is called and no number is read from a storage here.
//!
//! What a pickle builds lies in one list of [`Node`]s that refer to each other by index: however
//! deeply it nests and whatever cycles it makes, nothing recurses, and everything is freed at
//! once. Every opcode makes at most one node of bounded size, and the limits of the [`machine`]
//! cap them all.

mod calls;
mod input;
mod machine;
mod names;

use std::collections::HashMap;

use super::shown;
use super::storage::{Refusal, Storage, TensorRef};
use machine::Machine;
use names::Global;

/// Bytes of a pickle. A training checkpoint of a thousand tensors has less than one megabyte.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// A value on the machine's stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(&'a str),
    /// Plain data that no import needs: bytes, dates, NumPy's numbers.
    Data,
    Global(Global),
    /// A function or class that is not known: it may be mentioned, not used.
    Foreign {
        module: &'a str,
        name: &'a str,
    },
    Node(usize),
}

/// Something with parts.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// An object with the dictionary of its attributes, where it has some.
    Object(Option<usize>),
    Storage(Storage<'a>),
    Tensor(TensorRef<'a>),
}

/// Why `module.name` is not used.
fn refused(module: &str, name: &str) -> Refusal {
    let class = shown(&format!("{module}.{name}"));
    format!(
        "asks to build {class}, which no list of tensors needs and which may run a program: \
         refused. In PyTorch, save only the model's state_dict() and import that file"
    )
}

/// A finished pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    /// What it built.
    pub root: Value<'a>,
    /// Bytes it took.
    pub n_bytes: usize,
    nodes: Vec<Node<'a>>,
}

impl<'a> Pickle<'a> {
    /// Runs the pickle at the beginning of `bytes`.
    pub fn run(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let pickle = Machine::new(bytes).finish()?;
        match pickle.root {
            Value::Foreign { module, name } => Err(refused(module, name)),
            _ => Ok(pickle),
        }
    }

    /// The parts of a value; `None` for a plain one.
    pub fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(index) => self.nodes.get(index),
            _ => None,
        }
    }

    /// The pairs of a dictionary, or the attributes of an object.
    pub fn pairs(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value)? {
            Node::Dict(pairs) => Some(pairs),
            Node::Object(Some(index)) => match self.nodes.get(*index) {
                Some(Node::Dict(pairs)) => Some(pairs),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value) {
            Some(Node::List(items) | Node::Tuple(items)) => Some(items),
            _ => None,
        }
    }

    /// The tensor behind a value.
    pub fn tensor(&self, value: Value<'a>) -> Option<&TensorRef<'a>> {
        match self.node(value) {
            Some(Node::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    /// Every storage it refers to, by key.
    pub fn storages(&self) -> HashMap<&'a str, Storage<'a>> {
        let storage = |node: &Node<'a>| match node {
            Node::Storage(s) => Some((s.key, *s)),
            _ => None,
        };
        self.nodes.iter().filter_map(storage).collect()
    }

    /// What a value is, in a word or two for the user.
    pub fn kind(&self, value: Value<'a>) -> &'static str {
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

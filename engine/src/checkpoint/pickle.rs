//! A pickle machine that can build nothing but plain containers and descriptions of tensors.
//!
//! A pickle is a program: it may name any Python function and call it. This machine knows the
//! opcodes of protocol 2 as `torch.save` writes them and the few functions in [`Global`]; it
//! refuses everything else by name. Nothing is called and no number is read from a storage here.
//!
//! What a pickle builds lies in one list of [`Node`]s that refer to each other by index: however
//! deeply it nests and whatever cycles it makes, nothing recurses, and everything is freed at
//! once. Every opcode makes at most one node of bounded size, and the limits of the [`machine`]
//! cap them all.

mod machine;

use std::collections::HashMap;

use super::shown;
use super::storage::{Element, Storage, TensorRef};
use machine::Machine;

/// Bytes of a pickle. A training checkpoint of a thousand tensors has less than one megabyte.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Why a pickle is refused, in words for the user.
pub(super) type Refusal = String;

/// A value on the machine's stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(&'a str),
    Global(Global),
    Node(usize),
}

/// Something with parts.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(TensorRef<'a>),
}

/// The functions and classes a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

impl Global {
    fn named(module: &str, name: &str) -> Result<Self, Refusal> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", storage) if Element::of_storage(storage).is_some() => {
                Element::of_storage(storage).map_or(Self::Size, Self::Storage)
            }
            _ => {
                let class = shown(&format!("{module}.{name}"));
                return Err(format!(
                    "asks to build {class}, which no list of tensors needs and which may \
                     run a program: refused. In PyTorch, save only the model's state_dict() and \
                     import that file"
                ));
            }
        })
    }
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
        Machine::new(bytes).finish()
    }

    /// The parts of a value; `None` for a plain one.
    pub fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(index) => self.nodes.get(index),
            _ => None,
        }
    }

    /// The pairs of a dictionary.
    pub fn pairs(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value) {
            Some(Node::Dict(pairs)) => Some(pairs),
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

    /// Every storage it refers to, by key.
    pub fn storages(&self) -> HashMap<&'a str, Storage<'a>> {
        let storage = |node: &Node<'a>| match node {
            Node::Storage(s) => Some((s.key, *s)),
            _ => None,
        };
        self.nodes.iter().filter_map(storage).collect()
    }
}

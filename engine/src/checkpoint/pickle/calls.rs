//! Calls requested by a pickle, and the plain values that stand for their results.

use super::machine::{Machine, damaged, too_large};
use super::names::Global;
use super::{Node, Refusal, Value, refused};
use crate::checkpoint::storage::{Storage, TensorRef};

/// Maximum nesting of functions that apply another function.
const MAX_WRAPPED: usize = 4;

impl<'a> Machine<'a> {
    /// Handles `function(*arguments)`, both on the stack.
    pub(super) fn reduce(&mut self) -> Result<(), Refusal> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        self.call(function, arguments)
    }

    /// Creates an object of a class with the arguments of its constructor, all on the stack.
    pub(super) fn new_object(&mut self, has_keywords: bool) -> Result<(), Refusal> {
        if has_keywords {
            self.pop()?;
        }
        self.reduce()
    }

    fn call(&mut self, mut function: Value<'a>, mut arguments: Value<'a>) -> Result<(), Refusal> {
        for _ in 0..MAX_WRAPPED {
            let global = match function {
                Value::Global(global) => global,
                Value::Foreign { module, name } => return Err(refused(module, name)),
                _ => {
                    let reason = "calls something that is not a function in its pickle: refused";
                    return Err(reason.into());
                }
            };
            let items = self.items(arguments)?;
            let node = match (global, items) {
                (Global::RebuildFromType, [inner, _, inner_arguments, ..]) => {
                    (function, arguments) = (*inner, *inner_arguments);
                    continue;
                }
                (Global::Reconstructor, [class, ..]) => {
                    // The object's state follows.
                    let class = *class;
                    let none = self.add(Node::Tuple(Vec::new()))?;
                    (function, arguments) = (class, none);
                    continue;
                }
                (Global::Attribute, [Value::Foreign { module, name }, ..]) => {
                    return Err(refused(module, name));
                }
                (Global::Attribute, [Value::Global(_), Value::Text(_)]) | (Global::Data, _) => {
                    return self.push(Value::Data);
                }
                (Global::Mapping, items) => return self.mapping(items.first().copied()),
                (Global::Sequence, [items, ..]) if self.is_list(*items) => {
                    let shared = *items;
                    return self.push(shared);
                }
                (Global::Size, [sides]) if self.items(*sides).is_ok() => {
                    let shared = *sides;
                    return self.push(shared);
                }
                (Global::Sequence, _) => Node::List(Vec::new()),
                (Global::Object, _) => Node::Object(None),
                (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                    Node::Tensor(self.tensor(*storage, *offset, *shape, *strides)?)
                }
                (Global::RebuildParameter, [tensor, ..]) => {
                    let tensor = *tensor;
                    return self.push(tensor);
                }
                _ => return Err(damaged()),
            };
            return self.make(node);
        }
        Err(damaged())
    }

    /// Returns whether values can be appended to a value.
    fn is_list(&self, value: Value<'a>) -> bool {
        matches!(value, Value::Node(index) if matches!(self.nodes.get(index), Some(Node::List(_))))
    }

    /// Creates a dictionary: empty, from a default factory, from another dictionary or, as Python 2
    /// wrote them, from a list of pairs.
    fn mapping(&mut self, argument: Option<Value<'a>>) -> Result<(), Refusal> {
        let Some(argument @ Value::Node(index)) = argument else {
            return self.make(Node::Dict(Vec::new()));
        };
        if let Some(Node::Dict(_)) = self.nodes.get(index) {
            return self.push(argument);
        }
        let pair = |item: &Value<'a>| match self.items(*item) {
            Ok([key, value]) => Ok((*key, *value)),
            _ => Err(damaged()),
        };
        let pairs: Vec<_> = self
            .items(argument)?
            .iter()
            .map(pair)
            .collect::<Result<_, _>>()?;
        self.count_copies(pairs.len())?;
        self.make(Node::Dict(pairs))
    }

    /// Sets the state of the object below it on the stack. For dictionaries the state is PyTorch
    /// metadata (version numbers); for other values it is irrelevant.
    pub(super) fn build(&mut self) -> Result<(), Refusal> {
        let state = self.pop()?;
        let attributes = match self.items(state) {
            // With and without slots.
            Ok([first, _]) => *first,
            _ => state,
        };
        let object = self.pop()?;
        if let Value::Foreign { module, name } = object {
            return Err(refused(module, name));
        }
        if let (Value::Node(object), Value::Node(state)) = (object, attributes)
            && matches!(self.nodes.get(state), Some(Node::Dict(_)))
            && let Some(node @ Node::Object(_)) = self.nodes.get_mut(object)
        {
            *node = Node::Object(Some(state));
        }
        self.push(object)
    }

    fn tensor(
        &self,
        storage: Value<'a>,
        offset: Value<'a>,
        shape: Value<'a>,
        strides: Value<'a>,
    ) -> Result<TensorRef<'a>, Refusal> {
        let Value::Node(index) = storage else {
            return Err(damaged());
        };
        let Some(Node::Storage(storage)) = self.nodes.get(index) else {
            return Err(damaged());
        };
        let sizes = |value| -> Result<Vec<usize>, Refusal> {
            self.items(value)?.iter().map(|v| size(*v)).collect()
        };
        TensorRef::new(*storage, size(offset)?, sizes(shape)?, sizes(strides)?)
    }

    /// Handles a storage: `('storage', class, key, location, number of elements)`; files of the old
    /// format have a sixth item for a view into another storage.
    pub(super) fn persistent(&mut self) -> Result<(), Refusal> {
        let id = self.pop()?;
        let storage = match self.items(id)? {
            [
                Value::Text("storage"),
                Value::Global(Global::Storage(element)),
                Value::Text(key),
                Value::Text(_),
                len,
            ]
            | [
                Value::Text("storage"),
                Value::Global(Global::Storage(element)),
                Value::Text(key),
                Value::Text(_),
                len,
                Value::None,
            ] => Storage {
                element: *element,
                key,
                len: size(*len)?,
            },
            _ => return Err("refers to something other than a plain storage: refused".into()),
        };
        self.make(Node::Storage(storage))
    }

    /// Counts items copied between containers: a few bytes must not copy a large container
    /// repeatedly.
    fn count_copies(&mut self, n: usize) -> Result<(), Refusal> {
        self.n_copied += n;
        if self.n_copied > super::machine::MAX_NODES {
            return Err(too_large());
        }
        Ok(())
    }
}

fn size(value: Value<'_>) -> Result<usize, Refusal> {
    match value {
        Value::Int(n) => usize::try_from(n).map_err(|_| format!("has a tensor with a size of {n}")),
        _ => Err(damaged()),
    }
}

//! The machine's opcodes. What they build, and why so little, is said in the module above.

use std::collections::HashMap;

use super::{Global, Node, Pickle, Refusal, Value};
use crate::checkpoint::storage::{Storage, TensorRef};

/// Containers, tensors and storages. A thousand tensors with moments make about 20,000.
const MAX_NODES: usize = 1 << 20;
/// Values waiting for their container; `torch.save` fills containers a thousand pairs at a time.
const MAX_STACK: usize = 1 << 20;
/// Containers begun and not ended.
const MAX_MARKS: usize = 1 << 10;

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or("ends in the middle of its pickle")?;
        self.at += n;
        Ok(taken)
    }

    /// A little-endian number of up to eight bytes.
    fn unsigned(&mut self, n: usize) -> Result<u64, Refusal> {
        let bytes = self.take(n)?.iter().rev();
        Ok(bytes.fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.take(1)?[0])
    }

    fn line(&mut self) -> Result<&'a str, Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // No module or function of Python that could be meant has a longer name.
        let n = rest.iter().take(256).position(|b| *b == b'\n');
        let line = self.take(n.ok_or("has a name without an end in its pickle")?)?;
        self.at += 1;
        text(line)
    }
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| "has a text in its pickle that is not UTF-8".into())
}

pub(super) struct Machine<'a> {
    input: Input<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value<'a>>,
}

impl<'a> Machine<'a> {
    /// A machine before the first opcode of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            input: Input { bytes, at: 0 },
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Runs to the end of the pickle.
    pub fn finish(mut self) -> Result<Pickle<'a>, Refusal> {
        Ok(Pickle {
            root: self.run()?,
            n_bytes: self.input.at,
            nodes: self.nodes,
        })
    }

    fn run(&mut self) -> Result<Value<'a>, Refusal> {
        loop {
            let opcode = self.input.byte()?;
            match opcode {
                b'.' => return self.pop(),
                0x80 => match self.input.byte()? {
                    0..=2 => {}
                    n => {
                        return Err(format!(
                            "is pickled with protocol {n}; torch.save writes protocol 2 unless \
                             told otherwise: save it again"
                        ));
                    }
                },
                b'(' if self.marks.len() >= MAX_MARKS => return Err(too_large()),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'K' => self.integer(1)?,
                b'M' => self.integer(2)?,
                b'J' => {
                    let bits = self.input.unsigned(4)? as u32;
                    self.push(Value::Int(i64::from(bits.cast_signed())))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    self.input.take(8)?;
                    self.push(Value::Float)?;
                }
                b'U' => self.text(1)?,
                b'X' | b'T' => self.text(4)?,
                b'}' => self.make(Node::Dict(Vec::new()))?,
                b']' => self.make(Node::List(Vec::new()))?,
                b')' => self.make(Node::Tuple(Vec::new()))?,
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode - 0x84))?;
                    self.make(Node::Tuple(items))?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.make(Node::Tuple(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.list()?.push(item);
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.list()?.extend(items);
                }
                b's' => {
                    let pair = self.pop_many(2)?;
                    self.set_items(&pair)?;
                }
                b'u' => {
                    let pairs = self.pop_to_mark()?;
                    self.set_items(&pairs)?;
                }
                b'q' => self.remember(1)?,
                b'r' => self.remember(4)?,
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'c' => {
                    let (module, name) = (self.input.line()?, self.input.line()?);
                    self.push(Value::Global(Global::named(module, name)?))?;
                }
                b'R' => self.reduce()?,
                b'b' => {
                    // What a state dictionary carries beside its tensors: version numbers.
                    self.pop()?;
                    self.dict()?;
                }
                b'Q' => self.persistent()?,
                other => {
                    return Err(format!(
                        "has opcode 0x{other:02x} in its pickle, which a list of tensors never \
                         needs: refused, or the file is damaged"
                    ));
                }
            }
        }
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Refusal> {
        if self.stack.len() >= MAX_STACK {
            return Err(too_large());
        }
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, node: Node<'a>) -> Result<(), Refusal> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_large());
        }
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1))
    }

    /// Values above the last open mark.
    fn open(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value<'a>, Refusal> {
        if self.open() == 0 {
            return Err(damaged());
        }
        self.stack.pop().ok_or_else(damaged)
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Value<'a>>, Refusal> {
        if self.open() < n {
            return Err(damaged());
        }
        Ok(self.stack.split_off(self.stack.len() - n))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>, Refusal> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        Ok(self.stack.split_off(mark))
    }

    /// The node on top of the stack, which stays there.
    fn top(&mut self) -> Result<&mut Node<'a>, Refusal> {
        match (self.open(), self.stack.last()) {
            (1.., Some(Value::Node(index))) => self.nodes.get_mut(*index).ok_or_else(damaged),
            _ => Err(damaged()),
        }
    }

    fn list(&mut self) -> Result<&mut Vec<Value<'a>>, Refusal> {
        match self.top()? {
            Node::List(items) => Ok(items),
            _ => Err(damaged()),
        }
    }

    fn dict(&mut self) -> Result<&mut Vec<(Value<'a>, Value<'a>)>, Refusal> {
        match self.top()? {
            Node::Dict(pairs) => Ok(pairs),
            _ => Err(damaged()),
        }
    }

    fn set_items(&mut self, flat: &[Value<'a>]) -> Result<(), Refusal> {
        let (pairs, rest) = flat.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let dict = self.dict()?;
        dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn integer(&mut self, n: usize) -> Result<(), Refusal> {
        let value = self.input.unsigned(n)?;
        self.push(Value::Int(value as i64))
    }

    /// A two's complement number of any length; longer ones than eight bytes count nothing here.
    fn long(&mut self) -> Result<(), Refusal> {
        let n = usize::from(self.input.byte()?);
        if n > 8 {
            return Err("has a number of more than 64 bits in its pickle".into());
        }
        let bits = self.input.unsigned(n)?;
        let unused = 64 - 8 * n as u32;
        let value = bits.checked_shl(unused).unwrap_or(0).cast_signed();
        self.push(Value::Int(value.checked_shr(unused).unwrap_or(0)))
    }

    fn text(&mut self, n_length: usize) -> Result<(), Refusal> {
        let n = self.input.unsigned(n_length)? as usize;
        let text = text(self.input.take(n)?)?;
        self.push(Value::Text(text))
    }

    fn remember(&mut self, n: usize) -> Result<(), Refusal> {
        let index = self.input.unsigned(n)?;
        let value = *self.stack.last().ok_or_else(damaged)?;
        if self.memo.len() >= MAX_NODES {
            return Err(too_large());
        }
        self.memo.insert(index, value);
        Ok(())
    }

    fn recall(&mut self, n: usize) -> Result<(), Refusal> {
        let index = self.input.unsigned(n)?;
        let value = *self.memo.get(&index).ok_or_else(damaged)?;
        self.push(value)
    }

    fn items(&self, value: Value<'a>) -> Result<&[Value<'a>], Refusal> {
        match value {
            Value::Node(index) => match self.nodes.get(index) {
                Some(Node::Tuple(items) | Node::List(items)) => Ok(items),
                _ => Err(damaged()),
            },
            _ => Err(damaged()),
        }
    }

    /// Calls one of the known functions.
    fn reduce(&mut self) -> Result<(), Refusal> {
        let arguments = self.pop()?;
        let Value::Global(function) = self.pop()? else {
            return Err("calls something that is not a function in its pickle: refused".into());
        };
        let arguments = self.items(arguments)?;
        let node = match (function, arguments) {
            (Global::OrderedDict, []) => Node::Dict(Vec::new()),
            // Written by Python 2: a list of pairs.
            (Global::OrderedDict, [pairs]) => {
                let pair = |item: &Value<'a>| match self.items(*item)? {
                    [key, value] => Ok((*key, *value)),
                    _ => Err(damaged()),
                };
                Node::Dict(
                    self.items(*pairs)?
                        .iter()
                        .map(pair)
                        .collect::<Result<_, _>>()?,
                )
            }
            (Global::Size, [sides]) => Node::Tuple(self.items(*sides)?.to_vec()),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                Node::Tensor(self.tensor(*storage, *offset, *shape, *strides)?)
            }
            (Global::RebuildParameter, [tensor, ..]) => {
                let tensor = *tensor;
                return self.push(tensor);
            }
            _ => return Err(damaged()),
        };
        self.make(node)
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

    /// A storage: `('storage', class, key, place, number of elements)`; files of the old form
    /// have a sixth item for a view into another storage.
    fn persistent(&mut self) -> Result<(), Refusal> {
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
}

fn size(value: Value<'_>) -> Result<usize, Refusal> {
    match value {
        Value::Int(n) => usize::try_from(n).map_err(|_| format!("has a tensor with a size of {n}")),
        _ => Err(damaged()),
    }
}

fn damaged() -> Refusal {
    "has a pickle that makes no sense: the file is damaged".into()
}

fn too_large() -> Refusal {
    "has a pickle far larger than any list of tensors: refused".into()
}

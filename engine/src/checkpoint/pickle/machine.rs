//! Opcodes of the interpreter. The parent module explains the restrictions.

use std::collections::HashMap;

use super::input::Input;
use super::names::Global;
use super::{Node, Pickle, Refusal, Value};

/// Maximum number of containers, tensors and storages. A thousand tensors with optimizer state make
/// about 20,000.
pub(super) const MAX_NODES: usize = 1 << 20;
/// Maximum number of values on the stack; `torch.save` fills containers a thousand pairs at a time.
const MAX_STACK: usize = 1 << 20;
/// Maximum number of open containers.
const MAX_MARKS: usize = 1 << 10;

pub(super) struct Machine<'a> {
    input: Input<'a>,
    pub(super) nodes: Vec<Node<'a>>,
    /// Number of items copied from one container to another.
    pub(super) n_copied: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value<'a>>,
}

impl<'a> Machine<'a> {
    /// Creates an interpreter before the first opcode of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            input: Input::new(bytes),
            nodes: Vec::new(),
            n_copied: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// Runs to the end of the pickle.
    pub(super) fn finish(mut self) -> Result<Pickle<'a>, Refusal> {
        Ok(Pickle {
            root: self.run()?,
            n_bytes: self.input.at,
            nodes: self.nodes,
        })
    }

    fn run(&mut self) -> Result<Value<'a>, Refusal> {
        loop {
            let opcode = self.input.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            let is_known =
                self.scalar(opcode)? || self.container(opcode)? || self.control(opcode)?;
            if !is_known {
                return Err(format!(
                    "has opcode 0x{opcode:02x} in its pickle, which a list of tensors never \
                     needs: refused, or the file is damaged"
                ));
            }
        }
    }

    /// Runs an opcode that pushes a single value; returns false for any other opcode.
    fn scalar(&mut self, opcode: u8) -> Result<bool, Refusal> {
        match opcode {
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let bits = self.input.unsigned(4)? as u32;
                self.push(Value::Int(i64::from(bits.cast_signed())))?;
            }
            0x8a | 0x8b => {
                let n_length = if opcode == 0x8a { 1 } else { 4 };
                let value = self.input.long(n_length)?;
                self.push(value)?;
            }
            b'G' => {
                self.input.take(8)?;
                self.push(Value::Float)?;
            }
            b'U' | 0x8c => self.text(1)?,
            b'X' | b'T' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Runs an opcode that makes or fills a dictionary, list or tuple; returns false for any other
    /// opcode.
    fn container(&mut self, opcode: u8) -> Result<bool, Refusal> {
        match opcode {
            b'}' => self.make(Node::Dict(Vec::new()))?,
            b']' | 0x8f => self.make(Node::List(Vec::new()))?,
            b')' => self.make(Node::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.make(Node::Tuple(items))?;
            }
            b't' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.make(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.list()?.push(item);
            }
            b'e' | 0x90 => {
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
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Runs an opcode of the stack, the memo, or classes; returns false for any other opcode.
    fn control(&mut self, opcode: u8) -> Result<bool, Refusal> {
        match opcode {
            0x80 => match self.input.byte()? {
                0..=5 => {}
                n => {
                    return Err(format!(
                        "is pickled with protocol {n}, which is not known; torch.save writes \
                         protocol 2 unless told otherwise: save it again"
                    ));
                }
            },
            // The length of the next frame is not needed: all bytes are in memory.
            0x95 => drop(self.input.take(8)?),
            b'(' if self.marks.len() >= MAX_MARKS => return Err(too_large()),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let value = self.pop()?;
                self.push(value)?;
                self.push(value)?;
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            0x94 => {
                let index = self.memo.len() as u64;
                self.remember_as(index)?;
            }
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err(damaged());
                };
                self.global(module, name)?;
            }
            b'R' => self.reduce()?,
            0x81 => self.new_object(false)?,
            0x92 => self.new_object(true)?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<(), Refusal> {
        if self.stack.len() >= MAX_STACK {
            return Err(too_large());
        }
        self.stack.push(value);
        Ok(())
    }

    /// Adds a node without pushing it on the stack.
    pub(super) fn add(&mut self, node: Node<'a>) -> Result<Value<'a>, Refusal> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_large());
        }
        self.nodes.push(node);
        Ok(Value::Node(self.nodes.len() - 1))
    }

    pub(super) fn make(&mut self, node: Node<'a>) -> Result<(), Refusal> {
        let value = self.add(node)?;
        self.push(value)
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<(), Refusal> {
        let known = Global::named(module, name).map(Value::Global);
        self.push(known.unwrap_or(Value::Foreign { module, name }))
    }

    /// Returns the number of values above the last open mark.
    fn open(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Result<Value<'a>, Refusal> {
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

    /// Returns the node on top of the stack without popping it.
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

    fn text(&mut self, n_length: usize) -> Result<(), Refusal> {
        let text = self.input.text(n_length)?;
        self.push(text)
    }

    fn bytes(&mut self, n_length: usize) -> Result<(), Refusal> {
        self.input.counted(n_length)?;
        self.push(Value::Data)
    }

    fn remember(&mut self, n: usize) -> Result<(), Refusal> {
        let index = self.input.unsigned(n)?;
        self.remember_as(index)
    }

    fn remember_as(&mut self, index: u64) -> Result<(), Refusal> {
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

    /// Returns the items of a list or tuple.
    pub(super) fn items(&self, value: Value<'a>) -> Result<&[Value<'a>], Refusal> {
        match value {
            Value::Node(index) => match self.nodes.get(index) {
                Some(Node::Tuple(items) | Node::List(items)) => Ok(items),
                _ => Err(damaged()),
            },
            _ => Err(damaged()),
        }
    }
}

pub(super) fn damaged() -> Refusal {
    "contains an invalid pickle: the file is damaged".into()
}

pub(super) fn too_large() -> Refusal {
    "has a pickle far larger than any list of tensors: refused".into()
}

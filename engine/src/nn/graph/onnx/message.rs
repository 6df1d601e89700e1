//! The few messages of an ONNX file (`onnx.proto`, <https://github.com/onnx/onnx>), written in the
//! wire format of protocol buffers.

/// A message under construction. Fields are written in the order of the calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes an integer: seven bits per byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    pub(super) fn int(mut self, field: u64, value: i64) -> Self {
        self.tag(field, VARINT);
        self.varint(value as u64);
        self
    }

    pub(super) fn float(mut self, field: u64, value: f32) -> Self {
        self.tag(field, FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn messages(self, field: u64, values: &[Self]) -> Self {
        values.iter().fold(self, |all, v| all.message(field, v))
    }
}

/// Value of an attribute.
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

/// Returns an `AttributeProto`.
pub(super) fn attribute(name: &str, value: &Attribute<'_>) -> Message {
    let message = Message::new().text(1, name);
    match value {
        Attribute::Float(value) => message.float(2, *value).int(20, 1),
        Attribute::Int(value) => message.int(3, *value).int(20, 2),
        Attribute::Text(value) => message.text(4, value).int(20, 3),
        Attribute::Ints(values) => {
            let all = values.iter().fold(message, |all, v| all.int(8, *v));
            all.int(20, 7)
        }
    }
}

/// Elements of a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Elements<'a> {
    Float(&'a [f32]),
    Int(&'a [i64]),
}

/// Number of the element type `float` in ONNX.
const FLOAT: i64 = 1;
/// Number of the element type `int64`.
const INT64: i64 = 7;

/// Returns a `TensorProto`.
pub(super) fn tensor(name: &str, dims: &[usize], elements: Elements<'_>) -> Message {
    let (kind, bytes): (i64, Vec<u8>) = match elements {
        Elements::Float(values) => (FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Elements::Int(values) => (INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    };
    let message = dims.iter().fold(Message::new(), |m, d| m.int(1, *d as i64));
    message.int(2, kind).text(8, name).bytes(9, &bytes)
}

/// Returns a `ValueInfoProto` of floats `[N, c, h, w]` for any `N`.
pub(super) fn value_info(name: &str, [c, h, w]: [usize; 3]) -> Message {
    let sides = [c, h, w].map(|side| Message::new().int(1, side as i64));
    let shape = Message::new()
        .message(1, &Message::new().text(2, "N"))
        .messages(1, &sides);
    let tensor = Message::new().int(1, FLOAT).message(2, &shape);
    Message::new()
        .text(1, name)
        .message(2, &Message::new().message(1, &tensor))
}

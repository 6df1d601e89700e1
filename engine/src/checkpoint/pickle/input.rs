//! Sequential reader of a pickle's bytes.

use super::{Refusal, Value};

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    /// Number of bytes read.
    pub(super) at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or("ends in the middle of its pickle")?;
        self.at += n;
        Ok(taken)
    }

    /// Reads a little-endian number of up to eight bytes.
    pub(super) fn unsigned(&mut self, n: usize) -> Result<u64, Refusal> {
        let bytes = self.take(n)?.iter().rev();
        Ok(bytes.fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.take(1)?[0])
    }

    /// Reads bytes whose count precedes them as a number of `n_length` bytes.
    pub(super) fn counted(&mut self, n_length: usize) -> Result<&'a [u8], Refusal> {
        let n = self.unsigned(n_length)?;
        self.take(usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// Reads a string; one that is not UTF-8, like Python 2's byte strings, becomes data.
    pub(super) fn text(&mut self, n_length: usize) -> Result<Value<'a>, Refusal> {
        let text = std::str::from_utf8(self.counted(n_length)?);
        Ok(text.map_or(Value::Data, Value::Text))
    }

    /// Reads a two's complement number; one of more than 64 bits (a generator state) becomes data.
    pub(super) fn long(&mut self, n_length: usize) -> Result<Value<'a>, Refusal> {
        let bytes = self.counted(n_length)?;
        if bytes.len() > 8 {
            return Ok(Value::Data);
        }
        let bits = bytes
            .iter()
            .rev()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let unused = 64 - 8 * bytes.len() as u32;
        let value = bits.checked_shl(unused).unwrap_or(0).cast_signed();
        Ok(Value::Int(value.checked_shr(unused).unwrap_or(0)))
    }

    pub(super) fn line(&mut self) -> Result<&'a str, Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // No relevant module or function of Python has a longer name.
        let n = rest.iter().take(256).position(|b| *b == b'\n');
        let line = self.take(n.ok_or("has a name without an end in its pickle")?)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| "has a name in its pickle that is not UTF-8".into())
    }
}

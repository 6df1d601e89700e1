//! EBML (RFC 8794): the element tree of Matroska files.

use std::io::{BufRead, BufReader, Read};

use super::stream::{CUT_OFF, Input, length, read_error};

pub(in crate::source) const DAMAGED: &str = "there is damage in the file";

/// Iterates over the elements inside an element's body, up to the first incomplete one.
pub(in crate::source) fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let id = read_id(&mut bytes)?;
        let size = read_size(&mut bytes)?;
        let (body, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
        bytes = rest;
        Some((id, body))
    })
}

/// Returns the body of the first child with this id.
pub(in crate::source) fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    children(bytes).find_map(|(found, body)| (found == id).then_some(body))
}

/// Returns an unsigned integer among the children.
pub(in crate::source) fn number(bytes: &[u8], id: u32) -> Option<u64> {
    child(bytes, id).and_then(unsigned)
}

/// Parses a big-endian integer of up to 8 bytes.
pub(in crate::source) fn unsigned(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// Reads an element id of 1 to 4 bytes, keeping its length marker.
pub(in crate::source) fn read_id(bytes: &mut &[u8]) -> Option<u32> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (id, rest) = bytes.split_at_checked(length).filter(|_| length <= 4)?;
    *bytes = rest;
    unsigned(id).map(|id| id as u32)
}

/// A length written by live recorders that do not know the true one.
pub(in crate::source) const UNKNOWN: u64 = u64::MAX;

/// Reads a length of 1 to 8 bytes; all ones mean [`UNKNOWN`].
pub(in crate::source) fn read_size(bytes: &mut &[u8]) -> Option<u64> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let (size, rest) = bytes.split_at_checked(length).filter(|_| length <= 8)?;
    *bytes = rest;
    let mask = (1 << (7 * length)) - 1;
    let size = unsigned(size)? & mask;
    Some(if size == mask { UNKNOWN } else { size })
}

/// An element found in the file; the reader is at its body.
pub(in crate::source) struct Element {
    pub(in crate::source) id: u32,
    pub(in crate::source) size: u64,
}

/// Reads the elements of a file from front to back.
pub(in crate::source) struct Elements {
    input: BufReader<Box<dyn Input>>,
    pub(in crate::source) position: u64,
    /// Declared end of the elements that were entered.
    declared_end: u64,
    pub(in crate::source) file_length: u64,
}

impl Elements {
    /// Starts at the beginning of a file.
    pub(in crate::source) fn new(mut input: Box<dyn Input>) -> Result<Self, String> {
        let file_length = length(&mut input)?;
        input.rewind().map_err(|e| read_error(&e))?;
        Ok(Self {
            input: BufReader::new(input),
            position: 0,
            declared_end: 0,
            file_length,
        })
    }

    /// Starts at the beginning of a pipe, whose length is unknown and which can only be read
    /// forwards.
    pub(in crate::source) fn of_pipe(input: Box<dyn Input>) -> Self {
        Self {
            input: BufReader::new(input),
            position: 0,
            declared_end: 0,
            file_length: UNKNOWN,
        }
    }

    /// Returns the next element's header; `None` at the file's end.
    pub(in crate::source) fn next(&mut self) -> Result<Option<Element>, String> {
        if self.position == self.file_length {
            let is_cut = self.declared_end > self.file_length;
            return if is_cut {
                Err(CUT_OFF.into())
            } else {
                Ok(None)
            };
        }
        if self.file_length == UNKNOWN {
            let left = self.input.fill_buf().map_err(|e| read_error(&e))?;
            if left.is_empty() {
                return Ok(None);
            }
        }
        let mut head = [0; 12];
        self.fill(&mut head[..1])?;
        let id_length = head[0].leading_zeros() as usize + 1;
        if id_length > 4 {
            return Err(DAMAGED.into());
        }
        self.fill(&mut head[1..=id_length])?;
        let size_length = head[id_length].leading_zeros() as usize + 1;
        if size_length > 8 {
            return Err(DAMAGED.into());
        }
        self.fill(&mut head[id_length + 1..id_length + size_length])?;
        let mut bytes = &head[..];
        let id = read_id(&mut bytes).unwrap_or(0);
        let size = read_size(&mut bytes).unwrap_or(UNKNOWN);
        Ok(Some(Element { id, size }))
    }

    /// Reads the element's whole body.
    pub(in crate::source) fn read(
        &mut self,
        element: &Element,
        max: u64,
        body: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.read_head(element, max, u64::MAX, body)
    }

    /// Reads the first `wanted` bytes of the element's body; the reader is then after the whole
    /// body.
    pub(in crate::source) fn read_head(
        &mut self,
        element: &Element,
        max: u64,
        wanted: u64,
        body: &mut Vec<u8>,
    ) -> Result<(), String> {
        let behind = self.peek(element, max, wanted, body)?;
        self.pass(behind)
    }

    /// Like [`Elements::read_head`], but the reader is then after the bytes read; returns the
    /// number of remaining bytes of the body.
    pub(in crate::source) fn peek(
        &mut self,
        element: &Element,
        max: u64,
        wanted: u64,
        body: &mut Vec<u8>,
    ) -> Result<u64, String> {
        let size = self.size_within_file(element)?;
        if size > max {
            return Err(format!("a part of it claims to be {size} bytes long"));
        }
        let wanted = size.min(wanted);
        body.resize(wanted as usize, 0);
        self.fill(body)?;
        Ok(size - wanted)
    }

    /// Continues with the element's children.
    pub(in crate::source) fn enter(&mut self, element: &Element) {
        if element.size != UNKNOWN {
            let end = self.position.saturating_add(element.size);
            self.declared_end = self.declared_end.max(end);
        }
    }

    pub(in crate::source) fn skip(&mut self, element: &Element) -> Result<(), String> {
        let size = self.size_within_file(element)?;
        self.pass(size)
    }

    pub(in crate::source) fn pass(&mut self, n: u64) -> Result<(), String> {
        self.position += n;
        self.input
            .seek_relative(n as i64)
            .map_err(|e| read_error(&e))
    }

    pub(in crate::source) fn go_to(&mut self, position: u64) -> Result<(), String> {
        let distance = position as i64 - self.position as i64;
        self.position = position;
        self.input
            .seek_relative(distance)
            .map_err(|e| read_error(&e))
    }

    fn size_within_file(&self, element: &Element) -> Result<u64, String> {
        if element.size > self.file_length - self.position {
            return Err(CUT_OFF.into());
        }
        Ok(element.size)
    }

    pub(in crate::source) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.input.read_exact(bytes).map_err(|e| read_error(&e))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

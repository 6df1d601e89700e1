//! Storages and the tensors that view them.
//!
//! A storage is an array of [`Element`]s in a file. A tensor is a view of a storage: offset, shape
//! and strides in elements.

use candle_core::{DType, Device, Result as TensorResult, Tensor};

use super::shown;

/// Reason for refusing a pickle, as a message for the user.
pub(super) type Refusal = String;

/// Maximum number of dimensions of a tensor; convolution weights have four.
const MAX_RANK: usize = 8;

/// Element type of a storage, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers, booleans and the like of this many bytes: counters, never weights.
    Integer(usize),
}

impl Element {
    /// Returns the element type of a `torch` storage class.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" | "ComplexFloatStorage" => Self::Integer(8),
            "IntStorage" | "QInt32Storage" => Self::Integer(4),
            "ShortStorage" => Self::Integer(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage" => {
                Self::Integer(1)
            }
            "ComplexDoubleStorage" => Self::Integer(16),
            _ => return None,
        })
    }

    /// Returns the size of an element in bytes.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Integer(n) => n,
        }
    }

    /// Returns candle's type; `None` for integers.
    fn dtype(self) -> Option<DType> {
        Some(match self {
            Self::F64 => DType::F64,
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
            Self::Integer(_) => return None,
        })
    }
}

/// A storage identified by its key; its location is known to the archive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Storage<'a> {
    pub element: Element,
    pub key: &'a str,
    /// Number of elements.
    pub len: usize,
}

impl Storage<'_> {
    /// Returns the size in bytes; `None` on overflow.
    pub(super) fn n_bytes(&self) -> Option<usize> {
        self.len.checked_mul(self.element.size())
    }
}

/// A tensor that has not been read. Its elements lie inside its storage, and there are no more of
/// them than in the storage, so that reading never takes more memory than the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorRef<'a> {
    pub storage: Storage<'a>,
    offset: usize,
    pub shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> TensorRef<'a> {
    pub(super) fn new(
        storage: Storage<'a>,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, Refusal> {
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return Err(format!(
                "has a tensor of shape {shape:?} with strides {strides:?}"
            ));
        }
        let n = shape.iter().try_fold(1, |n: usize, s| n.checked_mul(*s));
        let last = shape.iter().zip(&strides).try_fold(offset, |at, (n, s)| {
            at.checked_add(n.saturating_sub(1).checked_mul(*s)?)
        });
        let is_inside = match (n, last) {
            (Some(0), _) => true,
            (Some(n), Some(last)) => n <= storage.len && last < storage.len,
            _ => false,
        };
        if !is_inside {
            return Err(format!(
                "has a tensor of shape {shape:?} with strides {strides:?} from element {offset}, \
                 which leaves its storage of {} elements",
                storage.len
            ));
        }
        Ok(Self {
            storage,
            offset,
            shape,
            strides,
        })
    }

    /// Reads the tensor as f32 from the bytes of its storage, contiguous regardless of its strides;
    /// `None` for integers.
    ///
    /// # Errors
    /// When the storage is shorter than the pickle states.
    pub(super) fn read(&self, storage: &[u8]) -> TensorResult<Option<Tensor>> {
        let Some(dtype) = self.storage.element.dtype() else {
            return Ok(None);
        };
        let size = self.storage.element.size();
        let n: usize = self.shape.iter().product();
        let mut bytes = Vec::with_capacity(n * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..n {
            let Some(element) = storage.get(at * size..(at + 1) * size) else {
                candle_core::bail!("storage {} is too short", shown(self.storage.key));
            };
            bytes.extend_from_slice(element);
            // The next index, last axis fastest.
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.strides[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
        let tensor = Tensor::from_raw_buffer(&bytes, dtype, &self.shape, &Device::Cpu)?;
        tensor.to_dtype(DType::F32).map(Some)
    }
}

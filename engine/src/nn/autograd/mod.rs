//! Automatic differentiation for our kernels: maps stay channels-last from a network's input to its
//! output.
//!
//! A [`Traced`] map holds its values in pooled memory and, during a backward pass, the accumulated
//! gradient of its consumers. Candle only determines the order of the backward pass: each map has a
//! scalar tensor, its *history*, through which [`record`] connects it to its inputs. Candle
//! allocates and adds a gradient per consumer, each of which costs a pass over memory. The
//! gradients of histories are single zeros, while the real ones are accumulated in place, mostly
//! inside the kernel that computes them.

mod attention;
mod conv;
mod elementwise;
mod norm;
mod resample;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, DType, Device, Layout, Result, Shape, Storage, Tensor,
};

use super::Kernels;
use super::kernels::{self, Nhwc, Threads};

pub(super) use attention::{AttentionInputs, attend};
pub(super) use conv::{Fused, convolve, convolve_transposed, depthwise};
pub(super) use elementwise::{
    add, add_bias, add_to_each, apply_dropout, concat, gate, multiply, project,
};
pub(super) use norm::{Norm, layer_norm, normalise};
pub(super) use resample::{max_pool, upsample_add, upsample_bilinear2, upsample_nearest};

/// A channels-last map that records its history for the backward pass. Cloning does not copy the
/// values.
///
/// Only one backward pass at a time may use a map's history.
#[derive(Clone)]
pub struct Traced {
    slot: Arc<GradSlot>,
    history: Tensor,
}

/// Values and gradient of a map, shared between its producer and its consumers.
struct GradSlot {
    values: Nhwc,
    /// Gradient accumulated by the consumers processed so far; taken by the producer.
    grad: Mutex<Option<Nhwc>>,
    kernels: Arc<Kernels>,
}

impl GradSlot {
    fn lock(&self) -> MutexGuard<'_, Option<Nhwc>> {
        self.grad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the sum of all consumers' gradients.
    fn take(&self) -> Result<Nhwc> {
        match self.lock().take() {
            Some(grad) => Ok(grad),
            None => candle_core::bail!("two backward passes at once through one map"),
        }
    }
}

/// An input as seen by the backward pass of its consumer.
pub(super) struct Source {
    slot: Arc<GradSlot>,
    learns: bool,
}

impl Source {
    pub(super) fn map(&self) -> &Nhwc {
        &self.slot.values
    }

    /// Returns whether the input requires a gradient.
    pub(super) fn learns(&self) -> bool {
        self.learns
    }

    /// Adds a gradient: `make` receives the sum left by other consumers, if any, and adds to it.
    pub(super) fn give(&self, make: impl FnOnce(Option<Nhwc>) -> Nhwc) {
        if self.learns {
            let mut grad = self.slot.lock();
            let sum = make(grad.take());
            *grad = Some(sum);
        }
    }

    /// Adds `grad`, reusing its memory.
    pub(super) fn give_all(&self, grad: Nhwc) {
        self.give(|sum| match sum {
            None => grad,
            Some(mut sum) => {
                kernels::add_to(&mut sum, &grad, self.threads());
                sum
            }
        });
    }

    /// Adds a copy of `grad`.
    pub(super) fn give_copy(&self, grad: &Nhwc) {
        self.give(|sum| match sum {
            None => kernels::copy(grad, self.threads()),
            Some(mut sum) => {
                kernels::add_to(&mut sum, grad, self.threads());
                sum
            }
        });
    }

    fn threads(&self) -> &Threads {
        &self.slot.kernels.threads
    }
}

impl Traced {
    /// Converts a `[N, C, H, W]` f32 tensor in CPU memory.
    pub(super) fn enter(x: &Tensor, kernels: &Arc<Kernels>) -> Result<Self> {
        let (n, c, h, w) = x.dims4()?;
        let values = with_values(x, |data, _| {
            Ok(kernels
                .threads
                .iterate(|| kernels::from_nchw(data, [n, c, h, w], &kernels.buffers)))
        })?;
        let slot = Arc::new(GradSlot {
            values,
            grad: Mutex::new(None),
            kernels: Arc::clone(kernels),
        });
        let history = x.apply_op1(Enter(Arc::clone(&slot)))?;
        Ok(Self { slot, history })
    }

    /// Converts the map to a `[N, C, H, W]` tensor.
    pub(super) fn to_tensor(&self) -> Result<Tensor> {
        self.history.apply_op1(Leave(self.source()))
    }

    pub(super) fn map(&self) -> &Nhwc {
        &self.slot.values
    }

    pub(super) fn kernels(&self) -> &Arc<Kernels> {
        &self.slot.kernels
    }

    pub(super) fn threads(&self) -> &Threads {
        &self.slot.kernels.threads
    }

    pub(super) fn source(&self) -> Source {
        Source {
            slot: Arc::clone(&self.slot),
            learns: self.history.track_op(),
        }
    }
}

/// Parameters of an operation.
type Params<'a> = [Option<&'a Tensor>; 2];
/// Gradients of these parameters.
type Grads = [Option<Tensor>; 2];
/// Returned by operations without parameters.
const NONE: Grads = [None, None];

/// Records that `values` were computed from `inputs` and `params` (two tensors; a missing one is
/// passed as a zero).
///
/// The backward function `back` receives the values and their gradient, adds the inputs' gradients
/// to their [`Source`]s, and returns the gradients of the parameters.
fn record(
    values: Nhwc,
    inputs: &[&Traced],
    params: Params<'_>,
    back: impl Fn(&Nhwc, Nhwc, [&Tensor; 2]) -> Result<Grads> + Send + Sync + 'static,
) -> Result<Traced> {
    let [first, others @ ..] = inputs else {
        candle_core::bail!("an operation without inputs");
    };
    let mut history = first.history.clone();
    for other in others {
        history = (history + &other.history)?;
    }
    let slot = Arc::new(GradSlot {
        values,
        grad: Mutex::new(None),
        kernels: Arc::clone(first.kernels()),
    });
    let zero = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    let [a, b] = params.map(|param| param.unwrap_or(&zero));
    let history = history.apply_op3(
        a,
        b,
        Step {
            slot: Arc::clone(&slot),
            back: Box::new(back),
        },
    )?;
    Ok(Traced { slot, history })
}

type Back = dyn Fn(&Nhwc, Nhwc, [&Tensor; 2]) -> Result<Grads> + Send + Sync;

/// An operation in a history.
struct Step {
    slot: Arc<GradSlot>,
    back: Box<Back>,
}

/// Returns the value of a history tensor.
fn nothing() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(()))
}

impl CustomOp3 for Step {
    fn name(&self) -> &'static str {
        "step"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(nothing())
    }

    fn bwd(
        &self,
        history: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b] = (self.back)(&self.slot.values, self.slot.take()?, [a, b])?;
        Ok((history.track_op().then(|| grad.clone()), a, b))
    }
}

/// Conversion from a tensor to a map.
struct Enter(Arc<GradSlot>);

impl CustomOp1 for Enter {
    fn name(&self) -> &'static str {
        "enter"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(nothing())
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let grad = channels_first(&self.0.take()?, &self.0.kernels.threads);
        Tensor::from_vec(grad, x.dims(), &Device::Cpu).map(Some)
    }
}

/// Conversion from a map to a tensor.
struct Leave(Source);

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "leave"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let map = self.0.map();
        let [n, h, w, c] = map.dims();
        let values = channels_first(map, self.0.threads());
        Ok((CpuStorage::F32(values), Shape::from((n, c, h, w))))
    }

    fn bwd(&self, history: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, c, h, w) = grad.dims4()?;
        let kernels = &self.0.slot.kernels;
        let grad = with_values(grad, |grad, _| {
            Ok(kernels
                .threads
                .iterate(|| kernels::from_nchw(grad, [n, c, h, w], &kernels.buffers)))
        })?;
        self.0.give_all(grad);
        history.zeros_like().map(Some)
    }
}

fn channels_first(map: &Nhwc, threads: &Threads) -> Vec<f32> {
    let mut values = vec![0.0; map.data().len()];
    threads.iterate(|| kernels::to_nchw(map, &mut values));
    values
}

/// Calls a function with the values of a tensor in CPU memory, in row-major order.
pub(super) fn with_values<T>(
    tensor: &Tensor,
    read: impl FnOnce(&[f32], &[usize]) -> Result<T>,
) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("the CPU kernels cannot read GPU memory");
    };
    match layout.contiguous_offsets() {
        Some((from, to)) => read(&storage.as_slice::<f32>()?[from..to], layout.dims()),
        None => candle_core::bail!("the kernels read contiguous tensors only"),
    }
}

/// Converts the values of a parameter's gradient to a tensor of its shape.
fn gradient_of(param: &Tensor, values: Vec<f32>) -> Result<Option<Tensor>> {
    Tensor::from_vec(values, param.dims(), &Device::Cpu).map(Some)
}

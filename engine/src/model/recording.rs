//! [`Recording`]: a network recorded for one input size, with the meaning of its outputs.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};

use super::output::tokens;
use super::{PoseModel, RawOutput, both};
use crate::geometry::Size;
use crate::nn::execute::{CpuExecutor, Executable, Executor};
use crate::nn::graph::{Graph, Recorder, Shape, ValueId};
use crate::nn::{Features, Kernels, Pass};

/// A network recorded for one input size.
pub struct Recording {
    /// The operations. Its outputs are the named values of `out`.
    pub graph: Graph,
    /// Outputs, attention maps and queries and keys.
    pub out: RawOutput<ValueId>,
    /// Feature maps of the backbone.
    pub features: Vec<ValueId>,
}

/// Work of a forward pass on one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Multiply-accumulates (MACs) of the network as published.
    pub macs: u64,
    /// Names of the attention maps.
    pub maps: Vec<String>,
}

/// Backbone features and outputs of a network for an input.
type Forward<'a> =
    dyn Fn(&Features, &mut Pass) -> Result<(Vec<Features>, RawOutput<Features>)> + 'a;

impl Recording {
    /// Records a network with all attention maps for inputs of a size.
    ///
    /// # Errors
    /// When the network does not accept the size, or its weights are trainable.
    pub fn of(net: &dyn PoseModel, input: Size) -> Result<Self> {
        let mut pass = Pass {
            wants_maps: true,
            ..Pass::eval()
        };
        Self::with(&|x, pass| both(net, x, pass), 3, input, &mut pass)
    }

    /// Records what a pass with these options computes; its probes are recorded maps afterwards.
    fn with(forward: &Forward<'_>, c: usize, input: Size, pass: &mut Pass) -> Result<Self> {
        let recorder = Recorder::new();
        let x = recorder.input(Shape {
            h: input.height,
            w: input.width,
            c,
        });
        let (features, out) = forward(&Features::Recorded(x), pass)?;
        let features = features.iter().map(value).collect::<Result<_>>()?;
        let out = out.convert(value)?;
        let named = out.named().map(|(name, value)| (name, *value)).collect();
        Ok(Self {
            graph: recorder.finish(named),
            out,
            features,
        })
    }

    /// Counts the work of the network.
    pub fn survey(&self) -> Survey {
        let maps = self.out.maps.iter().map(|map| &map.name);
        let layers = self.out.query_key.iter().map(|layer| &layer.name);
        Survey {
            macs: self.graph.macs(),
            maps: maps.chain(layers).cloned().collect(),
        }
    }
}

/// Returns the value that a layer has recorded.
fn value(map: &Features) -> Result<ValueId> {
    match map {
        Features::Recorded(map) => Ok(map.id()),
        _ => bail!("the network computes values while it is recorded"),
    }
}

/// Records a network for one input, runs it on our CPU kernels, and returns what a pass with these
/// options returns. Probes are tensors afterwards.
pub(super) fn run_once(
    forward: &Forward<'_>,
    input: &Tensor,
    kernels: &Arc<Kernels>,
    pass: &mut Pass,
) -> Result<RawOutput> {
    let (_, c, height, width) = input.dims4()?;
    let size = Size::new(width, height);
    let recording = Recording::with(forward, c, size, pass)?;
    let mut outputs: Vec<ValueId> = recording.out.named().map(|(_, value)| *value).collect();
    let probes = pass.probes.iter().flatten();
    let probed: Vec<ValueId> = probes.map(|(_, map)| value(map)).collect::<Result<_>>()?;
    outputs.extend(&probed);
    let mut executable = CpuExecutor::new(Arc::clone(kernels)).prepare(&recording.graph)?;
    let values: Vec<f32> = input.flatten_all()?.to_vec1()?;
    executable.run(&[&values], &outputs, None)?;
    let mut out = recording
        .out
        .convert(|value| tensor(&*executable, *value))?;
    for layer in &mut out.query_key {
        layer.queries = tokens(&layer.queries)?;
        layer.keys = tokens(&layer.keys)?;
    }
    for ((_, map), value) in pass.probes.iter_mut().flatten().zip(probed) {
        *map = Features::Tensor(tensor(&*executable, value)?);
    }
    Ok(out)
}

/// Copies an output to a tensor `[N, C, H, W]` in CPU memory.
fn tensor(executable: &dyn Executable, value: ValueId) -> Result<Tensor> {
    let view = executable.output(value)?;
    let [n, h, w, c] = view.dims();
    let pixels = (0..n).flat_map(|i| view.pixels(i));
    let values: Vec<f32> = pixels.flatten().copied().collect();
    let rows = Tensor::from_vec(values, (n, h, w, c), &Device::Cpu)?;
    rows.permute((0, 3, 1, 2))?.contiguous()
}

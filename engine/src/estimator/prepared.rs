//! A network prepared for its device.

use std::sync::Arc;
use std::time::Duration;

use super::described::coarsest;
use crate::device::Selected;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::model::{PoseModel, RawOutput, Recording};
use crate::nn::Kernels;
use crate::nn::execute::{Executable, executor};
use crate::nn::graph::ValueId;
use crate::nn::kernels::{View, planes};
use crate::output::Planes;

/// Cost of one operation of a network for one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerWork {
    /// Tensor prefix of the layer, such as `x21.down.conv`, or the name of the operation.
    pub name: String,
    /// Multiply-accumulates (MACs) of the network as published; our kernels need fewer in some
    /// layers.
    pub macs: u64,
    /// Wall-clock time.
    pub time: Duration,
}

/// A network prepared for its device, with the results of its last run.
pub(super) struct Prepared {
    executable: Box<dyn Executable>,
    out: RawOutput<ValueId>,
    /// The coarsest feature map of the backbone.
    described: Option<ValueId>,
    /// Name and MACs of each node.
    nodes: Vec<(String, u64)>,
}

/// The results to be computed in addition to the codec's input.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// Attention maps, queries and keys.
    pub(super) attention: bool,
    /// The feature map from which inputs are described.
    pub(super) features: bool,
}

impl Prepared {
    /// Records `net` for inputs of a size and prepares it for a device.
    pub(super) fn new(
        net: &dyn PoseModel,
        input: Size,
        selected: &Selected,
        kernels: Option<&Arc<Kernels>>,
    ) -> Result<Self> {
        let Recording {
            graph,
            out,
            features,
        } = Recording::of(net, input)?;
        let nodes = graph.nodes.iter();
        Ok(Self {
            executable: executor(&selected.device, kernels).prepare(&graph)?,
            out,
            described: coarsest(&graph, &features),
            nodes: nodes.map(|node| (node.name.clone(), node.macs)).collect(),
        })
    }

    /// Returns attention maps and self-attention layers of the network.
    pub(super) fn out(&self) -> &RawOutput<ValueId> {
        &self.out
    }

    /// Runs the network on the inputs in `values` and keeps the outputs called `names`.
    pub(super) fn run(&mut self, values: &[f32], names: &[&str], extras: Extras) -> Result<()> {
        let outputs = self.outputs(names, extras)?;
        Ok(self.executable.run(&[values], &outputs, None)?)
    }

    /// Runs the network like [`Self::run`] and returns the cost of every operation.
    pub(super) fn measure(&mut self, values: &[f32], names: &[&str]) -> Result<Vec<LayerWork>> {
        let outputs = self.outputs(names, Extras::default())?;
        let mut times = Vec::new();
        self.executable.run(&[values], &outputs, Some(&mut times))?;
        let work = |(i, time): (usize, Duration)| {
            let (name, macs) = self.nodes[i].clone();
            LayerWork { name, macs, time }
        };
        Ok(times.into_iter().map(work).collect())
    }

    fn outputs(&self, names: &[&str], extras: Extras) -> Result<Vec<ValueId>> {
        let mut outputs = Vec::new();
        for name in names {
            outputs.push(self.named(name)?);
        }
        if extras.attention {
            outputs.extend(self.out.maps.iter().map(|map| map.tensor));
            let layers = self.out.query_key.iter();
            outputs.extend(layers.flat_map(|layer| [layer.queries, layer.keys]));
        }
        if extras.features {
            outputs.extend(self.described);
        }
        Ok(outputs)
    }

    /// Returns the output called `name`.
    pub(super) fn named(&self, name: &str) -> Result<ValueId> {
        let missing = || Error::Internal(format!("the network has no output {name}"));
        self.out.get(name).copied().ok_or_else(missing)
    }

    /// Returns the maps of input `i` of the last run.
    pub(super) fn planes(&self, value: ValueId, i: usize) -> Result<Planes> {
        let view = self.executable.output(value)?;
        let [_, height, width, n] = view.dims();
        Ok(Planes {
            n,
            size: Size::new(width, height),
            values: planes(view, i),
        })
    }

    /// Returns the channels of each pixel of input `i` of the last run.
    pub(super) fn pixels(&self, value: ValueId, i: usize) -> Result<Vec<f32>> {
        let view = self.executable.output(value)?;
        Ok(view.pixels(i).flatten().copied().collect())
    }

    /// Returns the feature map from which inputs are described, after a run with features.
    pub(super) fn features(&self) -> Result<View<'_>> {
        let missing = || Error::Internal("a backbone without features".to_owned());
        let value = self.described.ok_or_else(missing)?;
        Ok(self.executable.output(value)?)
    }
}

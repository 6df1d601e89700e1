//! A network with its model card, which processes regions of frames.

use std::path::PathBuf;
use std::sync::Arc;

use super::RequestedMaps;
use super::described::describe;
use super::prepared::{Extras, LayerWork, Prepared};
use crate::codec::{CODECS, Codec, CodecOptions, CodecSpec, DecodedPerson, codec};
use crate::device::{DeviceSpec, Selected, select};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Affine2, Alignment, Roi, Size};
use crate::model::{Card, ModelSpec, Weights};
use crate::nn::Kernels;
use crate::output::{
    AttentionMap, LimbFields, Planes, QueryKey, RegionOutput, SharedPlanes, Stage, Timings,
};
use crate::pose::Keypoint;
use crate::preprocess::{InputSpec, ModelInput};
use crate::skeleton::Skeleton;

/// Options for loading a network.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// A row of `MODELS`.
    pub model: &'static ModelSpec,
    /// Weights file, read with the model card next to it if there is one; `None` uses the bundled
    /// weights.
    pub weights: Option<PathBuf>,
    /// Device to run on.
    pub device: DeviceSpec,
    /// Name of a row of `CODECS`; `None` uses the model card's.
    pub codec: Option<String>,
    /// Number of threads of our CPU kernels; 0 for one per core.
    pub threads: usize,
}

impl NetworkOptions {
    /// Returns options for `model` with its bundled weights and codec on the best device.
    pub fn bundled(model: &'static ModelSpec) -> Self {
        Self {
            model,
            weights: None,
            device: DeviceSpec::Auto,
            codec: None,
            threads: 0,
        }
    }
}

/// A loaded network that estimates poses in regions of frames.
pub struct Network {
    pub(super) spec: &'static ModelSpec,
    pub(super) card: Card,
    pub(super) name: Arc<str>,
    pub(super) skeleton: &'static Skeleton,
    pub(super) input: InputSpec,
    pub(super) codec_spec: &'static CodecSpec,
    pub(super) codec: Box<dyn Codec>,
    prepared: Prepared,
    pub(super) selected: Selected,
    n_threads: usize,
    /// Values of the last input, reused for the next one.
    pub(super) buffer: Vec<f32>,
}

/// Returns the input format of the network described by `card`.
pub fn input_spec(card: &Card) -> InputSpec {
    InputSpec {
        size: card.input_size(),
        mean: card.input.mean,
        std: card.input.std,
        alignment: card.input.alignment,
        padding: card.input.padding,
        border: card.input.border,
    }
}

/// Output of a network for one region.
#[derive(Debug)]
pub struct RegionResult {
    /// People, best first, with joints in image pixels; absent joints are all zero.
    pub people: Vec<DecodedPerson>,
    /// Heatmaps and attention maps, if requested.
    pub region: RegionOutput,
}

impl Network {
    /// Loads a network onto its device.
    ///
    /// # Errors
    /// When the codec or device is unknown or unavailable, or the weights do not fit.
    pub fn load(options: &NetworkOptions) -> Result<Self> {
        let weights = match &options.weights {
            Some(path) => Weights::read(path)?,
            None => Weights::bundled(options.model)?,
        };
        Self::with_weights(options, &weights)
    }

    /// Loads a network like [`Network::load`], with these weights instead of those named in the
    /// options.
    ///
    /// # Errors
    /// When the codec or device is unknown or unavailable, or the weights do not fit.
    pub fn with_weights(options: &NetworkOptions, weights: &Weights) -> Result<Self> {
        let card = options.model.card_for(options.weights.as_deref())?;
        Self::with_card(options, card, weights)
    }

    /// Loads a network like [`Network::with_weights`], with a given model card.
    ///
    /// # Errors
    /// When the codec or device is unknown or unavailable, or the weights do not fit.
    pub fn with_card(options: &NetworkOptions, card: Card, weights: &Weights) -> Result<Self> {
        let spec = options.model;
        let skeleton = card.skeleton()?;
        let selected = select(options.device)?;
        let net = spec.load(&card.build_options()?, weights, &selected.device)?;
        let codec_name = options.codec.as_ref().unwrap_or(&card.heatmap.decode);
        let codec_spec = codec(codec_name)
            .ok_or_else(|| Error::Invalid(format!("unknown decoding '{codec_name}'")))?;
        if codec_spec.approach != spec.approach {
            let fits = |c: &&CodecSpec| c.approach == spec.approach;
            let names: Vec<_> = CODECS.iter().filter(fits).map(|c| c.name).collect();
            return Err(Error::Invalid(format!(
                "{} is not decoded by '{codec_name}'; choose one of: {}",
                spec.name,
                names.join(", ")
            )));
        }
        let kernels = Kernels::for_device(&selected.device, options.threads)?;
        let prepared = Prepared::new(&*net, card.input_size(), &selected, kernels.as_ref())?;
        tracing::info!(
            model = spec.name,
            device = %selected.spec,
            why = selected.why,
            "network ready"
        );
        Ok(Self {
            spec,
            name: Arc::from(spec.name),
            skeleton,
            input: input_spec(&card),
            codec_spec,
            codec: (codec_spec.build)(&CodecOptions {
                skeleton,
                sigma: card.heatmap.sigma,
            }),
            card,
            prepared,
            n_threads: kernels.map_or(1, |kernels| kernels.threads.count()),
            selected,
            buffer: Vec::new(),
        })
    }

    /// Returns the network's row of `MODELS`.
    pub fn spec(&self) -> &'static ModelSpec {
        self.spec
    }

    /// Returns the model card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Returns the network's input format.
    pub fn input(&self) -> &InputSpec {
        &self.input
    }

    /// Returns the skeleton of the network's joints.
    pub fn skeleton(&self) -> &'static Skeleton {
        self.skeleton
    }

    /// Returns the selected device, with the reason for the selection.
    pub fn device(&self) -> &Selected {
        &self.selected
    }

    /// Returns the number of threads of our CPU kernels; 1 on a GPU.
    pub fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// Estimates the poses in one region of a frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    pub fn infer_region(
        &mut self,
        frame: &Frame,
        roi: &Roi,
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<RegionResult> {
        let mut results = self.infer_regions(frame, &[*roi], requested, timings)?;
        results
            .pop()
            .ok_or_else(|| Error::Internal("no result for a region".to_owned()))
    }

    /// Estimates the poses in several regions of a frame in one forward pass; the results are in the
    /// order of `rois` and equal those of [`Network::infer_region`].
    ///
    /// # Errors
    /// When the network or its device fails.
    pub fn infer_regions(
        &mut self,
        frame: &Frame,
        rois: &[Roi],
        requested: RequestedMaps,
        timings: &mut Timings,
    ) -> Result<Vec<RegionResult>> {
        if rois.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = std::mem::take(&mut self.buffer);
        let n_values = self.input.n_values();
        values.resize(rois.len() * n_values, 0.0);
        timings.measure(Stage::Warp, || {
            for (roi, values) in rois.iter().zip(values.chunks_exact_mut(n_values)) {
                self.input.crop_into(frame, roi, values);
            }
        });
        let extras = Extras {
            attention: requested.attention,
            features: requested.description,
        };
        let forward = timings.measure(Stage::Forward, || self.forward_batch(&values, extras));
        self.buffer = values;
        let maps = forward?;
        timings.measure(Stage::Decode, || {
            let mut descriptions = if requested.description {
                describe(self.prepared.features()?)
            } else {
                Vec::new()
            }
            .into_iter();
            let regions = rois.iter().zip(maps).enumerate();
            let decode = |(i, (roi, maps)): (usize, (&Roi, Planes))| {
                let image_from_input = self.input.image_from_input(roi);
                let mut result = self.decode(maps, requested, &image_from_input);
                if requested.attention {
                    self.add_attention(&mut result.region, i, &image_from_input)?;
                }
                result.region.description = descriptions.next().unwrap_or_default();
                Ok(result)
            };
            regions.map(decode).collect()
        })
    }

    /// Measures operations and time per layer of one forward pass, as run in live inference.
    ///
    /// # Errors
    /// When the network or its device fails.
    pub fn layers(&mut self) -> Result<Vec<LayerWork>> {
        let zeros = vec![0.0; self.input.n_values()];
        self.prepared.measure(&zeros, self.codec_spec.outputs)
    }

    pub(super) fn crop(&mut self, frame: &Frame, roi: &Roi, timings: &mut Timings) -> ModelInput {
        let buffer = std::mem::take(&mut self.buffer);
        timings.measure(Stage::Warp, || self.input.crop(frame, roi, buffer))
    }

    /// Runs one input; returns the codec's input channels.
    pub(super) fn forward(&mut self, values: &[f32]) -> Result<Planes> {
        let maps = self.forward_batch(values, Extras::default())?.pop();
        maps.ok_or_else(|| Error::Internal("an empty batch".to_owned()))
    }

    /// Runs the inputs whose values are in `values`, one after the other; returns the codec's input
    /// channels of each.
    fn forward_batch(&mut self, values: &[f32], extras: Extras) -> Result<Vec<Planes>> {
        let names = self.codec_spec.outputs;
        self.prepared.run(values, names, extras)?;
        let n = values.len() / self.input.n_values();
        let mut maps: Vec<Planes> = Vec::with_capacity(n);
        for name in names {
            let value = self.prepared.named(name)?;
            for i in 0..n {
                let part = self.prepared.planes(value, i)?;
                match maps.get_mut(i) {
                    None => maps.push(part),
                    Some(maps) => {
                        maps.n += part.n;
                        maps.values.extend(part.values);
                    }
                }
            }
        }
        Ok(maps)
    }

    /// Returns the part affinity fields among the codec's input channels.
    fn limb_fields(&self, maps: &Planes, image_from_field: Affine2) -> Option<LimbFields> {
        let channels = (self.codec_spec.limb_fields)(self.skeleton)?;
        let area = maps.size.area();
        let values = maps
            .values
            .get(channels.start * area..channels.end * area)?;
        Some(LimbFields {
            planes: Planes {
                n: channels.len(),
                size: maps.size,
                values: values.into(),
            },
            skeleton: self.skeleton,
            image_from_field,
        })
    }

    /// Decodes `maps`, the codec's input channels; the first of them are the joints' heatmaps.
    pub(super) fn decode(
        &self,
        mut maps: Planes,
        requested: RequestedMaps,
        image_from_input: &Affine2,
    ) -> RegionResult {
        let image_from_heatmap = self.image_from(image_from_input, self.input.alignment, maps.size);
        let mut people = self.codec.decode(&maps);
        for k in people.iter_mut().flat_map(|person| &mut person.joints) {
            if *k == Keypoint::default() {
                continue;
            }
            let p = image_from_heatmap.apply(k.point());
            (k.x, k.y) = (p.x as f32, p.y as f32);
        }
        let fields = requested
            .fields
            .then(|| self.limb_fields(&maps, image_from_heatmap))
            .flatten();
        maps.n = if requested.heatmaps {
            maps.n.min(self.skeleton.n_joints())
        } else {
            0
        };
        maps.values.truncate(maps.n * maps.size.area());
        RegionResult {
            people,
            region: RegionOutput {
                heatmaps: maps.into(),
                image_from_heatmap,
                attention: Vec::new(),
                query_key: Vec::new(),
                fields,
                description: Vec::new(),
                track_id: None,
            },
        }
    }

    fn image_from(&self, image_from_input: &Affine2, alignment: Alignment, size: Size) -> Affine2 {
        image_from_input.after(&alignment.input_from_heatmap(self.input.size, size))
    }

    /// Adds the attention of input `i` of the last run.
    fn add_attention(
        &self,
        region: &mut RegionOutput,
        i: usize,
        image_from_input: &Affine2,
    ) -> Result<()> {
        // Feature maps of strided convolutions tile the input, whatever the codec.
        let image_from_map = |size| self.image_from(image_from_input, Alignment::HalfPixel, size);
        for raw in &self.prepared.out().maps {
            let map: SharedPlanes = self.prepared.planes(raw.tensor, i)?.into();
            region.attention.push(AttentionMap {
                image_from_map: image_from_map(map.size),
                name: raw.name.clone(),
                title: raw.title.clone(),
                kind: raw.kind,
                place: raw.place,
                map,
                range: raw.range,
            });
        }
        for raw in &self.prepared.out().query_key {
            region.query_key.push(QueryKey {
                image_from_map: image_from_map(raw.grid),
                name: raw.name.clone(),
                title: raw.title.clone(),
                layer: raw.layer,
                heads: raw.heads,
                grid: raw.grid,
                queries: self.prepared.pixels(raw.queries, i)?,
                keys: self.prepared.pixels(raw.keys, i)?,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

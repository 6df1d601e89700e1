//! Pose estimation on single frames, without threads.
//!
//! A [`Network`] is a model with its model card, which describes preprocessing and decoding; it
//! processes one region. An [`Estimator`] adds the tracker, which chooses the regions and assigns
//! track ids.

mod averaged;
mod described;
mod following;
mod looking;

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Tensor;

pub use averaged::Averaging;

use crate::codec::{CODECS, Codec, CodecOptions, CodecSpec, DecodedPerson, codec};
use crate::device::{DeviceSpec, Selected, select};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Affine2, Alignment, BBox, Roi, Size};
use crate::model::{Card, ModelSpec, PoseModel, RawOutput, Weights};
use crate::nn::{Kernels, Pass, Tally};
use crate::output::{
    AttentionMap, Planes, PoseOutput, QueryKey, RegionOutput, SharedPlanes, Stage, Timings,
};
use crate::pose::{Keypoint, Pose};
use crate::preprocess::{InputSpec, ModelInput};
use crate::skeleton::Skeleton;
use crate::track::OneEuro;

pub use following::Estimator;

/// Requested outputs in addition to poses. Heatmaps cost a copy, attention maps cost additional
/// computation, descriptions hardly anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestedMaps {
    /// Whether to return the heatmaps of each region.
    pub heatmaps: bool,
    /// Whether to return the attention maps of each region.
    pub attention: bool,
    /// Whether to describe each region by the network's features.
    pub description: bool,
}

/// Finds poses in frames, one frame at a time. Frames arrive in time order; a jump back in time
/// starts a new run.
pub trait Infer: Send {
    /// Returns the poses in one frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn infer(&mut self, frame: &Frame, requested: RequestedMaps) -> Result<PoseOutput>;

    /// Replaces the parameters of temporal smoothing from the next frame on. The default does
    /// nothing, for implementations without smoothing.
    fn set_smoothing(&mut self, _params: OneEuro) {}

    /// Returns the poses in one frame independently of other frames, in any order: the same frame
    /// always gives the same result, and the tracking state of [`Infer::infer`] is not affected.
    /// `near` are poses known to be close by, whose surroundings are cropped; without them the
    /// frame is searched. Joints are not smoothed; track ids are those of the nearest pose in
    /// `near`. The default calls [`Infer::infer`], for implementations without tracking.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn inspect(
        &mut self,
        frame: &Frame,
        _near: &[Pose],
        requested: RequestedMaps,
    ) -> Result<PoseOutput> {
        self.infer(frame, requested)
    }

    /// Returns the people in one frame independently of other frames, of whom one may be in `near`:
    /// a top-down network processes that region, then the one around the joints found in it. The
    /// default calls [`Infer::inspect`], for implementations that process the whole frame.
    ///
    /// # Errors
    /// When the network or its device fails.
    fn look_at(&mut self, frame: &Frame, _near: BBox) -> Result<PoseOutput> {
        self.inspect(frame, &[], RequestedMaps::default())
    }
}

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
    spec: &'static ModelSpec,
    card: Card,
    name: Arc<str>,
    skeleton: &'static Skeleton,
    input: InputSpec,
    codec_spec: &'static CodecSpec,
    codec: Box<dyn Codec>,
    net: Box<dyn PoseModel>,
    selected: Selected,
    /// Our kernels, for the CPU only; GPUs use candle's.
    kernels: Option<Arc<Kernels>>,
    /// Values of the last input, reused for the next one.
    buffer: Vec<f32>,
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
            net,
            kernels,
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
        self.kernels.as_ref().map_or(1, |k| k.threads.count())
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
        let input = self.crop(frame, roi, timings);
        let mut pass = self.pass(requested.attention);
        let is_described = requested.description;
        let (heatmaps, out, description) = timings.measure(Stage::Forward, || {
            self.forward_described(&input.values, &mut pass, is_described)
        })?;
        let result = timings.measure(Stage::Decode, || {
            self.decode(heatmaps, out, requested, &input.image_from_input)
        });
        self.buffer = input.values;
        let mut result = result?;
        result.region.description = description;
        Ok(result)
    }

    /// Measures operations and time per layer of one forward pass, as run in live inference.
    ///
    /// # Errors
    /// When the network or its device fails.
    pub fn tally(&self) -> Result<Tally> {
        let mut pass = Pass {
            tally: Some(Tally::default()),
            ..self.pass(false)
        };
        self.forward(&vec![0.0; self.input.n_values()], &mut pass)?;
        Ok(pass.tally.unwrap_or_default())
    }

    fn pass(&self, wants_maps: bool) -> Pass {
        Pass {
            wants_maps,
            kernels: self.kernels.clone(),
            ..Pass::eval()
        }
    }

    fn crop(&mut self, frame: &Frame, roi: &Roi, timings: &mut Timings) -> ModelInput {
        let buffer = std::mem::take(&mut self.buffer);
        timings.measure(Stage::Warp, || self.input.crop(frame, roi, buffer))
    }

    fn forward(&self, values: &[f32], pass: &mut Pass) -> Result<(Planes, RawOutput)> {
        let (maps, out, _) = self.forward_described(values, pass, false)?;
        Ok((maps, out))
    }

    /// Also returns a description of the input, which is empty unless `is_described`.
    fn forward_described(
        &self,
        values: &[f32],
        pass: &mut Pass,
        is_described: bool,
    ) -> Result<(Planes, RawOutput, Vec<f32>)> {
        let Size { width, height } = self.input.size;
        let device = &self.selected.device;
        let x = Tensor::from_slice(values, (1, 3, height, width), device)?;
        let mut run = || {
            let backbone = self.net.backbone(&x, pass)?;
            let description = if is_described {
                described::describe(&backbone.features)?
            } else {
                Vec::new()
            };
            Ok::<_, Error>((self.net.head(backbone, pass)?, description))
        };
        let (out, description) = match &self.kernels {
            // Entering the thread pool once costs less than entering it in every layer.
            Some(kernels) => kernels.threads.install(&mut run)?,
            None => run()?,
        };
        let mut maps: Option<Planes> = None;
        for output in self.codec_spec.outputs {
            let tensor = out
                .get(output)
                .ok_or_else(|| Error::Internal(format!("{} returned no {output}", self.name)))?;
            let part = planes(tensor)?;
            match &mut maps {
                None => maps = Some(part),
                Some(maps) => {
                    maps.n += part.n;
                    maps.values.extend(part.values);
                }
            }
        }
        let maps = maps.ok_or_else(|| Error::Internal("a codec without outputs".to_owned()))?;
        Ok((maps, out, description))
    }

    /// Decodes `maps`, the codec's input channels; the first of them are the joints' heatmaps.
    fn decode(
        &self,
        mut maps: Planes,
        out: RawOutput,
        requested: RequestedMaps,
        image_from_input: &Affine2,
    ) -> Result<RegionResult> {
        let image_from = |alignment: Alignment, size: Size| {
            image_from_input.after(&alignment.input_from_heatmap(self.input.size, size))
        };
        let image_from_heatmap = image_from(self.input.alignment, maps.size);
        let mut people = self.codec.decode(&maps);
        for k in people.iter_mut().flat_map(|person| &mut person.joints) {
            if *k == Keypoint::default() {
                continue;
            }
            let p = image_from_heatmap.apply(k.point());
            (k.x, k.y) = (p.x as f32, p.y as f32);
        }
        // Feature maps of strided convolutions tile the input, whatever the codec.
        let image_from_map = |size| image_from(Alignment::HalfPixel, size);
        let attention = out
            .maps
            .into_iter()
            .map(|raw| {
                let map: SharedPlanes = planes(&raw.tensor)?.into();
                Ok(AttentionMap {
                    image_from_map: image_from_map(map.size),
                    name: raw.name,
                    title: raw.title,
                    kind: raw.kind,
                    place: raw.place,
                    map,
                    range: raw.range,
                })
            })
            .collect::<Result<_>>()?;
        let query_key = out
            .query_key
            .into_iter()
            .map(|raw| {
                Ok(QueryKey {
                    image_from_map: image_from_map(raw.grid),
                    name: raw.name,
                    title: raw.title,
                    layer: raw.layer,
                    heads: raw.heads,
                    grid: raw.grid,
                    queries: first(&raw.queries)?,
                    keys: first(&raw.keys)?,
                })
            })
            .collect::<Result<_>>()?;
        maps.n = if requested.heatmaps {
            maps.n.min(self.skeleton.n_joints())
        } else {
            0
        };
        maps.values.truncate(maps.n * maps.size.area());
        Ok(RegionResult {
            people,
            region: RegionOutput {
                heatmaps: maps.into(),
                image_from_heatmap,
                attention,
                query_key,
                description: Vec::new(),
            },
        })
    }
}

/// Returns the maps of the first item of a `[N, C, H, W]` tensor.
fn planes(tensor: &Tensor) -> Result<Planes> {
    let (_, n, height, width) = tensor.dims4()?;
    Ok(Planes {
        n,
        size: Size::new(width, height),
        values: first(tensor)?,
    })
}

/// Returns the values of the first item of a batch.
fn first(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.get(0)?.flatten_all()?.to_vec1()?)
}

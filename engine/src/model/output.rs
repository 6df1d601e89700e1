//! Outputs of a network: [`RawOutput`], as values of a recorded graph or maps of a layer
//! ([`Features`]), or as tensors.

use candle_core::{Result, Tensor};

use crate::geometry::Size;
use crate::nn::kernels::Threads;
use crate::nn::{Features, attention_weights};
use crate::output::{AttentionKind, MapPlace};

/// Outputs of a forward pass.
#[derive(Debug, Clone)]
pub struct RawOutput<T = Tensor> {
    /// Named outputs, the deployed ones first: `heatmaps [N, J, H/s, W/s]`; for bottom-up networks
    /// `[N, J + 1, ..]` with the background last, then `paf` and `offsets`.
    pub tensors: Vec<(String, T)>,
    /// Attention maps; empty unless the pass collects them.
    pub maps: Vec<RawMap<T>>,
    /// Self-attention layers; empty unless the pass collects maps.
    pub query_key: Vec<RawQueryKey<T>>,
}

impl<T> Default for RawOutput<T> {
    fn default() -> Self {
        Self {
            tensors: Vec::new(),
            maps: Vec::new(),
            query_key: Vec::new(),
        }
    }
}

impl<T> RawOutput<T> {
    /// Returns the output called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    /// Replaces every value.
    ///
    /// # Errors
    /// When `f` fails.
    pub fn convert<U, E>(
        &self,
        mut f: impl FnMut(&T) -> std::result::Result<U, E>,
    ) -> std::result::Result<RawOutput<U>, E> {
        let mut out = RawOutput::default();
        for (name, value) in &self.tensors {
            out.tensors.push((name.clone(), f(value)?));
        }
        for map in &self.maps {
            out.maps.push(map.with(f(&map.tensor)?));
        }
        for layer in &self.query_key {
            let (queries, keys) = (f(&layer.queries)?, f(&layer.keys)?);
            out.query_key.push(layer.with(queries, keys));
        }
        Ok(out)
    }

    /// Returns every value with a name: outputs, attention maps, and `{layer}.queries` and
    /// `{layer}.keys` of self-attention layers.
    pub fn named(&self) -> impl Iterator<Item = (String, &T)> {
        let maps = self.maps.iter().map(|map| (map.name.clone(), &map.tensor));
        let layers = self.query_key.iter().flat_map(|layer| {
            let name = &layer.name;
            [
                (format!("{name}.queries"), &layer.queries),
                (format!("{name}.keys"), &layer.keys),
            ]
        });
        let tensors = self.tensors.iter().map(|(name, t)| (name.clone(), t));
        tensors.chain(maps).chain(layers)
    }
}

impl RawOutput<Features> {
    /// Converts all maps to tensors.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn to_tensors(&self) -> Result<RawOutput> {
        let mut out = self.convert(Features::to_tensor)?;
        for layer in &mut out.query_key {
            layer.queries = tokens(&layer.queries)?;
            layer.keys = tokens(&layer.keys)?;
        }
        Ok(out)
    }
}

/// Converts a map `[N, d, H, W]` to tokens `[N, H W, d]`.
pub(super) fn tokens(map: &Tensor) -> Result<Tensor> {
    map.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// Result of a network's backbone.
pub struct BackboneOutput {
    /// Feature maps that the head reads.
    pub features: Vec<Features>,
    /// Outputs and attention maps of the backbone, which the head completes.
    pub out: RawOutput<Features>,
}

impl BackboneOutput {
    /// Returns the features of a network that has `N` of them.
    ///
    /// # Errors
    /// When there is another number of features.
    pub(super) fn into_features<const N: usize>(self) -> Result<[Features; N]> {
        let n = self.features.len();
        match self.features.try_into() {
            Ok(features) => Ok(features),
            Err(_) => candle_core::bail!("the head reads {N} feature maps, not {n}"),
        }
    }
}

/// One attention map of a forward pass.
#[derive(Debug, Clone)]
pub struct RawMap<T = Tensor> {
    /// Name in the model's specification.
    pub name: String,
    /// Title for display.
    pub title: String,
    /// Meaning of the values.
    pub kind: AttentionKind,
    /// Layer that produces the map.
    pub place: MapPlace,
    /// `[N, 1, h, w]`, or `[N, J, h, w]` with one map per joint.
    pub tensor: T,
    /// Smallest and largest possible value.
    pub range: (f32, f32),
    /// The attention block whose activity is the mean absolute value of this map, reported in
    /// training; `None` if the map does not show any.
    pub activity_of: Option<String>,
}

impl<T> RawMap<T> {
    /// Returns the same map with other values.
    pub fn with<U>(&self, tensor: U) -> RawMap<U> {
        RawMap {
            name: self.name.clone(),
            title: self.title.clone(),
            kind: self.kind,
            place: self.place,
            tensor,
            range: self.range,
            activity_of: self.activity_of.clone(),
        }
    }
}

/// Queries and keys of one self-attention layer of a forward pass.
#[derive(Debug, Clone)]
pub struct RawQueryKey<T = Tensor> {
    /// Name in the model's specification.
    pub name: String,
    /// Title for display.
    pub title: String,
    /// Index of the layer, from 0.
    pub layer: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Size of the token grid.
    pub grid: Size,
    /// Queries: a tensor `[N, L, d]`, or a map `[N, d, H, W]` of a layer.
    pub queries: T,
    /// Keys, like the queries.
    pub keys: T,
}

impl<T> RawQueryKey<T> {
    fn with<U>(&self, queries: U, keys: U) -> RawQueryKey<U> {
        RawQueryKey {
            name: self.name.clone(),
            title: self.title.clone(),
            layer: self.layer,
            heads: self.heads,
            grid: self.grid,
            queries,
            keys,
        }
    }
}

impl RawQueryKey {
    /// Computes the attention weights `[N, heads, L, L]` in CPU memory: rows are queries and sum to
    /// 1.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&self, threads: &Threads) -> Result<Tensor> {
        attention_weights(&self.queries, &self.keys, self.heads, threads)
    }
}

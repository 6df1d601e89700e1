//! Compares a forward pass with the golden outputs of its model.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use poselens_engine::geometry::Affine2;
use poselens_engine::model::{PoseModel, RawOutput, RawQueryKey};
use poselens_engine::nn::{Features, Kernels, Pass};
use poselens_engine::output::QueryKey;
use poselens_tests::golden;
use serde_json::Value;

use super::input;

/// Returns all values as f32.
pub(super) fn values(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_dtype(DType::F32).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Returns the largest difference, each divided by `allowed(wanted)`.
pub(super) fn worst(got: &[f32], wanted: &[f32], allowed: impl Fn(f32) -> f32) -> f32 {
    assert_eq!(got.len(), wanted.len());
    let pairs = got.iter().zip(wanted);
    pairs.fold(0.0, |worst, (got, wanted)| {
        let share = (got - wanted).abs() / allowed(*wanted);
        if share.is_nan() {
            f32::NAN
        } else {
            worst.max(share)
        }
    })
}

/// Golden outputs of one model.
pub(super) struct Golden {
    key: &'static str,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    pub(super) fn of(key: &'static str) -> Self {
        let path = golden("transpose/models.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self { key, tensors }
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.tensors[&format!("{}.{name}", self.key)]
    }

    pub(super) fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let rows = self.get(name).to_dtype(DType::F32).unwrap();
        rows.to_vec2().unwrap()
    }

    /// Runs the network and compares all outputs.
    pub(super) fn check(&self, way: &str, net: &dyn PoseModel, pass: Pass) {
        let mut probing = Pass {
            wants_maps: true,
            probes: Some(Vec::new()),
            ..pass
        };
        let out = net.forward(&input(256, 192), &mut probing).unwrap();
        self.check_intermediates(way, &probing.probes.unwrap());
        self.check_heatmaps(way, &out);
        self.check_attention(way, &out);
    }

    /// Compares in execution order, so that the first difference reported is the cause.
    fn check_intermediates(&self, way: &str, probes: &[(String, Features)]) {
        let text = std::fs::read(golden("transpose/models.json")).unwrap();
        let stats: Value = serde_json::from_slice(&text).unwrap();
        let stats = stats[self.key].as_array().unwrap();
        assert!(stats.len() >= 8);
        let number = |value: &Value| value.as_f64().unwrap() as f32;
        for wanted in stats {
            let name = wanted["name"].as_str().unwrap();
            let Some((_, got)) = probes.iter().find(|(probe, _)| probe == name) else {
                panic!("{way}, {}: {name} was not probed", self.key);
            };
            let got = got.to_tensor().unwrap();
            // Tokens are compared in order, with features innermost.
            let is_tokens = name.starts_with("encoder");
            let got = if is_tokens {
                got.permute((0, 2, 3, 1)).unwrap()
            } else {
                got
            };
            let got = values(&got);
            let mean_of = |f: &dyn Fn(f64) -> f64| {
                let sum: f64 = got.iter().map(|&v| f(f64::from(v))).sum();
                sum / got.len() as f64
            };
            let mean = mean_of(&|v| v);
            let std = mean_of(&|v| (v - mean) * (v - mean)).sqrt();
            let (mean, std) = (mean as f32, std as f32);
            let indices = wanted["probe_idx"].as_array().unwrap();
            let some = indices.iter().map(|i| got[i.as_u64().unwrap() as usize]);
            let some: Vec<f32> = some.collect();
            let wanted_some: Vec<f32> = wanted["probe"]
                .as_array()
                .unwrap()
                .iter()
                .map(number)
                .collect();
            let share = worst(&some, &wanted_some, |v| 5e-5 * (1.0 + v.abs()))
                .max((mean - number(&wanted["mean"])).abs() / 1e-4)
                .max((std - number(&wanted["std"])).abs() / 1e-4);
            assert!(share <= 1.0, "{way}, {}, {name}: {share}", self.key);
        }
    }

    fn check_heatmaps(&self, way: &str, out: &RawOutput) {
        let heatmaps = out.get("heatmaps").unwrap();
        assert_eq!(heatmaps.dims(), [1, 17, 64, 48]);
        let maps = values(heatmaps);
        let maps: Vec<&[f32]> = maps.chunks_exact(64 * 48).collect();
        for (joint, place) in self.rows("argmax_xy").iter().enumerate() {
            let at = place[1] as usize * 48 + place[0] as usize;
            let top = maps[joint]
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(maps[joint][at], top, "{way}, {}, joint {joint}", self.key);
        }
        let wanted = self.get("heatmaps");
        // Some golden files contain only the first and the last joint.
        let got = match wanted.dims()[1] {
            17 => maps.concat(),
            _ => [maps[0], maps[16]].concat(),
        };
        let error = worst(&got, &values(wanted), |_| 1.0);
        assert!(error <= 2e-5, "{way}, {}: heatmaps {error}", self.key);
    }

    /// Compares rows and columns of the attention matrices, computed from queries and keys.
    fn check_attention(&self, way: &str, out: &RawOutput) {
        let threads = Kernels::new(2).unwrap();
        let close = |got: &[f32], wanted: &[f32]| {
            // Tolerance: 1e-4 of the value, at least 1e-6.
            worst(got, wanted, |v| (1e-4 * v).max(1e-6)) <= 1.0
        };
        let layers: Vec<QueryKey> = out.query_key.iter().map(query_key).collect();
        let width = layers[0].grid.width;
        let token = |place: &[f32]| place[1] as usize * width + place[0] as usize;
        let places = self.rows("query_xy");
        let last = layers.last().unwrap();
        for (name, is_row) in [("attn_last_rows", true), ("attn_last_cols", false)] {
            for (place, wanted) in places.iter().zip(self.rows(name)) {
                let got = if is_row {
                    last.dependency(token(place), None).unwrap()
                } else {
                    last.affected(token(place), None, &threads.threads).unwrap()
                };
                assert!(close(&got.values, &wanted), "{way}, {}, {name}", self.key);
            }
        }
        let every_layer = self.rows("attn_all_layers_row_q0");
        assert_eq!(layers.len(), every_layer.len());
        for (layer, wanted) in layers.iter().zip(&every_layer) {
            let got = layer.dependency(token(&places[0]), None).unwrap();
            assert!(close(&got.values, wanted), "{way}, {}", layer.name);
        }
        let heads = format!("{}.attn_last_heads_row_q0", self.key);
        if let Some(heads) = self.tensors.get(&heads) {
            for (head, wanted) in heads.to_vec2::<f32>().unwrap().iter().enumerate() {
                let got = last.dependency(token(&places[0]), Some(head)).unwrap();
                assert!(close(&got.values, wanted), "{way}, head {head}");
            }
        }
    }
}

fn query_key(raw: &RawQueryKey) -> QueryKey {
    QueryKey {
        name: raw.name.clone(),
        title: raw.title.clone(),
        layer: raw.layer,
        heads: raw.heads,
        grid: raw.grid,
        queries: values(&raw.queries),
        keys: values(&raw.keys),
        image_from_map: Affine2::IDENTITY,
    }
}

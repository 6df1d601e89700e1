//! Attention maps computed from queries and keys: the tokens that a token attends to, and the
//! tokens that attend to it.
//!
//! `A = softmax(Q K^T / sqrt(d / heads))` has a row for each query token and a column for each key
//! token. A single row is cheap. A column needs the normaliser of every row and therefore all
//! scores, which the attention kernel computes and discards tile by tile.

use candle_core::{Device, Result as TensorResult, Tensor};

use super::common::to_vec;
use super::kernels::{Heads, Threads, View, ViewMut, attention};
use crate::error::{Error, Result};
use crate::geometry::Point;
use crate::output::{AttentionKind, AttentionMap, Direction, MapPlace, Planes, QueryKey};

impl QueryKey {
    /// Returns the token at a point of the image; `None` outside the network's region.
    pub fn token_at(&self, point_in_image: Point) -> Option<usize> {
        let map_from_image = self.image_from_map.inverse()?;
        let p = map_from_image.apply(point_in_image);
        let pixel = |at: f64, len: usize| {
            let at = at.round();
            (at >= 0.0 && at < len as f64).then_some(at as usize)
        };
        let (x, y) = (pixel(p.x, self.grid.width)?, pixel(p.y, self.grid.height)?);
        Some(y * self.grid.width + x)
    }

    /// Returns the tokens that `token` attends to: row `A[token, :]` of one head, or the mean over
    /// heads. The values sum to 1.
    ///
    /// # Errors
    /// When there is no such token or head.
    pub fn dependency(&self, token: usize, head: Option<usize>) -> Result<Planes> {
        let (len, d, heads) = self.checked(token, head)?;
        let width = d / self.heads;
        let scale = 1.0 / (width as f32).sqrt();
        let query = &self.queries[token * d..][..d];
        let mut mean = vec![0.0; len];
        for head in heads.clone() {
            let channels = head * width..(head + 1) * width;
            let query = &query[channels.clone()];
            let scores: Vec<f32> = self
                .keys
                .chunks_exact(d)
                .map(|key| {
                    let products = query.iter().zip(&key[channels.clone()]).map(|(q, k)| q * k);
                    scale * products.sum::<f32>()
                })
                .collect();
            let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exps: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
            let factor = 1.0 / (exps.iter().sum::<f32>() * heads.len() as f32);
            for (mean, exp) in mean.iter_mut().zip(exps) {
                *mean += exp * factor;
            }
        }
        Ok(self.plane(mean))
    }

    /// Returns the tokens that attend to `token`: column `A[:, token]` of one head, or the mean
    /// over heads. Each value is a fraction of its own row's sum; the sum of the column is
    /// arbitrary.
    ///
    /// # Errors
    /// When there is no such token or head.
    pub fn affected(&self, token: usize, head: Option<usize>, threads: &Threads) -> Result<Planes> {
        let (len, d, heads) = self.checked(token, head)?;
        let (first, count) = (heads.start, heads.len());
        let width = d / self.heads;
        let from = first * width;
        let dims = [1, 1, len, count * width];
        // With a value of 1 for `token` and 0 for all others, the attention output is the column.
        let mut sources = vec![0.0; len * count];
        sources[token * count..][..count].fill(1.0);
        let mut column = vec![0.0; len * count];
        attention(
            Heads {
                queries: View::new(&self.queries[from..], dims, d),
                keys: View::new(&self.keys[from..], dims, d),
                values: View::new(&sources, [1, 1, len, count], count),
                count,
            },
            None,
            ViewMut::new(&mut column, [1, 1, len, count], count),
            None,
            threads,
        );
        let mean = |heads: &[f32]| heads.iter().sum::<f32>() / count as f32;
        Ok(self.plane(column.chunks_exact(count).map(mean).collect()))
    }

    /// Returns [`QueryKey::dependency`] or [`QueryKey::affected`] as a map for overlays, named
    /// `{name}.{direction}`, or `{name}.{direction}.head{head}` for a single head. Its range ends
    /// at its own maximum: although values up to 1 are possible, attention spread over a thousand
    /// tokens would leave the image dark.
    ///
    /// # Errors
    /// When there is no such token or head.
    pub fn as_map(
        &self,
        direction: Direction,
        token: usize,
        head: Option<usize>,
        threads: &Threads,
    ) -> Result<AttentionMap> {
        let map = match direction {
            Direction::Dependency => self.dependency(token, head)?,
            Direction::Affected => self.affected(token, head, threads)?,
        };
        let [mut name, mut title] = [
            format!("{}.{}", self.name, direction.name()),
            format!("{}: {}", self.title, direction.title()),
        ];
        if let Some(head) = head {
            name = format!("{name}.head{head}");
            title = format!("{title}, head {head}");
        }
        Ok(AttentionMap {
            name,
            title,
            kind: AttentionKind::QueryKey,
            place: MapPlace {
                layer: self.layer,
                iteration: None,
            },
            range: (0.0, map.values.iter().copied().fold(0.0, f32::max)),
            map: map.into(),
            image_from_map: self.image_from_map,
        })
    }

    /// Returns the number of tokens, the number of features, and the range of heads.
    fn checked(
        &self,
        token: usize,
        head: Option<usize>,
    ) -> Result<(usize, usize, std::ops::Range<usize>)> {
        let len = self.grid.area();
        if token >= len {
            return Err(self.fault(&format!("has {len} tokens, none is number {token}")));
        }
        let d = self.keys.len() / len;
        let is_whole = self.keys.len() == len * d && self.queries.len() == len * d;
        if d == 0 || !is_whole || self.heads == 0 || !d.is_multiple_of(self.heads) {
            return Err(self.fault("has queries and keys of other sizes than its grid and heads"));
        }
        match head {
            None => Ok((len, d, 0..self.heads)),
            Some(head) if head < self.heads => Ok((len, d, head..head + 1)),
            Some(head) => {
                let heads = self.heads;
                Err(self.fault(&format!("has {heads} heads, none is number {head}")))
            }
        }
    }

    fn fault(&self, what: &str) -> Error {
        Error::Invalid(format!("{} {what}", self.name))
    }

    fn plane(&self, values: Vec<f32>) -> Planes {
        Planes {
            n: 1,
            size: self.grid,
            values,
        }
    }
}

/// Computes the whole matrix, `[N, heads, L, L]` with queries as rows, from `[N, L, d]` queries and
/// keys that include their biases and are not scaled. It has millions of entries: meant for files,
/// not for live use.
///
/// # Errors
/// When the shapes do not match.
pub fn attention_weights(
    queries: &Tensor,
    keys: &Tensor,
    heads: usize,
    threads: &Threads,
) -> TensorResult<Tensor> {
    let (n, len, d) = queries.dims3()?;
    if keys.dims() != queries.dims() || heads == 0 || !d.is_multiple_of(heads) {
        let shapes = [queries.dims(), keys.dims()];
        candle_core::bail!("queries and keys {shapes:?} in {heads} heads");
    }
    let (queries, keys) = (to_vec(queries)?, to_vec(keys)?);
    // Only the attention weights are needed, but the kernel also expects values.
    let nothing = vec![0.0; n * len * heads];
    let mut read = nothing.clone();
    let mut weights = vec![0.0; n * heads * len * len];
    let dims = [n, 1, len, heads];
    attention(
        Heads {
            queries: View::new(&queries, [n, 1, len, d], d),
            keys: View::new(&keys, [n, 1, len, d], d),
            values: View::new(&nothing, dims, heads),
            count: heads,
        },
        None,
        ViewMut::new(&mut read, dims, heads),
        Some(&mut weights),
        threads,
    );
    Tensor::from_vec(weights, (n, heads, len, len), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine2, Size};
    use proptest::prelude::*;

    /// Two heads of three features over 3 x 4 tokens of 8 x 8 pixels.
    fn sample() -> QueryKey {
        let values = |seed: f32| (0..12 * 6).map(|i| (seed * i as f32).sin() * 2.0).collect();
        QueryKey {
            name: "encoder_layer1.attention".into(),
            title: "self-attention, layer 1".into(),
            layer: 1,
            heads: 2,
            grid: Size::new(3, 4),
            queries: values(1.7),
            keys: values(2.9),
            image_from_map: Affine2 {
                m: [[8.0, 0.0, 103.5], [0.0, 8.0, 53.5]],
            },
        }
    }

    fn matrix(qk: &QueryKey, threads: &Threads) -> Vec<Vec<Vec<f32>>> {
        let tensor = |x: &[f32]| Tensor::from_slice(x, (1, 12, 6), &Device::Cpu).unwrap();
        let (queries, keys) = (tensor(&qk.queries), tensor(&qk.keys));
        let weights = attention_weights(&queries, &keys, 2, threads).unwrap();
        weights.get(0).unwrap().to_vec3().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Fails when a row or column belongs to another token or head, or is not averaged over
        /// heads.
        #[test]
        fn rows_and_columns_are_those_of_the_matrix(token in 0..12usize, head in prop::option::of(0..2usize)) {
            let threads = Threads::new(2).unwrap();
            let qk = sample();
            let matrix = matrix(&qk, &threads);
            let heads = head.map_or(0..2, |head| head..head + 1);
            let mean = |at: &dyn Fn(&Vec<Vec<f32>>) -> f32| {
                matrix[heads.clone()].iter().map(at).sum::<f32>() / heads.len() as f32
            };
            let row = qk.dependency(token, head).unwrap();
            let column = qk.affected(token, head, &threads).unwrap();
            for other in 0..12 {
                let (want_row, want_column) = (mean(&|a| a[token][other]), mean(&|a| a[other][token]));
                prop_assert!((row.values[other] - want_row).abs() < 1e-6);
                prop_assert!((column.values[other] - want_column).abs() < 1e-6);
            }
            prop_assert!((row.values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let map = qk.as_map(Direction::Affected, token, head, &threads).unwrap();
            prop_assert_eq!(map.map.plane(0), column.plane(0));
            prop_assert_eq!(map.map.size, qk.grid);
            let name = "encoder_layer1.attention.affected".to_owned();
            let name = head.map_or(name.clone(), |head| format!("{name}.head{head}"));
            prop_assert_eq!(map.name, name);
            prop_assert_eq!(map.place.layer, 1);
            prop_assert!(column.values.iter().all(|&v| v <= map.range.1));
        }

        /// Fails when a click selects another token than the one under it, or selects one outside
        /// the network's region.
        #[test]
        fn a_point_finds_its_token(x in -10.0..40.0f64, y in -10.0..50.0f64) {
            // The region starts at pixel (100, 50): its first token covers pixels 0 to 7.
            let found = sample().token_at(Point::new(100.0 + x, 50.0 + y));
            let inside = (-0.5..23.5).contains(&x) && (-0.5..31.5).contains(&y);
            let (column, row) = (((x + 0.5) / 8.0).floor(), ((y + 0.5) / 8.0).floor());
            prop_assert_eq!(found, inside.then(|| row as usize * 3 + column as usize));
        }
    }

    /// Fails when an invalid token or head, or inconsistent data, causes a panic.
    #[test]
    fn invalid_tokens_and_heads_are_refused() {
        let threads = Threads::new(1).unwrap();
        let qk = sample();
        assert!(qk.dependency(12, None).is_err());
        assert!(qk.affected(0, Some(2), &threads).is_err());
        let cut = QueryKey {
            queries: vec![0.0; 5],
            ..sample()
        };
        assert!(cut.dependency(0, None).is_err());
        assert!(cut.affected(0, None, &threads).is_err());
    }
}

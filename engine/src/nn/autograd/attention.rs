//! Traced attention.

use candle_core::Result;

use super::{NONE, Traced, record};
use crate::nn::kernels::{self, Dropout, Heads, Nhwc};

/// Projected inputs of attention.
pub(in crate::nn) struct AttentionInputs {
    /// Queries and keys concatenated: twice the channels of `values`.
    pub(in crate::nn) query_keys: Traced,
    pub(in crate::nn) values: Traced,
    /// Number of heads.
    pub(in crate::nn) heads: usize,
}

fn heads<'a>(query_keys: &'a Nhwc, values: &'a Nhwc, count: usize) -> Heads<'a> {
    let d = values.c();
    Heads {
        queries: query_keys.channels(0, d),
        keys: query_keys.channels(d, d),
        values: values.view(),
        count,
    }
}

/// Returns the attention output of each token, before the output projection.
pub(in crate::nn) fn attend(from: &AttentionInputs, dropout: Option<Dropout>) -> Result<Traced> {
    let AttentionInputs {
        query_keys,
        values,
        heads: count,
    } = from;
    let count = *count;
    let [n, h, w, d] = values.map().dims();
    let mut y = values.map().buffers().map(n, h, w, d);
    kernels::attention(
        heads(query_keys.map(), values.map(), count),
        dropout,
        y.view_mut(),
        None,
        values.threads(),
    );
    let sources = [query_keys.source(), values.source()];
    record(y, &[query_keys, values], [None, None], move |_, grad, _| {
        let [query_keys, values] = &sources;
        let pool = grad.buffers();
        let [mut both, mut last] = [2 * d, d].map(|channels| pool.map(n, h, w, channels));
        kernels::attention_gradient(
            heads(query_keys.map(), values.map(), count),
            dropout,
            grad.view(),
            [&mut both, &mut last],
            query_keys.threads(),
        );
        query_keys.give_all(both);
        values.give_all(last);
        Ok(NONE)
    })
}

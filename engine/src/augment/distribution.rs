//! Distributions from which augmentations draw their random numbers.

use serde::{Deserialize, Serialize};

use super::Rng;
use crate::error::{Error, Result};

/// A distribution of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Distribution {
    /// A constant.
    Fixed {
        /// The constant value.
        value: f64,
    },
    /// Uniformly distributed from `low` to `high`.
    Uniform {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Uniformly distributed in the logarithm: halving is as likely as doubling. Both ends are
    /// above 0.
    LogUniform {
        /// Smallest value, > 0.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Normally distributed, clamped to `low`..=`high`.
    Normal {
        /// Mean before clamping.
        mean: f64,
        /// Standard deviation before clamping.
        std: f64,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
}

impl Distribution {
    /// Draws one number.
    pub fn sample(&self, rng: &mut Rng) -> f64 {
        match *self {
            Self::Fixed { value } => value,
            Self::Uniform { low, high } => rng.range(low, high),
            Self::LogUniform { low, high } => rng.range(low.ln(), high.ln()).exp(),
            Self::Normal {
                mean,
                std,
                low,
                high,
            } => (mean + std * rng.normals()[0]).clamp(low, high),
        }
    }

    /// Returns the smallest and largest value that can be drawn.
    pub fn range(&self) -> (f64, f64) {
        match *self {
            Self::Fixed { value } => (value, value),
            Self::Uniform { low, high }
            | Self::LogUniform { low, high }
            | Self::Normal { low, high, .. } => (low, high),
        }
    }

    /// Checks the range; `name` is the field's name for the error message.
    pub(super) fn check(&self, name: &str, at_least: f64, at_most: f64) -> Result<()> {
        let (low, high) = self.range();
        let positive = !matches!(self, Self::LogUniform { .. }) || low > 0.0;
        let spread = match *self {
            Self::Normal { mean, std, .. } => mean.is_finite() && std >= 0.0 && std.is_finite(),
            _ => true,
        };
        // Written so that a NaN fails.
        if low >= at_least && low <= high && high <= at_most && positive && spread {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "augmentation: `{name}` is {self:?}; it must lie in {at_least} to {at_most}, low before high"
        )))
    }
}

impl Default for Distribution {
    /// The factor that changes nothing.
    fn default() -> Self {
        Self::Fixed { value: 1.0 }
    }
}

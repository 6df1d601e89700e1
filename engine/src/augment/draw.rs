//! How a random number of an augmentation is drawn.

use serde::{Deserialize, Serialize};

use super::Rng;
use crate::error::{Error, Result};

/// A random number: how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Draw {
    /// Always `value`.
    Fixed {
        /// The value.
        value: f64,
    },
    /// Every value from `low` to `high` alike.
    Uniform {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Every ratio alike: halving is as likely as doubling. Both ends are above 0.
    LogUniform {
        /// Smallest value, > 0.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// A normal number, moved to the nearer end when it lies outside of `low` to `high`.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
}

impl Draw {
    /// One draw.
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

    /// Smallest and largest value that can come out.
    pub fn range(&self) -> (f64, f64) {
        match *self {
            Self::Fixed { value } => (value, value),
            Self::Uniform { low, high }
            | Self::LogUniform { low, high }
            | Self::Normal { low, high, .. } => (low, high),
        }
    }

    /// `name` is the field's, for the message.
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

impl Default for Draw {
    /// The factor that changes nothing.
    fn default() -> Self {
        Self::Fixed { value: 1.0 }
    }
}

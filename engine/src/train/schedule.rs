//! Learning-rate schedule, as a factor of the configured rate.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Shape of the schedule after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// Constant factor 1.
    Constant,
    /// Multiplied by a factor at every milestone.
    Step,
    /// Half a cosine from 1 to the final factor.
    Cosine,
}

impl Curve {
    /// Every curve, for the command line.
    pub const ALL: [Self; 3] = [Self::Constant, Self::Step, Self::Cosine];

    /// Returns `constant`, `step` or `cosine`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step => "step",
            Self::Cosine => "cosine",
        }
    }
}

/// Number of steps over which the rate rises linearly from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WarmUpText", into = "WarmUpText")]
pub enum WarmUp {
    /// [`Self::USUAL`] steps, but at most a tenth of the training, so that a short one reaches its
    /// rate as well.
    Auto,
    /// This number, whatever the length of the training.
    Steps(u64),
}

impl WarmUp {
    /// Number of steps in a training that is long enough.
    pub const USUAL: u64 = 20;
    /// Name of [`Self::Auto`] in files.
    pub const AUTO: &str = "auto";

    /// Returns the number of steps in a training of `all` steps.
    pub fn steps(self, all: u64) -> u64 {
        match self {
            Self::Auto => Self::USUAL.min(all / 10),
            Self::Steps(n) => n,
        }
    }
}

/// [`WarmUp`] in a file: a number or `auto`.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of steps or \"auto\"")]
enum WarmUpText {
    Steps(u64),
    Name(String),
}

impl TryFrom<WarmUpText> for WarmUp {
    type Error = String;

    fn try_from(text: WarmUpText) -> std::result::Result<Self, String> {
        match text {
            WarmUpText::Steps(n) => Ok(Self::Steps(n)),
            WarmUpText::Name(name) if name == Self::AUTO => Ok(Self::Auto),
            WarmUpText::Name(name) => Err(format!(
                "warm_up_steps is '{name}': give a number of steps or \"{}\"",
                Self::AUTO
            )),
        }
    }
}

impl From<WarmUp> for WarmUpText {
    fn from(warm_up: WarmUp) -> Self {
        match warm_up {
            WarmUp::Auto => Self::Name(WarmUp::AUTO.to_owned()),
            WarmUp::Steps(n) => Self::Steps(n),
        }
    }
}

/// Options of the schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Shape after warm-up.
    pub curve: Curve,
    /// Number of steps over which the rate rises linearly from 0: a number, or `auto` for 20, but at
    /// most a tenth of the training.
    pub warm_up_steps: WarmUp,
    /// [`Curve::Step`]: fractions of the total epochs at which the rate drops, each 0 to 1, rounded
    /// to whole epochs. Fractions apply to any number of epochs.
    pub milestones: Vec<f64>,
    /// [`Curve::Step`]: factor at each milestone.
    pub factor: f64,
    /// [`Curve::Cosine`]: factor at the end.
    pub end: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            curve: Curve::Cosine,
            warm_up_steps: WarmUp::Steps(0),
            milestones: vec![0.6, 0.87],
            factor: 0.1,
            end: 0.01,
        }
    }
}

impl Schedule {
    /// Validates the ranges of the options.
    ///
    /// # Errors
    /// When an option is out of range; the message names it.
    pub fn check(&self) -> Result<()> {
        let fault = |what: &str| Err(Error::Invalid(format!("schedule: {what}")));
        if !self.milestones.iter().all(|m| (0.0..=1.0).contains(m)) {
            return fault("milestones are shares of all epochs, 0 to 1");
        }
        let is_factor = |f: f64| (0.0..=1.0).contains(&f);
        if !is_factor(self.factor) || !is_factor(self.end) {
            return fault("factor and end must lie in 0 to 1");
        }
        Ok(())
    }

    /// Returns the factor for step `step` (from 0) of `epochs` epochs of `per_epoch` steps.
    pub fn factor_at(&self, step: u64, epochs: u64, per_epoch: u64) -> f64 {
        let warm_up = self.warm_up_steps.steps(epochs * per_epoch);
        let warm = if step < warm_up {
            (step + 1) as f64 / (warm_up + 1) as f64
        } else {
            1.0
        };
        let curve = match self.curve {
            Curve::Constant => 1.0,
            Curve::Step => {
                let epoch = (step / per_epoch.max(1)) as f64;
                let passed = |m: &&f64| epoch >= (*m * epochs as f64).round();
                let n = self.milestones.iter().filter(passed).count();
                self.factor.powi(n as i32)
            }
            Curve::Cosine => {
                let all = (epochs * per_epoch).max(1) as f64;
                let done = (step as f64 / all).min(1.0);
                self.end + (1.0 - self.end) * 0.5 * (1.0 + (PI * done).cos())
            }
        };
        warm * curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails when the published milestones (SFM: 180 and 260 of 300 epochs) are shifted, or the
    /// cosine's ends and middle are wrong.
    #[test]
    fn curves_follow_their_recipes() {
        let sfm = Schedule {
            curve: Curve::Step,
            milestones: vec![0.6, 260.0 / 300.0],
            ..Schedule::default()
        };
        let at = |epoch: u64| sfm.factor_at(epoch * 7 + 6, 300, 7);
        assert_eq!([0, 179, 180, 259].map(at), [1.0, 1.0, 0.1, 0.1]);
        assert!((at(260) - 0.01).abs() < 1e-12);
        let cosine = Schedule {
            end: 0.1,
            ..Schedule::default()
        };
        let at = |step| cosine.factor_at(step, 10, 10);
        assert_eq!(at(0), 1.0);
        assert!((at(50) - 0.55).abs() < 1e-12 && (at(100) - 0.1).abs() < 1e-12);
        assert_eq!(at(100), at(1000));
    }

    /// Fails when a misspelt or invalid schedule is accepted.
    #[test]
    fn mistakes_are_refused() {
        assert!(toml::from_str::<Schedule>("curve = 'cosin'").is_err());
        let error = toml::from_str::<Schedule>("warm_up_steps = 'all'").unwrap_err();
        assert!(error.to_string().contains("\"auto\""), "{error}");
        for text in ["milestones = [1.5]", "factor = -1.0", "end = nan"] {
            let schedule: Schedule = toml::from_str(text).unwrap();
            assert!(schedule.check().is_err(), "{text}");
        }
        Schedule::default().check().unwrap();
    }

    /// Fails when the default warm-up takes up a short training, a number is not taken as given, or
    /// either is lost in a file.
    #[test]
    fn the_warm_up_adapts_to_the_length_of_the_training() {
        let steps = [0, 9, 18, 200, 5000].map(|all| WarmUp::Auto.steps(all));
        assert_eq!(steps, [0, 0, 1, 20, 20]);
        assert_eq!(WarmUp::Steps(50).steps(18), 50);
        for (warm_up, text) in [
            (WarmUp::Auto, "warm_up_steps = \"auto\""),
            (WarmUp::Steps(7), "warm_up_steps = 7"),
        ] {
            let schedule = Schedule {
                warm_up_steps: warm_up,
                ..Schedule::default()
            };
            assert!(toml::to_string(&schedule).unwrap().contains(text));
            assert_eq!(toml::from_str::<Schedule>(text).unwrap(), schedule);
        }
        let schedule = Schedule {
            curve: Curve::Constant,
            warm_up_steps: WarmUp::Auto,
            ..Schedule::default()
        };
        assert_eq!(schedule.factor_at(1, 3, 6), 1.0);
    }

    proptest! {
        /// Fails when the factor leaves 0 to 1, rises after warm-up, or jumps during it.
        #[test]
        fn the_rate_rises_then_falls(
            warm in 0u64..20, epochs in 1u64..9, per_epoch in 1u64..30, curve in 0usize..3,
        ) {
            let schedule = Schedule {
                curve: Curve::ALL[curve],
                warm_up_steps: WarmUp::Steps(warm),
                ..Schedule::default()
            };
            let mut last = 0.0;
            for step in 0..epochs * per_epoch {
                let factor = schedule.factor_at(step, epochs, per_epoch);
                prop_assert!(factor > 0.0 && factor <= 1.0);
                if schedule.curve == Curve::Constant && step < warm {
                    prop_assert!(factor > last);
                }
                if step > warm {
                    prop_assert!(factor <= last + 1e-12);
                }
                last = factor;
            }
        }
    }
}

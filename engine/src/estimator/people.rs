//! How many people are estimated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Estimator, Infer, Network, Several};
use crate::error::{Error, Result};
use crate::output::Approach;

/// Which people a top-down network estimates. A bottom-up network always estimates all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum People {
    /// One person, found and followed by the network itself.
    #[default]
    One,
    /// All people, found by a bottom-up network.
    Several {
        /// Maximum number of people whose regions the top-down network processes in each frame; the
        /// others keep the poses of the bottom-up network.
        most: usize,
    },
}

impl People {
    /// Several people, with the default maximum.
    pub const SEVERAL: Self = Self::Several { most: 8 };

    /// Largest maximum.
    pub const MOST: usize = 100;
}

impl People {
    /// Returns an estimator of these people with a network; `smooth` enables temporal smoothing of the
    /// joints. A bottom-up network finds all people itself.
    ///
    /// # Errors
    /// When the network that finds several people cannot be loaded.
    pub fn estimator(self, network: Network, smooth: bool) -> Result<Box<dyn Infer>> {
        Ok(match (self, network.spec.approach) {
            (Self::Several { most }, Approach::TopDown) => {
                Box::new(Several::new(network, most, smooth)?)
            }
            _ => Box::new(Estimator::new(network, smooth)),
        })
    }
}

impl FromStr for People {
    type Err = Error;

    /// Parses `one`, `several` or `several:N`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "one" => return Ok(Self::One),
            "several" => return Ok(Self::SEVERAL),
            _ => {}
        }
        let most = text.strip_prefix("several:").map(str::parse);
        match most {
            Some(Ok(most)) if (1..=Self::MOST).contains(&most) => Ok(Self::Several { most }),
            _ => Err(Error::Invalid(format!(
                "one, several or several:N with N from 1 to {}",
                Self::MOST
            ))),
        }
    }
}

impl fmt::Display for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => write!(f, "one"),
            &people if people == Self::SEVERAL => write!(f, "several"),
            Self::Several { most } => write!(f, "several:{most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a printed choice is not read back, or a wrong one is accepted.
    #[test]
    fn choices_are_read_as_printed() {
        for text in ["one", "several", "several:1", "several:100"] {
            assert_eq!(text.parse::<People>().unwrap().to_string(), text);
        }
        assert_eq!("several:8".parse::<People>().unwrap(), People::SEVERAL);
        for text in [
            "",
            "two",
            "several:",
            "several:0",
            "several:101",
            "several:-1",
            "one:1",
        ] {
            assert!(text.parse::<People>().is_err(), "{text}");
        }
    }
}

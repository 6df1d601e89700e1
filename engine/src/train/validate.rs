//! How good weights are: the live path (crop, network, decoding) on labelled people.

use crate::dataset::{Dataset, picture};
use crate::error::{Error, Result};
use crate::estimator::{Network, NetworkOptions, Want};
use crate::eval::{EvalOptions, evaluate};
use crate::frame::Frame;
use crate::model::{Card, Weights};
use crate::output::Timings;
use crate::skeleton::Skeleton;

/// What was measured; `None` where the labels do not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// PCK@0.2.
    pub pck: Option<f64>,
    /// COCO average precision.
    pub oks_ap: Option<f64>,
}

/// The people measured on, their joints named by the network's skeleton.
#[derive(Debug)]
pub struct Validation {
    dataset: Dataset,
}

impl Validation {
    /// Measures on `dataset`.
    ///
    /// # Errors
    /// When its joints have no names in `skeleton`.
    pub fn new(dataset: &Dataset, skeleton: &'static Skeleton) -> Result<Self> {
        let renamed = dataset.renamed_to(skeleton).ok_or_else(|| {
            Error::Invalid(format!(
                "the joints of the validation set ({}) cannot be renamed to {}",
                dataset.skeleton.name, skeleton.name
            ))
        })?;
        Ok(Self { dataset: renamed })
    }

    /// Measures `weights`, used as `card` says. A picture that cannot be read is an error: a
    /// number over fewer people would not be comparable.
    ///
    /// # Errors
    /// When the network, its device or a picture fails.
    pub fn measure(
        &self,
        options: &NetworkOptions,
        card: &Card,
        weights: &Weights,
    ) -> Result<Measured> {
        let mut network = Network::with_card(options, card.clone(), weights)?;
        let eval = EvalOptions::new(*network.input());
        let mut current: Option<Frame> = None;
        let (skeleton, samples) = (self.dataset.skeleton, &self.dataset.samples);
        let report = evaluate(skeleton, samples, &eval, &mut |sample, roi| {
            let frame = match current.take() {
                Some(frame) if frame.id == sample.image_id => frame,
                _ => picture::read(&sample.path, sample.image_id)?,
            };
            let look = network.look(&frame, roi, Want::default(), &mut Timings::default())?;
            current = Some(frame);
            Ok(look.people.into_iter().next().unwrap_or_default())
        })?;
        Ok(Measured {
            pck: report.pck.and_then(|pck| pck.mean),
            oks_ap: report.oks.and_then(|oks| oks.ap),
        })
    }
}

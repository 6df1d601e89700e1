//! The images of an evaluation.

use std::collections::HashSet;

use anyhow::anyhow;
use poselens_engine::dataset::{Dataset, Unreadable, picture};
use poselens_engine::estimator::{Network, People};
use poselens_engine::eval::{EvalOptions, check_people};
use poselens_engine::frame::Frame;
use poselens_engine::output::Approach;
use poselens_engine::sample::{LeftOut, Sample};

use super::EvalArgs;

impl EvalArgs {
    /// Returns whether the evaluation looks at an image.
    fn is_needed(
        &self,
        network: &Network,
        options: &EvalOptions,
    ) -> impl Fn(&Sample) -> bool + Sync + use<> {
        let is_for_all = self.people.is_some_and(|people| people != People::One)
            || network.spec().approach == Approach::BottomUp;
        let boxes = options.boxes.iter().flatten();
        let boxed: HashSet<u64> = boxes.map(|detected| detected.image_id).collect();
        move |sample| {
            is_for_all || !sample.annotations.is_empty() || boxed.contains(&sample.image_id)
        }
    }

    /// Refuses labels of which an image is missing that the evaluation needs: the figures would be those
    /// of other people.
    pub(super) fn require_pictures(
        &self,
        network: &Network,
        options: &EvalOptions,
        dataset: &Dataset,
    ) -> anyhow::Result<()> {
        let is_needed = self.is_needed(network, options);
        Ok(dataset.require_all_pictures(&self.folder(), is_needed)?)
    }

    /// Leaves out the images that cannot be read: found halfway, one would end the evaluation.
    pub(super) fn leave_out_unreadable(
        &self,
        network: &Network,
        options: &EvalOptions,
        dataset: &mut Dataset,
    ) -> anyhow::Result<Unreadable> {
        let unreadable = dataset.leave_out_unreadable(self.is_needed(network, options));
        let Some(text) = unreadable.text() else {
            return Ok(unreadable);
        };
        // The reasons why others are left out have been counted before.
        if check_people(&dataset.samples, &mut LeftOut::default()).is_err() {
            return Err(anyhow!("{}: {text}", self.annotations.display()));
        }
        Ok(unreadable)
    }
}

/// Cache of the current sample's image: several people in one image read it once.
#[derive(Default)]
pub(super) struct Pictures {
    current: Option<(u64, Frame)>,
    pub(super) n_read: u64,
}

impl Pictures {
    pub(super) fn frame(&mut self, sample: &Sample) -> poselens_engine::Result<Frame> {
        if let Some((id, frame)) = &self.current
            && *id == sample.image_id
        {
            return Ok(frame.clone());
        }
        let frame = picture::of_sample(sample)?;
        self.n_read += 1;
        self.current = Some((sample.image_id, frame.clone()));
        Ok(frame)
    }
}

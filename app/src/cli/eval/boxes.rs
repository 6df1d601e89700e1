//! `eval --boxes`: the boxes in which people are looked for.

use std::path::Path;

use poselens_engine::dataset::{Dataset, coco};
use poselens_engine::estimator::Network;
use poselens_engine::eval::EvalOptions;
use poselens_engine::words::are;

use super::EvalArgs;

impl EvalArgs {
    /// Returns the options of the evaluation, and how many of a detector's boxes are not used. What is
    /// to be said about the boxes is noted with the labels.
    pub(super) fn options(
        &self,
        network: &Network,
        dataset: &mut Dataset,
    ) -> anyhow::Result<(EvalOptions, usize)> {
        let mut options = EvalOptions::new(*network.input());
        options.pck_threshold = self.pck_thr;
        options.pckh_threshold = self.pckh_thr;
        if self.boxes == "gt" {
            return Ok((options, 0));
        }
        let found = coco::read_boxes(Path::new(&self.boxes), dataset)?;
        let n_left_out = found.n_left_out();
        let mut notes = found.notes;
        if n_left_out > 0 {
            notes.push(format!(
                "{} used, {} of other categories, {} of other images and {} without a position, width \
                 and height are not",
                are(found.boxes.len(), "box"),
                found.of_other_categories,
                found.of_other_pictures,
                found.unusable
            ));
        }
        for note in notes {
            let note = format!("{}: {note}", self.boxes);
            tracing::warn!("{note}");
            dataset.notes.push(note);
        }
        options.boxes = Some(found.boxes);
        Ok((options, n_left_out))
    }
}

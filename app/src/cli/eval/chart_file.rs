//! The file of the chart.

use std::path::Path;

use poselens_engine::sample::Sample;

use super::EvalArgs;
use crate::cli::targets::Targets;

impl EvalArgs {
    /// Refuses a chart that would replace an input.
    pub(super) fn check_plot(&self, samples: &[Sample]) -> anyhow::Result<()> {
        let Some(plot) = &self.plot else {
            return Ok(());
        };
        let mut targets = Targets::default();
        targets.input(&self.annotations);
        let images = samples.iter().map(|sample| &sample.path);
        targets.inputs(images.filter(|path| path.file_name() == plot.file_name()));
        targets.inputs(&self.network.weights);
        if self.boxes != "gt" {
            targets.input(Path::new(&self.boxes));
        }
        targets.output(plot)
    }
}

//! Evaluates the network in use on the held-out people of a training.

use std::path::Path;

use poselens_engine::train::{BaselineResults, Hardware, TrainConfig};

use crate::gui::trained;
use crate::gui::training::control::TrainControl;
use crate::gui::training::shared::SharedProgress;

/// Environment of a training.
pub(super) struct AtWork<'a> {
    /// Folder of the training.
    pub folder: &'a Path,
    /// Hardware it runs on.
    pub hardware: Hardware,
    /// Name of the network that the window uses, as in the list.
    pub in_use: Option<String>,
}

/// Evaluates the network in use on the same held-out people, once per training, as the baseline of
/// the comparison. A failure does not stop the training.
pub(super) fn measure_in_use(
    at_work: &AtWork<'_>,
    config: &TrainConfig,
    control: &TrainControl,
    shared: &SharedProgress,
) {
    let known = shared
        .newer(0)
        .is_some_and(|(progress, _)| progress.in_use.is_some());
    let (Some(name), Some(_), false) = (&at_work.in_use, &config.validation, known) else {
        return;
    };
    let ((row, weights), title) = (trained::split(name), trained::title(name));
    shared.update(true, |progress| {
        progress.say(format!("Measuring {title}, the network in use"));
    });
    let stop = control.flag();
    let network = (title.as_str(), row);
    let measured =
        BaselineResults::measure(config, network, weights.as_deref(), at_work.hardware, &stop);
    let measured = measured.and_then(|measured| {
        if let Some(in_use) = &measured {
            in_use.write(at_work.folder)?;
        }
        Ok(measured)
    });
    match measured {
        Ok(Some(in_use)) => shared.update(true, |progress| progress.compare_with(in_use)),
        Ok(None) => {}
        Err(error) => shared.update(true, |progress| {
            progress.say(format!("{title} could not be measured: {error}"));
        }),
    }
}

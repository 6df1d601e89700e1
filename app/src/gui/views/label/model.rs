//! The model that finds people for the Label view.

use poselens_engine::Result;
use poselens_engine::estimator::Infer;

use crate::gui::context::MakeByName;

/// A model to build, on one of the devices.
#[derive(Clone)]
pub(super) struct Model {
    pub make: MakeByName,
    pub name: String,
    /// Index of the device that `make` builds on.
    pub device: usize,
}

/// A model that is kept for the next person.
pub(super) struct Loaded {
    name: String,
    device: usize,
    pub infer: Box<dyn Infer>,
}

impl Loaded {
    pub(super) fn new(model: &Model) -> Result<Self> {
        Ok(Self {
            name: model.name.clone(),
            device: model.device,
            infer: (model.make)(&model.name)?,
        })
    }

    pub(super) fn is_of(&self, model: &Model) -> bool {
        (&self.name, self.device) == (&model.name, model.device)
    }
}

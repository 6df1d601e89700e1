//! Actions of the Inspect view.

use poselens_shaders::view::Zoom;

use crate::gui::context::SourceChoice;
use crate::gui::state::inspect::{Choices, Pick};

/// Export formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The image with its overlays; compared models side by side.
    Png,
    /// All output tensors, one file per model.
    Safetensors,
    /// All output tensors as a folder of NumPy files.
    Npy,
}

impl Form {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Png, Self::Safetensors, Self::Npy];

    /// Returns the button label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
        }
    }
}

/// An action of the Inspect view.
#[derive(Debug, Clone, PartialEq)]
pub enum InspectAction {
    /// Switch to this view, or back to the live view.
    InOrOut,
    /// Open this file.
    Open(SourceChoice),
    /// Show a dialog for a folder of images or of a recording.
    OpenFolder,
    /// Go to this frame of the file.
    Seek(usize),
    /// Move by this many frames; negative values go back.
    Step(i64),
    /// Set the model of slot 0 or 1; `None` empties the slot.
    Model(usize, Option<String>),
    /// Keep this frame and its prediction in slot 1 for comparison with later frames.
    Keep,
    /// Compare with the stored frame (`true`), or forget it.
    Stored(bool),
    /// Select the joint or pixel whose maps are shown.
    Pick(Option<Pick>),
    /// Restore the previous pick.
    Unpick,
    /// Set zoom and position of the image.
    Zoom(Zoom),
    /// Set what is shown of the network.
    Choose(Box<Choices>),
    /// Move by this many maps or layers in the list.
    Next(isize),
    /// Write files in this format.
    Export(Form),
}

impl InspectAction {
    /// Returns whether the action moves by a step.
    pub(in crate::gui) const fn is_step(&self) -> bool {
        matches!(self, Self::Step(_) | Self::Next(_))
    }
}

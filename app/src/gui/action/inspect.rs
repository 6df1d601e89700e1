//! Actions of the Inspect view.

use poselens_engine::record::tracks::TrackEdit;
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

/// Frames in which tracks are corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackRange {
    /// From the inspected frame to the end.
    FromHere,
    /// All frames.
    Whole,
    /// From one frame to another, by their numbers.
    Between(u64, u64),
}

/// An action on the recorded people.
#[derive(Debug, Clone, PartialEq)]
pub enum TracksAction {
    /// Draw recorded people instead of predicted ones, or not.
    Show(bool),
    /// Choose this track, or drop it if it is chosen.
    Choose(u64),
    /// Set the frames of edits.
    Range(TrackRange),
    /// Correct tracks.
    Edit(TrackEdit),
    /// Undo the last edit.
    Undo,
    /// Redo the edit that was undone last.
    Redo,
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
    /// An action on the recorded people.
    Tracks(TracksAction),
}

impl InspectAction {
    /// Returns whether the action moves by a step.
    pub(in crate::gui) const fn is_step(&self) -> bool {
        matches!(
            self,
            Self::Step(_) | Self::Next(_) | Self::Tracks(TracksAction::Undo | TracksAction::Redo)
        )
    }
}

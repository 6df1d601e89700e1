//! What the user asks of the Inspect view.

use poselens_shaders::view::Zoom;

use crate::gui::context::SourceChoice;
use crate::gui::state::inspect::{Choices, Pick};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The picture with what lies over it; models side by side.
    Png,
    /// Every tensor of the answer, one file a model.
    Safetensors,
    /// The same as a folder of NumPy files.
    Npy,
}

impl Form {
    /// All.
    pub const ALL: [Self; 3] = [Self::Png, Self::Safetensors, Self::Npy];

    /// What its button says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
        }
    }
}

/// What the user does in this view.
#[derive(Debug, Clone, PartialEq)]
pub enum InspectAction {
    /// Change to this view, or back to the live picture.
    InOrOut,
    /// Look at this file's frames.
    Open(SourceChoice),
    /// Ask for a folder of pictures or of a recording.
    OpenFolder,
    /// Go to this frame of the file.
    Seek(usize),
    /// Go so many frames on.
    Step(i64),
    /// Let this model look at place 0 or 1; `None` leaves the place empty.
    Model(usize, Option<String>),
    /// Keep this frame and its answer at place 1, to compare later frames with it.
    Keep,
    /// Ask about this.
    Pick(Option<Pick>),
    /// Ask again about what was asked about before the last pick.
    Unpick,
    /// Look at this part of the picture.
    Zoom(Zoom),
    /// See this of the network.
    Choose(Box<Choices>),
    /// See the map or layer so many further.
    Next(isize),
    /// Write files.
    Export(Form),
}

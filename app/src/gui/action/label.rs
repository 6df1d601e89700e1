//! Actions of the Label view.

use std::path::PathBuf;

use poselens_engine::geometry::{Affine2, Point};
use poselens_engine::project::FrameKey;
use poselens_shaders::view::Zoom;

use crate::gui::action::finetune::FinetuneAction;
use crate::gui::state::label::Listed;

/// Formats of labels for other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFormat {
    /// COCO keypoints.
    Coco,
    /// A table of DeepLabCut.
    Dlc,
}

/// Dialogs of the Label view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The folder of a project.
    Project,
    /// A video to be labelled.
    Clip,
    /// A folder of images, or of a recording, to be labelled.
    ClipFolder,
    /// A file of labels to import.
    Import,
    /// The file to which labels are exported.
    Export(LabelFormat),
}

/// Pages of the Label view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Frames with their labels.
    #[default]
    Label,
    /// Training on them, and what it has achieved.
    Train,
}

/// A frame of a file that another view shows.
#[derive(Debug, Clone, PartialEq)]
pub struct FramePlace {
    /// Source text of the file.
    pub spec: String,
    /// Time of the frame in seconds.
    pub secs: f64,
}

/// The picked person, and the picked joint of that person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Id of the person.
    pub person: u64,
    /// Index of the joint.
    pub joint: Option<usize>,
}

/// A change that is shown as a preview before it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Held {
    /// A joint is dragged to a position in image pixels.
    Joint {
        /// Id of the person.
        person: u64,
        /// Index of the joint.
        joint: usize,
        /// Where it is now.
        to: Point,
    },
    /// A person is moved, turned or scaled.
    Person {
        /// Id of the person.
        person: u64,
        /// Maps labelled to displayed positions.
        by: Affine2,
    },
}

/// A change of the picked person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PersonChange {
    /// Move by x and y in pixels.
    Move(f64, f64),
    /// Turn about the middle, clockwise, in degrees.
    Turn(f64),
    /// Enlarge about the middle by this factor.
    Scale(f64),
    /// Exchange left and right.
    Swap,
    /// Delete.
    Delete,
    /// Accept, or withdraw the acceptance.
    Confirm,
}

/// An action of the Label view.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelAction {
    /// Show a dialog.
    Ask(Ask),
    /// Open the project in this folder.
    Open(PathBuf),
    /// Call the project by this name; its folder keeps its own.
    Rename(String),
    /// Clear the list of recent projects.
    ForgetRecent,
    /// Close the project.
    Close,
    /// Open the project in a folder. Any other file or folder becomes a clip of the project; without
    /// one, of a new project.
    OpenPaths(Vec<PathBuf>),
    /// Import labels or predictions from this file, as proposals.
    Import(PathBuf),
    /// Export the confirmed labels to this file.
    Export(LabelFormat, PathBuf),
    /// Add the frame shown in another view to the project; `None` means that of the live view.
    AddFrame(Option<FramePlace>),
    /// Move by this many frames; negative values go back.
    Step(i64),
    /// Go to this frame of the clip.
    Seek(u32),
    /// Go to the first frame of the clip with this id.
    ShowClip(u32),
    /// Go to this frame.
    ShowFrame(FrameKey),
    /// Go to the next (1) or previous (-1) suggested frame.
    NextSuggested(i8),
    /// List other frames.
    List(Listed),
    /// Rows of the list that are visible: the first one and their number.
    Rows(usize, usize),
    /// Pick a person or joint.
    Pick(Option<Pick>),
    /// Pick the next (1) or previous (-1) joint of the picked person.
    NextJoint(i8),
    /// Pick the next (1) or previous (-1) person.
    NextPerson(i8),
    /// This frame is drawn.
    Drawn(FrameKey),
    /// Show a change that is not made yet.
    Hold(Held),
    /// Make the change that is shown.
    Release,
    /// Place a joint.
    Place(Pick, Point),
    /// Move the picked joint by x and y in pixels; without one, go back or forward by a frame.
    Nudge(f64, f64),
    /// Make a joint visible, occluded or absent in turn; `None` means the picked one.
    Cycle(Option<Pick>),
    /// Change the picked person.
    Person(PersonChange),
    /// Add the person that the model finds at the pointer, else in the middle of the visible part;
    /// if it finds none, a template.
    AddPerson,
    /// The pointer is over this point of the image; `None` if it is elsewhere.
    Point(Option<Point>),
    /// Copy the people of the previous labelled frame.
    Copy,
    /// Fill in the frames between two confirmed ones.
    Fill,
    /// Accept all people in the frame; `true` goes on to the next suggested frame.
    Accept(bool),
    /// Undo the last edit.
    Undo,
    /// Redo the edit that was undone last.
    Redo,
    /// Suggest frames.
    Suggest,
    /// Cancel the search for frames.
    CancelSuggest,
    /// Copy the shown clip into the folder of the project.
    CopyClip,
    /// Cancel the copy.
    CancelCopy,
    /// Set zoom and position of the image.
    Zoom(Zoom),
    /// Show a page.
    Page(Page),
    /// An action of the page Train.
    Finetune(FinetuneAction),
}

impl LabelAction {
    /// Returns whether the action moves by a step.
    pub(in crate::gui) const fn is_step(&self) -> bool {
        matches!(
            self,
            Self::Step(_)
                | Self::NextSuggested(_)
                | Self::NextJoint(_)
                | Self::NextPerson(_)
                | Self::Nudge(..)
                | Self::Person(
                    PersonChange::Move(..) | PersonChange::Turn(_) | PersonChange::Scale(_)
                )
                | Self::Undo
                | Self::Redo
        )
    }
}

//! Labels and help texts of options that exist on the command line and in the window. `--help`
//! prints the help text, the window shows it as a tooltip.

/// Texts of an option.
#[derive(Debug)]
pub(crate) struct OptionText {
    /// Label of its control in the window.
    pub label: &'static str,
    /// Meaning, without a full stop. The command line may append the form of its values.
    pub help: &'static str,
}

impl OptionText {
    const fn new(label: &'static str, help: &'static str) -> Self {
        Self { label, help }
    }

    /// Returns the help text with an addition, such as the form of the values.
    pub(crate) fn help_and(&self, more: impl std::fmt::Display) -> String {
        format!("{}{more}", self.help)
    }
}

/// Joints that are not drawn.
pub(crate) const THRESHOLD: OptionText = OptionText::new(
    "Threshold",
    "Hide joints whose score is below this threshold (0 to 1)",
);

/// Formats of labels.
pub(crate) const LABELS: &str = "COCO keypoints, Label Studio JSON, MPII, LSP or a clip folder";

/// Default of the folder of labelled images.
pub(crate) const IMAGES: &str =
    "default: 'images' next to the labels, else the folder of the labels";

/// Options of a training.
pub(crate) mod train {
    use super::OptionText;

    pub(crate) const MODEL: OptionText = OptionText::new("Model", "Model to train");
    pub(crate) const INIT: OptionText = OptionText::new(
        "Start from",
        "Initial weights: bundled weights already find people and are fine-tuned; random weights \
         need tens of thousands of labelled people and many hours",
    );
    pub(crate) const FREEZE: OptionText = OptionText::new(
        "Freeze the backbone",
        "With a frozen backbone only the last part of the network is trained: fast, little is \
         forgotten, suits a few hundred images",
    );
    pub(crate) const PART: OptionText = OptionText::new(
        "Trained part",
        "Trained part of the network: the head alone, on features that are computed once (default), \
         the last blocks as well, or all of it",
    );
    pub(crate) const EFFORT: OptionText = OptionText::new(
        "Effort",
        "Length of the training: quick for a first look, normal (default), thorough for many frames",
    );
    pub(crate) const REPLAY: OptionText = OptionText::new(
        "Replay",
        "Share of the inputs that show unlabelled frames with the old network's predictions, so \
         that it keeps what it knew (0 to 0.9, default 0.3)",
    );
    pub(crate) const RECIPE: OptionText = OptionText::new(
        "Recipe",
        "Preset of all hyperparameters, as published or for fine-tuning",
    );
    pub(crate) const OUT: OptionText = OptionText::new(
        "Output folder",
        "Output folder for weights, card, checkpoint, options and metrics (log.csv)",
    );
    pub(crate) const EPOCHS: OptionText =
        OptionText::new("Epochs", "Number of passes over the training data");
    pub(crate) const BATCH_SIZE: OptionText = OptionText::new(
        "Batch size",
        "People per step; more give steadier gradients and need more memory",
    );
    pub(crate) const LR: OptionText = OptionText::new(
        "Learning rate",
        "Learning rate before the schedule; if too high, the loss diverges; if too low, nothing \
         changes",
    );
    pub(crate) const OPTIMIZER: OptionText =
        OptionText::new("Optimizer", "Algorithm that updates the weights");
    pub(crate) const SCHEDULE: OptionText = OptionText::new(
        "Schedule",
        "Learning rate schedule: constant, falling in steps, or along a cosine",
    );
    pub(crate) const INPUT_SIZE: OptionText = OptionText::new(
        "Input size",
        "Input size of the network in pixels; smaller is faster, larger is more precise",
    );
    pub(crate) const SEED: OptionText = OptionText::new(
        "Seed",
        "Seed for shuffling, augmentation, dropout and random initialisation: the same seed gives \
         the same training",
    );
}

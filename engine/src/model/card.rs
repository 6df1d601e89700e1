//! Model cards: input, outputs and provenance of a network's weights.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BuildOptions, ModelSpec, sha256_of_file};
use crate::error::{Error, Result};
use crate::geometry::{Alignment, Size};
use crate::skeleton::Skeleton;

/// A model card, `assets/models/*.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Name of the architecture.
    pub model: String,
    /// Citation of the publication.
    pub paper: String,
    /// Licence of the weights and of the original code, in one sentence.
    pub license: String,
    /// How to obtain weights if none are bundled.
    pub weights: Option<String>,
    /// SHA-256 of the weights file, lower-case hex.
    pub sha256: Option<String>,
    /// Name of the skeleton the weights were trained for.
    pub skeleton: String,
    /// Size, normalisation and cropping of the input.
    pub input: InputCard,
    /// Resolution and decoding of the heatmaps.
    pub heatmap: HeatmapCard,
    /// Score thresholds for people; if not measured, the tracker's defaults apply.
    pub evidence: Option<EvidenceCard>,
    /// How the weights were trained.
    pub training: Option<String>,
    /// Training data of the weights.
    pub data: Option<String>,
    /// Measured accuracy, free form.
    #[serde(default)]
    pub figures: toml::Table,
    /// Provenance of imported weights.
    pub origin: Option<OriginCard>,
}

/// Provenance of imported weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCard {
    /// Name of the source file.
    pub file: String,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    /// Name and version of the importing program.
    pub tool: String,
}

/// Input of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputCard {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Mean of `value / 255` per channel, RGB.
    pub mean: [f32; 3],
    /// Standard deviation of `value / 255` per channel, RGB.
    pub std: [f32; 3],
    /// Pixel convention of crop and heatmap.
    pub alignment: Alignment,
    /// Ratio of the crop's side to that of the person's box.
    pub padding: f64,
    /// Colour outside the image, RGB.
    pub border: [u8; 3],
}

/// Heatmaps of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatmapCard {
    /// Input pixels per heatmap pixel.
    pub stride: usize,
    /// Standard deviation of the training target in heatmap pixels.
    pub sigma: f64,
    /// Name of the codec that decodes them.
    pub decode: String,
}

/// Score thresholds of a tracker for these weights. Evidence is the mean score of the better half
/// of a pose's joints. Fine-tuned weights keep the thresholds of their initial weights as the best
/// guess; for imported weights and those trained from scratch they are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvidenceCard {
    /// Minimum evidence for a pose to start a new person.
    pub start: f64,
    /// Minimum mean evidence for a person to be kept.
    pub keep: f64,
}

impl Card {
    /// Maximum size of a card file in bytes: cards are a few kilobytes.
    const MAX_BYTES: u64 = 1 << 20;

    /// Returns the path of the card of the weights file `weights`.
    pub fn path_beside(weights: &Path) -> PathBuf {
        weights.with_extension("toml")
    }

    /// Reads the card next to a weights file: the one of its name, otherwise `card.toml`, which a
    /// training run writes for all weights of its folder; `None` if neither exists.
    ///
    /// # Errors
    /// When it cannot be read, is not a card, or belongs to another model or another file.
    pub fn beside(weights: &Path, spec: &ModelSpec) -> Result<Option<Self>> {
        let paths = [
            Self::path_beside(weights),
            weights.with_file_name(Self::FILE),
        ];
        let mut found = None;
        for path in paths {
            match std::fs::metadata(&path) {
                Ok(meta) => {
                    found = Some((path, meta.len()));
                    break;
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("open", &path)(e)),
            }
        }
        let Some((path, size)) = found else {
            return Ok(None);
        };
        if size > Self::MAX_BYTES {
            return Err(Error::data(&path, "too large for a model card"));
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let card = Self::parse(spec.name, &text).map_err(|e| Error::data(&path, e.to_string()))?;
        // Models that differ only in their configuration share one card.
        if card.model != spec.name && card.model != spec.card()?.model {
            let reason = format!("the card of {}, not of {}", card.model, spec.name);
            return Err(Error::data(&path, reason));
        }
        let sides = [card.input.width, card.input.height];
        if sides
            .iter()
            .any(|&n| n == 0 || n > 4096 || n % spec.unit != 0)
        {
            let (input, unit) = (card.input_size(), spec.unit);
            let reason = format!("input is {input}; sides are multiples of {unit} up to 4096");
            return Err(Error::data(&path, reason));
        }
        if let Some(wanted) = &card.sha256
            && sha256_of_file(weights)? != *wanted
        {
            let file = weights.display();
            let reason = format!("not the card of {file}: its SHA-256 differs; remove the card");
            return Err(Error::data(&path, reason));
        }
        Ok(Some(card))
    }

    /// Parses a card and checks that its skeleton exists.
    ///
    /// # Errors
    /// When the card is invalid; the message names the model and the field.
    pub fn parse(model: &str, text: &str) -> Result<Self> {
        let fault = |reason: String| Error::Invalid(format!("model card of {model}: {reason}"));
        let card: Self = toml::from_str(text).map_err(|e| fault(e.message().to_owned()))?;
        card.skeleton().map_err(|e| fault(e.to_string()))?;
        Ok(card)
    }

    /// File name of the card in a folder of weights.
    pub const FILE: &'static str = "card.toml";

    /// Returns the input size in pixels.
    pub fn input_size(&self) -> Size {
        Size::new(self.input.width, self.input.height)
    }

    /// Returns the options to build the network that the card describes.
    ///
    /// # Errors
    /// When no skeleton has the card's name.
    pub fn build_options(&self) -> Result<BuildOptions> {
        let skeleton = self.skeleton()?;
        Ok(BuildOptions {
            n_joints: skeleton.n_joints(),
            n_limbs: skeleton.limbs.len(),
            input: self.input_size(),
        })
    }

    /// Returns the skeleton of the card.
    ///
    /// # Errors
    /// When no skeleton has the card's name.
    pub fn skeleton(&self) -> Result<&'static Skeleton> {
        Skeleton::by_name(&self.skeleton)
            .ok_or_else(|| Error::Invalid(format!("no skeleton is called '{}'", self.skeleton)))
    }
}

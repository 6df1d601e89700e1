//! Options shared by several commands.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};
use poselens_engine::Result;
use poselens_engine::codec::CODECS;
use poselens_engine::estimator::{Infer, Network, NetworkOptions, People};
use poselens_engine::model::{MODELS, Weights, model};
use poselens_engine::output::Approach;
use poselens_engine::overlay::OVERLAYS;
use poselens_engine::sample::Orientation;
use poselens_engine::track::{Follow, Selection};

use super::{Common, wrong_usage};

/// Which network.
#[derive(Debug, Clone, clap::Args)]
pub struct NetworkArgs {
    /// Model
    #[arg(long, default_value = MODELS[0].name, value_parser = model_names())]
    pub model: String,
    /// Weights file (safetensors) to use instead of the bundled weights
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
}

impl Default for NetworkArgs {
    fn default() -> Self {
        Self {
            model: MODELS[0].name.to_owned(),
            weights: None,
        }
    }
}

impl NetworkArgs {
    /// Loads the network; `codec` replaces the card's codec if given.
    pub fn load(&self, common: &Common, codec: Option<&str>) -> Result<Network> {
        Network::load(&self.options(common, codec)?)
    }

    /// Loads the network for a speed measurement, and returns whether its weights are random
    /// because none are given or bundled.
    pub fn load_or_make_up(&self, common: &Common) -> Result<(Network, bool)> {
        let options = self.options(common, None)?;
        let spec = options.model;
        if options.weights.is_some() || spec.bundled.is_some() {
            return Ok((Network::load(&options)?, false));
        }
        let shapes = spec.shapes(&spec.card()?.build_options()?)?;
        let weights = Weights::random(&shapes, 1)?;
        Ok((Network::with_weights(&options, &weights)?, true))
    }

    fn options(&self, common: &Common, codec: Option<&str>) -> Result<NetworkOptions> {
        Ok(NetworkOptions {
            model: model(&self.model)?,
            weights: self.weights.clone(),
            device: common.device,
            codec: codec.map(str::to_owned),
            threads: common.n_threads(),
        })
    }
}

/// Which people.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct PeopleArgs {
    /// One person, or all: found by ssa-sfm-2, up to N of them (default 8) examined closely by the
    /// model; default: one, and all with a model for several people
    #[arg(long, value_name = "one|several[:N]", value_parser = People::from_str)]
    pub people: Option<People>,
    /// Output only this person: a track id, or the nearest to the image's centre or the largest when
    /// first seen
    #[arg(long, value_name = "ID|nearest|largest", value_parser = Follow::from_str)]
    pub follow: Option<Follow>,
}

impl PeopleArgs {
    /// Returns an estimator of these people.
    pub(super) fn estimator(
        &self,
        network: Network,
        smooth: bool,
    ) -> anyhow::Result<Box<dyn Infer>> {
        let spec = network.spec();
        if spec.approach == Approach::BottomUp && self.people == Some(People::One) {
            return wrong_usage(format!(
                "{} always finds all people; --follow largest outputs one of them",
                spec.name
            ));
        }
        let mut estimator = self.people.unwrap_or_default().estimator(network, smooth)?;
        estimator.set_selection(&Selection {
            follow: self.follow,
            ..Selection::default()
        });
        Ok(estimator)
    }
}

/// Returns a parser of model names.
pub(super) fn model_names() -> PossibleValuesParser {
    PossibleValuesParser::new(MODELS.iter().map(|m| m.name))
}

/// Returns a parser of codec names.
pub(super) fn codec_names() -> PossibleValuesParser {
    PossibleValuesParser::new(CODECS.iter().map(|c| c.name))
}

/// Returns a parser of overlay names.
pub(super) fn overlay_names() -> PossibleValuesParser {
    PossibleValuesParser::new(OVERLAYS.iter().map(|o| o.name))
}

/// Returns a parser of names of files that are written in one format only; `refusal` is the error for
/// names with another extension than `extensions`.
pub(super) fn file_name(
    extensions: &'static [&'static str],
    refusal: &'static str,
) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| {
        let extension = path.extension().unwrap_or_default();
        let mut fitting = extensions.iter();
        if fitting.any(|fitting| extension.eq_ignore_ascii_case(fitting)) {
            Ok(path)
        } else {
            Err(refusal)
        }
    })
}

/// Returns a parser of names of PNG files.
pub(super) fn png_name() -> impl TypedValueParser<Value = PathBuf> {
    let refusal = "the picture is written as PNG; give it a name that ends in .png";
    file_name(&["png"], refusal)
}

/// How labels are read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct LabelArgs {
    /// Label category to read, by name or id; default: the one with a person's joints
    #[arg(long, value_name = "NAME|ID")]
    pub category: Option<String>,
    /// How to treat EXIF orientation: as the labels require, ignore it, or apply it
    #[arg(long, value_name = "auto|stored|exif", value_parser = orientation)]
    pub orientation: Option<Orientation>,
}

fn orientation(text: &str) -> Result<Orientation, String> {
    let known = Orientation::ALL.into_iter();
    let mut named = known.filter(|o| o.name() == text);
    named
        .next()
        .ok_or_else(|| "auto, stored or exif".to_owned())
}

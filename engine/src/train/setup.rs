//! Set-up of a run: initial weights, card, and verification of the labels.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::checkpoint::{EpochRecord, LAST, Progress, Running};
use super::config::{DataConfig, Freeze, InitialWeights, TrainConfig};
use super::optim::ByName;
use super::validate::{Measured, Validation};
use crate::dataset::loader::{Loader, LoaderOptions, People, Position};
use crate::dataset::{LeftOut, Split};
use crate::error::{Error, Result};
use crate::estimator::input_spec;
use crate::model::{Card, ModelSpec, Weights, model};
use crate::output::Approach;
use crate::skeleton::Skeleton;
use crate::words::counted;

/// Returns the tensors of `weights` that belong to the network of `card`, or to its training.
pub(super) fn given(spec: &ModelSpec, card: &Card, weights: &Weights) -> Result<ByName> {
    weights.check(&spec.shapes(&card.build_options()?)?)?;
    let all = weights.tensors().iter();
    Ok(all.map(|(name, t)| (name.clone(), t.clone())).collect())
}

/// Returns the backbone tensors from another model's bundled weights.
pub(super) fn backbone(spec: &ModelSpec) -> Result<ByName> {
    let other = spec.backbone_from.ok_or_else(|| {
        Error::Invalid(format!(
            "no other model has the backbone of {}; use scratch or a file",
            spec.name
        ))
    })?;
    let shapes = spec.shapes(&spec.card()?.build_options()?)?;
    let weights = Weights::bundled(model(other)?)?;
    let all = weights.tensors().iter();
    let shared = all.filter(|(name, t)| shapes.0.get(*name).is_some_and(|s| s == t.dims()));
    Ok(shared.map(|(name, t)| (name.clone(), t.clone())).collect())
}

/// Returns the card of the initial weights, otherwise the model's, for this run's input: weights
/// trained on one kind of crop are fine-tuned on the same kind. The person detection thresholds
/// (`evidence`) of the initial weights are kept; they are unknown for random initialisation.
pub(super) fn card_of(spec: &ModelSpec, config: &TrainConfig) -> Result<Card> {
    let mut card = match &config.init {
        InitialWeights::Bundled => spec.card_for(None)?,
        InitialWeights::File(path) => spec.card_for(Some(path))?,
        InitialWeights::Backbone | InitialWeights::Scratch => spec.card()?,
    };
    let input = config.input(card.input_size());
    (card.input.width, card.input.height) = (input.width, input.height);
    card.heatmap.sigma = config.target.sigma;
    card.sha256 = None;
    card.weights = None;
    card.origin = None;
    if matches!(
        config.init,
        InitialWeights::Backbone | InitialWeights::Scratch
    ) {
        // Measured on the scores of other weights. Fine-tuned weights score much like their initial
        // weights, whose thresholds are the best guess; those of a random head are unknown.
        card.evidence = None;
    }
    Ok(card)
}

/// Reads all training data sets; `added` is called for each with the number of its people and the
/// counts of its entries that are left out.
pub(super) fn people(
    config: &TrainConfig,
    skeleton: &'static Skeleton,
    mut added: impl FnMut(&DataConfig, usize, LeftOut),
) -> Result<Arc<People>> {
    let mut people = People::new(skeleton);
    for data in &config.data {
        let name = data.annotations.display().to_string();
        let (n, left_out) = people.add(&name, data.load(Split::Learn)?, &data.people)?;
        added(data, n, left_out);
    }
    Ok(Arc::new(people))
}

pub(super) fn loader(
    people: &Arc<People>,
    config: &TrainConfig,
    card: &Card,
    position: Position,
) -> Result<Loader> {
    let mut options = LoaderOptions {
        input: input_spec(card),
        target: config.target.clone(),
        augment: config.augment.clone(),
        seed: u64::from(config.seed),
        batch: config.batch_size,
        empty_share: config.empty_share,
        variants: config.feature_cache.map_or(0, |cache| cache.variants),
        workers: config.workers,
        prefetch: config.prefetch,
    };
    let loader = Loader::new(Arc::clone(people), options.clone(), position)?;
    if config.narrow_share == 0.0 {
        return Ok(loader);
    }
    let batches = config.epochs * loader.batches_per_epoch();
    options.target.narrow_batches = (config.narrow_share * batches as f64) as u64;
    Loader::new(Arc::clone(people), options, position)
}

/// Reads the validation people, if any.
pub(super) fn validation(
    config: &TrainConfig,
    spec: &ModelSpec,
    skeleton: &'static Skeleton,
) -> Result<Option<Validation>> {
    let Some(data) = &config.validation else {
        return Ok(None);
    };
    let mut dataset = data.load(Split::HeldOut)?;
    let is_for_all = spec.approach == Approach::BottomUp;
    let unreadable =
        dataset.leave_out_unreadable(|sample| is_for_all || !sample.annotations.is_empty());
    if let Some(text) = unreadable.text() {
        tracing::warn!("validation: {text}");
    }
    let validation = Validation::new(dataset, spec, skeleton)?;
    let validation = validation.with_parts(&config.validation_parts);
    let unused = validation.left_out();
    if !unused.people.is_empty() {
        tracing::warn!("validation: not measured on: {}", unused.reasons());
    }
    Ok(Some(validation))
}

/// Describes the training data for the card; `digests` begins with those of the training labels.
pub(super) fn described(people: &People, config: &TrainConfig, digests: &[String]) -> String {
    let names = config.data.iter().map(DataConfig::name).zip(digests);
    let names = names.map(|(name, digest)| format!("{name} (SHA-256 {digest})"));
    let names: Vec<_> = names.collect();
    format!(
        "{} of {}",
        counted(people.len(), "person"),
        names.join(", ")
    )
}

/// Moves tensors to a device.
pub(super) fn on_device(tensors: ByName, device: &Device) -> Result<ByName> {
    let tensors = tensors.into_iter();
    let moved = tensors.map(|(name, t)| Ok((name, t.to_device(device)?)));
    moved.collect()
}

/// Returns the SHA-256 of the label files, first of training, then of validation.
pub(super) fn labels(config: &TrainConfig) -> Result<Vec<String>> {
    let sets = config.data.iter().chain(&config.validation);
    sets.map(DataConfig::digest).collect()
}

/// Refuses to resume with other labels than before: the saved run would continue as a different
/// one, and its metrics would be compared with those of other people. States of earlier versions do
/// not record their labels.
pub(super) fn check_labels(folder: &Path, progress: &Progress) -> Result<()> {
    if progress.labels.is_empty() {
        return Ok(());
    }
    let config = &progress.config;
    let now = labels(config)?;
    let sets = config.data.iter().chain(&config.validation);
    let mut changed = sets.zip(now.iter().zip(&progress.labels));
    match changed.find(|(_, (now, then))| now != then) {
        None => Ok(()),
        Some((set, _)) => Err(Error::data(
            &set.annotations,
            format!(
                "has other labels than at the start of this training: restore the old ones, or \
                 start again in another folder, from its weights with --init {}",
                folder.join(LAST).display()
            ),
        )),
    }
}

pub(super) fn epoch_record(
    progress: &Progress,
    running: Running,
    measured: &Measured,
) -> EpochRecord {
    let people = running.people.max(1) as f64;
    EpochRecord {
        epoch: progress.position.epoch,
        step: progress.step,
        lr: running.lr,
        loss: (running.steps > 0).then(|| running.loss / running.steps as f64),
        pck: measured.pck,
        oks_ap: measured.oks_ap,
        pck_parts: measured.pck_parts.clone(),
        hits: measured.hits.clone(),
        secs: running.secs,
        images_per_sec: running.people as f64 / running.secs.max(1e-9),
        broken: running.broken.len() as u64,
        gates: running
            .gates
            .into_iter()
            .map(|(block, sum)| (block, sum / people))
            .collect(),
    }
}

/// Returns the card of a network like `spec`, updated with the progress of the run, which trains on
/// `data`.
pub(super) fn card_after(
    spec: &ModelSpec,
    card: &Card,
    progress: &Progress,
    data: &str,
) -> Result<Card> {
    let config = &progress.config;
    let mut card = card.clone();
    let start = match &config.init {
        InitialWeights::Scratch => "random weights".to_owned(),
        InitialWeights::Bundled => "the bundled weights".to_owned(),
        InitialWeights::Backbone => {
            let other = spec.backbone_from.unwrap_or_default();
            format!("the backbone of {other}")
        }
        InitialWeights::File(path) => {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
    };
    card.training = Some(format!(
        "poselens train from {start}: {} of {}, {} of {}, {} at {}, {}, \
         loss {}, seed {}",
        progress.position.epoch,
        counted(config.epochs, "epoch"),
        counted(progress.step, "step"),
        counted(config.batch_size, "person"),
        config.optimizer.algorithm.name(),
        config.optimizer.lr,
        match config.freeze {
            Freeze::Backbone => "backbone frozen",
            Freeze::EarlyBlocks => "last blocks and head trainable",
            Freeze::None => "all layers trainable",
        },
        config.loss.name,
        config.seed
    ));
    card.data = Some(data.to_owned());
    card.figures = toml::Table::new();
    if let Some(record) = progress.history.last() {
        let table = toml::Table::try_from(record);
        let table = table.map_err(|e| Error::Internal(format!("cannot write the card: {e}")))?;
        card.figures.insert("last".to_owned(), table.into());
    }
    if let Some(best) = progress.best {
        let table = toml::Table::try_from(best);
        let table = table.map_err(|e| Error::Internal(format!("cannot write the card: {e}")))?;
        card.figures.insert("best".to_owned(), table.into());
    }
    Ok(card)
}

#[cfg(test)]
mod tests {
    use super::super::recipe::recipe;
    use super::*;
    use crate::model::MODELS;
    use crate::output::Approach;

    /// Fails when bundled weights, or those of a file, are fine-tuned on other crops than they were
    /// trained on (of another alignment, border or skeleton), or the person detection thresholds
    /// are lost, or kept for random initialisation.
    #[test]
    fn weights_keep_their_card() {
        let folder = tempfile::tempdir().unwrap();
        for spec in MODELS.iter().filter(|m| m.bundled.is_some()) {
            let mut config = recipe(spec.name, "fine-tune").unwrap();
            let own = spec.card_for(None).unwrap();
            let card = card_of(spec, &config).unwrap();
            assert_eq!((&card.input, &card.heatmap), (&own.input, &own.heatmap));
            assert_eq!(card.sha256, None);
            assert_eq!(card.evidence, own.evidence);
            // A bottom-up network finds people without a tracker's thresholds.
            let has_evidence = spec.approach == Approach::TopDown;
            assert_eq!(own.evidence.is_some(), has_evidence, "{}", spec.name);

            let file = folder.path().join("w.safetensors");
            let mut other = own.clone();
            other.skeleton = "lsp14".to_owned();
            other.input.padding = 1.5;
            other.sha256 = None;
            let text = toml::to_string(&other).unwrap();
            std::fs::write(Card::path_beside(&file), text).unwrap();
            config.init = InitialWeights::File(file);
            let card = card_of(spec, &config).unwrap();
            assert_eq!((card.skeleton.as_str(), card.input.padding), ("lsp14", 1.5));

            config.init = InitialWeights::Scratch;
            let published = spec.card().unwrap();
            let card = card_of(spec, &config).unwrap();
            assert_eq!(card.input, published.input);
            assert!(card.evidence.is_none(), "random weights of {}", spec.name);
        }
    }

    /// Fails when a backbone is taken from a model that lacks it, includes tensors of a head, or is
    /// invented where there is none.
    #[test]
    fn a_backbone_is_another_model_s() {
        for spec in MODELS {
            let Some(other) = spec.backbone_from else {
                assert!(backbone(spec).is_err(), "{}", spec.name);
                continue;
            };
            let shapes = spec
                .shapes(&spec.card().unwrap().build_options().unwrap())
                .unwrap();
            let head = (spec.head)(&shapes);
            let is_head = |name: &&String| head.iter().any(|p| name.starts_with(p));
            let found = backbone(spec).unwrap();
            assert!(!found.keys().any(|name| is_head(&name)), "{other}");
            let n_missing = shapes.0.keys().filter(|n| !found.contains_key(*n));
            assert!(n_missing.clone().all(|name| is_head(&name)), "{other}");
            assert!(n_missing.count() > 0, "{other}");
        }
    }
}

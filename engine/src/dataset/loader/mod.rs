//! Training data loader: [`People`] of several data sets are reshuffled for every epoch, prepared
//! by threads (read, cropped, augmented, encoded) and returned as an endless sequence of
//! [`Batch`]es. Every batch is full: the few people left over at the end of an epoch wait for the
//! next one.
//!
//! A batch is a function of the options and its [`Position`]: the number of threads and their
//! timing have no influence, and a [`Loader`] started at a saved position continues as if it had
//! never stopped. At most `prefetch + 1` batches are in memory in addition to the one returned.

mod batch;
mod coverage;
mod order;
mod people;
mod prepare;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, bounded};

pub use batch::{Batch, BatchTargets, SeenInput, SeenTile};
pub use order::{InputKey, Position};
use order::{empty_at, epoch_len, n_batches, shuffled};
pub use people::{People, PersonRef, SetOptions};
use prepare::{Failure, Job, Pick, Prepared, prepare};

use crate::augment::Augment;
use crate::codec::{Encoder, Target, TargetSpec};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::preprocess::InputSpec;

/// Options of the loader.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// Input size, alignment and normalisation of the network.
    pub input: InputSpec,
    /// Encoding of the targets.
    pub target: TargetSpec,
    /// Augmentation of the samples.
    pub augment: Augment,
    /// Seed of the order and of every sample's augmentation.
    pub seed: u64,
    /// Batch size, at least 1.
    pub batch: usize,
    /// Fraction of a batch's inputs that show images without people, 0 to below 1; their number is
    /// rounded. An epoch still shows every person as often, in more batches.
    pub empty_share: f64,
    /// Number of differently augmented inputs of every person, which take turns; 0 for a new one
    /// each time.
    pub variants: u64,
    /// Number of threads, at least 1.
    pub workers: usize,
    /// Number of batches prepared ahead. A batch of 32 for SFM takes 60 MB.
    pub prefetch: usize,
}

/// An image that could not be read when its turn came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenPicture {
    /// Epoch in which the image was skipped.
    pub epoch: u64,
    /// Index of the data set.
    pub set: usize,
    /// Id of the image in its data set.
    pub image_id: u64,
    /// The error, with the file.
    pub reason: String,
}

/// Iterates over batches. Dropping the loader ends its threads within one sample's time.
#[derive(Debug)]
pub struct Loader {
    people: Arc<People>,
    options: Arc<LoaderOptions>,
    // Both are dropped before the workers, whose wait for jobs then ends; queued jobs are not
    // started.
    jobs: Sender<Job>,
    results: Receiver<Message>,
    _workers: Vec<Worker>,
    epoch_len: usize,
    /// Encoder of the batch that was queued last, with its sigma.
    encoder: (f64, Arc<Encoder>),
    /// Number of inputs of a batch that show people; the others show images without people.
    per_batch: usize,
    n_batches: u64,
    /// Order of the epoch whose jobs are being queued.
    planned_epoch: Option<(u64, Vec<usize>)>,
    /// Next batch to queue for the workers.
    plan_at: Position,
    n_jobs: u64,
    /// Batches queued for the workers, oldest first.
    planned: VecDeque<Planned>,
    /// Samples that are finished ahead of their turn.
    early: HashMap<u64, Outcome>,
    next: Position,
    /// Inputs whose pixels are not needed.
    known: HashSet<InputKey>,
    /// Skipped images not yet reported.
    skipped: Vec<BrokenPicture>,
    known_broken: HashSet<(usize, u64)>,
    first_broken: Option<String>,
    empty_in_a_row: u64,
    failed: bool,
}

#[derive(Debug)]
struct Planned {
    position: Position,
    sigma: f64,
    encoder: Arc<Encoder>,
    tickets: Range<u64>,
}

/// Result of a job.
type Outcome = std::result::Result<Box<Prepared>, Failure>;

/// Message from a worker.
enum Message {
    Done(u64, Outcome),
    Failed(Error),
}

impl Loader {
    /// Starts threads that prepare the batch at `position` and those after it.
    ///
    /// # Errors
    /// When an option is invalid, there are no people, the position does not exist (the data have
    /// changed since it was saved), or the system cannot create a thread.
    pub fn new(people: Arc<People>, options: LoaderOptions, position: Position) -> Result<Self> {
        options.augment.check()?;
        let (input, target) = (&options.input, &options.target);
        let encoder_at =
            |sigma| target.encoder(people.skeleton(), input.size, input.alignment, sigma);
        encoder_at(target.sigma)?;
        let first_sigma = target.sigma_at(0);
        let encoder = encoder_at(first_sigma)?;
        if !options.augment.suits(encoder.approach()) {
            return Err(Error::Invalid(
                "augmentation: mosaics are for networks that find several people; set \
                 mosaic.probability = 0"
                    .to_owned(),
            ));
        }
        if options.batch == 0 || options.workers == 0 {
            return Err(Error::Invalid(
                "a batch needs at least one person, a loader at least one thread".to_owned(),
            ));
        }
        let n_empty = n_empty(&people, &options)?;
        let per_batch = options.batch - n_empty;
        let epoch_len = epoch_len(&people);
        let n_batches = n_batches(epoch_len, per_batch);
        if n_batches == 0 {
            return Err(Error::Invalid(
                "the data sets have no people to train on: no person has a box and labelled \
                 joints"
                    .to_owned(),
            ));
        }
        if position.batch >= n_batches {
            return Err(Error::Invalid(format!(
                "cannot resume at batch {} of epoch {}: an epoch has {n_batches}; the data sets \
                 or the batch size differ from those of the saved run",
                position.batch, position.epoch
            )));
        }

        let options = Arc::new(options);
        // Neither side ever blocks on a full channel: at most this many jobs are in flight.
        let room = (options.prefetch + 1) * options.batch;
        let (jobs, to_do) = bounded::<Job>(room);
        let (done, results) = bounded(room + options.workers);
        let spawn = |i: usize| {
            let (people, options) = (Arc::clone(&people), Arc::clone(&options));
            let (to_do, done, failed) = (to_do.clone(), done.clone(), done.clone());
            Worker::spawn(
                &format!("loader-{i}"),
                StopFlag::new(),
                move |stop| {
                    while let Ok(job) = to_do.recv() {
                        if stop.is_stopped() {
                            break;
                        }
                        let prepared = prepare(&people, &options, &job).map(Box::new);
                        if done.send(Message::Done(job.ticket, prepared)).is_err() {
                            break;
                        }
                    }
                    Ok(())
                },
                // The receiver is gone if the loader was dropped; the error is irrelevant then.
                move |error| drop(failed.send(Message::Failed(error))),
            )
        };
        let workers = (0..options.workers).map(spawn).collect::<Result<_>>()?;
        Ok(Self {
            people,
            options,
            jobs,
            results,
            _workers: workers,
            epoch_len,
            encoder: (first_sigma, Arc::new(encoder)),
            per_batch,
            n_batches,
            planned_epoch: None,
            plan_at: position,
            n_jobs: 0,
            planned: VecDeque::new(),
            early: HashMap::new(),
            next: position,
            known: HashSet::new(),
            skipped: Vec::new(),
            known_broken: HashSet::new(),
            first_broken: None,
            empty_in_a_row: 0,
            failed: false,
        })
    }

    /// Returns the next batch and waits until it is ready.
    ///
    /// People whose images cannot be read are skipped: the batch is smaller, and
    /// [`Self::take_skipped`] reports them. A batch without people is skipped.
    ///
    /// # Errors
    /// When no image of a whole epoch can be read, or a thread has failed.
    pub fn next_batch(&mut self) -> Result<Batch> {
        loop {
            if self.failed {
                return Err(Error::Internal(
                    "a batch was requested from a loader that has failed".to_owned(),
                ));
            }
            self.give_out()?;
            let planned = self.planned.pop_front().ok_or_else(ended)?;
            let batch = self.collect(&planned).inspect_err(|_| self.failed = true)?;
            self.next = self.after(planned.position);
            if !batch.is_empty() {
                self.empty_in_a_row = 0;
                return Ok(batch);
            }
            self.empty_in_a_row += 1;
            if self.empty_in_a_row >= self.n_batches {
                self.failed = true;
                let first = self.first_broken.as_deref().unwrap_or_default();
                return Err(Error::Failed(format!(
                    "none of the images of an epoch can be used; the first: {first}"
                )));
            }
        }
    }

    /// Returns the position to resume from: that of the batch which [`Self::next_batch`] returns
    /// next.
    pub fn position(&self) -> Position {
        self.next
    }

    /// Returns the number of batches in an epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.n_batches
    }

    /// Returns an input in later batches without pixels, so that its image is not read again.
    pub fn set_known(&mut self, key: InputKey) {
        self.known.insert(key);
    }

    /// Returns the samples skipped since the previous call, in their order, once per time that an
    /// image was skipped.
    pub fn take_skipped(&mut self) -> Vec<BrokenPicture> {
        std::mem::take(&mut self.skipped)
    }

    fn after(&self, at: Position) -> Position {
        if at.batch + 1 >= self.n_batches {
            return Position {
                epoch: at.epoch.saturating_add(1),
                batch: 0,
            };
        }
        Position {
            batch: at.batch + 1,
            ..at
        }
    }

    /// Queues jobs for the workers until one batch and `prefetch` more are in flight.
    fn give_out(&mut self) -> Result<()> {
        while self.planned.len() <= self.options.prefetch {
            let Position { epoch, batch } = self.plan_at;
            let sigma = self
                .options
                .target
                .sigma_at(epoch.saturating_mul(self.n_batches).saturating_add(batch));
            let encoder = self.encoder_at(sigma)?;
            let picks = self.picks_at(epoch, batch);
            let tickets = self.n_jobs..self.n_jobs + picks.len() as u64;
            self.n_jobs = tickets.end;
            let slots = (batch * self.options.batch as u64)..;
            for ((pick, slot), ticket) in picks.into_iter().zip(slots).zip(tickets.clone()) {
                let key = self.key(pick, epoch, slot);
                let job = Job {
                    ticket,
                    pick,
                    key,
                    has_pixels: !self.known.contains(&key),
                    encoder: Arc::clone(&encoder),
                };
                self.jobs.send(job).map_err(|_| ended())?;
            }
            self.planned.push_back(Planned {
                position: self.plan_at,
                sigma,
                encoder,
                tickets,
            });
            self.plan_at = self.after(self.plan_at);
        }
        Ok(())
    }

    /// Returns the encoder for targets of this sigma, which changes with every batch or not at all.
    fn encoder_at(&mut self, sigma: f64) -> Result<Arc<Encoder>> {
        if sigma != self.encoder.0 {
            let (input, target) = (&self.options.input, &self.options.target);
            let skeleton = self.people.skeleton();
            let encoder = target.encoder(skeleton, input.size, input.alignment, sigma)?;
            self.encoder = (sigma, Arc::new(encoder));
        }
        Ok(Arc::clone(&self.encoder.1))
    }

    /// Selects the content of a batch: people first, then images without people.
    fn picks_at(&mut self, epoch: u64, batch: u64) -> Vec<Pick> {
        let (seed, size) = (self.options.seed, self.options.batch);
        let first = batch as usize * self.per_batch;
        let slots = first..(first + self.per_batch).min(self.epoch_len);
        let people = self.people_at(epoch, slots);
        let n_empty = self.people.n_empty();
        let empty = (self.per_batch..size).map(|i| {
            let slot = batch * size as u64 + i as u64;
            Pick::Empty(empty_at(n_empty, seed, epoch, slot))
        });
        people.into_iter().map(Pick::Person).chain(empty).collect()
    }

    /// Returns the key of the input that shows `pick` in slot `slot` of an epoch. With variants, a
    /// person's inputs take turns each time that the person is shown.
    fn key(&self, pick: Pick, epoch: u64, slot: u64) -> InputKey {
        let LoaderOptions { seed, variants, .. } = *self.options;
        if variants == 0 {
            return [seed, epoch, slot];
        }
        // Slots of images without people follow those of the people of their batch.
        let size = self.options.batch as u64;
        let n_shown = (slot / size) as usize * self.per_batch + (slot % size) as usize;
        let shown = match (pick, &self.planned_epoch) {
            (Pick::Person(i), Some((_, order))) => {
                let before = order.get(..n_shown).unwrap_or(order);
                before.iter().filter(|other| **other == i).count() as u64
            }
            _ => 0,
        };
        let turn = epoch
            .wrapping_mul(self.people.most_repeats())
            .wrapping_add(shown);
        pick.variant_key(seed, turn, variants)
    }

    fn people_at(&mut self, epoch: u64, slots: Range<usize>) -> Vec<usize> {
        let order = match self.planned_epoch.take() {
            Some((of, order)) if of == epoch => order,
            _ => shuffled(&self.people, self.options.seed, epoch),
        };
        let people = order.get(slots).unwrap_or_default().to_vec();
        self.planned_epoch = Some((epoch, order));
        people
    }

    /// Waits for the samples of a batch and assembles them in order.
    fn collect(&mut self, planned: &Planned) -> Result<Batch> {
        let input = &self.options.input;
        let mut batch = Batch {
            position: planned.position,
            sigma: planned.sigma,
            input_size: input.size,
            input: Vec::with_capacity(self.options.batch * input.n_values()),
            heatmap_size: planned.encoder.size(),
            targets: Vec::new(),
            weight_size: Size::square(1),
            weights: Vec::new(),
            outputs: planned.encoder.outputs(),
            inputs: Vec::new(),
        };
        for ticket in planned.tickets.clone() {
            match self.wait_for(ticket)? {
                Ok(prepared) => {
                    let Target { maps, weights } = &prepared.target;
                    batch.input.extend_from_slice(&prepared.input);
                    batch.targets.extend_from_slice(&maps.values);
                    batch.weight_size = weights.size;
                    batch.weights.extend_from_slice(&weights.values);
                    batch.inputs.push(prepared.seen);
                }
                Err(failure) => self.skip(planned.position.epoch, &failure),
            }
        }
        Ok(batch)
    }

    fn wait_for(&mut self, ticket: u64) -> Result<Outcome> {
        loop {
            if let Some(prepared) = self.early.remove(&ticket) {
                return Ok(prepared);
            }
            match self.results.recv().map_err(|_| ended())? {
                Message::Done(ticket, prepared) => {
                    self.early.insert(ticket, prepared);
                }
                Message::Failed(error) => return Err(error),
            }
        }
    }

    fn skip(&mut self, epoch: u64, Failure { pick, error }: &Failure) {
        let source = match *pick {
            Pick::Person(i) => self.people.get(i).map(|p| (p.set, p.sample)),
            Pick::Empty(i) => self.people.empty(i),
        };
        let Some((set, sample)) = source else {
            return;
        };
        let image_id = sample.image_id;
        let reason = error.to_string();
        if self.known_broken.insert((set, image_id)) {
            let name = self.people.set_name(set);
            tracing::warn!("image of {name} skipped in training: {reason}");
            self.first_broken.get_or_insert_with(|| reason.clone());
        }
        self.skipped.push(BrokenPicture {
            epoch,
            set,
            image_id,
            reason,
        });
    }
}

/// Returns the number of inputs in a batch that show no people.
fn n_empty(people: &People, options: &LoaderOptions) -> Result<usize> {
    let share = options.empty_share;
    if !(0.0..1.0).contains(&share) {
        return Err(Error::Invalid(format!(
            "the share of images without people is {share}; it must be at least 0 and below 1"
        )));
    }
    let n = (share * options.batch as f64).round() as usize;
    if n > 0 && people.n_empty() == 0 {
        return Err(Error::Invalid(format!(
            "empty_share is {share}, but no data set has images without people"
        )));
    }
    // A batch without any people would make an epoch endless.
    Ok(n.min(options.batch - 1))
}

fn ended() -> Error {
    Error::Internal("the loader's threads have ended".to_owned())
}

//! A training at work: one thread trains, one folds its news into the [`Story`]; neither ever
//! waits for the window, nor the window for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::train::runs::RunEntry;
use poselens_engine::train::{
    Changes, DataConfig, Event, Hardware, Moved, Reason, SeenPose, TrainConfig, Trainer, look,
};
use poselens_engine::{Error, Result};

use super::super::files::Waker;
use super::in_use::{AtWork, measure_in_use};
use super::story::{Phase, Portraits, Story, is_fresh};

/// News that may wait while pictures are drawn; steps beyond are dropped by the trainer.
const N_NEWS: usize = 64;
/// The window is not woken by every step.
const WAKE_EVERY: Duration = Duration::from_millis(150);
/// Height of a portrait, pixels.
const PORTRAIT: usize = 224;
/// A step and saving take seconds; measuring ends when it is told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Job {
    /// A new training.
    Begin(Box<TrainConfig>),
    /// The one in the folder goes on.
    Resume {
        /// Epochs in all, where others than before.
        epochs: Option<u64>,
        /// Where its people, to learn from and held out, may be now if they are gone.
        maybe_at: Box<[Option<DataConfig>; 2]>,
    },
}

/// What the user wants of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Go,
    /// Wait, ready to go on.
    Pause,
    /// End; it can be resumed from its folder.
    Stop,
}

/// The user's wish, and the flag of the stretch that runs.
#[derive(Debug)]
pub struct Reins {
    state: Mutex<(Wish, StopFlag)>,
    changed: Condvar,
}

impl Reins {
    fn new() -> Self {
        Self {
            state: Mutex::new((Wish::Go, StopFlag::new())),
            changed: Condvar::new(),
        }
    }

    /// Raised when the stretch that runs is to end.
    pub fn flag(&self) -> StopFlag {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Wish, StopFlag)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wanted. "Stop" is for good.
    pub fn ask(&self, wish: Wish) {
        let mut state = self.lock();
        if state.0 != Wish::Stop {
            state.0 = wish;
        }
        if state.0 != Wish::Go {
            state.1.stop();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// What is wanted.
    pub fn wish(&self) -> Wish {
        self.lock().0
    }

    /// Waits while there is a pause; the flag of the next stretch, `None` at the end.
    fn next_stretch(&self, on_pause: impl FnOnce()) -> Option<StopFlag> {
        let mut state = self.lock();
        if state.0 == Wish::Pause {
            on_pause();
            let pausing = |s: &mut (Wish, StopFlag)| s.0 == Wish::Pause;
            let woken = self.changed.wait_while(state, pausing);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if state.0 == Wish::Stop {
            return None;
        }
        state.1 = StopFlag::new();
        Some(state.1.clone())
    }
}

/// The story where both threads and the window find it.
#[derive(Debug)]
pub struct Board {
    /// The story and how often it has changed.
    story: Mutex<(Story, u64)>,
    woken: Mutex<Instant>,
    waker: Waker,
}

impl Board {
    /// Changes the story and wakes the window, at once where it is urgent.
    pub fn update(&self, is_urgent: bool, change: impl FnOnce(&mut Story)) {
        let mut story = self.story.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut story.0);
        story.1 += 1;
        drop(story);
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if is_urgent || woken.elapsed() >= WAKE_EVERY {
            *woken = Instant::now();
            self.waker.wake();
        }
    }

    /// The story if it has changed since version `seen`, with its version.
    pub fn newer(&self, seen: u64) -> Option<(Story, u64)> {
        let story = self.story.lock().unwrap_or_else(PoisonError::into_inner);
        (story.1 != seen).then(|| story.clone())
    }
}

/// A training at work. Dropping it stops it and waits until its state is saved.
#[derive(Debug)]
pub struct Run {
    /// What is wanted of it.
    pub reins: Arc<Reins>,
    /// How it goes.
    pub board: Arc<Board>,
    worker: Option<Worker>,
    _news: Worker,
}

impl Run {
    /// Starts a training in `folder`; `shown` is what the window shows, maybe of this one.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(
        job: Job,
        folder: PathBuf,
        shown: Option<&Story>,
        hardware: Hardware,
        in_use: Option<String>,
        waker: &Waker,
    ) -> Result<Self> {
        let story = match &job {
            Job::Begin(config) => {
                let (model, epochs) = (config.model.clone(), config.epochs);
                let mut story = Story::new(folder.clone(), model, epochs);
                story.is_fresh = is_fresh(config);
                story
            }
            Job::Resume { epochs, .. } => {
                let mut run = RunEntry::read(&folder)?;
                run.config.epochs = epochs.unwrap_or(run.config.epochs);
                let mut story = Story::of_run(&run);
                story.phase = Phase::Preparing;
                if let Some(shown) = shown.filter(|shown| shown.folder == folder) {
                    story.keep_pictures(shown);
                }
                story
            }
        };
        Self::spawn(story, waker, move |events, reins, board| {
            let at_work = AtWork {
                folder: &folder,
                hardware,
                in_use,
            };
            train(job, &at_work, events, reins, board)
        })
    }

    fn spawn(
        story: Story,
        waker: &Waker,
        work: impl FnOnce(&Sender<Event>, &Reins, &Board) -> Result<Phase> + Send + 'static,
    ) -> Result<Self> {
        let reins = Arc::new(Reins::new());
        let board = Arc::new(Board {
            story: Mutex::new((story, 1)),
            woken: Mutex::new(Instant::now()),
            waker: waker.clone(),
        });
        let (events, reader) = bounded(N_NEWS);
        let told = Arc::clone(&board);
        let news = Worker::spawn(
            "training news",
            StopFlag::new(),
            move |_| {
                tell(&reader, &told);
                Ok(())
            },
            |error| tracing::error!(%error, "no news of the training"),
        )?;
        let (held, shown, failed) = (Arc::clone(&reins), Arc::clone(&board), Arc::clone(&board));
        let worker = Worker::spawn(
            "training",
            StopFlag::new(),
            move |_| {
                let phase = work(&events, &held, &shown)?;
                shown.update(true, |story| story.end(phase));
                Ok(())
            },
            move |error| {
                tracing::error!(%error, "the training failed");
                let text = explain(&error);
                failed.update(true, |story| {
                    story.say(text.clone());
                    story.end(Phase::Failed(text));
                });
            },
        )?;
        Ok(Self {
            reins,
            board,
            worker: Some(worker),
            _news: news,
        })
    }

    /// Whether its thread has ended.
    pub fn is_over(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::is_finished)
    }

    /// Ends it at the end of the program: waits a while for its state to be saved.
    pub fn close(mut self) {
        self.reins.ask(Wish::Stop);
        let start = Instant::now();
        while !self.is_over() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(worker) = self.worker.take_if(|w| !w.is_finished()) {
            tracing::warn!(
                "the training did not end in time; it goes on from its last saved state"
            );
            worker.detach();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.reins.ask(Wish::Stop);
    }
}

/// The training thread: stretches of training with pauses between them.
fn train(
    job: Job,
    at_work: &AtWork<'_>,
    events: &Sender<Event>,
    reins: &Reins,
    board: &Board,
) -> Result<Phase> {
    let AtWork {
        folder, hardware, ..
    } = *at_work;
    let mut trainer = match job {
        Job::Begin(config) => Trainer::begin(*config, folder, hardware)?,
        Job::Resume { epochs, maybe_at } => {
            let was = RunEntry::read(folder)?.config;
            let [learn, held_out] = *maybe_at;
            let changes = Changes {
                epochs,
                data: moved(was.data.first(), learn).into_iter().collect(),
                validation: moved(was.validation.as_ref(), held_out),
            };
            let trainer = Trainer::resume_with(folder, &changes, hardware)?;
            let has_pictures = board
                .newer(0)
                .is_some_and(|(story, _)| story.before.is_some());
            if !has_pictures && let Some(before) = looked(trainer.config(), None, 0, hardware) {
                board.update(true, |story| story.portray(Arc::new(before)));
            }
            trainer
        }
    };
    measure_in_use(at_work, trainer.config(), reins, board);
    let on_pause = || board.update(true, |story| story.phase = Phase::Paused);
    while let Some(stretch) = reins.next_stretch(on_pause) {
        board.update(true, |story| story.phase = Phase::Running);
        if trainer.run(None, events, &stretch)? == Reason::Finished {
            return Ok(Phase::Finished);
        }
    }
    Ok(Phase::Stopped)
}

/// The news thread.
fn tell(events: &Receiver<Event>, board: &Board) {
    for event in events {
        match event {
            Event::Seen { epoch, people } => {
                let portraits = Arc::new(portraits(epoch, &people));
                board.update(true, |story| story.portray(portraits));
            }
            event => {
                let is_urgent = !matches!(event, Event::Step { .. });
                board.update(is_urgent, |story| story.take(event));
            }
        }
    }
}

fn portraits(epoch: u64, people: &[SeenPose]) -> Portraits {
    let portrait = |person: &SeenPose| {
        let name = person.path.file_name().unwrap_or_default();
        match person.draw(PORTRAIT) {
            Ok([_, labels, found]) => Some((name.to_string_lossy().into_owned(), [labels, found])),
            Err(error) => {
                tracing::warn!("a held-out person is not shown: {error}");
                None
            }
        }
    };
    Portraits {
        epoch,
        people: people.iter().filter_map(portrait).collect(),
    }
}

/// The place at the side where data that are gone may be now.
fn moved(was: Option<&DataConfig>, maybe_at: Option<DataConfig>) -> Option<Moved> {
    was.filter(|was| !was.annotations.exists())?;
    maybe_at.map(|data| Moved {
        annotations: data.annotations,
        images: data.images,
    })
}

/// What weights find in the held-out people; `None` where they cannot be asked any more.
fn looked(
    config: &TrainConfig,
    weights: Option<&Path>,
    epoch: u64,
    hardware: Hardware,
) -> Option<Portraits> {
    match look(config, weights, hardware) {
        Ok(people) if people.is_empty() => None,
        Ok(people) => Some(portraits(epoch, &people)),
        Err(error) => {
            tracing::warn!("the held-out people are not shown: {error}");
            None
        }
    }
}

/// What a training on disk tells of itself, with its people before and after. Takes seconds.
///
/// # Errors
/// When the folder holds no training.
pub fn story_of(folder: &Path, hardware: Hardware) -> Result<Story> {
    let run = RunEntry::read(folder)?;
    let mut story = Story::of_run(&run);
    let before = looked(&run.config, None, 0, hardware);
    let judged = story.judged().map(|record| record.epoch).zip(story.file());
    let after = judged.and_then(|(epoch, w)| looked(&run.config, Some(&w), epoch, hardware));
    for portraits in [before, after].into_iter().flatten() {
        story.portray(Arc::new(portraits));
    }
    Ok(story)
}

/// The error in words for somebody who sees it for the first time.
fn explain(error: &Error) -> String {
    let text = error.to_string();
    let text = text.replace(
        "(--annotations, --val-annotations)",
        "at the right, then press Continue",
    );
    let is_full = matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::StorageFull)
        || text.contains("No space left");
    if is_full {
        return format!(
            "The disk is full: {text}. What was saved before is whole; make room, then press \
             Continue."
        );
    }
    if let Error::Panicked { message, .. } = error {
        return format!(
            "A fault in the program ended the training: {message}. What was saved before is \
             whole; press Continue to go on from there."
        );
    }
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(run: &Run, done: impl Fn(&Story) -> bool) -> Story {
        let start = Instant::now();
        loop {
            let (story, _) = run.board.newer(0).unwrap();
            if done(&story) {
                return story;
            }
            assert!(start.elapsed() < Duration::from_mins(2), "{story:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn story() -> Story {
        Story::new("run".into(), "sfm".into(), 3)
    }

    /// Fails when a crash in the training takes the window along or is not told.
    #[test]
    fn a_panic_becomes_a_message() {
        let run = Run::spawn(story(), &Waker::default(), |_, _, _| panic!("index 7 of 3")).unwrap();
        let story = until(&run, |s| s.phase.is_over());
        let Phase::Failed(text) = story.phase else {
            panic!("{:?}", story.phase);
        };
        assert!(text.contains("fault in the program") && text.contains("index 7 of 3"));
    }

    /// Fails when a full disk is told as a number of the system.
    #[test]
    fn a_full_disk_is_told_in_words() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::io("write", Path::new("state.safetensors"))(full);
        assert!(explain(&error).starts_with("The disk is full: cannot write state"));
        let error = Error::Invalid("the loss is no number".to_owned());
        assert_eq!(explain(&error), "The loss is no number");
    }

    /// Fails when a pause does not hold, cannot be ended, or "stop" is overruled.
    #[test]
    fn pauses_hold_until_they_are_ended() {
        let work = |_: &Sender<Event>, reins: &Reins, board: &Board| {
            let on_pause = || board.update(true, |s| s.phase = Phase::Paused);
            let mut n = 0;
            while let Some(flag) = reins.next_stretch(on_pause) {
                n += 1;
                board.update(true, |s| (s.phase, s.step) = (Phase::Running, n));
                while !flag.is_stopped() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(Phase::Stopped)
        };
        let run = Run::spawn(story(), &Waker::default(), work).unwrap();
        until(&run, |s| s.step == 1);
        run.reins.ask(Wish::Pause);
        until(&run, |s| s.phase == Phase::Paused);
        run.reins.ask(Wish::Go);
        until(&run, |s| s.step == 2 && s.phase == Phase::Running);
        run.reins.ask(Wish::Stop);
        run.reins.ask(Wish::Go);
        until(&run, |s| s.phase == Phase::Stopped);
        assert_eq!(run.reins.wish(), Wish::Stop);
        run.close();
    }
}

//! The open project on its own thread: answers requests and publishes what the window shows.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use poselens_engine::finetune::FinetuneOptions;
use poselens_engine::project::{Clip, FrameKey, NewProject, PROJECT, Project, Version};
use poselens_engine::{Error, Result};

use crate::gui::state::label::Listed;
use crate::gui::ui_state::Level;
use crate::gui::views::label::burst::Burst;
use crate::gui::views::label::gesture::Gesture;
use crate::gui::views::label::opened::Open;
use crate::gui::views::label::search::{FIRST_AFTER, Search};
use crate::gui::views::label::thread::{
    Found, FoundPerson, Kind, Numbered, Outbox, Request, is_labels,
};
use crate::gui::wording::in_window;

/// Time without edits after which a snapshot is written. It only makes opening faster.
const QUIET: Duration = Duration::from_secs(20);

/// State of the thread.
pub(super) struct Session {
    pub outbox: Outbox,
    pub requests: Sender<Numbered>,
    pub open: Option<Open>,
    listed: Listed,
    /// The version in use has changed since the last publication.
    pub is_version_new: bool,
    /// Options of the training for which the project is reviewed.
    review: Option<Box<FinetuneOptions>>,
    /// Visible rows of the list: the first one and their number.
    window: (usize, usize),
    /// Time after which a search makes its first choice.
    first_after: Duration,
    /// The last failure of each kind, until a request of that kind works.
    failures: Vec<(Kind, String)>,
    /// Edits that follow one that was not possible.
    burst: Burst,
}

impl Session {
    pub(super) fn new(outbox: Outbox, requests: Sender<Numbered>, listed: Listed) -> Self {
        Self {
            outbox,
            requests,
            open: None,
            listed,
            is_version_new: false,
            review: None,
            window: (0, 0),
            first_after: FIRST_AFTER,
            failures: Vec::new(),
            burst: Burst::default(),
        }
    }

    /// Answers a request, or uses the time without one.
    pub(super) fn answer(&mut self, request: Option<Request>) {
        let Some(request) = request else {
            return self.save_if_quiet();
        };
        let kind = request.kind();
        match self.run(request) {
            Ok(()) => self.mend(kind),
            Err(error) => {
                let text = in_window(&error.to_string());
                self.outbox.say(Level::Error, text.clone());
                if let Some(kind) = kind {
                    self.failures.retain(|(failed, _)| *failed != kind);
                    self.failures.push((kind, text));
                }
            }
        }
        if let Some(open) = &mut self.open {
            open.see();
        }
        self.publish();
    }

    /// Withdraws the messages about requests of this kind, of which one was answered now. An open
    /// project also ends the failures of the one before.
    fn mend(&mut self, kind: Option<Kind>) {
        let Some(kind) = kind else { return };
        let is_mended = |(failed, _): &mut (Kind, String)| *failed == kind || kind == Kind::Open;
        let mended: Vec<_> = self.failures.extract_if(.., is_mended).collect();
        if !mended.is_empty() {
            let texts = mended.into_iter().map(|(_, text)| text);
            self.outbox.tell(|news| news.mended.extend(texts));
        }
    }

    fn run(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Open(folder) => self.open(&folder),
            Request::OpenPath { path, .. } if path.join(PROJECT).is_file() => self.open(&path),
            Request::OpenPath {
                path,
                parent,
                model,
            } if self.open.is_none() => self.create(&path, &parent, model),
            Request::Close => {
                self.open = None;
                Ok(())
            }
            Request::List(listed) => {
                self.listed = listed;
                if let Some(open) = &mut self.open {
                    open.set_listed(listed);
                }
                Ok(())
            }
            Request::Rows(first, n) => {
                self.window = (first, n);
                Ok(())
            }
            Request::Review(options) => {
                // With other options than before, nothing else has changed.
                let is_other = self.review.is_some() && self.review != options;
                self.review = options;
                if let Some(open) = self.open.as_mut().filter(|_| !is_other) {
                    open.reviewer.forget_outcomes();
                }
                Ok(())
            }
            request => {
                self.require_writable(&request)?;
                self.run_in_project(request)
            }
        }
    }

    /// Refuses a change of a project that is open to look at.
    fn require_writable(&self, request: &Request) -> Result<()> {
        let open = self.open.as_ref().filter(|_| request.changes_project());
        let refusal = open.and_then(|open| open.project.refusal());
        refusal.map_or(Ok(()), |reason| Err(Error::Failed(reason)))
    }

    /// Answers a request that needs an open project.
    fn run_in_project(&mut self, request: Request) -> Result<()> {
        let none = || Error::Failed("no label project is open; open one in Label (L)".to_owned());
        let open = self.open.as_mut().ok_or_else(none)?;
        let said = match request {
            Request::OpenPath { path, .. } if is_labels(&path) => return self.import_labels(&path),
            Request::OpenPath { path, .. } => open.add_clip(&path)?,
            Request::Import(path) => return self.import_labels(&path),
            Request::Export(format, path) => return self.export_labels(format, &path),
            Request::AddFrame(place) => open.add_frame(&place)?,
            Request::Rename(name) => open.rename(&name)?,
            Request::Show(at) => {
                open.shown = Some(at);
                return self.burst.press(Instant::now(), false);
            }
            Request::Next { is_forward } => {
                self.burst.press(Instant::now(), false)?;
                if open.show_next(is_forward) {
                    return Ok(());
                }
                let end = if is_forward { "last" } else { "first" };
                format!("This is the {end} frame of the list")
            }
            Request::Make(at, gesture) => return self.make(at, gesture),
            Request::Accept { at, goes_on } => return self.accept(at, goes_on),
            Request::Undo => return self.step_history(Project::undo, "undo"),
            Request::Redo => return self.step_history(Project::redo, "redo"),
            Request::Suggest { model, n } => {
                if open.search.is_some() {
                    return Err(Error::Failed(
                        "frames are being searched already".to_owned(),
                    ));
                }
                let (outbox, requests) = (self.outbox.clone(), self.requests.clone());
                open.search = Some(Search::start(
                    &mut open.project,
                    model,
                    (n, self.first_after),
                    outbox.waker,
                    requests,
                )?);
                return Ok(());
            }
            Request::CancelSuggest => {
                if let Some(search) = &open.search {
                    search.cancel();
                }
                return Ok(());
            }
            Request::Suggested { folder, found } => return self.take_found(&folder, found),
            Request::AddPerson(new, model) => {
                return open.look_for(*new, model, self.requests.clone());
            }
            Request::PersonFound { folder, found } => return self.take_person(&folder, found),
            Request::CopyClip(id) => {
                return open.copy_clip(id, self.outbox.waker.clone(), self.requests.clone());
            }
            Request::CancelCopy => {
                if let Some(copying) = &open.copying {
                    copying.cancel();
                }
                return Ok(());
            }
            Request::ClipCopied {
                folder,
                clip,
                copied,
            } => return self.take_copied(&folder, &clip, copied),
            Request::Finetune(request) => match self.answer_finetune(request)? {
                Some(said) => said,
                None => return Ok(()),
            },
            Request::Compared { folder, found } => return self.take_compared(&folder, found),
            Request::Open(_)
            | Request::Close
            | Request::List(_)
            | Request::Rows(..)
            | Request::Review(_) => return Ok(()),
        };
        self.outbox.say(Level::Info, said);
        Ok(())
    }

    /// Makes an edit, unless it follows a key at once whose edit was not possible.
    fn make(&mut self, at: FrameKey, gesture: Gesture) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        self.burst.press(Instant::now(), gesture.is_by_key())?;
        let edit = gesture.edit(at, open.project.labels());
        if let Err(error) = &edit {
            self.burst.refuse(Instant::now(), &error.to_string());
        }
        open.apply(&edit?)
    }

    /// Accepts a frame, and goes on to the next one that is not confirmed.
    fn accept(&mut self, at: FrameKey, goes_on: bool) -> Result<()> {
        self.make(at, Gesture::Accept)?;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let is_empty = open.project.labels().people(at).is_empty();
        let text = match (goes_on && !open.show_next_open(at), is_empty) {
            (true, _) => "Every frame of the list is confirmed",
            (false, true) => "Accepted as a frame without people; N adds one",
            (false, false) => return Ok(()),
        };
        self.outbox.say(Level::Info, text);
        Ok(())
    }

    fn open(&mut self, folder: &Path) -> Result<()> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.info.folder == folder && open.project.refusal().is_none())
        {
            return Ok(());
        }
        // The other one stays open if this one cannot be opened.
        let project = Project::open_or_read(&folder)?;
        self.take_up(project)
    }

    /// Creates a project with a clip in a new folder that is named after the clip.
    fn create(&mut self, clip: &Path, parent: &Path, model: String) -> Result<()> {
        let stem = clip.file_stem().unwrap_or_default().to_string_lossy();
        let stem = if stem.is_empty() { "clip".into() } else { stem };
        let numbered = (2..1000).map(|n| parent.join(format!("{stem}-{n}")));
        let mut folders = std::iter::once(parent.join(&*stem)).chain(numbered);
        let folder = folders.find(|folder| !folder.exists());
        let folder = folder.ok_or_else(|| Error::data(parent, "has too many projects"))?;
        let new = NewProject {
            model,
            clips: vec![clip.to_owned()],
            is_copied: false,
        };
        let project = Project::create(&folder, &new)?;
        let text = format!("Created the project {}", folder.display());
        self.outbox.say(Level::Info, text);
        self.take_up(project)
    }

    fn take_up(&mut self, project: Project) -> Result<()> {
        let remarks = project.contents().remarks().join("; ");
        if !remarks.is_empty() {
            self.outbox.say(Level::Warning, in_window(&remarks));
        }
        if let Err(error) = Version::current(project.contents().folder()) {
            let text = format!("{error}; the bundled weights are used");
            self.outbox.say(Level::Warning, text);
        }
        let open = Open::new(project, self.listed)?;
        let gone: Vec<String> = open.missing().map(|c| format!("'{}'", c.name)).collect();
        let what = match &gone[..] {
            [] => None,
            [name] => Some(format!("the clip {name} is not where it was")),
            names => Some(format!(
                "the clips {} are not where they were",
                names.join(", ")
            )),
        };
        if let Some(what) = what {
            let text = format!("{what}; if moved, open the files at their new place here");
            self.outbox.say(Level::Warning, text);
        }
        if let Some(reason) = open.project.refusal() {
            let text = format!("The project is open to look at, no change is accepted: {reason}");
            self.outbox.say(Level::Warning, text);
        }
        self.open = Some(open);
        Ok(())
    }

    /// Undoes or redoes an edit and shows a frame that it changed.
    fn step_history(
        &mut self,
        step: fn(&mut Project) -> Result<Option<Vec<FrameKey>>>,
        name: &str,
    ) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Some(frames) = step(&mut open.project)? else {
            let text = format!("There is nothing to {name}");
            self.outbox.say(Level::Info, text);
            return Ok(());
        };
        open.update(&frames);
        if open.shown.is_none_or(|at| !frames.contains(&at)) {
            open.shown = frames.first().copied().or(open.shown);
        }
        Ok(())
    }

    /// Returns the project in `folder`, if it is still open.
    fn open_in(&mut self, folder: &Path) -> Option<&mut Open> {
        let open = self.open.as_mut();
        open.filter(|open| open.project.contents().folder() == folder)
    }

    /// Adds the frames that a search has found.
    fn take_found(&mut self, folder: &Path, found: Found) -> Result<()> {
        let Some(open) = self.open_in(folder) else {
            return Ok(());
        };
        if let Some((level, text)) = open.take_found(found)? {
            self.outbox.say(level, text);
        }
        Ok(())
    }

    /// Adds the person that was looked for.
    fn take_person(&mut self, folder: &Path, found: FoundPerson) -> Result<()> {
        let Some(open) = self.open_in(folder) else {
            return Ok(());
        };
        let (added, said) = open.take_person(found)?;
        self.outbox.tell(|news| news.added = added.or(news.added));
        if let Some((level, text)) = said {
            self.outbox.say(level, text);
        }
        Ok(())
    }

    /// Uses the copy of a clip.
    fn take_copied(&mut self, folder: &Path, clip: &Clip, copied: Result<PathBuf>) -> Result<()> {
        let Some(open) = self.open_in(folder) else {
            return Ok(());
        };
        let text = open.take_copied(clip, copied)?;
        self.outbox.say(Level::Info, text);
        Ok(())
    }

    fn save_if_quiet(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.save_after(QUIET);
    }

    /// Publishes what the window shows now.
    fn publish(&mut self) {
        let window = self.window;
        if let (Some(options), Some(open)) = (&self.review, &mut self.open) {
            open.review(options);
        }
        let is_version_new = std::mem::take(&mut self.is_version_new);
        let state = self
            .open
            .as_ref()
            .map(|open| Box::new(open.publish(window)));
        self.outbox.tell(|news| {
            (news.is_changed, news.state) = (true, state);
            news.is_version_new |= is_version_new;
        });
    }
}

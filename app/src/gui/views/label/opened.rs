//! An open project with what the window shows of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use poselens_engine::finetune::FinetuneOptions;
use poselens_engine::project::check::Finding;
use poselens_engine::project::{
    Applied, Clip, Edit, FrameKey, FrameLabels, Project, Reason, Role, Suggestion, Version,
};
use poselens_engine::source::SourceSpec;
use poselens_engine::{Error, Result};

use crate::gui::action::label::FramePlace;
use crate::gui::state::label::Listed;
use crate::gui::views::label::adding::Adding;
use crate::gui::views::label::copying::Copying;
use crate::gui::views::label::finetune::compare::Comparing;
use crate::gui::views::label::finetune::review::Reviewer;
use crate::gui::views::label::gesture::Gesture;
use crate::gui::views::label::list::FrameList;
use crate::gui::views::label::model::Loaded;
use crate::gui::views::label::published::{LabelledFrame, ListPart, ProjectInfo, Published, Row};
use crate::gui::views::label::search::Search;

/// Largest number of people for which a snapshot takes a few hundredths of a second. The journal of
/// 100,000 is read in less than two seconds.
const SMALL: usize = 2000;

/// An open project.
pub(super) struct Open {
    pub project: Project,
    pub info: Arc<ProjectInfo>,
    pub list: FrameList,
    pub shown: Option<FrameKey>,
    pub search: Option<Search>,
    pub comparing: Option<Comparing>,
    /// Findings of the last comparison with a model.
    pub compared: Vec<Finding>,
    /// What the last comparison with a model has found, in a sentence.
    pub comparison: Option<String>,
    pub reviewer: Reviewer,
    /// The search for a person to add.
    pub adding: Option<Adding>,
    /// The model that found the last one.
    pub loaded: Option<Loaded>,
    /// The clip that is being copied into the project.
    pub copying: Option<Copying>,
    /// When the last edit was made that is not in a snapshot.
    edited: Option<Instant>,
}

impl Open {
    /// Shows the first frame that is to be labelled.
    ///
    /// # Errors
    /// When the folder cannot be found.
    pub(super) fn new(project: Project, listed: Listed) -> Result<Self> {
        let mut open = Self {
            info: info(&project)?,
            list: FrameList::new(project.labels(), listed),
            shown: None,
            search: None,
            comparing: None,
            compared: Vec::new(),
            comparison: None,
            reviewer: Reviewer::default(),
            adding: None,
            loaded: None,
            copying: None,
            edited: None,
            project,
        };
        let first = open.info.file.clips.first();
        let first = first.map(|clip| FrameKey::new(clip.id, 0));
        if let Some(first) = first {
            open.show_first(first);
        }
        Ok(open)
    }

    /// Lists frames of another kind.
    pub(super) fn set_listed(&mut self, listed: Listed) {
        self.list = FrameList::new(self.project.labels(), listed);
    }

    /// Returns the clips that are not where they were.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Clip> {
        let is_gone = |clip: &&Clip| !clip.place(&self.info.folder).exists();
        self.info.file.clips.iter().filter(is_gone)
    }

    /// Adds a clip, or finds one that was moved, and shows its first frame; returns a message.
    pub(super) fn add_clip(&mut self, path: &Path) -> Result<String> {
        if self.missing().next().is_some()
            && let Ok(clip) = self.project.relocate(path)
        {
            let (id, name) = (clip.id, clip.name.clone());
            self.refresh_info()?;
            self.shown = Some(FrameKey::new(id, 0));
            return Ok(format!("Found the clip {name} at its new place"));
        }
        let clip = self.project.add_clip(path, false)?;
        let (id, name) = (clip.id, clip.name.clone());
        self.refresh_info()?;
        self.shown = Some(FrameKey::new(id, 0));
        Ok(format!("Added the clip {name}"))
    }

    pub(super) fn make(&mut self, at: FrameKey, gesture: Gesture) -> Result<()> {
        let edit = gesture.edit(at, self.project.labels())?;
        self.apply(&edit)
    }

    pub(super) fn apply(&mut self, edit: &Edit) -> Result<()> {
        let Applied { frames, .. } = self.project.apply(edit)?;
        self.update(&frames);
        Ok(())
    }

    pub(super) fn update(&mut self, frames: &[FrameKey]) {
        self.list.update(self.project.labels(), frames);
        // What has been edited was compared in its earlier state.
        self.compared
            .retain(|finding| !frames.contains(&finding.at));
        self.edited = Some(Instant::now());
    }

    /// Shows the next listed frame, or the previous one; returns false if there is none.
    pub(super) fn show_next(&mut self, is_forward: bool) -> bool {
        let next = self.shown.and_then(|at| self.list.next(at, is_forward));
        self.shown = next.or(self.shown);
        next.is_some()
    }

    /// Shows the listed frame after `at` that is not confirmed; returns false if all are.
    pub(super) fn show_next_open(&mut self, at: FrameKey) -> bool {
        let next = self.list.next_open(at);
        self.shown = next.or(self.shown);
        next.is_some()
    }

    /// Shows the first listed frame that is not confirmed, else `start`.
    pub(super) fn show_first(&mut self, start: FrameKey) {
        self.shown = Some(self.list.first_open().unwrap_or(start));
    }

    /// Reads again what does not change with edits.
    ///
    /// # Errors
    /// When the folder cannot be found.
    pub(super) fn refresh_info(&mut self) -> Result<()> {
        self.info = info(&self.project)?;
        Ok(())
    }

    /// Calls the project by another name; returns a message.
    ///
    /// # Errors
    /// When the name cannot be used, or the project cannot be written.
    pub(super) fn rename(&mut self, name: &str) -> Result<String> {
        self.project.rename(name)?;
        self.refresh_info()?;
        Ok(format!("The project is called {}", self.info.title()))
    }

    /// Suggests a frame of a file, which becomes a clip if it is not one; returns a message.
    pub(super) fn add_frame(&mut self, place: &FramePlace) -> Result<String> {
        let spec = SourceSpec::parse(&place.spec)?;
        let path = PathBuf::from(spec.argument());
        if !path.exists() {
            let text = "only frames of files can be added: record first (R), then label the \
                        recording";
            return Err(Error::Failed(text.to_owned()));
        }
        let folder = &self.info.folder;
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let mut clips = self.info.file.clips.iter();
        let known = clips.find(|clip| real(&clip.place(folder)) == real(&path));
        let clip = match known.cloned() {
            Some(clip) => clip,
            None => self.project.add_clip(&path, false)?.clone(),
        };
        self.refresh_info()?;
        let frame = clip.open(&self.info.folder)?.index_at(place.secs);
        let at = FrameKey::new(clip.id, frame as u32);
        let suggestion = Suggestion {
            reason: Reason::ByHand,
            value: 0.0,
        };
        let labels = self.project.labels().frame(at);
        if labels.is_none_or(|labels| labels.suggestion.is_none()) {
            let suggestion = Some(suggestion);
            self.apply(&Edit::Suggest { at, suggestion })?;
        }
        self.shown = Some(at);
        let project = self.info.title();
        Ok(format!(
            "Frame {frame} of {} is in the project {project}",
            clip.name
        ))
    }

    /// Remembers that the shown frame was seen: the search does not replace its suggestion.
    pub(super) fn see(&mut self) {
        if let (Some(search), Some(at)) = (&mut self.search, self.shown) {
            search.seen.insert(at);
        }
    }

    /// Writes a snapshot if there are edits and the last one is `quiet` ago. A large project gets one
    /// only when it is closed, because gestures would wait for it.
    pub(super) fn save_after(&mut self, quiet: Duration) {
        let tally = self.project.labels().tally();
        let is_small = tally.confirmed_people + tally.proposed_people <= SMALL;
        if is_small && self.edited.is_some_and(|at| at.elapsed() >= quiet) {
            self.save();
        }
    }

    /// Writes a snapshot. A failure costs nothing: the journal has every edit.
    fn save(&mut self) {
        self.edited = None;
        if let Err(error) = self.project.save() {
            tracing::warn!(%error, "no snapshot was written");
        }
    }

    /// Reviews the project for a training with `options`, as far as anything has changed since the
    /// last review.
    pub(super) fn review(&mut self, options: &FinetuneOptions) {
        self.reviewer.review(&self.project, options, &self.compared);
    }

    pub(super) fn publish(&self, (first, n): (usize, usize)) -> Published {
        let contents = self.project.contents();
        let (labels, holdout) = (contents.labels(), contents.holdout());
        let is_held_out = |at| matches!(holdout.role(at), Role::HoldOut(_));
        let frames = self.list.frames();
        let first = first.min(frames.len());
        let rows = frames.iter().skip(first).take(n).map(|&at| {
            let frame = labels.frame(at);
            Row {
                at,
                suggestion: frame.and_then(|frame| frame.suggestion),
                is_confirmed: frame.is_some_and(FrameLabels::is_confirmed),
                is_without_people: frame.is_some_and(FrameLabels::is_without_people),
                is_held_out: is_held_out(at),
            }
        });
        let frame = self.shown.map(|at| LabelledFrame {
            at,
            labels: labels.frame(at).cloned().unwrap_or_default(),
            role: holdout.role(at),
        });
        Published {
            info: Arc::clone(&self.info),
            list: ListPart {
                listed: self.list.listed(),
                n_all: frames.len(),
                first,
                rows: rows.collect(),
                shown: self.shown.and_then(|at| self.list.position(at)),
            },
            frame,
            tally: labels.tally(),
            n_done: self.list.n_done(),
            n_held_out: contents.n_held_out(),
            depth: self.project.depth(),
            search: self.search.as_ref().map(Search::progress),
            comparing: self.comparing.as_ref().map(Comparing::progress),
            comparison: self.comparison.clone(),
            review: self.reviewer.last().map(Arc::clone),
            is_adding: self.adding.is_some(),
            copying: self.copying.as_ref().map(Copying::shown),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.save();
    }
}

fn info(project: &Project) -> Result<Arc<ProjectInfo>> {
    let contents = project.contents();
    let folder = contents.folder();
    Ok(Arc::new(ProjectInfo {
        folder: std::path::absolute(folder).map_err(Error::io("open", folder))?,
        file: contents.file().clone(),
        skeleton: contents.labels().skeleton(),
        // Why it cannot be used was said when the project was opened.
        version: Version::current(folder).ok().flatten(),
    }))
}

//! What the thread that owns the project does with the results of searches for frames and people.

use std::collections::HashSet;

use crossbeam::channel::Sender;
use poselens_engine::project::{Edit, Examination, FrameKey, PersonQuery, Proposed};
use poselens_engine::{Error, Result};

use crate::gui::ui_state::Level;
use crate::gui::views::label::adding::Adding;
use crate::gui::views::label::gesture::Gesture;
use crate::gui::views::label::model::Model;
use crate::gui::views::label::opened::Open;
use crate::gui::views::label::thread::{Found, FoundPerson, NewPerson, Numbered};
use crate::words::counted;

/// A message for the user.
type Said = (Level, String);

/// The person who was added with the frame, and a message.
type Added = (Option<(FrameKey, u64)>, Option<Said>);

impl Open {
    /// Adds the frames that a search has found; at its end, replaces those of its first choice that
    /// were neither labelled nor shown.
    ///
    /// # Errors
    /// When the search has failed, no frame was found, or the project cannot be written.
    pub(super) fn take_found(&mut self, found: Found) -> Result<Option<Said>> {
        let found = match found {
            Found::First(examination) => return self.take_first(&examination),
            Found::All(found) => found,
        };
        let search = self.search.take();
        let (first, seen) = search.map_or_else(Default::default, |mut search| {
            (search.first.take(), std::mem::take(&mut search.seen))
        });
        let said = match (found, first) {
            (Ok(examination), None) => self.take_all(&examination)?,
            (Ok(examination), Some(first)) => self.improve(&examination, &first, &seen)?,
            (Err(error), None) if error.is_cancelled() => (Level::Info, error.to_string()),
            (Err(error), None) => return Err(error),
            (Err(error), Some(first)) => {
                let level = if error.is_cancelled() {
                    Level::Info
                } else {
                    Level::Error
                };
                let n = counted(first.frames.len(), "frame");
                (level, format!("{error}; the {n} suggested so far stay"))
            }
        };
        Ok(Some(said))
    }

    /// Adds a first choice, if there is one.
    fn take_first(&mut self, examination: &Examination) -> Result<Option<Said>> {
        let (proposed, edit) = examination.suggest(self.project.labels());
        let Some(search) = &mut self.search else {
            return Ok(None);
        };
        let Some(start) = proposed.frames.first().map(|frame| frame.at) else {
            return Ok(None);
        };
        let n = counted(proposed.frames.len(), "frame");
        search.first = Some(proposed);
        self.apply(&edit)?;
        self.show_first(start);
        let text = format!("Suggested {n}; better ones may replace those that you have not seen");
        Ok(Some((Level::Info, text)))
    }

    /// Adds the choice of a search that was quick.
    fn take_all(&mut self, examination: &Examination) -> Result<Said> {
        let (proposed, edit) = examination.suggest(self.project.labels());
        self.apply(&edit)?;
        let left_out = proposed.left_out.join("; ");
        let Some(first) = proposed.frames.first() else {
            let why = if left_out.is_empty() {
                "every frame is suggested, confirmed or too close to one that is"
            } else {
                &left_out
            };
            return Err(Error::Failed(format!("no frame was suggested: {why}")));
        };
        self.show_first(first.at);
        let text = format!("Suggested {}", counted(proposed.frames.len(), "frame"));
        Ok(said(text, &proposed))
    }

    /// Replaces suggestions of the first choice.
    fn improve(
        &mut self,
        examination: &Examination,
        first: &Proposed,
        seen: &HashSet<FrameKey>,
    ) -> Result<Said> {
        let is_seen = |at: FrameKey| seen.contains(&at);
        let (proposed, edit) = examination.improve(self.project.labels(), first, &is_seen);
        self.apply(&edit)?;
        if proposed.frames.is_empty() {
            let text = "The suggestions were undone; the search made no others";
            return Ok((Level::Info, text.to_owned()));
        }
        let was_there = |at: FrameKey| first.frames.iter().any(|frame| frame.at == at);
        let new = proposed.frames.iter().filter(|frame| !was_there(frame.at));
        let text = match new.count() {
            0 => "The search has ended: no frame is better than those suggested".to_owned(),
            n => format!(
                "Suggested {}: the search has ended and replaced some that you have not seen",
                counted(n, "other frame")
            ),
        };
        Ok(said(text, &proposed))
    }

    /// Starts to look for a person to add.
    ///
    /// # Errors
    /// When another one is being looked for, or the operating system cannot create a thread.
    pub(super) fn look_for(
        &mut self,
        new: NewPerson,
        model: Model,
        requests: Sender<Numbered>,
    ) -> Result<()> {
        if self.adding.is_some() {
            let text = "a person is being looked for already; press N again when it is there";
            return Err(Error::Failed(text.to_owned()));
        }
        let query = PersonQuery::new(self.project.labels(), new.at, new.point);
        let model = (model, self.loaded.take());
        let folder = self.project.contents().folder();
        self.adding = Some(Adding::start(new, query, model, folder, requests)?);
        Ok(())
    }

    /// Adds the person that was found, else the template. Returns the person with its frame, and a
    /// message if it is the template.
    ///
    /// # Errors
    /// When the project cannot be written.
    pub(super) fn take_person(&mut self, found: FoundPerson) -> Result<Added> {
        let Some(mut adding) = self.adding.take() else {
            return Ok((None, None));
        };
        let at = adding.at;
        let (found, said) = match found {
            Ok((found, loaded)) => {
                self.loaded = Some(loaded);
                let text = "No new person was found here: a template was placed".to_owned();
                let said = found.is_none().then_some((Level::Info, text));
                (found, said)
            }
            Err(error) => {
                let text = format!("{error}; a template was placed");
                (None, Some((Level::Warning, text)))
            }
        };
        if let Some(joints) = found {
            self.apply(&Edit::ProposePerson { at, joints })?;
        } else {
            let template = std::mem::take(&mut adding.template);
            self.make(at, Gesture::Add(template))?;
        }
        let added = self.project.labels().people(at).last();
        Ok((added.map(|person| (at, person.id)), said))
    }
}

/// Returns a message that names what was left out.
fn said(text: String, proposed: &Proposed) -> Said {
    let left_out = proposed.left_out.join("; ");
    if left_out.is_empty() {
        (Level::Info, text)
    } else {
        (Level::Warning, format!("{text}; {left_out}"))
    }
}

#[cfg(test)]
mod tests;

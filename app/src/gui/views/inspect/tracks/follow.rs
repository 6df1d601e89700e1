//! What the view does with recorded people: frames are inspected from their poses.

use poselens_engine::error::Result;

use crate::gui::action::inspect::TracksAction;
use crate::gui::views::inspect::state::{Complaint, Inspect, InspectedFrame};
use crate::gui::views::inspect::tracks::people::RecordedPeople;

impl Inspect {
    /// Looks for recorded people of the file that is being opened; `None` for the live view.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(in crate::gui::views::inspect) fn look_for_people(
        &mut self,
        spec: Option<&str>,
    ) -> Result<()> {
        self.people = None;
        let people = spec.map(|spec| RecordedPeople::of(spec, &self.waker));
        self.people = people.transpose()?;
        Ok(())
    }

    /// Shows a frame and inspects it as soon as its recorded people are known.
    ///
    /// # Errors
    /// If the image exceeds the GPU's maximum texture size, or a thread cannot be started.
    pub(in crate::gui::views::inspect) fn show_frame(
        &mut self,
        subject: InspectedFrame,
    ) -> Result<()> {
        let people = self.people.as_mut();
        let Some(people) = people.filter(|people| people.summary.is_some()) else {
            return self.look_at(subject);
        };
        people.is_awaited = true;
        people.look(&subject.frame);
        self.subject = Some(subject);
        self.forget_predictions();
        self.upload()
    }

    /// Receives the recorded people.
    pub(in crate::gui::views::inspect) fn poll_people(&mut self, complaints: &mut Vec<Complaint>) {
        let Some(people) = &mut self.people else {
            return;
        };
        let changes = people.poll();
        complaints.extend(changes.complaints.into_iter().map(Complaint::Say));
        self.is_stale |= changes.is_stale;
        let is_awaited = std::mem::take(&mut people.is_awaited);
        let mut is_due = is_awaited && changes.is_over;
        if let Some(subject) = &mut self.subject {
            if changes.is_ready {
                people.look(&subject.frame);
            }
            let poses = people.recorded().map(|recorded| &recorded.poses);
            let poses = poses.filter(|poses| !poses.is_empty());
            if let Some(poses) = poses.filter(|poses| **poses != subject.near) {
                subject.near.clone_from(poses);
                is_due = true;
            }
            is_due |= is_awaited && people.has_answer();
        }
        people.is_awaited = is_awaited && !is_due;
        if changes.is_over {
            self.people = None;
            self.is_stale = true;
        }
        if is_due && let Err(error) = self.ask() {
            complaints.push(Complaint::Say(error.to_string()));
        }
    }

    /// Runs an action on recorded people.
    ///
    /// # Errors
    /// If too many edits are waiting to be written.
    pub(in crate::gui::views::inspect) fn run_tracks(
        &mut self,
        action: TracksAction,
    ) -> Result<()> {
        self.is_stale = true;
        match &mut self.people {
            Some(people) => people.run(action),
            None => Ok(()),
        }
    }
}

//! Handles results of the view's threads.

use eframe::egui;

use crate::gui::state::inspect::Choices;
use crate::gui::views::inspect::state::{Complaint, Inspect, InspectedFrame};

impl Inspect {
    /// Receives results since the last call; returns messages for the user.
    pub(super) fn read_threads(
        &mut self,
        ctx: &egui::Context,
        choices: &Choices,
    ) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(reader) = &mut self.reader {
            let news = reader.poll(ctx);
            // The live frame stays if its source has no frames to seek in.
            let is_useless = reader.times.is_empty() && self.subject.is_some();
            let is_closed = news.fault.is_some() && is_useless;
            complaints.extend(news.fault.map(Complaint::Say));
            if let Some(frame) = news.frame {
                let subject = InspectedFrame {
                    frame,
                    near: Vec::new(),
                    name: reader.name.clone(),
                    is_mirrored: false,
                    is_live: false,
                };
                if let Err(error) = self.show_frame(subject) {
                    complaints.push(Complaint::Say(error.to_string()));
                }
            }
            if is_closed {
                (self.reader, self.people) = (None, None);
            }
        }
        self.poll_people(&mut complaints);
        self.poll_models(&mut complaints);
        self.poll_grids(ctx, &mut complaints);
        if std::mem::take(&mut self.is_stale) {
            // The GPU device may have been lost meanwhile.
            if self.pictures[0].is_none()
                && let Err(error) = self.upload()
            {
                complaints.push(Complaint::Say(error.to_string()));
            }
            self.refresh(choices);
        }
        complaints
    }
}

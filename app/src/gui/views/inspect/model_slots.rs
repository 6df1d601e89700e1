//! Model slots: requests predictions, receives them, and prepares them for display.

use std::sync::Arc;

use eframe::egui::{self, TextureOptions};
use poselens_engine::error::Result;
use poselens_engine::output::PoseOutput;
use poselens_engine::pipeline::{InspectEvent, Inspector, N_INSPECTED};
use poselens_shaders::scene::Mark;

use crate::gui::context::MakeByName;
use crate::gui::state::inspect::Choices;
use crate::gui::trained;
use crate::gui::views::inspect::attention_grid::{AttentionGrid, Cell, Grid, GridKey};
use crate::gui::views::inspect::common_range;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::shown::Shown;
use crate::gui::views::inspect::state::{Complaint, GridPictures, Inspect, ModelSlot};
use crate::gui::views::inspect::tracks::draw;

impl Inspect {
    /// Returns the thread that runs the models, starting it at first use and after a crash.
    pub(super) fn inspector(&mut self) -> Result<&mut Inspector> {
        let inspector = if let Some(inspector) = self.inspector.take() {
            inspector
        } else {
            let waker = self.waker.clone();
            Inspector::start(Arc::new(move || waker.wake()))?
        };
        Ok(self.inspector.insert(inspector))
    }

    /// Loads a model into a slot, or empties the slot.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn load_model(
        &mut self,
        slot: usize,
        name: Option<String>,
        make: &MakeByName,
    ) -> Result<()> {
        let is_new = self.inspector.is_none();
        if slot == 1 {
            self.kept = None;
        }
        self.slots[slot] = ModelSlot {
            is_loading: name.is_some(),
            wanted: name.clone(),
            ..ModelSlot::default()
        };
        match name {
            Some(name) => {
                let (make, wanted) = (Arc::clone(make), name.clone());
                self.inspector()?
                    .load(slot, &name, Box::new(move || make(&wanted)))?;
            }
            None => self.inspector()?.unload(slot)?,
        }
        self.upload()?;
        self.is_stale = true;
        // A new thread has no frame yet; a running one repeats its last request.
        if is_new { self.ask() } else { Ok(()) }
    }

    pub(super) fn poll_models(&mut self, complaints: &mut Vec<Complaint>) {
        let Some(inspector) = &self.inspector else {
            return;
        };
        let mut has_crashed = false;
        while let Some(event) = inspector.try_event() {
            match event {
                InspectEvent::ModelReady { slot, .. } => self.slots[slot].is_loading = false,
                InspectEvent::ModelFailed { slot, name, error } => {
                    let model_slot = &mut self.slots[slot];
                    model_slot.is_loading = false;
                    model_slot.found = None;
                    model_slot.fault = Some(error.to_string());
                    complaints.push(Complaint::Model(slot, name, error.to_string()));
                }
                InspectEvent::WorkerFailed(error) => {
                    has_crashed = true;
                    for (slot, model_slot) in self.slots.iter_mut().enumerate() {
                        if let Some(name) = &model_slot.wanted {
                            model_slot.is_loading = false;
                            model_slot.fault = Some(error.to_string());
                            let complaint = (slot, name.clone(), error.to_string());
                            complaints.push(Complaint::Model(
                                complaint.0,
                                complaint.1,
                                complaint.2,
                            ));
                        }
                    }
                }
            }
            self.is_stale = true;
        }
        for slot in 0..N_INSPECTED {
            // Results of an older request belong to another frame, those of another model to an
            // earlier selection.
            if let Some(answer) = inspector.take(slot).filter(|a| a.id == self.id)
                && self.slots[slot].wanted.as_ref() == Some(&answer.name)
            {
                self.slots[slot].last = Some((answer.name, Arc::clone(&answer.output)));
                self.slots[slot].found = Some(answer.output);
                self.is_stale = true;
            }
        }
        if has_crashed {
            self.inspector = None;
        }
    }

    pub(super) fn poll_grids(&mut self, ctx: &egui::Context, complaints: &mut Vec<Complaint>) {
        let Some(attention_grid) = &self.attention_grid else {
            return;
        };
        for (slot, model_slot) in self.slots.iter_mut().enumerate() {
            match attention_grid.take(slot) {
                None => continue,
                Some(Ok(grid)) => model_slot.grid = Some(load(ctx, grid)),
                Some(Err(error)) => complaints.push(Complaint::Say(error.to_string())),
            }
            self.is_stale = true;
        }
    }

    /// Returns the marks of the people recorded in the inspected frame, if they are drawn.
    fn recorded_marks(&self) -> Option<Vec<Mark>> {
        draw::marks(self.people.as_ref()?, &self.subject.as_ref()?.frame)
    }

    /// Gives both images of one map on two frames the same colours.
    fn share_ranges(&mut self) {
        let [first, second] = &mut self.slots;
        let kinds = [&*first, &*second].map(ModelSlot::shown_map);
        if kinds[0].is_some() && kinds[0] == kinds[1] {
            let [first, second] = [first, second].map(|slot| Arc::make_mut(&mut slot.shown.scene));
            common_range::share(first, second);
        }
    }

    /// Rebuilds the overlays of all slots.
    pub(super) fn refresh(&mut self, choices: &Choices) {
        let mut keys: [Option<GridKey>; N_INSPECTED] = Default::default();
        let recorded = self.recorded_marks();
        let n_current = self.n_current();
        let without_skeleton = Choices {
            has_skeleton: false,
            has_measures: false,
            ..choices.clone()
        };
        for (slot, (model_slot, wanted)) in self.slots.iter_mut().zip(&mut keys).enumerate() {
            // Recorded people replace the predicted ones.
            let recorded = recorded.as_ref().filter(|_| slot < n_current);
            let choices = recorded.map_or(choices, |_| &without_skeleton);
            let draw_recorded = |shown: &mut Shown| {
                let marks = recorded.into_iter().flatten().cloned();
                Arc::make_mut(&mut shown.scene).marks.extend(marks);
            };
            let Some(output) = model_slot.found.clone() else {
                (model_slot.shown, model_slot.grid, model_slot.asked) = Default::default();
                draw_recorded(&mut model_slot.shown);
                continue;
            };
            let pick = self.pick.as_ref();
            let picked = pick.and_then(|pick| shown::picked(&output, pick));
            let has_layers = output.regions.iter().any(|r| !r.query_key.is_empty());
            let key = picked.filter(|_| has_layers).map(|picked| GridKey {
                output: Arc::clone(&output),
                point: picked.point,
                direction: choices.direction,
            });
            if model_slot.asked != key {
                model_slot.asked.clone_from(&key);
                *wanted = key;
            }
            model_slot.shown = shown::show(
                &output,
                pick,
                choices,
                model_slot.cell(choices).map(|c| &c.map),
                &self.measures,
            );
            draw_recorded(&mut model_slot.shown);
        }
        if self.kept.is_some() && !choices.is_range_fixed && !choices.is_overlaid {
            self.share_ranges();
        }
        self.overlaid = self.overlaid_scene(choices);
        if keys.iter().any(Option::is_some) {
            let attention_grid = match self.attention_grid.take() {
                Some(attention_grid) => Ok(attention_grid),
                None => AttentionGrid::start(self.waker.clone()),
            };
            match attention_grid {
                // This request would replace one that is still waiting, which must not be lost.
                Ok(attention_grid) => {
                    attention_grid.request(self.slots.each_ref().map(ModelSlot::missing));
                    self.attention_grid = Some(attention_grid);
                }
                Err(error) => tracing::error!(%error, "self-attention cannot be shown"),
            }
        }
    }
}

impl ModelSlot {
    /// Returns the selected self-attention thumbnail, if it is finished.
    pub fn cell(&self, choices: &Choices) -> Option<&Cell> {
        let grid = &self.grid.as_ref().filter(|g| self.is_current(g))?.grid;
        let layer = grid.layers.get(choices.layer).or(grid.layers.last())?;
        let cells = &layer.cells;
        cells
            .iter()
            .find(|c| c.head == choices.head)
            .or(cells.last())
    }

    /// Returns whether these thumbnails match the current selection.
    pub fn is_current(&self, pictures: &GridPictures) -> bool {
        self.asked.as_ref() == Some(&pictures.grid.key)
    }

    /// Returns the requested grid if it has not arrived.
    fn missing(&self) -> Option<GridKey> {
        let is_here = self.grid.as_ref().is_some_and(|g| self.is_current(g));
        self.asked.clone().filter(|_| !is_here)
    }

    /// Returns what is drawn over the image: model, kind, and the name of an attention map.
    fn shown_map(&self) -> Option<(Arc<str>, &'static str, Option<String>)> {
        let model = Arc::clone(&self.found.as_ref()?.model);
        let map = self.shown.map.as_ref().map(|map| map.name.clone());
        Some((model, self.shown.layer?, map))
    }

    /// Returns the display name of the model.
    pub fn title(&self) -> String {
        let wanted = self.wanted.as_deref();
        wanted.map_or_else(|| "no model".to_owned(), trained::title)
    }

    /// Returns a prediction with the joints and maps of the model: that for the inspected frame, else
    /// the last one. Panels keep their layout while the next frame is computed.
    pub(super) fn like(&self) -> Option<&Arc<PoseOutput>> {
        let last = self.last.as_ref();
        let last = last.filter(|(name, _)| self.wanted.as_ref() == Some(name));
        self.found.as_ref().or(last.map(|(_, output)| output))
    }

    /// Returns what the slot is waiting for, or why it shows nothing.
    pub fn state(&self) -> Option<String> {
        self.wanted.as_ref()?;
        match &self.fault {
            Some(fault) => Some(fault.clone()),
            None if self.is_loading => Some("loading…".to_owned()),
            None if self.found.is_none() => Some("running…".to_owned()),
            None => None,
        }
    }
}

fn load(ctx: &egui::Context, grid: Arc<Grid>) -> GridPictures {
    let texture =
        |cell: &Cell| ctx.load_texture("attention", cell.image.clone(), TextureOptions::NEAREST);
    let textures = grid
        .layers
        .iter()
        .map(|layer| layer.cells.iter().map(texture).collect())
        .collect();
    GridPictures { grid, textures }
}

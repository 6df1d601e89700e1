//! Selection of the model and its device, and drawing of its outputs.

use std::sync::Arc;

use poselens_engine::estimator::People;
use poselens_engine::pipeline::Look;

use crate::gui::action::{Action, ModelAction, OverlayAction};
use crate::gui::context::{MakeByName, ModelChoice};
use crate::gui::core::Core;
use crate::gui::state::train::Trained;
use crate::gui::ui_state::Level;

impl Core {
    pub(in crate::gui) fn start_model(&mut self) {
        let is_known = |name: &&String| self.gui.models.iter().any(|m| m.name == **name);
        let remembered = self.state.model.as_ref().filter(is_known);
        let first = self.gui.models.first().map(|m| &m.name);
        if let Some(name) = self.gui.model.as_ref().or(remembered).or(first).cloned() {
            self.load_model(name);
        }
    }

    /// Loads a model while the current one keeps running.
    pub(super) fn load_model(&mut self, name: String) {
        self.ui_state.wanted_model = Some(name.clone());
        if self.ui_state.has_crashed {
            if let Err(error) = self.restart_pipeline() {
                self.ui_state.say(Level::Error, error.to_string());
            }
            return;
        }
        let device = self.ui_state.loading_device.unwrap_or(self.ui_state.device);
        let (make, wanted) = (self.maker(device), name.clone());
        let started = self
            .pipeline
            .switch_model(&name, Box::new(move || make(&wanted)));
        match started {
            Ok(()) => self.ui_state.loading_model = Some(name),
            Err(error) => self.ui_state.say(Level::Error, error.to_string()),
        }
    }

    /// Adds trained weights to the list of networks, now and in later sessions, and loads them.
    pub(in crate::gui) fn use_trained(&mut self, name: String, help: String) {
        let trained = &mut self.state.train.trained;
        trained.retain(|t| t.name != name);
        trained.push(Trained {
            name: name.clone(),
            help: help.clone(),
        });
        if !self.gui.models.iter().any(|m| m.name == name) {
            let name = name.clone();
            self.gui.models.push(ModelChoice { name, help });
        }
        self.run_action(Action::Model(ModelAction::Choose(name)));
    }

    /// Returns a function that builds models on a device, for as many people as the live view shows.
    pub(in crate::gui) fn maker(&self, device: usize) -> MakeByName {
        self.maker_for(self.ui_state.people, device)
    }

    /// Returns a function that builds models for `people` on a device.
    pub(in crate::gui) fn maker_for(&self, people: People, device: usize) -> MakeByName {
        let make = Arc::clone(&self.gui.make_infer);
        Arc::new(move |name| make(name, device, people))
    }

    /// Loads the model on another device; the current one keeps running until then.
    fn change_device(&mut self, device: usize) {
        self.ui_state.status = None;
        match self.ui_state.wanted_model.clone() {
            Some(name) => {
                self.ui_state.loading_device = Some(device);
                self.load_model(name);
            }
            None => self.ui_state.device = device,
        }
    }

    pub(super) fn run_model(&mut self, action: ModelAction) {
        match action {
            ModelAction::Device(device) => self.change_device(device),
            ModelAction::Choose(name) => {
                self.state.model = Some(name.clone());
                self.ui_state.status = None;
                self.load_model(name);
            }
            ModelAction::Smooth(is_on) => self.state.is_smoothed = is_on,
            ModelAction::Smoothing(params) => self.state.smoothing = params,
            ModelAction::Threshold(value) => self.state.keypoint_threshold = value,
        }
        self.look_changed();
    }

    pub(super) fn run_overlay(&mut self, action: OverlayAction) {
        match action {
            OverlayAction::Toggle(name) => {
                if !self.state.overlays.remove(&name) {
                    self.state.overlays.insert(name);
                }
            }
            OverlayAction::AllOff => self.state.overlays.clear(),
            OverlayAction::Opacity(value) => self.state.opacity = value,
            OverlayAction::Joint(joint) => self.state.joint = joint,
            OverlayAction::Attention(map) => self.state.attention = map,
            OverlayAction::NextMap(n) => {
                let maps = &self.ui_state.attention_maps;
                let chosen = self.state.attention.as_ref();
                let at = chosen.and_then(|c| maps.iter().position(|map| map.name == *c));
                if !maps.is_empty() {
                    let next = at.unwrap_or(0) as isize + n;
                    let next = next.rem_euclid(maps.len() as isize) as usize;
                    self.state.attention = Some(maps[next].name.clone());
                }
            }
            OverlayAction::SmoothMaps(is_on) => self.state.is_map_smooth = is_on,
            OverlayAction::MapThreshold(value) => self.state.map_threshold = value,
            OverlayAction::FixedRange(is_on) => self.state.is_range_fixed = is_on,
            OverlayAction::ShowJoint(joint, true) => {
                self.state.hidden_joints.remove(&joint);
            }
            OverlayAction::ShowJoint(joint, false) => {
                self.state.hidden_joints.insert(joint);
            }
            OverlayAction::ShowAllJoints => self.state.hidden_joints.clear(),
            OverlayAction::Measure(name, is_shown) => {
                self.state.measures.retain(|known| *known != name);
                if is_shown {
                    self.state.measures.push(name);
                }
            }
        }
        self.look_changed();
    }

    /// Schedules new drawing settings for the infer thread.
    pub(in crate::gui) fn look_changed(&mut self) {
        self.is_look_sent = false;
    }

    /// Returns the drawing settings for a model, with its selected map or else its first: a map of
    /// another model must not be requested.
    pub(super) fn look(&self, model: Option<&str>) -> Look {
        let mut look = self.state.look(self.gui.overlays, self.ui_state.skeleton);
        let is_running = self.ui_state.model.as_deref() == model;
        let maps = self.ui_state.attention_maps.iter().filter(|_| is_running);
        let names: Vec<_> = maps.map(|map| &map.name).collect();
        look.style
            .attention
            .take_if(|name| !names.iter().any(|known| *known == name));
        look
    }

    /// Returns [`Core::look`] of the live view, with the people that it shows.
    fn live_look(&self) -> Look {
        Look {
            selection: self.ui_state.selection.clone(),
            ..self.look(self.ui_state.model.as_deref())
        }
    }

    /// Sends the drawing settings to the pipeline if they have changed.
    pub(in crate::gui) fn send_look(&mut self) {
        if !self.is_look_sent {
            self.pipeline.set_look(self.live_look());
            let playback = self
                .state
                .playback(self.ui_state.is_playing, self.ui_state.speed);
            self.pipeline.set_playback(playback);
            self.is_look_sent = true;
        }
    }
}

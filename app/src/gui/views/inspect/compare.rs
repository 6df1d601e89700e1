//! Comparison of two predictions: two models on one frame, or one model on two frames. They are
//! shown side by side or over one image, with the distances between their joints.

use std::sync::Arc;

use eframe::egui::{Button, Grid, Label, RichText, Ui};
use poselens_engine::error::Result;
use poselens_engine::eval::pck::torso;
use poselens_engine::geometry::Point;
use poselens_engine::output::PoseOutput;
use poselens_engine::overlay::OverlayStyle;
use poselens_engine::pose::Pose;
use poselens_shaders::Rgb;
use poselens_shaders::scene::Scene;

use crate::gui::action::Action;
use crate::gui::action::inspect::InspectAction;
use crate::gui::state::inspect::{Choices, Pick};
use crate::gui::titles::joint_title;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::state::{
    Inspect, InspectContext, InspectedFrame, ModelSlot, StoredFrame,
};
use crate::gui::{theme, widgets};

/// Colour of the second prediction over the image of the first; distinct from those of left and
/// right.
pub(super) const SECOND: Rgb = [0xE8, 0x8F, 0xC2];

impl Inspect {
    /// Keeps the current frame and prediction in slot 1, for comparison with later frames.
    ///
    /// # Errors
    /// If the image exceeds the GPU's maximum texture size.
    pub(super) fn keep(&mut self) -> Result<()> {
        let (Some(subject), Some(found)) = (&self.subject, &self.slots[0].found) else {
            return Ok(());
        };
        self.stored = Some(StoredFrame {
            frame: InspectedFrame {
                is_live: false,
                ..subject.clone()
            },
            model: self.slots[0].wanted.clone(),
            found: Arc::clone(found),
        });
        self.show_stored()
    }

    /// Compares with the stored frame.
    ///
    /// # Errors
    /// If the image exceeds the GPU's maximum texture size.
    pub(super) fn show_stored(&mut self) -> Result<()> {
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        self.slots[1] = ModelSlot {
            wanted: stored.model.clone(),
            found: Some(Arc::clone(&stored.found)),
            ..ModelSlot::default()
        };
        self.kept = Some(stored.frame.clone());
        self.inspector()?.unload(1)?;
        self.is_stale = true;
        self.upload()
    }

    /// Ends the comparison, because another recording starts with a single model.
    ///
    /// # Errors
    /// If the thread of the models cannot be started.
    pub(super) fn look_alone(&mut self) -> Result<()> {
        self.stored = None;
        if !self.is_compared() {
            return Ok(());
        }
        self.kept = None;
        self.slots[1] = ModelSlot::default();
        self.is_stale = true;
        self.inspector()?.unload(1)
    }

    /// Returns whether two predictions are drawn over one image.
    pub fn is_overlaid(&self) -> bool {
        self.overlaid.is_some()
    }

    /// Returns the display name of a slot's model, with its frame if that differs.
    pub fn title(&self, slot: usize) -> String {
        let model_slot = self.slots[slot].title();
        let subject = match slot {
            1 => self.kept.as_ref(),
            _ => self.subject.as_ref().filter(|_| self.kept.is_some()),
        };
        match subject {
            Some(subject) => format!("{model_slot}, frame {}", subject.frame.id),
            None => model_slot,
        }
    }

    pub(super) fn overlaid_scene(&self, choices: &Choices) -> Option<Arc<Scene>> {
        if !choices.is_overlaid || !self.is_compared() {
            return None;
        }
        let mut scene = Scene::clone(&self.slots[0].shown.scene);
        if let Some(output) = &self.slots[1].found {
            scene.marks.extend(shown::second(output, SECOND));
        }
        Some(Arc::new(scene))
    }
}

/// Shows the controls that keep a frame and place the second prediction.
pub(super) fn compare_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    ui.horizontal(|ui| {
        let has_answer = cx.view.slots[0].found.is_some();
        let keep = Button::new("Store this frame");
        if ui
            .add_enabled(has_answer, keep)
            .on_hover_text(
                "Stores this frame for comparison with the frames you step to, using \
             the same model",
            )
            .on_disabled_hover_text("There is no prediction yet")
            .clicked()
        {
            cx.actions.push(Action::Inspect(InspectAction::Keep));
        }
        if cx.view.stored.is_some()
            && ui
                .button("Forget it")
                .on_hover_text("Removes the stored frame and ends the comparison with it")
                .clicked()
        {
            let forget = InspectAction::Stored(false);
            cx.actions.push(Action::Inspect(forget));
        }
    });
    if !cx.view.is_compared() {
        return;
    }
    let is_on = cx.state.inspect.is_overlaid;
    let help = "Both skeletons over one image, the second in pink; off: side by side";
    let switch = widgets::switch_row_ui(ui, "In one image", None, is_on);
    if switch.on_hover_text(help).clicked() {
        let choices = Choices {
            is_overlaid: !is_on,
            ..cx.state.inspect.clone()
        };
        let action = InspectAction::Choose(Box::new(choices));
        cx.actions.push(Action::Inspect(action));
    }
}

/// Distance between a joint in two predictions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Apart<'a> {
    /// Name of the joint in both skeletons.
    pub joint: &'a str,
    /// Distance in image pixels; `None` if either score is below the threshold.
    pub pixels: Option<f64>,
}

/// Joint distances of a person between two predictions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference<'a> {
    /// Joints common to both skeletons, in the order of the first.
    pub joints: Vec<Apart<'a>>,
    /// Torso length of the first prediction in pixels, from the left shoulder to the right hip as
    /// in PCK; `None` if either joint is not visible.
    pub torso: Option<f64>,
}

/// Compares the `person`-th pose of `a` with the nearest pose of `b`; `None` if either has no pose.
pub(super) fn between<'a>(
    a: &'a PoseOutput,
    b: &PoseOutput,
    person: usize,
) -> Option<Difference<'a>> {
    let pose = a.poses.get(person).or(a.poses.first())?;
    let pairs: Vec<(usize, usize)> = a
        .skeleton
        .joints
        .iter()
        .enumerate()
        .filter_map(|(j, name)| Some((j, b.skeleton.joint(name)?)))
        .collect();
    let apart = |other: &Pose, (j, k): (usize, usize)| {
        let (p, q) = (sure(pose, j)?, sure(other, k)?);
        Some(p.distance(q))
    };
    let far = |other: &&Pose| {
        let all: Vec<f64> = pairs.iter().filter_map(|p| apart(other, *p)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    // The mean over zero joints is NaN and sorts last.
    let nearest = b.poses.iter().min_by(|p, q| far(p).total_cmp(&far(q)))?;
    let labels: Vec<_> = (0..a.skeleton.n_joints()).map(|j| sure(pose, j)).collect();
    Some(Difference {
        joints: pairs
            .iter()
            .map(|pair| Apart {
                joint: &a.skeleton.joints[pair.0],
                pixels: apart(nearest, *pair),
            })
            .collect(),
        torso: torso(a.skeleton, &labels),
    })
}

/// Returns the decoded joint if its score is high enough to be drawn.
fn sure(pose: &Pose, joint: usize) -> Option<Point> {
    let least = OverlayStyle::default().keypoint_threshold;
    let keypoint = pose.keypoints_raw.get(joint)?;
    (keypoint.score >= least).then(|| keypoint.point())
}

/// Shows the joint distances between the two predictions.
pub(super) fn difference_ui(ui: &mut Ui, cx: &mut InspectContext<'_>) {
    if !cx.view.is_compared() {
        return;
    }
    widgets::section_ui(ui, "Difference", |ui| {
        let [first, second] = cx.view.slots.each_ref().map(|s| s.found.as_deref());
        let (Some(first), Some(second)) = (first, second) else {
            let titles = [0, 1].map(|i| cx.view.title(i));
            weak_ui(ui, &missing_text(&titles, &cx.view.slots));
            return;
        };
        let (person, picked) = match &cx.view.pick {
            Some(Pick::Joint { name, person }) => (*person, Some(name.as_str())),
            _ => (0, None),
        };
        match between(first, second, person) {
            Some(difference) => table_ui(ui, &difference, picked),
            None => weak_ui(ui, "One of them found no person."),
        }
    });
}

/// Returns why there is no difference: the prediction that is missing.
fn missing_text(titles: &[String; 2], slots: &[ModelSlot; 2]) -> String {
    let missing = titles
        .iter()
        .zip(slots)
        .filter(|(_, slot)| slot.found.is_none());
    let text = |(title, slot): (&String, &ModelSlot)| match &slot.fault {
        Some(fault) => format!("{title} has no prediction: {fault}"),
        None => format!("{title} is still working on this frame."),
    };
    missing.map(text).collect::<Vec<_>>().join(" ")
}

fn table_ui(ui: &mut Ui, difference: &Difference<'_>, picked: Option<&str>) {
    let number = |text: String| Label::new(RichText::new(text).font(theme::number_font(12.5)));
    let weak = |text: &str| Label::new(RichText::new(text).small().color(theme::WEAK));
    let in_torsos = |pixels: Option<f64>| Some(pixels? / difference.torso?);
    let text = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "–".to_owned(), |v| format!("{v:.decimals$}"))
    };
    let known = || difference.joints.iter().filter_map(|joint| joint.pixels);
    let n = known().count();
    let mean = (n > 0).then(|| known().sum::<f64>() / n as f64);
    let grid = Grid::new("difference").num_columns(3).min_row_height(17.0);
    grid.spacing([14.0, 1.0]).show(ui, |ui| {
        ui.add(weak("joint"));
        ui.add(weak("pixels"));
        ui.add(weak("torsos"))
            .on_hover_text("Lengths of the torso, from the left shoulder to the right hip");
        ui.end_row();
        ui.add(Label::new(RichText::new(format!("mean of {n}")).strong()));
        ui.add(number(text(mean, 1)));
        ui.add(number(text(in_torsos(mean), 3)));
        ui.end_row();
        for Apart { joint, pixels } in &difference.joints {
            let name = RichText::new(joint_title(joint));
            let is_picked = picked == Some(*joint);
            let name = name.color(if is_picked { theme::RIGHT } else { theme::TEXT });
            ui.add(Label::new(name));
            ui.add(number(text(*pixels, 1)));
            ui.add(number(text(in_torsos(*pixels), 3)));
            ui.end_row();
        }
    });
    if n < difference.joints.len() {
        weak_ui(
            ui,
            "–: one of them has no confident prediction of the joint.",
        );
    }
}

fn weak_ui(ui: &mut Ui, text: &str) {
    let text = RichText::new(text).small().color(theme::WEAK);
    ui.add(Label::new(text).wrap().selectable(false));
}

#[cfg(test)]
mod tests {
    use poselens_engine::frame::{Frame, Pixels};
    use poselens_engine::geometry::Size;
    use poselens_engine::output::{PeopleCount, Timings};
    use poselens_engine::pose::Keypoint;
    use poselens_engine::skeleton::Skeleton;

    use super::*;

    /// Returns a pose with joints in a row from `x` on, 10 pixels apart; the joint `unsure` has a
    /// low score.
    fn pose(skeleton: &Skeleton, x: f32, unsure: &str) -> Pose {
        let joints = skeleton.joints.iter().enumerate();
        let keypoints = joints.map(|(j, name)| Keypoint {
            x: x + 10.0 * j as f32,
            y: 50.0,
            score: if name == unsure { 0.1 } else { 0.9 },
        });
        Pose::from_keypoints(keypoints.collect())
    }

    fn output(skeleton: &str, poses: Vec<Pose>) -> PoseOutput {
        let size = Size::new(1, 1);
        PoseOutput {
            frame: Frame::new(0, 0.0, size, Pixels::unpooled(vec![0; 4])),
            model: "m".into(),
            skeleton: Skeleton::by_name(skeleton).unwrap(),
            poses,
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        }
    }

    /// Fails when a prediction that exists is called missing, or the reason is not said.
    #[test]
    fn the_missing_prediction_is_named() {
        let titles = ["sfm", "tp-r-a3"].map(str::to_owned);
        let ready = || ModelSlot {
            found: Some(Arc::new(output("coco17", Vec::new()))),
            ..ModelSlot::default()
        };
        let waits = ModelSlot::default();
        let text = missing_text(&titles, &[ready(), waits]);
        assert_eq!(text, "tp-r-a3 is still working on this frame.");
        let failed = ModelSlot {
            fault: Some("no weights".to_owned()),
            ..ModelSlot::default()
        };
        let text = missing_text(&titles, &[failed, ready()]);
        assert_eq!(text, "sfm has no prediction: no weights");
        let text = missing_text(&titles, &[ModelSlot::default(), ModelSlot::default()]);
        assert!(
            text.contains("sfm is") && text.contains("tp-r-a3 is"),
            "{text}"
        );
    }

    /// Fails when joints are compared by index instead of name, with the wrong person's, or
    /// including joints of low score.
    #[test]
    fn joints_are_compared_by_name_with_the_nearest_person() {
        let [coco, mpii] = ["coco17", "mpii16"].map(|name| Skeleton::by_name(name).unwrap());
        let a = output("coco17", vec![pose(coco, 0.0, "l_knee")]);
        let far = pose(coco, 900.0, "");
        let b = output("coco17", vec![far, pose(coco, 4.0, "")]);
        let difference = between(&a, &b, 0).unwrap();
        assert_eq!(difference.joints.len(), 17);
        for Apart { joint, pixels } in &difference.joints {
            let wanted = (*joint != "l_knee").then_some(4.0);
            assert_eq!(*pixels, wanted, "{joint}");
        }
        let ends = ["l_shoulder", "r_hip"].map(|name| coco.joint(name).unwrap());
        let torso = 10.0 * (ends[1] - ends[0]) as f64;
        assert_eq!(difference.torso, Some(torso));
        // A skeleton with a different order and set of joints.
        let c = output("mpii16", vec![pose(mpii, 0.0, "")]);
        let difference = between(&a, &c, 0).unwrap();
        let names: Vec<_> = difference.joints.iter().map(|j| j.joint).collect();
        assert!(
            names.contains(&"l_wrist") && !names.contains(&"nose"),
            "{names:?}"
        );
        for Apart { joint, pixels } in &difference.joints {
            let places = [coco, mpii].map(|s| s.joint(joint).unwrap() as f64);
            let wanted = (*joint != "l_knee").then(|| 10.0 * (places[0] - places[1]).abs());
            assert_eq!(*pixels, wanted, "{joint}");
        }
        assert_eq!(between(&a, &output("coco17", Vec::new()), 0), None);
    }
}

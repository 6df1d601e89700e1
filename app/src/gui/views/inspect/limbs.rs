//! The limbs whose affinity fields are shown.

use eframe::egui::{Label, RichText, Ui};
use poselens_engine::output::{LimbFields, PoseOutput};

use crate::gui::state::inspect::{Choices, Pick};
use crate::gui::titles::{joint_title, limb_title};
use crate::gui::{theme, widgets};

/// Returns the chosen limb if the model has it.
fn chosen(fields: &LimbFields, choices: &Choices) -> Option<usize> {
    fields.skeleton.limb(choices.limb.as_deref()?)
}

/// Returns the name of the chosen limb if the model has it; `None` for all limbs.
pub(super) fn chosen_name(fields: &LimbFields, choices: &Choices) -> Option<String> {
    chosen(fields, choices).map(|l| fields.skeleton.limb_name(l))
}

/// Returns the titles and names of all limbs of a model.
pub(super) fn limbs(fields: &LimbFields) -> impl Iterator<Item = (String, String)> {
    let skeleton = fields.skeleton;
    let limbs = 0..skeleton.limbs.len();
    limbs.map(|l| (limb_title(skeleton, l), skeleton.limb_name(l)))
}

/// Returns the name of the limb `n` positions further in the list, which begins with all limbs
/// (`None`) and wraps around.
pub(super) fn next(fields: &LimbFields, choices: &Choices, n: isize) -> Option<String> {
    let skeleton = fields.skeleton;
    let now = chosen(fields, choices).map_or(0, |l| l + 1);
    let len = skeleton.limbs.len() + 1;
    let next = (now as isize + n).rem_euclid(len as isize) as usize;
    next.checked_sub(1).map(|l| skeleton.limb_name(l))
}

/// Shows the list of limbs.
pub(super) fn limb_ui(
    ui: &mut Ui,
    model: &str,
    output: &PoseOutput,
    pick: Option<&Pick>,
    choices: &mut Choices,
) {
    let Some(fields) = output.limb_fields() else {
        return;
    };
    let several = match pick {
        Some(Pick::Joint { name, .. }) => format!("Limbs at {}", joint_title(name).to_lowercase()),
        _ => "All limbs".to_owned(),
    };
    let now = chosen_name(fields, choices);
    let title = now.as_ref().and_then(|now| {
        let mut all = limbs(fields);
        all.find_map(|(title, name)| (name == *now).then_some(title))
    });
    let current = title.unwrap_or_else(|| several.clone());
    let rows = limbs(fields).map(|(title, name)| (title, now.as_ref() == Some(&name)));
    let rows = std::iter::once((several, now.is_none())).chain(rows);
    let help = format!("Limb whose affinity field of {model} is shown (Tab: next)");
    if let Some(i) = widgets::choice_ui(ui, "Limb", &help, &current, rows) {
        choices.limb = i.checked_sub(1).map(|l| fields.skeleton.limb_name(l));
    }
    let text = "An arrow in each cell: in the direction in which the network sees the limb, and as \
         long as the network is sure of it.";
    let text = RichText::new(text).color(theme::WEAK);
    ui.add(Label::new(text).wrap().selectable(false));
}

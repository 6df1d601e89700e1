//! Live streams of joints: targets, switch, and what was sent.

use eframe::egui::{Label, RichText, TextEdit, Ui};

use crate::gui::action::Action;
use crate::gui::action::stream::StreamAction;
use crate::gui::views::live::state::LiveContext;
use crate::gui::{theme, widgets};
use crate::words::counted;

/// Forms of targets, for the tooltip.
const HELP: &str = "osc:HOST:PORT sends OSC bundles, udp:HOST:PORT JSON lines, and \
                    ws://127.0.0.1:PORT serves JSON to WebSocket clients; several are separated by \
                    blanks";

/// Shows the switch and the field for the targets.
pub(super) fn choice_ui(ui: &mut Ui, cx: &mut LiveContext<'_>) {
    let is_on = cx.ui_state.sending.is_on;
    let mut is_wanted = is_on;
    if ui
        .checkbox(&mut is_wanted, "Send joints")
        .on_hover_text("Sends the joints of every frame to other programs, recorded or not")
        .changed()
    {
        let action = StreamAction::Send(is_wanted);
        cx.actions.push(Action::Stream(action));
    }
    let mut text = cx.state.stream_targets.clone();
    let field = TextEdit::singleline(&mut text)
        .hint_text("osc:127.0.0.1:9000")
        .margin(widgets::FIELD_MARGIN)
        .desired_width(236.0);
    let field = ui
        .add_enabled(!is_on, field)
        .on_hover_text(HELP)
        .on_disabled_hover_text("Turn sending off to change its targets")
        .accessible_name("Targets of joints");
    if field.changed() {
        cx.actions.push(Action::Stream(StreamAction::Edit(text)));
    }
}

/// Shows what was sent to each target while joints are sent.
pub(super) fn state_ui(ui: &mut Ui, cx: &LiveContext<'_>) {
    let sending = &cx.ui_state.sending;
    if sending.is_on && sending.tallies.is_empty() {
        let text = RichText::new("Opening the targets of joints…");
        ui.label(text.small().color(theme::WEAK));
    }
    for tally in &sending.tallies {
        let is_whole = tally.dropped == 0 && tally.trouble.is_none();
        let clients = tally
            .clients
            .map(|n| format!(" · {}", counted(n, "client")));
        let text = format!("{}{}", tally.text(), clients.unwrap_or_default());
        ui.horizontal(|ui| {
            widgets::dot_ui(ui, if is_whole { theme::GREEN } else { theme::RIGHT });
            let label = Label::new(RichText::new(&text).small()).truncate();
            ui.add(label.selectable(false))
                .on_hover_text(format!("Joints sent to {text}"));
        });
    }
}

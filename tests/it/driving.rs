//! Helpers for tests that operate the window of a whole [`App`].

use std::time::{Duration, Instant};

use eframe::egui::{Key, Rect, Role, Vec2, ViewportCommand, ViewportEvent, ViewportId};
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::{Harness, HarnessBuilder, Node};
use poselens_app::gui::views::inspect::Inspect;
use poselens_app::gui::views::label::Label;
use poselens_app::gui::views::train::Train;
use poselens_app::gui::{App, GuiContext};
use poselens_tests::WAIT_LIMIT;

/// Opens the window of a context.
pub(crate) fn open_app(builder: HarnessBuilder<App>, gui: GuiContext) -> Harness<'static, App> {
    builder.build_eframe(|cc| {
        let mut app = App::new(gui).unwrap();
        app.attach(cc);
        app
    })
}

/// Requests that the window be closed, as its close button does; returns whether it closes.
pub(crate) fn closes(harness: &mut Harness<'static, App>) -> bool {
    let root = harness.input_mut().viewports.entry(ViewportId::ROOT);
    root.or_default().events.push(ViewportEvent::Close);
    harness.step();
    !sends(harness, &ViewportCommand::CancelClose)
}

/// Returns whether the app has sent this command to its window in the last step.
pub(crate) fn sends(harness: &Harness<'static, App>, command: &ViewportCommand) -> bool {
    let output = &harness.output().viewport_output[&ViewportId::ROOT];
    output.commands.contains(command)
}

/// Access to the states of the views.
pub(crate) trait Views {
    fn inspect(&self) -> &Inspect;
    fn label(&self) -> &Label;
    fn train(&self) -> &Train;
}

impl Views for App {
    fn inspect(&self) -> &Inspect {
        self.view().unwrap()
    }

    fn label(&self) -> &Label {
        self.view().unwrap()
    }

    fn train(&self) -> &Train {
        self.view().unwrap()
    }
}

pub(crate) trait Drive {
    fn harness(&mut self) -> &mut Harness<'static, App>;

    /// Returns the text printed when a wait times out.
    fn describe(&self) -> String;

    /// Steps until `done`.
    #[track_caller]
    fn until(&mut self, done: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !done(self.harness().state()) {
            assert!(start.elapsed() < WAIT_LIMIT, "{}", self.describe());
            std::thread::sleep(Duration::from_millis(5));
            self.harness().step();
        }
        self.harness().run_steps(3);
    }

    #[track_caller]
    fn click(&mut self, label: &str) {
        self.harness().get_by_label(label).click();
        self.harness().run_steps(3);
    }

    fn press(&mut self, key: Key) {
        self.harness().key_press(key);
        self.harness().run_steps(3);
    }
}

/// Sizes in points of the smallest window: 880 by 560 at scales 1 and 1.5.
pub(crate) const SMALLEST: [Vec2; 2] = [Vec2::new(880.0, 560.0), Vec2::new(587.0, 373.0)];

/// Height of the header.
const HEADER: f32 = 52.0;

/// A text or control of the window.
struct Part {
    text: String,
    rect: Rect,
}

/// The texts and controls of a panel or scroll area, without those of others inside it.
struct Group {
    /// The edges of the images that they lie on, else of the window.
    rect: Rect,
    has_image: bool,
    scrolls: bool,
    parts: Vec<Part>,
}

/// Collects the groups below a node, which belongs to group `at`. The parts of a control do not
/// count.
fn collect(node: &Node<'_>, at: usize, groups: &mut Vec<Group>) {
    let inner = node.accesskit_node();
    let is_part = matches!(
        inner.role(),
        Role::Label
            | Role::Button
            | Role::CheckBox
            | Role::ComboBox
            | Role::ProgressIndicator
            | Role::Slider
            | Role::SpinButton
            | Role::TextInput
    );
    let has_place = inner.bounding_box().is_some();
    if is_part && has_place {
        let text = inner.label().or(inner.value());
        groups[at].parts.push(Part {
            text: text.unwrap_or_default(),
            rect: node.rect(),
        });
        return;
    }
    if inner.label().as_deref() == Some("Image") && has_place {
        // Images have captions above them.
        let mut rect = node.rect();
        rect.min.y = HEADER;
        let group = &mut groups[at];
        let others = if group.has_image { group.rect } else { rect };
        (group.rect, group.has_image) = (rect | others, true);
    }
    let mut at = at;
    let scrolls = inner
        .children()
        .any(|child| child.role() == Role::ScrollBar);
    if scrolls || inner.role() == Role::Pane {
        groups.push(Group {
            rect: groups[0].rect,
            has_image: false,
            scrolls,
            parts: Vec::new(),
        });
        at = groups.len() - 1;
    }
    node.children()
        .for_each(|child| collect(&child, at, groups));
}

/// Returns what overlaps in a panel of the window, or is cut off by its edges.
pub(crate) fn disorder(harness: &Harness<'static, App>) -> Vec<String> {
    let mut groups = vec![Group {
        rect: harness.ctx.content_rect(),
        has_image: false,
        scrolls: true,
        parts: Vec::new(),
    }];
    collect(&harness.root(), 0, &mut groups);
    assert!(groups.len() > 4, "header, bar, side and stage");
    let mut found = Vec::new();
    for Group {
        rect,
        scrolls,
        parts,
        ..
    } in groups
    {
        for (i, a) in parts.iter().enumerate() {
            if !scrolls && !rect.expand(1.0).contains_rect(a.rect) {
                found.push(format!("'{}' is cut off: {:?} {rect:?}", a.text, a.rect));
            }
            let covered = parts[..i].iter().filter(|b| {
                let both = a.rect.intersect(b.rect);
                both.width() > 1.0 && both.height() > 1.0
            });
            found.extend(covered.map(|b| format!("'{}' covers '{}'", a.text, b.text)));
        }
    }
    found
}

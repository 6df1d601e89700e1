//! Colours, sizes and text styles: one dark theme in which the image is the brightest element.

use eframe::egui::{self, Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle};

/// Left joints of a person; also the accent of switches and sliders (colour-blind safe pair).
pub(super) const LEFT: Color32 = Color32::from_rgb(0x56, 0xB4, 0xE9);
/// Right joints of a person; also warnings.
pub(super) const RIGHT: Color32 = Color32::from_rgb(0xE6, 0x9F, 0x00);
/// Recording and errors.
pub(super) const RED: Color32 = Color32::from_rgb(0xF0, 0x5D, 0x5E);
/// Success.
pub(super) const GREEN: Color32 = Color32::from_rgb(0x4C, 0xC3, 0x8A);
/// Background behind the image.
pub(super) const STAGE: Color32 = Color32::from_rgb(0x0B, 0x0D, 0x10);
/// Background of header, side panel and transport.
pub(super) const PANEL: Color32 = Color32::from_rgb(0x14, 0x17, 0x1C);
/// Background of groups on a panel.
pub(super) const CARD: Color32 = Color32::from_rgb(0x1B, 0x20, 0x27);
/// Background of fields and buttons on a card.
pub(super) const FIELD: Color32 = Color32::from_rgb(0x26, 0x2C, 0x35);
/// Background of fields and buttons while hovered.
pub(super) const FIELD_HOVERED: Color32 = Color32::from_rgb(0x31, 0x39, 0x45);
/// Separator lines.
pub(super) const LINE: Color32 = Color32::from_rgb(0x2A, 0x31, 0x3B);
/// Primary text.
pub(super) const TEXT: Color32 = Color32::from_rgb(0xE4, 0xE8, 0xEE);
/// Secondary text; contrast 5.9 to 1 against [`CARD`].
pub(super) const WEAK: Color32 = Color32::from_rgb(0x9A, 0xA5, 0xB4);

/// Width of the side panel in points.
pub(super) const SIDE_WIDTH: f32 = 308.0;
/// Corner radius of cards and buttons.
pub(super) const RADIUS: CornerRadius = CornerRadius::same(6);

/// Monospaced font for numbers, so that they keep their place while they change.
pub(super) fn number_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// Applies the theme to a new context.
pub(super) fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    ctx.style_mut_of(egui::Theme::Dark, |style| {
        style.text_styles = [
            (TextStyle::Heading, FontId::proportional(20.0)),
            (TextStyle::Body, FontId::proportional(14.0)),
            (TextStyle::Button, FontId::proportional(14.0)),
            (TextStyle::Small, FontId::proportional(12.0)),
            (TextStyle::Monospace, number_font(13.0)),
        ]
        .into();
        let spacing = &mut style.spacing;
        spacing.item_spacing = egui::vec2(8.0, 8.0);
        spacing.button_padding = egui::vec2(12.0, 6.0);
        spacing.interact_size.y = 28.0;
        spacing.slider_rail_height = 4.0;
        spacing.icon_width = 16.0;
        spacing.menu_margin = Margin::same(6);

        let visuals = &mut style.visuals;
        visuals.panel_fill = PANEL;
        visuals.window_fill = CARD;
        visuals.window_stroke = Stroke::new(1.0, LINE);
        visuals.window_corner_radius = RADIUS;
        visuals.menu_corner_radius = RADIUS;
        visuals.extreme_bg_color = Color32::from_rgb(0x10, 0x13, 0x17);
        visuals.faint_bg_color = CARD;
        visuals.weak_text_color = Some(WEAK);
        visuals.hyperlink_color = LEFT;
        visuals.warn_fg_color = RIGHT;
        visuals.error_fg_color = RED;
        visuals.selection.bg_fill = Color32::from_rgb(0x1F, 0x4A, 0x66);
        visuals.selection.stroke = Stroke::new(1.0, LEFT);
        visuals.slider_trailing_fill = true;
        let widgets = &mut visuals.widgets;
        for (widget, fill, line, text) in [
            (&mut widgets.noninteractive, PANEL, LINE, TEXT),
            (&mut widgets.inactive, FIELD, LINE, TEXT),
            (&mut widgets.hovered, FIELD_HOVERED, WEAK, Color32::WHITE),
            (&mut widgets.active, FIELD_HOVERED, LEFT, Color32::WHITE),
            (&mut widgets.open, FIELD_HOVERED, LINE, TEXT),
        ] {
            widget.bg_fill = fill;
            widget.weak_bg_fill = fill;
            widget.bg_stroke = Stroke::new(1.0, line);
            widget.fg_stroke = Stroke::new(1.0, text);
            widget.corner_radius = RADIUS;
            widget.expansion = 0.0;
        }
    });
}

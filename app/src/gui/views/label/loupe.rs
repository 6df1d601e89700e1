//! The loupe: the image around a dragged joint, four times as large.

use std::sync::Arc;

use eframe::egui::{self, Color32, Pos2, Rect, Stroke, StrokeKind, Ui};
use poselens_engine::geometry::Point;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::View;

use crate::gui::picture::FrameCanvas;
use crate::gui::theme;
use crate::gui::zoom::Placed;

/// Side of the loupe in points.
const SIDE: f32 = 168.0;
/// Distance from the edges of the stage.
const MARGIN: f32 = 12.0;
/// Magnification relative to the stage.
const FACTOR: f64 = 4.0;

/// Shows the loupe around `point` in a corner of `area`, away from the pointer.
pub(super) fn loupe_ui(ui: &Ui, area: Rect, canvas: &FrameCanvas, placed: &Placed, point: Point) {
    let rect = corner(area, placed.to_window(point));
    let scale = f64::from(ui.pixels_per_point());
    let pixels = |v: f32| (f64::from(v) * scale).round();
    let view = View {
        screen: [pixels(rect.width()), pixels(rect.height())],
        scale: FACTOR * placed.view.scale,
        center: [point.x, point.y],
        ..placed.view
    };
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, theme::STAGE);
    canvas.show_ui(ui, rect, &Arc::new(Scene::default()), view);
    let center = rect.center();
    // With a gap in the middle, where the joint is.
    for far in [egui::vec2(1.0, 0.0), egui::vec2(0.0, 1.0)] {
        for sign in [-1.0, 1.0] {
            let ends = [center + far * sign * 6.0, center + far * sign * 40.0];
            painter.line_segment(ends, Stroke::new(3.0, Color32::from_black_alpha(140)));
            painter.line_segment(ends, Stroke::new(1.0, Color32::WHITE));
        }
    }
    painter.rect_stroke(
        rect,
        0.0,
        Stroke::new(2.0, theme::WEAK),
        StrokeKind::Outside,
    );
}

/// Returns the place of the loupe: at the top right, or left if the pointer is near.
fn corner(area: Rect, pointer: Pos2) -> Rect {
    let side = SIDE.min(0.5 * area.width()).min(0.5 * area.height());
    let size = egui::Vec2::splat(side);
    let right = Rect::from_min_size(
        egui::pos2(area.right() - MARGIN - side, area.top() + MARGIN),
        size,
    );
    let left = Rect::from_min_size(area.min + egui::Vec2::splat(MARGIN), size);
    if right.expand(2.0 * MARGIN).contains(pointer) {
        left
    } else {
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the loupe covers the joint that is dragged, or leaves the stage.
    #[test]
    fn the_loupe_is_away_from_the_pointer() {
        for size in [egui::vec2(560.0, 400.0), egui::vec2(200.0, 150.0)] {
            let area = Rect::from_min_size(egui::pos2(0.0, 80.0), size);
            for i in 0..=20 {
                for j in 0..=20 {
                    let share = egui::vec2(i as f32, j as f32) / 20.0;
                    let pointer = area.min + share * size;
                    let rect = corner(area, pointer);
                    assert!(!rect.contains(pointer), "{pointer:?} {rect:?}");
                    assert!(area.contains_rect(rect));
                }
            }
        }
    }
}

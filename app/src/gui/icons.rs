//! Icons painted as shapes, because egui's fonts have no transport symbols.

use std::f32::consts::PI;

use eframe::egui::{Atom, Color32, Painter, Pos2, Rect, Shape, Stroke, Vec2};

/// An icon on a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    /// Triangle pointing right.
    Play,
    /// Two vertical bars.
    Pause,
    /// Bar, and a triangle pointing left.
    Restart,
    /// Triangle pointing left, and a bar.
    StepBack,
    /// Bar, and a triangle pointing right.
    StepOn,
    /// Filled circle.
    Record,
    /// Square.
    Stop,
    /// Four corner brackets.
    FullScreen,
    /// Circular arrow.
    Refresh,
    /// Diagonal cross.
    Dismiss,
}

impl Icon {
    /// Returns the icon at text size; `color` replaces the button's text colour.
    pub(super) fn atom(self, color: Option<Color32>) -> Atom<'static> {
        Atom::paint(Vec2::splat(14.0), move |ui, args| {
            let color = color.unwrap_or(args.fallback_text_color);
            let square = Vec2::splat(args.rect.size().min_elem());
            let rect = Rect::from_center_size(args.rect.center(), square);
            self.paint(ui.painter(), rect, color);
        })
    }

    fn paint(self, painter: &Painter, rect: Rect, color: Color32) {
        // Coordinates from -1 to 1 within the square.
        let at = |x: f32, y: f32| rect.center() + Vec2::new(x, y) * rect.width() / 2.0;
        let unit = rect.width() / 2.0;
        let stroke = Stroke::new(1.6, color);
        let fill = |points: Vec<Pos2>| {
            painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
        };
        let bar = |x0: f32, x1: f32| {
            let bar = Rect::from_two_pos(at(x0, -0.8), at(x1, 0.8));
            painter.rect_filled(bar, 1.0, color);
        };
        match self {
            Self::Play => fill(vec![at(-0.6, -0.85), at(0.85, 0.0), at(-0.6, 0.85)]),
            Self::Pause => {
                bar(-0.7, -0.2);
                bar(0.2, 0.7);
            }
            Self::Restart => {
                bar(-0.85, -0.6);
                fill(vec![at(0.8, -0.8), at(0.8, 0.8), at(-0.5, 0.0)]);
            }
            Self::StepBack => {
                bar(0.45, 0.7);
                fill(vec![at(0.25, -0.8), at(0.25, 0.8), at(-0.8, 0.0)]);
            }
            Self::StepOn => {
                bar(-0.7, -0.45);
                fill(vec![at(-0.25, -0.8), at(0.8, 0.0), at(-0.25, 0.8)]);
            }
            Self::Record => {
                painter.circle_filled(rect.center(), 0.72 * unit, color);
            }
            Self::Stop => {
                painter.rect_filled(rect.shrink(0.25 * unit), 1.5, color);
            }
            Self::FullScreen => {
                for (sx, sy) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)] {
                    let corner = [(0.3, 0.85), (0.85, 0.85), (0.85, 0.3)];
                    let points = corner.map(|(x, y)| at(sx * x, sy * y)).to_vec();
                    painter.add(Shape::line(points, stroke));
                }
            }
            Self::Refresh => {
                let (radius, start, end) = (0.72, -PI * 0.35, PI * 1.25);
                let arc = (0..=24).map(|i| {
                    let angle = start + (end - start) * i as f32 / 24.0;
                    at(radius * angle.cos(), radius * angle.sin())
                });
                painter.add(Shape::line(arc.collect(), stroke));
                let out = Vec2::angled(end);
                let (base, along) = (rect.center() + out * radius * unit, out.rot90());
                // rot90 turns opposite to the arc's direction.
                fill(vec![
                    base - along * 0.62 * unit,
                    base + out * 0.42 * unit,
                    base - out * 0.42 * unit,
                ]);
            }
            Self::Dismiss => {
                painter.line_segment([at(-0.6, -0.6), at(0.6, 0.6)], stroke);
                painter.line_segment([at(0.6, -0.6), at(-0.6, 0.6)], stroke);
            }
        }
    }

    /// Every icon.
    #[cfg(test)]
    const ALL: [Self; 10] = [
        Self::Play,
        Self::Pause,
        Self::Restart,
        Self::StepBack,
        Self::StepOn,
        Self::Record,
        Self::Stop,
        Self::FullScreen,
        Self::Refresh,
        Self::Dismiss,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{self, pos2};

    /// Fails when an icon is invisible or extends beyond its square into the text next to it.
    #[test]
    fn every_icon_paints_inside_its_square() {
        let square = Rect::from_min_size(pos2(100.0, 100.0), Vec2::splat(14.0));
        let ctx = egui::Context::default();
        for icon in Icon::ALL {
            let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                icon.paint(ui.painter(), square, Color32::WHITE);
            });
            output.textures_delta.clear();
            let bounds = output
                .shapes
                .iter()
                .map(|s| s.shape.visual_bounding_rect())
                .filter(|b| b.is_positive() && square.contains(b.center()))
                .fold(Rect::NOTHING, Rect::union);
            assert!(bounds.area() > 40.0, "{icon:?} {bounds:?}");
            assert!(
                square.expand(2.0).contains_rect(bounds),
                "{icon:?} {bounds:?}"
            );
        }
    }
}

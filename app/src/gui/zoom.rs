//! An image view with wheel zoom and dragging.

use eframe::egui::{self, CursorIcon, Pos2, Rect, Response, Role, Sense, Ui, WidgetInfo};
use poselens_engine::geometry::{Point, Size};
use poselens_shaders::view::{View, Zoom};

/// One wheel notch is 50 points and magnifies by about a fifth.
const ZOOM_PER_POINT: f32 = 0.18 / 50.0;

/// Minimum width of lines over an image, in points.
const MIN_LINE: f64 = 1.5;

/// Returns the zoom after magnifying the image by `factor` about the centre of its area.
pub(super) fn magnified(zoom: Zoom, factor: f64) -> Zoom {
    let factor = (zoom.factor * factor).clamp(1.0, Zoom::MAX_FACTOR);
    if factor == 1.0 {
        Zoom::WHOLE
    } else {
        Zoom { factor, ..zoom }
    }
}

/// The position of an image in an area of the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// The position in screen pixels from the corner of the area.
    pub view: View,
    /// Screen pixel of that corner.
    corner: [f64; 2],
    /// Screen pixels per point.
    scale: f64,
}

impl Placed {
    /// Places an image of `size` in `area`.
    pub(super) fn new(ui: &Ui, area: Rect, size: Size, zoom: Zoom, is_mirrored: bool) -> Self {
        let scale = ui.pixels_per_point();
        // egui rounds the edges of a paint callback to pixels in this way.
        let pixel = |v: f32| f64::from((v * scale).round());
        let corner = [pixel(area.min.x), pixel(area.min.y)];
        let screen = [pixel(area.max.x) - corner[0], pixel(area.max.y) - corner[1]];
        // At this size, text 14 points high is legible.
        let min_unit = (2.0 * scale).round() as usize;
        let image = [size.width, size.height];
        let view = View {
            min_line: MIN_LINE * f64::from(scale),
            ..View::letterbox(image, screen, zoom, is_mirrored, min_unit)
        };
        Self {
            view,
            corner,
            scale: f64::from(scale),
        }
    }

    /// Returns the screen pixel of a point of the window, from the corner of the area.
    fn to_screen(self, at: Pos2) -> [f64; 2] {
        let pixel = |v: f32, corner: f64| f64::from(v) * self.scale - corner - 0.5;
        [pixel(at.x, self.corner[0]), pixel(at.y, self.corner[1])]
    }

    /// Maps a point of the window to an image pixel, which may lie outside the image.
    pub(super) fn to_image(self, at: Pos2) -> Point {
        let [x, y] = self.view.to_image(self.to_screen(at));
        Point::new(x, y)
    }

    /// Maps an image pixel to a point of the window.
    pub(super) fn to_window(self, point: Point) -> Pos2 {
        let [x, y] = self.view.to_screen([point.x, point.y]);
        let at = |v: f64, corner: f64| ((v + corner + 0.5) / self.scale) as f32;
        egui::pos2(at(x, self.corner[0]), at(y, self.corner[1]))
    }

    /// Returns how many image pixels a length in points of the window is.
    pub(super) fn length(self, points: f32) -> f64 {
        f64::from(points) * self.scale / self.view.scale
    }
}

/// An image that can be zoomed and panned.
#[derive(Debug)]
pub(super) struct Zoomed {
    /// Position of the image.
    pub placed: Placed,
    /// Response of its area.
    pub response: Response,
    /// The visible part has changed.
    pub is_changed: bool,
}

/// Returns the response of the area of an image to clicks and drags.
pub(super) fn image_ui(ui: &Ui, area: Rect) -> Response {
    // Not reachable with Tab, because it has nothing to activate.
    let id = ui.scope_id().with("image");
    let response = ui.interact(area, id, Sense::CLICK | Sense::DRAG);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Image"));
    response
}

/// Places an image of `size` in `area`. The wheel zooms about the pointer, dragging pans, a double
/// click resets the zoom.
pub(super) fn zoom_ui(
    ui: &mut Ui,
    area: Rect,
    size: Size,
    zoom: Zoom,
    is_mirrored: bool,
) -> Zoomed {
    let placed = Placed::new(ui, area, size, zoom, is_mirrored);
    let response = image_ui(ui, area);
    let wanted = if response.double_clicked() || response.triple_clicked() {
        Some(Zoom::WHOLE)
    } else {
        wanted_zoom(ui, &response, &placed)
    };
    let response = if zoom.factor > 1.0 {
        response.on_hover_cursor(if wanted.is_some() {
            CursorIcon::Grabbing
        } else {
            CursorIcon::Grab
        })
    } else {
        response
    };
    let is_changed = wanted.is_some();
    Zoomed {
        placed: Placed::new(ui, area, size, wanted.unwrap_or(zoom), is_mirrored),
        response,
        is_changed,
    }
}

/// Returns the zoom after the wheel and drags of this frame, if there were any.
pub(super) fn wanted_zoom(ui: &Ui, response: &Response, placed: &Placed) -> Option<Zoom> {
    if response.dragged() {
        let by = f64::from(ui.pixels_per_point());
        let by = [response.drag_delta().x, response.drag_delta().y].map(|v| f64::from(v) * by);
        return Some(placed.view.dragged(by));
    }
    let at = placed.to_screen(response.hover_pos()?);
    let by = ui.input(|i| (i.smooth_scroll_delta().y * ZOOM_PER_POINT).exp() * i.zoom_delta());
    (by != 1.0).then(|| placed.view.zoomed(f64::from(by), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a click is mapped to another pixel than the one that is drawn there, at any scale
    /// of the user interface.
    #[test]
    fn window_and_image_coordinates_round_trip() {
        let ctx = egui::Context::default();
        for scale in [1.0, 1.25, 2.0] {
            ctx.set_zoom_factor(scale);
            let mut errors = Vec::new();
            for _ in 0..2 {
                ctx.run_ui(egui::RawInput::default(), |ui| {
                    let area = Rect::from_min_max(egui::pos2(10.3, 52.0), egui::pos2(810.7, 600.0));
                    let zoom = Zoom {
                        factor: 3.0,
                        center: [0.4, 0.6],
                    };
                    let placed = Placed::new(ui, area, Size::new(640, 480), zoom, false);
                    for point in [Point::new(0.0, 0.0), Point::new(320.25, -17.5)] {
                        errors.push(placed.to_image(placed.to_window(point)).distance(point));
                    }
                    let step = placed.to_window(Point::new(1.0, 0.0)).x
                        - placed.to_window(Point::new(0.0, 0.0)).x;
                    errors.push((placed.length(step) - 1.0).abs());
                })
                .drop_without_applying_deltas();
            }
            assert!(errors.iter().all(|e| *e < 1e-3), "{errors:?}");
        }
    }
}

//! An image view with wheel zoom and dragging.

use eframe::egui::{self, CursorIcon, Role, Sense, Ui, WidgetInfo};
use poselens_engine::geometry::Size;
use poselens_shaders::view::{View, Zoom};

/// One wheel notch is 50 points and magnifies by about a fifth.
const ZOOM_PER_POINT: f32 = 0.18 / 50.0;

/// Returns the zoom after magnifying the image by `factor` about the centre of its area.
pub(super) fn magnified(zoom: Zoom, factor: f64) -> Zoom {
    let factor = (zoom.factor * factor).clamp(1.0, Zoom::MAX_FACTOR);
    if factor == 1.0 {
        Zoom::WHOLE
    } else {
        Zoom { factor, ..zoom }
    }
}

/// An image that can be zoomed and panned.
#[derive(Debug)]
pub(super) struct Zoomed {
    /// Position of the image.
    pub view: View,
    /// Response of its area.
    pub response: egui::Response,
    /// The visible part has changed.
    pub is_changed: bool,
}

/// Places an image of `size` in `area`. The wheel zooms about the pointer, dragging pans, a double
/// click resets the zoom.
pub(super) fn zoom_ui(
    ui: &mut Ui,
    area: egui::Rect,
    size: Size,
    zoom: Zoom,
    is_mirrored: bool,
) -> Zoomed {
    let image = [size.width, size.height];
    let scale = ui.pixels_per_point();
    // egui rounds the edges of a paint callback to pixels in this way.
    let pixel = |v: f32| f64::from((v * scale).round());
    let first = [pixel(area.min.x), pixel(area.min.y)];
    let screen = [pixel(area.max.x) - first[0], pixel(area.max.y) - first[1]];
    // At this size, text 14 points high is legible.
    let min_unit = (2.0 * scale).round() as usize;
    let view = View::letterbox(image, screen, zoom, is_mirrored, min_unit);

    // Not reachable with Tab, because it has nothing to activate.
    let response = ui.interact(
        area,
        ui.scope_id().with("image"),
        Sense::CLICK | Sense::DRAG,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Image"));
    let mut wanted = None;
    if response.double_clicked() || response.triple_clicked() {
        wanted = Some(Zoom::WHOLE);
    } else if response.dragged() {
        let by = response.drag_delta() * scale;
        wanted = Some(view.dragged([f64::from(by.x), f64::from(by.y)]));
    } else if let Some(pointer) = response.hover_pos() {
        let by = ui.input(|i| (i.smooth_scroll_delta().y * ZOOM_PER_POINT).exp() * i.zoom_delta());
        let at = [
            f64::from(pointer.x * scale) - first[0] - 0.5,
            f64::from(pointer.y * scale) - first[1] - 0.5,
        ];
        if by != 1.0 {
            wanted = Some(view.zoomed(f64::from(by), at));
        }
    }
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
    let zoom = wanted.unwrap_or(zoom);
    Zoomed {
        view: View::letterbox(image, screen, zoom, is_mirrored, min_unit),
        response,
        is_changed,
    }
}

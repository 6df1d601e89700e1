//! A picture that is zoomed by the wheel and moved by dragging.

use eframe::egui::{self, CursorIcon, Role, Sense, Ui, WidgetInfo};
use poselens_engine::geometry::Size;
use poselens_shaders::view::{View, Zoom};

/// One notch of a wheel is 50 points: it comes a fifth closer.
const ZOOM_PER_POINT: f32 = 0.18 / 50.0;

/// A picture that can be zoomed and moved.
#[derive(Debug)]
pub struct Zoomed {
    /// Where it lies.
    pub view: View,
    /// What the user does to it.
    pub response: egui::Response,
    /// Another part of it is looked at than before.
    pub is_changed: bool,
}

/// Where a picture of `size` lies in `area`. The wheel zooms about the pointer, dragging moves, a
/// double click shows the whole picture again.
pub fn zoom_ui(ui: &mut Ui, area: egui::Rect, size: Size, zoom: Zoom, is_mirrored: bool) -> Zoomed {
    let image = [size.width, size.height];
    let scale = ui.pixels_per_point();
    // egui rounds a callback's edges to pixels like this.
    let pixel = |v: f32| f64::from((v * scale).round());
    let first = [pixel(area.min.x), pixel(area.min.y)];
    let screen = [pixel(area.max.x) - first[0], pixel(area.max.y) - first[1]];
    // Letters 14 points high can be read.
    let min_unit = (2.0 * scale).round() as usize;
    let view = View::letterbox(image, screen, zoom, is_mirrored, min_unit);

    // Not reached by Tab: there is nothing to press.
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

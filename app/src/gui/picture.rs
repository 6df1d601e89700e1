//! The displayed image and its overlays, drawn by the GPU: the frame is uploaded into one texture
//! in place, and the scene is drawn over it at screen resolution.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eframe::egui::{PaintCallbackInfo, Rect, Ui, vec2};
use eframe::egui_wgpu::{
    Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor, wgpu,
};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Size;
use poselens_engine::{Error, Result};
use poselens_shaders::gpu::Renderer;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::View;

/// The displayed image on the GPU.
pub(super) struct FrameCanvas {
    renderer: Arc<Mutex<Renderer>>,
}

impl FrameCanvas {
    pub(super) fn new(render: &RenderState) -> Self {
        let renderer = Renderer::new(&render.device, &render.queue, render.target_format);
        Self {
            renderer: Arc::new(Mutex::new(renderer)),
        }
    }

    /// Uploads `frame`; after an error nothing is shown.
    ///
    /// # Errors
    /// If the frame exceeds the GPU's maximum texture size.
    pub(super) fn upload(&self, frame: &Frame) -> Result<()> {
        let Size { width, height } = frame.size();
        lock(&self.renderer)
            .set_picture(frame.rgba(), [width, height])
            .map_err(|error| Error::Failed(error.to_string()))
    }

    /// Draws the image and `scene` into `area`, which is the screen area of `view`. As in recordings,
    /// nothing is drawn beside the image.
    pub(super) fn show_ui(&self, ui: &Ui, area: Rect, scene: &Arc<Scene>, view: View) {
        let corner = |[x, y]: [f64; 2]| {
            let pixels = vec2((x + 0.5) as f32, (y + 0.5) as f32);
            area.min + pixels / ui.pixels_per_point()
        };
        let [lo, hi] = view.picture();
        let picture = Rect::from_min_max(corner(lo), corner(hi));
        let drawing = Drawing {
            renderer: Arc::clone(&self.renderer),
            scene: Arc::clone(scene),
            view,
        };
        ui.painter_at(picture)
            .add(Callback::new_paint_callback(area, drawing));
    }
}

/// Lets the GPU device deliver its callbacks, in particular device loss.
pub(super) fn poll_device(render: &RenderState) {
    if let Err(error) = render.device.poll(wgpu::PollType::Poll) {
        tracing::debug!(%error, "the graphics device does not respond");
    }
}

/// A single draw of the image as an egui paint callback.
struct Drawing {
    renderer: Arc<Mutex<Renderer>>,
    scene: Arc<Scene>,
    view: View,
}

impl CallbackTrait for Drawing {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        _resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        lock(&self.renderer).prepare(&self.scene, &self.view);
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        _resources: &CallbackResources,
    ) {
        lock(&self.renderer).paint(pass);
    }
}

fn lock(renderer: &Mutex<Renderer>) -> MutexGuard<'_, Renderer> {
    renderer.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The picture and what lies over it, drawn by the graphics device: the bare frame is written into
//! one texture in place, the scene is drawn over it at the screen's resolution.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eframe::egui::{PaintCallbackInfo, Rect, Ui};
use eframe::egui_wgpu::{
    Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor, wgpu,
};
use poselens_engine::frame::Frame;
use poselens_engine::geometry::Size;
use poselens_shaders::gpu::Renderer;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::View;

/// The picture on the graphics device.
pub struct Picture {
    renderer: Arc<Mutex<Renderer>>,
}

impl Picture {
    pub fn new(render: &RenderState) -> Self {
        let renderer = Renderer::new(&render.device, &render.queue, render.target_format);
        Self {
            renderer: Arc::new(Mutex::new(renderer)),
        }
    }

    /// Uploads `frame`; nothing is shown after an error.
    ///
    /// # Errors
    /// When the picture is larger than the graphics device can hold.
    pub fn upload(&self, frame: &Frame) -> Result<(), String> {
        let Size { width, height } = frame.size();
        lock(&self.renderer)
            .set_picture(frame.rgba(), [width, height])
            .map_err(|error| error.to_string())
    }

    /// Draws the picture and `scene` into `area`, the screen of `view`.
    pub fn show_ui(&self, ui: &Ui, area: Rect, scene: &Arc<Scene>, view: View) {
        let drawing = Drawing {
            renderer: Arc::clone(&self.renderer),
            scene: Arc::clone(scene),
            view,
        };
        ui.painter()
            .add(Callback::new_paint_callback(area, drawing));
    }
}

/// Lets the graphics device deliver its callbacks, above all that it is lost.
pub fn poll_device(render: &RenderState) {
    if let Err(error) = render.device.poll(wgpu::PollType::Poll) {
        tracing::debug!(%error, "the graphics device does not respond");
    }
}

/// One drawing of the picture, in the middle of egui's own.
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

//! The picture: one native texture, registered once and written in place. egui's own textures
//! would be created anew, with a bind group, for every frame.

use eframe::egui::{self, Pos2, Rect, TextureId, Ui, Vec2};
use eframe::egui_wgpu::{RenderState, wgpu};
use poselens_engine::frame::{BYTES_PER_PIXEL, Frame};
use poselens_engine::geometry::Size;

/// The texture on the graphics device.
pub struct Picture {
    render: RenderState,
    texture: Option<(wgpu::Texture, TextureId, Size)>,
}

impl Picture {
    pub fn new(render: RenderState) -> Self {
        Self {
            render,
            texture: None,
        }
    }

    /// Uploads `frame`; a new texture only when the size changed.
    ///
    /// # Errors
    /// When the picture is larger than the graphics device can hold.
    pub fn upload(&mut self, frame: &Frame) -> Result<(), String> {
        let size = frame.size();
        if self.texture.as_ref().is_none_or(|(_, _, s)| *s != size) {
            self.create(size)?;
        }
        let Some((texture, _, _)) = &self.texture else {
            return Ok(());
        };
        self.render.queue.write_texture(
            texture.as_image_copy(),
            frame.rgba(),
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some((size.width * BYTES_PER_PIXEL) as u32),
                rows_per_image: None,
            },
            texture.size(),
        );
        Ok(())
    }

    fn create(&mut self, size: Size) -> Result<(), String> {
        let largest = self.render.device.limits().max_texture_dimension_2d as usize;
        if size.width.max(size.height) > largest {
            return Err(format!(
                "the picture ({size}) is larger than this graphics device shows ({largest} pixels); \
                 scale the file down"
            ));
        }
        let texture = self.render.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: wgpu::Extent3d {
                width: size.width as u32,
                height: size.height as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            // egui blends in gamma space: an sRGB format would brighten the picture.
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut renderer = self.render.renderer.write();
        let device = &self.render.device;
        let filter = wgpu::FilterMode::Linear;
        let id = if let Some((_, id, _)) = &self.texture {
            renderer.update_egui_texture_from_wgpu_texture(device, &view, filter, *id);
            *id
        } else {
            renderer.register_native_texture(device, &view, filter)
        };
        drop(renderer);
        self.texture = Some((texture, id, size));
        Ok(())
    }

    /// Lets the graphics device deliver its callbacks, above all that it is lost.
    pub fn poll_device(&self) {
        if let Err(error) = self.render.device.poll(wgpu::PollType::Poll) {
            tracing::debug!(%error, "the graphics device does not answer");
        }
    }

    /// Draws the picture into `area`, as large as fits.
    pub fn show_ui(&self, ui: &Ui, area: Rect, is_mirrored: bool) {
        if let Some((_, id, size)) = &self.texture {
            let (left, right) = if is_mirrored { (1.0, 0.0) } else { (0.0, 1.0) };
            let uv = Rect::from_min_max(Pos2::new(left, 0.0), Pos2::new(right, 1.0));
            ui.painter()
                .image(*id, letterbox(*size, area), uv, egui::Color32::WHITE);
        }
    }
}

/// The largest rectangle of `size`'s aspect inside `area`, centred.
pub fn letterbox(size: Size, area: Rect) -> Rect {
    let size = Vec2::new(size.width as f32, size.height as f32);
    let scale = (area.width() / size.x).min(area.height() / size.y).max(0.0);
    Rect::from_center_size(area.center(), size * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a picture is stretched or cut off.
    #[test]
    fn a_letterboxed_picture_keeps_its_aspect_and_fits() {
        let area = Rect::from_min_size(Pos2::new(10.0, 20.0), Vec2::new(800.0, 300.0));
        for size in [
            Size::new(640, 480),
            Size::new(100, 1000),
            Size::new(1920, 100),
        ] {
            let rect = letterbox(size, area);
            assert!(area.expand(0.01).contains_rect(rect), "{size}");
            assert!((f64::from(rect.aspect_ratio()) / size.aspect() - 1.0).abs() < 1e-3);
            let touches = (rect.width() - area.width()).abs() < 0.01
                || (rect.height() - area.height()).abs() < 0.01;
            assert!(touches, "{size}");
        }
    }
}

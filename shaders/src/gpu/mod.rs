//! GPU rendering of an image and the scene on it, at screen resolution.
//!
//! A [`Renderer`] creates its pipelines once. [`Renderer::set_picture`] writes a frame into the
//! image texture, [`Renderer::prepare`] lays a scene out and writes its instances, and
//! [`Renderer::paint`] draws both. Buffers and textures are recreated only when they grow or change
//! their size, so in steady state none is created.

mod instance_batches;
mod pipelines;
mod textures;

use crate::instance::Screen;
use crate::scene::Scene;
use crate::view::View;
use crate::wgsl::Kind;

use instance_batches::InstanceBatches;
use pipelines::Pipelines;
use textures::{FrameTexture, Maps, Strokes};

/// An image that exceeds the device's texture size limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Width and height of the image in pixels.
    pub size: [usize; 2],
    /// Maximum texture side of the device in pixels.
    pub largest: usize,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [width, height] = self.size;
        write!(
            f,
            "the image ({width}x{height}) exceeds the maximum texture size of this graphics \
             device ({} pixels); scale it down",
            self.largest
        )
    }
}

impl std::error::Error for TooLarge {}

/// Draws images and scenes on one device.
#[derive(Debug)]
pub struct Renderer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    screen: wgpu::Buffer,
    screen_group: wgpu::BindGroup,
    instances: wgpu::Buffer,
    picture: Option<FrameTexture>,
    maps: Maps,
    strokes: Strokes,
    batches: InstanceBatches,
}

/// Initial size of the instance buffer in bytes: enough for a few people with labels.
const FIRST_BYTES: u64 = 16 * 1024;

impl Renderer {
    /// Creates the pipelines for render passes with one colour target of `format`, one sample and
    /// no depth buffer.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, format: wgpu::TextureFormat) -> Self {
        let pipelines = Pipelines::new(device, format);
        let screen = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("screen"),
            size: size_of::<Screen>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let screen_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("screen"),
            layout: &pipelines.screen_layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: screen.as_entire_binding(),
            }],
        });
        Self {
            instances: instance_buffer(device, FIRST_BYTES),
            picture: None,
            maps: Maps::new(device, queue),
            strokes: Strokes::new(device, &pipelines),
            batches: InstanceBatches::default(),
            device: device.clone(),
            queue: queue.clone(),
            pipelines,
            screen,
            screen_group,
        }
    }

    /// Replaces the displayed image by `rgba` (`size[0] * size[1] * 4` bytes, red first, opaque).
    /// The texture is reused while the size stays the same. An image without pixels displays
    /// nothing.
    ///
    /// # Errors
    /// When the image exceeds the device's texture size; no image is displayed then.
    ///
    /// # Panics
    /// When the buffer does not have that length.
    pub fn set_picture(&mut self, rgba: &[u8], size: [usize; 2]) -> Result<(), TooLarge> {
        assert_eq!(
            rgba.len(),
            size[0] * size[1] * 4,
            "RGBA bytes of the picture"
        );
        if rgba.is_empty() {
            self.picture = None;
            return Ok(());
        }
        if self.picture.as_ref().is_none_or(|p| p.size != size) {
            let largest = self.device.limits().max_texture_dimension_2d as usize;
            if size[0].max(size[1]) > largest {
                self.picture = None;
                return Err(TooLarge { size, largest });
            }
            self.picture = Some(FrameTexture::new(&self.device, &self.pipelines, size));
        }
        if let Some(picture) = &self.picture {
            picture.write(&self.queue, rgba);
        }
        Ok(())
    }

    /// Returns the width and height of the displayed image.
    pub fn picture_size(&self) -> Option<[usize; 2]> {
        self.picture.as_ref().map(|p| p.size)
    }

    /// Lays `scene` out for `view` and uploads the instances, maps and labels for
    /// [`Renderer::paint`].
    pub fn prepare(&mut self, scene: &Scene, view: &View) {
        let screen = Screen {
            size: view.screen.map(|v| v as f32),
            unused: [0.0; 2],
        };
        self.queue
            .write_buffer(&self.screen, 0, bytemuck::bytes_of(&screen));
        self.batches.fill(scene, view, self.picture_size());
        let bytes = self.batches.bytes();
        let n_bytes = bytes.len() as u64;
        if n_bytes > self.instances.size() {
            self.instances = instance_buffer(&self.device, n_bytes.next_power_of_two());
        }
        self.queue.write_buffer(&self.instances, 0, bytes);
        self.strokes.write(
            &self.device,
            &self.queue,
            &self.pipelines,
            self.batches.strokes(),
        );
        self.maps.write(
            &self.device,
            &self.queue,
            &self.pipelines,
            self.batches.maps(),
        );
    }

    /// Draws the prepared scene. The viewport of `pass` must be the screen of the view.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_bind_group(0, &self.screen_group, &[]);
        for batch in self.batches.batches() {
            let group = match batch.kind {
                Kind::Frame => self.picture.as_ref().map(|p| &p.group),
                Kind::Heat => self.maps.group(batch.map),
                Kind::Text => Some(self.strokes.group()),
                Kind::Line | Kind::Disc | Kind::Rect | Kind::Trail => None,
            };
            pass.set_pipeline(self.pipelines.of(batch.kind));
            pass.set_bind_group(1, group, &[]);
            let bytes = batch.bytes.start as u64..batch.bytes.end as u64;
            pass.set_vertex_buffer(0, self.instances.slice(bytes));
            pass.draw(0..4, 0..batch.n);
        }
    }
}

fn instance_buffer(device: &wgpu::Device, size: u64) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("instances"),
        size,
        usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

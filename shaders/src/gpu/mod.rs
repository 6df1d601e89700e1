//! Drawing by the graphics device: the picture and the scene over it, at screen resolution.
//!
//! A [`Renderer`] has its pipelines from the start. [`Renderer::set_picture`] writes a frame into
//! the one picture texture, [`Renderer::prepare`] lays a scene out and writes its instances, and
//! [`Renderer::paint`] draws both. Buffers and textures are made anew only when they grow or
//! change their size: a warm renderer creates no buffer and no texture.

mod pipelines;
mod sheet;
mod textures;

use crate::instance::Screen;
use crate::scene::Scene;
use crate::view::View;
use crate::wgsl::Kind;

use pipelines::Pipelines;
use sheet::Sheet;
use textures::{Maps, Picture, Strokes};

/// A picture that the graphics device cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Its width and height.
    pub size: [usize; 2],
    /// The longest side the device can hold.
    pub largest: usize,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [width, height] = self.size;
        write!(
            f,
            "the picture ({width}x{height}) is larger than this graphics device shows ({} \
             pixels); scale the file down",
            self.largest
        )
    }
}

impl std::error::Error for TooLarge {}

/// Draws pictures and scenes with one device.
#[derive(Debug)]
pub struct Renderer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    screen: wgpu::Buffer,
    screen_group: wgpu::BindGroup,
    instances: wgpu::Buffer,
    picture: Option<Picture>,
    maps: Maps,
    strokes: Strokes,
    sheet: Sheet,
}

/// Bytes of the first instance buffer: a few people with labels.
const FIRST_BYTES: u64 = 16 * 1024;

impl Renderer {
    /// Makes the pipelines for render passes with one colour target of `format`, one sample and
    /// no depth.
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
            sheet: Sheet::default(),
            device: device.clone(),
            queue: queue.clone(),
            pipelines,
            screen,
            screen_group,
        }
    }

    /// Shows `rgba` (`size[0] * size[1] * 4` bytes, red first, opaque) from now on. Its pixels are
    /// written in place while the size stays the same. A picture without pixels shows nothing.
    ///
    /// # Errors
    /// When the picture is larger than the device can hold; no picture is shown then.
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
            self.picture = Some(Picture::new(&self.device, &self.pipelines, size));
        }
        if let Some(picture) = &self.picture {
            picture.write(&self.queue, rgba);
        }
        Ok(())
    }

    /// Width and height of the picture shown.
    pub fn picture_size(&self) -> Option<[usize; 2]> {
        self.picture.as_ref().map(|p| p.size)
    }

    /// Lays `scene` out for `view` and writes what [`Renderer::paint`] needs.
    pub fn prepare(&mut self, scene: &Scene, view: &View) {
        let screen = Screen {
            size: view.screen.map(|v| v as f32),
            unused: [0.0; 2],
        };
        self.queue
            .write_buffer(&self.screen, 0, bytemuck::bytes_of(&screen));
        self.sheet.fill(scene, view, self.picture_size());
        let bytes = self.sheet.bytes();
        let n_bytes = bytes.len() as u64;
        if n_bytes > self.instances.size() {
            self.instances = instance_buffer(&self.device, n_bytes.next_power_of_two());
        }
        self.queue.write_buffer(&self.instances, 0, bytes);
        self.strokes.write(
            &self.device,
            &self.queue,
            &self.pipelines,
            self.sheet.strokes(),
        );
        self.maps.write(
            &self.device,
            &self.queue,
            &self.pipelines,
            self.sheet.maps(),
        );
    }

    /// Draws what was prepared. The pass' viewport is the screen of the view.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_bind_group(0, &self.screen_group, &[]);
        for batch in self.sheet.batches() {
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

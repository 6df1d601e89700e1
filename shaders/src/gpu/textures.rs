//! Textures read by the shaders: the image, float maps with their colour maps, and label strokes.

use std::sync::Arc;

use crate::colormap::ColorMap;
use crate::heat::HeatLayer;

use super::pipelines::Pipelines;

fn texture(
    device: &wgpu::Device,
    label: &str,
    [width, height]: [usize; 2],
    format: wgpu::TextureFormat,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d {
            width: width as u32,
            height: height as u32,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// Writes the first rows of `texture`.
fn write(queue: &wgpu::Queue, texture: &wgpu::Texture, bytes: &[u8], bytes_per_pixel: usize) {
    let bytes_per_row = texture.width() as usize * bytes_per_pixel;
    queue.write_texture(
        texture.as_image_copy(),
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes_per_row as u32),
            rows_per_image: None,
        },
        wgpu::Extent3d {
            height: (bytes.len() / bytes_per_row) as u32,
            ..texture.size()
        },
    );
}

fn view(texture: &wgpu::Texture) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn bound(binding: u32, view: &wgpu::TextureView) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::TextureView(view),
    }
}

/// The texture of a source's frame.
#[derive(Debug)]
pub(super) struct FrameTexture {
    texture: wgpu::Texture,
    pub(super) group: wgpu::BindGroup,
    pub(super) size: [usize; 2],
}

impl FrameTexture {
    pub(super) fn new(device: &wgpu::Device, pipelines: &Pipelines, size: [usize; 2]) -> Self {
        // Blending uses stored values: an sRGB format would brighten the image.
        let texture = texture(device, "picture", size, wgpu::TextureFormat::Rgba8Unorm);
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("picture"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..wgpu::SamplerDescriptor::default()
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &pipelines.picture_layout,
            entries: &[
                bound(0, &view(&texture)),
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::Sampler(&sampler),
                },
            ],
        });
        Self {
            texture,
            group,
            size,
        }
    }

    pub(super) fn write(&self, queue: &wgpu::Queue, rgba: &[u8]) {
        write(queue, &self.texture, rgba, 4);
    }
}

/// Identifies the values written to a map's texture.
#[derive(Debug, PartialEq)]
struct Written {
    values: Arc<[f32]>,
    range: (f32, f32),
    cut: usize,
}

impl Written {
    fn is(&self, layer: &HeatLayer) -> bool {
        Arc::ptr_eq(&self.values, &layer.values)
            && self.range == layer.range
            && self.cut == layer.cut
    }
}

#[derive(Debug)]
struct Map {
    texture: wgpu::Texture,
    group: wgpu::BindGroup,
    written: Option<Written>,
}

/// One texture per heat layer, and the colour maps they share.
#[derive(Debug)]
pub(super) struct Maps {
    tables: wgpu::TextureView,
    maps: Vec<Map>,
}

impl Maps {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let size = [256, ColorMap::ALL.len()];
        let tables = texture(device, "colour maps", size, wgpu::TextureFormat::Rgba8Unorm);
        let colors = ColorMap::ALL.iter().flat_map(|map| map.table());
        let bytes: Vec<u8> = colors.flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
        write(queue, &tables, &bytes, 4);
        Self {
            tables: view(&tables),
            maps: Vec::new(),
        }
    }

    pub(super) fn group(&self, index: usize) -> Option<&wgpu::BindGroup> {
        self.maps.get(index).map(|map| &map.group)
    }

    /// Writes the values of those `layers` that changed.
    pub(super) fn write(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipelines: &Pipelines,
        layers: &[HeatLayer],
    ) {
        for (i, layer) in layers.iter().enumerate() {
            let Some(size) = layer.shown() else { continue };
            let fits =
                |map: &Map| [map.texture.width(), map.texture.height()].map(|n| n as usize) == size;
            match self.maps.get_mut(i) {
                Some(map) if fits(map) => {}
                Some(map) => *map = Map::new(device, pipelines, &self.tables, size),
                None => self
                    .maps
                    .push(Map::new(device, pipelines, &self.tables, size)),
            }
            let map = &mut self.maps[i];
            if map.written.as_ref().is_none_or(|w| !w.is(layer)) {
                write(
                    queue,
                    &map.texture,
                    bytemuck::cast_slice(&layer.shares()),
                    4,
                );
                map.written = Some(Written {
                    values: Arc::clone(&layer.values),
                    range: layer.range,
                    cut: layer.cut,
                });
            }
        }
    }
}

impl Map {
    fn new(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        tables: &wgpu::TextureView,
        size: [usize; 2],
    ) -> Self {
        let texture = texture(device, "map", size, wgpu::TextureFormat::R32Float);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("map"),
            layout: &pipelines.map_layout,
            entries: &[bound(0, &view(&texture)), bound(1, tables)],
        });
        Self {
            texture,
            group,
            written: None,
        }
    }
}

/// Strokes per row of their texture.
const ROW: usize = 256;

/// Ends of pen strokes. This is a texture, because not every device allows shaders to read buffers.
#[derive(Debug)]
pub(super) struct Strokes {
    texture: wgpu::Texture,
    group: wgpu::BindGroup,
    padded: Vec<[f32; 4]>,
}

impl Strokes {
    pub(super) fn new(device: &wgpu::Device, pipelines: &Pipelines) -> Self {
        Self::with_rows(device, pipelines, 4)
    }

    fn with_rows(device: &wgpu::Device, pipelines: &Pipelines, rows: usize) -> Self {
        let format = wgpu::TextureFormat::Rgba32Float;
        let texture = texture(device, "strokes", [ROW, rows], format);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("strokes"),
            layout: &pipelines.strokes_layout,
            entries: &[bound(0, &view(&texture))],
        });
        Self {
            texture,
            group,
            padded: Vec::new(),
        }
    }

    pub(super) fn group(&self) -> &wgpu::BindGroup {
        &self.group
    }

    pub(super) fn write(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipelines: &Pipelines,
        strokes: &[[f32; 4]],
    ) {
        if strokes.is_empty() {
            return;
        }
        let rows = strokes.len().div_ceil(ROW);
        if rows > self.texture.height() as usize {
            *self = Self::with_rows(device, pipelines, rows.next_power_of_two());
        }
        self.padded.clear();
        self.padded.extend_from_slice(strokes);
        self.padded.resize(rows * ROW, [0.0; 4]);
        write(queue, &self.texture, bytemuck::cast_slice(&self.padded), 16);
    }
}

//! One render pipeline per primitive, created once.

use crate::instance::Format;
use crate::wgsl::{Kind, SHADERS, Shader};

/// The pipelines and the bind group layouts of their inputs.
#[derive(Debug)]
pub(super) struct Pipelines {
    /// In the order of [`SHADERS`].
    all: Vec<wgpu::RenderPipeline>,
    /// Group 0 of every primitive: the screen.
    pub(super) screen_layout: wgpu::BindGroupLayout,
    /// Group 1 of the image: a texture and its sampler.
    pub(super) picture_layout: wgpu::BindGroupLayout,
    /// Group 1 of float maps: values and colours.
    pub(super) map_layout: wgpu::BindGroupLayout,
    /// Group 1 of labels: strokes.
    pub(super) strokes_layout: wgpu::BindGroupLayout,
}

impl Pipelines {
    pub(super) fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let group = |label, entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(label),
                entries,
            })
        };
        let uniform = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let vertex = wgpu::ShaderStages::VERTEX;
        let screen_layout = group("screen", &[entry(0, vertex, uniform)]);
        let picture_layout = group("picture", &[texture(0, true), sampler(1)]);
        let map_layout = group("map", &[texture(0, false), texture(1, false)]);
        let strokes_layout = group("strokes", &[texture(0, false)]);
        let all = SHADERS
            .iter()
            .map(|shader| {
                let screen = Some(&screen_layout);
                let groups = match shader.kind {
                    Kind::Frame => vec![screen, Some(&picture_layout)],
                    Kind::Heat => vec![screen, Some(&map_layout)],
                    Kind::Text => vec![screen, Some(&strokes_layout)],
                    Kind::Line | Kind::Disc | Kind::Rect | Kind::Trail => vec![screen],
                };
                pipeline(device, format, shader, &groups)
            })
            .collect();
        Self {
            all,
            screen_layout,
            picture_layout,
            map_layout,
            strokes_layout,
        }
    }

    pub(super) fn of(&self, kind: Kind) -> &wgpu::RenderPipeline {
        &self.all[kind as usize]
    }
}

fn entry(
    binding: u32,
    visibility: wgpu::ShaderStages,
    ty: wgpu::BindingType,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty,
        count: None,
    }
}

fn texture(binding: u32, filterable: bool) -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    entry(binding, wgpu::ShaderStages::FRAGMENT, ty)
}

fn sampler(binding: u32) -> wgpu::BindGroupLayoutEntry {
    let ty = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
    entry(binding, wgpu::ShaderStages::FRAGMENT, ty)
}

fn pipeline(
    device: &wgpu::Device,
    format: wgpu::TextureFormat,
    shader: &Shader,
    groups: &[Option<&wgpu::BindGroupLayout>],
) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(shader.name),
        source: wgpu::ShaderSource::Wgsl(shader.source.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(shader.name),
        bind_group_layouts: groups,
        immediate_size: 0,
    });
    let attributes: Vec<_> = shader
        .attributes
        .iter()
        .zip(0..)
        .map(|(attribute, shader_location)| wgpu::VertexAttribute {
            format: vertex_format(attribute.format),
            offset: attribute.offset as u64,
            shader_location,
        })
        .collect();
    // Colours are blended as on the canvas: as stored, in sRGB. A target that converts from linear
    // light itself blends in linear light instead, which makes edges slightly lighter.
    let constants = [("is_linear_target", f64::from(u8::from(format.is_srgb())))];
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(shader.name),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[Some(wgpu::VertexBufferLayout {
                array_stride: shader.stride as u64,
                step_mode: wgpu::VertexStepMode::Instance,
                attributes: &attributes,
            })],
        },
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..wgpu::PrimitiveState::default()
        },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fragment"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                ..wgpu::PipelineCompilationOptions::default()
            },
            targets: &[Some(wgpu::ColorTargetState {
                format,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}

fn vertex_format(format: Format) -> wgpu::VertexFormat {
    match format {
        Format::F32 => wgpu::VertexFormat::Float32,
        Format::Vec2f => wgpu::VertexFormat::Float32x2,
        Format::Vec4f => wgpu::VertexFormat::Float32x4,
        Format::U32 => wgpu::VertexFormat::Uint32,
        Format::Vec2u => wgpu::VertexFormat::Uint32x2,
    }
}

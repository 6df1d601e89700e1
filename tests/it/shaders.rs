//! The shaders: valid, with the layout declared in Rust, and equal to their CPU twins.

use std::sync::Arc;

use eframe::egui_wgpu::wgpu;
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Binding, Module, Scalar, ShaderStage, Type, TypeInner, VectorSize};
use poselens_shaders::canvas::{Canvas, Paint};
use poselens_shaders::colormap::ColorMap;
use poselens_shaders::frame::Image;
use poselens_shaders::gpu::Renderer;
use poselens_shaders::heat::{Fade, HeatLayer, Sampling};
use poselens_shaders::instance::{Format, Screen};
use poselens_shaders::legend::{ColorScale, Corner, Legend};
use poselens_shaders::scene::{Disc, Label, LabelPlacement, Line, Mark, Rect, Scene};
use poselens_shaders::trail::Trail;
use poselens_shaders::view::{View, Zoom};
use poselens_shaders::wgsl::{SHADERS, Shader};
use poselens_shaders::{CENTER, INK, LEFT, RIGHT};
use poselens_tests::is_required;

fn parsed(shader: &Shader) -> Module {
    wgsl::parse_str(shader.source)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(shader.source)))
}

/// Fails when a shader does not validate, which would otherwise show up as a black image at run
/// time, or a primitive uses the shader of another.
#[test]
fn every_shader_is_valid() {
    for shader in SHADERS {
        let module = parsed(shader);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        if let Err(error) = validator.validate(&module) {
            panic!("{}: {}", shader.name, error.emit_to_string(shader.source));
        }
        let stages: Vec<_> = module
            .entry_points
            .iter()
            .map(|e| (e.name.as_str(), e.stage))
            .collect();
        let wanted = [
            ("vertex", ShaderStage::Vertex),
            ("fragment", ShaderStage::Fragment),
        ];
        assert_eq!(stages, wanted, "{}", shader.name);
    }
    for (i, shader) in SHADERS.iter().enumerate() {
        assert_eq!(shader.kind as usize, i, "{}", shader.name);
    }
}

fn format_of(ty: &Type) -> Option<Format> {
    match ty.inner {
        TypeInner::Scalar(Scalar::F32) => Some(Format::F32),
        TypeInner::Scalar(Scalar::U32) => Some(Format::U32),
        TypeInner::Vector { size, scalar } => match (size, scalar) {
            (VectorSize::Bi, Scalar::F32) => Some(Format::Vec2f),
            (VectorSize::Quad, Scalar::F32) => Some(Format::Vec4f),
            (VectorSize::Bi, Scalar::U32) => Some(Format::Vec2u),
            _ => None,
        },
        _ => None,
    }
}

/// Fails when a field is added, moved or retyped on one side only, so that for example colours
/// would be read as positions.
#[test]
fn instance_and_uniform_layouts_match_wgsl() {
    for shader in SHADERS {
        let module = parsed(shader);
        let vertex = &module.entry_points[0].function;
        let instance = &module.types[vertex.arguments[1].ty];
        let TypeInner::Struct { members, .. } = &instance.inner else {
            panic!("{}: the instance is no struct", shader.name);
        };
        assert_eq!(members.len(), shader.attributes.len(), "{}", shader.name);
        for (i, (member, attribute)) in members.iter().zip(shader.attributes).enumerate() {
            let place = format!("{}.{}", shader.name, attribute.name);
            assert_eq!(member.name.as_deref(), Some(attribute.name), "{place}");
            assert_eq!(member.offset as usize, attribute.offset, "{place}");
            assert_eq!(
                format_of(&module.types[member.ty]),
                Some(attribute.format),
                "{place}"
            );
            let Some(Binding::Location { location, .. }) = member.binding else {
                panic!("{place} has no location");
            };
            assert_eq!(location as usize, i, "{place}");
        }
        let (_, screen) = module
            .types
            .iter()
            .find(|(_, ty)| ty.name.as_deref() == Some("Screen"))
            .unwrap();
        let TypeInner::Struct { members, span } = &screen.inner else {
            panic!("Screen is no struct");
        };
        assert_eq!(*span as usize, size_of::<Screen>());
        let fields: Vec<_> = members
            .iter()
            .map(|m| (m.name.as_deref().unwrap(), m.offset as usize))
            .collect();
        assert_eq!(fields, Screen::FIELDS);
    }
}

const IMAGE: [usize; 2] = [64, 48];
const SCREEN: [usize; 2] = [320, 200];

/// An image with a gradient and an edge.
fn image() -> Vec<u8> {
    (0..IMAGE[0] * IMAGE[1])
        .flat_map(|i| {
            let (x, y) = (i % IMAGE[0], i / IMAGE[0]);
            let edge = if x > 40 { 200 } else { 40 };
            [(x * 4) as u8, (y * 5) as u8, edge, 255]
        })
        .collect()
}

fn heat(sampling: Sampling, fade: Fade, colors: ColorMap) -> Mark {
    let values: Vec<f32> = (0..12 * 9)
        .map(|i| ((i % 12) as f32 * 0.7).sin() * (i / 12) as f32 / 8.0)
        .collect();
    Mark::Heat(HeatLayer {
        values: Arc::from(values),
        width: 12,
        height: 9,
        cut: 1,
        map_from_pixel: [[0.2, 0.02, -1.0], [-0.01, 0.2, -0.5]],
        range: (-0.6, 0.9),
        colors,
        alpha: 0.7,
        threshold: if fade == Fade::Middle { 0.0 } else { 0.3 },
        fade,
        sampling,
    })
}

fn line(a: [f32; 2], b: [f32; 2], width: f32, alpha: f32) -> Mark {
    let paint = Paint::new(LEFT, alpha);
    Mark::Line(Line { a, b, width, paint })
}

fn disc(center: [f32; 2], radius: f32, stroke: f32) -> Mark {
    Mark::Disc(Disc {
        center,
        radius,
        stroke,
        paint: Paint::new(RIGHT, 0.9),
    })
}

fn rect(min: [f32; 2], max: [f32; 2], corner: f32, stroke: f32) -> Mark {
    Mark::Rect(Rect {
        min,
        max,
        corner,
        stroke,
        paint: Paint::new(INK, 0.8),
    })
}

/// One scene per primitive, and one with all of them.
fn scenes() -> Vec<(&'static str, Vec<Mark>)> {
    let nan = f32::NAN;
    let trail = |points: &[[f32; 2]]| {
        Mark::Trail(Trail {
            points: points.to_vec(),
            width: 1.5,
            paint: Paint::new(CENTER, 0.7),
        })
    };
    let label = |at: [f32; 2], direction| {
        Mark::Label(Label {
            text: "L{8}".to_owned(),
            at,
            place: LabelPlacement::Beyond {
                direction,
                gap: 2.0,
                person: 200.0,
            },
            rgb: LEFT,
        })
    };
    let scale = ColorScale::of(ColorMap::Viridis, (-0.25, 1.0), []);
    let legend = |corner, scale| {
        Mark::Legend(Legend {
            corner,
            caption: "x51.M, jqy".to_owned(),
            scale,
        })
    };
    let scenes = vec![
        ("frame", vec![]),
        (
            "heat",
            vec![
                heat(Sampling::Bilinear, Fade::Even, ColorMap::Coolwarm),
                heat(Sampling::Nearest, Fade::Middle, ColorMap::Inferno),
            ],
        ),
        (
            "heat",
            vec![heat(Sampling::Nearest, Fade::Low, ColorMap::Viridis)],
        ),
        (
            "line",
            vec![
                line([5.0, 5.0], [50.0, 40.0], 1.2, 0.8),
                line([-1e7, 20.0], [1e7, 22.0], 0.1, 1.0),
                line([30.0, 30.0], [30.0, 30.0], 2.0, 1.0),
                line([nan, 3.0], [30.0, 30.0], 2.0, 1.0),
            ],
        ),
        (
            "disc",
            vec![
                disc([20.3, 20.8], 2.0, 0.0),
                disc([44.0, 30.0], 3.0, 0.7),
                disc([1e30, 30.0], 3.0, 0.7),
            ],
        ),
        (
            "rect",
            vec![
                rect([4.5, 4.5], [24.2, 14.5], 1.0, 0.0),
                rect([30.0, 8.0], [60.0, 44.0], 2.0, 0.6),
            ],
        ),
        (
            "trail",
            vec![trail(&[
                [5.0, 44.0],
                [30.0, 10.0],
                [33.0, 12.0],
                [50.0, 40.0],
                [nan, 0.0],
                [60.0, 10.0],
                [40.0, 5.0],
            ])],
        ),
        (
            "text",
            vec![
                label([20.0, 10.0], [1.0, 0.0]),
                label([50.0, 30.0], [0.0, 1.0]),
                Mark::Label(Label::above([60.0, 2.0], "#12".to_owned())),
                legend(Corner::Left, None),
                legend(Corner::Right, Some(scale)),
            ],
        ),
    ];
    let all = scenes.iter().flat_map(|(_, marks)| marks.clone()).collect();
    [scenes, vec![("all", all)]].concat()
}

fn views() -> Vec<View> {
    let screen = SCREEN.map(|n| n as f64);
    let at = |factor, center, is_mirrored| {
        View::letterbox(IMAGE, screen, Zoom { factor, center }, is_mirrored, 2)
    };
    vec![
        at(1.0, [0.5, 0.5], false),
        at(1.0, [0.5, 0.5], true),
        at(2.7, [0.3, 0.6], true),
        at(8.0, [0.6, 0.4], false),
    ]
}

/// Returns a device, possibly a software one; `None` if there is none and none is required.
fn device() -> Option<(wgpu::Device, wgpu::Queue)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    // Software first: available on all our machines, and deterministic.
    adapters.sort_by_key(|a| a.get_info().device_type != wgpu::DeviceType::Cpu);
    let Some(adapter) = adapters.first() else {
        assert!(!is_required("adapter"), "no graphics adapter to draw with");
        println!("skipped: no graphics adapter; install mesa-vulkan-drivers");
        return None;
    };
    println!("drawn with {}", adapter.get_info().name);
    Some(pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap())
}

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Renders the image and the prepared scene on black.
fn drawn(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    renderer: &Renderer,
    format: wgpu::TextureFormat,
) -> Vec<u8> {
    let [width, height] = SCREEN.map(|n| n as u32);
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                store: wgpu::StoreOp::Store,
            },
        })],
        ..wgpu::RenderPassDescriptor::default()
    });
    renderer.paint(&mut pass);
    drop(pass);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(width * height * 4),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    // Rows of 320 pixels are a multiple of 256 bytes, as copies require.
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(width * 4),
        rows_per_image: None,
    };
    let into = wgpu::TexelCopyBufferInfo {
        buffer: &buffer,
        layout,
    };
    encoder.copy_texture_to_buffer(target.as_image_copy(), into, target.size());
    queue.submit([encoder.finish()]);
    buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    buffer.get_mapped_range(..).unwrap().to_vec()
}

/// Renders the same with the CPU twins, on black.
fn twin(scene: &Scene, view: &View, rgba: &[u8]) -> Vec<u8> {
    let mut screen = [0, 0, 0, 255].repeat(SCREEN[0] * SCREEN[1]);
    let mut canvas = Canvas::new(&mut screen, SCREEN[0], SCREEN[1]);
    let picture = Image {
        rgba,
        size: IMAGE,
        sampling: view.picture_sampling(),
    };
    canvas.frame(&picture, view);
    scene.draw(&mut canvas, view);
    screen
}

/// Fails when the window and a recording draw the same scene differently: a primitive differs from
/// its CPU twin in shape, position, colour or order, zoomed or mirrored.
#[test]
fn the_gpu_draws_what_the_canvas_draws() {
    let Some((device, queue)) = device() else {
        return;
    };
    let rgba = image();
    // One renderer for all scenes: content of an earlier scene must not show in a later one.
    let mut renderer = Renderer::new(&device, &queue, FORMAT);
    renderer.set_picture(&rgba, IMAGE).unwrap();
    for (name, marks) in scenes() {
        let scene = Scene { marks };
        for (i, view) in views().iter().enumerate() {
            renderer.prepare(&scene, view);
            let got = drawn(&device, &queue, &renderer, FORMAT);
            let want = twin(&scene, view, &rgba);
            let bare = twin(&Scene::default(), view, &rgba);
            let mut sum = 0;
            let mut touched = 0;
            let mut far = 0;
            for ((g, w), b) in got
                .chunks_exact(4)
                .zip(want.chunks_exact(4))
                .zip(bare.chunks_exact(4))
            {
                let off = (0..4)
                    .map(|c| u64::from(g[c].abs_diff(w[c])))
                    .max()
                    .unwrap();
                if name == "frame" || w != b {
                    touched += 1;
                    sum += off;
                }
                far += u64::from(off > 24);
            }
            // Only over pixels the scene covers: the others would hide any difference.
            let mean = sum as f64 / f64::from(touched.max(1));
            println!("{name}, view {i}: {mean:.3} over {touched} pixels, {far} far off");
            // The last view is zoomed in so far that most scenes are outside it.
            assert!(touched > 50 || i == 3, "{name}, view {i} shows nothing");
            assert!(mean <= 2.0, "{name}, view {i}: mean difference {mean}");
            // Pixels exactly on the edge of a map or image may fall on either side.
            assert!(
                far <= touched as u64 / 100,
                "{name}, view {i}: {far} of {touched} pixels"
            );
        }
    }
}

/// Fails when an image of another size is stretched into the old texture, a closed source stays
/// visible, or an image too large for the device causes a panic.
#[test]
fn images_can_be_replaced_removed_and_resized() {
    let Some((device, queue)) = device() else {
        return;
    };
    let mut renderer = Renderer::new(&device, &queue, FORMAT);
    let white = |size: [usize; 2]| vec![255; size[0] * size[1] * 4];
    let lit = |renderer: &mut Renderer, size| {
        let view = View::letterbox(size, SCREEN.map(|n| n as f64), Zoom::WHOLE, false, 1);
        renderer.prepare(&Scene::default(), &view);
        let pixels = drawn(&device, &queue, renderer, FORMAT);
        pixels.chunks_exact(4).filter(|p| p[0] == 255).count()
    };
    assert_eq!(lit(&mut renderer, [10, 10]), 0);
    for (size, n) in [
        ([8, 8], 200 * 200),
        ([16, 10], 320 * 200),
        ([16, 2], 320 * 40),
    ] {
        renderer.set_picture(&white(size), size).unwrap();
        assert_eq!(lit(&mut renderer, size), n, "{size:?}");
    }
    let largest = device.limits().max_texture_dimension_2d as usize;
    let size = [largest + 1, 1];
    let refused = renderer.set_picture(&white(size), size).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("exceeds the maximum texture size")
    );
    assert_eq!(lit(&mut renderer, size), 0);
    renderer.set_picture(&white([16, 2]), [16, 2]).unwrap();
    renderer.set_picture(&[], [0, 0]).unwrap();
    assert_eq!(lit(&mut renderer, [16, 2]), 0);
}

/// Fails when an sRGB surface shows washed-out colours. Only opaque colours are compared, because
/// such a surface blends in linear light.
#[test]
fn an_srgb_surface_shows_the_same_colours() {
    let Some((device, queue)) = device() else {
        return;
    };
    let format = wgpu::TextureFormat::Rgba8UnormSrgb;
    let rgba = image();
    let mut renderer = Renderer::new(&device, &queue, format);
    renderer.set_picture(&rgba, IMAGE).unwrap();
    let opaque = Scene {
        marks: vec![Mark::Rect(Rect {
            min: [10.0, 10.0],
            max: [50.0, 40.0],
            corner: 0.0,
            stroke: 0.0,
            paint: Paint::solid(RIGHT),
        })],
    };
    let view = views()[0];
    renderer.prepare(&opaque, &view);
    let got = drawn(&device, &queue, &renderer, format);
    let want = twin(&opaque, &view, &rgba);
    let sum: u64 = got
        .iter()
        .zip(&want)
        .map(|(g, w)| u64::from(g.abs_diff(*w)))
        .sum();
    let mean = sum as f64 / got.len() as f64;
    assert!(mean < 1.0, "mean difference {mean}");
}

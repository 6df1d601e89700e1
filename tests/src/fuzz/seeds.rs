//! Valid inputs of every target, from which mutations start.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;

use candle_core::{Device, Tensor};
use image::{ImageFormat, RgbImage};
use poselens_engine::disk::{TensorEntry, tensor_header};
use poselens_engine::model::MODELS;
use poselens_engine::pipeline::session::{LookRecord, Manifest, PartRecord, SourceRecord};
use poselens_engine::source::SOURCES;
use poselens_engine::source::pixels::PixelFormat;
use poselens_engine::train::checkpoint::{Folder, Progress, State};
use poselens_engine::train::recipe::{RECIPES, recipe};

use crate::{golden, labelling, torch};

type Inputs = Vec<Vec<u8>>;

fn files(names: &[&str]) -> Inputs {
    names
        .iter()
        .filter_map(|name| fs::read(golden(name)).ok())
        .collect()
}

/// Pixel formats of camera buffers, in the order of the first byte.
pub const CAMERA_FORMATS: &[PixelFormat] = &[
    PixelFormat::Yuyv,
    PixelFormat::Yvyu,
    PixelFormat::Uyvy,
    PixelFormat::Vyuy,
    PixelFormat::Nv12,
    PixelFormat::Nv21,
    PixelFormat::Yu12,
    PixelFormat::Yv12,
    PixelFormat::Gray16,
    PixelFormat::Bgra,
    PixelFormat::Bgr,
    PixelFormat::Rgb,
    PixelFormat::Gray,
    PixelFormat::Mjpeg,
];

/// Format, width, height, row stride and image data.
pub fn camera() -> Inputs {
    let jpeg = files(&["dataset/chroma.jpg"]).concat();
    let raw = vec![0x5A; 9 * 7 * 4];
    let buffer = |(i, format): (usize, &PixelFormat)| match format {
        PixelFormat::Mjpeg => [&[i as u8, 61, 45, 0], jpeg.as_slice()].concat(),
        _ => [&[i as u8, 9, 7, 0], raw.as_slice()].concat(),
    };
    CAMERA_FORMATS.iter().enumerate().map(buffer).collect()
}

/// Cards of all models.
pub fn card() -> Inputs {
    let cards = MODELS.iter().filter_map(|spec| spec.card_for(None).ok());
    cards
        .filter_map(|card| toml::to_string(&card).ok())
        .map(String::into_bytes)
        .collect()
}

/// Both PyTorch formats, and safetensors.
pub fn checkpoint() -> Inputs {
    let mut inputs = files(&[
        "checkpoint/tiny_legacy_nonzip.pth",
        "checkpoint/tiny_zip.pth",
        "checkpoint/tiny_zip_training_checkpoint.pth",
    ]);
    let tensor = ("a.weight".to_owned(), vec![2, 3], vec![0.5; 6]);
    inputs.push(torch::checkpoint("module.", &[tensor]));
    inputs.push(torch::calling("os", "system", "true"));
    let entry = TensorEntry {
        name: "a.weight",
        dtype: "F32",
        shape: &[2, 3],
        n_bytes: 24,
    };
    inputs.push([tensor_header(None, [entry]), vec![0; 24]].concat());
    inputs
}

/// A journal of edits, undo and redo.
pub fn journal() -> Inputs {
    labelled(&["labels.journal"]).unwrap_or_default()
}

/// The other files of a label project.
pub fn project() -> Inputs {
    let mut inputs = labelled(&["project.toml", "labels.coco.json"]).unwrap_or_default();
    let holdout = "version = 1\n[[round]]\nseed = 5\nnewest_clip = 1\nclips = [1]\n\
                   [[round.segment]]\nclip = 1\nfirst = 8\nlast = 12\nguard_first = \
                   0\nguard_last = 40\n";
    inputs.push(holdout.as_bytes().to_vec());
    inputs
}

/// Returns files of a project after a few edits.
fn labelled(names: &[&str]) -> Option<Inputs> {
    let folder = tempfile::tempdir().ok()?;
    let mut project = labelling::create(folder.path()).ok()?;
    for _ in 0..12 {
        labelling::step(&mut project).ok()?;
    }
    project.save().ok()?;
    let read = |name: &&str| fs::read(folder.path().join(name)).ok();
    names.iter().map(read).collect()
}

/// COCO labels and results, MPII labels, and a table of DeepLabCut.
pub fn labels() -> Inputs {
    let keypoints = vec!["7,9,2"; 17].join(",");
    let names: Vec<_> = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
                .iter()
                .flat_map(|part| ["left", "right"].map(|side| format!("{side}_{part}"))),
        )
        .map(|name| format!("\"{name}\""))
        .collect();
    let names = names.join(",");
    let coco = format!(
        r#"{{"images":[{{"id":1,"file_name":"a.jpg","width":64,"height":48}}],
"annotations":[{{"id":1,"image_id":1,"category_id":1,"bbox":[1,2,30.5,40],"area":900,"iscrowd":0,
"num_keypoints":17,"keypoints":[{keypoints}]}}],
"categories":[{{"id":1,"name":"person","keypoints":[{names}],"skeleton":[[1,2]]}}]}}"#
    );
    let results =
        r#"[{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5,"keypoints":[1,2,0.5]}]"#;
    let joints = vec!["[5,6]"; 16].join(",");
    let visible = vec!["1"; 16].join(",");
    let mpii = format!(
        r#"[{{"image":"a.jpg","center":[30,20],"scale":1.2,"joints":[{joints}],"joints_vis":[{visible}],"isValidation":0}}]"#
    );
    let table = "scorer,,me,me,me\nindividuals,,a,a,a\nbodyparts,,nose,nose,nose\n\
                 coords,,x,y,likelihood\nclip,img7.png,1.5,,0.5\n";
    [coco.as_str(), results, &mpii, table]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

/// Joints as written by MATLAB: compressed and uncompressed.
pub fn mat() -> Inputs {
    files(&["dataset/lsp.mat", "dataset/lspet.mat", "dataset/plain.mat"])
}

/// A photograph, and small images in every format.
pub fn picture() -> Inputs {
    let mut inputs = files(&["dataset/chroma.jpg"]);
    let picture = RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 90]));
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::WebP,
    ] {
        let mut bytes = Cursor::new(Vec::new());
        if picture.write_to(&mut bytes, format).is_ok() {
            inputs.push(bytes.into_inner());
        }
    }
    inputs
}

/// The manifest of a recording.
pub fn recording() -> Inputs {
    let manifest = Manifest {
        program: "PoseLens 0.1.0".to_owned(),
        is_finished: true,
        started: "2026-03-01_14-05-59.250".to_owned(),
        failure: None,
        shortfall: None,
        remarks: Vec::new(),
        source: SourceRecord {
            name: "front door".to_owned(),
            spec: "camera:0".to_owned(),
            is_live: true,
            rate: Some(30.0),
        },
        model: None,
        overlay: LookRecord::from(&poselens_engine::pipeline::Look::default()),
        parts: vec![PartRecord {
            width: 640,
            height: 480,
            ..PartRecord::default()
        }],
        annotations: Vec::new(),
    };
    toml::to_string(&manifest)
        .map(String::into_bytes)
        .into_iter()
        .collect()
}

/// Default settings of the window.
#[cfg(feature = "window")]
pub fn settings() -> Inputs {
    let state = poselens_app::gui::AppState::default();
    toml::to_string(&state)
        .map(String::into_bytes)
        .into_iter()
        .collect()
}

/// `--input` arguments of each kind.
pub fn spec() -> Inputs {
    let kinds = SOURCES.iter().map(|kind| format!("{}:x", kind.name));
    let others = [
        "camera:0",
        "synthetic",
        "a.mp4",
        "/videos/b c.JPG",
        "file:///a.mkv",
    ];
    kinds
        .chain(others.map(str::to_owned))
        .map(String::into_bytes)
        .collect()
}

/// Inputs of `sps`, taken from videos: length of the decoder configuration (two bytes), the
/// configuration, and a packet.
pub fn sps() -> Inputs {
    let one = |video: &Vec<u8>| {
        let at = |name: &[u8; 4]| video.windows(4).position(|w| w == name);
        let (head, media) = (at(b"avcC")?, at(b"mdat")?);
        let size = u32::from_be_bytes(*video.get(head.checked_sub(4)?..)?.first_chunk()?);
        let configuration = video.get(head + 4..head - 4 + size as usize)?;
        let length = (configuration.len() as u16).to_be_bytes();
        let packet = video.get(media + 4..media + 400)?;
        Some([&length, configuration, packet].concat())
    };
    let names = ["bframes", "full_range_709", "interlaced", "ten_bit"];
    let names = names.map(|name| format!("video/{name}.mp4"));
    files(&names.each_ref().map(String::as_str))
        .iter()
        .filter_map(one)
        .collect()
}

/// Builds a Matroska file of one H.264 track and one block from an input of [`sps`].
pub fn matroska(data: &[u8]) -> Vec<u8> {
    let (length, rest) = data.split_at(data.len().min(2));
    let length = length.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
    let (configuration, packet) = rest.split_at(length.min(rest.len()));
    let element = |id: &[u8], body: &[u8]| {
        // An EBML size of eight bytes.
        let mut size = (body.len() as u64).to_be_bytes();
        size[0] = 0x01;
        [id, &size, body].concat()
    };
    let track = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_MPEG4/ISO/AVC"),
        element(&[0x63, 0xA2], configuration),
    ];
    let tracks = element(
        &[0x16, 0x54, 0xAE, 0x6B],
        &element(&[0xAE], &track.concat()),
    );
    let block = [&[0x81, 0, 0, 0x80], packet].concat();
    let cluster = [element(&[0xE7], &[0]), element(&[0xA3], &block)].concat();
    let cluster = element(&[0x1F, 0x43, 0xB6, 0x75], &cluster);
    let segment = element(&[0x18, 0x53, 0x80, 0x67], &[tracks, cluster].concat());
    [element(&[0x1A, 0x45, 0xDF, 0xA3], &[]), segment].concat()
}

/// A training state with one small tensor, and the options of every recipe.
pub fn training() -> Inputs {
    let configs = RECIPES
        .iter()
        .filter_map(|row| recipe("sfm", row.name).ok());
    let mut inputs: Inputs = configs
        .filter_map(|config| toml::to_string(&config).ok())
        .map(String::into_bytes)
        .collect();
    inputs.extend(state());
    inputs
}

fn state() -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().ok()?;
    let spec = poselens_engine::model::model("sfm").ok()?;
    let card = spec.card().ok()?;
    let tensor = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).ok()?;
    let state = State {
        progress: Progress::new(recipe("sfm", "fine-tune").ok()?, card.clone()),
        weights: HashMap::from([("a".to_owned(), tensor)])
            .into_iter()
            .collect(),
        average: BTreeMap::new(),
        memory: BTreeMap::new(),
    };
    Folder::create(folder.path())
        .ok()?
        .save(&state, &card)
        .ok()?;
    fs::read(folder.path().join("state.safetensors")).ok()
}

/// H.264 in MP4 and Matroska.
pub fn video() -> Inputs {
    files(&[
        "video/bframes.mp4",
        "video/fragmented.mp4",
        "video/full.mkv",
        "video/trimmed.mp4",
        "video/vfr.mkv",
    ])
}

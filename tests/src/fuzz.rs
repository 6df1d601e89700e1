//! What outside bytes can reach, one function each: no input may end in a panic, in endless work
//! or in memory without bounds. The normal tests call them with mutations of sound files
//! ([`mutate`]), `tests/fuzz` with what libFuzzer makes up.

pub mod mutate;
pub mod seeds;

use std::fs;
use std::path::Path;

use poselens_engine::checkpoint::{ImportOptions, import};
use poselens_engine::dataset::{DATASETS, Orientation, Request, Split, coco, picture};
use poselens_engine::frame::{BYTES_PER_PIXEL, FramePool};
use poselens_engine::geometry::Size;
use poselens_engine::model::Card;
use poselens_engine::pipeline::session::Manifest;
use poselens_engine::source::image::read_picture;
use poselens_engine::source::pixels::{Picture, PixelFormat, to_rgba};
use poselens_engine::source::recording::MANIFEST;
use poselens_engine::source::{OpenOptions, SourceSpec, video};
use poselens_engine::train::checkpoint::Folder;
use poselens_engine::train::recipe::recipe;

/// One row for each function of this module.
pub struct Target {
    /// Its name, also that of the libFuzzer target.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
    /// Sound inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "camera",
        run: camera,
        seeds: seeds::camera,
    },
    Target {
        name: "card",
        run: card,
        seeds: seeds::card,
    },
    Target {
        name: "checkpoint",
        run: checkpoint,
        seeds: seeds::checkpoint,
    },
    Target {
        name: "labels",
        run: labels,
        seeds: seeds::labels,
    },
    Target {
        name: "mat",
        run: mat,
        seeds: seeds::mat,
    },
    Target {
        name: "picture",
        run: picture,
        seeds: seeds::picture,
    },
    Target {
        name: "recording",
        run: recording,
        seeds: seeds::recording,
    },
    #[cfg(feature = "window")]
    Target {
        name: "settings",
        run: settings,
        seeds: seeds::settings,
    },
    Target {
        name: "spec",
        run: spec,
        seeds: seeds::spec,
    },
    Target {
        name: "sps",
        run: sps,
        seeds: seeds::sps,
    },
    Target {
        name: "training",
        run: training,
        seeds: seeds::training,
    },
    Target {
        name: "video",
        run: video,
        seeds: seeds::video,
    },
];

/// Calls `read` with the path of a file `name` that holds `data`, alone in its folder.
fn with_file(name: &str, data: &[u8], read: impl FnOnce(&Path)) {
    // A folder in memory where there is one: a fuzzer makes thousands a second.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let Ok(folder) = folder else { return };
    let path = folder.path().join(name);
    if fs::write(&path, data).is_ok() {
        read(&path);
    }
}

/// A checkpoint of PyTorch or a safetensors file, imported as weights of SFM.
pub fn checkpoint(data: &[u8]) {
    with_file("in.pth", data, |input| {
        let options = ImportOptions {
            input: input.to_owned(),
            output: input.with_file_name("out.safetensors"),
            model: Some("sfm".to_owned()),
            size: None,
            section: None,
        };
        import(&options).ok();
    });
}

/// The state in a training's folder, then the same bytes as its options.
pub fn training(data: &[u8]) {
    with_file("state.safetensors", data, |path| {
        if let Some(folder) = path.parent()
            && let Ok(folder) = Folder::open(folder)
        {
            folder.load().ok();
        }
    });
    if let (Ok(text), Ok(config)) = (std::str::from_utf8(data), recipe("sfm", "fine-tune"))
        && let Ok(config) = config.with_file(Path::new("config.toml"), text)
    {
        config.check().ok();
    }
}

/// Labels as JSON (COCO, MPII, a clip's folder) and lists of boxes.
pub fn labels(data: &[u8]) {
    with_file("coco.json", data, |path| {
        let folder = path.parent().unwrap_or(path);
        for path in [path, folder] {
            for format in DATASETS.iter().filter(|format| (format.accepts)(path)) {
                for split in [Split::Learn, Split::HeldOut] {
                    let request = Request::new(path, folder, split);
                    if let Ok(dataset) = format.examine(&request, &mut Vec::new()) {
                        coco::read_boxes(path, &dataset).ok();
                    }
                }
            }
        }
    });
}

/// Joints of LSP in a MATLAB file.
pub fn mat(data: &[u8]) {
    with_file("joints.mat", data, |path| {
        let folder = path.parent().unwrap_or(path);
        for format in DATASETS.iter().filter(|format| (format.accepts)(folder)) {
            let request = Request::new(folder, folder, Split::Learn);
            format.examine(&request, &mut Vec::new()).ok();
        }
    });
}

/// Frames that are decoded of a video: what is behind them is decoded like them.
const N_FRAMES: usize = 4;

/// An MP4 or Matroska file with H.264, front to back and by its index.
pub fn video(data: &[u8]) {
    if let Ok(sound) = video::sound_bytes(&data.into(), "it") {
        for mut track in sound.tracks {
            for _ in 0..N_FRAMES {
                track.packets.next_packet().ok();
            }
        }
    }
    if let Ok(mut video) = video::open_bytes(data.to_vec(), "it") {
        for _ in 0..N_FRAMES {
            if !matches!(video.next_frame(), Ok(Some(_))) {
                break;
            }
        }
    }
    let options = OpenOptions::default();
    if let Ok(mut video) = video::scrub_bytes(data.to_vec(), "it", &options) {
        let n = video.times().len();
        if let Some(last) = n.checked_sub(1) {
            let from = video.key_before(last).max(n.saturating_sub(N_FRAMES));
            video.decode(from, last, &mut |_, _| {}).ok();
        }
    }
}

/// The parameter sets of H.264, in a Matroska file that is sound otherwise.
pub fn sps(data: &[u8]) {
    video::open_bytes(seeds::matroska(data), "it").ok();
}

/// A picture as a source and as one of a data set.
pub fn picture(data: &[u8]) {
    with_file("picture.jpg", data, |path| {
        // The fuzzer's memory, and everybody's time, is for pictures that a small file can hold.
        let Ok(size) = picture::size(path) else {
            return;
        };
        if size.area() <= 1 << 20 {
            read_picture(path, 0, 0.0, &FramePool::new()).ok();
            picture::of_file(path, 0, size, Orientation::Auto).ok();
        }
    });
}

/// A camera's buffer: the first bytes choose the format, width, height and the length of rows.
pub fn camera(data: &[u8]) {
    let Some((&[format, width, height, stride], raw)) = data.split_first_chunk() else {
        return;
    };
    let formats = seeds::CAMERA_FORMATS;
    let format: PixelFormat = formats[usize::from(format) % formats.len()];
    let size = Size::new(width.into(), height.into());
    let mut rgba = vec![0; size.area() * BYTES_PER_PIXEL];
    let picture = Picture::in_one_buffer(format, size, stride.into(), raw);
    to_rgba(&picture, &mut rgba).ok();
}

/// A model's card.
pub fn card(data: &[u8]) {
    Card::parse("it", &String::from_utf8_lossy(data)).ok();
}

/// What the folder of a recording says of itself.
pub fn recording(data: &[u8]) {
    with_file(MANIFEST, data, |path| {
        Manifest::read(path.parent().unwrap_or(path)).ok();
    });
}

/// What stands behind `--input`.
pub fn spec(data: &[u8]) {
    SourceSpec::parse(String::from_utf8_lossy(data).as_ref()).ok();
}

/// The window's settings.
#[cfg(feature = "window")]
pub fn settings(data: &[u8]) {
    with_file("settings.toml", data, |path| {
        poselens_app::gui::AppState::load(path).ok();
    });
}

/// Writes the seeds of a target into the folder that `POSELENS_FUZZ_CORPUS` names, where it is
/// set: libFuzzer begins with them.
pub fn plant(name: &str) {
    let Some(folder) = std::env::var_os("POSELENS_FUZZ_CORPUS") else {
        return;
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    for (i, seed) in target
        .iter()
        .flat_map(|target| (target.seeds)())
        .enumerate()
    {
        fs::write(Path::new(&folder).join(format!("seed-{i}")), seed).ok();
    }
}

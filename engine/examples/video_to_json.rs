//! Writes the poses of every frame of a video as JSON Lines.
//!
//! `cargo run --workspace --example video_to_json -- video.mp4 poses.jsonl`

use std::path::Path;

use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::model::model;
use poselens_engine::record::{EXPORTERS, ExportContext};
use poselens_engine::source::{OpenOptions, SourceSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        return Err("give a video and the file to write".into());
    };
    let mut source = SourceSpec::parse(&input)?.open(&OpenOptions::default())?;
    let network = Network::load(&NetworkOptions::bundled(model("sfm")?))?;
    // Several frames belong together: joints are smoothed and people keep their numbers.
    let mut estimator = Estimator::new(network, true);

    let json = EXPORTERS.iter().find(|spec| spec.name == "json");
    let json = json.ok_or("there is no JSON exporter")?;
    let context = ExportContext {
        n_frames: source.info().n_frames,
        ..ExportContext::default()
    };
    let mut writer = (json.open)(Path::new(&output), &context)?;
    let mut n_frames = 0;
    while let Some(frame) = source.next_frame()? {
        writer.push(&estimator.infer(&frame, RequestedMaps::default())?)?;
        n_frames += 1;
    }
    writer.finish()?;
    println!("{n_frames} frames");
    Ok(())
}

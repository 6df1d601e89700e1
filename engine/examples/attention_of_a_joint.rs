//! Draws what a transformer read to place the left wrist:
//! `cargo run --workspace --example attention_of_a_joint -- photo.jpg attention.png`

use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::model::model;
use poselens_engine::overlay::{AttentionFigure, OverlayStyle};
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_engine::{nn::Kernels, output::Direction, record::save_png};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let [input, output] = ["give a picture", "give a PNG"].map(|m| args.next().ok_or(m));
    let mut source = SourceSpec::parse(&input?)?.open(&OpenOptions::default())?;
    let frame = source.next_frame()?.ok_or("there is no picture in it")?;

    let network = Network::load(&NetworkOptions::bundled(model("tp-r-a3")?))?;
    let l_wrist = network.skeleton().joint("l_wrist").ok_or("no such joint")?;
    let requested = RequestedMaps {
        attention: true,
        ..RequestedMaps::default()
    };
    let found = Estimator::new(network, false).inspect(&frame, &[], requested)?;
    let pose = found.poses.first().ok_or("no person found")?;
    let wrist = pose.keypoints[l_wrist].point();
    let region = found.regions.first().ok_or("no region")?;
    let last = region.query_key.last().ok_or("no self-attention")?;
    let token = last.token_at(wrist).ok_or("the wrist is outside")?;
    let kernels = Kernels::new(0)?;
    let map = last.as_map(Direction::Dependency, token, None, &kernels.threads)?;
    let figure = AttentionFigure {
        frame: &frame,
        map: &map,
        title: &map.title,
        threshold: None,
        joint: Some(wrist),
    };
    let picture = figure.draw(&OverlayStyle::default());
    Ok(save_png(&picture, output?.as_ref())?)
}

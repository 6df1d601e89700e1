//! `poselens export`: writes a network as an ONNX file for other runtimes.

use std::path::PathBuf;

use poselens_engine::disk;
use poselens_engine::model::{Recording, Weights, model};
use poselens_engine::nn::graph::onnx::{OPSET, onnx};
use poselens_engine::words::counted;

use super::args::NetworkArgs;
use super::targets::Targets;

/// Options of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// ONNX file to write: normalised RGB [N, 3, H, W] in, the outputs of `forward` out, heatmaps
    /// first
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let mut targets = Targets::default();
    targets.inputs(&args.network.weights);
    targets.output(&args.out)?;
    let spec = model(&args.network.model)?;
    let file = args.network.weights.as_deref();
    let card = spec.card_for(file)?;
    let weights = match file {
        Some(file) => Weights::read(file)?,
        None => Weights::bundled(spec)?,
    };
    let device = candle_core::Device::Cpu;
    let net = spec.load(&card.build_options()?, &weights, &device)?;
    let recording = Recording::of(&*net, card.input_size())?;
    let outputs = recording.out.tensors.iter();
    let outputs: Vec<_> = outputs.map(|(name, value)| (&name[..], *value)).collect();
    let program = env!("CARGO_PKG_VERSION");
    let bytes = onnx(&recording.graph, (spec.name, program), &outputs);
    disk::replace(&args.out, &bytes)?;
    eprintln!(
        "{}: {} as ONNX (operator set {OPSET}), input [N, 3, {}, {}], {}, {:.1} MB",
        args.out.display(),
        spec.name,
        card.input.height,
        card.input.width,
        counted(outputs.len(), "output"),
        bytes.len() as f64 / 1e6
    );
    Ok(())
}

//! `poselens forward`: runs only the network, from an input tensor to output tensors.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use candle_core::{DType, Tensor, safetensors};
use poselens_engine::device::select;
use poselens_engine::error::Error;
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, Weights, model, write_tensors};
use poselens_engine::nn::{Kernels, Pass};

use super::Common;
use super::args::model_names;
use super::targets::Targets;

/// Options of `forward`.
#[derive(Debug, clap::Args)]
pub(super) struct ForwardArgs {
    /// Model
    #[arg(long, value_parser = model_names())]
    model: String,
    /// Number of joints; default: that of the card's skeleton
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=1024))]
    joints: Option<u16>,
    /// Expected input height
    #[arg(long, value_name = "H")]
    height: Option<usize>,
    /// Expected input width
    #[arg(long, value_name = "W")]
    width: Option<usize>,
    /// Weights (safetensors)
    #[arg(long, value_name = "W.safetensors")]
    weights: PathBuf,
    /// File with a tensor `input` of shape [N, 3, H, W], fed without preprocessing
    #[arg(long, value_name = "IN.safetensors")]
    input: PathBuf,
    /// File for the network's outputs
    #[arg(long, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// Also write every attention map under its name in the specification
    #[arg(long)]
    attention: bool,
}

pub(super) fn run(common: &Common, args: &ForwardArgs) -> anyhow::Result<()> {
    let mut targets = Targets::default();
    targets.inputs([&args.input, &args.weights]);
    targets.output(&args.output)?;
    let spec = model(&args.model)?;
    let card = spec.card_for(Some(&args.weights))?;
    let of_card = card.skeleton()?;
    let n_joints = args.joints.map_or(of_card.n_joints(), usize::from);
    let options = BuildOptions {
        n_joints,
        n_limbs: of_card
            .or_with_joints(n_joints)
            .unwrap_or(of_card)
            .limbs
            .len(),
        input: Size::new(
            args.width.unwrap_or(card.input.width),
            args.height.unwrap_or(card.input.height),
        ),
    };
    let device = select(common.device)?.device;
    let weights = Weights::read(&args.weights)?;
    let net = spec.load(&options, &weights, &device)?;
    let input = read_input(args)?.to_device(&device)?;
    let kernels = Kernels::for_device(&device, common.n_threads())?;
    let mut pass = Pass {
        wants_maps: args.attention,
        kernels: kernels.clone(),
        ..Pass::eval()
    };
    let out = net
        .forward(&input, &mut pass)
        .with_context(|| format!("{} on {}", args.model, args.input.display()))?;
    let mut tensors: HashMap<String, Tensor> = out.tensors.into_iter().collect();
    tensors.extend(out.maps.into_iter().map(|m| (m.name, m.tensor)));
    // Attention matrices are computed on the CPU, whatever the device.
    let kernels = kernels.map_or_else(|| Kernels::new(common.n_threads()), Ok)?;
    for layer in out.query_key {
        let weights = layer.weights(&kernels.threads)?;
        tensors.insert(layer.name, weights);
    }
    Ok(write_tensors(&args.output, &tensors)?)
}

fn read_input(args: &ForwardArgs) -> anyhow::Result<Tensor> {
    let path = &args.input;
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let mut tensors = safetensors::load_buffer(&bytes, &candle_core::Device::Cpu)
        .map_err(|e| Error::data(path, format!("not a readable safetensors file ({e})")))?;
    let Some(input) = tensors.remove("input") else {
        bail!("{}: has no tensor called 'input'", path.display());
    };
    let shape = input.dims().to_vec();
    let fits =
        |wanted: Option<usize>, axis: usize| wanted.is_none_or(|n| shape.get(axis) == Some(&n));
    if shape.len() != 4 || shape[1] != 3 || !fits(args.height, 2) || !fits(args.width, 3) {
        let side = |s: Option<usize>, name: &str| s.map_or(name.to_owned(), |s| s.to_string());
        bail!(
            "{}: tensor input has shape {shape:?}, needed is [N, 3, {}, {}]",
            path.display(),
            side(args.height, "H"),
            side(args.width, "W"),
        );
    }
    Ok(input.to_dtype(DType::F32)?)
}

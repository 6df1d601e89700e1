//! `poselens import`: converts checkpoints of other programs.

use std::path::PathBuf;

use poselens_engine::checkpoint::{ImportOptions, import};
use poselens_engine::geometry::Size;
use poselens_engine::words::counted;
use serde::Serialize;

use super::args::model_names;

/// Options of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// PyTorch checkpoint (.pth, zip or older form) or safetensors
    #[arg(long = "in", value_name = "official.pth")]
    input: PathBuf,
    /// Weights file to write; the card gets the same name with .toml
    #[arg(long = "out", value_name = "W.safetensors")]
    output: PathBuf,
    /// Model; default: recognised by its tensors
    #[arg(long, value_parser = model_names())]
    model: Option<String>,
    /// Input height that the weights were trained for, if the tensors do not determine it
    #[arg(long, value_name = "H", requires = "width", value_parser = side)]
    height: Option<usize>,
    /// Input width that the weights were trained for, if the tensors do not determine it
    #[arg(long, value_name = "W", requires = "height", value_parser = side)]
    width: Option<usize>,
    /// Dictionary of a training checkpoint to import, by its keys (ema.state_dict), if several
    /// match
    #[arg(long, value_name = "KEYS")]
    section: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Parses a side of the input; networks halve it five times.
fn side(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if (32..=1024).contains(&n) && n.is_multiple_of(32) => Ok(n),
        _ => Err("not a multiple of 32 from 32 to 1024".to_owned()),
    }
}

#[derive(Serialize)]
struct Summary {
    input: String,
    output: String,
    card: String,
    format: &'static str,
    section: Option<String>,
    also_fit: Vec<String>,
    prefixes: Vec<String>,
    left_out: Vec<String>,
    model: String,
    skeleton: String,
    joints: usize,
    width: usize,
    height: usize,
    tensors: usize,
    counters_dropped: usize,
    sha256: Option<String>,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let imported = import(&ImportOptions {
        input: args.input.clone(),
        output: args.output.clone(),
        model: args.model.clone(),
        section: args.section.clone(),
        size: args.width.zip(args.height).map(|(w, h)| Size::new(w, h)),
    })?;
    let card = imported.card;
    let summary = Summary {
        input: args.input.display().to_string(),
        output: args.output.display().to_string(),
        card: imported.card_path.display().to_string(),
        format: imported.format,
        section: imported.section,
        also_fit: imported.also_fit,
        prefixes: imported.prefixes,
        left_out: imported.left_out,
        joints: card.skeleton()?.n_joints(),
        model: card.model,
        skeleton: card.skeleton,
        width: card.input.width,
        height: card.input.height,
        tensors: imported.n_tensors,
        counters_dropped: imported.n_dropped,
        sha256: card.sha256,
    };
    if args.json {
        return super::print_json(&summary);
    }
    let section = summary
        .section
        .as_ref()
        .map_or_else(String::new, |s| format!(", its {s}"));
    eprintln!(
        "{} ({}{section}) is {} for {} ({}), input {}x{}: {}",
        summary.input,
        summary.format,
        summary.model,
        counted(summary.joints, "joint"),
        summary.skeleton,
        summary.width,
        summary.height,
        counted(summary.tensors, "tensor"),
    );
    if !summary.prefixes.is_empty() {
        eprintln!(
            "prefix removed from the names: {}",
            summary.prefixes.join(", ")
        );
    }
    if let Some(first) = summary.left_out.first() {
        let n = summary.left_out.len();
        let n = counted(n, "tensor");
        eprintln!("skipped: {n} with another prefix ({first}, ...)");
    }
    if !summary.also_fit.is_empty() {
        let others = summary.also_fit.join(", ");
        eprintln!("also matching: {others}; choose with --section");
    }
    for path in [&summary.output, &summary.card] {
        eprintln!("wrote {path}");
    }
    Ok(())
}

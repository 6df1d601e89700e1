//! `poselens models`: lists the models.

use poselens_engine::model::{Card, MODELS, ModelSpec};
use poselens_engine::output::Approach;
use serde::Serialize;

use super::print_line;

/// Options of `models`.
#[derive(Debug, clap::Args)]
pub(super) struct ModelsArgs {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    /// `top-down`: one person per forward pass; `bottom-up`: all people.
    approach: Approach,
    params: u64,
    macs: u64,
    input: [usize; 2],
    skeletons: Vec<String>,
    attention_maps: Vec<String>,
    weights_bundled: bool,
    card: Card,
}

pub(super) fn run(args: &ModelsArgs) -> anyhow::Result<()> {
    let rows = MODELS.iter().map(row).collect::<anyhow::Result<Vec<_>>>()?;
    if args.json {
        return super::print_json(&rows);
    }
    for row in rows {
        let weights = if row.weights_bundled {
            "weights bundled"
        } else {
            "weights: --weights FILE"
        };
        print_line(format_args!("{:14} {}", row.name, row.summary))?;
        print_line(format_args!(
            "{:14} {:.2} M parameters, {:.3} GMACs, input {}x{}, {}, {weights}",
            "",
            row.params as f64 / 1e6,
            row.macs as f64 / 1e9,
            row.input[0],
            row.input[1],
            row.skeletons.join(", "),
        ))?;
        if !row.attention_maps.is_empty() {
            let maps = row.attention_maps.join(", ");
            print_line(format_args!("{:14} attention: {maps}", ""))?;
        }
    }
    Ok(())
}

fn row(spec: &ModelSpec) -> anyhow::Result<Row> {
    let card = spec.card_for(None)?;
    let options = card.build_options()?;
    let survey = spec.survey(&options, card.input_size())?;
    Ok(Row {
        name: spec.name,
        summary: spec.summary,
        approach: spec.approach,
        params: spec.shapes(&options)?.n_params(),
        macs: survey.macs,
        input: [card.input.width, card.input.height],
        skeletons: vec![card.skeleton.clone()],
        attention_maps: survey.maps,
        weights_bundled: spec.bundled.is_some(),
        card: Card {
            // Without bundled weights the card's hash belongs to those of another row.
            sha256: card.sha256.clone().filter(|_| spec.bundled.is_some()),
            training: card.training.clone().filter(|_| spec.bundled.is_some()),
            data: card.data.clone().filter(|_| spec.bundled.is_some()),
            figures: if spec.bundled.is_some() {
                card.figures.clone()
            } else {
                toml::Table::new()
            },
            ..card
        },
    })
}

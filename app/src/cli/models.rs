//! `poselens models`: what there is to choose from.

use poselens_engine::model::{Card, MODELS, ModelSpec};
use serde::Serialize;

/// Options of `models`.
#[derive(Debug, clap::Args)]
pub struct ModelsArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    params: u64,
    macs: u64,
    input: [usize; 2],
    skeletons: Vec<String>,
    attention_maps: Vec<String>,
    weights_bundled: bool,
    card: Card,
}

pub fn run(args: &ModelsArgs) -> anyhow::Result<()> {
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
        println!("{:14} {}", row.name, row.summary);
        println!(
            "{:14} {:.2} M parameters, {:.3} GMACs, input {}x{}, {}, {weights}",
            "",
            row.params as f64 / 1e6,
            row.macs as f64 / 1e9,
            row.input[0],
            row.input[1],
            row.skeletons.join(", "),
        );
        if !row.attention_maps.is_empty() {
            println!("{:14} attention: {}", "", row.attention_maps.join(", "));
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
        params: spec.shapes(&options)?.n_params(),
        macs: survey.tally.macs(),
        input: [card.input.width, card.input.height],
        skeletons: vec![card.skeleton.clone()],
        attention_maps: survey.maps,
        weights_bundled: spec.bundled.is_some(),
        card: Card {
            // A row without bundled weights shows nothing that belongs to another's.
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

//! One training step as the trainer runs it: forward, loss, backward, optimizer, by the recipe
//! that was published for the model, at its own input size.
//!
//! `cargo bench --workspace --bench train_step -- [MODEL] [THREADS] [BATCH] [STEPS] [system]`, where
//! `system` switches the cache of large blocks off.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use poselens_engine::block_cache::{BlockCache, KeepBlocks};
use poselens_engine::dataset::loader::BatchTargets;
use poselens_engine::model::model;
use poselens_engine::nn::{Kernels, Mode, Pass, Random};
use poselens_engine::train::loss::{BatchCounts, loss, total};
use poselens_engine::train::optim::{ByName, Optimizer, clip, global_norm};
use poselens_engine::train::params::Parameters;
use poselens_engine::train::recipe::recipe;

#[global_allocator]
static BLOCKS: BlockCache = BlockCache;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes `--bench` before our own arguments.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (numbers, names): (Vec<_>, Vec<_>) = arguments
        .iter()
        .filter(|a| !a.starts_with('-'))
        .partition(|a| a.parse::<usize>().is_ok());
    let (switches, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|a| *a == "system");
    let _keep = switches.is_empty().then(KeepBlocks::new);
    let argument = |i: usize, default: usize| -> usize {
        numbers
            .get(i)
            .and_then(|a| a.parse().ok())
            .unwrap_or(default)
    };
    let (threads, batch, steps) = (argument(0, 2), argument(1, 16), argument(2, 5));
    let name = names.first().map_or("sfm", |name| name.as_str());

    let spec = model(name)?;
    let card = spec.card()?;
    let config = recipe(name, spec.recipe)?;
    let options = card.build_options()?;
    let device = Device::Cpu;
    let (params, net) = Parameters::build(spec, &options, ByName::new(), &[], 1, &device)?;
    let mut optimizer = Optimizer::new(config.optimizer.clone());
    let (skeleton, input) = (card.skeleton()?, options.input);
    let alignment = card.input.alignment;
    let target = &config.target;
    let encoder = target.encoder(skeleton, input, alignment, target.sigma)?;
    let nobody = vec![None; skeleton.n_joints()];
    let shape = encoder.scene(&[nobody], skeleton.n_joints(), |_, known| known.fill(true));
    let (maps, weights) = (shape.maps, shape.weights);
    let map = (batch, maps.n, maps.size.height, maps.size.width);
    let weight = (batch, weights.n, weights.size.height, weights.size.width);
    let planes = Tensor::randn(0f32, 1.0, (batch, 3, input.height, input.width), &device)?;
    let data = BatchTargets {
        targets: Tensor::rand(0f32, 1.0, map, &device)?,
        weights: Tensor::ones(weight, DType::F32, &device)?,
    };
    let counts = BatchCounts::of(&weights.values.repeat(batch), batch);
    let outputs = encoder.outputs();
    let judge = loss(&config.loss.name)?;
    let kernels = Kernels::new(threads)?;
    let mut random = Some(Random { seed: 1, drawn: 0 });
    let mut seconds = Vec::new();
    for step in 0..=steps {
        let begin = Instant::now();
        let mut pass = Pass {
            mode: Mode::Train,
            wants_maps: config.loss.zero_mean > 0.0,
            kernels: Some(kernels.clone()),
            random,
            ..Pass::default()
        };
        let out = net.forward(&planes, &mut pass)?;
        random = pass.random;
        let loss = total(&config.loss, judge, &out, (&data, outputs), counts)?;
        let forward = begin.elapsed();
        let all = loss.backward()?;
        let backward = begin.elapsed().saturating_sub(forward);
        let mut grads = ByName::new();
        for (name, var) in params.learning() {
            if let Some(grad) = all.get(var) {
                grads.insert(name.clone(), grad.clone());
            }
        }
        let norm = global_norm(&grads)?;
        clip(&mut grads, norm, config.optimizer.clip_norm)?;
        optimizer.step(params.learning(), &grads, |_| config.optimizer.lr)?;
        let total = begin.elapsed();
        println!(
            "step {step}: {:.2} s (forward {:.2}, backward {:.2}), loss {:.4}",
            total.as_secs_f64(),
            forward.as_secs_f64(),
            backward.as_secs_f64(),
            loss.to_scalar::<f32>()?
        );
        // The first step packs and allocates.
        if step > 0 {
            seconds.push(total.as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    println!(
        "{name} at {input}, batch {batch}, {threads} threads: median {median:.3} s a step, {:.2} \
         images/s, peak memory {}",
        batch as f64 / median,
        peak_memory().as_deref().unwrap_or("unknown")
    );
    Ok(())
}

/// Largest resident memory so far, where the system tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

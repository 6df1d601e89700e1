//! Our CPU kernels against candle's own operations: the same network, taken in turns.
//!
//! `cargo bench --workspace --bench forward -- [MODEL] [THREADS] [ITERS]`

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use poselens_engine::model::{Recording, model};
use poselens_engine::nn::Kernels;
use poselens_engine::nn::execute::{Executable, executor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes `--bench` before our own arguments.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = words.iter().filter_map(|a| a.parse().ok()).collect();
    let name = words.iter().find(|a| a.starts_with(char::is_alphabetic));
    let spec = model(name.map_or("sfm", String::as_str))?;
    let threads = numbers.first().copied().unwrap_or(2);
    let iters = numbers.get(1).copied().unwrap_or(20);
    // Candle computes on rayon's global pool.
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;

    let card = spec.card_for(None)?;
    let options = card.build_options()?;
    let map = VarMap::new();
    (spec.build)(
        &options,
        &VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu),
    )?;
    // Detached: inference must not remember history.
    let tensors = map
        .data()
        .lock()
        .map_err(|_| "the list of tensors is unusable")?
        .iter()
        .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
        .collect();
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let net = (spec.build)(&options, &vb)?;
    let recording = Recording::of(&*net, options.input)?;
    let heatmaps = *recording.out.get("heatmaps").ok_or("no heatmaps")?;
    let (height, width) = (options.input.height, options.input.width);
    let x = Tensor::randn(0f32, 1.0, 3 * height * width, &Device::Cpu)?;
    let x: Vec<f32> = x.to_vec1()?;

    let kernels = Kernels::new(threads)?;
    let prepare = |kernels| executor(&Device::Cpu, kernels).prepare(&recording.graph);
    let (mut by_kernels, mut by_candle) = (prepare(Some(&kernels))?, prepare(None)?);
    let run = |executable: &mut dyn Executable| -> Result<f64, Box<dyn std::error::Error>> {
        let begin = Instant::now();
        executable.run(&[&x], &[heatmaps], None)?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    };
    let (mut ours, mut candle) = (Vec::new(), Vec::new());
    for i in 0..iters + 2 {
        let times = (run(&mut *by_kernels)?, run(&mut *by_candle)?);
        // The first calls touch memory for the first time.
        if i >= 2 {
            ours.push(times.0);
            candle.push(times.1);
        }
    }
    let (ours, candle) = (median(ours), median(candle));
    println!(
        "{} {}x{}, {threads} threads: ours {ours:.2} ms, candle {candle:.2} ms, factor {:.1}",
        spec.name,
        options.input.width,
        options.input.height,
        candle / ours
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

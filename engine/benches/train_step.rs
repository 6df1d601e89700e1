//! One training step of SFM as the trainer runs it: forward, loss, backward, optimizer.
//!
//! `cargo bench -p poselens-engine --bench train_step -- [THREADS] [BATCH] [STEPS]`

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, model};
use poselens_engine::nn::{Kernels, Mode, Pass};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes `--bench` before our own arguments.
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let (threads, batch, steps) = (argument(0, 2), argument(1, 16), argument(2, 5));

    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let options = BuildOptions {
        n_joints: 17,
        input: Size::square(256),
    };
    let net = (model("sfm")?.build)(&options, &vb)?;
    let mut optimizer = AdamW::new(vars.all_vars(), ParamsAdamW::default())?;
    let x = Tensor::randn(0f32, 1.0, (batch, 3, 256, 256), &Device::Cpu)?;
    let target = Tensor::rand(0f32, 1.0, (batch, 17, 128, 128), &Device::Cpu)?;
    let kernels = Kernels::new(threads)?;
    let mut seconds = Vec::new();
    for step in 0..=steps {
        let begin = Instant::now();
        let mut pass = Pass {
            mode: Mode::Train,
            kernels: Some(kernels.clone()),
            ..Pass::default()
        };
        let out = net.forward(&x, &mut pass)?;
        let heatmaps = out.get("heatmaps").ok_or("no heatmaps")?;
        let forward = begin.elapsed();
        let loss = (heatmaps - &target)?.sqr()?.mean_all()?;
        let grads = loss.backward()?;
        let backward = begin.elapsed().saturating_sub(forward);
        optimizer.step(&grads)?;
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
    let median = seconds[seconds.len() / 2];
    println!(
        "batch {batch}, {threads} threads: median {median:.3} s a step, {:.2} images/s",
        batch as f64 / median
    );
    Ok(())
}

//! Losses: the difference between a network's outputs and their targets.
//!
//! A [`LossSpec`] is an entry of [`LOSSES`] and computes the loss of one output against its
//! [`LossTarget`] values; [`total`] adds up all outputs of a forward pass and the zero-mean penalty on
//! signed attention maps. Sums are divided by the counts of the *whole* batch ([`BatchCounts`]), so that
//! a batch processed in parts has the same loss and gradient as in one piece.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::dataset::loader::BatchTargets;
use crate::error::{Error, Result as EngineResult};
use crate::model::RawOutput;
use crate::output::AttentionKind;

/// Counts over a whole batch, regardless of its split into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchCounts {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of maps, or values, with a weight above 0.
    pub labelled: usize,
}

/// Targets of one output.
#[derive(Debug, Clone)]
pub struct LossTarget {
    /// Target values, `[N, C, h, w]`.
    pub values: Tensor,
    /// Weights of the errors, `[N, C, 1, 1]` or `[N, C, h, w]`.
    pub weights: Tensor,
}

impl BatchCounts {
    /// Counts the `weights` of `inputs` inputs.
    pub fn of(weights: &[f32], inputs: usize) -> Self {
        Self {
            inputs,
            labelled: weights.iter().filter(|w| **w > 0.0).count(),
        }
    }
}

/// A loss function: an entry of [`LOSSES`].
#[derive(Debug)]
pub struct LossSpec {
    /// Name in configurations, e.g. `weighted-mse`.
    pub name: &'static str,
    /// Description for `--help`, one line.
    pub help: &'static str,
    /// Computes the loss of one output `[N, C, h, w]`, a scalar.
    pub of: fn(&Tensor, &LossTarget, BatchCounts) -> Result<Tensor>,
}

/// Every loss.
pub const LOSSES: &[LossSpec] = &[
    LossSpec {
        name: "weighted-mse",
        help: "mean over labelled joints of (1 + 5 t) (y - t)^2: SFM",
        of: weighted_mse,
    },
    LossSpec {
        name: "joint-mse",
        help: "mean over joints of half the squared error, unlabelled ones without: TransPose",
        of: |y, batch, counts| joint_mse(y, batch, counts)? * 0.5,
    },
    LossSpec {
        name: "mse",
        help: "mean squared error over everything, unlabelled joints without error: MCA",
        of: joint_mse,
    },
    LossSpec {
        name: "ohkm",
        help: "half the squared error of every person's 8 worst joints (CPN's hard keypoints)",
        of: hard_joints,
    },
    LossSpec {
        name: "sum",
        help: "squared error summed over everything, mean over inputs: fields of several people \
         (SSA)",
        of: sum,
    },
];

/// Returns the loss called `name`.
///
/// # Errors
/// When there is none; the message lists the names.
pub fn loss(name: &str) -> EngineResult<&'static LossSpec> {
    LOSSES.iter().find(|l| l.name == name).ok_or_else(|| {
        let names: Vec<_> = LOSSES.iter().map(|l| l.name).collect();
        Error::Invalid(format!(
            "no loss is called '{name}'; choose one of: {}",
            names.join(", ")
        ))
    })
}

/// Options of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Name of an entry of [`LOSSES`].
    pub name: String,
    /// Factor of the heatmap loss alone. It matters relative to the penalty, clipping and weight
    /// decay.
    pub scale: f64,
    /// Factor of the penalty `mean(M)^2 + mean(M_deeper)^2`, summed over all HSA blocks; 0 turns it
    /// off, and then mean |M| is not measured. Without it the gates saturate at -1 and become
    /// uninformative. 0.1 with a scale of 100, with which the bundled SFM was trained, keeps them
    /// active (mean |M| 0.05 to 0.23).
    pub zero_mean: f64,
}

impl Default for LossConfig {
    /// Returns the options of the bundled SFM.
    fn default() -> Self {
        Self {
            name: "weighted-mse".to_owned(),
            scale: 100.0,
            zero_mean: 0.1,
        }
    }
}

/// Computes the scalar loss of a forward pass. `outputs` names the outputs with targets, in the
/// order of their channels; an output produced at several places of the network (a second head,
/// every stack or stage) is compared with the same targets at each and the losses are added.
///
/// # Errors
/// When an output is missing, shapes do not fit or the device fails.
pub fn total(
    config: &LossConfig,
    spec: &LossSpec,
    out: &RawOutput,
    (batch, outputs): (&BatchTargets, &[&str]),
    counts: BatchCounts,
) -> Result<Tensor> {
    let mut judged = Vec::new();
    let mut sum = Tensor::zeros((), DType::F32, batch.targets.device())?;
    let mut first = 0;
    for output in outputs {
        let Some(deployed) = out.get(output) else {
            candle_core::bail!("the network did not produce the output {output}");
        };
        let n = deployed.dim(1)?;
        let target = LossTarget {
            values: batch.targets.narrow(1, first, n)?,
            weights: batch.weights.narrow(1, first, n)?,
        };
        first += n;
        for (name, y) in &out.tensors {
            // The deployed output may also carry the name of its place.
            let is_it = name.split('.').next() == Some(output);
            if is_it && !judged.contains(&y.id()) {
                judged.push(y.id());
                sum = (sum + (spec.of)(y, &target, counts)?)?;
            }
        }
    }
    let mut loss = (sum * config.scale)?;
    if config.zero_mean > 0.0 {
        for map in &out.maps {
            if map.kind == AttentionKind::Signed {
                loss = (loss + (zero_mean(&map.tensor, counts)? * config.zero_mean)?)?;
            }
        }
    }
    Ok(loss)
}

/// Returns the mean over inputs of the squared mean of a map.
fn zero_mean(map: &Tensor, counts: BatchCounts) -> Result<Tensor> {
    let mean = map.flatten_from(1)?.mean(1)?;
    mean.sqr()?.sum_all()? / counts.inputs.max(1) as f64
}

/// Returns the weighted squared errors `[N, C, h, w]` and the number of pixels of a map. Errors of
/// unknown labels are 0.
fn squared_errors(y: &Tensor, target: &LossTarget) -> Result<(Tensor, usize)> {
    let (.., h, w) = y.dims4()?;
    let errors = y.sub(&target.values)?.broadcast_mul(&target.weights)?;
    Ok((errors.sqr()?, h * w))
}

fn weighted_mse(y: &Tensor, target: &LossTarget, counts: BatchCounts) -> Result<Tensor> {
    let (errors, pixels) = squared_errors(y, target)?;
    let sum = errors.mul(&target.values.affine(5.0, 1.0)?)?.sum_all()?;
    // A weight applies to a whole map or to one of its pixels.
    let (.., h, w) = target.weights.dims4()?;
    sum / (counts.labelled.max(1) * pixels / (h * w)) as f64
}

fn joint_mse(y: &Tensor, target: &LossTarget, counts: BatchCounts) -> Result<Tensor> {
    let (errors, pixels) = squared_errors(y, target)?;
    errors.sum_all()? / (counts.inputs.max(1) * y.dim(1)? * pixels) as f64
}

/// SSA eq. 11 and 12: no mean over pixels.
fn sum(y: &Tensor, target: &LossTarget, counts: BatchCounts) -> Result<Tensor> {
    let (errors, _) = squared_errors(y, target)?;
    errors.sum_all()? / counts.inputs.max(1) as f64
}

/// Number of joints that count per person (CPN, <https://arxiv.org/abs/1711.07319>).
const HARD: usize = 8;

fn hard_joints(y: &Tensor, target: &LossTarget, counts: BatchCounts) -> Result<Tensor> {
    let (errors, _) = squared_errors(y, target)?;
    let of_joints = (errors.flatten_from(2)?.mean(2)? * 0.5)?;
    let (n, j) = of_joints.dims2()?;
    let values: Vec<Vec<f32>> = of_joints.detach().to_vec2()?;
    let mut chosen = vec![0.0f32; n * j];
    for (person, values) in values.iter().enumerate() {
        let mut order: Vec<usize> = (0..j).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        for &joint in order.iter().take(HARD) {
            chosen[person * j + joint] = 1.0;
        }
    }
    let chosen = Tensor::from_vec(chosen, (n, j), y.device())?;
    of_joints.mul(&chosen)?.sum_all()? / (counts.inputs.max(1) * HARD.min(j)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Rng;
    use crate::model::RawMap;
    use crate::output::MapPlace;
    use candle_core::{Device, Var};

    const DIMS: (usize, usize, usize, usize) = (3, 10, 4, 5);

    fn random(words: &[u64], n: usize, low: f64, high: f64) -> Vec<f32> {
        let mut rng = Rng::new(words);
        (0..n).map(|_| rng.range(low, high) as f32).collect()
    }

    /// Returns a prediction and targets with every third joint unlabelled.
    fn case(seed: u64) -> (Vec<f32>, LossTarget, BatchCounts) {
        let (n, j, h, w) = DIMS;
        let weights: Vec<f32> = (0..n * j)
            .map(|i| f32::from(u8::from(i % 3 != 1)))
            .collect();
        let counts = BatchCounts::of(&weights, n);
        let t = random(&[seed, 1], n * j * h * w, 0.0, 1.0);
        let target = LossTarget {
            values: Tensor::from_vec(t, DIMS, &Device::Cpu).unwrap(),
            weights: Tensor::from_vec(weights, (n, j, 1, 1), &Device::Cpu).unwrap(),
        };
        (random(&[seed], n * j * h * w, -1.0, 1.0), target, counts)
    }

    fn tensor(y: &[f32]) -> Tensor {
        Tensor::from_slice(y, DIMS, &Device::Cpu).unwrap()
    }

    /// Fails when the gradient of a loss differs from finite differences, or an unlabelled joint
    /// has an influence.
    #[test]
    fn gradients_equal_differences() {
        let (y, target, counts) = case(1);
        for spec in LOSSES {
            let value = |y: &[f32]| -> f64 {
                let loss = (spec.of)(&tensor(y), &target, counts).unwrap();
                f64::from(loss.to_scalar::<f32>().unwrap())
            };
            let var = Var::from_tensor(&tensor(&y)).unwrap();
            let loss = (spec.of)(&var, &target, counts).unwrap();
            let grads = loss.backward().unwrap();
            let grad = grads.get(&var).unwrap().flatten_all().unwrap();
            let grad: Vec<f32> = grad.to_vec1().unwrap();
            let (_, j, h, w) = DIMS;
            for i in (0..y.len()).step_by(7) {
                let moved = |by: f32| {
                    let mut y = y.clone();
                    y[i] += by;
                    value(&y)
                };
                let numeric = (moved(0.02) - moved(-0.02)) / 0.04;
                let found = f64::from(grad[i]);
                assert!(
                    (numeric - found).abs() < 2e-5 + 2e-2 * found.abs(),
                    "{} at {i}: {found}, differences {numeric}",
                    spec.name
                );
                let joint = i / (h * w) % j + i / (h * w * j) * j;
                assert!(joint % 3 != 1 || found == 0.0, "{} unlabelled", spec.name);
            }
        }
    }

    /// Fails when a formula differs from the published one (computed again here, in f64).
    #[test]
    fn values_equal_their_definitions() {
        let (y, target, counts) = case(2);
        let (n, j, h, w) = DIMS;
        let t: Vec<f32> = target.values.flatten_all().unwrap().to_vec1().unwrap();
        let (mut weighted, mut plain) = (0.0, 0.0);
        let mut of_joints = vec![0.0; n * j];
        for i in 0..y.len() {
            let joint = i / (h * w);
            if joint % 3 != 1 {
                let d = f64::from(y[i]) - f64::from(t[i]);
                weighted += (1.0 + 5.0 * f64::from(t[i])) * d * d;
                plain += d * d;
                of_joints[joint] += 0.5 * d * d / (h * w) as f64;
            }
        }
        let hard: f64 = of_joints
            .chunks(j)
            .map(|person| {
                let mut person = person.to_vec();
                person.sort_by(|a, b| b.total_cmp(a));
                person[..HARD].iter().sum::<f64>()
            })
            .sum();
        let all = (n * j * h * w) as f64;
        let values = [
            ("sum", plain / n as f64),
            ("weighted-mse", weighted / (counts.labelled * h * w) as f64),
            ("joint-mse", 0.5 * plain / all),
            ("mse", plain / all),
            ("ohkm", hard / (n * HARD) as f64),
        ];
        for (name, value) in values {
            let found = (loss(name).unwrap().of)(&tensor(&y), &target, counts).unwrap();
            let found = f64::from(found.to_scalar::<f32>().unwrap());
            assert!(
                (found - value).abs() < 1e-6 * value.max(1.0),
                "{name}: {found}, not {value}"
            );
        }
        assert!(loss("mess").unwrap_err().to_string().contains("ohkm"));
    }

    /// Fails when per-pixel weights give another loss than one equal weight per map.
    #[test]
    fn pixel_weights_equal_map_weights() {
        let (y, target, counts) = case(5);
        let weights = target.weights.broadcast_as(DIMS).unwrap();
        let each: Vec<f32> = weights.flatten_all().unwrap().to_vec1().unwrap();
        let of_pixels = BatchCounts::of(&each, counts.inputs);
        let values = target.values.clone();
        let fine = LossTarget { values, weights };
        for spec in LOSSES {
            let value = |target, counts| {
                let loss = (spec.of)(&tensor(&y), target, counts).unwrap();
                loss.to_scalar::<f32>().unwrap()
            };
            let (a, b) = (value(&target, counts), value(&fine, of_pixels));
            assert!((a - b).abs() <= 1e-6 * a.abs(), "{}: {a}, {b}", spec.name);
        }
    }

    /// Fails when a batch in parts has another loss than in one piece, the deployed output is
    /// counted twice, or the penalty is not the mean of squared means.
    #[test]
    fn the_total_adds_up_and_can_be_split() {
        let (y, target, counts) = case(3);
        let first = tensor(&y);
        let second = (&first * 0.5).unwrap();
        let n = DIMS.0;
        let m = Tensor::from_vec(random(&[9], n * 20, -1.0, 1.0), (n, 1, 4, 5), &Device::Cpu);
        let map = |kind, tensor: &Tensor| RawMap {
            name: "x".to_owned(),
            title: String::new(),
            kind,
            place: MapPlace {
                layer: 0,
                iteration: None,
            },
            tensor: tensor.clone(),
            range: (-1.0, 1.0),
            activity_of: None,
        };
        let m = m.unwrap();
        let out = |from: usize, len: usize| {
            let part = |t: &Tensor| t.narrow(0, from, len).unwrap();
            let last = part(&second);
            RawOutput {
                tensors: vec![
                    ("heatmaps".to_owned(), last.clone()),
                    ("heatmaps.stack0".to_owned(), part(&first)),
                    ("heatmaps.stack1".to_owned(), last),
                ],
                maps: vec![
                    map(AttentionKind::Signed, &part(&m)),
                    map(AttentionKind::Gate, &part(&m)),
                ],
                query_key: Vec::new(),
            }
        };
        let narrowed = |from, len| BatchTargets {
            targets: target.values.narrow(0, from, len).unwrap(),
            weights: target.weights.narrow(0, from, len).unwrap(),
        };
        let config = LossConfig {
            scale: 3.0,
            zero_mean: 7.0,
            ..LossConfig::default()
        };
        for spec in LOSSES {
            let value = |from, len| {
                let part = narrowed(from, len);
                let part = (&part, &["heatmaps"][..]);
                let loss = total(&config, spec, &out(from, len), part, counts).unwrap();
                loss.to_scalar::<f32>().unwrap()
            };
            let whole = value(0, n);
            assert!((whole - value(0, 1) - value(1, n - 1)).abs() < 1e-5 * whole);
            let one = |y: &Tensor| {
                let loss = (spec.of)(y, &target, counts).unwrap();
                loss.to_scalar::<f32>().unwrap()
            };
            let means: Vec<f32> = m
                .flatten_from(1)
                .unwrap()
                .mean(1)
                .unwrap()
                .to_vec1()
                .unwrap();
            let penalty = means.iter().map(|m| m * m).sum::<f32>() / n as f32;
            let sum = 3.0 * (one(&first) + one(&second)) + 7.0 * penalty;
            assert!((whole - sum).abs() < 1e-5 * sum, "{}", spec.name);
        }
    }

    /// Fails when an output is compared with another one's targets, an earlier stage is not
    /// supervised, or an output with targets may be missing.
    #[test]
    fn every_output_has_its_own_targets() {
        let (y, target, counts) = case(4);
        let all = tensor(&y);
        let part = |first, n| all.narrow(1, first, n).unwrap();
        let config = LossConfig {
            name: "sum".to_owned(),
            scale: 1.0,
            zero_mean: 0.0,
        };
        let spec = loss("sum").unwrap();
        let batch = BatchTargets {
            targets: target.values.clone(),
            weights: target.weights.clone(),
        };
        let outputs = ["heatmaps", "paf", "offsets"];
        let mut out = RawOutput {
            tensors: vec![
                ("offsets".to_owned(), part(7, 3)),
                ("heatmaps".to_owned(), part(0, 4)),
                ("paf".to_owned(), part(4, 3)),
            ],
            ..RawOutput::default()
        };
        let value = |out: &RawOutput| {
            let loss = total(&config, spec, out, (&batch, &outputs), counts);
            loss.map(|loss| loss.to_scalar::<f32>().unwrap())
        };
        let once = value(&out).unwrap();
        let direct = (spec.of)(&all, &target, counts).unwrap();
        let direct = direct.to_scalar::<f32>().unwrap();
        assert!((once - direct).abs() < 1e-5 * direct);
        for (name, first, n) in [("heatmaps", 0, 4), ("paf", 4, 3), ("offsets", 7, 3)] {
            out.tensors.push((format!("{name}.stage1"), part(first, n)));
        }
        assert!((value(&out).unwrap() - 2.0 * direct).abs() < 1e-5 * direct);
        out.tensors.retain(|(name, _)| name != "paf");
        assert!(value(&out).unwrap_err().to_string().contains("paf"));
    }
}

//! Losses: how far a network's heatmaps are from their targets.
//!
//! A [`LossSpec`] is a row of [`LOSSES`] and judges one output; [`total`] adds up all outputs of a
//! forward call and the zero-mean penalty on signed attention maps. Sums are divided by the counts
//! of the *whole* batch ([`Totals`]), so that a batch worked on in parts has the same loss and
//! gradient as in one piece.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::dataset::loader::BatchTensors;
use crate::error::{Error, Result as EngineResult};
use crate::model::RawOutput;
use crate::output::AttentionKind;

/// Counts of a whole batch, whatever part of it is at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// People.
    pub people: usize,
    /// Joints with a weight above 0.
    pub labelled: usize,
}

impl Totals {
    /// The counts of `weights`, `N x J`, of `people` people.
    pub fn of(weights: &[f32], people: usize) -> Self {
        Self {
            people,
            labelled: weights.iter().filter(|w| **w > 0.0).count(),
        }
    }
}

/// One loss: a row of [`LOSSES`].
#[derive(Debug)]
pub struct LossSpec {
    /// `weighted-mse`, ...
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// The loss of one output `[N, J, h, w]`, a scalar.
    pub of: fn(&Tensor, &BatchTensors, Totals) -> Result<Tensor>,
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
        help: "mean over joints of half the squared error, unlabelled ones as 0: TransPose",
        of: |y, batch, totals| joint_mse(y, batch, totals)? * 0.5,
    },
    LossSpec {
        name: "mse",
        help: "mean squared error over everything, unlabelled joints as 0: MCA",
        of: joint_mse,
    },
    LossSpec {
        name: "ohkm",
        help: "half the squared error of every person's 8 worst joints (CPN's hard keypoints)",
        of: hard_joints,
    },
];

/// The row called `name`.
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

/// What is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Row of [`LOSSES`].
    pub name: String,
    /// Factor of the heatmaps' loss. Against the penalty, clipping and weight decay it is not
    /// without effect.
    pub scale: f64,
    /// Factor of the penalty `mean(M)^2 + mean(M_deeper)^2`, added over all HSA blocks; 0 for
    /// none. Without it the gates saturate at -1 and show nothing.
    pub zero_mean: f64,
}

impl Default for LossConfig {
    /// That of the bundled SFM.
    fn default() -> Self {
        Self {
            name: "weighted-mse".to_owned(),
            scale: 100.0,
            zero_mean: 0.1,
        }
    }
}

/// The loss of everything a forward call answered, a scalar. Heatmaps on several places of the
/// network (a second head, every stack) are judged by the same targets and added.
///
/// # Errors
/// When shapes do not fit or the device fails.
pub fn total(
    config: &LossConfig,
    spec: &LossSpec,
    out: &RawOutput,
    batch: &BatchTensors,
    totals: Totals,
) -> Result<Tensor> {
    let mut judged = Vec::new();
    let mut sum = Tensor::zeros((), DType::F32, batch.heatmaps.device())?;
    for (name, y) in &out.tensors {
        // The deployed output may also go by its place's name.
        if name.starts_with("heatmaps") && !judged.contains(&y.id()) {
            judged.push(y.id());
            sum = (sum + (spec.of)(y, batch, totals)?)?;
        }
    }
    let mut loss = (sum * config.scale)?;
    if config.zero_mean > 0.0 {
        for map in &out.maps {
            if map.kind == AttentionKind::Signed {
                loss = (loss + (zero_mean(&map.tensor, totals)? * config.zero_mean)?)?;
            }
        }
    }
    Ok(loss)
}

/// Mean over people of the squared mean of a map.
fn zero_mean(map: &Tensor, totals: Totals) -> Result<Tensor> {
    let mean = map.flatten_from(1)?.mean(1)?;
    mean.sqr()?.sum_all()? / totals.people.max(1) as f64
}

/// Squared errors `[N, J, h, w]`, 0 for unlabelled joints, and pixels of a map.
fn squared_errors(y: &Tensor, batch: &BatchTensors) -> Result<(Tensor, usize)> {
    let (n, j, h, w) = y.dims4()?;
    let weights = batch.weights.reshape((n, j, 1, 1))?;
    let errors = y.sub(&batch.heatmaps)?.broadcast_mul(&weights)?.sqr()?;
    Ok((errors, h * w))
}

fn weighted_mse(y: &Tensor, batch: &BatchTensors, totals: Totals) -> Result<Tensor> {
    let (errors, pixels) = squared_errors(y, batch)?;
    let sum = errors.mul(&batch.heatmaps.affine(5.0, 1.0)?)?.sum_all()?;
    sum / (totals.labelled.max(1) * pixels) as f64
}

fn joint_mse(y: &Tensor, batch: &BatchTensors, totals: Totals) -> Result<Tensor> {
    let (errors, pixels) = squared_errors(y, batch)?;
    errors.sum_all()? / (totals.people.max(1) * y.dim(1)? * pixels) as f64
}

/// Joints that count in every person (CPN, <https://arxiv.org/abs/1711.07319>).
const HARD: usize = 8;

fn hard_joints(y: &Tensor, batch: &BatchTensors, totals: Totals) -> Result<Tensor> {
    let (errors, _) = squared_errors(y, batch)?;
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
    of_joints.mul(&chosen)?.sum_all()? / (totals.people.max(1) * HARD.min(j)) as f64
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

    /// A prediction, targets, and every third joint unlabelled.
    fn case(seed: u64) -> (Vec<f32>, BatchTensors, Totals) {
        let (n, j, h, w) = DIMS;
        let weights: Vec<f32> = (0..n * j)
            .map(|i| f32::from(u8::from(i % 3 != 1)))
            .collect();
        let totals = Totals::of(&weights, n);
        let t = random(&[seed, 1], n * j * h * w, 0.0, 1.0);
        let batch = BatchTensors {
            input: Tensor::zeros((n, 3, 1, 1), DType::F32, &Device::Cpu).unwrap(),
            heatmaps: Tensor::from_vec(t, DIMS, &Device::Cpu).unwrap(),
            weights: Tensor::from_vec(weights, (n, j), &Device::Cpu).unwrap(),
        };
        (random(&[seed], n * j * h * w, -1.0, 1.0), batch, totals)
    }

    fn tensor(y: &[f32]) -> Tensor {
        Tensor::from_slice(y, DIMS, &Device::Cpu).unwrap()
    }

    /// Fails when a loss has another gradient than its own differences, or weighs a joint nobody
    /// has labelled.
    #[test]
    fn gradients_equal_differences() {
        let (y, batch, totals) = case(1);
        for spec in LOSSES {
            let value = |y: &[f32]| -> f64 {
                let loss = (spec.of)(&tensor(y), &batch, totals).unwrap();
                f64::from(loss.to_scalar::<f32>().unwrap())
            };
            let var = Var::from_tensor(&tensor(&y)).unwrap();
            let loss = (spec.of)(&var, &batch, totals).unwrap();
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

    /// Fails when a formula is not the published one (computed anew here, in f64).
    #[test]
    fn values_equal_their_definitions() {
        let (y, batch, totals) = case(2);
        let (n, j, h, w) = DIMS;
        let t: Vec<f32> = batch.heatmaps.flatten_all().unwrap().to_vec1().unwrap();
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
        let wanted = [
            ("weighted-mse", weighted / (totals.labelled * h * w) as f64),
            ("joint-mse", 0.5 * plain / all),
            ("mse", plain / all),
            ("ohkm", hard / (n * HARD) as f64),
        ];
        for (name, wanted) in wanted {
            let found = (loss(name).unwrap().of)(&tensor(&y), &batch, totals).unwrap();
            let found = f64::from(found.to_scalar::<f32>().unwrap());
            assert!(
                (found - wanted).abs() < 1e-6,
                "{name}: {found}, not {wanted}"
            );
        }
        assert!(loss("mess").unwrap_err().to_string().contains("ohkm"));
    }

    /// Fails when a batch in parts has another loss than in one piece, the deployed output is
    /// counted twice, or the penalty is not the mean of squared means.
    #[test]
    fn the_total_adds_up_and_can_be_split() {
        let (y, batch, totals) = case(3);
        let first = tensor(&y);
        let second = (&first * 0.5).unwrap();
        let n = DIMS.0;
        let m = Tensor::from_vec(random(&[9], n * 20, -1.0, 1.0), (n, 1, 4, 5), &Device::Cpu);
        let map = |kind, tensor: &Tensor| RawMap {
            name: "x".to_owned(),
            kind,
            place: MapPlace {
                layer: 0,
                iteration: None,
            },
            tensor: tensor.clone(),
            range: (-1.0, 1.0),
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
        let narrowed = |from, len| BatchTensors {
            input: batch.input.narrow(0, from, len).unwrap(),
            heatmaps: batch.heatmaps.narrow(0, from, len).unwrap(),
            weights: batch.weights.narrow(0, from, len).unwrap(),
        };
        let config = LossConfig {
            scale: 3.0,
            zero_mean: 7.0,
            ..LossConfig::default()
        };
        for spec in LOSSES {
            let value = |from, len| {
                let part = narrowed(from, len);
                let loss = total(&config, spec, &out(from, len), &part, totals).unwrap();
                loss.to_scalar::<f32>().unwrap()
            };
            let whole = value(0, n);
            assert!((whole - value(0, 1) - value(1, n - 1)).abs() < 1e-5 * whole);
            let one = |y: &Tensor| {
                let loss = (spec.of)(y, &batch, totals).unwrap();
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
            let wanted = 3.0 * (one(&first) + one(&second)) + 7.0 * penalty;
            assert!((whole - wanted).abs() < 1e-5 * wanted, "{}", spec.name);
        }
    }
}

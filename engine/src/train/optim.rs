//! Optimizers. Their state is kept under the names of the tensors, so that a run can be saved and
//! resumed exactly.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var};
use serde::{Deserialize, Serialize};

/// Gradients, or other tensors that belong to parameters, by parameter name.
pub type ByName = BTreeMap<String, Tensor>;

/// Update rule of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Kingma and Ba, <https://arxiv.org/abs/1412.6980>; weight decay is added to the gradient.
    Adam,
    /// Loshchilov and Hutter, <https://arxiv.org/abs/1711.05101>: decoupled weight decay.
    AdamW,
    /// Hinton, as in Torch7 and PyTorch: eps is added to the root.
    RmsProp,
    /// With momentum as in PyTorch: the velocity is a sum of gradients.
    Sgd,
}

impl Algorithm {
    /// Every algorithm, for the command line.
    pub const ALL: [Self; 4] = [Self::Adam, Self::AdamW, Self::RmsProp, Self::Sgd];

    /// Returns `adam`, `adamw`, `rmsprop` or `sgd`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::RmsProp => "rmsprop",
            Self::Sgd => "sgd",
        }
    }

    /// Returns the default of [`OptimConfig::smoothing`].
    pub const fn usual_smoothing(self) -> f64 {
        match self {
            Self::RmsProp => 0.99,
            _ => 0.999,
        }
    }

    /// Returns the names of the state tensors kept per parameter.
    const fn slots(self) -> &'static [&'static str] {
        match self {
            Self::Adam | Self::AdamW => &["mean", "square"],
            Self::RmsProp => &["square"],
            Self::Sgd => &["velocity"],
        }
    }
}

/// Options of an optimizer. The learning rate is passed to every step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimConfig {
    /// Update rule.
    pub algorithm: Algorithm,
    /// Base learning rate before the schedule, above 0.
    pub lr: f64,
    /// Weight decay of matrices and convolutions; norms and biases are exempt.
    pub weight_decay: f64,
    /// Decay of the gradient average: beta1 of Adam, momentum of SGD; 0 to below 1.
    pub momentum: f64,
    /// Decay of the squared-gradient average: beta2 of Adam, alpha of RMSprop; 0 to below 1.
    pub smoothing: f64,
    /// Added to the root of squared gradients to avoid division by zero.
    pub eps: f64,
    /// Maximum gradient norm (global); 0 turns clipping off.
    pub clip_norm: f64,
}

impl Default for OptimConfig {
    /// Returns Adam with the usual parameters.
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Adam,
            lr: 1e-3,
            weight_decay: 0.0,
            momentum: 0.9,
            smoothing: 0.999,
            eps: 1e-8,
            clip_norm: 0.0,
        }
    }
}

impl OptimConfig {
    /// Validates the ranges of the options.
    ///
    /// # Errors
    /// When an option is out of range; the message names it.
    pub fn check(&self) -> crate::Result<()> {
        let memory = 0.0..1.0;
        let faults = [
            ("lr", self.lr, self.lr > 0.0 && self.lr.is_finite()),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0),
            ("momentum", self.momentum, memory.contains(&self.momentum)),
            (
                "smoothing",
                self.smoothing,
                memory.contains(&self.smoothing),
            ),
            ("eps", self.eps, self.eps > 0.0),
            ("clip_norm", self.clip_norm, self.clip_norm >= 0.0),
        ];
        match faults.iter().find(|(.., fine)| !fine) {
            None => Ok(()),
            Some((name, value, _)) => Err(crate::Error::Invalid(format!(
                "optimizer: {name} = {value} is invalid"
            ))),
        }
    }
}

/// Optimizer with its state.
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimConfig,
    /// Number of steps made.
    steps: u64,
    /// State by `slot.name`.
    memory: ByName,
}

impl Optimizer {
    /// Creates an optimizer with empty state.
    pub fn new(config: OptimConfig) -> Self {
        Self::restored(config, 0, ByName::new())
    }

    /// Restores an optimizer after `steps` steps with this [`Self::memory`].
    pub fn restored(config: OptimConfig, steps: u64, memory: ByName) -> Self {
        Self {
            config,
            steps,
            memory,
        }
    }

    /// Returns the number of steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the state by `slot.name`.
    pub fn moments(&self) -> &ByName {
        &self.memory
    }

    /// Makes one step: updates every parameter of `vars` that has a gradient, at the learning rate
    /// for its name.
    ///
    /// # Errors
    /// When shapes differ or the device fails.
    pub fn step(
        &mut self,
        vars: &BTreeMap<String, Var>,
        grads: &ByName,
        rate: impl Fn(&str) -> f64,
    ) -> Result<()> {
        self.steps += 1;
        for (name, var) in vars {
            if let Some(grad) = grads.get(name) {
                let weight = var.as_tensor().detach();
                let moved = self.follow(name, &weight, &grad.detach(), rate(name))?;
                var.set(&moved)?;
            }
        }
        Ok(())
    }

    /// Returns the state of `name` in the slot; zeros at first.
    fn remembered(&self, slot: &str, name: &str, like: &Tensor) -> Result<Tensor> {
        match self.memory.get(&format!("{slot}.{name}")) {
            Some(memory) => Ok(memory.clone()),
            None => like.zeros_like(),
        }
    }

    fn remember(&mut self, slot: &str, name: &str, memory: &Tensor) {
        self.memory.insert(format!("{slot}.{name}"), memory.clone());
    }

    fn follow(&mut self, name: &str, weight: &Tensor, grad: &Tensor, lr: f64) -> Result<Tensor> {
        let OptimConfig {
            algorithm,
            momentum,
            smoothing,
            eps,
            ..
        } = self.config;
        let decay = if weight.rank() > 1 {
            self.config.weight_decay
        } else {
            0.0
        };
        let by_itself = algorithm == Algorithm::AdamW;
        let grad = if decay > 0.0 && !by_itself {
            (grad + (weight * decay)?)?
        } else {
            grad.clone()
        };
        let mut new = Vec::new();
        for slot in algorithm.slots() {
            let old = self.remembered(slot, name, weight)?;
            let memory = match *slot {
                "mean" => ((old * momentum)? + (&grad * (1.0 - momentum))?)?,
                "velocity" => ((old * momentum)? + &grad)?,
                _ => ((old * smoothing)? + (grad.sqr()? * (1.0 - smoothing))?)?,
            };
            self.remember(slot, name, &memory);
            new.push(memory);
        }
        match &new[..] {
            [mean, square] => {
                let steps = self.steps.min(i32::MAX as u64) as i32;
                let [first, second] = [momentum, smoothing].map(|m| 1.0 - m.powi(steps));
                let root = ((square.sqrt()? / second.sqrt())? + eps)?;
                let weight = if by_itself {
                    (weight * (1.0 - lr * decay))?
                } else {
                    weight.clone()
                };
                weight - (mean.div(&root)? * (lr / first))?
            }
            [square] if algorithm == Algorithm::RmsProp => {
                weight - (grad.div(&(square.sqrt()? + eps)?)? * lr)?
            }
            [velocity] => weight - (velocity * lr)?,
            _ => candle_core::bail!("an optimizer remembers one or two tensors"),
        }
    }
}

/// Returns the L2 norm of all gradients concatenated.
///
/// # Errors
/// When the device fails.
pub fn global_norm(grads: &ByName) -> Result<f64> {
    let mut sum = 0.0;
    for grad in grads.values() {
        sum += f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    Ok(sum.sqrt())
}

/// Scales gradients of global norm `norm` down to norm `longest`; 0 turns clipping off.
///
/// # Errors
/// When the device fails.
pub fn clip(grads: &mut ByName, norm: f64, longest: f64) -> Result<()> {
    if longest > 0.0 && norm > longest {
        for grad in grads.values_mut() {
            *grad = (&*grad * (longest / norm))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const GRADS: [[f32; 3]; 3] = [[0.1, -0.2, 0.3], [-0.4, 0.05, 0.0], [0.25, 0.5, -0.75]];

    fn config(algorithm: Algorithm) -> OptimConfig {
        OptimConfig {
            algorithm,
            weight_decay: 0.1,
            smoothing: algorithm.usual_smoothing(),
            ..OptimConfig::default()
        }
    }

    fn tensor(values: &[f32]) -> Tensor {
        Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn weights() -> BTreeMap<String, Var> {
        let var = Var::from_tensor(&tensor(&[0.5, -1.25, 2.0])).unwrap();
        BTreeMap::from([("w".to_owned(), var)])
    }

    fn step(optimizer: &mut Optimizer, vars: &BTreeMap<String, Var>, grad: &[f32]) {
        let grads = ByName::from([("w".to_owned(), tensor(grad))]);
        optimizer.step(vars, &grads, |_| 0.01).unwrap();
    }

    /// Fails when the weights after three steps differ from those of PyTorch 2.
    #[test]
    fn weights_move_as_in_pytorch() {
        let wanted = [
            [0.492827832698822, -1.2324105501174927, 1.9807548522949219],
            [0.49449530243873596, -1.2361083030700684, 1.9813423156738281],
            [0.4312816858291626, -1.2065593004226685, 1.937177062034607],
            [0.49958717823028564, -1.2435306310653687, 1.9881709814071655],
        ];
        for (algorithm, wanted) in Algorithm::ALL.into_iter().zip(wanted) {
            let (vars, mut optimizer) = (weights(), Optimizer::new(config(algorithm)));
            for grad in GRADS {
                step(&mut optimizer, &vars, &grad);
            }
            for (found, wanted) in values(&vars["w"]).iter().zip(wanted) {
                let off = (f64::from(*found) - wanted).abs();
                assert!(off < 5e-7, "{}: {found}, not {wanted}", algorithm.name());
            }
        }
    }

    /// Fails when a restored optimizer continues differently, a tensor without gradient is updated,
    /// or a bias decays.
    #[test]
    fn a_restored_optimizer_continues_exactly() {
        for algorithm in Algorithm::ALL {
            let (vars, mut optimizer) = (weights(), Optimizer::new(config(algorithm)));
            step(&mut optimizer, &vars, &GRADS[0]);
            let copy = BTreeMap::from([(
                "w".to_owned(),
                Var::from_tensor(&vars["w"].copy().unwrap()).unwrap(),
            )]);
            let mut restored = Optimizer::restored(
                config(algorithm),
                optimizer.steps(),
                optimizer.moments().clone(),
            );
            step(&mut optimizer, &vars, &GRADS[1]);
            step(&mut restored, &copy, &GRADS[1]);
            assert_eq!(values(&vars["w"]), values(&copy["w"]));
            assert_ne!(optimizer.steps(), 0);
            let before = values(&vars["w"]);
            optimizer.step(&vars, &ByName::new(), |_| 0.01).unwrap();
            assert_eq!(values(&vars["w"]), before);
            let bias =
                Var::from_tensor(&Tensor::ones(2, candle_core::DType::F32, &Device::Cpu).unwrap());
            let vars = BTreeMap::from([("b".to_owned(), bias.unwrap())]);
            let zero = vars["b"].zeros_like().unwrap();
            let grads = ByName::from([("b".to_owned(), zero)]);
            Optimizer::new(config(algorithm))
                .step(&vars, &grads, |_| 0.01)
                .unwrap();
            assert_eq!(values(&vars["b"]), [1.0, 1.0]);
        }
    }

    /// Fails when parameters of different groups are updated at the same learning rate.
    #[test]
    fn every_group_has_its_rate() {
        for algorithm in Algorithm::ALL {
            let var = || Var::from_tensor(&tensor(&[0.5])).unwrap();
            let vars = BTreeMap::from(["a", "b"].map(|name| (name.to_owned(), var())));
            let grads = ["a", "b"].map(|name| (name.to_owned(), tensor(&[1.0])));
            let rate = |name: &str| if name == "a" { 0.01 } else { 0.001 };
            Optimizer::new(OptimConfig {
                weight_decay: 0.0,
                ..config(algorithm)
            })
            .step(&vars, &ByName::from(grads), rate)
            .unwrap();
            let [a, b] = ["a", "b"].map(|name| 0.5 - values(&vars[name])[0]);
            assert!(b > 0.0 && (a / b - 10.0).abs() < 1e-2, "{a} {b}");
        }
    }

    /// Fails when clipping changes the direction of the gradients, or gradients below the limit at
    /// all.
    #[test]
    fn clipping_shortens_all_alike() {
        let mut grads = ByName::from([
            ("a".to_owned(), tensor(&[3.0, 4.0])),
            ("b".to_owned(), tensor(&[12.0])),
        ]);
        let norm = global_norm(&grads).unwrap();
        assert!((norm - 13.0).abs() < 1e-6);
        for (longest, first) in [(0.0, 3.0), (20.0, 3.0), (5.0, 15.0 / 13.0)] {
            clip(&mut grads, norm, longest).unwrap();
            assert!((values(&grads["a"])[0] - first).abs() < 1e-6);
        }
        assert!((global_norm(&grads).unwrap() - 5.0).abs() < 1e-5);
    }

    /// Fails when an option out of range is accepted.
    #[test]
    fn invalid_options_are_named() {
        for (name, spoil) in [
            ("lr", (|c| c.lr = f64::NAN) as fn(&mut OptimConfig)),
            ("momentum", |c| c.momentum = 1.0),
            ("eps", |c| c.eps = 0.0),
            ("weight_decay", |c| c.weight_decay = -1.0),
        ] {
            let mut config = OptimConfig::default();
            config.check().unwrap();
            spoil(&mut config);
            let message = config.check().unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}

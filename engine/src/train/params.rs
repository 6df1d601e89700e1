//! Tensors of a network in training, by name.
//!
//! [`Parameters::build`] builds a network from given tensors; missing ones are initialised randomly
//! from the layer's own distribution as a function of the seed and the name. Frozen tensors are
//! passed to the network without gradient tracking: no gradients are computed for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use super::optim::ByName;
use crate::augment::Rng;
use crate::model::{BuildOptions, ModelSpec, PoseModel, SpecialTensors};

/// Returns whether a tensor is a running statistic of a batch norm instead of a parameter.
fn is_statistic(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

/// Returns whether a tensor's name begins with one of `prefixes`; true if there are none.
pub(super) fn is_among(prefixes: &[String], name: &str) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|p| name.starts_with(p))
}

/// The tensors of a network.
#[derive(Debug)]
pub struct Parameters {
    /// All tensors of the network.
    all: ByName,
    /// Trainable tensors.
    learning: BTreeMap<String, Var>,
    /// Tensors that change: trainable ones and the batch-norm statistics next to them.
    moving: BTreeMap<String, Var>,
}

/// Variable backend that hands tensors to a network as it is built, and records them.
#[derive(Clone)]
struct Store(Arc<Mutex<Inner>>);

struct Inner {
    given: ByName,
    seed: u64,
    prefixes: Vec<String>,
    special: SpecialTensors,
    used: ByName,
    vars: BTreeMap<String, Var>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: &str, tensor: &Tensor, device: &Device) -> Result<Tensor> {
        let mut inner = self.lock();
        let tensor = tensor.detach().to_dtype(DType::F32)?.to_device(device)?;
        let tensor = if is_among(&inner.prefixes, name) {
            let var = Var::from_tensor(&tensor.copy()?)?;
            let tensor = var.as_tensor().clone();
            inner.vars.insert(name.to_owned(), var);
            tensor
        } else {
            tensor
        };
        inner.used.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }
}

impl SimpleBackend for Store {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        _: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let (given, seed) = {
            let inner = self.lock();
            (inner.given.get(name).cloned(), inner.seed)
        };
        let tensor = match given {
            Some(tensor) if *tensor.shape() == shape => tensor,
            Some(tensor) => candle_core::bail!(
                "tensor {name} has shape {:?}, the model needs {shape:?}",
                tensor.shape()
            ),
            None => drawn(seed, name, &shape, init)?,
        };
        self.keep(name, &tensor, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, device: &Device) -> Result<Tensor> {
        let given = self.lock().given.get(name).cloned();
        match given {
            Some(tensor) => self.keep(name, &tensor, device),
            None => candle_core::bail!("tensor {name} is missing"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        // Auxiliary heads are created when they are requested.
        let inner = self.lock();
        inner.special.is_training_only(name) || inner.given.contains_key(name)
    }
}

/// Draws a tensor from the layer's initial distribution.
fn drawn(seed: u64, name: &str, shape: &Shape, init: Init) -> Result<Tensor> {
    // FNV-1a: every tensor has its own random numbers.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut rng = Rng::new(&[seed, hash]);
    let n = shape.elem_count();
    let mut normal = |mean: f64, std: f64| -> Vec<f32> {
        (0..n.div_ceil(2))
            .flat_map(|_| rng.normals())
            .take(n)
            .map(|z| (mean + std * z) as f32)
            .collect()
    };
    let values = match init {
        Init::Const(value) => vec![value as f32; n],
        Init::Randn { mean, stdev } => normal(mean, stdev),
        Init::Uniform { lo, up } => (0..n).map(|_| rng.range(lo, up) as f32).collect(),
        Init::Kaiming {
            dist,
            fan,
            non_linearity,
        } => {
            let std = non_linearity.gain() / (fan.for_shape(shape).max(1) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0.0, std),
                NormalOrUniform::Uniform => {
                    let reach = 3f64.sqrt() * std;
                    (0..n).map(|_| rng.range(-reach, reach) as f32).collect()
                }
            }
        }
    };
    Tensor::from_vec(values, shape, &Device::Cpu)
}

impl Parameters {
    /// Builds the network on `device` from the `given` tensors and returns it with its parameters.
    /// Tensors whose names begin with none of `prefixes` are frozen; without prefixes, all are
    /// trainable.
    ///
    /// # Errors
    /// When a given tensor has another shape, or the device is out of memory.
    pub fn build(
        spec: &ModelSpec,
        options: &BuildOptions,
        given: ByName,
        prefixes: &[String],
        seed: u64,
        device: &Device,
    ) -> crate::Result<(Self, Box<dyn PoseModel>)> {
        let store = Store(Arc::new(Mutex::new(Inner {
            given,
            seed,
            prefixes: prefixes.to_vec(),
            special: spec.special,
            used: ByName::new(),
            vars: BTreeMap::new(),
        })));
        let backend = Box::new(store.clone());
        let vb = VarBuilder::from_backend(backend, DType::F32, device.clone());
        let net = (spec.build)(options, &vb)?;
        let mut inner = store.lock();
        let moving = std::mem::take(&mut inner.vars);
        let follows = |name: &String| !is_statistic(name) && !spec.special.is_positions(name);
        Ok((
            Self {
                all: std::mem::take(&mut inner.used),
                learning: moving
                    .iter()
                    .filter(|(name, _)| follows(name))
                    .map(|(name, var)| (name.clone(), var.clone()))
                    .collect(),
                moving,
            },
            net,
        ))
    }

    /// Returns all tensors; trainable ones are updated with the network.
    pub fn all(&self) -> &ByName {
        &self.all
    }

    /// Returns the trainable tensors.
    pub fn learning(&self) -> &BTreeMap<String, Var> {
        &self.learning
    }

    /// Returns the trainable tensors and the batch-norm statistics next to them.
    pub fn moving(&self) -> &BTreeMap<String, Var> {
        &self.moving
    }
}

/// Exponential moving average of the weights, which is more stable than any single step.
#[derive(Debug, Clone)]
pub struct Average {
    decay: f64,
    tensors: ByName,
}

impl Average {
    /// Creates an average over about `1 / (1 - decay)` steps, starting from these tensors.
    pub fn new(decay: f64, tensors: ByName) -> Self {
        Self { decay, tensors }
    }

    /// Returns the averages.
    pub fn tensors(&self) -> &ByName {
        &self.tensors
    }

    /// Updates the average with `weights` after step `step` (from 1). The decay is smaller in the
    /// first steps, so that the initial weights do not dominate a short run.
    ///
    /// # Errors
    /// When the device fails.
    pub fn follow(&mut self, weights: &BTreeMap<String, Var>, step: u64) -> Result<()> {
        let decay = self.decay.min((1 + step) as f64 / (10 + step) as f64);
        for (name, var) in weights {
            let weight = var.as_tensor().detach();
            let moved = match self.tensors.get(name) {
                Some(old) => ((old * decay)? + (weight * (1.0 - decay))?)?,
                None => weight.copy()?,
            };
            self.tensors.insert(name.clone(), moved);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::model::model;

    fn built(given: ByName, prefixes: &[&str], seed: u64) -> Parameters {
        let options = BuildOptions {
            n_joints: 17,
            n_limbs: 19,
            input: Size::square(64),
        };
        let prefixes: Vec<String> = prefixes.iter().map(|p| (*p).to_owned()).collect();
        let spec = model("sfm").unwrap();
        Parameters::build(spec, &options, given, &prefixes, seed, &Device::Cpu)
            .unwrap()
            .0
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Fails when random initialisation depends on anything but the seed, has another spread than
    /// its layer asks for, or lacks the training-only head.
    #[test]
    fn initial_weights_follow_from_the_seed() {
        let [a, b, c] = [1, 1, 2].map(|seed| built(ByName::new(), &[], seed));
        assert!(a.learning().contains_key("aux.weight"));
        for (name, tensor) in a.all() {
            assert_eq!(values(tensor), values(&b.all()[name]), "{name}");
        }
        let name = "x21.down.conv.weight";
        assert_ne!(values(&a.all()[name]), values(&c.all()[name]));
        let stencil = values(&a.all()["x51.hsa.high.weight"]);
        let square = stencil.iter().map(|v| v * v).sum::<f32>() / stencil.len() as f32;
        assert!((0.06..0.14).contains(&square.sqrt()), "{square}");
        assert!(
            values(&a.all()["stem.bn.running_var"])
                .iter()
                .all(|v| *v == 1.0)
        );
    }

    /// Fails when a frozen tensor is trained, a statistic follows a gradient, or a given tensor is
    /// ignored or accepted with another shape.
    #[test]
    fn freezing_goes_by_name() {
        let all = built(ByName::new(), &[], 1);
        let head = built(all.all().clone(), &["head.", "x13."], 9);
        for (name, tensor) in head.all() {
            let in_head = name.starts_with("head.") || name.starts_with("x13.");
            assert_eq!(head.moving().contains_key(name), in_head, "{name}");
            assert_eq!(tensor.is_variable(), in_head, "{name}");
            assert_eq!(
                head.learning().contains_key(name),
                in_head && !name.contains("running")
            );
            assert_eq!(values(tensor), values(&all.all()[name]), "{name}");
        }
        assert!(!all.learning().contains_key("x13.fwd.bn.running_mean"));
        assert!(all.moving().contains_key("x13.fwd.bn.running_mean"));
    }

    /// Fails when the average forgets too fast, or stays near the initial weights in a short run.
    #[test]
    fn averages_follow() {
        let var = Var::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let weights = BTreeMap::from([("w".to_owned(), var.clone())]);
        let start = ByName::from([("w".to_owned(), var.copy().unwrap())]);
        let mut average = Average::new(0.9, start);
        var.set(&var.ones_like().unwrap()).unwrap();
        average.follow(&weights, 1).unwrap();
        let first = values(&average.tensors()["w"])[0];
        assert!((first - (1.0 - 2.0 / 11.0)).abs() < 1e-6, "{first}");
        average.follow(&weights, 1000).unwrap();
        let second = values(&average.tensors()["w"])[0];
        assert!((second - (0.9 * first + 0.1)).abs() < 1e-6, "{second}");
    }
}

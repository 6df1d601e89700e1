//! Selection of the compute device: requested, compiled in, and verified by a self-test.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, Result as TensorResult, Tensor};

use crate::error::{Error, Result};

/// The requested device: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSpec {
    /// The best compiled-in device that passes its self-test.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The N-th NVIDIA GPU.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

impl FromStr for DeviceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':').unwrap_or((text, "0")) {
            ("auto", "0") => Ok(Self::Auto),
            ("cpu", "0") => Ok(Self::Cpu),
            ("metal", "0") => Ok(Self::Metal),
            ("cuda", n) if n.parse::<usize>().is_ok() => Ok(Self::Cuda(n.parse().unwrap_or(0))),
            _ => Err(Error::Invalid(format!(
                "'{text}' is not a device; use auto, cpu, cuda, cuda:N or metal"
            ))),
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// A device that passed its self-test.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Candle's device handle.
    pub device: Device,
    /// The actual device, never `Auto`.
    pub spec: DeviceSpec,
    /// Reason for the selection, for the window and `doctor`.
    pub why: String,
}

/// GPU backends of this build, in order of preference.
const COMPILED_GPUS: &[DeviceSpec] = &[
    #[cfg(feature = "cuda")]
    DeviceSpec::Cuda(0),
    #[cfg(feature = "metal")]
    DeviceSpec::Metal,
];

/// Returns the devices that this build supports, best first and the CPU last.
pub fn compiled() -> Vec<DeviceSpec> {
    let mut all = COMPILED_GPUS.to_vec();
    all.push(DeviceSpec::Cpu);
    all
}

/// Selects a device. `Auto` falls back to the CPU and gives the reason; an explicit choice that is
/// unavailable is an error.
///
/// # Errors
/// When the requested device is not compiled in, absent, or fails its self-test.
pub fn select(spec: DeviceSpec) -> Result<Selected> {
    if spec != DeviceSpec::Auto {
        let device = open(spec)?;
        let why = "asked for".to_owned();
        return Ok(Selected { device, spec, why });
    }
    let mut refusals = Vec::new();
    for &gpu in COMPILED_GPUS {
        match open(gpu) {
            Ok(device) => {
                let why = "the best device that passed its self-test".to_owned();
                return Ok(Selected {
                    device,
                    spec: gpu,
                    why,
                });
            }
            Err(error) => {
                tracing::warn!("{error}; trying the next device");
                refusals.push(error.to_string());
            }
        }
    }
    let why = if refusals.is_empty() {
        "this build has no GPU support compiled in (features cuda, metal)".to_owned()
    } else {
        refusals.join("; ")
    };
    Ok(Selected {
        device: Device::Cpu,
        spec: DeviceSpec::Cpu,
        why,
    })
}

fn open(spec: DeviceSpec) -> Result<Device> {
    let refuse = |reason: String| Error::Device {
        name: spec.to_string(),
        reason,
    };
    let is_compiled = match spec {
        DeviceSpec::Auto | DeviceSpec::Cpu => true,
        DeviceSpec::Cuda(_) => cfg!(feature = "cuda"),
        DeviceSpec::Metal => cfg!(feature = "metal"),
    };
    if !is_compiled {
        let feature = spec.to_string();
        let feature = feature.split(':').next().unwrap_or_default();
        return Err(refuse(format!(
            "not in this build; build with --features {feature}, or use --device cpu"
        )));
    }
    let device = match spec {
        DeviceSpec::Auto | DeviceSpec::Cpu => Ok(Device::Cpu),
        DeviceSpec::Cuda(n) => Device::new_cuda(n),
        DeviceSpec::Metal => Device::new_metal(0),
    }
    .map_err(|e| refuse(format!("cannot be opened ({e}); use --device cpu")))?;
    self_test(&device).map_err(|e| refuse(format!("failed its self-test ({e})")))?;
    Ok(device)
}

/// Runs a small convolution with a known result, which detects drivers that open but do not
/// compute.
fn self_test(device: &Device) -> TensorResult<()> {
    let x = Tensor::arange(0f32, 25., device)?.reshape((1, 1, 5, 5))?;
    let k = Tensor::ones((1, 1, 3, 3), candle_core::DType::F32, device)?;
    let y = x.conv2d(&k, 0, 1, 1, 1)?.flatten_all()?.to_vec1::<f32>()?;
    // A 3x3 sum over a linear ramp is nine times the centre value.
    let wanted = [6., 7., 8., 11., 12., 13., 16., 17., 18.].map(|v: f32| 9. * v);
    if y != wanted {
        candle_core::bail!("a convolution gave a wrong result");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a device name is misread or a misspelt one is taken for something else.
    #[test]
    fn names_parse_and_print_alike() {
        for name in ["auto", "cpu", "cuda:0", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceSpec>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<DeviceSpec>().unwrap(), DeviceSpec::Cuda(0));
        for name in ["gpu", "cpu:1", "cuda:x", ""] {
            assert!(name.parse::<DeviceSpec>().is_err(), "{name}");
        }
    }

    /// Fails when the CPU is refused or `auto` does not give the reason for its selection.
    #[test]
    fn auto_always_finds_a_device() {
        let selected = select(DeviceSpec::Auto).unwrap();
        assert_ne!(selected.spec, DeviceSpec::Auto);
        assert!(!selected.why.is_empty());
    }

    /// Fails when an explicit choice falls back silently.
    #[cfg(not(feature = "cuda"))]
    #[test]
    fn an_explicit_device_that_is_missing_is_an_error() {
        let text = select(DeviceSpec::Cuda(0)).unwrap_err().to_string();
        assert!(text.contains("--features cuda"), "{text}");
    }
}

//! One step's loss and gradients against PyTorch's, computed in f64.

use candle_core::{Device, Tensor};
use poselens_engine::dataset::loader::BatchTensors;
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, model};
use poselens_engine::nn::{Kernels, Mode, Pass};
use poselens_engine::train::loss::{LossConfig, Totals, loss, total};
use poselens_engine::train::optim::ByName;
use poselens_engine::train::params::Parameters;
use poselens_tests::fill::{filled, sfm_tensor, signed, unit};

/// Of heatmaps, times 1, and the penalty, times 1000.
const LOSS: f64 = 41.03085870860187;

/// Name, index and value.
const GRADIENTS: [(&str, usize, f64); 27] = [
    ("stem.conv.weight", 604, 8.16490912e+00),
    ("x11.fwd.bn.bias", 22, -4.39195168e+00),
    ("x21.fwd.bn.weight", 35, -1.19182658e+01),
    ("x31.fwd.conv.weight", 25804, -3.70923973e+00),
    ("x41.fwd.conv.weight", 40320, 1.71381428e+00),
    ("x51.down.bn.bias", 112, 1.43314055e+00),
    ("x51.hsa.low.weight", 24, 4.29970826e+01),
    ("x42.fuse.bn.weight", 56, 1.42313927e+00),
    ("x32.fuse.bn.weight", 14, 3.52706037e+00),
    ("x22.fuse.conv.weight", 5734, -1.32769935e+00),
    ("x22.fwd.bn.bias", 44, 5.00395666e-01),
    ("x12.fwd.bn.weight", 22, 8.96022083e-01),
    ("x12.hsa.high.bias", 0, -1.44655098e+00),
    ("x23.fwd.bn.weight", 44, 3.43156066e-01),
    ("x33.fwd.conv.weight", 26244, -3.76467578e+00),
    ("x43.down.bn.bias", 56, 1.80201824e-01),
    ("x52.down.bn.bias", 112, -4.61081777e-01),
    ("x52.hsa.low.weight", 24, -8.86559341e+01),
    ("x44.lat.bn.weight", 56, -6.15551464e-03),
    ("x34.lat.conv.weight", 3584, 2.20181336e-02),
    ("x24.lat.conv.weight", 2867, 1.64714768e-02),
    ("x24.fwd.bn.bias", 44, 1.12707616e-02),
    ("x13.fwd.bn.weight", 1, 9.55444273e-01),
    ("x13.hsa.high.weight", 24, 9.70916383e+00),
    ("x13.hsa.low.weight", 34, -2.38897688e+00),
    ("aux.weight", 380, -1.10461488e-01),
    ("x51.hsa.proj.weight", 112, -8.10702914e+00),
];

/// Fails when the network, its batch statistics, the loss or the way back differ from PyTorch's,
/// with candle's operations or with our kernels.
#[test]
fn gradients_equal_pytorchs() {
    let options = BuildOptions {
        n_joints: 17,
        input: Size::square(64),
    };
    let spec = model("sfm").unwrap();
    let (n, j) = (4, 17);
    let tensor =
        |values: Vec<f32>, dims: &[usize]| Tensor::from_vec(values, dims, &Device::Cpu).unwrap();
    let of_joints: Vec<f32> = (0..n * j)
        .map(|i| f32::from(u8::from(i % 3 != 1)))
        .collect();
    let totals = Totals::of(&of_joints, n);
    let batch = BatchTensors {
        input: tensor(
            filled(n * 3 * 64 * 64, |i| signed("input", i)),
            &[n, 3, 64, 64],
        ),
        heatmaps: tensor(
            filled(n * j * 32 * 32, |i| unit("target", i)),
            &[n, j, 32, 32],
        ),
        weights: tensor(of_joints, &[n, j]),
    };
    let config = LossConfig {
        scale: 1.0,
        zero_mean: 1000.0,
        ..LossConfig::default()
    };
    for kernels in [None, Some(Kernels::new(2).unwrap())] {
        let mut shapes = spec.shapes(&options).unwrap().0;
        shapes.insert("aux.weight".to_owned(), vec![j, 32, 1, 1]);
        shapes.insert("aux.bias".to_owned(), vec![j]);
        let weights: ByName = shapes
            .into_iter()
            .map(|(name, shape)| {
                let values = sfm_tensor(&name, &shape);
                let filled = tensor(values, &shape);
                (name, filled)
            })
            .collect();
        let (params, net) =
            Parameters::build(spec, &options, weights, &[], 0, &Device::Cpu).unwrap();
        let mut pass = Pass {
            mode: Mode::Train,
            wants_maps: true,
            kernels,
            ..Pass::default()
        };
        let out = net.forward(&batch.input, &mut pass).unwrap();
        let spec = loss(&config.name).unwrap();
        let value = total(&config, spec, &out, &batch, totals).unwrap();
        let found = f64::from(value.to_scalar::<f32>().unwrap());
        assert!((found / LOSS - 1.0).abs() < 1e-5, "loss {found}");
        let grads = value.backward().unwrap();
        for (name, var) in params.learning() {
            assert!(grads.get(var).is_some(), "{name} has no gradient");
        }
        for (name, index, wanted) in GRADIENTS {
            let grad = grads.get(&params.learning()[name]).unwrap();
            let grad: Vec<f32> = grad.flatten_all().unwrap().to_vec1().unwrap();
            let found = f64::from(grad[index]);
            assert!(
                (found - wanted).abs() < 1e-3 * wanted.abs(),
                "{name}: {found}, not {wanted}"
            );
        }
        let statistic = |name: &str| -> f32 {
            let values: Vec<f32> = params.all()[name].to_vec1().unwrap();
            values[3]
        };
        for (name, wanted) in [("mean", -0.12853962), ("var", 1.1925504)] {
            let found = statistic(&format!("x13.fwd.bn.running_{name}"));
            assert!((found - wanted).abs() < 1e-5, "{name} {found}");
        }
    }
}

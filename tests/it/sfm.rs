//! SFM against its golden outputs.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use poselens_engine::geometry::Size;
use poselens_engine::model::{BuildOptions, MODELS, ModelSpec, PoseModel, model};
use poselens_engine::nn::{Features, Kernels, Pass};
use poselens_tests::{fill, golden};

const OPTIONS: BuildOptions = BuildOptions {
    n_joints: 16,
    n_limbs: 14,
    input: Size::square(256),
};

/// Returns the weights from the fill rule.
pub(crate) fn filled_weights(spec: &ModelSpec) -> HashMap<String, Tensor> {
    spec.shapes(&OPTIONS)
        .unwrap()
        .0
        .into_iter()
        .map(|(name, shape)| {
            let values = fill::sfm_tensor(&name, &shape);
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            (name, tensor)
        })
        .collect()
}

/// Returns the network with weights from the fill rule.
fn filled(spec: &ModelSpec) -> Box<dyn PoseModel> {
    let tensors = filled_weights(spec);
    let vb = candle_nn::VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    (spec.build)(&OPTIONS, &vb).unwrap()
}

fn input(h: usize, w: usize) -> Tensor {
    let values = fill::filled(3 * h * w, |i| fill::signed("input", i));
    Tensor::from_vec(values, (1, 3, h, w), &Device::Cpu).unwrap()
}

fn goldens() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden("sfm/sfm.safetensors"), &Device::Cpu).unwrap()
}

fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    let b = b.to_dtype(DType::F32).unwrap();
    let a = a.reshape(b.dims()).unwrap();
    let worst = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    worst.to_scalar::<f32>().unwrap()
}

fn joints(heatmaps: &Tensor, indices: &[u32]) -> Tensor {
    let indices = Tensor::new(indices, &Device::Cpu).unwrap();
    heatmaps.index_select(&indices, 1).unwrap()
}

/// Both implementations: candle's operations and our kernels.
fn passes() -> [(&'static str, Pass); 2] {
    let kernels = Kernels::new(2).unwrap();
    let fast = Pass {
        kernels: Some(kernels),
        ..Pass::eval()
    };
    [("as written", Pass::eval()), ("with kernels", fast)]
}

/// Fails when a node, an HSA map or the head differs from the specified network.
#[test]
fn sfm_equals_its_golden() {
    let golden = goldens();
    let net = filled(model("sfm").unwrap());
    for (way, pass) in passes() {
        let mut probing = Pass {
            wants_maps: true,
            probes: Some(Vec::new()),
            kernels: pass.kernels.clone(),
            ..Pass::eval()
        };
        let out = net.forward(&input(256, 256), &mut probing).unwrap();
        check_nodes(way, &probing.probes.unwrap(), &golden);
        assert_eq!(out.maps.len(), 12, "M, M_deeper and gate of four nodes");
        for map in &out.maps {
            let Some(wanted) = golden.get(&map.name) else {
                continue;
            };
            let worst = max_difference(&map.tensor, wanted);
            assert!(worst < 1e-4, "{way}, {}: {worst}", map.name);
        }
        // The second pass takes the path of live inference, without probes.
        let live = net.forward(&input(256, 256), &mut { pass }).unwrap();
        for out in [&out, &live] {
            let some = joints(out.get("heatmaps").unwrap(), &[0, 5, 10, 15]);
            let worst = max_difference(&some, &golden["heatmaps.joints_0_5_10_15"]);
            assert!(worst < 1e-4, "{way}, heatmaps: {worst}");
        }
    }
}

/// Compares nodes in execution order, so that the first difference reported is the cause.
fn check_nodes(way: &str, probes: &[(String, Features)], golden: &HashMap<String, Tensor>) {
    assert_eq!(probes.len(), 18);
    for (i, (name, t)) in probes.iter().enumerate() {
        let t = t.to_tensor().unwrap();
        let mean = t.mean_all().unwrap();
        let centred = t.broadcast_sub(&mean).unwrap();
        let std = centred.sqr().unwrap().mean_all().unwrap().sqrt().unwrap();
        for (what, got) in [("node_mean", mean), ("node_std", std)] {
            let got = got.to_scalar::<f32>().unwrap();
            let wanted = golden[what].get(i).unwrap().to_scalar::<f32>().unwrap();
            let error = (got - wanted).abs();
            assert!(error < 1e-4, "{way}, {name} {what}: {got} {wanted}");
        }
    }
}

/// Fails when an input of another supported size gives wrong outputs.
#[test]
fn other_input_sizes_equal_their_golden() {
    let golden = goldens();
    let net = filled(model("sfm").unwrap());
    for (way, mut pass) in passes() {
        let small = net.forward(&input(64, 96), &mut pass).unwrap();
        let worst = max_difference(small.get("heatmaps").unwrap(), &golden["small.heatmaps"]);
        assert!(worst < 1e-4, "{way}, 64x96: {worst}");
    }
}

/// Fails when a switch of the ablation drops too little or too much.
#[test]
fn the_ablations_equal_their_goldens() {
    let golden = goldens();
    for (name, key) in [
        ("sfm-no-hsa", "nohsa.heatmaps.joint_0"),
        ("sfm-cascaded", "cascaded.heatmaps.joint_0"),
    ] {
        let net = filled(model(name).unwrap());
        for (way, mut pass) in passes() {
            let out = net.forward(&input(256, 256), &mut pass).unwrap();
            let first = joints(out.get("heatmaps").unwrap(), &[0]);
            let worst = max_difference(&first, &golden[key]);
            assert!(worst < 1e-4, "{way}, {name}: {worst}");
        }
    }
}

/// Fails when the parameters or operations of the graph differ from the specification's table.
#[test]
fn parameters_and_work_follow_from_the_graph() {
    let counts = |name: &str| {
        let spec = model(name).unwrap();
        let size = spec.card().unwrap().input_size();
        let macs = spec.survey(&OPTIONS, size).unwrap().macs;
        (spec.shapes(&OPTIONS).unwrap().n_params(), macs)
    };
    assert_eq!(counts("sfm"), (1_517_824, 1_701_052_672));
    assert_eq!(counts("sfm-no-hsa"), (1_517_040, 1_696_759_808));
    assert_eq!(counts("sfm-cascaded"), (1_517_040, 1_696_759_808));
    let lsp = BuildOptions {
        n_joints: 14,
        ..OPTIONS
    };
    let spec = model("sfm").unwrap();
    assert_eq!(spec.shapes(&lsp).unwrap().n_params(), 1_517_758);
}

/// Fails when a bundled file is damaged, belongs to another network or has an invalid card.
#[test]
fn every_model_has_a_card_and_loadable_weights() {
    use poselens_engine::model::Weights;
    for spec in MODELS {
        spec.card().unwrap();
        let options = spec.card_for(None).unwrap().build_options().unwrap();
        if spec.bundled.is_some() {
            let weights = Weights::bundled(spec).unwrap();
            spec.load(&options, &weights, &Device::Cpu).unwrap();
        }
    }
}

/// Fails when wrong weights are accepted, or rejected without naming tensor and shapes.
#[test]
fn weights_of_another_skeleton_are_refused_by_name_and_shape() {
    use poselens_engine::model::Weights;
    let spec = model("sfm").unwrap();
    let weights = Weights::bundled(spec).unwrap();
    let refusal = spec.load(&OPTIONS, &weights, &Device::Cpu).err().unwrap();
    let text = refusal.to_string();
    assert!(text.contains("head.bias"), "{text}");
    assert!(text.contains("[17]") && text.contains("[16]"), "{text}");
}

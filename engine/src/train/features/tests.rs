//! Tests of the cache.

use std::collections::BTreeMap;

use super::*;
use crate::geometry::Size;
use crate::model::{BuildOptions, MODELS, Weights, model};
use crate::nn::{Kernels, Mode, Random};
use crate::train::optim::ByName;
use crate::train::params::{Parameters, is_among};

fn input(key: u64, has_pixels: bool) -> SeenInput {
    SeenInput {
        key: [key, 0, 0],
        has_pixels,
        tiles: Vec::new(),
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn all_values(tensors: &BackboneTensors) -> Vec<Vec<f32>> {
    tensors.tensors.iter().map(values).collect()
}

/// Returns a backbone's result that is a simple function of the planes.
fn computed(planes: &Tensor) -> Result<BackboneTensors> {
    let half = (planes * 0.5)?;
    BackboneTensors::of(&BackboneOutput {
        features: vec![Features::Tensor(planes.clone()), Features::Tensor(half)],
        out: RawOutput {
            tensors: vec![(
                "heatmaps.stack0".to_owned(),
                Features::Tensor((planes + 1.0)?),
            )],
            ..RawOutput::default()
        },
    })
}

fn planes(keys: &[u64]) -> Tensor {
    let values = keys
        .iter()
        .flat_map(|key| (0..12).map(move |i| (10 * key + i) as f32));
    let values: Vec<f32> = values.collect();
    Tensor::from_vec(values, (keys.len(), 3, 2, 2), &Device::Cpu).unwrap()
}

/// Fails when kept features differ from computed ones, belong to another input of the batch, are
/// computed twice, exceed their bound, or stay on disk.
#[test]
fn kept_features_equal_computed_ones() {
    let folder = tempfile::tempdir().unwrap();
    // Three entries of 36 values fit.
    let mut cache = FeatureCache::create(folder.path(), 3 * 36 * 4 + 10).unwrap();
    let never = |_: &Tensor| -> Result<BackboneTensors> { panic!("computed again") };
    let batch = [input(1, true), input(2, true)];
    let first = cache.backbone(&batch, &planes(&[1, 2]), computed).unwrap();
    assert_eq!(
        all_values(&first),
        all_values(&computed(&planes(&[1, 2])).unwrap())
    );
    assert_eq!(first.tensors[0].dims(), [2, 3, 2, 2]);

    let batch = [input(2, false), input(1, false)];
    let kept = cache.backbone(&batch, &planes(&[]), never).unwrap();
    assert_eq!(
        all_values(&kept),
        all_values(&computed(&planes(&[2, 1])).unwrap())
    );

    // New and kept ones mixed; one of the kept ones still has its pixels.
    let batch = [
        input(3, true),
        input(1, false),
        input(2, true),
        input(4, true),
    ];
    let mut asked = None;
    let mixed = cache
        .backbone(&batch, &planes(&[3, 2, 4]), |planes| {
            asked = Some(values(planes));
            computed(planes)
        })
        .unwrap();
    assert_eq!(asked.unwrap(), values(&planes(&[3, 4])));
    assert_eq!(
        all_values(&mixed),
        all_values(&computed(&planes(&[3, 1, 2, 4])).unwrap())
    );
    let holds = [1, 2, 3, 4].map(|key| cache.holds(&[key, 0, 0]));
    assert_eq!(holds, [true, true, true, false]);
    let bytes = std::fs::metadata(folder.path().join(FILE)).unwrap().len();
    assert_eq!(bytes, 3 * 36 * 4);
    assert!(
        cache
            .backbone(&[input(4, false)], &planes(&[]), never)
            .is_err()
    );
    drop(cache);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// One model of each construction; the others differ in numbers only.
const NAMES: [&str; 7] = [
    "sfm",
    "sfm-cascaded",
    "tp-r-a3s",
    "tp-h-s",
    "mca-2-slim",
    "ssa-sfm-2",
    "ssa-vgg-6",
];

/// Returns the sum of the mean squares of all outputs and maps, and the gradients.
fn learned(out: &RawOutput, params: &Parameters) -> (f32, BTreeMap<String, Vec<f32>>) {
    let maps = out.maps.iter().map(|map| &map.tensor);
    let outputs = out.tensors.iter().map(|(_, tensor)| tensor).chain(maps);
    let squares = outputs.map(|t| t.sqr().unwrap().mean_all().unwrap());
    let loss = squares.reduce(|a, b| (a + b).unwrap()).unwrap();
    let grads = loss.backward().unwrap();
    let of =
        |(name, var): (&String, &candle_core::Var)| Some((name.clone(), values(grads.get(var)?)));
    let grads = params.learning().iter().filter_map(of).collect();
    (loss.to_scalar().unwrap(), grads)
}

fn names(out: &RawOutput) -> Vec<String> {
    let outputs = out.tensors.iter().map(|(name, _)| name.clone());
    let maps = out.maps.iter().map(|map| map.name.clone());
    outputs.chain(maps).collect()
}

/// Returns the result of the backbone for each of the inputs, one by one, kept and read.
fn kept(planes: &Tensor, compute: impl Fn(&Tensor) -> BackboneTensors) -> BackboneTensors {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = FeatureCache::create(folder.path(), 1 << 30).unwrap();
    let n = planes.dim(0).unwrap();
    for i in 0..n {
        let one = planes.narrow(0, i, 1).unwrap();
        let batch = [input(i as u64, true)];
        cache.backbone(&batch, &one, |x| Ok(compute(x))).unwrap();
    }
    let batch: Vec<_> = (0..n as u64).map(|key| input(key, false)).collect();
    let none = planes.narrow(0, 0, 0).unwrap();
    cache
        .backbone(&batch, &none, |_| panic!("computed again"))
        .unwrap()
}

/// Fails when training a head on features gives another loss or other gradients than training it
/// with the whole network, or a frozen tensor has a gradient.
#[test]
fn a_head_on_features_learns_the_same() {
    let options = BuildOptions {
        n_joints: 17,
        n_limbs: 19,
        input: Size::square(64),
    };
    for name in NAMES {
        let spec = model(name).unwrap();
        let shapes = spec.shapes(&options).unwrap();
        let given = Weights::random(&shapes, 3).unwrap().tensors().clone();
        let given: ByName = given.into_iter().collect();
        let head = (spec.head)(&shapes);
        let (params, net) =
            Parameters::build(spec, &options, given, &head, 1, &Device::Cpu).unwrap();
        let kernels = Kernels::new(2).unwrap();
        let pass = || Pass {
            mode: Mode::Train,
            fixed_norms: true,
            wants_maps: true,
            kernels: Some(Arc::clone(&kernels)),
            random: Some(Random { seed: 7, drawn: 0 }),
            ..Pass::default()
        };
        let planes = Tensor::rand(-1f32, 1.0, (3, 3, 64, 64), &Device::Cpu).unwrap();
        let whole = net.forward(&planes, &mut pass()).unwrap();
        let features = kept(&planes, |planes| {
            let input = pass().enter(planes).unwrap();
            BackboneTensors::of(&net.backbone(&input, &mut pass()).unwrap()).unwrap()
        });
        let mut head_pass = pass();
        let entered = features.enter(&head_pass).unwrap();
        let parts = net.head(entered, &mut head_pass).unwrap();
        let parts = parts.to_tensors().unwrap();
        assert_eq!(names(&whole), names(&parts), "{name}");

        let [(a, whole), (b, parts)] = [whole, parts].map(|out| learned(&out, &params));
        assert!((a - b).abs() <= 1e-6 * a.abs(), "{name}: {a}, {b}");
        assert!(!whole.is_empty() && whole.keys().eq(parts.keys()), "{name}");
        for (tensor, grad) in &whole {
            assert!(is_among(&head, tensor), "{name}: {tensor} is frozen");
            let largest = grad.iter().fold(0f32, |m, v| m.max(v.abs()));
            for (a, b) in grad.iter().zip(&parts[tensor]) {
                let is_same = (a - b).abs() <= 1e-5 * largest;
                assert!(is_same, "{name} {tensor}: {a}, {b}");
            }
        }
    }
}

/// Fails when the last blocks of a model are missing, are part of the head, or are everything.
#[test]
fn every_model_has_last_blocks() {
    for spec in MODELS {
        let shapes = spec.shapes(&spec.card().unwrap().build_options().unwrap());
        let shapes = shapes.unwrap();
        let (head, last) = ((spec.head)(&shapes), (spec.last_blocks)(&shapes));
        assert!(!last.is_empty(), "{}", spec.name);
        let frozen: Vec<_> = shapes
            .0
            .keys()
            .filter(|name| !is_among(&head, name))
            .collect();
        let n_added = frozen.iter().filter(|name| is_among(&last, name)).count();
        let n = frozen.len();
        assert!(
            n_added > 0 && n_added < n,
            "{}: {n_added} of {n}",
            spec.name
        );
    }
}

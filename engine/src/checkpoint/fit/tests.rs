//! Tests of model identification.

use candle_core::Result as TensorResult;

use super::*;
use crate::model::{BackboneOutput, PoseModel, RawOutput, SpecialTensors, model};
use crate::nn::{Features, Pass};
use crate::output::Approach;

/// Identifies like the program does, for one model or all.
fn fit(
    found: &Shapes,
    spec: Option<&'static ModelSpec>,
    input: Option<Size>,
) -> Result<Result<Fit, String>> {
    let fit = super::fit(found, &Candidate::all(spec)?, input)?;
    Ok(fit.map_err(|misfit| misfit.reason))
}

fn shapes_of(name: &str, n_joints: usize) -> Shapes {
    let options = BuildOptions {
        n_joints,
        n_limbs: 0,
        input: Size::square(256),
    };
    model(name).unwrap().shapes(&options).unwrap().0
}

/// Fails when the model or its joints are identified wrongly, or one is chosen although two match.
#[test]
fn the_model_is_made_out_from_names_and_shapes() {
    let found = |shapes: &Shapes, name: Option<&str>| {
        fit(shapes, name.map(|n| model(n).unwrap()), None).unwrap()
    };
    for (n_joints, skeleton) in [(17, "coco17"), (16, "mpii16"), (14, "lsp14")] {
        let fit = found(&shapes_of("sfm", n_joints), None).unwrap();
        assert_eq!((fit.spec.name, &*fit.skeleton.name), ("sfm", skeleton));
        assert_eq!(fit.input, Size::square(256));
    }
    // The two ablations differ in which maps are added, not in their tensors.
    let plain = shapes_of("sfm-no-hsa", 17);
    let reason = found(&plain, None).unwrap_err();
    for name in ["sfm-no-hsa", "sfm-cascaded", "--model"] {
        assert!(reason.contains(name), "{reason}");
    }
    let fit = found(&plain, Some("sfm-cascaded")).unwrap();
    assert_eq!(fit.spec.name, "sfm-cascaded");
    let reason = found(&shapes_of("sfm", 19), None).unwrap_err();
    assert!(reason.contains("19 joints"), "{reason}");
}

/// Fails when the weights of any model are identified as another one's, for any number of joints.
#[test]
fn every_model_is_made_out() {
    for spec in MODELS {
        for n_joints in [18, 17, 16] {
            let input = spec.card().unwrap().input_size();
            let skeleton = Skeleton::all().iter().find(|s| s.n_joints() == n_joints);
            let options = BuildOptions {
                n_joints,
                n_limbs: skeleton.unwrap().limbs.len(),
                input,
            };
            let shapes = spec.shapes(&options).unwrap().0;
            match fit(&shapes, None, None).unwrap() {
                Ok(fit) => {
                    assert_eq!(fit.spec.name, spec.name);
                    assert_eq!((fit.skeleton.n_joints(), fit.input), (n_joints, input));
                }
                // Ablations that differ only in which maps are added have the same tensors.
                Err(reason) => assert!(
                    ["sfm-no-hsa", "sfm-cascaded"].contains(&spec.name)
                        && reason.contains(spec.name),
                    "{}: {reason}",
                    spec.name
                ),
            }
        }
    }
}

/// Fails when a file that does not match is refused without naming the differences, or with an
/// unlimited list.
#[test]
fn differences_are_listed() {
    let whole = shapes_of("sfm", 17);
    let reason = |shapes: &Shapes| fit(shapes, Some(&MODELS[0]), None).unwrap().unwrap_err();
    let mut shapes = whole.clone();
    shapes.insert("head.bias".into(), vec![16]);
    let text = reason(&shapes);
    assert!(
        text.contains("1 tensor of another shape (head.bias [16] for [17])"),
        "{text}"
    );
    shapes.remove("stem.conv.weight");
    shapes.insert("evil\n\x1b".into(), vec![1]);
    shapes.insert("aux.weight".into(), vec![1]);
    let text = reason(&shapes);
    for part in [
        "1 tensor missing (stem.conv.weight)",
        "(evil\\n\\u{1b})",
        "head.bias",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("aux.weight"), "optional: {text}");
    let text = reason(&Shapes::new());
    assert!(
        text.contains(&format!("{} tensors missing", whole.len())),
        "{text}"
    );
    assert!(text.len() < 500 && text.contains("..."), "{text}");
    let text = fit(&Shapes::from([("a".into(), vec![1])]), None, None)
        .unwrap()
        .unwrap_err();
    assert!(text.starts_with("fits no model"), "{text}");
}

/// A network with a position table, one token per 8x8 pixels.
struct Tabled;

impl PoseModel for Tabled {
    fn backbone(&self, _: &Features, _: &mut Pass) -> TensorResult<BackboneOutput> {
        candle_core::bail!("only its shapes are asked for")
    }

    fn head(&self, _: BackboneOutput, _: &mut Pass) -> TensorResult<RawOutput<Features>> {
        candle_core::bail!("only its shapes are asked for")
    }
}

/// Fails when the input size is inferred wrongly from a position table: 256x256 and 192x256
/// networks would get distorted people.
#[test]
fn the_input_size_follows_from_a_position_table() {
    let card = MODELS[0].card.replacen("width = 256", "width = 192", 1);
    let spec: &'static ModelSpec = Box::leak(Box::new(ModelSpec {
        name: "tabled",
        summary: "",
        approach: Approach::TopDown,
        unit: 32,
        backbone_from: None,
        recipe: "sfm",
        head: |_| Vec::new(),
        last_blocks: |_| Vec::new(),
        special: SpecialTensors::NONE,
        card: Box::leak(card.into_boxed_str()),
        bundled: None,
        build: |options, vb| {
            vb.get((options.input.area() / 64, 1, 8), "table")?;
            vb.get((3 * options.n_joints + 1, 2), "head")?;
            Ok(Box::new(Tabled))
        },
    }));
    let found = |tokens: usize, size| {
        let table = ("table".into(), vec![tokens, 1, 8]);
        let shapes = Shapes::from([table, ("head".into(), vec![3 * 16 + 1, 2])]);
        let fit = fit(&shapes, Some(spec), size).unwrap()?;
        assert_eq!(fit.skeleton.name, "mpii16");
        Ok::<_, String>(fit.input)
    };
    for (width, height) in [(192, 256), (256, 256), (384, 512), (96, 128), (32, 32)] {
        let size = Size::new(width, height);
        assert_eq!(found(size.area() / 64, None), Ok(size));
    }
    let tall = Size::new(64, 512);
    assert!(
        found(tall.area() / 64 + 1, None)
            .unwrap_err()
            .contains("--width")
    );
    assert_eq!(found(tall.area() / 64, Some(tall)), Ok(tall));
    assert!(
        found(7, Some(tall))
            .unwrap_err()
            .contains("table [7, 1, 8]")
    );
}

//! Tests of the overlay of limb fields.

use poselens_shaders::CENTER;

use super::*;

/// A region whose field of every limb points right in all 10 x 10 cells of 24 pixels.
fn region_with_fields() -> RegionOutput {
    let skeleton = Skeleton::by_name("openpose18").unwrap();
    let size = Size::square(10);
    let n = 2 * skeleton.limbs.len();
    let is_x = |i: usize| (i / size.area()).is_multiple_of(2);
    let values = (0..n * size.area()).map(|i| if is_x(i) { 0.9 } else { 0.0 });
    RegionOutput {
        fields: Some(LimbFields {
            planes: SharedPlanes {
                n,
                size,
                values: values.collect(),
            },
            skeleton,
            image_from_field: Affine2 {
                m: [[24.0, 0.0, 11.5], [0.0, 24.0, 11.5]],
            },
        }),
        ..region(0.0, 0.0, AttentionKind::Gate, |_, _| 1.0)
    }
}

/// Fails when a map covers the arrows, the arrows cover the skeleton, or a network without fields
/// shows no message.
#[test]
fn arrows_lie_above_maps_and_below_the_skeleton() {
    let person = pose(&[("nose", 59.0, 59.0, 1.0)]);
    let with = output(vec![person.clone()], vec![region_with_fields()]);
    let limb = OverlayStyle {
        limb: Some("l_elbow-l_wrist".to_owned()),
        opacity: 1.0,
        ..bare()
    };
    let is_blue = |pixel: [u8; 3]| pixel[2] > pixel[0] + 60;
    let arrows = drawn(&with, &["fields"], &limb);
    assert!(
        is_blue(at(&arrows, 83, 59)),
        "the shaft in the centre of its cell"
    );
    assert!(wide_open(at(&arrows, 71, 59)), "between two cells");
    let all = drawn(&with, &["fields", "heatmap", "skeleton"], &limb);
    assert!(is_blue(at(&all, 83, 59)), "above the heatmap");
    assert_eq!(at(&all, 59, 59), [255; 3], "below the nose");
    let captions = |output: &PoseOutput, style: &OverlayStyle| -> Vec<String> {
        let scene = scene(output, &[overlay("fields").unwrap()], style);
        let captions = scene.marks.into_iter().filter_map(|mark| match mark {
            poselens_shaders::scene::Mark::Legend(legend) => Some(legend.caption),
            _ => None,
        });
        captions.collect()
    };
    let style = OverlayStyle::default();
    let [caption] = &captions(&with, &style)[..] else {
        panic!("one legend");
    };
    for part in [
        "all limbs",
        "first to its second joint",
        "blue left",
        "0.1 to 1",
    ] {
        assert!(caption.contains(part), "{caption}");
    }
    let without = output(vec![person], Vec::new());
    assert_eq!(captions(&without, &style), ["no limb fields"]);
    assert_eq!(
        drawn(&without, &["fields"], &bare()),
        drawn(&without, &[], &bare())
    );
}

/// Fails when a figure of limb fields misplaces its image, or lacks the arrows, the title or the
/// sample arrows.
#[test]
fn a_figure_of_fields_has_a_title_and_sample_arrows() {
    let output = output(Vec::new(), vec![region_with_fields()]);
    let figure = |threshold| {
        let figure = FieldsFigure {
            output: &output,
            title: "T",
            threshold,
        };
        figure.draw(&OverlayStyle::default())
    };
    let (plain, empty) = (figure(None), figure(Some(2.0)));
    let Size { width, height } = plain.size();
    assert!(
        width >= SIZE.width && height > SIZE.height + 60,
        "{width}x{height}"
    );
    let above = with_caption(&output.frame, &[("T", CENTER)]).size().height - SIZE.height;
    let n_in = |figure: &Frame, rows: std::ops::Range<usize>, is: &dyn Fn(&[u8; 4]) -> bool| {
        let (all, _) = figure.rgba().as_chunks::<4>();
        let pixels = all[rows.start * width..rows.end * width].iter();
        pixels.filter(|p| is(p)).count()
    };
    let picture = above..above + SIZE.height;
    let is_ground = |p: &[u8; 4]| *p == GROUND;
    assert_eq!(n_in(&empty, picture.clone(), &is_ground), SIZE.area());
    assert!(n_in(&plain, picture, &is_ground) < SIZE.area() - 1000);
    for rows in [0..above, above + SIZE.height..height] {
        assert!(n_in(&plain, rows, &|p| p[0] > 200) > 8);
    }
}

//! Part affinity fields on the image: in every cell an arrow along the limb that the network sees
//! there.

use poselens_shaders::canvas::Paint;
use poselens_shaders::legend::{Corner, Legend, number};
use poselens_shaders::scene::{Line, Mark, Scene};
use poselens_shaders::{INK, Rgb};

use super::skeleton::color;
use super::{OverlayStyle, pen};
use crate::geometry::{Point, Size};
use crate::output::{LimbFields, PoseOutput};
use crate::skeleton::Skeleton;

/// Vectors shorter than this are noise and not drawn, unless the style has a threshold.
pub(super) const NOISE: f32 = 0.1;

/// Length of the arrow for a vector of length 1, as a fraction of the cell.
const LENGTH: f32 = 0.8;
/// Length of an arrow's head as a fraction of its own, and half the width of the head.
const HEAD: [f32; 2] = [0.4, 0.22];
/// Line width as a fraction of the cell; its bounds follow as multiples of the pen width.
const WIDTH_SHARE: f32 = 0.1;
const WIDTH: (f32, f32) = (1.25, 3.0);
/// Opacity of the dark outline, relative to that of the arrow.
const RIM: f32 = 0.5;

/// Meaning of the arrows, for legends.
pub(super) const MEANING: &str = "arrows: from a limb's first to its second joint";
/// Meaning of the colours, for legends.
pub(super) const COLORS: &str = "blue left, orange right, white middle";

pub(super) fn mark(scene: &mut Scene, output: &PoseOutput, style: &OverlayStyle) {
    let fields = || output.regions.iter().filter_map(|r| r.fields.as_ref());
    let chosen = match fields().next() {
        None => Err("no limb fields".to_owned()),
        Some(first) => chosen(first.skeleton, output.skeleton, style),
    };
    let threshold = match style.map_threshold {
        t if t > 0.0 => t,
        _ => NOISE,
    };
    let caption = match chosen {
        Err(reason) => reason,
        Ok(Chosen { limbs, title }) => {
            for fields in fields() {
                let image = output.frame.size();
                scene.marks.extend(
                    arrows(fields, &limbs, threshold, image, style)
                        .iter()
                        .flat_map(|arrow| arrow.lines(style.opacity, pen(image)))
                        .map(Mark::Line),
                );
            }
            let least = number(threshold, 1.0);
            format!("{title}\n{MEANING}\n{COLORS}\nlength: strength, {least} to 1")
        }
    };
    if style.legends {
        scene.marks.push(Mark::Legend(Legend {
            corner: Corner::Left,
            caption,
            scale: None,
        }));
    }
}

/// The limbs whose fields are shown.
struct Chosen {
    limbs: Vec<usize>,
    title: String,
}

/// Returns the limbs selected by the style. `fields` has the limbs, `joints` is the skeleton of the
/// style's joint.
///
/// # Errors
/// When there is no such limb; the reason is a legend.
fn chosen(fields: &Skeleton, joints: &Skeleton, style: &OverlayStyle) -> Result<Chosen, String> {
    if let Some(name) = &style.limb {
        let limb = fields.limb(name);
        let limb = limb.ok_or_else(|| format!("no limb {name}"))?;
        let [a, b] = fields.limbs[limb].map(|j| fields.joints[j].as_str());
        return Ok(Chosen {
            limbs: vec![limb],
            title: format!("limb field, {a} to {b}"),
        });
    }
    let all = 0..fields.limbs.len();
    let Some(joint) = style.joint else {
        return Ok(Chosen {
            limbs: all.collect(),
            title: "limb fields, all limbs".to_owned(),
        });
    };
    let name = joints.joints.get(joint).map_or("unknown joint", |j| j);
    let joint = fields.joint(name);
    let limbs: Vec<usize> = all
        .filter(|l| joint.is_some_and(|j| fields.limbs[*l].contains(&j)))
        .collect();
    if limbs.is_empty() {
        return Err(format!("no limb at {name}"));
    }
    Ok(Chosen {
        limbs,
        title: format!("limb fields at {name}"),
    })
}

/// An arrow in image pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrow {
    /// Centre.
    pub(super) center: [f32; 2],
    /// Unit vector.
    pub(super) direction: [f32; 2],
    /// Length of the vector in the field: 1 where the network is sure.
    pub(super) strength: f32,
    /// Side of a cell in pixels.
    pub(super) cell: f32,
    pub(super) rgb: Rgb,
}

impl Arrow {
    /// Returns the lines of the arrow and its outline in drawing order; see [`pen`] for its width.
    pub(super) fn lines(&self, opacity: f32, pen: f32) -> [Line; 6] {
        let strength = self.strength.min(1.0);
        let length = LENGTH * self.cell * strength;
        let [dx, dy] = self.direction;
        let at = |along: f32, across: f32| {
            let [x, y] = self.center;
            [
                x + length * (along * dx - across * dy),
                y + length * (along * dy + across * dx),
            ]
        };
        let [back, aside] = HEAD;
        let tip = at(0.5, 0.0);
        let ends = [at(-0.5, 0.0), at(0.5 - back, aside), at(0.5 - back, -aside)];
        let width = (WIDTH_SHARE * self.cell).clamp(WIDTH.0 * pen, WIDTH.1 * pen);
        let alpha = opacity * strength;
        let line = |i: usize| {
            let (width, paint) = if i < 3 {
                (width + 2.0 * pen, Paint::new(INK, RIM * alpha))
            } else {
                (width, Paint::new(self.rgb, alpha))
            };
            Line {
                a: ends[i % 3],
                b: tip,
                width,
                paint,
            }
        };
        std::array::from_fn(line)
    }
}

/// Returns the arrows of these limbs inside the image, weakest first.
fn arrows(
    fields: &LimbFields,
    limbs: &[usize],
    threshold: f32,
    image: Size,
    style: &OverlayStyle,
) -> Vec<Arrow> {
    let [[xx, xy, _], [yx, yy, _]] = fields.image_from_field.m;
    let cell = (xx * yy - xy * yx).abs().sqrt() as f32;
    let Size { width, .. } = fields.planes.size;
    let is_inside = |v: f64, n: usize| v >= -0.5 && v <= n as f64 - 0.5;
    let mut arrows = Vec::new();
    for &limb in limbs {
        let Some([x, y]) = fields.of_limb(limb) else {
            continue;
        };
        let rgb = style
            .tint
            .unwrap_or_else(|| color(fields.skeleton.limb_side(limb)));
        for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
            let strength = x.hypot(y);
            if !(strength >= threshold && strength.is_finite()) {
                continue;
            }
            let place = Point::new((i % width) as f64, (i / width) as f64);
            let center = fields.image_from_field.apply(place);
            let (vx, vy) = (f64::from(x), f64::from(y));
            let (dx, dy) = (xx * vx + xy * vy, yx * vx + yy * vy);
            let length = dx.hypot(dy);
            let is_drawable = is_inside(center.x, image.width)
                && is_inside(center.y, image.height)
                && length.is_finite()
                && length > 0.0;
            if is_drawable {
                arrows.push(Arrow {
                    center: [center.x as f32, center.y as f32],
                    direction: [(dx / length) as f32, (dy / length) as f32],
                    strength,
                    cell,
                    rgb,
                });
            }
        }
    }
    arrows.sort_by(|a, b| a.strength.total_cmp(&b.strength));
    arrows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Affine2;
    use crate::output::SharedPlanes;

    const IMAGE: Size = Size::new(64, 48);

    fn skeleton() -> &'static Skeleton {
        Skeleton::by_name("openpose18").unwrap()
    }

    /// Fields of 8 x 8 cells of 8 pixels; those of `limb` have this vector in the cell at (2, 3).
    fn fields(limb: usize, vector: [f32; 2]) -> LimbFields {
        let size = Size::square(8);
        let n = 2 * skeleton().limbs.len();
        let mut values = vec![0.0; n * size.area()];
        for (i, v) in vector.into_iter().enumerate() {
            values[(2 * limb + i) * size.area() + 3 * size.width + 2] = v;
        }
        LimbFields {
            planes: SharedPlanes {
                n,
                size,
                values: values.into(),
            },
            skeleton: skeleton(),
            image_from_field: Affine2 {
                m: [[8.0, 0.0, 3.5], [0.0, 8.0, 3.5]],
            },
        }
    }

    fn shown(fields: &LimbFields, threshold: f32) -> Vec<Arrow> {
        let all: Vec<usize> = (0..skeleton().limbs.len()).collect();
        arrows(fields, &all, threshold, IMAGE, &OverlayStyle::default())
    }

    /// Fails when an arrow stands in another cell, points the wrong way, has a length other than
    /// that of the vector, or the colour of the other side.
    #[test]
    fn an_arrow_shows_the_vector_of_its_cell() {
        let forearm = skeleton().limb("l_elbow-l_wrist").unwrap();
        let found = shown(&fields(forearm, [0.0, -0.5]), NOISE);
        let [arrow] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(arrow.center, [19.5, 27.5]);
        assert_eq!(
            (arrow.direction, arrow.rgb),
            ([0.0, -1.0], poselens_shaders::LEFT)
        );
        let lines = arrow.lines(1.0, 1.0);
        let shaft = &lines[3];
        let length = LENGTH * 8.0 * 0.5;
        assert_eq!(shaft.a, [19.5, 27.5 + length / 2.0]);
        assert_eq!(shaft.b, [19.5, 27.5 - length / 2.0]);
        // The head lies behind the tip, one line on each side.
        let heads = [lines[4].a, lines[5].a];
        assert!(heads.iter().all(|p| p[1] > shaft.b[1] && p[1] < shaft.a[1]));
        assert!((heads[0][0] - 19.5) * (heads[1][0] - 19.5) < 0.0);
        assert!(lines[3..].iter().all(|line| line.b == shaft.b));
        assert_eq!(shaft.paint.alpha, 0.5);
    }

    /// Fails when noise is drawn, a strong vector is longer than its cell, or values that are not
    /// finite and cells outside the image are drawn.
    #[test]
    fn only_vectors_above_the_threshold_are_drawn() {
        assert!(shown(&fields(0, [0.06, 0.06]), NOISE).is_empty());
        assert_eq!(shown(&fields(0, [0.06, 0.06]), 0.05).len(), 1);
        assert!(shown(&fields(0, [f32::NAN, 1.0]), NOISE).is_empty());
        assert!(shown(&fields(0, [f32::INFINITY, 1.0]), NOISE).is_empty());
        let strong = shown(&fields(0, [3.0, 0.0]), NOISE)[0].lines(1.0, 1.0);
        let length = strong[3].b[0] - strong[3].a[0];
        assert!((length - LENGTH * 8.0).abs() < 1e-4, "{length}");
        let mut outside = fields(0, [1.0, 0.0]);
        outside.image_from_field.m[0][2] = 60.0;
        assert!(shown(&outside, NOISE).is_empty());
        let mut cut = fields(0, [1.0, 0.0]);
        cut.planes.n = 4;
        assert!(shown(&cut, NOISE).is_empty());
    }

    /// Fails when the fields of other limbs are shown than those chosen, or an unknown limb or joint
    /// shows all of them.
    #[test]
    fn limbs_are_chosen_by_name_or_joint() {
        let coco = Skeleton::by_name("coco17").unwrap();
        let names = |style: OverlayStyle| -> Result<Vec<String>, String> {
            let chosen = chosen(skeleton(), coco, &style)?;
            Ok(chosen
                .limbs
                .iter()
                .map(|l| skeleton().limb_name(*l))
                .collect())
        };
        let limb = |name: &str| OverlayStyle {
            limb: Some(name.to_owned()),
            ..OverlayStyle::default()
        };
        let joint = |name: &str| OverlayStyle {
            joint: coco.joint(name),
            ..OverlayStyle::default()
        };
        assert_eq!(names(OverlayStyle::default()).unwrap().len(), 19);
        assert_eq!(names(limb("neck-r_hip")).unwrap(), ["neck-r_hip"]);
        assert_eq!(
            names(joint("l_elbow")).unwrap(),
            ["l_shoulder-l_elbow", "l_elbow-l_wrist"]
        );
        assert_eq!(
            names(limb("tail-nose")),
            Err("no limb tail-nose".to_owned())
        );
        let unknown = OverlayStyle {
            joint: Some(40),
            ..OverlayStyle::default()
        };
        assert_eq!(names(unknown), Err("no limb at unknown joint".to_owned()));
    }
}

//! The overlays of an image, described once and drawn in two ways: on a canvas for recordings, and
//! by the GPU in the window.
//!
//! A [`Scene`] is a list of [`Mark`]s in image pixels. Laid out for a [`View`] it becomes
//! [`Shape`]s in screen pixels, which the shaders and their CPU twins draw. Positions follow the
//! image; widths, radii and labels keep their size at any zoom, and labels stay readable when
//! mirrored.

use crate::canvas::{Canvas, Paint};
use crate::heat::HeatLayer;
use crate::legend::{Area, Legend};
use crate::text::{TextStyle, text_size};
use crate::trail::Trail;
use crate::view::View;
use crate::{CENTER, Rgb};

pub use crate::shape::{Disc, Line, Rect, Shape, Text};

/// All overlays of one image, in drawing order.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Marks in drawing order: later ones cover earlier ones.
    pub marks: Vec<Mark>,
}

/// An overlay element. Positions are in image pixels; sizes are in pixels at the image's original
/// scale.
#[derive(Debug, Clone)]
pub enum Mark {
    /// A heatmap or attention map.
    Heat(HeatLayer),
    /// A limb of the skeleton.
    Line(Line),
    /// A joint, as a disc or a ring.
    Disc(Disc),
    /// A bounding box.
    Rect(Rect),
    /// The path of a joint.
    Trail(Trail),
    /// A track id or left/right badge.
    Label(Label),
    /// The legend of a map.
    Legend(Legend),
}

/// A short text attached to a position in the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Text of one line.
    pub text: String,
    /// Position in image pixels.
    pub at: [f32; 2],
    /// Placement relative to the position.
    pub place: LabelPlacement,
    /// Colour of the letters.
    pub rgb: Rgb,
}

/// Placement of a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LabelPlacement {
    /// Above the position, moved if necessary to stay inside the image.
    Above,
    /// Next to the position, in a given direction.
    Beyond {
        /// Unit vector in the image.
        direction: [f32; 2],
        /// Gap in pixels between the position and the label.
        gap: f32,
        /// Longer side of the person's box: a person smaller than 8 letter heights would be covered
        /// by labels and gets none.
        person: f32,
    },
}

/// Minimum size of a person, in letter heights, for labels next to joints.
const BESIDE_FROM: f32 = 8.0;

impl Scene {
    /// Returns whether there are no marks.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Emits every shape visible in `view`, in drawing order. Legends are last: no line may cross
    /// their numbers.
    pub fn lay_out(&self, view: &View, mut put: impl FnMut(Shape)) {
        let point = |p: [f32; 2]| view.to_screen(p.map(f64::from)).map(|v| v as f32);
        let pen = view.pen as f32;
        // Without a stroke, a shape is filled.
        let stroke = |width: f32| if width > 0.0 { view.line(width) } else { width };
        let is_legend = |mark: &&Mark| matches!(mark, Mark::Legend(_));
        let others = self.marks.iter().filter(|mark| !is_legend(mark));
        // Height that legends take in the left and the right corner: further ones stand above.
        let mut taken = [0.0; 2];
        for mark in others.chain(self.marks.iter().filter(is_legend)) {
            match mark {
                Mark::Heat(heat) => put(Shape::Heat(HeatLayer {
                    map_from_pixel: view.from_screen(heat.map_from_pixel),
                    ..heat.clone()
                })),
                Mark::Line(line) => put(Shape::Line(Line {
                    a: point(line.a),
                    b: point(line.b),
                    width: view.line(line.width),
                    ..*line
                })),
                Mark::Disc(disc) => put(Shape::Disc(Disc {
                    center: point(disc.center),
                    radius: view.line(disc.radius),
                    stroke: stroke(disc.stroke),
                    ..*disc
                })),
                Mark::Rect(rect) => {
                    let (a, b) = (point(rect.min), point(rect.max));
                    put(Shape::Rect(Rect {
                        min: [a[0].min(b[0]), a[1]],
                        max: [a[0].max(b[0]), b[1]],
                        corner: rect.corner * pen,
                        stroke: stroke(rect.stroke),
                        paint: rect.paint,
                    }));
                }
                Mark::Trail(trail) => put(Shape::Trail(Trail {
                    points: trail.points.iter().map(|p| point(*p)).collect(),
                    width: view.line(trail.width),
                    paint: trail.paint,
                })),
                Mark::Label(label) => {
                    if let Some(text) = label.on(view) {
                        put(Shape::Text(text));
                    }
                }
                Mark::Legend(legend) => {
                    let taken = &mut taken[legend.corner as usize];
                    let areas = legend_areas(view);
                    let areas = areas.map(|[lo, [right, bottom]]| [lo, [right, bottom - *taken]]);
                    *taken += legend.lay_out(&areas, legend_unit(view), &mut put);
                }
            }
        }
    }

    /// Draws everything on `canvas`, the screen of `view`.
    pub fn draw(&self, canvas: &mut Canvas<'_>, view: &View) {
        self.lay_out(view, |shape| shape.draw(canvas));
    }
}

impl Label {
    /// Returns position and size on the screen, or `None` if the label would cover the person.
    fn on(&self, view: &View) -> Option<Text> {
        let unit = label_unit(view);
        let [w, h] = text_size(&self.text, unit);
        let u = unit as f32;
        let [x, y] = view.to_screen(self.at.map(f64::from)).map(|v| v as f32);
        let at = match self.place {
            LabelPlacement::Beyond {
                direction: [dx, dy],
                gap,
                person,
            } => {
                if person * (view.scale as f32) < BESIDE_FROM * h {
                    return None;
                }
                let dx = if view.is_mirrored { -dx } else { dx };
                let far = gap * view.pen as f32 + 0.75 * w.max(h) + u;
                [x + far * dx - w / 2.0, y + far * dy - h / 2.0]
            }
            LabelPlacement::Above => {
                let margin = 2.0 * u;
                let [lo, hi] = view.picture().map(|p| p.map(|v| (v + 0.5) as f32));
                let inside = |v: f32, i: usize, size: f32| {
                    let first = lo[i] + margin;
                    v.min(hi[i] - size - margin).max(first)
                };
                [inside(x - w / 2.0, 0, w), inside(y - h - margin, 1, h)]
            }
        };
        Some(Text {
            at,
            text: self.text.clone(),
            style: TextStyle {
                unit,
                paint: Paint::solid(self.rgb),
                outline: 0.85,
            },
        })
    }
}

impl Label {
    /// Creates a white label above a position.
    pub fn above(at: [f32; 2], text: String) -> Self {
        Self {
            text,
            at,
            place: LabelPlacement::Above,
            rgb: CENTER,
        }
    }
}

/// Returns the pixels per grid step of labels: capitals are 14 pixels high in recordings from
/// 640x480 to 1280x720 and 21 at 1920x1080; in the window they are as large as in a recording
/// displayed there.
pub fn label_unit(view: &View) -> usize {
    let shorter = view.image[0].min(view.image[1]);
    unit(shorter / 400.0, view)
}

/// Returns the pixels per grid step of legends, which are smaller than labels because they cover
/// more of the image: capitals are 7 pixels high in recordings of 640x480 and 14 from 1280x720 to
/// 1920x1080.
fn legend_unit(view: &View) -> usize {
    let shorter = view.image[0].min(view.image[1]);
    unit(shorter / 600.0, view)
}

/// Returns the areas in whose corners a legend can stand, best first: the visible part of the image,
/// or else the screen around it.
fn legend_areas(view: &View) -> [Area; 2] {
    let [lo, hi] = view.picture();
    let end = view.screen.map(|n| n - 0.5);
    [
        [lo.map(|v| v.max(-0.5)), [0, 1].map(|i| hi[i].min(end[i]))],
        [[-0.5; 2], end],
    ]
}

fn unit(steps: f64, view: &View) -> usize {
    let unit = if steps < 1.0 {
        // Labels of a small image are not magnified with it.
        (steps * view.pen).max(1.0)
    } else {
        steps.ceil() * view.pen
    };
    (unit.round() as usize).max(view.min_unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Zoom;

    fn shapes(mark: Mark, view: &View) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let scene = Scene { marks: vec![mark] };
        scene.lay_out(view, |s| shapes.push(s));
        shapes
    }

    fn view(factor: f64, is_mirrored: bool) -> View {
        let zoom = Zoom {
            factor,
            ..Zoom::WHOLE
        };
        View::letterbox([640, 480], [1280.0, 960.0], zoom, is_mirrored, 2)
    }

    /// Fails when limbs become thicker with the zoom, or their ends do not stay on the joints.
    #[test]
    fn lines_follow_the_image_and_keep_their_width() {
        let line = Line {
            a: [100.0, 50.0],
            b: [300.0, 200.0],
            width: 3.0,
            paint: Paint::solid(CENTER),
        };
        for factor in [1.0, 5.0] {
            for is_mirrored in [false, true] {
                let view = view(factor, is_mirrored);
                let shapes = shapes(Mark::Line(line), &view);
                let Shape::Line(drawn) = &shapes[0] else {
                    panic!("{shapes:?}");
                };
                assert_eq!(drawn.width, 6.0);
                let back = view.to_image(drawn.a.map(f64::from));
                assert!((back[0] - 100.0).abs() < 1e-3 && (back[1] - 50.0).abs() < 1e-3);
            }
        }
    }

    /// Fails when a limb or joint of an image much larger than the window is hardly visible, its
    /// outline vanishes, lines that are wide enough change, or recordings change.
    #[test]
    fn thin_lines_are_widened_in_the_window() {
        let whole = View::letterbox([6000, 4000], [960.0, 640.0], Zoom::WHOLE, false, 2);
        let window = View {
            min_line: 1.5,
            ..whole
        };
        let (inner, outer) = (8.3, 8.3 + 2.0 * 5.5);
        assert!(whole.line(inner) < 1.4 && window.line(inner) > 2.25);
        assert!(window.line(outer) - window.line(inner) > 1.0);
        assert!((window.line(50.0) - 8.0).abs() < 1e-4);
        assert_eq!(View::whole([6000, 4000]).line(inner), inner);
        let disc = Disc {
            center: [9.0, 9.0],
            radius: 11.0,
            stroke: 0.0,
            paint: Paint::solid(CENTER),
        };
        let shapes = shapes(Mark::Disc(disc), &window);
        let Shape::Disc(drawn) = &shapes[0] else {
            panic!("{shapes:?}");
        };
        assert!(drawn.radius > 2.5 && drawn.stroke == 0.0, "{drawn:?}");
    }

    /// Fails when a badge of a mirrored image is on the wrong side of its hand, or a label leaves
    /// the image.
    #[test]
    fn labels_stand_on_the_mirrored_side_and_inside() {
        let badge = Label {
            text: "L".to_owned(),
            at: [500.0, 240.0],
            place: LabelPlacement::Beyond {
                direction: [1.0, 0.0],
                gap: 4.0,
                person: 300.0,
            },
            rgb: CENTER,
        };
        let at = |label: &Label, is_mirrored| {
            let shapes = shapes(Mark::Label(label.clone()), &view(1.0, is_mirrored));
            let Some(Shape::Text(text)) = shapes.first() else {
                panic!("{shapes:?}");
            };
            let [w, _] = text_size(&text.text, text.style.unit);
            [text.at[0] + w / 2.0, text.at[1]]
        };
        let ([right, _], [left, _]) = (at(&badge, false), at(&badge, true));
        assert!(right > 1000.0 + 8.0 && left < 279.0 - 8.0, "{right} {left}");
        assert!((right + left - 1279.0).abs() < 1.0, "{right} {left}");
        for corner in [[0.0, 0.0], [640.0, 480.0]] {
            let [x, y] = at(&Label::above(corner, "#12".to_owned()), false);
            assert!((20.0..1260.0).contains(&x) && (0.0..940.0).contains(&y));
        }
        let small = Label {
            place: LabelPlacement::Beyond {
                direction: [1.0, 0.0],
                gap: 4.0,
                person: 20.0,
            },
            ..badge
        };
        assert!(shapes(Mark::Label(small), &view(1.0, false)).is_empty());
    }

    /// Fails when two legends of one corner cover each other, or one in the other corner is moved.
    #[test]
    fn legends_of_one_corner_stand_above_each_other() {
        use crate::legend::Corner;
        let legend = |corner| {
            Mark::Legend(Legend {
                corner,
                caption: "one\ntwo".to_owned(),
                scale: None,
            })
        };
        let scene = Scene {
            marks: [Corner::Left, Corner::Right, Corner::Left]
                .map(legend)
                .into(),
        };
        let mut panels = Vec::new();
        scene.lay_out(&view(1.0, false), |shape| {
            if let Shape::Rect(rect) = shape {
                panels.push(rect);
            }
        });
        let [first, right, second] = &panels[..] else {
            panic!("{panels:?}");
        };
        assert!(second.max[1] < first.min[1], "{second:?} {first:?}");
        assert!(second.min[1] > 0.0 && second.min[0] == first.min[0]);
        assert_eq!([first.min[1], first.max[1]], [right.min[1], right.max[1]]);
    }

    /// Fails when a legend hides most of a small image, is cut off, or is magnified with the image;
    /// or when a window that has room for it shows none.
    #[test]
    fn legends_leave_small_images_visible() {
        let colors = crate::colormap::ColorMap::Viridis;
        let legend = Legend {
            corner: crate::legend::Corner::Right,
            caption: "x51.M\ncoarse attention, first pyramid".to_owned(),
            scale: Some(crate::legend::ColorScale::of(colors, (-0.374, 0.374), [])),
        };
        for image in [[24, 16], [96, 64], [200, 133], [16, 300], [640, 480]] {
            let window = View::letterbox(image, [960.0, 640.0], Zoom::WHOLE, false, 2);
            for (view, is_window) in [(View::whole(image), false), (window, true)] {
                let shapes = shapes(Mark::Legend(legend.clone()), &view);
                let is_shown = !shapes.is_empty();
                assert_eq!(is_shown, is_window || image[0] >= 200, "{image:?}");
                for shape in &shapes {
                    match shape {
                        Shape::Rect(rect) => {
                            let size = [0, 1].map(|i| rect.max[i] - rect.min[i]);
                            let [width, height] = view.screen.map(|n| n as f32);
                            assert!(
                                size[0] < 0.6 * width && size[1] < 0.45 * height,
                                "{image:?}"
                            );
                            assert!(rect.min[0] > 0.0 && rect.min[1] > 0.0, "{rect:?}");
                            assert!(rect.max[0] < width && rect.max[1] < height, "{rect:?}");
                        }
                        Shape::Text(text) => assert!(text.style.unit <= 2, "{image:?}"),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }

    /// Fails when a limb is drawn through the numbers of a legend.
    #[test]
    fn legends_are_drawn_last() {
        let legend = Mark::Legend(Legend {
            corner: crate::legend::Corner::Left,
            caption: String::new(),
            scale: Some(crate::legend::ColorScale::of(
                crate::colormap::ColorMap::Viridis,
                (0.0, 1.0),
                [],
            )),
        });
        let line = Mark::Line(Line {
            a: [0.0, 479.0],
            b: [300.0, 400.0],
            width: 3.0,
            paint: Paint::solid(CENTER),
        });
        let scene = Scene {
            marks: vec![legend, line],
        };
        let mut shapes = Vec::new();
        scene.lay_out(&view(1.0, false), |shape| shapes.push(shape));
        assert!(matches!(shapes[0], Shape::Line(_)), "{:?}", shapes[0]);
        assert!(matches!(shapes.last(), Some(Shape::Text(_))));
    }
}

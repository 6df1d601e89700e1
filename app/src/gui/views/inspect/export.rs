//! Export of the current view to files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use poselens_engine::error::Result;
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::{Point, Size};
use poselens_engine::output::{AttentionMap, PoseOutput};
use poselens_engine::overlay::with_caption;
use poselens_engine::record::{Answer, save_png, stamp, write_npy, write_safetensors};
use poselens_shaders::canvas::Canvas;
use poselens_shaders::frame::Image;
use poselens_shaders::legend::CAPITALS;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::{View, Zoom};
use poselens_shaders::{CENTER, Rgb};

use crate::gui::action::inspect::Form;
use crate::gui::view::frame_title;
use crate::gui::views::inspect::compare::SECOND;
use crate::gui::views::inspect::shown;
use crate::gui::views::inspect::shown::Shown;
use crate::gui::views::inspect::state::Inspect;

/// A snapshot of everything to write, independent of later changes to the view.
#[derive(Debug)]
pub(super) struct ExportPlan {
    form: Form,
    /// Path of a file; for NumPy, of a folder.
    pub(super) path: PathBuf,
    zoom: Zoom,
    panes: Vec<Pane>,
    /// Whether the panes are drawn over each other.
    is_overlaid: bool,
}

/// A model's prediction and how it is shown.
#[derive(Debug)]
struct Pane {
    output: Arc<PoseOutput>,
    scene: Arc<Scene>,
    /// The map drawn over the image.
    map: Option<AttentionMap>,
    /// Caption: model, what is drawn, and joint.
    title: String,
    /// Colour of the caption.
    rgb: Rgb,
    /// The selected joint.
    joint: Option<String>,
    /// The selected place in image pixels.
    point: Option<Point>,
    /// Source of the frame.
    source: String,
    frame: Frame,
    is_mirrored: bool,
}

impl Inspect {
    /// Prepares an export of the current view; `None` if there is no prediction.
    pub(super) fn export_plan(&self, form: Form, folder: &Path) -> Option<ExportPlan> {
        let panes: Vec<_> = (0..self.slots.len()).filter_map(|i| self.pane(i)).collect();
        let name = format!("inspect_{}", stamp(SystemTime::now()));
        let name = match form {
            Form::Png => format!("{name}.png"),
            Form::Safetensors => format!("{name}.safetensors"),
            Form::Npy => name,
        };
        (!panes.is_empty()).then(|| ExportPlan {
            form,
            path: folder.join(name),
            zoom: self.zoom,
            panes,
            is_overlaid: self.is_overlaid(),
        })
    }

    fn pane(&self, slot: usize) -> Option<Pane> {
        let model_slot = &self.slots[slot];
        let output = model_slot.found.as_ref()?;
        let kept = self.kept.as_ref().filter(|_| slot == 1);
        let subject = kept.or(self.subject.as_ref())?;
        let picked = self
            .pick
            .as_ref()
            .and_then(|pick| shown::picked(output, pick));
        let joint = picked.and_then(|p| p.joint);
        let joint_name = joint.map(|(j, _)| output.skeleton.joints[j].clone());
        let place = match (self.is_overlaid(), slot) {
            (false, _) => PanePlace::Alone,
            (true, 0) => PanePlace::Under,
            (true, _) => PanePlace::Over,
        };
        let mut title = format!("{}{}", self.title(slot), drawn(&model_slot.shown, place));
        if let (Some(name), Some((_, keypoint))) = (&joint_name, joint) {
            title = format!("{title} - {name} {:.2}", keypoint.score.max(0.0));
        }
        let overlaid = self.overlaid.as_ref().filter(|_| slot == 0);
        Some(Pane {
            output: Arc::clone(output),
            scene: Arc::clone(overlaid.unwrap_or(&model_slot.shown.scene)),
            map: model_slot.shown.map.clone(),
            // The bitmap font covers ASCII only.
            title: title.replace(" · ", " - "),
            rgb: match place {
                PanePlace::Over => SECOND,
                PanePlace::Alone | PanePlace::Under => CENTER,
            },
            joint: joint_name,
            point: picked.map(|picked| picked.point),
            source: subject.name.clone(),
            frame: subject.frame.clone(),
            is_mirrored: subject.is_mirrored,
        })
    }
}

/// Where a prediction is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PanePlace {
    /// In an image of its own.
    Alone,
    /// In the image of both, with its map.
    Under,
    /// In the image of both: only its skeleton.
    Over,
}

/// Returns what is drawn of a prediction, as a part of its caption. If two are drawn in one image, it
/// tells their skeletons apart.
fn drawn(shown: &Shown, place: PanePlace) -> String {
    let layer = match (&shown.map, shown.layer) {
        (Some(map), _) => format!(": {}, {}", map.name, map.title),
        (None, Some(title)) => format!(": {title}"),
        (None, None) => String::new(),
    };
    match place {
        PanePlace::Under if shown.has_skeleton => {
            format!("{layer} - skeleton with a blue left and an orange right side")
        }
        PanePlace::Alone | PanePlace::Under => layer,
        PanePlace::Over => " - pink skeleton".to_owned(),
    }
}

/// Returns the pixels per grid step of text that is legible on a projector: capitals are at least 14
/// pixels high, and 1/40 of the image's height. Small images without room for it have smaller text.
fn legible_unit(size: Size) -> usize {
    let wanted = size.height.div_ceil(40 * CAPITALS as usize).max(2);
    // A legend takes about 100 grid steps of at most 0.6 of the width.
    let most = (size.width / 170).min(size.height / 110);
    wanted.min(most).max(1)
}

impl Pane {
    fn answer(&self) -> Answer<'_> {
        Answer {
            output: &self.output,
            source: &self.source,
            shown: self.map.as_ref(),
            joint: self.joint.as_deref(),
            point: self.point,
        }
    }

    /// Returns the visible part at the image's own resolution.
    fn view(&self, zoom: Zoom) -> View {
        let size = self.frame.size();
        let image = [size.width, size.height];
        let screen = image.map(|v| v as f64);
        View::letterbox(image, screen, zoom, self.is_mirrored, legible_unit(size))
    }

    /// Draws the visible part.
    fn drawn(&self, zoom: Zoom) -> Frame {
        let Size { width, height } = self.frame.size();
        let image = [width, height];
        let view = self.view(zoom);
        let mut rgba = [0, 0, 0, 255].repeat(width * height);
        let mut canvas = Canvas::new(&mut rgba, width, height);
        let picture = Image {
            rgba: self.frame.rgba(),
            size: image,
            sampling: view.picture_sampling(),
        };
        canvas.frame(&picture, &view);
        self.scene.draw(&mut canvas, &view);
        let size = self.frame.size();
        Frame::new(
            self.frame.id,
            self.frame.time_secs,
            size,
            Pixels::unpooled(rgba),
        )
    }

    /// Returns the source of the frame.
    fn place(&self) -> String {
        let Frame { id, time_secs, .. } = self.frame;
        let source = frame_title(&self.source, &self.frame);
        format!("{source} - frame {id} - {time_secs:.3} s")
    }
}

impl ExportPlan {
    /// Writes the files; returns their paths, for NumPy those of the folders.
    ///
    /// # Errors
    /// If a file or its folder cannot be written.
    pub(super) fn write(self) -> Result<Vec<PathBuf>> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(poselens_engine::Error::io("create", folder))?;
        }
        let write = |pane: &Pane, path: &Path| match self.form {
            Form::Png => save_png(&self.drawn(), path),
            Form::Safetensors => write_safetensors(&pane.answer(), path),
            Form::Npy => write_npy(&pane.answer(), path).map(drop),
        };
        // An image shows all panes.
        let n = match self.form {
            Form::Png => 1,
            Form::Safetensors | Form::Npy => self.panes.len(),
        };
        let panes = self.panes.iter().take(n).enumerate();
        panes
            .map(|(i, pane)| {
                let path = self.beside(i);
                write(pane, &path).map(|()| path)
            })
            .collect()
    }

    /// Returns the path of model `i`: the first has the chosen name, the second has its model's
    /// name appended.
    fn beside(&self, i: usize) -> PathBuf {
        if i == 0 {
            return self.path.clone();
        }
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        // Not `with_extension`, because names may end in fractions of a second.
        let (base, end) = match name.strip_suffix(".safetensors") {
            Some(base) => (base, ".safetensors"),
            None => (&*name, ""),
        };
        let model = &self.panes[i].output.model;
        // The same model on the kept frame.
        let is_kept = self.panes[0].output.model == *model;
        let frame = self.panes[i].frame.id;
        let model = if is_kept {
            format!("{model}_frame{frame}")
        } else {
            model.to_string()
        };
        self.path.with_file_name(format!("{base}_{model}{end}"))
    }

    /// Draws the panes side by side or over each other, under their captions.
    fn drawn(&self) -> Frame {
        let n = if self.is_overlaid {
            1
        } else {
            self.panes.len()
        };
        let drawn: Vec<Frame> = self.panes[..n].iter().map(|p| p.drawn(self.zoom)).collect();
        let width = drawn.iter().map(|frame| frame.size().width).sum();
        let height = drawn.iter().map(|frame| frame.size().height).max();
        let size = Size::new(width, height.unwrap_or_default());
        let mut rgba = [0, 0, 0, 255].repeat(size.area());
        let mut left = 0;
        for frame in &drawn {
            let row = 4 * frame.size().width;
            let rows = rgba
                .chunks_exact_mut(4 * width)
                .zip(frame.rgba().chunks_exact(row));
            for (to, from) in rows {
                to[left..left + row].copy_from_slice(from);
            }
            left += row;
        }
        let first = &self.panes[0];
        let wide = Frame::new(
            first.frame.id,
            first.frame.time_secs,
            size,
            Pixels::unpooled(rgba),
        );
        let place = first.place();
        let others: Vec<String> = self.panes.iter().map(Pane::place).collect();
        let mut lines = vec![(place.as_str(), CENTER)];
        for (pane, other) in self.panes.iter().zip(&others) {
            if *other != place {
                lines.push((other.as_str(), pane.rgb));
            }
            lines.push((pane.title.as_str(), pane.rgb));
        }
        with_caption(&wide, &lines)
    }
}

#[cfg(test)]
mod tests {
    use poselens_engine::output::{PeopleCount, Timings};
    use poselens_engine::skeleton::Skeleton;

    use super::*;

    /// Returns a grey image of one prediction with this caption.
    fn pane(title: &str, rgb: Rgb) -> Pane {
        let size = Size::new(64, 48);
        let grey = Pixels::unpooled([90, 90, 90, 255].repeat(size.area()));
        let frame = Frame::new(3, 0.1, size, grey);
        Pane {
            output: Arc::new(PoseOutput {
                frame: frame.clone(),
                model: "m".into(),
                skeleton: Skeleton::by_name("coco17").unwrap(),
                poses: Vec::new(),
                regions: Vec::new(),
                timings: Timings::default(),
                people: PeopleCount::default(),
            }),
            scene: Arc::default(),
            map: None,
            title: title.to_owned(),
            rgb,
            joint: None,
            point: None,
            source: "clip".to_owned(),
            frame,
            is_mirrored: false,
        }
    }

    /// Fails when the numbers of a colour scale in an exported image are too small to read, or a small
    /// image has no scale.
    #[test]
    fn the_numbers_of_a_scale_are_legible() {
        use poselens_shaders::colormap::ColorMap;
        use poselens_shaders::legend::{ColorScale, Corner, Legend};
        use poselens_shaders::scene::{Mark, Shape};
        let legend = Mark::Legend(Legend {
            corner: Corner::Right,
            caption: "x51.M\ncoarse attention, first pyramid".to_owned(),
            scale: Some(ColorScale::of(ColorMap::Viridis, (-0.374, 0.374), [])),
        });
        let scene = Scene {
            marks: vec![legend],
        };
        for (image, least) in [
            ([768, 512], 14),
            ([640, 480], 14),
            ([1920, 1080], 27),
            ([480, 640], 14),
            ([240, 180], 7),
        ] {
            let screen = image.map(|v| v as f64);
            let unit = legible_unit(Size::new(image[0], image[1]));
            let view = View::letterbox(image, screen, Zoom::WHOLE, false, unit);
            let mut capitals = Vec::new();
            scene.lay_out(&view, |shape| {
                if let Shape::Text(text) = shape {
                    capitals.push(CAPITALS as usize * text.style.unit);
                }
            });
            assert!(
                capitals.len() >= 3 && capitals.iter().all(|height| *height >= least),
                "{image:?}: {capitals:?}"
            );
        }
    }

    /// Fails when the caption of an image of a folder does not name its file.
    #[test]
    fn the_caption_names_the_file_of_a_folder() {
        let mut pane = pane("sfm", CENTER);
        assert_eq!(pane.place(), "clip - frame 3 - 0.100 s");
        pane.frame = pane.frame.of_file("b.png");
        assert_eq!(pane.place(), "b.png in clip - frame 3 - 0.100 s");
    }

    /// Fails when the caption of two predictions in one image names a map that is not drawn, does not
    /// tell whose skeleton is which, or the second name has another colour than its skeleton.
    #[test]
    fn the_caption_says_what_is_drawn() {
        let shown = Shown {
            layer: Some("heatmap"),
            has_skeleton: true,
            ..Shown::default()
        };
        assert_eq!(drawn(&shown, PanePlace::Alone), ": heatmap");
        assert_eq!(
            drawn(&shown, PanePlace::Under),
            ": heatmap - skeleton with a blue left and an orange right side"
        );
        assert_eq!(drawn(&shown, PanePlace::Over), " - pink skeleton");
        let plan = |rgb| ExportPlan {
            form: Form::Png,
            path: PathBuf::from("view.png"),
            zoom: Zoom::WHOLE,
            panes: vec![pane("first", CENTER), pane("second", rgb)],
            is_overlaid: true,
        };
        let has_pink = |plan: &ExportPlan| {
            let drawn = plan.drawn();
            drawn.rgba().chunks(4).any(|pixel| pixel[..3] == SECOND)
        };
        assert!(has_pink(&plan(SECOND)) && !has_pink(&plan(CENTER)));
    }
}

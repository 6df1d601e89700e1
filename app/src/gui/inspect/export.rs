//! The present view as files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use poselens_engine::concurrency::Worker;
use poselens_engine::error::Result;
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::Size;
use poselens_engine::output::PoseOutput;
use poselens_engine::pipeline::save_png;
use poselens_engine::record::{stamp, write_npy, write_safetensors};
use poselens_shaders::canvas::Canvas;
use poselens_shaders::frame::Picture;
use poselens_shaders::scene::Scene;
use poselens_shaders::view::{View, Zoom};

use super::Inspect;
use crate::gui::files::{Desk, News, UNSEEN, block_on, in_folder};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The picture with what lies over it; models side by side.
    Png,
    /// Every tensor of the answer, one file a model.
    Safetensors,
    /// The same as a folder of NumPy files.
    Npy,
}

impl Form {
    /// All.
    pub const ALL: [Self; 3] = [Self::Png, Self::Safetensors, Self::Npy];

    /// What its button says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
        }
    }
}

/// Everything needed to write, also when the view has moved on.
#[derive(Debug)]
pub struct Plan {
    form: Form,
    /// A file, or for NumPy a folder.
    path: PathBuf,
    frame: Frame,
    zoom: Zoom,
    is_mirrored: bool,
    panes: Vec<(Arc<PoseOutput>, Arc<Scene>)>,
}

impl Inspect {
    /// What to write of the present view; `None` while nothing was found.
    pub(super) fn export_plan(&self, form: Form, folder: &Path) -> Option<Plan> {
        let subject = self.subject.as_ref()?;
        let panes: Vec<_> = self
            .seats
            .iter()
            .filter_map(|s| Some((Arc::clone(s.found.as_ref()?), Arc::clone(&s.shown.scene))))
            .collect();
        let name = format!("inspect_{}", stamp(SystemTime::now()));
        let name = match form {
            Form::Png => format!("{name}.png"),
            Form::Safetensors => format!("{name}.safetensors"),
            Form::Npy => name,
        };
        (!panes.is_empty()).then(|| Plan {
            form,
            path: folder.join(name),
            frame: subject.frame.clone(),
            zoom: self.zoom,
            is_mirrored: subject.is_mirrored,
            panes,
        })
    }
}

impl Plan {
    /// Writes; the file, or the first of several.
    ///
    /// # Errors
    /// When a file or its folder cannot be written.
    pub fn write(self) -> Result<PathBuf> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(poselens_engine::Error::io("create", folder))?;
        }
        match self.form {
            Form::Png => save_png(&self.drawn(), &self.path)?,
            Form::Safetensors => {
                for (i, (output, _)) in self.panes.iter().enumerate() {
                    write_safetensors(output, &self.beside(i))?;
                }
            }
            Form::Npy => {
                for (i, (output, _)) in self.panes.iter().enumerate() {
                    write_npy(output, &self.beside(i))?;
                }
            }
        }
        Ok(self.path)
    }

    /// The path of model `i`: the first has the name asked for, the second its own beside it.
    fn beside(&self, i: usize) -> PathBuf {
        if i == 0 {
            return self.path.clone();
        }
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        // No `with_extension`: names end in fractions of a second.
        let (base, end) = match name.strip_suffix(".safetensors") {
            Some(base) => (base, ".safetensors"),
            None => (&*name, ""),
        };
        let model = &self.panes[i].0.model;
        self.path.with_file_name(format!("{base}_{model}{end}"))
    }

    /// The part of the picture that is looked at, at the picture's own size.
    fn drawn(&self) -> Frame {
        let Size { width, height } = self.frame.size();
        let (image, n) = ([width, height], self.panes.len());
        let screen = image.map(|v| v as f64);
        let view = View::letterbox(image, screen, self.zoom, self.is_mirrored, 1);
        let mut wide = vec![0; n * width * height * 4];
        for (i, (_, scene)) in self.panes.iter().enumerate() {
            let mut rgba = [0, 0, 0, 255].repeat(width * height);
            let mut canvas = Canvas::new(&mut rgba, width, height);
            let picture = Picture {
                rgba: self.frame.rgba(),
                size: image,
                sampling: view.picture_sampling(),
            };
            canvas.frame(&picture, &view);
            scene.draw(&mut canvas, &view);
            let row = width * 4;
            for (to, from) in wide.chunks_exact_mut(n * row).zip(rgba.chunks_exact(row)) {
                to[i * row..(i + 1) * row].copy_from_slice(from);
            }
        }
        let size = Size::new(n * width, height);
        Frame::new(
            self.frame.id,
            self.frame.time_secs,
            size,
            Pixels::unpooled(wide),
        )
    }
}

impl Desk {
    /// Asks for a folder of pictures or of a recording.
    pub(super) fn choose_folder(&self, folder: Option<&Path>) -> Result<Worker> {
        let dialog = in_folder(rfd::AsyncFileDialog::new(), folder)
            .set_title("Open a recording or a folder of pictures")
            .pick_folder();
        self.task("folder dialog", move || {
            let start = Instant::now();
            match block_on(dialog) {
                Some(file) => News::Picked(Some(file.path().to_owned())),
                None if start.elapsed() < UNSEEN => News::NoDialog,
                None => News::Picked(None),
            }
        })
    }

    /// Asks for a place and writes there; where the system has no dialog, to the plan's own.
    pub(super) fn save_as(&self, mut plan: Plan) -> Result<Worker> {
        let name = plan.path.file_name().unwrap_or_default();
        let mut dialog = rfd::AsyncFileDialog::new()
            .set_title("Save the view")
            .set_file_name(name.to_string_lossy());
        if let Some(folder) = plan.path.parent() {
            dialog = dialog.set_directory(folder);
        }
        let dialog = dialog.save_file();
        self.task("save dialog", move || {
            let start = Instant::now();
            match block_on(dialog) {
                Some(file) => file.path().clone_into(&mut plan.path),
                None if start.elapsed() < UNSEEN => {}
                None => return News::Picked(None),
            }
            News::Saved(plan.write())
        })
    }
}

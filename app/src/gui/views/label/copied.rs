//! What the thread that owns the project does about copies of clips.

use std::path::PathBuf;

use crossbeam::channel::Sender;
use poselens_engine::project::Clip;
use poselens_engine::{Error, Result};

use crate::gui::views::label::copying::Copying;
use crate::gui::views::label::opened::Open;
use crate::gui::views::label::thread::Numbered;
use crate::gui::waker::Waker;
use crate::gui::widgets::megabytes;

impl Open {
    /// Starts to copy a clip into the project.
    ///
    /// # Errors
    /// When it is there already, another one is being copied, or the operating system cannot create a
    /// thread.
    pub(super) fn copy_clip(
        &mut self,
        id: u32,
        waker: Waker,
        requests: Sender<Numbered>,
    ) -> Result<()> {
        if let Some(copying) = &self.copying {
            let name = copying.shown().name;
            let text = format!("the clip {name} is still being copied; wait for it");
            return Err(Error::Failed(text));
        }
        let clip = self.info.file.clip(id).cloned();
        let clip = clip.ok_or_else(|| Error::Failed(format!("there is no clip {id}")))?;
        if clip.is_copied {
            let text = format!("the clip {} is in the project already", clip.name);
            return Err(Error::Failed(text));
        }
        let folder = self.project.contents().folder();
        self.copying = Some(Copying::start(clip, folder, waker, requests)?);
        Ok(())
    }

    /// Uses the copy of a clip from now on; returns a message.
    ///
    /// # Errors
    /// When it could not be copied, or `project.toml` cannot be written; the original stays in use.
    pub(super) fn take_copied(&mut self, clip: &Clip, copied: Result<PathBuf>) -> Result<String> {
        self.copying = None;
        let place = match copied {
            Err(error) if error.is_cancelled() => return Ok(error.to_string()),
            copied => copied?,
        };
        self.project.use_copy(clip, &place)?;
        self.refresh_info()?;
        Ok(format!(
            "The clip {} is in the project: {} copied to {}",
            clip.name,
            megabytes(clip.bytes),
            place.display()
        ))
    }
}

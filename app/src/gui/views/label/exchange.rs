//! Labels from and for other programs.

use std::path::Path;

use poselens_engine::Result;
use poselens_engine::concurrency::{StopFlag, Worker};
use poselens_engine::project::export::{self, Exported};
use poselens_engine::project::import::{self, ImportOptions, Imported};

use crate::gui::action::label::LabelFormat;
use crate::gui::titles::folder_name;
use crate::gui::ui_state::Level;
use crate::gui::views::label::opened::Open;
use crate::gui::views::label::session::Session;
use crate::words::counted;

/// A message for the user.
type Said = (Level, String);

impl Open {
    /// Imports labels or predictions as proposals; returns a message.
    ///
    /// # Errors
    /// When the file cannot be read, or the project cannot be written.
    fn import(&mut self, path: &Path) -> Result<Said> {
        let options = ImportOptions::default();
        let is_table = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        let imported = if is_table {
            import::dlc(&mut self.project, path, options)?
        } else {
            import::coco(&mut self.project, path, options)?
        };
        self.set_listed(self.list.listed());
        // The proposals are in the journal, not in a snapshot.
        self.update(&[]);
        Ok(imported_text(path, &imported))
    }
}

impl Session {
    /// Imports labels or predictions into the open project.
    ///
    /// # Errors
    /// When the file cannot be read, or the project cannot be written.
    pub(super) fn import_labels(&mut self, path: &Path) -> Result<()> {
        if let Some(open) = &mut self.open {
            let (level, text) = open.import(path)?;
            self.outbox.say(level, text);
        }
        Ok(())
    }

    /// Starts to export the confirmed labels of the open project; images may have to be read for it.
    ///
    /// # Errors
    /// When the operating system cannot create a thread.
    pub(super) fn export_labels(&self, format: LabelFormat, path: &Path) -> Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let contents = open.project.contents().clone();
        let (path, outbox, failed) = (path.to_owned(), self.outbox.clone(), self.outbox.clone());
        let write = move |_: &StopFlag| {
            let exported = match format {
                LabelFormat::Coco => export::coco(&contents, &path, None)?,
                LabelFormat::Dlc => export::dlc(&contents, &path, None)?,
            };
            let (level, text) = exported_text(&path, &exported);
            outbox.say(level, text);
            Ok(())
        };
        let worker = Worker::spawn("label export", StopFlag::new(), write, move |error| {
            failed.say(Level::Error, error.to_string());
        })?;
        // It says itself how it ends.
        worker.detach();
        Ok(())
    }
}

/// Returns a message that names what was left out.
fn said(text: String, left_out: &[String]) -> Said {
    if left_out.is_empty() {
        (Level::Info, text)
    } else {
        let text = format!("{text}; left out: {}", left_out.join("; "));
        (Level::Warning, text)
    }
}

fn exported_text(path: &Path, exported: &Exported) -> Said {
    let text = format!(
        "Wrote {}: {}, {}",
        path.display(),
        counted(exported.frames, "frame"),
        counted(exported.people, "confirmed person")
    );
    said(text, &exported.left_out)
}

fn imported_text(path: &Path, imported: &Imported) -> Said {
    let name = folder_name(path);
    let text = format!(
        "Imported {} in {} from {name}, as proposals to be confirmed",
        counted(imported.people, "person"),
        counted(imported.frames, "frame"),
    );
    let reasons = imported.left_out.iter();
    let reasons = reasons.map(|(reason, omitted)| format!("{reason}: {}", omitted.count));
    let mut left_out: Vec<String> = reasons.collect();
    if !imported.joints_left_out.is_empty() {
        let joints = imported.joints_left_out.join(", ");
        left_out.push(format!("joints that the project does not have: {joints}"));
    }
    left_out.extend(imported.notes.iter().cloned());
    said(text, &left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gui::views::label::thread::is_labels;

    /// Fails when what was not exchanged is not said, or a whole exchange looks like a partial one.
    #[test]
    fn what_is_left_out_is_said() {
        let mut exported = Exported {
            frames: 2,
            people: 1,
            ..Exported::default()
        };
        let (level, text) = exported_text(Path::new("/out/a.json"), &exported);
        assert_eq!(level, Level::Info);
        assert_eq!(text, "Wrote /out/a.json: 2 frames, 1 confirmed person");
        exported
            .left_out
            .push("3 joints outside of the image".to_owned());
        let (level, text) = exported_text(Path::new("/out/a.json"), &exported);
        assert_eq!(level, Level::Warning);
        assert!(
            text.ends_with("left out: 3 joints outside of the image"),
            "{text}"
        );
        let imported = Imported {
            frames: 1,
            people: 1,
            joints_left_out: vec!["tail".to_owned()],
            ..Imported::default()
        };
        let (_, text) = imported_text(Path::new("/in/b.csv"), &imported);
        assert!(text.contains("1 person in 1 frame from b.csv"), "{text}");
        assert!(text.ends_with("does not have: tail"), "{text}");
        assert!(is_labels(Path::new("a.JSON")) && is_labels(Path::new("b.csv")));
        assert!(!is_labels(Path::new("c.mp4")) && !is_labels(Path::new("json")));
    }
}

//! What is cut short when the window closes.

use crate::gui::core::Core;
use crate::gui::titles::folder_name;

impl Core {
    /// Returns the running recordings and annotations, one line each.
    pub(in crate::gui) fn busy(&self) -> Vec<String> {
        let mut busy = Vec::new();
        let live = self.ui_state.recording.as_ref().filter(|r| !r.is_file);
        busy.extend(live.map(|r| format!("The recording of {}", r.source.label)));
        let running = self.queue.running.as_ref().map(|running| &running.file);
        let mut files = running.into_iter().chain(&self.queue.waiting);
        if let Some(file) = files.next() {
            let waiting = match files.count() {
                0 => String::new(),
                n => format!(", {n} more waiting"),
            };
            busy.push(format!("The recording of the file {}{waiting}", file.label));
        }
        let annotating = self.ui_state.annotating.as_ref();
        busy.extend(annotating.map(|work| {
            let recording = folder_name(&work.folder);
            format!("The annotation of {recording} with {}", work.model)
        }));
        busy
    }
}

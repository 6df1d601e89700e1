//! Writes the images and labels of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{Plan, Use, Uses};
use super::predict::Predictor;
use crate::concurrency::StopFlag;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::project::{Contents, FrameKey, ImageSet, SetImage};
use crate::source::scrub::Scrub;
use crate::source::{OpenOptions, SourceSpec};
use crate::words::counted;

/// Folder of the images and labels in that of a run.
const DATA: &str = "data";
/// Folder of the images of the bundled sample, which no clip can be called.
const SAMPLE: &str = "bundled.sample";

/// Size of a set of labelled images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCount {
    /// Number of images.
    pub frames: usize,
    /// Number of people.
    pub people: usize,
}

/// Returns the folder of the images of a run.
pub(super) fn images(run: &Path) -> PathBuf {
    run.join(DATA).join("images")
}

/// Returns the label file of a run for one use of frames.
pub(super) fn labels(run: &Path, what: Use) -> PathBuf {
    run.join(DATA).join(format!("{}.coco.json", what.name()))
}

/// Sets that are being written.
pub(super) struct Writer<'a> {
    contents: &'a Contents,
    predictor: &'a mut Predictor,
    sets: BTreeMap<&'static str, ImageSet>,
    n_unreadable: usize,
    /// Remarks, one line each.
    pub remarks: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(run: &Path, contents: &'a Contents, predictor: &'a mut Predictor) -> Self {
        let skeleton = contents.labels().skeleton();
        let set = |what: Use| (what.name(), ImageSet::new(&images(run), skeleton));
        Self {
            contents,
            predictor,
            sets: Use::ALL.into_iter().map(set).collect(),
            n_unreadable: 0,
            remarks: Vec::new(),
        }
    }

    /// Writes the images of a plan. `progress` receives the number of written frames and of all.
    ///
    /// # Errors
    /// When a clip with labelled frames is not there, the network fails, the disk is full, or a stop
    /// is requested.
    pub(super) fn write(
        &mut self,
        plan: &Plan,
        progress: &mut dyn FnMut(usize, usize),
        stop: &StopFlag,
    ) -> Result<()> {
        let n_all = plan.sample.len() + plan.clips.values().map(BTreeMap::len).sum::<usize>();
        let mut n_done = 0;
        let mut step = || {
            progress(n_done, n_all);
            n_done += 1;
            if stop.is_stopped() {
                return Err(Error::Cancelled("the training was stopped".to_owned()));
            }
            Ok(())
        };
        let contents = self.contents;
        for (id, uses) in &plan.clips {
            let Some(clip) = contents.file().clip(*id) else {
                continue;
            };
            let is_labelled = |what: &Use| matches!(what, Use::Train | Use::HoldOut);
            match clip.open(contents.folder()) {
                Ok(scrub) => self.write_clip((&clip.name, Some(*id)), scrub, uses, &mut step)?,
                Err(error) if uses.values().any(is_labelled) => return Err(error),
                Err(error) => self.remarks.push(error.to_string()),
            }
        }
        if !plan.sample.is_empty() {
            let spec = SourceSpec::parse("sample")?;
            let scrub = Scrub::open_spec(&spec, &OpenOptions::default())?;
            self.write_clip((SAMPLE, None), scrub, &plan.sample, &mut step)?;
        }
        if self.n_unreadable > 0 {
            let frames = counted(self.n_unreadable, "frame");
            self.remarks.push(format!("{frames} left out: damaged"));
        }
        Ok(())
    }

    fn write_clip(
        &mut self,
        (name, id): (&str, Option<u32>),
        mut scrub: Scrub,
        uses: &Uses,
        step: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        for (&number, &what) in uses {
            step()?;
            let frame = match scrub.frame(number as usize) {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::warn!("left out: {error}");
                    self.n_unreadable += 1;
                    continue;
                }
            };
            let image = SetImage {
                clip: name,
                frame: number,
                split: what.name(),
            };
            self.add(image, id, what, &frame)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        image: SetImage<'_>,
        clip: Option<u32>,
        what: Use,
        frame: &Frame,
    ) -> Result<()> {
        let people = match (what, clip) {
            (Use::Train | Use::HoldOut, Some(clip)) => {
                let at = FrameKey::new(clip, image.frame);
                self.contents.labels().people(at).to_vec()
            }
            (Use::Replay, _) => self.predictor.people(frame)?,
            _ => self.predictor.averaged_people(frame)?,
        };
        let Some(set) = self.sets.get_mut(what.name()) else {
            return Ok(());
        };
        // A frame in which the old network finds no person teaches nothing.
        if people.iter().any(|person| person.is_confirmed) {
            set.add(image, frame, &people)?;
        }
        Ok(())
    }

    /// Writes the label files that have people; returns the number of frames and people of each.
    pub(super) fn finish(self, run: &Path) -> Result<BTreeMap<String, SetCount>> {
        let mut counts = BTreeMap::new();
        for what in Use::ALL {
            let Some(set) = self.sets.get(what.name()) else {
                continue;
            };
            let count = SetCount {
                frames: set.n_images(),
                people: set.n_people(),
            };
            counts.insert(what.name().to_owned(), count);
        }
        for what in Use::ALL {
            let is_empty = counts
                .get(what.name())
                .is_none_or(|count| count.people == 0);
            if is_empty && matches!(what, Use::Train | Use::HoldOut) {
                return Err(Error::Failed(format!(
                    "none of the confirmed people of the set '{}' can be used: {}",
                    what.name(),
                    self.remarks.join("; ")
                )));
            }
        }
        for (name, set) in self.sets {
            if counts.get(name).is_some_and(|count| count.people > 0)
                && let Some(what) = Use::ALL.into_iter().find(|what| what.name() == name)
            {
                set.write(&labels(run, what))?;
            }
        }
        Ok(counts)
    }
}

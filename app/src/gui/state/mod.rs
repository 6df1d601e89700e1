//! Settings of the window that are saved between runs.

pub mod inspect;
pub mod label;
pub mod train;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::gui::state::inspect::Choices;
use crate::gui::state::label::LabelChoices;
use crate::gui::state::train::TrainPlan;
use anyhow::Context as _;
use poselens_engine::disk::replace;
use poselens_engine::document;
use poselens_engine::estimator::People;
use poselens_engine::measure::{MeasureSpec, Measures};
use poselens_engine::overlay::{OverlaySpec, OverlayStyle, RangeMode};
use poselens_engine::pipeline::{Look, Playback};
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::track::{OneEuro, Selection};
use poselens_shaders::heat::Sampling;
use serde::{Deserialize, Serialize};

/// Maximum number of recent files and folders.
pub const N_RECENT: usize = 10;
/// Range of the user interface scale.
pub const SCALES: std::ops::RangeInclusive<f32> = 0.5..=3.0;

/// The user's settings. Everything in here is saved, nothing else is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppState {
    /// Last chosen model.
    pub model: Option<String>,
    /// Whether one person or several are estimated.
    pub people: People,
    /// Label of the last used camera.
    pub camera: Option<String>,
    /// Its [`super::SourceChoice::spec`], which distinguishes cameras of the same name.
    pub camera_place: Option<String>,
    /// Formats chosen for cameras, keyed by spec (in older files by label); other cameras use the
    /// best format.
    pub camera_formats: BTreeMap<String, CameraFormat>,
    /// Text of the path field.
    pub path: String,
    /// Recent files and folders, newest first.
    pub recent: Vec<String>,
    /// Folder of the last chosen file.
    pub last_folder: Option<PathBuf>,
    /// Scale of the user interface; 1 is the system's.
    pub scale: f32,
    /// Names of the enabled overlays.
    pub overlays: BTreeSet<String>,
    /// Minimum score for drawing a joint, [0, 1].
    pub keypoint_threshold: f32,
    /// Opacity of maps over the image, [0, 1].
    pub opacity: f32,
    /// Name of the joint whose heatmap is shown; `None` shows all.
    pub joint: Option<String>,
    /// Name of the shown attention map; `None` shows the model's first.
    pub attention: Option<String>,
    /// Whether maps are interpolated smoothly; otherwise their pixels are squares.
    pub is_map_smooth: bool,
    /// Value below which a map is transparent, [0, 1].
    pub map_threshold: f32,
    /// Whether the colours of attention maps cover all possible values; otherwise those of each
    /// frame.
    pub is_range_fixed: bool,
    /// Names of hidden joints.
    pub hidden_joints: BTreeSet<String>,
    /// Names of the measures that are drawn, in this order.
    pub measures: Vec<String>,
    /// Whether joints are smoothed over time.
    pub is_smoothed: bool,
    /// Smoothing parameters.
    pub smoothing: OneEuro,
    /// Whether camera images are mirrored. Display only: left stays left in every result.
    pub is_mirrored: bool,
    /// Whether files restart at their end.
    pub is_looping: bool,
    /// Folder of recordings and snapshots; `None` means the program's default.
    pub recordings_folder: Option<PathBuf>,
    /// Names of the exporters that recordings use in addition to the poses and COCO results.
    pub exports: BTreeSet<String>,
    /// Targets of live streams of joints, separated by blanks or commas. Sending is off at the start.
    pub stream_targets: String,
    /// Choices in Inspect.
    pub inspect: Choices,
    /// Choices in the Label view.
    pub label: LabelChoices,
    /// Choices for the next training.
    pub train: TrainPlan,
}

impl Default for AppState {
    fn default() -> Self {
        let style = OverlayStyle::default();
        Self {
            model: None,
            people: People::SEVERAL,
            camera: None,
            camera_place: None,
            camera_formats: BTreeMap::new(),
            path: String::new(),
            recent: Vec::new(),
            last_folder: None,
            scale: 1.0,
            overlays: BTreeSet::from(["skeleton".to_owned()]),
            keypoint_threshold: style.keypoint_threshold,
            opacity: style.opacity,
            joint: None,
            attention: None,
            is_map_smooth: true,
            map_threshold: style.map_threshold,
            is_range_fixed: true,
            hidden_joints: BTreeSet::new(),
            measures: named_measures(),
            is_smoothed: true,
            smoothing: OneEuro::default(),
            is_mirrored: true,
            is_looping: false,
            recordings_folder: None,
            exports: BTreeSet::new(),
            stream_targets: String::new(),
            inspect: Choices::default(),
            label: LabelChoices::default(),
            train: TrainPlan::default(),
        }
    }
}

impl AppState {
    /// Returns the format chosen for a camera, if any.
    pub fn camera_format(&self, spec: &str, label: &str) -> Option<&CameraFormat> {
        let formats = &self.camera_formats;
        formats.get(spec).or_else(|| formats.get(label))
    }

    /// Loads the settings of an earlier run; a missing file gives the defaults. Also returns the
    /// keys of values that could not be parsed, such as those of a newer version: they take their
    /// defaults, and the file keeps them.
    ///
    /// # Errors
    /// If the file exists but cannot be read or is not valid TOML.
    pub fn load(path: &Path) -> anyhow::Result<(Self, Vec<String>)> {
        Ok(document::understood(&read(path)?.unwrap_or_default()))
    }

    /// Renames an unreadable file so that its settings are not overwritten; returns the new path.
    pub fn set_aside(path: &Path) -> Option<PathBuf> {
        let aside = path.with_extension("toml.damaged");
        match std::fs::rename(path, &aside) {
            Ok(()) => Some(aside),
            Err(error) => {
                tracing::warn!("cannot rename {}: {error}", path.display());
                None
            }
        }
    }

    /// Writes the settings that differ from `saved`, the previous contents of the file; all of them
    /// if there is no file. Other values in the file are kept, because another window or a newer
    /// version may have written them. The file is replaced atomically.
    ///
    /// # Errors
    /// If the file or its folder cannot be written.
    pub fn save(&self, path: &Path, saved: &Self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(cannot)?;
        }
        let text = match read(path) {
            Ok(Some(mut file)) => {
                document::apply(&mut file, saved, self)?;
                toml::to_string(&file)?
            }
            _ => toml::to_string(self)?,
        };
        Ok(replace(path, text.as_bytes())?)
    }

    /// Adds a file or folder to the recent list as the newest.
    pub fn remember(&mut self, path: &str) {
        self.recent.retain(|known| known != path);
        self.recent.insert(0, path.to_owned());
        self.recent.truncate(N_RECENT);
    }

    /// Converts the settings for the infer thread.
    pub fn look(&self, overlays: &'static [OverlaySpec], skeleton: Option<&Skeleton>) -> Look {
        Look {
            overlays: overlays
                .iter()
                .filter(|o| self.overlays.contains(o.name))
                .collect(),
            style: OverlayStyle {
                keypoint_threshold: self.keypoint_threshold,
                opacity: self.opacity,
                joint: self.joint.as_ref().and_then(|name| skeleton?.joint(name)),
                attention: self.attention.clone(),
                map_threshold: self.map_threshold,
                attention_range: if self.is_range_fixed {
                    RangeMode::Fixed
                } else {
                    RangeMode::PerFrame
                },
                hidden_joints: self
                    .hidden_joints
                    .iter()
                    .filter_map(|name| skeleton?.joint(name))
                    .collect(),
                sampling: if self.is_map_smooth {
                    Sampling::Bilinear
                } else {
                    Sampling::Nearest
                },
                measures: self.measures(),
                ..OverlayStyle::default()
            },
            is_smoothed: self.is_smoothed,
            smoothing: self.smoothing,
            selection: Selection::default(),
        }
    }

    /// Returns the measures that are drawn; names of a newer version are left out.
    pub fn measures(&self) -> Measures {
        let specs = self.measures.iter().filter_map(|name| name.parse().ok());
        Measures {
            list: specs.collect(),
            scale: None,
        }
    }

    /// Converts the settings for the capture thread.
    pub fn playback(&self, is_playing: bool, speed: f64) -> Playback {
        Playback {
            is_playing,
            is_looping: self.is_looping,
            speed,
        }
    }
}

/// Returns the names of all angles that have one.
fn named_measures() -> Vec<String> {
    let named = MeasureSpec::named();
    named.iter().map(ToString::to_string).collect()
}

/// Reads the file as TOML; `None` if it does not exist.
fn read(path: &Path) -> anyhow::Result<Option<toml::Table>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let table = text.parse().or_else(|error: toml::de::Error| {
                // Version 0.1.0 wrote a number that only the field's own deserialiser accepts.
                let state: AppState = toml::from_str(&text).map_err(|_| error.clone())?;
                toml::Table::try_from(state).map_err(|_| error)
            });
            (table.map(Some)).with_context(|| format!("{} is not a settings file", path.display()))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the list of recent files grows beyond its limit, has duplicates, or loses its
    /// order.
    #[test]
    fn recent_files_are_the_last_ten_without_repetition() {
        let mut state = AppState::default();
        for i in 0..15 {
            state.remember(&format!("/clips/{i}.mp4"));
        }
        state.remember("/clips/9.mp4");
        assert_eq!(state.recent.len(), N_RECENT);
        assert_eq!(state.recent[..2], ["/clips/9.mp4", "/clips/14.mp4"]);
        assert_eq!(state.recent[N_RECENT - 1], "/clips/5.mp4");
    }

    /// Fails when a setting is lost between runs, or an older file no longer loads.
    #[test]
    fn choices_survive_a_restart_and_older_files_load() {
        let folder = std::env::temp_dir().join(format!("poselens-state-{}", std::process::id()));
        let path = folder.join("settings.toml");
        let defaults = (AppState::default(), Vec::new());
        assert_eq!(AppState::load(&path).unwrap(), defaults);
        let state = AppState {
            model: Some("sfm".to_owned()),
            joint: Some("l_wrist".to_owned()),
            is_smoothed: false,
            opacity: 0.25,
            scale: 1.5,
            recent: vec!["/videos/a.mp4".to_owned()],
            camera_formats: BTreeMap::from([(
                "Desk camera".to_owned(),
                CameraFormat {
                    size: poselens_engine::geometry::Size::new(1280, 720),
                    rate: Some(29.97),
                    pixels: poselens_engine::source::pixels::PixelFormat::Mjpeg,
                },
            )]),
            overlays: BTreeSet::from(["heatmap".to_owned()]),
            ..AppState::default()
        };
        state.save(&path, &AppState::default()).unwrap();
        assert_eq!(AppState::load(&path).unwrap().0, state);
        std::fs::write(&path, "is_looping = true\n").unwrap();
        let old = AppState {
            is_looping: true,
            ..AppState::default()
        };
        // Defaults written by version 0.1.0.
        let first = "is_looping = true\n[inspect]\nlayer = 18446744073709551615\n";
        std::fs::write(&path, first).unwrap();
        assert_eq!(AppState::load(&path).unwrap().0, old);
        std::fs::write(&path, "is_looping = true\n").unwrap();
        assert_eq!(AppState::load(&path).unwrap().0, old);
        std::fs::write(&path, "is_looping = \n").unwrap();
        assert!(AppState::load(&path).is_err());
        let aside = AppState::set_aside(&path).unwrap();
        let kept = std::fs::read_to_string(aside).unwrap();
        assert_eq!(kept, "is_looping = \n");
        assert_eq!(AppState::load(&path).unwrap(), defaults);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Fails when saving a setting discards values written by a newer version or by another window
    /// meanwhile, or a value that cannot be parsed is not reported.
    #[test]
    fn a_newer_version_and_another_window_keep_their_choices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        let newer = "model = \"sfm\"\nis_looping = \"thrice\"\nhologram = 3\n[smoothing]\nbeta = 0.5\nangle = 1\n";
        std::fs::write(&path, newer).unwrap();
        let (mut state, refused) = AppState::load(&path).unwrap();
        assert_eq!(state.model.as_deref(), Some("sfm"));
        assert_eq!(state.smoothing.beta, 0.5);
        assert_eq!(refused, ["is_looping"]);
        let saved = state.clone();
        let (mut other, _) = AppState::load(&path).unwrap();
        other.opacity = 0.125;
        other.save(&path, &saved).unwrap();
        state.scale = 2.0;
        state.save(&path, &saved).unwrap();
        let file: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        assert_eq!(file["is_looping"].as_str(), Some("thrice"));
        assert_eq!(file["hologram"].as_integer(), Some(3));
        assert_eq!(file["smoothing"]["angle"].as_integer(), Some(1));
        let (both, _) = AppState::load(&path).unwrap();
        assert_eq!((both.scale, both.opacity), (2.0, 0.125));
    }
}

//! A fake source, model, overlays and recording for the tests of the window.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poselens_app::gui::{DeviceChoice, GuiContext, ModelChoice, SourceChoice};
use poselens_engine::concurrency::StopFlag;
use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Infer, People, RequestedMaps};
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::{Affine2, Size};
use poselens_engine::output::{
    AttentionKind, AttentionMap, MapPlace, PeopleCount, PoseOutput, RegionOutput, SharedPlanes,
    Timings,
};
use poselens_engine::overlay::{MapKind, OverlaySpec, OverlayStyle};
use poselens_engine::pipeline::session::ModelRecord;
use poselens_engine::pipeline::{Presented, Tap, TapProgress};
use poselens_engine::pose::{Keypoint, Pose};
use poselens_engine::skeleton::Skeleton;
use poselens_engine::source::camera::CameraFormat;
use poselens_engine::source::pixels::PixelFormat;
use poselens_engine::source::{
    FrameSource, OpenOptions, SourceInfo, SourceMonitor, SourceSpec, SourceStatus,
};
use poselens_engine::track::{Follow, Selection};
use poselens_engine::train::Hardware;
use poselens_engine::{Error, Result};
use poselens_shaders::scene::Scene;

const SIZE: Size = Size::new(8, 6);

struct FakeSource {
    info: SourceInfo,
    monitor: SourceMonitor,
    stop: StopFlag,
    next: u64,
}

impl FrameSource for FakeSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn monitor(&self) -> SourceMonitor {
        self.monitor.clone()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        let id = self.next;
        if self.info.n_frames == Some(id) {
            return Ok(None);
        }
        if self.info.is_live {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.info.name == "camera:silent" && id == 5 {
            let since = Instant::now();
            self.monitor.set_status(SourceStatus::Stalled { since });
            while !self.stop.is_stopped() {
                std::thread::sleep(Duration::from_millis(10));
            }
            return Ok(None);
        }
        self.next += 1;
        let pixels = Pixels::unpooled(vec![255; SIZE.area() * 4]);
        Ok(Some(Frame::new(id, id as f64 / 100.0, SIZE, pixels)))
    }
}

/// Opens a fake source: `sample` is the real clip, `camera:...` is live, `camera:silent` delivers
/// five frames only, `...short.mp4` has 10 frames, `...missing...` does not exist.
fn open(spec: &str, format: Option<CameraFormat>) -> Result<Box<dyn FrameSource>> {
    let spec = if spec == "camera:" { "camera:0" } else { spec };
    if spec == "sample" {
        let options = OpenOptions {
            is_indexed_ahead: true,
            ..OpenOptions::default()
        };
        return SourceSpec::parse(spec)?.open(&options);
    }
    if spec.contains("missing") {
        return Err(Error::source(spec, "no such file; check the path"));
    }
    let stop = StopFlag::new();
    let monitor = SourceMonitor::new(stop.clone());
    if spec.starts_with("camera:") {
        let gray = |rate| CameraFormat {
            size: SIZE,
            rate: Some(rate),
            pixels: PixelFormat::Gray,
        };
        monitor.set_formats(
            format.unwrap_or(gray(30.0)),
            [30.0, 60.0].map(gray).to_vec(),
        );
    }
    Ok(Box::new(FakeSource {
        monitor,
        stop,
        info: SourceInfo {
            name: spec.to_owned(),
            size: Some(SIZE),
            rate: Some(100.0),
            n_frames: spec.ends_with("short.mp4").then_some(10),
            is_live: spec.starts_with("camera:"),
        },
        next: 0,
    }))
}

struct FakeInfer {
    name: Arc<str>,
    people: People,
    selection: Selection,
}

impl Infer for FakeInfer {
    fn set_selection(&mut self, selection: &Selection) {
        self.selection.clone_from(selection);
    }

    fn infer(&mut self, frame: &Frame, want: RequestedMaps) -> Result<PoseOutput> {
        assert_ne!(&*self.name, "crashing", "fake fault");
        if &*self.name == "crowd" {
            return Ok(self.crowd(frame));
        }
        let plane = |n| SharedPlanes {
            n,
            size: Size::square(1),
            values: vec![0.5; n].into(),
        };
        let joint = Keypoint {
            x: 1.0,
            y: 1.0,
            score: 0.9,
        };
        // Each network has its own maps.
        let names = match &*self.name {
            "second" => ["s0_att_l1", "s0_att_sum"],
            _ => ["x51.M", "x51.gate"],
        };
        let map = |name: &str| AttentionMap {
            name: name.to_owned(),
            title: format!("{name} in words"),
            kind: AttentionKind::Signed,
            place: MapPlace::default(),
            map: plane(1),
            range: (-1.0, 1.0),
            image_from_map: Affine2::IDENTITY,
        };
        Ok(PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.name),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: match &*self.name {
                "blind" => Vec::new(),
                _ => vec![Pose::from_keypoints(vec![joint; 17])],
            },
            regions: vec![RegionOutput {
                heatmaps: plane(if want.heatmaps { 17 } else { 0 }),
                image_from_heatmap: Affine2::IDENTITY,
                attention: if want.attention {
                    names.map(map).into()
                } else {
                    Vec::new()
                },
                query_key: Vec::new(),
                fields: None,
                description: Vec::new(),
                track_id: None,
            }],
            timings: Timings::default(),
            people: PeopleCount::default(),
        })
    }

    /// Of a crowd, visited frames count as far from the tracked ones: nobody has an id.
    fn visit(&mut self, frame: &Frame, _near: &[Pose], want: RequestedMaps) -> Result<PoseOutput> {
        let mut output = self.infer(frame, want)?;
        if &*self.name == "crowd" {
            output.poses.iter_mut().for_each(|p| p.track_id = None);
        }
        Ok(output)
    }
}

impl FakeInfer {
    /// Returns the selected ones of three people side by side, of whom two are examined closely; the
    /// middle one stands in the middle of the image.
    fn crowd(&self, frame: &Frame) -> PoseOutput {
        let joint = |id: u64, j: u8| Keypoint {
            x: (3 * id - 3) as f32 + f32::from(j % 2),
            y: 1.0 + f32::from(j % 4),
            score: 0.9,
        };
        let person = |id: u64| Pose {
            track_id: Some(id),
            ..Pose::from_keypoints((0..17).map(|j| joint(id, j)).collect())
        };
        let n = if self.people == People::One { 1 } else { 3 };
        let is_shown = |id: &u64| match self.selection.follow {
            Some(Follow::Id(only)) => *id == only,
            Some(Follow::Largest | Follow::Nearest) => *id == 3,
            None => !self.selection.hidden.contains(id),
        };
        PoseOutput {
            frame: frame.clone(),
            model: Arc::clone(&self.name),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: (1..=n).filter(is_shown).map(person).collect(),
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount {
                found: n as usize,
                closely: n.min(2) as usize,
                left_out: n.saturating_sub(2) as usize,
            },
        }
    }
}

fn make(name: &str, people: People) -> Result<Box<dyn Infer>> {
    if name == "broken" {
        return Err(Error::Invalid("the weights are damaged".to_owned()));
    }
    Ok(Box::new(FakeInfer {
        name: Arc::from(name),
        people,
        selection: Selection::default(),
    }))
}

/// Writes nothing but counts frames.
struct FakeTap(TapProgress);

impl Tap for FakeTap {
    fn offer(&mut self, _presented: &Presented) -> Result<()> {
        self.0.frames += 1;
        self.0.annotated += 1;
        Ok(())
    }

    fn progress(&self) -> TapProgress {
        self.0.clone()
    }

    fn finish(self: Box<Self>, _by: Option<Instant>) -> Result<TapProgress> {
        Ok(self.0)
    }
}

/// Returns a tap of the recording in `folder` that counts frames.
pub(crate) fn fake_tap(folder: &Path) -> Box<dyn Tap> {
    Box::new(FakeTap(TapProgress {
        path: folder.to_owned(),
        ..TapProgress::default()
    }))
}

fn mark_nothing(_: &mut Scene, _: &PoseOutput, _: &OverlayStyle) {}

const fn fake_overlay(
    name: &'static str,
    title: &'static str,
    needs: Option<MapKind>,
) -> OverlaySpec {
    OverlaySpec {
        name,
        title,
        help: "",
        needs,
        writes_ids: false,
        mark: mark_nothing,
    }
}

static OVERLAYS: [OverlaySpec; 4] = [
    fake_overlay("skeleton", "skeleton", None),
    fake_overlay("heatmap", "heatmap", Some(MapKind::Heatmaps)),
    fake_overlay("attention", "attention", Some(MapKind::Attention)),
    fake_overlay("fields", "limb fields", Some(MapKind::Fields)),
];

/// Returns a window context of fakes; `input` as on the command line, `cameras` by name.
pub(crate) fn gui(
    input: Option<&str>,
    cameras: &'static [&'static str],
    folder: &Path,
) -> GuiContext {
    let choice = |name: &str| ModelChoice {
        name: name.to_owned(),
        help: format!("about {name}"),
    };
    GuiContext {
        input: input.map(str::to_owned),
        project: None,
        model: None,
        people: None,
        follow: None,
        models: ["first", "second", "blind", "broken", "crashing", "crowd"]
            .map(choice)
            .into(),
        overlays: &OVERLAYS,
        devices: ["CPU", "card", "broken card"]
            .map(|name| DeviceChoice {
                name: name.to_owned(),
                why: "a fake".to_owned(),
            })
            .into(),
        sample_clip: Some("clip.mp4".to_owned()),
        synthetic: "synthetic".to_owned(),
        log: None,
        open_source: Arc::new(open),
        make_infer: Arc::new(|name, device, people| match device {
            2 => Err(Error::Invalid("the card is not there".to_owned())),
            _ => make(name, people),
        }),
        describe_model: Arc::new(|name| ModelRecord {
            name: name.to_owned(),
            weights: "made up".to_owned(),
            device: "CPU".to_owned(),
        }),
        list_cameras: Arc::new(|| {
            let list = cameras.iter().enumerate();
            Ok(list
                .map(|(i, name)| SourceChoice {
                    label: (*name).to_owned(),
                    spec: format!("camera:{i}"),
                })
                .collect())
        }),
        start_recording: Arc::new(|folder: &Path, _: &Presented, _: &[String]| {
            Ok(fake_tap(folder))
        }),
        recordings_folder: folder.to_owned(),
        hardware: Hardware {
            device: DeviceSpec::Cpu,
            threads: 2,
        },
        projects_folder: folder.join("labels"),
        trainings_folder: folder.join("trainings"),
        settings_file: None,
    }
}

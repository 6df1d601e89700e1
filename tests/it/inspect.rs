//! Inspection of single frames with the real network.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use poselens_engine::Error;
use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::frame::{Frame, Pixels};
use poselens_engine::geometry::{Roi, Size};
use poselens_engine::model::model;
use poselens_engine::output::{PoseOutput, Timings};
use poselens_engine::pipeline::{InspectEvent, InspectRequest, Inspector};
use poselens_engine::record::{Answer, tensors, write_safetensors};
use poselens_engine::source::scrub::Scrub;
use poselens_engine::source::{OpenOptions, SourceSpec};
use poselens_tests::WAIT_LIMIT;

const ALL: RequestedMaps = RequestedMaps {
    heatmaps: true,
    attention: true,
    fields: true,
    description: false,
};

fn network() -> Network {
    let options = NetworkOptions {
        device: DeviceSpec::Cpu,
        ..NetworkOptions::bundled(model("sfm").unwrap())
    };
    Network::load(&options).unwrap()
}

fn sample() -> Scrub {
    let spec = SourceSpec::parse("sample").unwrap();
    Scrub::open_spec(&spec, &OpenOptions::default()).unwrap()
}

/// Returns names and values of all outputs.
fn numbers(output: &PoseOutput) -> Vec<(String, Vec<f32>)> {
    let all = tensors(output).into_iter();
    all.map(|tensor| (tensor.name, tensor.values)).collect()
}

/// Fails when the maps shown for a frame are not those of the forward pass that gave its poses,
/// depend on frames inspected before, or disturb tracking.
#[test]
fn maps_and_poses_are_of_the_same_forward_pass() {
    let mut scrub = sample();
    let [frame, other] = [40, 80].map(|i| scrub.frame(i).unwrap());
    let mut estimator = Estimator::new(network(), true);
    let seen = estimator.infer(&frame, RequestedMaps::default()).unwrap();
    let output = estimator.inspect(&frame, &seen.poses, ALL).unwrap();
    let [region] = &output.regions[..] else {
        panic!("{} regions", output.regions.len());
    };
    assert!(region.heatmaps.n == 17 && !region.attention.is_empty());
    let pose = &output.poses[0];
    assert_eq!(pose.track_id, Some(1));
    let width = region.heatmaps.size.width;
    for (j, joint) in pose.keypoints.iter().enumerate() {
        let plane = region.heatmaps.plane(j);
        let (at, peak) = plane
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap();
        assert_eq!(joint.score, *peak, "joint {j}");
        let pixel = region
            .image_from_heatmap
            .apply(poselens_engine::geometry::Point::new(
                (at % width) as f64,
                (at / width) as f64,
            ));
        let away = (pixel.x - f64::from(joint.x)).hypot(pixel.y - f64::from(joint.y));
        assert!(away < 8.0, "joint {j} is {away} pixels from its peak");
    }
    let again = {
        estimator.inspect(&other, &[], ALL).unwrap();
        estimator.inspect(&frame, &seen.poses, ALL).unwrap()
    };
    assert_eq!(numbers(&again), numbers(&output));

    // A new run numbers people from 1; a continued one does not.
    assert_eq!(
        estimator.infer(&other, ALL).unwrap().poses[0].track_id,
        Some(1)
    );
    for i in [0, 1, 0] {
        let output = estimator.infer(&scrub.frame(i).unwrap(), ALL).unwrap();
        assert_eq!(output.poses[0].track_id, Some(1), "frame {i}");
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.safetensors");
    let answer = Answer {
        output: &output,
        source: "sample",
        shown: None,
        joint: None,
        point: None,
    };
    write_safetensors(&answer, &path).unwrap();
    let read = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    let map = &region.attention[0];
    let tensor = &read[&format!("region0.{}", map.name)];
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(values[..], *map.map.values);
}

/// Fails when processing a paused frame again, for other maps, moves its joints, or the frames after
/// it.
#[test]
fn a_frame_that_is_processed_again_keeps_its_pose() {
    let mut scrub = sample();
    let frames: Vec<_> = (30..35).map(|i| scrub.frame(i).unwrap()).collect();
    let [mut once, mut often] = [(); 2].map(|()| Estimator::new(network(), true));
    for frame in &frames {
        let wanted = once.infer(frame, RequestedMaps::default()).unwrap().poses;
        for requested in [RequestedMaps::default(), ALL, RequestedMaps::default()] {
            let poses = often.infer(frame, requested).unwrap().poses;
            assert_eq!(poses, wanted, "frame {}", frame.id);
        }
    }
}

/// Fails when the maps are computed from another crop than that of the network.
#[test]
fn an_image_without_people_is_processed_as_a_whole() {
    let size = Size::new(64, 48);
    let grey = Pixels::unpooled([90, 90, 90, 255].repeat(size.area()));
    let frame = Frame::new(0, 0.0, size, grey);
    let mut network = network();
    let roi = Roi::whole(size, network.input().size.aspect());
    let timings = &mut Timings::default();
    let wanted = network
        .infer_region(&frame, &roi, ALL, timings)
        .unwrap()
        .region;
    let mut estimator = Estimator::new(network, true);
    let output = estimator.inspect(&frame, &[], ALL).unwrap();
    assert!(output.poses.is_empty());
    assert_eq!(output.regions, [wanted]);
}

/// Fails when two models cannot be compared on one frame, their results are swapped, or a model
/// that fails to load blocks the other.
#[test]
fn two_models_process_one_frame_side_by_side() {
    let frame = sample().frame(40).unwrap();
    let woken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&woken);
    let mut inspector = Inspector::start(Arc::new(move || {
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }))
    .unwrap();
    let begin = Instant::now();
    let wait = || {
        assert!(begin.elapsed() < WAIT_LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    };
    let request = |id| InspectRequest {
        id,
        frame: frame.clone(),
        near: Vec::new(),
        requested: ALL,
    };
    inspector.request(request(1));
    let smooth = || -> poselens_engine::Result<Box<dyn Infer>> {
        Ok(Box::new(Estimator::new(network(), true)))
    };
    inspector.load(0, "first", Box::new(smooth)).unwrap();
    let missing = || Err(Error::Invalid("no weights".to_owned()));
    inspector.load(1, "second", Box::new(missing)).unwrap();
    assert!(inspector.load(2, "third", Box::new(smooth)).is_err());
    let (mut is_ready, mut has_failed) = (false, false);
    while !(is_ready && has_failed) {
        match inspector.try_event() {
            Some(InspectEvent::ModelReady { slot: 0, name }) => is_ready = name == "first",
            Some(InspectEvent::ModelFailed { slot: 1, error, .. }) => {
                has_failed = error.to_string().contains("no weights");
            }
            Some(other) => panic!("{other:?}"),
            None => wait(),
        }
    }
    let first = loop {
        // The request was sent before the model was loaded.
        if let Some(answer) = inspector.take(0) {
            break answer;
        }
        wait();
    };
    assert_eq!((first.id, first.slot), (1, 0));
    // The requested name is kept next to the name that the network reports.
    assert_eq!((&*first.name, &*first.output.model), ("first", "sfm"));
    inspector.load(1, "second", Box::new(smooth)).unwrap();
    inspector.request(request(2));
    let second = loop {
        if let Some(answer) = inspector.take(1).filter(|answer| answer.id == 2) {
            break answer;
        }
        wait();
    };
    assert!(inspector.take(1).is_none());
    assert_eq!(numbers(&second.output), numbers(&first.output));
    assert_eq!(second.output.frame.rgba(), frame.rgba());
    assert!(*woken.lock().unwrap() >= 4);
}

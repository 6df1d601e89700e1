//! Scenarios, and commands that run the program with them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::{Outcome, Running, Workdir};

/// Returns the path of the stand-in library. Cargo builds it next to this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.with_file_name("libposelens_v4l2_standin.so");
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// A folder with a scenario.
pub(super) struct Scene(pub Workdir);

impl Scene {
    pub(super) fn new(cameras: &Value) -> Self {
        let workdir = Workdir::new();
        workdir.write("scenario.json", cameras.to_string());
        Self(workdir)
    }

    /// Returns a command of the program that runs with the scenario.
    pub(super) fn command(&self, arguments: &str) -> Command {
        let mut command = self.0.command(arguments);
        command
            .env("LD_PRELOAD", library())
            .env("V4L2_STANDIN", self.0.path("scenario.json"))
            .env("V4L2_STANDIN_LOG", self.0.path("calls.txt"));
        command
    }

    pub(super) fn run(&self, arguments: &str) -> Outcome {
        Running::start(self.command(arguments)).wait()
    }

    /// Returns the JSON document of a successful run.
    pub(super) fn json(&self, arguments: &str) -> Value {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments}: {outcome:?}");
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// Returns the one-line error of a run that fails before its first frame.
    pub(super) fn complaint(&self, arguments: &str) -> String {
        let outcome = self.run(arguments);
        assert_eq!(
            (outcome.code, &*outcome.stdout),
            (Some(1), ""),
            "{outcome:?}"
        );
        let lines = outcome.stderr.lines();
        let last = lines
            .filter(|l| l.starts_with("poselens: "))
            .collect::<Vec<_>>();
        assert_eq!(last.len(), 1, "{outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
        last[0].to_owned()
    }

    /// Returns the log of the program's calls to the cameras.
    pub(super) fn calls(&self) -> Vec<String> {
        self.0
            .read("calls.txt")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// An ordinary webcam with JPEG and YUYV.
pub(super) fn webcam(node: u32) -> Value {
    json!({
        "node": node,
        "card": "HD Webcam",
        "bus": format!("usb-0000:00:14.0-{}", node + 1),
        "formats": [
            {
                "code": "YUYV",
                "sizes": {"Listed": [[640, 480], [1280, 720]]},
                "rates": {"Listed": [[1, 30], [1, 15]]},
            },
            {
                "code": "MJPG",
                "sizes": {"Listed": [[640, 480], [1280, 720]]},
                "rates": {"Listed": [[1, 30]]},
            },
        ],
    })
}

/// Returns `camera` with some fields replaced.
pub(super) fn with(mut camera: Value, fields: &Value) -> Value {
    let all = camera.as_object_mut().unwrap();
    all.extend(fields.as_object().unwrap().clone());
    camera
}

/// A camera with one format of 64 x 48 pixels.
pub(super) fn small(format: &Value) -> Value {
    let sizes =
        json!({"code": "YUYV", "sizes": {"Listed": [[64, 48]]}, "rates": {"Listed": [[1, 30]]}});
    json!({
        "node": 0,
        "card": "Small",
        "bus": "usb-1",
        "formats": [with(sizes, format)],
    })
}

/// Command that runs a few frames of the first camera.
pub(super) const RUN: &str = "run --input camera:0 --max-frames 3 --json";

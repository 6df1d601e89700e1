//! Linux cameras through Video4Linux 2.
//!
//! A `node` is an open `/dev/videoN`; `formats` lists the formats it offers, a `stream` delivers
//! frames, stamped by `clock`. `failure` words the error messages. Opening a camera always sets a
//! format: the one that another program left behind is never used.

mod clock;
mod failure;
mod formats;
mod layout;
mod node;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use v4l::v4l_sys::v4l2_capability;

use self::failure::{failure, refusal};
use self::formats::Offers;
use self::layout::Kind;
use self::node::{Argument, Node, VIDIOC_QUERYCAP};
use self::stream::Stream;
use super::driver::{CameraFormat, CameraInfo, Device, Driver, Reading, Refusal};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};

// Constants of linux/videodev2.h.
const CAN_CAPTURE: u32 = 0x1;
const CAN_CAPTURE_MPLANE: u32 = 0x1000;
const HAS_DEVICE_CAPS: u32 = 0x8000_0000;

/// Number of nodes that are tried even if the device folder does not list them.
const N_TRIED: u32 = 64;

/// Time limit for a node to respond: healthy ones respond within milliseconds, those of a hub that
/// wakes up within a second.
const PROBE: Duration = Duration::from_millis(1500);

/// Number of attempts to open a busy node again, and the pause before each.
const N_AGAIN: u32 = 4;
const AGAIN: Duration = Duration::from_millis(100);

/// The cameras of this machine.
#[derive(Debug)]
pub(super) struct NativeDriver;

impl Driver for NativeDriver {
    fn authorize(&self, _stop: &StopFlag) -> Result<()> {
        Ok(())
    }

    fn list(&self) -> Result<Vec<CameraInfo>> {
        let mut n_of_bus = BTreeMap::new();
        let mut cameras = Vec::new();
        for (index, found) in look_at_all(present_nodes(), PROBE, look_at)? {
            let (found, problem) = match found {
                Some(Some(found)) => (found, None),
                Some(None) => continue,
                None if is_known_otherwise(index) => continue,
                None => (Found::unknown(index), Some(silence(index))),
            };
            // A camera with an infrared sensor has several nodes at one place of the bus.
            let n = n_of_bus.entry(found.bus.clone()).or_insert(0);
            let id = match *n {
                0 => found.bus.clone(),
                n => format!("{}#{n}", found.bus),
            };
            *n += 1;
            cameras.push(CameraInfo {
                index,
                name: found.name,
                description: format!("{}, {}", node::path(index), found.bus),
                id,
                problem,
            });
        }
        Ok(cameras)
    }

    fn open(&self, camera: &CameraInfo) -> Result<Box<dyn Device>> {
        let cannot = |e| failure(&camera.name, "it does not open", &e);
        let node = open_patiently(camera.index).map_err(cannot)?;
        let capabilities = capabilities(&node).map_err(cannot)?;
        let kind = capture_kind(&capabilities)
            .ok_or_else(|| Error::source(&camera.name, "it delivers no frames"))?;
        Ok(Box::new(NativeDevice {
            name: camera.name.clone(),
            node,
            kind,
            offers: None,
            stream: None,
        }))
    }
}

/// Opens a node. Some drivers allow one program at a time: a concurrent camera listing, or a stream
/// that just ended, must not cause a failure.
fn open_patiently(index: u32) -> std::io::Result<Node> {
    for _ in 0..N_AGAIN {
        match Node::open(index) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(AGAIN);
            }
            done => return done,
        }
    }
    Node::open(index)
}

/// Properties of a node.
struct Found {
    name: String,
    bus: String,
}

impl Found {
    /// Describes a node that cannot be queried.
    fn unknown(index: u32) -> Self {
        Self {
            name: system_name(index).unwrap_or_else(|| format!("camera {index}")),
            bus: node::path(index),
        }
    }
}

/// Explains why a node that did not respond within [`PROBE`] is not opened.
fn silence(index: u32) -> String {
    let path = node::path(index);
    tracing::warn!("{path} did not answer within {:.1} s", PROBE.as_secs_f64());
    format!("{path} does not answer; unplug the camera and plug it in again")
}

/// Returns the indices of nodes that may exist.
fn present_nodes() -> BTreeSet<u32> {
    let tried = (0..N_TRIED).filter(|&index| Path::new(&node::path(index)).exists());
    listed_nodes().into_iter().chain(tried).collect()
}

/// Calls `look` for all nodes in parallel, each on its own thread; `None` for those that do not
/// finish within `limit`, whose threads are abandoned.
fn look_at_all<T: Send + 'static>(
    nodes: BTreeSet<u32>,
    limit: Duration,
    look: fn(u32) -> T,
) -> Result<BTreeMap<u32, Option<T>>> {
    let (answers, answered) = bounded(nodes.len());
    let mut workers = Vec::new();
    let mut found = BTreeMap::new();
    for index in nodes {
        let answers = answers.clone();
        workers.push(Worker::spawn(
            &format!("camera probe {index}"),
            StopFlag::new(),
            move |_| {
                // The time limit has passed if sending fails.
                let _ = answers.try_send((index, look(index)));
                Ok(())
            },
            |error| tracing::error!(%error, "looking at a camera failed"),
        )?);
        found.insert(index, None);
    }
    drop(answers);
    let begin = Instant::now();
    while let Some(left) = limit.checked_sub(begin.elapsed())
        && let Ok((index, answer)) = answered.recv_timeout(left)
    {
        found.insert(index, Some(answer));
    }
    for worker in workers {
        worker.detach();
    }
    Ok(found)
}

/// Returns the indices of the nodes in the device folder.
fn listed_nodes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/dev") else {
        return Vec::new();
    };
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        // `video` alone and `video-codec` are not nodes.
        name.to_str()?.strip_prefix("video")?.parse().ok()
    };
    entries.filter_map(number).collect()
}

/// Queries node `index`; `None` if it is not a camera but missing, metadata, an output or a codec.
/// One that cannot be queried counts as a camera: opening it reports the reason.
fn look_at(index: u32) -> Option<Found> {
    let node = match Node::open(index) {
        Ok(node) => node,
        Err(error) => {
            let is_absent = matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::ENODEV | libc::ENXIO)
            );
            let may_be_camera = !is_absent || Path::new(&node::path(index)).exists();
            return (may_be_camera && !is_known_otherwise(index)).then(|| Found::unknown(index));
        }
    };
    let capabilities = capabilities(&node).ok()?;
    capture_kind(&capabilities)?;
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let unknown = Found::unknown(index);
    Some(Found {
        name: text(&capabilities.card).unwrap_or(unknown.name),
        bus: text(&capabilities.bus_info).unwrap_or(unknown.bus),
    })
}

fn capabilities(node: &Node) -> std::io::Result<v4l2_capability> {
    let mut capabilities = v4l2_capability::zeroed();
    node.ask(VIDIOC_QUERYCAP, &mut capabilities)?;
    Ok(capabilities)
}

/// Returns the capture kind of the node; `None` if it does not capture. The whole device may have
/// more capabilities than the node: the node's own ones count, if reported.
fn capture_kind(capabilities: &v4l2_capability) -> Option<Kind> {
    let can = if capabilities.capabilities & HAS_DEVICE_CAPS == 0 {
        capabilities.capabilities
    } else {
        capabilities.device_caps
    };
    if can & CAN_CAPTURE != 0 {
        Some(Kind::SinglePlanar)
    } else if can & CAN_CAPTURE_MPLANE != 0 {
        Some(Kind::MultiPlanar)
    } else {
        None
    }
}

/// Returns the name of a node that cannot be opened.
fn system_name(index: u32) -> Option<String> {
    let path = format!("/sys/class/video4linux/video{index}/name");
    let name = std::fs::read_to_string(path).ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Returns whether the device manager's database tells that a node that cannot be opened does not
/// capture.
fn is_known_otherwise(index: u32) -> bool {
    let device = std::fs::read_to_string(format!("/sys/class/video4linux/video{index}/dev"));
    let record =
        device.and_then(|d| std::fs::read_to_string(format!("/run/udev/data/c{}", d.trim())));
    record.is_ok_and(|text| record_says_capture(&text) == Some(false))
}

/// Returns `None` if a record of the device manager lacks capabilities.
fn record_says_capture(record: &str) -> Option<bool> {
    let capabilities = record
        .lines()
        .find_map(|line| line.strip_prefix("E:ID_V4L_CAPABILITIES="))?;
    Some(capabilities.split(':').any(|c| c == "capture"))
}

/// An open camera.
struct NativeDevice {
    name: String,
    node: Node,
    kind: Kind,
    /// Filled in at the first query.
    offers: Option<Offers>,
    stream: Option<Stream>,
}

impl NativeDevice {
    fn offers(&mut self) -> &Offers {
        self.offers
            .get_or_insert_with(|| Offers::list(&self.node, self.kind))
    }

    fn stop(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.stop(&self.node);
        }
    }
}

impl Device for NativeDevice {
    fn formats(&mut self) -> Result<Vec<CameraFormat>> {
        let offers = self.offers();
        let formats: Vec<_> = offers.readable.iter().map(|o| o.format).collect();
        if !formats.is_empty() {
            return Ok(formats);
        }
        let reason = if offers.unreadable.is_empty() {
            "offers no formats at all; it may have no signal, or wait for a program that feeds it"
                .to_owned()
        } else {
            format!(
                "offers only formats that are not read here ({}); choose another camera",
                offers.unreadable.join(", ")
            )
        };
        Err(Error::source(&self.name, reason))
    }

    fn start(&mut self, format: CameraFormat) -> Result<CameraFormat, Refusal> {
        self.stop();
        let offer = self.offers().readable.iter().find(|o| o.format == format);
        let Some(offer) = offer.copied() else {
            let error = Error::source(&self.name, format!("does not offer {format}"));
            return Err(Refusal::Format(error));
        };
        let stream = Stream::start(&self.node, self.kind, &offer)
            .map_err(|error| refusal(&self.name, &error))?;
        let format = stream.format;
        self.stream = Some(stream);
        Ok(format)
    }

    fn read(&mut self) -> Result<Reading<'_>> {
        let Some(stream) = &mut self.stream else {
            return Err(Error::source(&self.name, "was not started"));
        };
        stream
            .read(&self.node)
            .map_err(|e| failure(&self.name, "it stopped delivering", &e))
    }
}

impl Drop for NativeDevice {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a webcam's metadata node that cannot be opened is listed as a second camera, or a
    /// camera is hidden because its capabilities are unknown.
    #[test]
    fn metadata_nodes_are_recognised() {
        let record = |caps| format!("S:v4l/by-id/x\nE:ID_V4L_VERSION=2\n{caps}\nG:seat\n");
        let says = |caps| record_says_capture(&record(caps));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:capture:"), Some(true));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:"), Some(false));
        assert_eq!(says("E:ID_V4L_CAPABILITIES=:video_output:"), Some(false));
        assert_eq!(says("E:ID_MODEL=capture"), None);
    }

    /// Fails when a node that hangs prevents the others from being listed, or is missing itself.
    #[test]
    fn a_hanging_node_delays_no_other() {
        let look = |index| match index {
            3 => loop {
                std::thread::park();
            },
            index => index * 2,
        };
        let found = look_at_all(BTreeSet::from([1, 3, 8]), Duration::from_secs(1), look).unwrap();
        assert_eq!(found[&3], None);
        // The limit applies to all of them: no thread waits for another.
        let others = || look_at_all(BTreeSet::from([1, 8]), crate::test_wait::WAIT_LIMIT, look);
        let others = others().unwrap();
        assert_eq!(others, BTreeMap::from([(1, Some(2)), (8, Some(16))]));
    }

    /// Fails when device capabilities are taken for node capabilities: a metadata node would count
    /// as a camera.
    #[test]
    fn capabilities_of_the_node_count() {
        let kind = |capabilities, device_caps| {
            capture_kind(&v4l2_capability {
                capabilities,
                device_caps,
                ..v4l2_capability::zeroed()
            })
        };
        let metadata = 0x0080_0000;
        assert_eq!(kind(HAS_DEVICE_CAPS | 1, 1), Some(Kind::SinglePlanar));
        assert_eq!(kind(HAS_DEVICE_CAPS | 1 | metadata, metadata), None);
        assert_eq!(kind(1, 0), Some(Kind::SinglePlanar));
        assert_eq!(kind(CAN_CAPTURE_MPLANE, 0), Some(Kind::MultiPlanar));
        assert_eq!(kind(2, 0), None, "an output");
    }
}

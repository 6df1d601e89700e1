//! OSC 1.0: one bundle per frame.
//!
//! Only the types that every receiver knows are used: `i` and `f`.
//!
//! | address | arguments |
//! |---|---|
//! | `/pose/begin` | frame, time in seconds |
//! | `/pose/count` | number of people |
//! | `/pose/ID/JOINT` | x and y in pixels, score, x and y from 0 to 1 |
//! | `/pose/end` | frame |

use std::time::{SystemTime, UNIX_EPOCH};

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};

use crate::error::{Error, Result};
use crate::output::PoseOutput;
use crate::pose_json::triple;
use crate::words::joint_in_full;

/// Seconds from 1900, where the time of OSC begins, to 1970.
const SECS_TO_1970: u64 = 2_208_988_800;

/// Encodes the poses of a frame that was captured at `captured`, the time tag of the bundle. The id
/// of a person without track id is 0; a joint that is absent is five zeros. Frame numbers wrap at
/// 2^31.
///
/// # Errors
/// When the frame cannot be encoded.
pub fn osc_bundle(output: &PoseOutput, captured: SystemTime) -> Result<Vec<u8>> {
    let int = |value: u64| OscType::Int((value & 0x7fff_ffff) as i32);
    let float = |value: f64| OscType::Float(value as f32);
    let (frame, n) = (int(output.frame.id), int(output.poses.len() as u64));
    let time = float(output.frame.time_secs);
    let mut content = vec![
        message("/pose/begin".to_owned(), vec![frame.clone(), time]),
        message("/pose/count".to_owned(), vec![n]),
    ];
    let size = output.frame.size();
    let (width, height) = (size.width as f64, size.height as f64);
    for pose in &output.poses {
        let id = pose.track_id.unwrap_or(0);
        for (joint, keypoint) in output.skeleton.joints.iter().zip(&pose.keypoints) {
            let [x, y, score] = triple(keypoint);
            let is_absent = [x, y, score] == [0.0; 3];
            // Pixel centres are integers: the image reaches half a pixel beyond them.
            let share = |at: f64, of: f64| if is_absent { 0.0 } else { (at + 0.5) / of };
            let values = [x, y, score, share(x, width), share(y, height)];
            let address = format!("/pose/{id}/{}", joint_in_full(joint));
            content.push(message(address, values.map(float).to_vec()));
        }
    }
    content.push(message("/pose/end".to_owned(), vec![frame]));
    let timetag = osc_time(captured);
    let bundle = OscPacket::Bundle(OscBundle { timetag, content });
    rosc::encoder::encode(&bundle).map_err(|e| Error::Internal(format!("OSC: {e:?}")))
}

fn message(addr: String, args: Vec<OscType>) -> OscPacket {
    OscPacket::Message(OscMessage { addr, args })
}

fn osc_time(time: SystemTime) -> OscTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    OscTime {
        // Wraps in 2036, as the format prescribes.
        seconds: (since.as_secs() + SECS_TO_1970) as u32,
        fractional: ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Fails when receivers schedule frames decades away, or half a second off.
    #[test]
    fn time_tags_count_from_1900() {
        let time = osc_time(UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!((time.seconds, time.fractional), (2_208_988_801, 1 << 31));
    }
}

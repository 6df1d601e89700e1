//! Live streams fed by the running threads.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use serde_json::Value;

use super::tests::{model, model_ready, start, stepped_source, wait_for_event};
use super::*;
use crate::send::{Form, Target};
use crate::test_wait::WAIT_LIMIT;

fn receiver() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    socket
}

fn next_frame(socket: &UdpSocket) -> Value {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    serde_json::from_slice(&buffer[..n]).unwrap()
}

/// Fails when frames of a run are not streamed, in another order or more than once, or a receiver
/// that is pulled away costs the run or the other receiver a frame.
#[test]
fn receivers_get_every_frame_of_a_run() {
    let [steady, pulled] = [receiver(), receiver()];
    let targets = [&steady, &pulled].map(|socket| Target {
        form: Form::Udp,
        host: "127.0.0.1".to_owned(),
        port: socket.local_addr().unwrap().port(),
    });
    let mut pulled = Some(pulled);
    let streams = Arc::new(Streams::open(&targets).unwrap());
    let mut pipeline = start(Pacing::EveryFrame);
    pipeline.send_to(Some(Arc::clone(&streams)));
    pipeline.switch_model("m", model("m", 0, None)).unwrap();
    wait_for_event(&pipeline, model_ready);
    let (open, step) = stepped_source();
    pipeline.switch_source("fake", open).unwrap();
    for id in 0..100_u64 {
        step.send(()).unwrap();
        let frame = next_frame(&steady);
        assert_eq!(frame["frame"].as_u64(), Some(id));
        // Smoothed, as on the screen.
        assert_eq!(frame["poses"][0]["keypoints"][0][0], 2.0);
        pulled = pulled.filter(|_| id < 50);
        if let Some(pulled) = &pulled {
            assert_eq!(next_frame(pulled)["frame"].as_u64(), Some(id));
        }
    }
    pipeline.send_to(None);
    let tallies = streams.finish();
    assert_eq!((tallies[0].sent, tallies[0].dropped), (100, 0));
    assert_eq!(tallies[1].sent + tallies[1].dropped, 100);
    drop(step);
}

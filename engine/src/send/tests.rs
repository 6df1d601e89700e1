//! Streams to real sockets on this computer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rosc::{OscMessage, OscPacket, OscType};
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::{Form, Streams, Tally, Target, osc_bundle};
use crate::frame::Frame;
use crate::geometry::{BBox, Size};
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::pose::{Keypoint, Pose};
use crate::skeleton::Skeleton;
use crate::test_wait::{WAIT_LIMIT, ends, until, wait_for};

/// Returns frame `id` with people of the given ids, whose joint `j` is at (`j`, 10).
fn frame(id: u64, ids: &[Option<u64>]) -> PoseOutput {
    let mut frame = Frame::blank(id as f64 / 25.0, Size::new(40, 20));
    frame.id = id;
    let joint = |j: u8| Keypoint::from([f32::from(j), 10.0, 0.5]);
    let person = |track_id: &Option<u64>| Pose {
        track_id: *track_id,
        score: 0.5,
        bbox: BBox::new(0.0, 0.0, 17.0, 10.0),
        keypoints: (0..17).map(joint).collect(),
        keypoints_raw: (0..17).map(joint).collect(),
        past: Vec::new(),
    };
    PoseOutput {
        frame,
        model: Arc::from("sfm"),
        skeleton: Skeleton::by_name("coco17").unwrap(),
        poses: ids.iter().map(person).collect(),
        regions: Vec::new(),
        timings: Timings::default(),
        people: PeopleCount::default(),
    }
}

fn messages(datagram: &[u8]) -> Vec<OscMessage> {
    let (rest, packet) = rosc::decoder::decode_udp(datagram).unwrap();
    assert!(rest.is_empty());
    let OscPacket::Bundle(bundle) = packet else {
        panic!("no bundle");
    };
    let content = bundle.content.into_iter();
    let message = |packet| match packet {
        OscPacket::Message(message) => message,
        OscPacket::Bundle(_) => panic!("a bundle in a bundle"),
    };
    content.map(message).collect()
}

/// Fails when an OSC receiver gets other joints, names, ids or an order that differs from the
/// documented one.
#[test]
fn a_bundle_has_a_frame_with_all_its_joints() {
    let mut output = frame(7, &[Some(3), None]);
    output.poses[0].keypoints[16].x = f32::NAN;
    let datagram = osc_bundle(&output, UNIX_EPOCH).unwrap();
    let messages = messages(&datagram);
    let addresses: Vec<&str> = messages.iter().map(|m| m.addr.as_str()).collect();
    assert_eq!(addresses.len(), 2 + 2 * 17 + 1);
    assert_eq!(
        addresses[..3],
        ["/pose/begin", "/pose/count", "/pose/3/nose"]
    );
    assert_eq!(addresses[11], "/pose/3/left_wrist");
    assert_eq!(addresses[19], "/pose/0/nose");
    assert_eq!(addresses[36], "/pose/end");
    let int = OscType::Int;
    assert_eq!(messages[0].args, [int(7), OscType::Float(0.28)]);
    assert_eq!(messages[1].args, [int(2)]);
    let values = [9.0, 10.0, 0.5, 9.5 / 40.0, 10.5 / 20.0].map(OscType::Float);
    assert_eq!(messages[11].args, values);
    assert_eq!(messages[18].args, [0.0; 5].map(OscType::Float));
    assert_eq!(messages[36].args, [int(7)]);
}

/// Fails when the bytes are only understood by the library that wrote them.
#[test]
fn an_empty_frame_has_the_bytes_of_the_specification() {
    let datagram = osc_bundle(&frame(1, &[]), UNIX_EPOCH).unwrap();
    let mut expected = b"#bundle\0".to_vec();
    // 1970 in seconds since 1900, and no fraction.
    expected.extend([0x83, 0xaa, 0x7e, 0x80, 0, 0, 0, 0]);
    expected.extend([0, 0, 0, 24]);
    expected.extend(b"/pose/begin\0,if\0");
    expected.extend([0, 0, 0, 1]);
    expected.extend(0.04_f32.to_be_bytes());
    expected.extend([0, 0, 0, 20]);
    expected.extend(b"/pose/count\0,i\0\0");
    expected.extend([0, 0, 0, 0]);
    expected.extend([0, 0, 0, 20]);
    expected.extend(b"/pose/end\0\0\0,i\0\0");
    expected.extend([0, 0, 0, 1]);
    assert_eq!(datagram, expected);
}

/// Returns a receiver and its port.
fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn target(form: Form, port: u16) -> Target {
    Target {
        form,
        host: "127.0.0.1".to_owned(),
        port,
    }
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

fn number(json: &[u8]) -> u64 {
    let line: Value = serde_json::from_slice(json).unwrap();
    line["frame"].as_u64().unwrap()
}

/// Fails when a frame is lost, doubled, or arrives before an earlier one.
#[test]
fn receivers_get_every_frame_in_order() {
    let [(osc, osc_port), (json, json_port)] = [receiver(), receiver()];
    let targets = [target(Form::Osc, osc_port), target(Form::Udp, json_port)];
    let streams = Streams::open(&targets).unwrap();
    // Few at a time: the buffers of sockets are small.
    for ids in (0..100).collect::<Vec<u64>>().chunks(10) {
        for id in ids {
            streams.push(&frame(*id, &[Some(1)]));
        }
        for id in ids {
            let line = receive(&json);
            assert!(line.ends_with(b"\n") && number(&line) == *id);
            let begin = &messages(&receive(&osc))[0];
            assert_eq!(begin.args[0], OscType::Int(*id as i32));
        }
    }
    for tally in streams.finish() {
        assert_eq!((tally.sent, tally.dropped), (100, 0), "{tally:?}");
    }
}

/// Fails when the order of people in a stream differs from that of files.
#[test]
fn people_are_ordered_by_id() {
    let (json, port) = receiver();
    let streams = Streams::open(&[target(Form::Udp, port)]).unwrap();
    streams.push(&frame(0, &[None, Some(5), Some(2)]));
    let line: Value = serde_json::from_slice(&receive(&json)).unwrap();
    let people = line["poses"].as_array().unwrap().iter();
    let ids: Vec<_> = people.map(|p| p["track_id"].as_u64()).collect();
    assert_eq!(ids, [Some(2), Some(5), None]);
}

/// Fails when a receiver that vanishes blocks the others or the caller, its loss is not counted, or
/// it gets nothing after it has returned.
#[test]
fn a_receiver_may_vanish_and_return() {
    let [(gone, port), (other, other_port)] = [receiver(), receiver()];
    let targets = [port, other_port].map(|port| target(Form::Udp, port));
    let streams = Streams::open(&targets).unwrap();
    let handled = |n: u64| {
        let all = |t: &Tally| t.sent + t.dropped == n;
        until(|| streams.tallies().iter().all(all));
    };
    streams.push(&frame(0, &[]));
    assert_eq!(number(&receive(&gone)), 0);
    drop(gone);
    for id in 1..=5 {
        streams.push(&frame(id, &[]));
        handled(id + 1);
    }
    for id in 0..=5 {
        assert_eq!(number(&receive(&other)), id);
    }
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    back.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    for id in 6..10 {
        streams.push(&frame(id, &[]));
        assert_eq!(number(&receive(&back)), id);
    }
    let tallies = streams.finish();
    // The system reports a loss with a later frame, and may report several as one.
    let (sent, dropped) = (tallies[0].sent, tallies[0].dropped);
    assert!(sent + dropped == 10 && (1..=5).contains(&dropped));
    assert_eq!((tallies[1].sent, tallies[1].dropped), (10, 0));
}

/// Returns a WebSocket stream and its port.
fn serve() -> (Streams, u16) {
    wait_for(|| {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // Another test may have taken the port.
        let streams = Streams::open(&[target(Form::WebSocket, port)]).ok()?;
        Some((streams, port))
    })
}

/// Connects to a WebSocket, as a page of `origin` if given.
fn connect(port: u16, origin: Option<&str>) -> Result<WebSocket<TcpStream>, String> {
    let mut request = format!("ws://127.0.0.1:{port}/")
        .into_client_request()
        .unwrap();
    if let Some(origin) = origin {
        let origin = origin.parse().unwrap();
        request.headers_mut().insert("origin", origin);
    }
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let connected = tungstenite::client(request, stream);
    connected
        .map(|(socket, _)| socket)
        .map_err(|error| error.to_string())
}

fn clients(streams: &Streams) -> Option<usize> {
    streams.tallies()[0].clients
}

/// Fails when a page of another computer may read joints, or one of this computer or a program may
/// not.
#[test]
fn pages_of_other_computers_are_refused() {
    let (streams, port) = serve();
    let refusal = connect(port, Some("https://example.org")).unwrap_err();
    assert!(refusal.contains("403"), "{refusal}");
    let allowed = [None, Some("null"), Some("http://localhost:8000")];
    let sockets: Vec<_> = allowed.map(|o| connect(port, o).unwrap()).into();
    until(|| clients(&streams) == Some(3));
    assert_eq!(streams.tallies()[0].refused, 1);
    streams.push(&frame(4, &[Some(1)]));
    for mut socket in sockets {
        let text = socket.read().unwrap().into_text().unwrap();
        assert_eq!(number(text.as_bytes()), 4);
    }
}

/// Fails when a client that stops reading holds up the others, or its frames are not counted as
/// dropped, or the end waits for it.
#[test]
fn a_client_that_stops_reading_only_loses_its_own_frames() {
    let (streams, port) = serve();
    let stalled = connect(port, None).unwrap();
    let mut reading = connect(port, None).unwrap();
    until(|| clients(&streams) == Some(2));
    let crowd: Vec<_> = (1..=60).map(Some).collect();
    let mut id = 0;
    while streams.tallies()[0].dropped == 0 {
        streams.push(&frame(id, &crowd));
        let text = reading.read().unwrap().into_text().unwrap();
        assert_eq!(number(text.as_bytes()), id);
        id += 1;
        assert!(id < 10_000, "nothing is ever dropped");
    }
    let streams = Arc::new(streams);
    let ending = Arc::clone(&streams);
    let tally = ends(move || ending.finish()).remove(0);
    assert!(tally.sent >= id && tally.dropped > 0, "{tally:?}");
    drop(stalled);
}

/// Fails when a client can send data to the program, or its connection survives the attempt.
#[test]
fn input_of_clients_ends_their_connection() {
    let (streams, port) = serve();
    for input in [Message::text("hello"), Message::text("x".repeat(100_000))] {
        let mut socket = connect(port, None).unwrap();
        until(|| clients(&streams) == Some(1));
        // The connection may end while the message is being sent.
        let _ = socket.send(input);
        until(|| clients(&streams) == Some(0));
        let end = wait_for(|| match socket.read() {
            Ok(Message::Close(_)) => None,
            other => Some(other),
        });
        assert!(end.is_err(), "{end:?}");
    }
    // Control messages are no input.
    let mut socket = connect(port, None).unwrap();
    socket.send(Message::Ping(vec![1].into())).unwrap();
    let answer = socket.read().unwrap();
    assert!(matches!(answer, Message::Pong(_)), "{answer:?}");
}

/// Fails when a connection without a request holds up clients, or stays open for ever.
#[test]
fn an_unfinished_handshake_holds_nobody_up() {
    let (streams, port) = serve();
    let mut silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut socket = connect(port, None).unwrap();
    until(|| clients(&streams) == Some(1));
    streams.push(&frame(2, &[]));
    assert!(socket.read().unwrap().is_text());
    silent.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    // Ends by the time limit of the handshake.
    let ended = silent.read(&mut [0; 16]);
    assert!(matches!(ended, Ok(0)) || ended.is_err(), "{ended:?}");
}

/// Fails when a client does not learn that the stream has ended, or lacks its last frames.
#[test]
fn the_end_is_said_after_the_last_frame() {
    let (streams, port) = serve();
    let mut socket = connect(port, None).unwrap();
    until(|| clients(&streams) == Some(1));
    let reader = std::thread::spawn(move || {
        let mut numbers = Vec::new();
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => numbers.push(number(text.as_bytes())),
                Ok(_) => {}
                Err(_) => return numbers,
            }
        }
    });
    for id in 0..5 {
        streams.push(&frame(id, &[]));
        until(|| streams.tallies()[0].sent == id + 1);
    }
    let tally = streams.finish().remove(0);
    assert_eq!(reader.join().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!((tally.sent, tally.dropped), (5, 0));
    // Nothing is counted after the end.
    streams.push(&frame(5, &[]));
    assert_eq!(streams.tallies()[0].sent, 5);
}

/// Fails when a port in use is found only when no client can connect, or the line does not name
/// the target.
#[test]
fn a_port_in_use_is_an_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = target(Form::WebSocket, taken.local_addr().unwrap().port());
    let error = Streams::open(std::slice::from_ref(&target)).unwrap_err();
    let error = error.to_string();
    assert!(error.contains(&target.to_string()), "{error}");
}

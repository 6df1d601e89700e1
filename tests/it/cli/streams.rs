//! Live streams of joints, received without the libraries that send them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use poselens_tests::WAIT_LIMIT;
use serde_json::{Value, json};

use super::{Running, Workdir, asset};

/// Returns a receiver and its address.
fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

/// Fails when receivers lack frames, get them in another order, or other joints than the file.
#[test]
fn receivers_get_what_the_file_gets() {
    let workdir = Workdir::new();
    let [(lines, lines_at), (bundles, bundles_at)] = [receiver(), receiver()];
    let summary = workdir.json(&format!(
        "run --input sample --max-frames 8 --write-json out.jsonl --json \
         --send udp:{lines_at} --send osc:{bundles_at}"
    ));
    let sent: String = (0..8)
        .map(|_| String::from_utf8(receive(&lines)).unwrap())
        .collect();
    assert_eq!(sent, workdir.read("out.jsonl"));
    for frame in 0..8_u8 {
        let bundle = receive(&bundles);
        assert!(bundle.starts_with(b"#bundle\0"), "{bundle:?}");
        let end = [b"/pose/end\0\0\0,i\0\0".as_slice(), &[0, 0, 0, frame]].concat();
        assert!(bundle.ends_with(&end), "frame {frame}");
        let joint = b"/pose/1/left_wrist\0\0,fffff\0\0";
        assert!(bundle.windows(joint.len()).any(|w| w == joint));
    }
    let targets = [format!("udp:{lines_at}"), format!("osc:{bundles_at}")];
    for (told, target) in summary["streams"].as_array().unwrap().iter().zip(targets) {
        assert_eq!(told["target"], target);
        assert_eq!((&told["sent"], &told["dropped"]), (&json!(8), &json!(0)));
    }
}

/// Reads the next text message of a WebSocket.
fn text_message(socket: &mut TcpStream) -> Value {
    let mut head = [0; 2];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "no whole text");
    let length = match head[1] {
        126 => {
            let mut bytes = [0; 2];
            socket.read_exact(&mut bytes).unwrap();
            usize::from(u16::from_be_bytes(bytes))
        }
        short => usize::from(short),
    };
    let mut text = vec![0; length];
    socket.read_exact(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Fails when a WebSocket client that keeps to the standard gets no frames.
#[test]
fn a_websocket_client_gets_frames() {
    let workdir = Workdir::new();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let arguments = format!("run --input synthetic:live --serve ws://{at}");
    let mut running = Running::start(workdir.command(&arguments));
    let mut connected = None;
    running.until("server", || {
        connected = TcpStream::connect(at).ok();
        connected.is_some()
    });
    let mut socket = connected.unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {at}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    // The example of RFC 6455, section 1.3.
    let key = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
    assert!(answer.contains(key), "{answer}");
    let [first, second] = [(); 2].map(|()| text_message(&mut socket));
    assert_eq!(first["skeleton"], "coco17");
    assert!(first["frame"].as_u64() < second["frame"].as_u64());
}

/// Fails when a target that cannot be opened is noticed only after the run, or its line does not
/// name it.
#[test]
fn a_target_that_cannot_be_opened_fails_the_run() {
    let workdir = Workdir::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = format!("ws://{}", taken.local_addr().unwrap());
    let run = "run --input synthetic --max-frames 2 --write-json out.jsonl";
    let line = workdir.complaint(&format!("{run} --serve {target}"));
    assert!(line.contains(&target), "{line}");
    assert!(!workdir.path("out.jsonl").exists());
    let twice = "--send udp:127.0.0.1:9000 --send udp:127.0.0.1:9000";
    let line = workdir.misuse(&format!("{run} {twice}"));
    assert!(line.contains("udp:127.0.0.1:9000 is given twice"), "{line}");
    for (option, hint) in [
        ("--send ws://127.0.0.1:9000", "--serve ws://127.0.0.1:9000"),
        ("--serve udp:127.0.0.1:9000", "--send udp:127.0.0.1:9000"),
        ("--send 127.0.0.1:9000", "osc:HOST:PORT"),
    ] {
        let outcome = workdir.run(&format!("{run} {option}"));
        assert_eq!(outcome.code, Some(2), "{option}: {outcome:?}");
        assert!(outcome.stderr.contains(hint), "{option}: {outcome:?}");
    }
}

/// Fails when the page that draws the skeletons has other joints or limbs than the program.
#[test]
fn the_page_has_the_skeletons_of_the_program() {
    let page = std::fs::read_to_string(asset("send/skeleton.html")).unwrap();
    let (_, rest) = page.split_once("id=\"skeletons\">").unwrap();
    let (table, _) = rest.split_once("</script>").unwrap();
    let known: BTreeMap<String, Value> = serde_json::from_str(table).unwrap();
    let own = std::fs::read_to_string(asset("skeletons.json")).unwrap();
    let own: BTreeMap<String, Value> = serde_json::from_str(&own).unwrap();
    let own = own.into_iter().filter(|(_, s)| s.get("joints").is_some());
    let own: BTreeMap<_, _> = own
        .map(|(name, s)| (name, json!({"joints": s["joints"], "limbs": s["limbs"]})))
        .collect();
    assert_eq!(known, own);
}

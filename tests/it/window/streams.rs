//! Live streams of joints from the window.

use std::net::{Ipv4Addr, UdpSocket};

use egui_kittest::kittest::Queryable;
use poselens_tests::WAIT_LIMIT;
use serde_json::Value;

use super::Window;

/// Returns a receiver and its port.
fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn next_frame(socket: &UdpSocket) -> Value {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    serde_json::from_slice(&buffer[..n]).unwrap()
}

/// Types targets into the field of the open menu.
fn type_targets(window: &mut Window, text: &str) {
    window.click("Targets of joints");
    let field = window.harness.get_by_label("Targets of joints");
    field.type_text(text);
    window.harness.run_steps(2);
    assert_eq!(window.harness.state().state().stream_targets, text);
}

/// Fails when joints are not sent to the typed targets, are sent without being asked for, or a
/// mistyped target is not reported.
#[test]
fn joints_are_sent_while_it_is_turned_on() {
    let (socket, port) = receiver();
    let mut window = Window::running("clip.mp4");
    assert!(!window.ui_state().sending.is_on && window.has("local only"));
    window.click("Outputs of recordings");
    window.click("Send joints");
    window.until_says("no target for joints");
    if !window.has("Targets of joints") {
        window.click("Outputs of recordings");
    }
    type_targets(&mut window, &format!("udp:127.0.0.1:{port}"));
    window.click("Send joints");
    window.until(|s| s.sending.tallies.iter().any(|t| t.sent > 1));
    let [first, second] = [(); 2].map(|()| next_frame(&socket));
    assert!(first["frame"].as_u64() < second["frame"].as_u64());
    assert!(window.has("local only"));
    if !window.has("Send joints") {
        window.click("Outputs of recordings");
    }
    window.click("Send joints");
    window.until(|s| !s.sending.is_on && s.sending.tallies.is_empty());
    window.until_says("sent");
}

/// Fails when joints leave this computer without a confirmation, or the header hides that they do.
/// All addresses of this computer count as another one, because they are not only its own.
#[cfg(target_os = "linux")]
#[test]
fn other_computers_are_confirmed() {
    let (socket, port) = receiver();
    let mut window = Window::running("clip.mp4");
    window.click("Outputs of recordings");
    type_targets(&mut window, &format!("udp:0.0.0.0:{port}"));
    window.click("Send joints");
    window.until_seen(|w| w.has("Do not send"));
    window.click("Do not send");
    window.until_seen(|w| !w.has("Do not send"));
    assert!(!window.ui_state().sending.is_on && window.has("local only"));
    if !window.has("Send joints") {
        window.click("Outputs of recordings");
    }
    window.click("Send joints");
    window.until_seen(|w| w.has("Do not send"));
    window.click("Send");
    window.until(|s| s.sending.tallies.iter().any(|t| t.sent > 0));
    assert!(next_frame(&socket)["poses"].is_array());
    let badge = format!("joints to udp:0.0.0.0:{port}");
    assert!(window.has(&badge) && !window.has("local only"));
}

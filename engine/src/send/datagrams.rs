//! Sending by UDP, one datagram per frame.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;

use super::tally::SharedTally;
use super::target::Target;
use crate::concurrency::StopFlag;
use crate::error::Result;

/// Time limit of sending one frame, while the system has no room for it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Opens a socket that sends to `target`.
///
/// # Errors
/// When the host is unknown or cannot be reached by any network.
pub(super) fn open(target: &Target) -> Result<UdpSocket> {
    let mut failure = "the host has no address".to_owned();
    for address in target.addresses()? {
        match connected(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(target.failure(&failure))
}

fn connected(to: SocketAddr) -> Result<UdpSocket, Error> {
    let socket = if to.is_ipv4() {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?
    } else {
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?
    };
    // A connected socket is told that nothing receives at this address.
    socket.connect(to)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Sends frames until their queue has ended.
pub(super) fn send_all(
    socket: &UdpSocket,
    frames: &Receiver<Arc<[u8]>>,
    tally: &SharedTally,
    stop: &StopFlag,
) {
    for frame in frames {
        if stop.is_stopped() {
            tally.dropped(1 + frames.len() as u64);
            return;
        }
        send(socket, &frame, tally);
    }
}

fn send(socket: &UdpSocket, frame: &[u8], tally: &SharedTally) {
    let mut outcome = socket.send(frame);
    let mut trouble = None;
    if outcome.as_ref().is_err_and(is_refusal) {
        // Reported late: it was the previous frame that found no receiver. This one is sent again.
        let mut tally = tally.lock();
        let n = u64::from(tally.sent > 0);
        tally.sent -= n;
        tally.dropped += n;
        drop(tally);
        trouble = Some("nothing receives there".to_owned());
        outcome = socket.send(frame);
    }
    let mut tally = tally.lock();
    match outcome {
        Ok(_) => {
            tally.sent += 1;
            tally.trouble = trouble;
        }
        Err(error) => {
            tally.dropped += 1;
            tally.trouble = Some(error.to_string());
        }
    }
}

fn is_refusal(error: &Error) -> bool {
    // Windows reports a reset.
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

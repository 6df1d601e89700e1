//! One client of the WebSocket server.

use std::io::ErrorKind;
use std::net::TcpStream;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use super::tally::SharedTally;

/// Limit of the messages read at a time, so that no client occupies the thread.
const MAX_READ: usize = 16;

/// The connection has ended.
#[derive(Debug)]
pub(super) struct Gone;

/// A connected client, whose socket never blocks. Of the frames that it is too slow for, it gets
/// the newest.
pub(super) struct Client {
    socket: WebSocket<TcpStream>,
    /// Whether a frame is only partly sent.
    is_sending: bool,
    /// The frame that follows.
    waiting: Option<Message>,
    tally: SharedTally,
}

impl Client {
    pub(super) fn new(socket: WebSocket<TcpStream>, tally: SharedTally) -> Self {
        Self {
            socket,
            is_sending: false,
            waiting: None,
            tally,
        }
    }

    /// Sends a frame, after the one that is partly sent and instead of one that waits.
    pub(super) fn offer(&mut self, frame: &Message) -> Result<(), Gone> {
        if self.waiting.replace(frame.clone()).is_some() {
            self.tally.dropped(1);
        }
        self.send()
    }

    /// Sends as much as the client takes, and answers its control messages.
    pub(super) fn tend(&mut self) -> Result<(), Gone> {
        self.read()?;
        self.send()
    }

    /// Returns whether all frames are sent.
    pub(super) fn is_done(&self) -> bool {
        !self.is_sending && self.waiting.is_none()
    }

    /// Says goodbye; [`Client::tend`] fails when the client has answered.
    pub(super) fn close(&mut self) {
        // The client may be gone already.
        let _ = self.socket.close(None);
    }

    fn send(&mut self) -> Result<(), Gone> {
        if !self.flush()? {
            return Ok(());
        }
        if let Some(frame) = self.waiting.take() {
            self.is_sending = true;
            match self.socket.write(frame) {
                Ok(()) => {}
                // The rest is in the socket's buffer.
                Err(error) if is_blocked(&error) => {}
                Err(_) => return Err(Gone),
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the socket's buffer; returns whether it is empty.
    fn flush(&mut self) -> Result<bool, Gone> {
        match self.socket.flush() {
            Ok(()) => {
                self.tally.lock().sent += u64::from(self.is_sending);
                self.is_sending = false;
                Ok(true)
            }
            Err(error) if is_blocked(&error) => Ok(false),
            Err(_) => Err(Gone),
        }
    }

    /// Reads control messages; the server has no use for others and ends the connection.
    fn read(&mut self) -> Result<(), Gone> {
        for _ in 0..MAX_READ {
            match self.socket.read() {
                // Answered by the next flush.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
                Ok(_) => {
                    let _ = self.socket.close(Some(CloseFrame {
                        code: CloseCode::Policy,
                        reason: "this server only sends".into(),
                    }));
                    let _ = self.socket.flush();
                    return Err(Gone);
                }
                Err(error) if is_blocked(&error) => return Ok(()),
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let n = u64::from(self.is_sending) + u64::from(self.waiting.is_some());
        self.tally.dropped(n);
    }
}

fn is_blocked(error: &Error) -> bool {
    matches!(error, Error::Io(e) if e.kind() == ErrorKind::WouldBlock)
}

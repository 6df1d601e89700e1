//! The WebSocket server: one thread for all clients, none of which it waits for.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::StatusCode;
use tungstenite::http::header::ORIGIN;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket, accept_hdr_with_config};

use super::client::{Client, Gone};
use super::origin;
use super::tally::SharedTally;
use super::target::Target;
use crate::concurrency::StopFlag;
use crate::error::Result;

/// Interval at which new clients and control messages are looked for between frames.
const POLL: Duration = Duration::from_millis(10);

/// Time limit of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Time for slow clients at the end.
const FAREWELL: Duration = Duration::from_millis(300);

/// Limit of the clients, including those in their handshake.
const MAX_CLIENTS: usize = 16;

/// Limit of a client's messages in bytes; control messages have at most 125.
const MAX_INPUT: usize = 1024;

type Role = ServerHandshake<TcpStream, OriginCheck>;

/// The listening socket with its clients.
pub(super) struct Server {
    listener: TcpListener,
    tally: SharedTally,
    shaking: Vec<Shaking>,
    clients: Vec<Client>,
}

/// A client whose request is not complete.
struct Shaking {
    handshake: MidHandshake<Role>,
    since: Instant,
}

impl Server {
    /// Listens at the address of `target`.
    ///
    /// # Errors
    /// When the address is not one of this computer's, or in use.
    pub(super) fn open(target: &Target, tally: SharedTally) -> Result<Self> {
        let mut addresses = target.addresses()?;
        // A port in use must not lead to the host's next address, where nobody expects the server.
        addresses.truncate(1);
        let listening = TcpListener::bind(addresses.as_slice()).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = listening.map_err(|e| target.failure(&e.to_string()))?;
        Ok(Self {
            listener,
            tally,
            shaking: Vec::new(),
            clients: Vec::new(),
        })
    }

    /// Passes frames on to every client until their queue has ended.
    pub(super) fn run(mut self, frames: &Receiver<Arc<[u8]>>, stop: &StopFlag) {
        while !stop.is_stopped() {
            match frames.recv_timeout(POLL) {
                Ok(frame) => self.offer(&frame),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.accept();
            for Shaking { handshake, since } in std::mem::take(&mut self.shaking) {
                self.shake(handshake.handshake(), since);
            }
            self.keep(Client::tend);
        }
        self.close();
    }

    fn offer(&mut self, frame: &[u8]) {
        let text = String::from_utf8_lossy(frame.trim_ascii_end());
        let message = Message::text(text.into_owned());
        self.keep(|client| client.offer(&message));
    }

    /// Calls `work` with every client and removes those that are gone.
    fn keep(&mut self, mut work: impl FnMut(&mut Client) -> Result<(), Gone>) {
        self.clients.retain_mut(|client| work(client).is_ok());
        self.tally.lock().clients = Some(self.clients.len());
    }

    fn accept(&mut self) {
        for _ in 0..MAX_CLIENTS {
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            let is_full = self.shaking.len() + self.clients.len() >= MAX_CLIENTS;
            if is_full || stream.set_nonblocking(true).is_err() {
                self.tally.lock().refused += 1;
                continue;
            }
            // Otherwise small frames wait for the answer to the previous one.
            let _ = stream.set_nodelay(true);
            let check = OriginCheck(self.tally.clone());
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_INPUT))
                .max_frame_size(Some(MAX_INPUT));
            let begun = accept_hdr_with_config(stream, check, Some(config));
            self.shake(begun, Instant::now());
        }
    }

    fn shake(
        &mut self,
        outcome: Result<WebSocket<TcpStream>, HandshakeError<Role>>,
        since: Instant,
    ) {
        match outcome {
            Ok(socket) => self.clients.push(Client::new(socket, self.tally.clone())),
            Err(HandshakeError::Interrupted(handshake)) if since.elapsed() < HANDSHAKE => {
                self.shaking.push(Shaking { handshake, since });
            }
            Err(error) => tracing::debug!(%error, "a WebSocket handshake failed"),
        }
    }

    /// Gives slow clients a moment for their last frame, then ends all connections.
    fn close(&mut self) {
        let begin = Instant::now();
        let mut is_closing = false;
        while !self.clients.is_empty() && begin.elapsed() < FAREWELL {
            if !is_closing && self.clients.iter().all(Client::is_done) {
                is_closing = true;
                self.clients.iter_mut().for_each(Client::close);
            }
            self.keep(Client::tend);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Refuses pages of other computers with status 403.
struct OriginCheck(SharedTally);

impl Callback for OriginCheck {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let mut origins = request.headers().get_all(ORIGIN).iter();
        if origins.all(|o| o.to_str().is_ok_and(origin::is_allowed)) {
            return Ok(response);
        }
        self.0.lock().refused += 1;
        let reason = "only pages of this computer may read joints".to_owned();
        let mut refusal = ErrorResponse::new(Some(reason));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}

//! All targets of a run.

use std::cell::LazyCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::datagrams;
use super::osc::osc_bundle;
use super::queue::Queue;
use super::server::Server;
use super::tally::{SharedTally, Tally};
use super::target::{Form, Target};
use crate::concurrency::{StopFlag, Worker};
use crate::error::{Error, Result};
use crate::output::PoseOutput;
use crate::pose_json::Line;

/// Capacity of the queue of each target: two seconds at 30 frames per second.
const QUEUE: usize = 64;

/// Time limit for what is still to be sent at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Sends the joints of frames to any number of targets, each on its own thread.
#[derive(Debug, Default)]
pub struct Streams(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    form: Form,
    tally: SharedTally,
    // Before the worker: the queue must end before the worker is joined.
    queue: Mutex<Option<Queue<Arc<[u8]>>>>,
    worker: Mutex<Option<Worker>>,
}

impl Streams {
    /// Opens every target.
    ///
    /// # Errors
    /// When a host is unknown, or a WebSocket cannot be served at its address.
    pub fn open(targets: &[Target]) -> Result<Self> {
        let opened = targets.iter().map(Stream::open);
        Ok(Self(opened.collect::<Result<_>>()?))
    }

    /// Sends a frame to every target, without waiting.
    pub fn push(&self, output: &PoseOutput) {
        if self.0.is_empty() {
            return;
        }
        let now = SystemTime::now();
        let captured = now.checked_sub(output.frame.captured.elapsed());
        let ordered = output.by_track_id();
        let osc = LazyCell::new(|| osc_frame(&ordered, captured.unwrap_or(now)));
        let json = LazyCell::new(|| json_frame(&ordered));
        for stream in &self.0 {
            stream.push(match stream.form {
                Form::Osc => LazyCell::force(&osc),
                Form::Udp | Form::WebSocket => LazyCell::force(&json),
            });
        }
    }

    /// Returns the counts of every target.
    pub fn tallies(&self) -> Vec<Tally> {
        let tallies = self.0.iter().map(|stream| stream.tally.lock().clone());
        tallies.collect()
    }

    /// Sends what is queued, within half a second, and ends; returns the final counts.
    pub fn finish(&self) -> Vec<Tally> {
        for stream in &self.0 {
            drop(locked(&stream.queue).take());
        }
        for stream in &self.0 {
            let worker = locked(&stream.worker).take();
            if let Some(mut worker) = worker {
                worker.join_within(FAREWELL);
            }
        }
        self.tallies()
    }
}

impl Stream {
    fn open(target: &Target) -> Result<Self> {
        let is_served = target.form == Form::WebSocket;
        let tally = SharedTally::new(Tally {
            target: target.to_string(),
            clients: is_served.then_some(0),
            ..Tally::default()
        });
        let (queue, frames) = Queue::new(QUEUE);
        let failed = {
            let tally = tally.clone();
            move |error: Error| tally.lock().trouble = Some(error.to_string())
        };
        let stop = StopFlag::new();
        let worker = if is_served {
            let server = Server::open(target, tally.clone())?;
            let serve = move |stop: &StopFlag| {
                server.run(&frames, stop);
                Ok(())
            };
            Worker::spawn("joint server", stop, serve, failed)?
        } else {
            let (socket, tally) = (datagrams::open(target)?, tally.clone());
            let send = move |stop: &StopFlag| {
                datagrams::send_all(&socket, &frames, &tally, stop);
                Ok(())
            };
            Worker::spawn("joint sender", stop, send, failed)?
        };
        Ok(Self {
            form: target.form,
            tally,
            queue: Mutex::new(Some(queue)),
            worker: Mutex::new(Some(worker)),
        })
    }

    fn push(&self, frame: &Result<Arc<[u8]>>) {
        let queue = locked(&self.queue);
        match (queue.as_ref(), frame) {
            (Some(queue), Ok(frame)) => self.tally.dropped(queue.push(Arc::clone(frame))),
            (Some(_), Err(error)) => {
                let mut tally = self.tally.lock();
                tally.dropped += 1;
                tally.trouble = Some(error.to_string());
            }
            // Ended.
            (None, _) => {}
        }
    }
}

/// Encodes a frame as an OSC bundle.
fn osc_frame(output: &PoseOutput, captured: SystemTime) -> Result<Arc<[u8]>> {
    Ok(osc_bundle(output, captured)?.into())
}

/// Encodes a frame as a JSON line, that of `--write-json`.
fn json_frame(output: &PoseOutput) -> Result<Arc<[u8]>> {
    let mut line = serde_json::to_vec(&Line::from(output))
        .map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    line.push(b'\n');
    Ok(line.into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Live streams of a run.

use std::sync::Arc;

use poselens_engine::Error;
use poselens_engine::send::{Form, Streams, Target};

use crate::cli::wrong_usage;

/// Options of live streams.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct StreamArgs {
    /// Send the joints of every frame to another program: as OSC bundles or as JSON lines, by UDP;
    /// may be given several times
    #[arg(long, value_name = "osc:HOST:PORT|udp:HOST:PORT", value_parser = receiver)]
    pub send: Vec<Target>,
    /// Serve the joints of every frame as JSON to WebSocket clients; may be given several times
    #[arg(long, value_name = "ws://HOST:PORT", value_parser = server)]
    pub serve: Vec<Target>,
}

impl StreamArgs {
    /// Opens all targets.
    pub(super) fn open(&self) -> anyhow::Result<Arc<Streams>> {
        let targets: Vec<Target> = self.send.iter().chain(&self.serve).cloned().collect();
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].contains(target) {
                return wrong_usage(format!("{target} is given twice"));
            }
        }
        Ok(Arc::new(Streams::open(&targets)?))
    }
}

fn receiver(text: &str) -> Result<Target, Error> {
    let target: Target = text.parse()?;
    if target.form == Form::WebSocket {
        let reason = format!("clients connect to a WebSocket: give --serve {target}");
        return Err(Error::Invalid(reason));
    }
    Ok(target)
}

fn server(text: &str) -> Result<Target, Error> {
    let target: Target = text.parse()?;
    if target.form != Form::WebSocket {
        let reason = format!("only a WebSocket is served: give --send {target}");
        return Err(Error::Invalid(reason));
    }
    Ok(target)
}

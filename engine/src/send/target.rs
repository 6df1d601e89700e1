//! Where joints are sent: `osc:HOST:PORT`, `udp:HOST:PORT`, `ws://HOST:PORT`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::{Error, Result};

/// The form in which a target receives frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One OSC bundle per frame, by UDP.
    Osc,
    /// One JSON line per frame, by UDP.
    Udp,
    /// One JSON text message per frame, to every client of a WebSocket server.
    WebSocket,
}

impl Form {
    /// All forms with the beginning of their targets.
    const ALL: [(Self, &str); 3] = [
        (Self::Osc, "osc:"),
        (Self::Udp, "udp:"),
        (Self::WebSocket, "ws://"),
    ];
}

/// A receiver, or the address at which receivers are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Form of the frames.
    pub form: Form,
    /// Name or address of the computer, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Target {
    /// Returns whether the host is this computer, without looking up names other than `localhost`.
    pub fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// Returns the addresses of the host, IPv4 first, which most receivers listen on.
    ///
    /// # Errors
    /// When the name is unknown.
    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut addresses: Vec<_> = found
            .map_err(|e| self.failure(&format!("the host was not found: {e}")))?
            .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses)
    }

    /// Returns an error about this target.
    pub(super) fn failure(&self, reason: &str) -> Error {
        Error::Failed(format!("cannot send joints to {self}: {reason}"))
    }
}

/// Returns whether a host is this computer, without looking up names other than `localhost`.
pub(super) fn is_local(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|a| a.to_canonical().is_loopback())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Form::ALL.iter().find(|(form, _)| *form == self.form);
        let prefix = known.map_or("", |(_, prefix)| *prefix);
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "{prefix}[{host}]:{port}")
        } else {
            write!(f, "{prefix}{host}:{port}")
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |reason: &str| Error::Invalid(format!("'{text}' {reason}"));
        let mut forms = Form::ALL.iter();
        let known = forms.find_map(|(form, prefix)| Some((*form, text.strip_prefix(*prefix)?)));
        let Some((form, address)) = known else {
            let forms = "osc:HOST:PORT, udp:HOST:PORT or ws://HOST:PORT";
            return Err(invalid(&format!("is no target for joints; give {forms}")));
        };
        let address = match form {
            Form::WebSocket => address.strip_suffix('/').unwrap_or(address),
            Form::Osc | Form::Udp => address,
        };
        let no_port = || invalid("has no port; give it after the host, from 1 to 65535");
        let (host, port) = address.rsplit_once(':').ok_or_else(no_port)?;
        let port = port.parse::<u16>().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(no_port)?;
        let in_brackets = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let host = match in_brackets {
            Some(v6) if v6.parse::<Ipv6Addr>().is_ok() => v6,
            None if !host.is_empty() && host.chars().all(is_host) => host,
            _ => return Err(invalid("has no valid host, such as 127.0.0.1 or [::1]")),
        };
        Ok(Self {
            form,
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a target is sent elsewhere than written, or cannot be written as it is read.
    #[test]
    fn targets_are_read_as_they_are_written() {
        for (text, form, host, port) in [
            ("osc:127.0.0.1:9000", Form::Osc, "127.0.0.1", 9000),
            ("udp:stage-left.local:1", Form::Udp, "stage-left.local", 1),
            ("udp:[::1]:65535", Form::Udp, "::1", 65535),
            ("ws://localhost:8080", Form::WebSocket, "localhost", 8080),
        ] {
            let target: Target = text.parse().unwrap();
            let host = host.to_owned();
            assert_eq!(target, Target { form, host, port });
            assert_eq!(target.to_string(), text);
        }
        let target: Target = "ws://127.0.0.1:8080/".parse().unwrap();
        assert_eq!(target.to_string(), "ws://127.0.0.1:8080");
    }

    /// Fails when a mistyped target is accepted, or the line does not say what is wrong with it.
    #[test]
    fn other_texts_are_refused_in_one_line() {
        for (text, reason) in [
            ("", "osc:HOST:PORT"),
            ("127.0.0.1:9000", "osc:HOST:PORT"),
            ("tcp:127.0.0.1:9000", "osc:HOST:PORT"),
            ("wss://127.0.0.1:9000", "osc:HOST:PORT"),
            ("osc:127.0.0.1", "port"),
            ("osc:127.0.0.1:", "port"),
            ("osc:127.0.0.1:0", "port"),
            ("udp:127.0.0.1:65536", "port"),
            ("udp:127.0.0.1:-1", "port"),
            ("udp::9000", "host"),
            ("udp:::1:9000", "host"),
            ("udp:[127.0.0.1]:9000", "host"),
            ("ws://127.0.0.1/a:9000", "host"),
            ("ws://user@127.0.0.1:9000", "host"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains('\n'), "{error}");
            assert!(error.contains(text), "{error}");
        }
    }

    /// Fails when joints leave this computer without being called so.
    #[test]
    fn only_this_computer_is_local() {
        for (host, local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("192.168.1.7", false),
            ("localhost.example.org", false),
            ("127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_local(host), local, "{host}");
        }
    }
}

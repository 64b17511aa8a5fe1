//! A channel into a log: over UDP or over TCP with octet counting (RFC 6587) in the form of RFC 5424,
//! or to the system's own log in the form that `syslog(3)` has there.

use std::path::PathBuf;

use conduit_core::clock::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::net::{UdpSocket, UnixDatagram, lookup_host};

use super::DeliveryError;
use super::http::connect;
use super::message::{Message, lost_text, plain};
use crate::alert::{AlertChange, Severity};
use crate::wording;

/// Where a log listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Syslog {
    Udp(String, u16),
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Syslog {
    /// Takes `udp://HOST:PORT`, `tcp://HOST:PORT` or `unix:///PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || "write udp://log.example:514, tcp://log.example:601 or unix:///dev/log".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        if scheme == "unix" {
            return if rest.starts_with('/') { Ok(Self::Unix(rest.into())) } else { Err(wrong()) };
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port: u16 = port.parse().map_err(|_| wrong())?;
        match scheme {
            _ if host.is_empty() || port == 0 => Err(wrong()),
            "udp" => Ok(Self::Udp(host, port)),
            "tcp" => Ok(Self::Tcp(host, port)),
            _ => Err(wrong()),
        }
    }

    pub(super) async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let lines = self.lines_of(message);
        let failed = |error: std::io::Error| {
            DeliveryError::Failed(format!("the log at {self} cannot be written to: {error}"))
        };
        match self {
            Self::Udp(host, port) => {
                let address = lookup_host((host.as_str(), *port)).await.map_err(failed)?.next();
                let address = address.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
                let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own).await.map_err(failed)?;
                socket.connect(address).await.map_err(failed)?;
                for line in lines {
                    socket.send(line.as_bytes()).await.map_err(failed)?;
                }
            }
            Self::Tcp(host, port) => {
                let mut stream = connect(host, *port).await?;
                for line in lines {
                    let frame = format!("{} {line}", line.len());
                    stream.write_all(frame.as_bytes()).await.map_err(failed)?;
                }
                stream.shutdown().await.map_err(failed)?;
            }
            Self::Unix(path) => {
                let socket = UnixDatagram::unbound().map_err(failed)?;
                socket.connect(path).map_err(failed)?;
                for line in lines {
                    socket.send(line.as_bytes()).await.map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// A line for each change, of the time at which it came about, and one for what is only counted.
    fn lines_of(&self, message: &Message) -> Vec<String> {
        let line = |severity: u8, at: Timestamp, text: &str| {
            let priority = FACILITY * 8 + severity;
            let head = match self {
                Self::Unix(_) => local_head(priority),
                Self::Udp(..) | Self::Tcp(..) => head(priority, at),
            };
            let mut line = head + &plain(text);
            let end =
                (0..=LINE_BYTES_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
            line.truncate(end.unwrap_or(0));
            line
        };
        let told = |change: &AlertChange| {
            let text = format!("{}: {}", wording::title(change), wording::told(change));
            line(severity_of(change), change.at(), &text)
        };
        let mut lines: Vec<String> = message.changes.iter().map(told).collect();
        let (raised, cleared) = message.left_out;
        if message.is_test {
            lines.push(line(NOTICE, message.at, &message.text(LINE_BYTES_MAX)));
        }
        if raised + cleared > 0 {
            let text = format!("{raised} more raised, {cleared} more over: too many to list");
            lines.push(line(NOTICE, message.at, &text));
        }
        if message.lost > 0 {
            lines.push(line(NOTICE, message.at, &lost_text(message.lost)));
        }
        lines
    }
}

impl std::fmt::Display for Syslog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Udp(host, port) => write!(f, "udp://{host}:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// The head of a line in the form of RFC 5424.
fn head(priority: u8, at: Timestamp) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic());
    let host = if is_plain { host } else { "-".to_owned() };
    let process = std::process::id();
    format!("<{priority}>1 {at} {host} conduit {process} alert - ")
}

/// The head of a line to the system's own log, which takes RFC 5424 for a part of the text. It sets
/// the time itself; one of ours would have to be in the machine's time zone.
fn local_head(priority: u8) -> String {
    format!("<{priority}>conduit[{}]: ", std::process::id())
}

/// RFC 5424's numbers.
fn severity_of(change: &AlertChange) -> u8 {
    match change {
        AlertChange::Cleared { .. } => NOTICE,
        AlertChange::Raised(alert) => match alert.severity {
            Severity::Critical => 2,
            Severity::Warning => 4,
            Severity::Info => 6,
        },
    }
}

/// Daemons.
const FACILITY: u8 = 3;
/// Normal, but to be known.
const NOTICE: u8 = 5;
/// What every receiver should take (RFC 5424, 6.1).
const LINE_BYTES_MAX: usize = 2_048;

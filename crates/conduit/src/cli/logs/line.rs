//! One line of the access log, as it is read again.

use conduit_api::v1::queries::DnsQuery;
use conduit_core::clock::Timestamp;
use serde::Deserialize;

/// Which lines are shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) service: Option<String>,
    pub(super) since: Option<Timestamp>,
}

impl Wanted {
    /// Whether a line is to be shown. What cannot be read is, unless something was asked for.
    pub(super) fn fits(&self, line: &str) -> bool {
        if self.service.is_none() && self.since.is_none() {
            return true;
        }
        let Ok(fields) = serde_json::from_str::<Whose>(line) else {
            return false;
        };
        let service =
            self.service.as_ref().is_none_or(|name| fields.service.as_ref() == Some(name));
        let since = self
            .since
            .is_none_or(|since| Timestamp::parse(&fields.time).is_ok_and(|time| time >= since));
        service && since
    }
}

/// What every line says: when, and whose it is.
#[derive(Deserialize)]
struct Whose {
    time: String,
    service: Option<String>,
}

/// What a request's line has.
#[derive(Deserialize)]
struct Fields {
    time: String,
    service: Option<String>,
    client: String,
    identity: Option<String>,
    method: String,
    host: String,
    path: String,
    status: u16,
    error: Option<String>,
    upstream: Option<String>,
    duration_ms: f64,
    bytes_out: u64,
}

/// What the line of a byte stream's connection has.
#[derive(Deserialize)]
struct StreamFields {
    time: String,
    service: Option<String>,
    client: String,
    port: u16,
    server_name: Option<String>,
    end: String,
    upstream: Option<String>,
    duration_ms: f64,
    bytes_in: u64,
    bytes_out: u64,
}

/// The line for people; as it is when it cannot be read.
pub(super) fn readable(line: &str) -> String {
    let text = if let Ok(fields) = serde_json::from_str::<Fields>(line) {
        request(fields)
    } else if let Ok(fields) = serde_json::from_str::<StreamFields>(line) {
        stream(fields)
    } else if let Ok(query) = serde_json::from_str::<DnsQuery>(line) {
        format!("{} {}", query.time, crate::query_log::format::text(&query))
    } else {
        line.to_owned()
    };
    format!("{}\n", plain(&text))
}

fn request(fields: Fields) -> String {
    let Fields { time, client, method, host, path, status, duration_ms, bytes_out, .. } = fields;
    let service = word(fields.service);
    let who = fields.identity.map_or_else(String::new, |identity| format!(" {identity}"));
    let whence = match (fields.upstream, fields.error) {
        (_, Some(error)) => error,
        (upstream, None) => word(upstream),
    };
    format!(
        "{time} {service} {status} {method} {host}{path} {duration_ms:.1}ms {bytes_out}B {whence} {client}{who}"
    )
}

fn stream(fields: StreamFields) -> String {
    let StreamFields { time, client, port, end, duration_ms, bytes_in, bytes_out, .. } = fields;
    let (service, upstream) = (word(fields.service), word(fields.upstream));
    let name = fields.server_name.unwrap_or_default();
    format!(
        "{time} {service} {end} tcp {name}:{port} {duration_ms:.1}ms {bytes_in}/{bytes_out}B {upstream} {client}"
    )
}

fn word(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// When the request of a line began.
pub(super) fn time_of(line: &str) -> Option<Timestamp> {
    let found: Whose = serde_json::from_str(line).ok()?;
    Timestamp::parse(&found.time).ok()
}

/// What a client sent must not steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

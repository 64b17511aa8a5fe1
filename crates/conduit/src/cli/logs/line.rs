//! One line of the access log, as it is read again.

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
        let Ok(fields) = serde_json::from_str::<Fields>(line) else {
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

/// The line for people; as it is when it cannot be read.
pub(super) fn readable(line: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Fields>(line) else {
        return format!("{}\n", plain(line));
    };
    let Fields { time, client, method, host, path, status, duration_ms, bytes_out, .. } = fields;
    let word = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let service = word(fields.service);
    let who = fields.identity.map_or_else(String::new, |identity| format!(" {identity}"));
    let whence = match (fields.upstream, fields.error) {
        (_, Some(error)) => error,
        (upstream, None) => word(upstream),
    };
    let text = format!(
        "{time} {service} {status} {method} {host}{path} {duration_ms:.1}ms {bytes_out}B {whence} {client}{who}"
    );
    format!("{}\n", plain(&text))
}

/// When the request of a line began.
pub(super) fn time_of(line: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Time {
        time: String,
    }
    let found: Time = serde_json::from_str(line).ok()?;
    Timestamp::parse(&found.time).ok()
}

/// What a client sent must not steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

//! The lines of `conduit status`, and of every command that shows a service.

use conduit_api::v1::health::{Check, HealthStatus};
use conduit_api::v1::services::Service;
use conduit_api::v1::status::GatewayStatus;
use serde_json::Value;

use super::output::{Colour, Paint, counted, pad, width};

/// One line about the gateway, a second one when it is not all well.
pub(crate) fn header(status: &GatewayStatus) -> String {
    let state = match (status.stopping, status.ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let mut parts = vec![
        format!("conduit {}", status.version),
        format!("generation {}", status.generation),
        state.to_owned(),
        format!("up {}", uptime(status.uptime_seconds)),
        counted(status.services.total, "service"),
    ];
    let listen = &status.listen;
    let mut doors = vec![("DNS", &listen.dns), ("HTTPS", &listen.https), ("HTTP", &listen.http)];
    if !listen.http3.is_empty() {
        // Off unless somebody asked for it, so its absence is no news.
        doors.insert(2, ("HTTP/3", &listen.http3));
    }
    for (name, addresses) in doors {
        parts.push(format!("{name} {}", ports(addresses)));
    }
    if let Some(admin) = listen.admin.first() {
        parts.push(format!("admin {admin}"));
    }
    let mut text = format!("{}\n", parts.join(" · "));
    for reason in &status.not_ready {
        text.push_str(&format!("waiting for {reason}\n"));
    }
    if status.tables.routes != status.tables.zone {
        text.push_str(&format!(
            "publishing: routes {}, zone {}\n",
            status.tables.routes, status.tables.zone
        ));
    }
    text
}

/// One aligned line for each service:
/// `grafana.internal → 10.0.1.50:3000 [healthy] TLS ✓ DNS ✓ 12 ms`.
pub(crate) fn services(services: &[&Service], paint: Paint) -> String {
    let upstreams: Vec<String> = services.iter().map(|service| upstream(service)).collect();
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let host = widest(&mut services.iter().map(|service| width(&service.domain)));
    let address = widest(&mut upstreams.iter().map(|text| width(text)));
    let word = widest(&mut services.iter().map(|s| width(s.health_status.as_str()) + 2));
    let mut text = String::new();
    for (service, upstream) in services.iter().zip(&upstreams) {
        let health = format!("[{}]", service.health_status);
        let gap = " ".repeat(word.saturating_sub(width(&health)));
        let tls = mark(service.tls.is_some(), service.checks.tls.as_ref());
        let dns = mark(true, service.checks.dns.as_ref());
        let line = format!(
            "{} → {} {}{gap} TLS {tls} DNS {dns}{}",
            pad(&service.domain, host),
            pad(upstream, address),
            paint.colour(colour(service.health_status), &health),
            remarks(service)
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Everything about one service, below its line.
pub(crate) fn details(service: &Service) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(title) = &service.title {
        rows.push(("title", title.clone()));
    }
    if let Some(url) = &service.url {
        rows.push(("url", url.clone()));
    }
    if !service.aliases.is_empty() {
        rows.push(("aliases", service.aliases.join(", ")));
    }
    rows.push(("registered", service.registered_at.clone()));
    if let Some(at) = &service.deregistered_at {
        rows.push(("deregistered", at.clone()));
    }
    rows.push(("protocol", service.protocol.clone()));
    rows.push(("dns", service.dns.clone()));
    if let Some(tls) = &service.tls {
        rows.push(("certificate", format!("until {}", tls.not_after)));
    }
    if let Some(at) = &service.last_health_check {
        rows.push(("last probe", at.clone()));
    }
    for upstream in &service.upstream_health {
        let reason = upstream.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
        let held = upstream.hold.as_ref().map_or_else(String::new, |hold| {
            format!(" since {}, {} in flight", hold.since, counted(upstream.in_flight, "request"))
        });
        let reason = format!("{reason}{held}");
        let took = upstream.response_time_ms.map_or_else(String::new, |ms| format!(" {ms} ms"));
        rows.push(("upstream", format!("{} {}{took}{reason}", upstream.upstream, upstream.state)));
    }
    rows.extend(traffic(service).into_iter().map(|line| ("policy", line)));
    table(&rows)
}

/// A service that is not there yet, as a dry run shows it.
pub(crate) fn planned(service: &Service) -> String {
    let mut rows = vec![("host", service.domain.clone())];
    rows.extend(service.title.iter().map(|title| ("title", title.clone())));
    if !service.aliases.is_empty() {
        rows.push(("aliases", service.aliases.join(", ")));
    }
    rows.extend(service.upstreams.iter().map(|upstream| ("upstream", upstream.clone())));
    rows.push(("protocol", service.protocol.clone()));
    rows.push(("dns", service.dns.clone()));
    if let Some(path) = &service.health_check {
        rows.push(("probe", path.clone()));
    }
    rows.extend(traffic(service).into_iter().map(|line| ("policy", line)));
    table(&rows)
}

fn table(rows: &[(&str, String)]) -> String {
    let widest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("  {}  {value}\n", pad(name, widest))).collect()
}

/// What is asked of its traffic, one line for each key that says something.
fn traffic(service: &Service) -> Vec<String> {
    let whole = if service.effective_policy.is_empty() {
        &service.policy
    } else {
        &service.effective_policy
    };
    whole.iter().map(|(key, value)| format!("{key} {}", worded(value))).collect()
}

fn worded(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(worded).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{key} {}", worded(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The two largest units of an uptime.
pub(crate) fn uptime(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        if rest >= length || (!parts.is_empty() && parts.len() < 2) {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

fn ports(addresses: &[String]) -> String {
    let mut all: Vec<&str> = Vec::new();
    for address in addresses {
        let port = address.rsplit(':').next().unwrap_or(address);
        if !all.contains(&port) {
            all.push(port);
        }
    }
    if all.is_empty() { "off".to_owned() } else { format!(":{}", all.join(",:")) }
}

fn upstream(service: &Service) -> String {
    match service.upstreams.len() {
        0 | 1 => service.upstream.clone(),
        more => format!("{} +{}", service.upstream, more - 1),
    }
}

/// ✓ tried and good, ✗ tried and bad, … not tried yet, – does not apply.
fn mark(applies: bool, check: Option<&Check>) -> &'static str {
    match (applies, check) {
        (_, Some(check)) if check.ok => "✓",
        (_, Some(_)) => "✗",
        (true, None) => "…",
        (false, None) => "–",
    }
}

/// Response time and every reason there is.
fn remarks(service: &Service) -> String {
    let mut text = String::new();
    if let (HealthStatus::Healthy | HealthStatus::Degraded, Some(ms)) =
        (service.health_status, service.response_time_ms)
    {
        text.push_str(&format!(" {ms} ms"));
    }
    if let Some(reason) = &service.health_reason {
        text.push_str(&format!(" {reason}"));
    }
    for (name, check) in [("TLS", &service.checks.tls), ("DNS", &service.checks.dns)] {
        if let Some(Check { ok: false, reason: Some(reason), .. }) = check {
            text.push_str(&format!(" ({name}: {reason})"));
        }
    }
    text
}

fn colour(health: HealthStatus) -> Colour {
    match health {
        HealthStatus::Degraded => Colour::Yellow,
        HealthStatus::Down => Colour::Red,
        HealthStatus::Healthy => Colour::Green,
        HealthStatus::Unknown => Colour::Dim,
    }
}

#[cfg(test)]
mod tests;

//! How a line looks: JSON for programs, or text for people.
//!
//! **Invariant:** a line is one line, whatever a client asked: names and data are written in printable ASCII
//! or as JSON strings.

use std::fmt::Write as _;

use conduit_api::v1::queries::DnsQuery;
use conduit_core::catalog::Catalog;
use conduit_core::name::{Host, ServiceName};
use conduit_dns::query_log::Query;
use conduit_dns::query_log::line::{Line, Source};
use conduit_dns::why::Origin;

use crate::access_log::format::{instant, millis};
use crate::config::QueryFormat;

/// Reads what was handed over.
pub(super) fn line(query: &Query, catalog: &Catalog) -> DnsQuery {
    let Line { at, took, client, transport, question, outcome, rcode, source, list, answers, more } =
        query.line();
    let service = service_of(&source, catalog);
    let is_gateway = service.is_none() && is_gateway(&source);
    let word = if is_gateway { Origin::Gateway.as_str() } else { source.as_str() };
    let (name, rtype, dnssec_ok, checking_disabled) = match question {
        Some(q) => (Some(q.name), Some(q.rtype), q.dnssec_ok, q.checking_disabled),
        None => (None, None, false, false),
    };
    DnsQuery {
        sequence: None,
        time: instant(at.date_time()),
        client: client.map(|client| client.to_string()),
        transport: transport.to_owned(),
        name,
        record_type: rtype,
        outcome: outcome.to_owned(),
        rcode: rcode.map(str::to_owned),
        forwarder: source.forwarder().map(|address| address.to_string()),
        source: word.to_owned(),
        service: service.map(|name| name.to_string()),
        list,
        answers,
        more: u64::try_from(more).unwrap_or(u64::MAX),
        duration_ms: millis(took),
        dnssec_ok,
        checking_disabled,
    }
}

/// The service whose host it is, which may be another one by now.
fn service_of(source: &Source, catalog: &Catalog) -> Option<ServiceName> {
    let Source::Zone(origin) = source else {
        return None;
    };
    let host = Host::parse(origin.host()?).ok()?;
    catalog.by_host(&host).map(|service| service.name.clone())
}

/// Whether it is a host of the gateway itself, which the catalog does not have.
fn is_gateway(source: &Source) -> bool {
    let Source::Zone(origin) = source else {
        return false;
    };
    let label = origin.host().and_then(|host| host.split('.').next());
    label == Some(ServiceName::conduit().as_str())
}

/// Appends a line with its end.
pub(super) fn write(format: QueryFormat, line: &DnsQuery, out: &mut Vec<u8>) {
    let begin = out.len();
    match format {
        // Invariant: texts and numbers can be written.
        QueryFormat::Json => {
            if serde_json::to_writer(&mut *out, line).is_err() {
                out.truncate(begin);
            }
        }
        QueryFormat::Text => {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
            out.extend_from_slice(text(line).as_bytes());
        }
    }
    out.push(b'\n');
}

/// A line for people, without its time: client, transport, question, answer, source, and how long it took.
pub(crate) fn text(line: &DnsQuery) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let code = line.rcode.as_deref().unwrap_or("dropped");
    let mut text = format!(
        "{} {} {} {} {code}",
        or_dash(&line.client),
        line.transport,
        or_dash(&line.name),
        or_dash(&line.record_type),
    );
    // Writing to a string cannot fail.
    if !matches!(line.outcome.as_str(), "records" | "nxdomain" | "servfail" | "refused") {
        write!(text, " ({})", line.outcome).ok();
    }
    let whose = line.service.as_ref().or(line.forwarder.as_ref());
    write!(text, " {}", line.source).ok();
    if let Some(whose) = whose {
        write!(text, " {whose}").ok();
    }
    if let Some(list) = &line.list {
        write!(text, " ({})", plain(list)).ok();
    }
    write!(text, " {:.3}ms", line.duration_ms).ok();
    for (index, answer) in line.answers.iter().enumerate() {
        let mark = if index == 0 { " " } else { ", " };
        write!(text, "{mark}{}", plain(answer)).ok();
    }
    if line.more > 0 {
        write!(text, " and {} more", line.more).ok();
    }
    text
}

/// What somebody else's record holds must not steer a terminal, nor end a line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

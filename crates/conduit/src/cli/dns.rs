//! `conduit dns`: names and what they answer with.

use conduit_api::v1::dns::{DnsList, FlushReply, ResolveReply};

use super::args::{DnsAction, DnsArgs, Json};
use super::exit::Failure;
use super::output::table;
use super::session::Session;

/// Lists, resolves or flushes.
pub(crate) async fn run(session: &Session, args: DnsArgs) -> Result<(), Failure> {
    let client = session.client().await?;
    match args.action.unwrap_or(DnsAction::List(args.output)) {
        DnsAction::List(Json { json }) => {
            let reply = client.dns().await?;
            session.print(json, &reply, list)
        }
        DnsAction::Resolve(args) => {
            let reply = client.resolve(&args.name, &args.record_type).await?;
            session.print(args.output.json, &reply, resolved)
        }
        DnsAction::Flush(Json { json }) => {
            let reply = client.flush_dns().await?;
            session.print(json, &reply, flushed)
        }
    }
}

fn flushed(reply: &FlushReply) -> String {
    match reply.forwarders.is_empty() {
        true => "Nothing is forwarded, so nothing was kept.\n".to_owned(),
        false => format!("Dropped every answer of {}.\n", reply.forwarders.join(", ")),
    }
}

fn list(reply: &DnsList) -> String {
    if reply.entries.is_empty() {
        return "No names yet; registering a service makes one.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = reply
        .entries
        .iter()
        .map(|entry| {
            let addresses = if entry.addresses.is_empty() {
                "(address asked on)".to_owned()
            } else {
                entry.addresses.join(", ")
            };
            vec![
                entry.domain.clone(),
                addresses,
                entry.mode.clone(),
                entry.name.clone(),
                entry.source.clone(),
            ]
        })
        .collect();
    table(&["HOST", "ANSWERS WITH", "MODE", "SERVICE", "SOURCE"], &rows)
}

fn resolved(reply: &ResolveReply) -> String {
    let own = if reply.authoritative { "own zone" } else { "forwarded" };
    let mut text = format!(
        "{} {}: {} from {} in {:.1} ms ({own})\n",
        reply.name, reply.record_type, reply.status, reply.server, reply.elapsed_ms
    );
    for record in &reply.answers {
        text.push_str(&format!(
            "{} {} {} {}\n",
            record.name, record.ttl, record.record_type, record.value
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_api::v1::dns::{DnsEntry, ResolvedRecord};

    #[test]
    fn names_are_listed_with_what_they_answer() {
        let entry = |domain: &str, addresses: &[&str]| DnsEntry {
            name: "grafana".into(),
            domain: domain.into(),
            ip: None,
            addresses: addresses.iter().map(|&a| a.to_owned()).collect(),
            mode: "gateway".into(),
            source: "conduit".into(),
            created_at: String::new(),
        };
        let reply = DnsList {
            next_after: None,
            version: "1.0".into(),
            domains: Vec::new(),
            listen: Vec::new(),
            entries: vec![
                entry("grafana.internal", &[]),
                entry("g.local", &["10.0.0.2", "fd00::2"]),
            ],
        };
        assert_eq!(
            list(&reply),
            "HOST              ANSWERS WITH        MODE     SERVICE  SOURCE\n\
             grafana.internal  (address asked on)  gateway  grafana  conduit\n\
             g.local           10.0.0.2, fd00::2   gateway  grafana  conduit\n"
        );
    }

    #[test]
    fn a_query_is_told_with_its_answer() {
        let reply = ResolveReply {
            name: "grafana.internal".into(),
            record_type: "A".into(),
            status: "NOERROR".into(),
            authoritative: true,
            answers: vec![ResolvedRecord {
                name: "grafana.internal.".into(),
                record_type: "A".into(),
                ttl: 30,
                value: "127.0.0.1".into(),
            }],
            server: "127.0.0.1:1053".into(),
            elapsed_ms: 0.42,
        };
        assert_eq!(
            resolved(&reply),
            "grafana.internal A: NOERROR from 127.0.0.1:1053 in 0.4 ms (own zone)\n\
             grafana.internal. 30 A 127.0.0.1\n"
        );
    }
}

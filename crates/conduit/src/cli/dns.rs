//! `conduit dns`: names and what they answer with.

use conduit_api::v1::dns::{DnsCacheReply, DnsList, FlushReply, ResolveReply};

use super::args::{DnsAction, DnsArgs, Json};
use super::exit::Failure;
use super::output::table;
use super::session::Session;

/// Lists, resolves, flushes, or tells about the cache.
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
        DnsAction::Flush(args) => {
            let name = args.name.as_deref();
            let reply = client.flush_dns(name).await?;
            session.print(args.output.json, &reply, |reply| flushed(reply, name))
        }
        DnsAction::Stats(Json { json }) => {
            let reply = client.dns_cache().await?;
            session.print(json, &reply, stats)
        }
    }
}

fn flushed(reply: &FlushReply, name: Option<&str>) -> String {
    let whose = reply.forwarders.join(", ");
    match name {
        _ if whose.is_empty() => "Nothing is forwarded, so nothing was kept.\n".to_owned(),
        None => format!("Dropped every answer of {whose}.\n"),
        Some(name) => format!("Dropped every answer of {whose} about {name}.\n"),
    }
}

fn stats(reply: &DnsCacheReply) -> String {
    if reply.forwarders.is_empty() {
        return "Nothing is forwarded, so nothing is kept.\n".to_owned();
    }
    let DnsCacheReply { entries, hits, misses, stale, prefetches, evicted, overflows, .. } = reply;
    let asked = hits + misses;
    let share = if asked == 0 { 0.0 } else { *hits as f64 / asked as f64 * 100.0 };
    let (bytes, size) = (megabytes(reply.bytes), megabytes(reply.size));
    let mut text = format!(
        "{entries} answers in {bytes} of {size} MB; {hits} of {asked} questions answered from them ({share:.0} %)\n\
         {stale} answered past their time, {prefetches} asked ahead, {evicted} pushed out, \
         {} led inside, {overflows} too many\n\n",
        reply.rebind_dropped
    );
    let rows: Vec<Vec<String>> = reply
        .forwarders
        .iter()
        .map(|one| {
            let latency = one.latency_ms.map(|ms| format!("{ms:.1} ms"));
            vec![
                one.address.clone(),
                if one.up { "up".to_owned() } else { "put aside".to_owned() },
                one.queries.to_string(),
                one.failures.to_string(),
                latency.unwrap_or_else(|| "-".to_owned()),
                match one.domains.is_empty() {
                    true => "(all others)".to_owned(),
                    false => one.domains.join(", "),
                },
            ]
        })
        .collect();
    text += &table(&["FORWARDER", "STATE", "QUERIES", "FAILURES", "TAKES", "NAMES"], &rows);
    text
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
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
    use conduit_api::v1::dns::{DnsEntry, DnsForwarder, ResolvedRecord};

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
    fn the_cache_and_the_forwarders_are_told() {
        let forwarder = |address: &str, domains: &[&str], up, latency_ms| DnsForwarder {
            address: address.into(),
            domains: domains.iter().map(|&d| d.to_owned()).collect(),
            up,
            queries: 12,
            failures: u64::from(!up) * 3,
            latency_ms,
        };
        let mut reply = DnsCacheReply {
            entries: 3,
            bytes: 1_200_000,
            size: 16_000_000,
            hits: 90,
            misses: 10,
            joined: 1,
            stale: 2,
            prefetches: 4,
            evicted: 0,
            rebind_dropped: 1,
            overflows: 0,
            in_flight: 0,
            forwarders: vec![
                forwarder("192.0.2.1:53", &[], true, Some(3.21)),
                forwarder("10.0.0.53:53", &["corp.example", "10.0.0.0/8"], false, None),
            ],
        };
        assert_eq!(
            stats(&reply),
            "3 answers in 1.2 of 16.0 MB; 90 of 100 questions answered from them (90 %)\n\
             2 answered past their time, 4 asked ahead, 0 pushed out, 1 led inside, 0 too many\n\n\
             FORWARDER     STATE      QUERIES  FAILURES  TAKES   NAMES\n\
             192.0.2.1:53  up         12       0         3.2 ms  (all others)\n\
             10.0.0.53:53  put aside  12       3         -       corp.example, 10.0.0.0/8\n"
        );
        reply.forwarders.clear();
        assert_eq!(stats(&reply), "Nothing is forwarded, so nothing is kept.\n");
        let flush = FlushReply { forwarders: vec!["192.0.2.1:53".into()] };
        assert_eq!(flushed(&flush, None), "Dropped every answer of 192.0.2.1:53.\n");
        let one = "Dropped every answer of 192.0.2.1:53 about a.example.\n";
        assert_eq!(flushed(&flush, Some("a.example")), one);
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

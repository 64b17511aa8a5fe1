//! `conduit dns`: names and what they answer with.

mod lists;
mod sources;
mod why;

use conduit_api::v1::dns::{
    AddRecord, AddRecordReply, DnsCacheReply, DnsEntry, DnsList, DnsListStatus, DnsRecord,
    FlushReply, MdnsConflict, RemoveRecordsReply, ResolveReply,
};
use conduit_core::record::RecordTtl;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_dns::client::check_question;

use super::args::{AddRecordArgs, DnsAction, DnsArgs, Json, RemoveRecordArgs};
use super::exit::Failure;
use super::output::table;
use super::session::Session;

/// Lists, adds, removes, resolves, flushes, or tells about the cache.
pub(crate) async fn run(session: &Session, args: DnsArgs) -> Result<(), Failure> {
    match args.action.unwrap_or(DnsAction::List(args.output)) {
        DnsAction::Add(args) => {
            let wish = wanted(&args)?;
            let reply = session.client().await?.add_record(&wish).await?;
            session.print(args.output.json, &reply, added)
        }
        DnsAction::Remove(args) => {
            let (kind, data) = which(&args)?;
            let client = session.client().await?;
            let reply = client.remove_records(&args.name, kind, data.as_deref()).await?;
            session.print(args.output.json, &reply, removed)
        }
        DnsAction::List(Json { json }) => {
            let reply = session.client().await?.dns().await?;
            session.print(json, &reply, list)
        }
        DnsAction::Resolve(args) => {
            check_question(&args.name, &args.record_type).map_err(usage)?;
            let client = session.client().await?;
            let reply = client.resolve(&args.name, &args.record_type).await?;
            session.print(args.output.json, &reply, resolved)
        }
        DnsAction::Why(args) => {
            check_question(&args.name, &args.record_type).map_err(usage)?;
            let client = session.client().await?;
            let whom = args.client.map(|ip| ip.to_string());
            let asked =
                client.why(&args.name, &args.record_type, whom.as_deref(), args.ask).await?;
            session.print(args.output.json, &asked, why::explained)
        }
        DnsAction::Flush(args) => {
            let name = args.name.as_deref();
            name.map_or(Ok(()), |name| check_question(name, "A")).map_err(usage)?;
            let reply = session.client().await?.flush_dns(name).await?;
            session.print(args.output.json, &reply, |reply| flushed(reply, name))
        }
        DnsAction::Stats(Json { json }) => {
            let client = session.client().await?;
            let reply = client.dns_cache().await?;
            let all = match json {
                true => Vec::new(),
                false => client.dns_lists().await?.value.lists,
            };
            session.print(json, &reply, |reply| stats(reply, &all))
        }
        DnsAction::Sources(Json { json }) => {
            let reply = session.client().await?.dns_sources().await?;
            session.print(json, &reply, sources::told)
        }
        DnsAction::Lists(Json { json }) => {
            let reply = session.client().await?.dns_lists().await?;
            session.print(json, &reply, lists::told)
        }
    }
}

/// What is asked for, judged as far as it can be without the gateway.
fn wanted(args: &AddRecordArgs) -> Result<AddRecord, Failure> {
    let record = &args.record;
    RecordName::parse(&record.name).map_err(usage)?;
    let kind: RecordType = record.record_type.parse().map_err(usage)?;
    let data = parsed(kind, &record.data)?;
    let ttl = args.ttl.as_deref().map(RecordTtl::parse).transpose().map_err(usage)?;
    Ok(AddRecord {
        name: record.name.clone(),
        record_type: kind.to_string(),
        data,
        ttl: ttl.map(RecordTtl::seconds),
    })
}

/// Which type and data is meant.
fn which(args: &RemoveRecordArgs) -> Result<(Option<&'static str>, Option<String>), Failure> {
    RecordName::parse(&args.name).map_err(usage)?;
    let kind: Option<RecordType> =
        args.record_type.as_deref().map(str::parse).transpose().map_err(usage)?;
    let data = match kind {
        Some(kind) if !args.data.is_empty() => Some(parsed(kind, &args.data)?),
        _ => None,
    };
    Ok((kind.map(RecordType::as_str), data))
}

/// The data as it is written, from words: the shell took the quotes of texts away.
fn parsed(kind: RecordType, words: &[String]) -> Result<String, Failure> {
    let is_quoted = |word: &str| word.len() > 1 && word.starts_with('"') && word.ends_with('"');
    let is_text = |index: usize| match kind {
        RecordType::Txt => true,
        RecordType::Caa => index == CAA_VALUE,
        _ => false,
    };
    let word = |(index, word): (usize, &String)| match is_text(index) && !is_quoted(word) {
        true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
        false => word.clone(),
    };
    // All of it in one word is read as in a zone file.
    let text: Vec<String> = match (kind, words) {
        (RecordType::Caa, [whole]) => vec![whole.clone()],
        _ => words.iter().enumerate().map(word).collect(),
    };
    let data = RecordData::parse(kind, &text.join(" ")).map_err(usage)?;
    Ok(data.to_string())
}

fn usage(error: impl std::error::Error) -> Failure {
    Failure::usage(error.to_string())
}

fn added(reply: &AddRecordReply) -> String {
    let record = line(&reply.record);
    match reply.changed {
        true => format!("Added {record}\n"),
        false => format!("{record} is there already; nothing changed\n"),
    }
}

fn removed(reply: &RemoveRecordsReply) -> String {
    reply.removed.iter().map(|record| format!("Removed {}\n", line(record))).collect()
}

fn line(record: &DnsRecord) -> String {
    let ttl = record.ttl.map(|ttl| format!(" {ttl}")).unwrap_or_default();
    format!("{}{ttl} {} {}", record.name, record.record_type, record.data)
}

fn flushed(reply: &FlushReply, name: Option<&str>) -> String {
    let whose = reply.forwarders.join(", ");
    match name {
        _ if whose.is_empty() => "Nothing is forwarded, so nothing was kept.\n".to_owned(),
        None => format!("Dropped every answer of {whose}.\n"),
        Some(name) => format!("Dropped every answer of {whose} about {name}.\n"),
    }
}

/// The cache and the forwarders, and the lists behind them.
fn stats(reply: &DnsCacheReply, all: &[DnsListStatus]) -> String {
    let cache = match reply.forwarders.is_empty() {
        true => "Nothing is forwarded, so nothing is kept.\n".to_owned(),
        false => cache(reply),
    };
    match all.is_empty() {
        true => cache,
        false => format!("{cache}\n{}", lists::table_of(all)),
    }
}

fn cache(reply: &DnsCacheReply) -> String {
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
    let dnssec = reply.dnssec;
    if dnssec.enabled {
        // In place of the empty line.
        text.pop();
        text += &format!(
            "DNSSEC: {} secure, {} insecure, {} not believed ({} for too much work), {} zones known\n\n",
            dnssec.secure, dnssec.insecure, dnssec.bogus, dnssec.overworked, dnssec.zones
        );
    }
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
    if reply.entries.is_empty() && reply.hosts_left_out == 0 {
        return "No names yet; registering a service makes one.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = reply.entries.iter().map(row).collect();
    let mut text = table(&["NAME", "ANSWERS WITH", "MODE", "SERVICE", "SOURCE"], &rows);
    let taken = |entry: &DnsEntry, MdnsConflict { interface, from, says }: &MdnsConflict| {
        format!(
            "\n{}: {from} on {interface} has this name ({says}), so it is not answered on \
             multicast DNS there\n",
            entry.domain
        )
    };
    let each = reply.entries.iter();
    let mut lines: Vec<String> =
        each.flat_map(|entry| entry.mdns_conflicts.iter().map(|c| taken(entry, c))).collect();
    // A name may have several records.
    lines.dedup();
    text.extend(lines);
    if reply.hosts_left_out > 0 {
        let count = reply.hosts_left_out;
        text += &format!(
            "\n{count} records of hosts files are not listed; `conduit dns why NAME` tells of one.\n"
        );
    }
    text
}

fn row(entry: &DnsEntry) -> Vec<String> {
    let answers = match (&entry.record_type, &entry.data) {
        (Some(kind), Some(data)) => format!("{kind} {}", shortened(data)),
        _ if entry.addresses.is_empty() => "(address asked on)".to_owned(),
        _ => entry.addresses.join(", "),
    };
    let service = if entry.name.is_empty() { "-" } else { &entry.name };
    let (mode, source) = (entry.mode.clone(), entry.source.clone());
    vec![entry.domain.clone(), answers, mode, service.to_owned(), source]
}

/// A key in a text is longer than any terminal; `--json` has the whole.
fn shortened(data: &str) -> String {
    let mut short: String = data.chars().take(DATA_CHARS_MAX).collect();
    if short.len() < data.len() {
        short.push('…');
    }
    short
}

fn resolved(reply: &ResolveReply) -> String {
    let own = match &reply.list {
        _ if reply.authoritative => "own zone".to_owned(),
        Some(list) => format!("list {list}"),
        None => "not our zone".to_owned(),
    };
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

/// The place of the value in the data of a CAA record.
const CAA_VALUE: usize = 2;
/// Of a record's data in a list.
const DATA_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests;

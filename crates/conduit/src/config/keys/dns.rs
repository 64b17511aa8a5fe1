//! The keys of the section `dns`.

use std::path::Path;

use conduit_core::duration::print;
use conduit_core::policy::Size;
use conduit_core::record::Record;
use conduit_dns::forward::settings::{CacheSettings, Conditional};
use conduit_dns::lists::settings::{ListSource, Place};
use conduit_dns::views::View;
use conduit_monitor::secret::SecretFrom;
use toml::Value;

use super::super::{Dns, DnsKey};
use super::{Entry, dynamic, fixed, list, number, path, text};

/// All of them.
pub(super) fn entries(dns: &Dns) -> Vec<Entry> {
    let mut all = own(dns);
    all.extend(cache(&dns.forward.cache));
    all
}

fn own(dns: &Dns) -> Vec<Entry> {
    vec![
        fixed("dns.enabled", dns.enabled.into()),
        fixed("dns.listen", list(&dns.listen)),
        fixed("dns.workers", number(dns.workers)),
        fixed("dns.tls_listen", list(&dns.tls_listen)),
        dynamic("dns.forwarders", list(&dns.forward.forwarders)),
        dynamic("dns.forward", conditional(&dns.forward.conditional)),
        dynamic(
            "dns.forward_ca",
            text(dns.forward_ca.as_deref().unwrap_or_else(|| Path::new("")).display()),
        ),
        dynamic("dns.fastest_first", dns.forward.fastest_first.into()),
        dynamic("dns.mixed_case", dns.forward.mixed_case.into()),
        dynamic("dns.rebind_protection", dns.forward.rebind_protection.into()),
        dynamic("dns.rebind_allow", list(&dns.forward.rebind_allow)),
        dynamic("dns.doh_canary", dns.forward.canary.into()),
        dynamic("dns.dnssec", dns.dnssec.enabled.into()),
        dynamic("dns.trust_anchors", list(&dns.dnssec.anchors)),
        dynamic("dns.insecure_domains", list(&dns.dnssec.insecure)),
        dynamic(
            "dns.hosts_files",
            Value::Array(dns.lists.hosts_files.iter().map(|p| path(p)).collect()),
        ),
        dynamic("dns.lists", Value::Array(dns.lists.lists.iter().map(source).collect())),
        dynamic("dns.allow", list(&dns.allow)),
        dynamic("dns.rate_limit", i64::from(dns.rate_limit).into()),
        fixed("dns.ttl", text(print(dns.ttl))),
        fixed("dns.records", Value::Array(dns.records.iter().map(record).collect())),
        fixed("dns.reverse_zones", list(&dns.reverse_zones)),
        fixed("dns.views", Value::Array(dns.views.iter().map(view).collect())),
        dynamic("dns.query_log", text(dns.query_log.logged.as_str())),
        dynamic("dns.query_log_sample", dns.query_log.share.value().into()),
        dynamic("dns.query_log_clients", text(dns.query_log.clients.as_str())),
        dynamic("dns.transfer_to", list(&dns.peers.transfer_to)),
        dynamic("dns.notify", list(&dns.peers.notify)),
        dynamic("dns.keys", Value::Array(dns.peers.keys.iter().map(key).collect())),
        fixed("dns.mdns", dns.mdns.enabled.into()),
        fixed("dns.mdns_interfaces", list(&dns.mdns.interfaces)),
    ]
}

fn cache(cache: &CacheSettings) -> Vec<Entry> {
    vec![
        dynamic("dns.cache.size", text(Size(u64::try_from(cache.size).unwrap_or(u64::MAX)))),
        dynamic("dns.cache.min_ttl", text(print(cache.ttl_min))),
        dynamic("dns.cache.max_ttl", text(print(cache.ttl_max))),
        dynamic("dns.cache.negative_ttl", text(print(cache.negative_ttl_max))),
        dynamic("dns.cache.serve_stale", text(print(cache.serve_stale))),
        dynamic("dns.cache.prefetch", cache.prefetch.into()),
    ]
}

fn conditional(all: &[Conditional]) -> Value {
    let table = |given: &Conditional| {
        let mut table = toml::Table::new();
        table.insert("domains".into(), list(&given.domains));
        table.insert("to".into(), list(&given.to));
        if !given.is_validated {
            table.insert("dnssec".into(), false.into());
        }
        Value::Table(table)
    };
    Value::Array(all.iter().map(table).collect())
}

fn key(key: &DnsKey) -> Value {
    let mut table = toml::Table::new();
    table.insert("name".into(), text(&key.name));
    table.insert("algorithm".into(), text(key.algorithm));
    match &key.secret {
        SecretFrom::File(path) => table.insert("secret_file".into(), text(path.display())),
        SecretFrom::Variable(name) => table.insert("secret_env".into(), text(name)),
    };
    table.insert("transfer".into(), key.transfer.into());
    table.insert("update".into(), list(&key.update));
    Value::Table(table)
}

fn source(source: &ListSource) -> Value {
    let mut table = toml::Table::new();
    table.insert("name".into(), text(&source.name));
    match &source.place {
        Place::File(file) => table.insert("file".into(), path(file)),
        Place::Lines(lines) => table.insert("lines".into(), list(lines)),
    };
    table.insert("kind".into(), text(source.kind));
    table.insert("format".into(), text(source.format));
    table.insert("answer".into(), text(&source.answer));
    table.insert("reason".into(), text(source.reason));
    Value::Table(table)
}

fn record(record: &Record) -> Value {
    let mut table = toml::Table::new();
    table.insert("name".into(), text(&record.name));
    table.insert("type".into(), text(record.data.kind()));
    table.insert("data".into(), text(&record.data));
    if let Some(ttl) = record.ttl {
        table.insert("ttl".into(), text(ttl));
    }
    Value::Table(table)
}

fn view(view: &View) -> Value {
    let mut table = toml::Table::new();
    table.insert("clients".into(), list(&view.clients));
    table.insert("addresses".into(), list(&view.addresses));
    Value::Table(table)
}

//! What is told, and what is read from words.

use super::*;
use conduit_api::v1::dns::{DnsForwarder, DnssecCounts, ResolvedRecord};

#[test]
fn names_are_listed_with_what_they_answer() {
    let entry = |domain: &str, addresses: &[&str]| DnsEntry {
        name: "grafana".into(),
        domain: domain.into(),
        ip: None,
        addresses: addresses.iter().map(|&a| a.to_owned()).collect(),
        mode: "gateway".into(),
        source: "service".into(),
        record_type: None,
        data: None,
        ttl: None,
        created_at: String::new(),
        mdns_conflicts: Vec::new(),
    };
    let taken = MdnsConflict {
        interface: "eth0".into(),
        from: "10.0.0.9".into(),
        says: "A 10.0.0.9".into(),
    };
    let record = DnsEntry {
        name: String::new(),
        mode: "record".into(),
        source: "config".into(),
        record_type: Some("MX".into()),
        data: Some("10 mail.internal".into()),
        ..entry("internal", &[])
    };
    let reply = DnsList {
        next_after: None,
        hosts_left_out: 1_000_000,
        version: "1.0".into(),
        domains: Vec::new(),
        listen: Vec::new(),
        entries: vec![
            entry("grafana.internal", &[]),
            DnsEntry { mdns_conflicts: vec![taken], ..entry("g.local", &["10.0.0.2", "fd00::2"]) },
            record,
        ],
    };
    assert_eq!(
        list(&reply),
        "NAME              ANSWERS WITH         MODE     SERVICE  SOURCE\n\
         grafana.internal  (address asked on)   gateway  grafana  service\n\
         g.local           10.0.0.2, fd00::2    gateway  grafana  service\n\
         internal          MX 10 mail.internal  record   -        config\n\n\
         g.local: 10.0.0.9 on eth0 has this name (A 10.0.0.9), so it is not answered on \
         multicast DNS there\n\n\
         1000000 records of hosts files are not listed; `conduit dns why NAME` tells of one.\n"
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
        dnssec: DnssecCounts::default(),
        in_flight: 0,
        forwarders: vec![
            forwarder("192.0.2.1:53", &[], true, Some(3.21)),
            forwarder("10.0.0.53:53", &["corp.example", "10.0.0.0/8"], false, None),
        ],
    };
    assert_eq!(
        stats(&reply, &[]),
        "3 answers in 1.2 of 16.0 MB; 90 of 100 questions answered from them (90 %)\n\
         2 answered past their time, 4 asked ahead, 0 pushed out, 1 led inside, 0 too many\n\n\
         FORWARDER     STATE      QUERIES  FAILURES  TAKES   NAMES\n\
         192.0.2.1:53  up         12       0         3.2 ms  (all others)\n\
         10.0.0.53:53  put aside  12       3         -       corp.example, 10.0.0.0/8\n"
    );
    reply.dnssec =
        DnssecCounts { enabled: true, secure: 5, insecure: 4, bogus: 3, overworked: 2, zones: 1 };
    let line = "0 too many\nDNSSEC: 5 secure, 4 insecure, 3 not believed (2 for too much work), 1 zones known\n\nFORWARDER";
    assert!(stats(&reply, &[]).contains(line));
    reply.forwarders.clear();
    assert_eq!(stats(&reply, &[]), "Nothing is forwarded, so nothing is kept.\n");
    let list = DnsListStatus {
        name: "ads".into(),
        kind: "block".into(),
        file: None,
        format: "auto".into(),
        entries: 7,
        own: 0,
        bytes: 300,
        hits: 4,
        skipped: 0,
        skipped_lines: Vec::new(),
        loaded_at: None,
        error: None,
    };
    let behind = "kept.\n\nLIST  KIND   ENTRIES  HITS  SKIPPED  READ\nads   block  7        4     0        -\n";
    assert!(stats(&reply, &[list]).ends_with(behind));
    let flush = FlushReply { forwarders: vec!["192.0.2.1:53".into()] };
    assert_eq!(flushed(&flush, None), "Dropped every answer of 192.0.2.1:53.\n");
    let one = "Dropped every answer of 192.0.2.1:53 about a.example.\n";
    assert_eq!(flushed(&flush, Some("a.example")), one);
}

#[test]
fn data_is_read_from_words_as_a_shell_leaves_them() {
    use RecordType::{A, Caa, Mx, Txt};
    for (kind, words, data) in [
        (A, &["10.0.0.7"][..], Some("10.0.0.7")),
        (Mx, &["10", "mail.internal"], Some("10 mail.internal")),
        (Mx, &["10 mail.internal"], Some("10 mail.internal")),
        (Txt, &["one text", "another"], Some("\"one text\" \"another\"")),
        (Txt, &["\"quoted\""], Some("\"quoted\"")),
        (Txt, &["say \"hi\" \\"], Some("\"say \\\"hi\\\" \\\\\"")),
        (Txt, &[""], Some("\"\"")),
        (Caa, &["0", "issue", "ca.internal; x=y"], Some("0 issue \"ca.internal; x=y\"")),
        (Caa, &["0 issue \"ca.internal\""], Some("0 issue \"ca.internal\"")),
        (A, &["10.0.0"], None),
    ] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(parsed(kind, &words).ok().as_deref(), data, "{words:?}");
    }
}

#[test]
fn a_query_is_told_with_its_answer() {
    let mut reply = ResolveReply {
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
        list: None,
        server: "127.0.0.1:1053".into(),
        elapsed_ms: 0.42,
    };
    assert_eq!(
        resolved(&reply),
        "grafana.internal A: NOERROR from 127.0.0.1:1053 in 0.4 ms (own zone)\n\
         grafana.internal. 30 A 127.0.0.1\n"
    );
    // Forwarded or, without forwarders, answered here: the reply does not say.
    (reply.authoritative, reply.status, reply.answers) = (false, "NXDOMAIN".into(), Vec::new());
    assert!(resolved(&reply).ends_with("in 0.4 ms (not our zone)\n"));
    reply.list = Some("ads, line 3: ads.example".into());
    assert!(resolved(&reply).ends_with("(list ads, line 3: ads.example)\n"));
}

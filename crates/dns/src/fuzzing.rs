//! Bodies of the fuzz targets for what outsiders send, and their replay on stable.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use conduit_core::catalog::{Catalog, Change, Generation, Version};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::name::{Host, ServiceName};
use conduit_core::record::data::RecordData;
use conduit_core::record::fixed::{Builder, FixedRecords};
use conduit_core::record::kind::RecordType;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordTtl};
use conduit_core::service::{
    DnsMode, Monitoring, ProbeSpec, Protocol, Service, TlsMode, WhenAllEjected,
};
use conduit_core::upstream::UpstreamAddr;
use hickory_proto::op::{Message, MessageType};

use crate::access::Policy;
use crate::forward::Forwarder;
use crate::forward::settings::ForwardSettings;
use crate::handler::{Asker, Transport, respond};
use crate::interfaces::{Interfaces, Local};
use crate::peers::{Keyholder, Peers};
use crate::reply::{Encoded, Outcome, Reply};
use crate::short::{self, Scene};
use crate::transfer::journal::Journal;
use crate::tsig::{Algorithm, Key};
use crate::update::Updates;
use crate::zone::{Zone, ZoneSettings};
use crate::{padding, wire};

/// What decodes also encodes, and then decodes to the same questions.
pub fn dns_message(data: &[u8]) {
    // The handler checks the count before it decodes; the decoder trusts it.
    if data.get(4..6) > Some(&[0, 8]) {
        return;
    }
    let Ok(message) = Message::from_vec(data) else {
        return;
    };
    let Ok(encoded) = message.to_vec() else {
        return;
    };
    let again = Message::from_vec(&encoded).expect("what we encode decodes");
    assert_eq!(again.queries, message.queries);
    assert_eq!(again.metadata.id, message.metadata.id);
}

/// A message looked at and padded in bytes: the first octet chooses the step, the rest is the message.
pub fn dns_padding(data: &[u8]) {
    let Some((choice, message)) = data.split_first() else {
        return;
    };
    let step = if choice & 1 == 0 { padding::QUERY_STEP_BYTES } else { padding::REPLY_STEP_BYTES };
    let lifetime = wire::lifetime_s(message);
    let mut padded = message.to_vec();
    padding::pad(&mut padded, step);
    if padded == message {
        return;
    }
    assert_eq!(padded.len() % step, 0, "the length that many have");
    assert_eq!(wire::lifetime_s(&padded), lifetime, "the records are the same");
    let opt = wire::opt_of(&padded).expect("it was padded in one");
    assert_eq!(opt.data.end, padded.len(), "nothing follows it");
    if let Ok(before) = Message::from_vec(message) {
        let after = Message::from_vec(&padded).expect("still a message");
        assert_eq!((before.queries, before.answers), (after.queries, after.answers));
        assert!(padding::is_asked_for(&padded), "it is seen to be padded");
    }
}

/// What a forwarder answers: one octet of choices, then the message.
pub fn dns_answer(data: &[u8]) {
    crate::forward::fuzzed::answer(data);
}

/// A hosts file, a list of names or a policy zone: one octet of choices, then the file.
pub fn dns_list(data: &[u8]) {
    crate::lists::fuzzed::list(data);
}

/// What a stranger sends on multicast DNS: one octet of choices, then the packet.
pub fn dns_mdns(data: &[u8]) {
    crate::mdns::fuzzed::packet(data);
}

/// The whole handler: the first octet chooses transport (1), client (2), whether strangers are limited (4) and
/// whether others can be asked (8), the rest is the request.
pub fn dns_handler(data: &[u8]) {
    let Some((choice, request)) = data.split_first() else {
        return;
    };
    let transport = if choice & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let peer = if choice & 2 == 0 { "10.0.0.9:4000" } else { "203.0.113.9:4000" };
    let asker = Asker {
        peer: peer.parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
        transport,
    };
    let policy = &sample_policies()[usize::from(choice >> 2 & 3)];
    let reply = respond(request, &asker, sample_zone(), policy);
    check_short_way(request, &asker, (sample_zone(), policy), &reply);
    match reply {
        Reply::Silence(_) => {}
        Reply::Send(encoded) => check(request, &encoded, transport),
        Reply::Forward(pending) => {
            check(request, &crate::forward::fuzzed::answered(&pending), transport);
            let encoded = pending.plain(Outcome::Failed);
            check(request, &encoded, transport);
        }
        Reply::Update(update) => check(request, &update.reply(Outcome::Failed), transport),
        Reply::Transfer(mut transfer) => {
            assert_eq!(transport, Transport::Tcp, "a zone in a datagram");
            for bytes in transfer.messages(&Journal::default()) {
                check(request, &Encoded::new(bytes, Outcome::Transfer), transport);
            }
        }
    }
}

/// What is answered without a decoder is what the handler answers, name for name; and octet for octet but
/// for the case of names in an SOA record, which the short way takes from the question, and for what follows
/// a name of very many labels, which the short way still compresses.
pub(crate) fn check_short_way(
    request: &[u8],
    asker: &Asker,
    (zone, policy): (&Zone, &Policy),
    reply: &Reply,
) {
    let may_ask = policy.access.allows(asker.peer.ip());
    if !may_ask && policy.rate_limit > 0 {
        // Strangers do not take it.
        return;
    }
    let recursion_available = may_ask && policy.forwarder.is_some();
    let mut room = [0; ROOM_BYTES];
    let local = zone.facing(asker.peer.ip(), asker.local);
    let scene = Scene {
        zone,
        local: &local,
        transport: asker.transport,
        recursion_available,
        others: None,
    };
    let Some(written) = short::answer(request, &scene, &mut room) else {
        return;
    };
    let Reply::Send(encoded) = reply else {
        panic!("the handler says nothing to {request:?}");
    };
    assert_eq!(written.outcome, encoded.outcome);
    let short = &room[..written.len];
    let long = encoded.bytes.as_slice();
    if short != long {
        let decoded = |bytes| Message::from_vec(bytes).expect("a reply can be parsed");
        assert_eq!(decoded(short), decoded(long), "{request:?}");
        // Each label has two octets at least.
        let is_cut_short = request.len() > 2 * LABELS_POINTED_TO && short.len() < long.len();
        let is_excused = is_cut_short || request.iter().any(u8::is_ascii_uppercase);
        assert!(is_excused, "{request:?}: {short:?} {long:?}");
    }
}

fn check(request: &[u8], reply: &Encoded, transport: Transport) {
    let limit = match transport {
        Transport::Udp => 1232,
        Transport::Tcp | Transport::Tls | Transport::Https => 65_535,
    };
    assert!(reply.bytes.len() <= limit, "too long");
    assert_eq!(reply.bytes[..2], request[..2], "the request's id");
    assert_eq!(request[2] & 0x80, 0, "a response got a reply");
    let message = Message::from_vec(&reply.bytes).expect("a reply can be parsed");
    assert_eq!(message.metadata.message_type, MessageType::Response);
}

/// Policies by whether strangers are limited and secondaries are known, and then by whether others can be asked; a
/// guard is too large to be made for each run.
fn sample_policies() -> &'static [Policy; 4] {
    static POLICIES: OnceLock<[Policy; 4]> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let settings = ForwardSettings {
            forwarders: vec![SocketAddr::from(([192, 0, 2, 1], 53)).into()],
            ..ForwardSettings::default()
        };
        let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).ok();
        [(0, &None), (1, &None), (0, &forwarder), (1, &forwarder)].map(|(rate_limit, forwarder)| {
            let peers = if rate_limit == 0 { Peers::default() } else { sample_peers() };
            let (peers, forwarder) = (Arc::new(peers), forwarder.clone());
            Policy { rate_limit, forwarder, peers, ..Policy::default() }
        })
    })
}

/// Secondaries and a key that is known.
fn sample_peers() -> Peers {
    let name = RecordName::parse("fuzz").expect("valid");
    let holder = Keyholder {
        key: Arc::new(Key::new(name, Algorithm::HmacSha256, b"0123456789abcdef")),
        transfer: true,
        update: vec!["*.internal".parse().expect("valid")],
    };
    Peers {
        transfer_to: vec!["10.0.0.0/8".parse().expect("valid")],
        keys: vec![holder],
        updates: Some(Updates::channel().0),
        ..Peers::default()
    }
}

/// A zone with something of everything: routed, direct, many addresses, names below names.
pub(crate) fn sample_zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| {
        let domains = ["internal", "local", "lab.internal"].map(host).to_vec();
        let settings = ZoneSettings {
            https_port: Some(8443),
            http3_port: Some(8443),
            records: Arc::new(sample_records()),
            tls_port: Some(853),
            reverse_zones: vec!["fd00::/8".parse().expect("valid")],
            ..ZoneSettings::new(Domains::new(domains).expect("some"))
        };
        let catalog = Catalog::default().with(Generation(7), sample_services());
        Zone::compile(&catalog, version(7), &settings)
    })
}

fn sample_records() -> FixedRecords {
    let record = |name, kind: RecordType, data| Record {
        name: RecordName::parse(name).expect("valid"),
        data: RecordData::parse(kind, data).expect("valid"),
        ttl: RecordTtl::from_seconds(300).ok(),
        added_at: Timestamp::from_seconds(0),
    };
    let all = [
        record("nas.internal", RecordType::A, "10.0.0.7"),
        record("nas.internal", RecordType::A, "10.0.0.8"),
        record("nas.internal", RecordType::Aaaa, "fd00::7"),
        record("nas.internal", RecordType::Txt, "text"),
        record("grafana.internal", RecordType::Mx, "10 nas.internal"),
        record("alias.internal", RecordType::Cname, "grafana.internal"),
        record("*.apps.internal", RecordType::A, "10.0.0.9"),
        record("*.wild.internal", RecordType::Txt, "\"wild\""),
        record("to.internal", RecordType::Cname, "www.example"),
        record("loop.internal", RecordType::Cname, "loop.internal"),
        record("mail.internal", RecordType::Mx, "10 grafana.internal"),
    ];
    let mut fixed = Builder::default();
    for record in all {
        fixed.add(record).expect("no conflict");
    }
    fixed.build()
}

fn sample_services() -> Vec<Change> {
    let many: Vec<String> = (1..=64).map(|n| format!("10.0.2.{n}:80")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    [
        Service {
            name: ServiceName::conduit(),
            ..service(
                "x",
                &["conduit.internal", "conduit.local", "conduit.lab.internal"],
                &["127.0.0.1:9999"],
                DnsMode::Gateway,
            )
        },
        service("grafana", &["grafana.internal"], &["10.0.1.50:3000"], DnsMode::Gateway),
        service("deep", &["a.b.c.internal"], &["10.0.1.51:80"], DnsMode::Gateway),
        service("db", &["db.internal"], &["10.0.1.52:5432", "[fd00::52]:5432"], DnsMode::Direct),
        service("many", &["many.internal"], &many, DnsMode::Direct),
    ]
    .map(|service| Change::Put(Arc::new(service)))
    .to_vec()
}

/// A service for tests.
pub(crate) fn service(name: &str, hosts: &[&str], upstreams: &[&str], dns: DnsMode) -> Service {
    let upstream = |text: &&str| UpstreamAddr::parse(text).expect("valid");
    Service {
        name: ServiceName::parse(name).expect("valid"),
        hosts: hosts.iter().map(|text| host(text)).collect(),
        upstreams: upstreams.iter().map(upstream).collect(),
        protocol: Protocol::Http,
        tls: TlsMode::Issued,
        dns,
        probe: ProbeSpec::Default,
        title: None,
        when_all_ejected: WhenAllEjected::Fail,
        monitoring: Monitoring::default(),
        policy: Arc::default(),
        holds: Vec::new(),
        registered_at: Timestamp::from_seconds(0),
    }
}

/// A host for tests.
pub(crate) fn host(text: &str) -> Host {
    Host::parse(text).expect("valid")
}

/// A version for tests.
pub(crate) fn version(generation: u64) -> Version {
    Version { generation: Generation(generation), revision: 0 }
}

/// More than any reply that is written without an encoder.
const ROOM_BYTES: usize = 1232;
/// Of how many labels of a message the library remembers the places, to point to.
const LABELS_POINTED_TO: usize = 64;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("dns_message", dns_message);
        replay("dns_handler", dns_handler);
        replay("dns_answer", dns_answer);
        replay("dns_padding", dns_padding);
        replay("dns_mdns", dns_mdns);
        replay("dns_list", dns_list);
    }
}

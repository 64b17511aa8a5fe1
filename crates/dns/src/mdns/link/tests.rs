//! Links on a wire of memory, whose time is told to them.

mod answering;
mod claiming;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::prelude::{Just, Strategy as _, any, prop_oneof, proptest};

use super::*;

/// A link at 10.0.0.`host` with a clock.
struct Desk {
    link: Link,
    begin: Instant,
    now: Instant,
    own: SocketAddr,
    sent: Vec<(Duration, To, Message)>,
}

impl Desk {
    /// A desk with these names, each with its addresses.
    fn new(host: u8, names: &[(&str, &[&str])]) -> Self {
        let now = Instant::now();
        let link = Link::new(u64::from(host), Counts::default());
        let own = SocketAddr::from(([10, 0, 0, host], PORT));
        let mut desk = Self { link, begin: now, now, own, sent: Vec::new() };
        desk.set(names);
        desk
    }

    /// The same when its names are its own.
    fn settled(host: u8, names: &[(&str, &[&str])]) -> Self {
        let mut desk = Self::new(host, names);
        desk.pass(5_000);
        desk.sent.clear();
        desk
    }

    fn set(&mut self, names: &[(&str, &[&str])]) {
        let names = names.iter().map(|(name, addresses)| {
            let owned = owned(name, addresses);
            (key(name), owned)
        });
        let given = Given {
            names: names.collect(),
            nets: vec!["10.0.0.1/24".parse().expect("a network")],
            ours: HashSet::from([self.own.ip()]),
        };
        self.link.set(given, self.now);
        self.collect();
    }

    /// Lets this many milliseconds pass.
    fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(next) = self.link.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.link.tick(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// Does nothing for this many milliseconds, and then what is due.
    fn stall(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.link.tick(self.now);
        self.collect();
    }

    fn hear(&mut self, message: &Message, source: &str) {
        let bytes = message.to_vec().expect("encodes");
        let source = source.parse().expect("an address with a port");
        self.link.receive(&bytes, (source, Family::V4), self.now);
        self.link.tick(self.now);
        self.collect();
    }

    fn collect(&mut self) {
        for (to, bytes) in self.link.sends() {
            let is_small = matches!(to, To::Peer(_)) || bytes.len() <= 1_452;
            assert!(is_small, "{} bytes", bytes.len());
            let message = Message::from_vec(&bytes).expect("what we send is whole");
            self.sent.push((self.now - self.begin, to, message));
        }
    }

    /// What was sent since the last look, each as a line.
    fn said(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|(_, to, message)| shown(&to, &message)).collect()
    }

    fn taken(&self) -> Vec<String> {
        self.link.taken().map(|(owned, rival)| format!("{} {}", owned.name, rival.says)).collect()
    }
}

fn shown(to: &To, message: &Message) -> String {
    let to = match to {
        To::Both => "all".to_owned(),
        To::Group(_) => "group".to_owned(),
        To::Peer(peer) => peer.to_string(),
    };
    let mut words = vec![to];
    words.extend(message.queries.iter().map(|q| format!("{}?", q.name())));
    for (mark, records) in
        [("", &message.answers), ("~", &message.authorities), ("+", &message.additionals)]
    {
        words.extend(records.iter().map(|record| {
            let is_flush = u16::from(record.dns_class) & 0x8000 != 0;
            let data = match &record.data {
                RData::A(a) => a.to_string(),
                RData::AAAA(a) => a.to_string(),
                other => other.record_type().to_string(),
            };
            let flush = if is_flush { "!" } else { "" };
            format!("{mark}{}/{}{flush}={data}", record.name, record.ttl)
        }));
    }
    words.join(" ")
}

fn owned(name: &str, addresses: &[&str]) -> Owned {
    let mut owned = Owned { name: self::name(name), v4: Vec::new(), v6: Vec::new() };
    for address in addresses {
        match address.parse().expect("an address") {
            IpAddr::V4(v4) => owned.v4.push(v4),
            IpAddr::V6(v6) => owned.v6.push(v6),
        }
    }
    owned
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn key(text: &str) -> NameKey {
    NameKey::from(crate::key::AskedKey::of(&name(text)).as_slice())
}

fn record(owner: &str, address: &str, ttl_s: u32) -> Record {
    let data = match address.parse().expect("an address") {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name(owner), ttl_s, data)
}

fn question(owner: &str, rtype: RecordType, unicast: bool) -> Query {
    let mut query = Query::query(name(owner), rtype);
    query.set_query_class(DNSClass::from(if unicast { 0x8001 } else { 1 }));
    query
}

fn query(owner: &str, rtype: RecordType) -> Message {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(question(owner, rtype, false));
    message
}

fn response(records: Vec<Record>) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_answers(records);
    message
}

#[test]
fn no_packet_is_too_long_and_many_names_share_one() {
    let names: Vec<String> = (0..1_000).map(|i| format!("service-{i}.local.")).collect();
    let given: Vec<(&str, &[&str])> =
        names.iter().map(|name| (name.as_str(), &["10.0.0.1", "fd00::1"][..])).collect();
    let mut desk = Desk::new(1, &given);
    desk.pass(20_000);
    assert_eq!(desk.link.answered(), 1_000);
    let packets = desk.sent.len();
    assert!(packets < 1_000, "{packets} packets for 1,000 names said five times");
    desk.sent.clear();
    desk.link.stop();
    desk.collect();
    let taken_back: usize = desk.sent.iter().map(|(_, _, message)| message.answers.len()).sum();
    assert_eq!(taken_back, 2_000);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            (Just(query("web.local.", RecordType::ANY).to_vec().expect("encodes")), any::<[u8; 40]>())
                .prop_map(|(mut bytes, noise)| {
                    for (byte, noise) in bytes.iter_mut().zip(noise) {
                        // Most stay as they are.
                        *byte ^= if noise > 240 { noise } else { 0 };
                    }
                    bytes
                }),
        ],
        port in prop_oneof![Just(PORT), any::<u16>()],
    ) {
        let mut desk = Desk::settled(1, &[("web.local.", &["10.0.0.1"])]);
        let source = SocketAddr::from(([10, 0, 0, 9], port));
        desk.link.receive(&bytes, (source, Family::V4), desk.now);
        desk.pass(3_000);
        assert!(desk.sent.len() <= 8, "{} packets for one", desk.sent.len());
    }
}

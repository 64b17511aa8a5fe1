//! Aliases of ours that lead to names of others.

use conduit_core::catalog::{Catalog, Generation};
use conduit_core::clock::Timestamp;
use conduit_core::domains::Domains;
use conduit_core::record::data::RecordData;
use conduit_core::record::kind::RecordType as Kind;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange};
use hickory_proto::op::ResponseCode;

use super::fake::{Fake, Manners};
use super::*;
use crate::access::Policy;
use crate::fuzzing::{host, version};
use crate::zone::{Zone, ZoneSettings};

/// A zone in which `b.internal` leads to `a.internal`, and that to somebody else's name.
fn zone(to: &str) -> Zone {
    let change = |name: &str, data: &str| RecordChange {
        name: RecordName::parse(name).expect("valid"),
        records: Arc::new([Record {
            name: RecordName::parse(name).expect("valid"),
            data: RecordData::parse(Kind::Cname, data).expect("valid"),
            ttl: None,
            added_at: Timestamp::from_seconds(0),
        }]),
    };
    let changes = [change("a.internal", to), change("b.internal", "a.internal")];
    let catalog = Catalog::default().with_records(Generation(7), &changes);
    let settings = ZoneSettings::new(Domains::new(vec![host("internal")]).expect("some"));
    Zone::compile(&catalog, version(7), &settings)
}

fn policy(fake: &Fake) -> Policy {
    let settings = ForwardSettings {
        forwarders: vec![fake.address.into()],
        own: vec!["internal".parse().expect("valid")],
        ..ForwardSettings::default()
    };
    let forwarder = Forwarder::new(settings, &[], &Interfaces::default(), None).expect("set up");
    Policy { forwarder: Some(forwarder), ..Policy::default() }
}

/// The code, the flags AA and RA, and the answers, as one client gets them.
async fn ask(zone: &Zone, policy: &Policy, peer: &str, recursion_desired: bool) -> String {
    let mut query = Message::query();
    query.metadata.recursion_desired = recursion_desired;
    query.add_query(Query::query(Name::from_ascii("b.Internal.").expect("valid"), RecordType::A));
    let asker = Asker {
        peer: peer.parse().expect("valid"),
        local: Local::of([10, 0, 0, 1].into()),
        transport: Transport::Udp,
    };
    let encoded = match respond(&query.to_vec().expect("encodes"), &asker, zone, policy) {
        Reply::Send(encoded) => encoded,
        Reply::Forward(pending) => match policy.forwarder.as_ref().expect("one").begin(pending) {
            Begun::Send(encoded, _) => encoded,
            Begun::Ask(waiting, flight) => tokio::join!(waiting.reply(), flight.run()).0,
            other => panic!("{other:?}"),
        },
        other @ (Reply::Silence(_) | Reply::Transfer(_) | Reply::Update(_)) => panic!("{other:?}"),
    };
    let message = Message::from_vec(&encoded.bytes).expect("parses");
    assert_eq!(message.queries[0].name().to_ascii(), "b.Internal.");
    assert!(message.metadata.authoritative, "of the first name");
    let answers: Vec<String> =
        message.answers.iter().map(|r| format!("{} {}", r.name, r.data)).collect();
    format!("{:?}: {}", message.metadata.response_code, answers.join(", "))
}

const INSIDE: &str = "10.0.0.9:4000";
const OURS: &str = "b.Internal. a.internal., a.internal. www.example.";

#[tokio::test]
async fn the_end_of_an_alias_is_asked_for_and_kept() {
    let fake = Fake::start(Manners::Honest).await;
    let (zone, policy) = (zone("www.example"), policy(&fake));
    let whole = format!("NoError: {OURS}, www.example. 198.18.0.1");
    assert_eq!(ask(&zone, &policy, INSIDE, true).await, whole);
    assert_eq!(ask(&zone, &policy, INSIDE, true).await, whole);
    assert_eq!(fake.asked(), 1, "from the cache");
    // Others, and who wants no recursion, get what is ours.
    let ours = format!("NoError: {OURS}");
    assert_eq!(ask(&zone, &policy, INSIDE, false).await, ours);
    assert_eq!(ask(&zone, &policy, "203.0.113.9:4000", true).await, ours);
    assert_eq!(ask(&zone, &Policy::default(), INSIDE, true).await, ours, "nobody to ask");
}

#[tokio::test]
async fn the_code_is_of_the_last_name() {
    for (manners, expected) in [
        (Manners::Nothing, format!("{:?}: {OURS}", ResponseCode::NXDomain)),
        (Manners::Inside, format!("NoError: {OURS}")),
        (Manners::Declines(ResponseCode::Refused), format!("ServFail: {OURS}")),
        (Manners::Circle, format!("ServFail: {OURS}")),
    ] {
        let fake = Fake::start(manners).await;
        assert_eq!(ask(&zone("www.example"), &policy(&fake), INSIDE, true).await, expected);
    }
}

#[tokio::test]
async fn special_names_at_the_end_stay_here() {
    let fake = Fake::start(Manners::Honest).await;
    for (to, expected) in [
        (
            "x.localhost",
            "NoError: b.Internal. a.internal., a.internal. x.localhost., x.localhost. 127.0.0.1",
        ),
        ("x.onion", "NXDomain: b.Internal. a.internal., a.internal. x.onion."),
    ] {
        assert_eq!(ask(&zone(to), &policy(&fake), INSIDE, true).await, expected);
    }
    assert_eq!(fake.asked(), 0);
}

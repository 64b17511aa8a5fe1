//! Certificates for others to use: issued, listed, revoked, forgotten.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::certificate::{
    Holder, Issuance, IssuedCertificate, IssuedKind, KeySource, Purpose, RevocationReason,
};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::Algorithm;
use conduit_core::name::Host;

use super::fake::{Next, Room, asked, name, open};
use crate::store::CertificateQuery;
use crate::{ApplyError, Cause, Mutation, Revoking};

fn wish(holder: &str, purpose: Purpose, hosts: &[&str]) -> Issuance {
    Issuance {
        holder: Holder::parse(holder).expect("valid"),
        kind: IssuedKind::Holder,
        purpose,
        hosts: hosts.iter().map(|host| Host::parse(host).expect("valid")).collect(),
        addresses: Vec::new(),
        key: KeySource::Generate(Algorithm::EcdsaP256),
        validity: Some(Duration::from_secs(3600)),
    }
}

fn issue(holder: &str) -> Mutation {
    Mutation::Issue(Box::new(wish(holder, Purpose::Client, &[])))
}

fn revoke(certificates: Vec<IssuedCertificate>, reason: RevocationReason) -> Mutation {
    let certificates = certificates.into_iter().map(Arc::new).collect();
    Mutation::Revoke(Box::new(Revoking { certificates, service: None, reason }))
}

async fn of(room: &Room, holder: &str) -> Vec<IssuedCertificate> {
    let query = CertificateQuery { holder: Some(holder.to_owned()), ..CertificateQuery::default() };
    room.registry.certificates(query).await.expect("read")
}

fn code(error: ApplyError) -> &'static str {
    match error {
        ApplyError::Rejected(rejection) => rejection.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_issued_is_in_the_inventory_and_on_record_without_its_key() {
    let room = Room::new();
    let done = room.apply(issue("alice")).await.expect("granted");
    let signed = done.issued.expect("signed");
    assert!(done.changed && signed.key.is_some());
    assert_eq!(room.script.published(), [], "no table has changed");
    let [found] = &of(&room, "alice").await[..] else { panic!("one") };
    assert_eq!((found.fingerprint, found.not_after), (signed.fingerprint, signed.not_after));
    assert_eq!(found.issued_by, "operator");
    assert_eq!(found.revoked, None);
    let entry = &room.registry.entries(1, None).await.expect("read")[0];
    assert_eq!(entry.action, "tls_issue");
    assert_eq!(entry.details["name"], "alice");
    assert_eq!(entry.details["purpose"], "client");
    assert_eq!(entry.details["fingerprint"], signed.fingerprint.to_string());
}

#[tokio::test]
async fn a_signature_that_fails_leaves_no_trace() {
    let room = Room::new();
    room.script.set(Next::Refuse);
    let refused = room.apply(issue("alice")).await.expect_err("refused");
    assert!(matches!(refused, ApplyError::Refused(_)), "{refused:?}");
    assert!(of(&room, "alice").await.is_empty());
    assert_eq!(room.registry.head().load().count, 0);
}

#[tokio::test]
async fn names_are_judged() {
    let room = Room::new();
    room.register(vec![asked("web", "10.0.0.1:80")]).await.expect("granted");
    for (number, (hosts, kind, expected)) in [
        (&[][..], IssuedKind::Holder, Some("no_names")),
        (&["db.example.com"][..], IssuedKind::Holder, Some("not_ours")),
        (&["db.internal"][..], IssuedKind::Holder, None),
        // A person may; a program may not take over what the gateway serves.
        (&["web.internal"][..], IssuedKind::Holder, None),
        (&["web.internal"][..], IssuedKind::Acme, Some("host_served")),
        (&["db.internal"][..], IssuedKind::Acme, None),
    ]
    .into_iter()
    .enumerate()
    {
        let wish = Issuance { kind, ..wish(&format!("x{number}"), Purpose::Server, hosts) };
        let answer = room.apply(Mutation::Issue(Box::new(wish))).await;
        assert_eq!(answer.err().map(code), expected, "{hosts:?} {kind}");
    }
}

#[tokio::test]
async fn what_is_revoked_is_known_at_once_and_after_a_restart() {
    let room = Room::new();
    room.apply(issue("alice")).await.expect("granted");
    room.apply(issue("bob")).await.expect("granted");
    let mut revoked = room.registry.revoked();
    let alice = of(&room, "alice").await;
    let fingerprint = alice[0].fingerprint;
    let reason = RevocationReason::KeyCompromise;
    room.apply(revoke(alice, reason)).await.expect("granted");
    revoked.changed().await;
    let revoked = revoked.load_full();
    assert!(revoked.contains(&fingerprint));
    assert!(!revoked.contains(&of(&room, "bob").await[0].fingerprint));
    let found = of(&room, "alice").await.remove(0);
    assert_eq!(found.revoked.map(|r| r.reason), Some(reason));
    let entry = &room.registry.entries(1, None).await.expect("read")[0];
    assert_eq!((entry.action.as_str(), &entry.details["name"]), ("cert_revoke", &"alice".into()));
    let again = room.apply(revoke(vec![found], reason)).await.expect("granted");
    assert!(!again.changed, "once is enough");
    let dir = room.close().await;
    assert!(open(dir.path()).revoked().contains(&fingerprint));
}

#[tokio::test]
async fn revoking_a_service_covers_every_leaf_that_it_had_and_gives_it_new_ones() {
    let room = Room::new();
    room.register(vec![asked("web", "10.0.0.1:80")]).await.expect("granted");
    let first: Vec<_> = served(&room).await;
    let rotate = Mutation::Reissue { names: vec![name("web")], cause: Cause::Rotate };
    room.apply(rotate).await.expect("granted");
    let second = served(&room).await;
    let wish = Revoking {
        certificates: Vec::new(),
        service: Some(name("web")),
        reason: RevocationReason::Superseded,
    };
    room.apply(Mutation::Revoke(Box::new(wish))).await.expect("granted");
    let revoked = room.registry.revoked().load_full();
    let third = served(&room).await;
    assert!(first.iter().chain(&second).all(|leaf| revoked.contains(leaf)));
    assert!(third.iter().all(|leaf| !revoked.contains(leaf) && !second.contains(leaf)));
    assert_eq!(of(&room, "web").await.len(), 4);
    room.apply(Mutation::Deregister { name: name("web") }).await.expect("granted");
    assert_eq!(of(&room, "web").await.len(), 6, "they can be revoked still");
}

async fn served(room: &Room) -> Vec<conduit_core::leaf::Fingerprint> {
    let rows = room.registry.rows(false).await.expect("read");
    rows[0].leaves.iter().map(|leaf| leaf.fingerprint).collect()
}

#[tokio::test]
async fn the_expired_are_forgotten_after_a_while_and_pages_go_on() {
    let room = Room::new();
    for holder in ["a", "b", "c"] {
        room.apply(issue(holder)).await.expect("granted");
    }
    let page = |after| {
        let query = CertificateQuery { limit: Some(2), after, ..CertificateQuery::default() };
        room.registry.certificates(query)
    };
    let first = page(None).await.expect("read");
    let last = first.last().expect("two");
    let rest = page(Some((last.issued_at, last.fingerprint))).await.expect("read");
    let mut holders: Vec<_> = first.iter().chain(&rest).map(|c| c.holder.clone()).collect();
    holders.sort_unstable();
    assert_eq!(holders, ["a", "b", "c"]);
    let late = Timestamp::from_seconds(1_775_304_000 + 40 * 86_400);
    let operator = super::fake::operator();
    room.registry.apply_at(operator, issue("d"), late).await.expect("granted");
    let all = room.registry.certificates(CertificateQuery::default()).await.expect("read");
    assert_eq!(all.len(), 1, "{all:?}");
}

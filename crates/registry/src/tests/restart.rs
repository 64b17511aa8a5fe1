//! What a restart finds.

use conduit_audit::Anchor;
use conduit_core::actor::Role;
use conduit_core::clock::Timestamp;
use conduit_core::service::{Monitoring, ProbePath, Protocol, TlsMode, WhenAllEjected};
use conduit_core::title::Title;

use super::fake::{Room, asked, name, open, verify};
use crate::TokenHolder;
use crate::store::SEAL_DIR;
use crate::{ApplyError, Mutation, RegisterOptions, RowStatus};
use conduit_core::scope::Scopes;

#[tokio::test]
async fn a_restart_finds_every_field_and_leaf_again() {
    let room = Room::new();
    let mut web = asked("web", "10.0.0.1:80");
    web.aliases = vec!["www.local".into()];
    web.probe = Some(ProbePath::parse("/up?x=1").expect("valid"));
    web.when_all_ejected = WhenAllEjected::Try;
    web.title = Some(Title::parse("GPU dashboards").expect("valid"));
    web.monitoring = Monitoring {
        kind: Some("gpu".into()),
        container_name: None,
        ssh_host: Some("root@10.0.0.1".into()),
    };
    let mut plain = asked("plain", "[fd00::1]:80");
    plain.tls = TlsMode::Off;
    let mut db = asked("db", "10.0.0.3:5432");
    db.protocol = Protocol::Tcp;
    room.register(vec![web, plain, db]).await.expect("granted");
    let before = room.registry.catalog().load_full();
    let dir = room.close().await;
    let store = open(dir.path());
    assert_eq!(store.generation(), before.generation());
    for (old, new) in before.sorted().into_iter().zip(store.catalog().sorted()) {
        assert_eq!(old, new);
    }
    let leaves = store.leaves().expect("read");
    let [(owner, pair)] = leaves.as_slice() else {
        panic!("{leaves:?}");
    };
    assert_eq!(*owner, name("web"));
    let key = String::from_utf8_lossy(pair.ed25519.key.as_pkcs8()).into_owned();
    assert_eq!(key, "web ed25519 1.0");
    assert_eq!(&pair.ecdsa_p256.certificate_der[..], b"web ecdsa-p256 1.0");
    let anchor = Anchor::read(&dir.path().join(SEAL_DIR)).expect("read");
    assert_eq!(anchor, Anchor::of(store.head()));
    assert!(store.holds_its_anchor().expect("read"));
    assert_eq!(verify(dir.path()).entries, 3);
}

#[tokio::test]
async fn history_stays_and_a_name_comes_back_as_a_new_row() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    let options = RegisterOptions { replace: true, ..RegisterOptions::default() };
    let mut services = vec![asked("a", "10.0.0.2:80")];
    services[0].tls = TlsMode::Off;
    room.apply(Mutation::Register { services, options }).await.expect("granted");
    room.apply(Mutation::Deregister { name: name("a") }).await.expect("granted");
    let again = room.apply(Mutation::Deregister { name: name("a") }).await;
    assert!(matches!(again, Err(ApplyError::Rejected(ref r)) if r.code == "not_found"));
    room.register(vec![asked("a", "10.0.0.3:80")]).await.expect("granted");
    let rows = room.registry.rows(true).await.expect("read");
    let upstreams: Vec<String> =
        rows.iter().map(|row| row.service.upstreams[0].to_string()).collect();
    assert_eq!(upstreams, ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
    let states: Vec<&str> = rows.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(states, ["inactive", "inactive", "active"]);
    assert!(matches!(rows[0].status, RowStatus::Inactive { .. }));
    let leaves: Vec<usize> = rows.iter().map(|row| row.leaves.len()).collect();
    assert_eq!(leaves, [0, 0, 2], "leaves go with their service");
    assert_eq!(room.registry.rows(false).await.expect("read").len(), 1);
    let entries = room.registry.entries_from(0, 99).await.expect("read");
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    let expected = ["service_register", "service_update", "service_deregister", "service_register"];
    assert_eq!(actions, expected);
    assert_eq!(entries[1].details["previous"]["upstream"], "10.0.0.1:80");
    let older = room.registry.entries(1, Some(1)).await.expect("read");
    assert_eq!(older[0].sequence, 0);
    let dir = room.close().await;
    assert_eq!(open(dir.path()).catalog().len(), 1);
    verify(dir.path());
}

#[tokio::test]
async fn tokens_survive_and_revoked_ones_do_not_open_doors() {
    let room = Room::new();
    let now = Timestamp::from_seconds(1_775_304_000);
    let create = |name: &str| Mutation::CreateToken {
        name: name.into(),
        role: Role::Operator,
        scopes: Scopes::parse(["services:web-*"]).expect("legal"),
        expires_at: None,
    };
    let made = room.apply(create("ci")).await.expect("granted");
    assert_eq!(made.generation.0, 0, "a token makes no generation");
    let ci = made.token.expect("a token");
    let guest = room.apply(create("guest")).await.expect("granted").token.expect("a token");
    assert!(room.registry.authenticate(&ci.secret, now).is_some());
    let twice = room.apply(create("ci")).await;
    assert!(matches!(twice, Err(ApplyError::Rejected(ref r)) if r.code == "token_name_taken"));
    room.apply(Mutation::RevokeToken { id: ci.id.clone() }).await.expect("granted");
    assert!(room.registry.authenticate(&ci.secret, now).is_none());
    let listed = room.registry.tokens().await.expect("read");
    assert_eq!(listed.len(), 2);
    let revoked = listed.iter().find(|token| token.id == ci.id).expect("its row stays");
    assert!(revoked.revoked_at.is_some() && revoked.created_by == "operator");
    assert!(room.dump().iter().all(|row| !row.contains(&ci.secret[4..])));
    let dir = room.close().await;
    let room = Room::in_dir(dir, |_| {});
    assert!(room.registry.authenticate(&ci.secret, now).is_none());
    let TokenHolder { actor, role, scopes } =
        room.registry.authenticate(&guest.secret, now).expect("recognised");
    assert_eq!(scopes.texts(), ["services:web-*"]);
    assert_eq!((actor.to_string().as_str(), role), ("token:guest", Role::Operator));
    let entries = room.registry.entries(9, None).await.expect("read");
    assert_eq!(entries[0].action, "token_revoke");
    verify(room.close().await.path());
}

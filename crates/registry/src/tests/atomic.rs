//! Whole or not at all.

use conduit_core::catalog::Generation;
use conduit_core::title::Title;

use super::fake::{Next, Room, asked, name, open, verify};
use crate::{ApplyError, Cause, Mutation, OutcomeKind, RegisterOptions, RegistryError};

#[tokio::test]
async fn a_registration_is_durable_and_live_when_it_is_answered() {
    let room = Room::new();
    let committed = room.register(vec![asked("grafana", "10.0.1.50:3000")]).await;
    let committed = committed.expect("granted");
    assert_eq!(committed.generation, Generation(1));
    assert!(committed.changed);
    assert_eq!(committed.outcomes[0].kind, OutcomeKind::Created);
    assert_eq!(committed.sequence, Some(0));
    assert_eq!(room.script.published(), [(1, 0)]);
    assert_eq!(room.registry.catalog().load().len(), 1);
    assert_eq!(room.registry.head().load().count, 1);
    let entry = &room.registry.entries(9, None).await.expect("read")[0];
    assert_eq!(entry.action, "service_register");
    assert_eq!(entry.message, "Registered grafana.internal → 10.0.1.50:3000");
    assert_eq!(entry.user, "operator");
    for (key, value) in [
        ("name", "grafana"),
        ("host", "10.0.1.50:3000"),
        ("domain", "grafana.internal"),
        ("upstream", "10.0.1.50:3000"),
    ] {
        assert_eq!(entry.details[key], value, "{key}");
    }
    assert_eq!(entry.details["port"], 3000);
    assert!(!entry.details.contains_key("title"), "only when there is one");
    assert_eq!(entry.details["tls"], true);
    assert_eq!(entry.details["generation"], 1);
    assert_eq!(entry.details["fingerprints"].as_object().map(|f| f.len()), Some(2));
    let rows = room.registry.rows(false).await.expect("read");
    assert_eq!(rows[0].leaves.len(), 2);
    assert_eq!(rows[0].generation, Generation(1));
}

#[tokio::test]
async fn a_title_is_on_record_in_the_view_and_goes_when_it_is_not_asked_for_again() {
    let room = Room::new();
    let mut titled = asked("grafana", "10.0.1.50:3000");
    titled.title = Some(Title::parse("GPU dashboards").expect("valid"));
    room.register(vec![titled.clone()]).await.expect("granted");
    let entry = &room.registry.entries(1, None).await.expect("read")[0];
    assert_eq!(entry.details["title"], "GPU dashboards");
    room.registry.write_services(room.dir.path(), |_| None).await.expect("written");
    let view = || std::fs::read_to_string(room.dir.path().join("services.json")).expect("read");
    assert!(view().contains(r#""title": "GPU dashboards""#), "{}", view());
    let again = room.register(vec![titled]).await.expect("the same");
    assert!(!again.changed);
    let services = vec![asked("grafana", "10.0.1.50:3000")];
    let options = RegisterOptions { replace: true, ..RegisterOptions::default() };
    let replaced = room.apply(Mutation::Register { services, options }).await.expect("granted");
    assert_eq!(replaced.outcomes[0].kind, OutcomeKind::Replaced);
    assert_eq!(room.registry.catalog().load().get(&name("grafana")).expect("there").title, None);
    room.registry.write_services(room.dir.path(), |_| None).await.expect("written");
    assert_eq!(view().matches("GPU dashboards").count(), 1, "history keeps it: {}", view());
}

#[tokio::test]
async fn whatever_refuses_leaves_no_trace() {
    let room = Room::new();
    let first = vec![asked("a", "10.0.0.1:80"), asked("b", "10.0.0.2:80")];
    room.register(first).await.expect("granted");
    let before = room.dump();
    let bulk = || vec![asked("c", "10.0.0.3:80"), asked("d", "10.0.0.4:80")];
    room.script.set(Next::Refuse);
    let refused = room.register(bulk()).await;
    assert!(matches!(refused, Err(ApplyError::Refused(_))), "{refused:?}");
    room.script.set(Next::Panic);
    let panicked = room.register(bulk()).await;
    assert!(matches!(panicked, Err(ApplyError::Refused(_))), "{panicked:?}");
    let taken = room.register(vec![asked("c", "10.0.0.3:80"), asked("a", "10.0.0.9:80")]).await;
    assert!(matches!(taken, Err(ApplyError::Rejected(ref r)) if r.code == "name_taken"));
    let same = room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    assert!(!same.changed && same.sequence.is_none());
    assert_eq!(same.outcomes[0].kind, OutcomeKind::Unchanged);
    let services = bulk();
    let options = RegisterOptions { dry_run: true, prune: true, replace: true };
    let dry = room.apply(Mutation::Register { services, options }).await.expect("granted");
    assert!(!dry.changed && dry.generation == Generation(1));
    assert_eq!(dry.outcomes.len(), 4);
    assert_eq!(room.dump(), before);
    assert_eq!(room.script.published(), [(1, 0)]);
    assert_eq!(room.registry.catalog().load().generation(), Generation(1));
    // And the writer lives.
    let next = room.register(bulk()).await.expect("granted");
    assert_eq!(next.generation, Generation(2));
    verify(room.close().await.path());
}

#[tokio::test]
async fn a_full_disk_refuses_decisions_and_kills_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let room = Room::in_dir(dir, |store| {
        let set = |_: &rusqlite::Row<'_>| Ok(());
        let pages = store.connection.pragma_update_and_check(None, "max_page_count", 60, set);
        pages.expect("set");
    });
    let mut granted = 0;
    let refused = loop {
        match room.register(vec![asked(&format!("s{granted}"), "10.0.0.1:80")]).await {
            Ok(_) => granted += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, ApplyError::Unavailable(ref e) if e.is_disk_full()), "{refused:?}");
    assert!(granted > 0);
    let before = room.dump();
    let again = room.register(vec![asked("more", "10.0.0.1:80")]).await;
    assert!(matches!(again, Err(ApplyError::Unavailable(_))), "{again:?}");
    assert_eq!(room.dump(), before);
    assert_eq!(room.registry.catalog().load().len(), granted);
    assert_eq!(room.script.published().len(), granted);
    let dir = room.close().await;
    assert_eq!(verify(dir.path()).entries, u64::try_from(granted).expect("small"));
    // With room on the disk again, it goes on.
    let room = Room::in_dir(dir, |_| {});
    room.register(vec![asked("more", "10.0.0.1:80")]).await.expect("granted");
    verify(room.close().await.path());
}

#[tokio::test]
async fn a_thousand_services_are_one_commit_and_one_publication() {
    let room = Room::new();
    let services = (0..1_000_u32)
        .map(|i| asked(&format!("s{i}"), &format!("10.0.{}.{}:80", i >> 8, i & 0xff)))
        .collect();
    let committed = room.register(services).await.expect("granted");
    assert_eq!(committed.sequence, Some(999));
    assert_eq!(room.script.published(), [(1, 0)]);
    let dir = room.close().await;
    let store = open(dir.path());
    assert_eq!(store.catalog().len(), 1_000);
    assert_eq!(store.leaves().expect("read").len(), 1_000);
}

#[tokio::test]
async fn new_leaves_are_a_new_revision_and_no_new_generation() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    for (cause, action, revision) in
        [(Cause::Rotate, "cert_rotate", 1), (Cause::Renew, "tls_renew", 2)]
    {
        let names = vec![name("a")];
        let done = room.apply(Mutation::Reissue { names, cause }).await.expect("granted");
        assert_eq!((done.generation, done.version.revision), (Generation(1), revision));
        let entry = &room.registry.entries(1, None).await.expect("read")[0];
        assert_eq!(entry.action, action);
        assert!(entry.details.contains_key("fingerprints"));
    }
    let rows = room.registry.rows(false).await.expect("read");
    let shown = String::from_utf8_lossy(&rows[0].leaves[0].fingerprint.0).into_owned();
    assert!(shown.contains("1.2"), "the newest leaf is stored: {shown}");
    let done = room.register(vec![asked("b", "10.0.0.2:80")]).await.expect("granted");
    assert_eq!((done.generation, done.version.revision), (Generation(2), 0));
}

#[tokio::test]
async fn a_closed_registry_takes_no_decisions() {
    let room = Room::new();
    let registry = room.registry.clone();
    room.close().await;
    registry.ended().await;
    let now = conduit_core::clock::Timestamp::from_seconds(1);
    let mutation = Mutation::Deregister { name: name("a") };
    let late = registry.apply_at(super::fake::operator(), mutation, now).await;
    assert!(matches!(late, Err(ApplyError::ShuttingDown)), "{late:?}");
    registry.close().await;
    registry.observe(super::fake::draft("late"));
    assert_eq!(registry.observations_lost(), 1);
}

#[tokio::test]
async fn a_backup_is_whole_and_replaces_nothing() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    let target = room.dir.path().join("copy/conduit.db");
    std::fs::create_dir(room.dir.path().join("copy")).expect("made");
    room.registry.backup(&target).await.expect("copied");
    let again = room.registry.backup(&target).await.expect_err("it is there");
    assert!(matches!(again, RegistryError::Backup { .. }));
    room.register(vec![asked("b", "10.0.0.2:80")]).await.expect("granted");
    let store = open(room.dir.path().join("copy").as_path());
    assert_eq!((store.is_new(), store.catalog().len()), (false, 1));
    let files = std::fs::read_dir(room.dir.path().join("copy")).expect("listed");
    let partial = files
        .filter_map(Result::ok)
        .any(|file| file.file_name().to_string_lossy().contains("partial"));
    assert!(!partial);
}

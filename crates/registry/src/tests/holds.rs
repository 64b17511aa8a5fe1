//! Upstreams that are held back by hand: across restarts, replacements and deregistrations.

use conduit_core::hold::HoldKind;
use conduit_core::upstream::UpstreamAddr;

use super::fake::{Room, asked, name, open, verify};
use crate::{ApplyError, Committed, Mutation, RegisterOptions, Registration};

fn addr(text: &str) -> UpstreamAddr {
    UpstreamAddr::parse(text).expect("valid")
}

fn pair() -> Registration {
    Registration::new(name("web"), vec![addr("10.0.0.1:80"), addr("10.0.0.2:80")])
}

async fn hold(room: &Room, upstream: &str, kind: Option<HoldKind>) -> Committed {
    let by = "operator".to_owned();
    let wish = Mutation::Hold { name: name("web"), upstream: addr(upstream), kind, by };
    room.apply(wish).await.expect("granted")
}

fn held(room: &Room) -> Vec<(String, HoldKind)> {
    let catalog = room.registry.catalog().load_full();
    let service = catalog.get(&name("web")).expect("active");
    service.holds.iter().map(|hold| (hold.upstream.to_string(), hold.kind)).collect()
}

async fn replace(room: &Room, with: Registration) {
    let options = RegisterOptions { replace: true, ..RegisterOptions::default() };
    let wish = Mutation::Register { services: vec![with], options };
    room.apply(wish).await.expect("granted");
}

#[tokio::test]
async fn a_drained_upstream_stays_drained() {
    let room = Room::new();
    room.register(vec![pair()]).await.expect("granted");
    let drained = hold(&room, "10.0.0.1:80", Some(HoldKind::Drain)).await;
    assert_eq!((drained.changed, drained.generation.0), (true, 2));
    assert!(!hold(&room, "10.0.0.1:80", Some(HoldKind::Drain)).await.changed, "once is enough");

    let room = Room::in_dir(room.close().await, |_| {});
    let one = [("10.0.0.1:80".to_owned(), HoldKind::Drain)];
    assert_eq!(held(&room), one, "across a restart");
    room.register(vec![pair()]).await.expect("the same again");
    assert_eq!(held(&room), one, "across the same registration");
    let mut changed = pair();
    changed.upstreams.push(addr("10.0.0.3:80"));
    replace(&room, changed).await;
    assert_eq!(held(&room), one, "across a replacement that keeps it");
    assert_eq!(open(room.close().await.path()).catalog().len(), 1);
}

#[tokio::test]
async fn what_is_gone_is_held_no_more() {
    let room = Room::new();
    room.register(vec![pair()]).await.expect("granted");
    hold(&room, "10.0.0.1:80", Some(HoldKind::Eject)).await;
    hold(&room, "10.0.0.2:80", Some(HoldKind::Drain)).await;
    replace(&room, asked("web", "10.0.0.2:80")).await;
    assert_eq!(held(&room), [("10.0.0.2:80".to_owned(), HoldKind::Drain)]);
    room.apply(Mutation::Deregister { name: name("web") }).await.expect("granted");
    room.register(vec![pair()]).await.expect("granted");
    assert_eq!(held(&room), []);
}

#[tokio::test]
async fn each_decision_has_its_entry_with_who_and_what() {
    let room = Room::new();
    room.register(vec![pair()]).await.expect("granted");
    hold(&room, "10.0.0.1:80", Some(HoldKind::Drain)).await;
    hold(&room, "10.0.0.1:80", Some(HoldKind::Eject)).await;
    hold(&room, "10.0.0.1:80", None).await;
    // Nobody holds it: this is for one that the prober ejected.
    let again = hold(&room, "10.0.0.1:80", None).await;
    assert_eq!((again.changed, again.generation.0), (true, 4), "a decision, not a generation");
    assert_eq!(held(&room), []);
    let entries = room.registry.entries_from(1, 9).await.expect("read");
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["upstream_drain", "upstream_eject", "upstream_admit", "upstream_admit"]);
    for entry in &entries {
        assert_eq!(entry.user, "operator");
        assert_eq!(entry.details["name"], "web");
        assert_eq!(entry.details["upstream"], "10.0.0.1:80");
    }
    verify(room.close().await.path());
}

#[tokio::test]
async fn what_is_unknown_is_refused_and_nothing_is_written() {
    let room = Room::new();
    room.register(vec![pair()]).await.expect("granted");
    let before = room.dump();
    for (service, upstream, code, hint) in [
        ("api", "10.0.0.1:80", "not_found", "conduit status"),
        ("web", "10.0.0.9:80", "upstream_not_found", "10.0.0.1:80, 10.0.0.2:80"),
    ] {
        for kind in [Some(HoldKind::Drain), Some(HoldKind::Eject), None] {
            let (upstream, by) = (addr(upstream), String::new());
            let wish = Mutation::Hold { name: name(service), upstream, kind, by };
            match room.apply(wish).await {
                Err(ApplyError::Rejected(rejection)) => {
                    assert_eq!(rejection.code, code);
                    assert!(rejection.hint.expect("a mend").contains(hint));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(room.dump(), before);
}

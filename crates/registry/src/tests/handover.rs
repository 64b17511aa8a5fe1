//! The database in the hands of another process for a while, or for good.

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use rusqlite::Connection;

use super::fake::{Room, asked, open, verify};
use crate::store::DATABASE_FILE;
use crate::{ApplyError, Mutation, RegistryError, start};

fn entry() -> Mutation {
    Mutation::Record(Box::new(Draft {
        at: Timestamp::from_seconds(1_775_304_001),
        actor: Actor::System("daemon"),
        action: Action::DaemonStart,
        status: Status::Success,
        message: "the other one".into(),
        details: serde_json::Map::new(),
    }))
}

/// What another process does with the database: it appends an entry.
async fn visit(room: &Room) {
    let settings = super::fake::settings();
    let publisher = super::fake::publisher();
    let (other, thread) = start(open(room.dir.path()), settings, publisher).expect("started");
    other.apply(Actor::System("daemon"), entry()).await.expect("granted");
    other.close().await;
    thread.join().expect("ended");
}

#[tokio::test]
async fn what_is_asked_meanwhile_is_granted_once_the_database_is_back() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    let paused = room.registry.pause(false).await.expect("paused");
    let mut asking = Box::pin(room.register(vec![asked("b", "10.0.0.2:80")]));
    tokio::select! {
        biased;
        _ = &mut asking => panic!("nothing is written meanwhile"),
        () = visit(&room) => {}
    }
    assert_eq!(room.registry.rows(false).await.expect("reads go on").len(), 1);
    paused.take_back().await.expect("taken back");
    asking.as_mut().await.expect("granted");
    drop(asking);
    let head = room.registry.head().load_full();
    assert_eq!(head.count, 3, "with the entry of the other one");
    let dir = room.close().await;
    assert_eq!(verify(dir.path()).entries, 3);
    assert_eq!(open(dir.path()).catalog().len(), 2);
}

#[tokio::test]
async fn what_is_asked_of_a_database_that_was_left_is_refused() {
    let room = Room::new();
    let paused = room.registry.pause(true).await.expect("paused");
    let copy = room.dir.path().join("conduit.db.upgrade");
    assert!(copy.exists());
    let asking = room.register(vec![asked("a", "10.0.0.1:80")]);
    let leaving = async {
        tokio::task::yield_now().await;
        paused.leave();
    };
    let (asked, ()) = tokio::join!(asking, leaving);
    assert!(matches!(asked, Err(ApplyError::ShuttingDown)), "{asked:?}");
    room.registry.ended().await;
    assert!(!copy.exists(), "nobody needs it any more");
}

#[tokio::test]
async fn a_database_that_was_made_newer_is_put_back() {
    let room = Room::new();
    room.register(vec![asked("a", "10.0.0.1:80")]).await.expect("granted");
    for keep_copy in [true, false] {
        let paused = room.registry.pause(keep_copy).await.expect("paused");
        let newer = Connection::open(room.dir.path().join(DATABASE_FILE)).expect("opens");
        newer.pragma_update(None, "user_version", 99).expect("newer");
        drop(newer);
        let taken = paused.take_back().await;
        if keep_copy {
            taken.expect("put back");
            assert_eq!(room.registry.rows(false).await.expect("read").len(), 1);
            room.register(vec![asked("b", "10.0.0.2:80")]).await.expect("granted");
        } else {
            let error = taken.expect_err("there is no older one");
            assert!(matches!(error, RegistryError::NewerDatabase { found: 99, .. }), "{error}");
            room.registry.ended().await;
        }
    }
}

//! What gets on the record, and what happens when it does not fit.

use std::sync::mpsc;

use conduit_audit::Action;
use conduit_core::actor::Actor;

use super::fake::{LIMITS, Next, Room, asked, draft, verify};
use crate::Mutation;
use crate::registry::{Decision, Wish};

#[tokio::test]
async fn a_decision_without_rows_is_recorded_under_who_asked() {
    let room = Room::new();
    let mut flush = draft("Flushed the cache");
    flush.action = Action::DnsFlush;
    let done = room.apply(Mutation::Record(Box::new(flush))).await.expect("granted");
    assert!(done.changed && done.generation.0 == 0 && done.outcomes.is_empty());
    let entry = &room.registry.entries(1, None).await.expect("read")[0];
    assert_eq!((entry.action.as_str(), entry.user.as_str()), ("dns_flush", "operator"));
    assert_eq!(room.script.published(), []);
}

#[tokio::test]
async fn decisions_go_first_and_lost_observations_become_a_gap() {
    let room = Room::new();
    let (at_it, is_at_it) = mpsc::sync_channel(1);
    let (word, wait_for_word) = mpsc::sync_channel(1);
    room.script.set(Next::Wait(at_it, wait_for_word));
    let busy = room.register(vec![asked("a", "10.0.0.1:80")]);
    let meanwhile = async {
        // The writer is on its own thread and now in `prepare`.
        is_at_it.recv().expect("at it");
        for number in 0..LIMITS.observations_max + 10 {
            room.registry.observe(draft(&format!("flap {number}")));
        }
        assert_eq!(room.registry.observations_lost(), 10);
        word.send(()).expect("heard");
    };
    let (done, ()) = tokio::join!(busy, meanwhile);
    assert_eq!(done.expect("granted").sequence, Some(0));
    let dir = room.close().await;
    let room = Room::in_dir(dir, |_| {});
    let entries = room.registry.entries_from(0, 10_000).await.expect("read");
    assert_eq!(entries.len(), 1 + LIMITS.observations_max + 1);
    let gaps: Vec<_> = entries.iter().filter(|entry| entry.action == "gap").collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].details["lost"], 10);
    assert_eq!(gaps[0].user, "conduit:registry");
    verify(room.close().await.path());
}

#[tokio::test]
async fn one_observation_that_cannot_be_recorded_takes_no_other_with_it() {
    let room = Room::new();
    let (at_it, is_at_it) = mpsc::sync_channel(1);
    let (word, wait_for_word) = mpsc::sync_channel(1);
    room.script.set(Next::Wait(at_it, wait_for_word));
    let busy = room.register(vec![asked("a", "10.0.0.1:80")]);
    let meanwhile = async {
        is_at_it.recv().expect("at it");
        room.registry.observe(draft("before"));
        room.registry.observe(draft(&"x".repeat(2 << 20)));
        room.registry.observe(draft("after"));
        word.send(()).expect("heard");
    };
    let (done, ()) = tokio::join!(busy, meanwhile);
    done.expect("granted");
    let dir = room.close().await;
    let room = Room::in_dir(dir, |_| {});
    let entries = room.registry.entries_from(1, 99).await.expect("read");
    let seen: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(seen.iter().filter(|action| **action == "health_change").count(), 2, "{seen:?}");
    assert_eq!(seen.iter().filter(|action| **action == "gap").count(), 1, "{seen:?}");
    verify(room.close().await.path());
}

#[tokio::test]
async fn the_queue_of_decisions_is_bounded() {
    let room = Room::new();
    let (at_it, is_at_it) = mpsc::sync_channel(1);
    let (word, wait_for_word) = mpsc::sync_channel(1);
    room.script.set(Next::Wait(at_it, wait_for_word));
    let busy = room.register(vec![asked("a", "10.0.0.1:80")]);
    let meanwhile = async {
        is_at_it.recv().expect("at it");
        let mut answers = Vec::new();
        loop {
            let (reply, answer) = tokio::sync::oneshot::channel();
            let wish = Wish {
                actor: Actor::System("test"),
                mutation: Mutation::Record(Box::new(draft("queued"))),
                now: conduit_core::clock::Timestamp::from_seconds(1),
                reply,
            };
            let decision = Decision::Apply(Box::new(wish));
            match room.registry.decisions.try_send(decision) {
                Ok(()) => answers.push(answer),
                Err(_) => break,
            }
        }
        assert_eq!(answers.len(), LIMITS.decisions_max);
        word.send(()).expect("heard");
        answers
    };
    let (done, answers) = tokio::join!(busy, meanwhile);
    done.expect("granted");
    for (sequence, answer) in (1..).zip(answers) {
        let committed = answer.await.expect("answered").expect("granted");
        assert_eq!(committed.sequence, Some(sequence), "in order");
    }
    verify(room.close().await.path());
}

//! Changes that programs ask of DNS, made by the registry.
//!
//! **Invariant:** a change is on record under the name of its key, and so is one that the rules refuse.

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use conduit_dns::update::{Change, Step, Verdict, Wish};
use conduit_registry::{
    ApplyError, Mutation, RecordWish, RecordsToChange, RecordsToRemove, Registry,
};
use serde_json::{Map, json};
use tokio::sync::mpsc;

/// Makes one change after the other.
pub(crate) async fn make(mut wishes: mpsc::Receiver<Wish>, registry: Registry) {
    while let Some(Wish { change, reply }) = wishes.recv().await {
        // Who asked may have gone away; what was decided stays decided.
        reply.send(made(change, &registry).await).ok();
    }
}

async fn made(change: Change, registry: &Registry) -> Verdict {
    let actor = Actor::Key { name: change.by.to_string() };
    let count = change.steps.len();
    let wishes = change.steps.into_iter().map(wish).collect();
    let asked = RecordsToChange { seen: change.seen, wishes };
    let mutation = Mutation::ChangeRecords(Box::new(asked));
    match registry.apply(actor.clone(), mutation).await {
        Ok(_) => Verdict::Done,
        Err(ApplyError::Rejected(rejection)) if rejection.code == STALE => Verdict::Stale,
        Err(ApplyError::Rejected(rejection)) => {
            let mut details = Map::new();
            details.insert("code".into(), json!(rejection.code));
            details.insert("steps".into(), json!(count));
            registry.observe(Draft {
                at: Timestamp::now(),
                actor,
                action: Action::CommandError("dns_update"),
                status: Status::Failure,
                message: rejection.message.clone(),
                details,
            });
            Verdict::Refused(rejection.message)
        }
        Err(error) => Verdict::Unavailable(Chain(&error).to_string()),
    }
}

fn wish(step: Step) -> RecordWish {
    match step {
        Step::Add(record) => RecordWish::Add(record),
        Step::Remove { name, kind, data } => {
            RecordWish::Remove(RecordsToRemove { name, kind, data })
        }
    }
}

/// What the registry says when something came in between.
const STALE: &str = "changed_meanwhile";

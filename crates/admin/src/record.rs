//! Decisions that change nothing but the record, put there before they take effect.

use conduit_audit::action::Action;
use conduit_audit::entry::{Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::clock::Timestamp;
use conduit_registry::Mutation;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::state::AdminState;

/// Records a decision; one that cannot be recorded is refused.
pub(crate) async fn decision(
    state: &AdminState,
    actor: Actor,
    action: Action,
    message: &str,
) -> Result<(), ApiError> {
    decision_about(state, actor, action, message, Map::new()).await
}

/// The same with particulars.
pub(crate) async fn decision_about(
    state: &AdminState,
    actor: Actor,
    action: Action,
    message: &str,
    details: Map<String, Value>,
) -> Result<(), ApiError> {
    decision_with(state, actor, (action, message, details), Mutation::Record).await
}

/// The same together with what else is written.
pub(crate) async fn decision_with(
    state: &AdminState,
    actor: Actor,
    (action, message, details): (Action, &str, Map<String, Value>),
    mutation: impl FnOnce(Box<Draft>) -> Mutation,
) -> Result<(), ApiError> {
    let draft = draft(actor.clone(), action, Status::Success, message, details);
    state.registry.apply(actor, mutation(Box::new(draft))).await?;
    Ok(())
}

/// Reports that what was decided then failed.
pub(crate) fn failure(state: &AdminState, actor: Actor, action: Action, message: &str) {
    let draft = draft(actor, action, Status::Failure, message, Map::new());
    state.registry.observe(draft);
}

fn draft(
    actor: Actor,
    action: Action,
    status: Status,
    message: &str,
    details: Map<String, Value>,
) -> Draft {
    Draft { at: Timestamp::now(), actor, action, status, message: message.to_owned(), details }
}

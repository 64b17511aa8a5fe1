//! What changes, as server-sent events (WHATWG HTML §9.2).

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use conduit_api::v1::error::ErrorBody;
use futures_util::stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::streams::{Open, response};
use super::{Admin, By};
use crate::auth::Caller;
use crate::changes;
use crate::error::ApiError;
use crate::feed::Batch;
use crate::state::AdminState;

/// Tells everything that changes, as server-sent events.
///
/// The events are `service_registered`, `service_changed`, `service_deregistered`, `health_changed`,
/// `leaf_changed`, `audit_written`, those of `/nodes/events`, and `left_out` when a client that wants to
/// know all has to ask; a comment is a sign of life.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "watch_gateway",
    tag = "status",
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "events until the gateway stops or the credentials end"),
    ),
)]
pub(crate) async fn all(State(state): Admin, caller: By) -> Result<Response, ApiError> {
    let pieces = |batch: Batch| [batch.rest, batch.nodes];
    told(state, caller, pieces)
}

/// Tells what changes of nodes and alerts, as server-sent events.
///
/// The events are `node_added`, `node_changed`, `node_removed`, `nodes_read`, `alert_raised`,
/// `alert_cleared`, and `left_out` when a client that wants to know all has to ask; a comment is a sign
/// of life.
#[utoipa::path(
    get,
    path = "/nodes/events",
    operation_id = "watch_nodes",
    tag = "nodes",
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "events until the gateway stops or the credentials end"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn nodes(State(state): Admin, caller: By) -> Result<Response, ApiError> {
    state.monitor()?;
    let pieces = |batch: Batch| [batch.nodes, Bytes::new()];
    told(state, caller, pieces)
}

fn told(
    state: Arc<AdminState>,
    Extension(caller): Extension<Caller>,
    pieces: fn(Batch) -> [Bytes; 2],
) -> Result<Response, ApiError> {
    let open = Open::new(Arc::clone(&state), caller)?;
    let watch = Watch {
        feed: state.feed.listen(),
        open,
        pieces,
        pending: [Bytes::from_static(CONNECTED), Bytes::new()],
    };
    let pieces = stream::unfold(watch, |mut watch| async move {
        let piece = watch.next().await?;
        Some((Ok::<_, Infallible>(piece), watch))
    });
    Ok(response("text/event-stream", pieces))
}

/// One client that listens.
struct Watch {
    feed: Receiver<Batch>,
    open: Open,
    pieces: fn(Batch) -> [Bytes; 2],
    pending: [Bytes; 2],
}

impl Watch {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let pending = self.pending.iter_mut().find(|piece| !piece.is_empty());
            if let Some(piece) = pending {
                self.open.tells();
                return Some(std::mem::take(piece));
            }
            tokio::select! {
                batch = self.feed.recv() => match batch {
                    Ok(batch) => self.pending = (self.pieces)(batch),
                    Err(RecvError::Lagged(batches)) => {
                        self.pending[0] = changes::missed(batches).text().into();
                    }
                    Err(RecvError::Closed) => return None,
                },
                is_due = self.open.is_due() => {
                    return is_due.then_some(Bytes::from_static(HEARTBEAT_LINE));
                }
            }
        }
    }
}

/// What a client sees at once, so that it knows it is listened to.
const CONNECTED: &[u8] = b": connected\n\n";
/// A comment, which clients ignore.
const HEARTBEAT_LINE: &[u8] = b": still here\n\n";

//! What answers that go on have in common.
//!
//! **Invariant:** a stream holds one of [`STREAMS_MAX`](crate::limits::STREAMS_MAX) permits, tells
//! something at least every [`HEARTBEAT`], and ends when the gateway stops or its caller's
//! credentials are worth nothing any more.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::{StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::auth::Caller;
use crate::error::ApiError;
use crate::limits::{HEARTBEAT, STREAM_LOOK};
use crate::state::AdminState;

/// One client that listens.
pub(super) struct Open {
    state: Arc<AdminState>,
    caller: Caller,
    told: Instant,
    look: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    /// Takes a permit.
    ///
    /// # Errors
    /// When too many streams are open.
    pub(super) fn new(state: Arc<AdminState>, caller: Caller) -> Result<Self, ApiError> {
        let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
            let message = "too many streams are open";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(10)
        })?;
        let mut look = interval(STREAM_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { state, caller, told: Instant::now(), look, _permit: permit })
    }

    /// Notes that something is told.
    pub(super) fn tells(&mut self) {
        self.told = Instant::now();
    }

    /// Whether its caller may still have more.
    pub(super) fn may_go_on(&self) -> bool {
        !self.state.control.is_stopping() && self.caller.is_still_good(&self.state)
    }

    /// Waits until a sign of life is due; false when the stream is over instead. May be dropped.
    pub(super) async fn is_due(&mut self) -> bool {
        loop {
            self.look.tick().await;
            if !self.may_go_on() {
                return false;
            }
            if self.told.elapsed() >= HEARTBEAT {
                self.tells();
                return true;
            }
        }
    }
}

pub(super) fn response(
    kind: &'static str,
    pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}

//! Answers that go on: events of nodes, and the logs of containers.
//!
//! **Invariant:** a stream holds one of [`STREAMS_MAX`](crate::limits::STREAMS_MAX) permits, tells
//! something at least every [`HEARTBEAT`], and ends when the gateway stops.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::nodes::ContainerLine;
use conduit_core::clock::Timestamp;
use conduit_core::live;
use conduit_monitor::view::NodesView;
use futures_util::{Stream, StreamExt, stream};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Admin;
use crate::changes;
use crate::error::ApiError;
use crate::limits::{HEARTBEAT, LOG_TAIL_MAX, STOP_LOOK};
use crate::monitor::{LogAsked, LogStream};
use crate::params::{Id, Options};
use crate::state::AdminState;

/// Tells what changes of nodes and alerts, as server-sent events.
///
/// The events are `node`, `removed`, `alert` and `cleared`; a comment is a sign of life.
#[utoipa::path(
    get,
    path = "/nodes/events",
    operation_id = "watch_nodes",
    tag = "nodes",
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "events until the gateway stops"),
        (status = 404, body = ErrorBody, description = "`monitor_off`: there is no monitor"),
    ),
)]
pub(crate) async fn events(State(state): Admin) -> Result<Response, ApiError> {
    let monitor = state.monitor()?;
    let (reader, interval) = (monitor.view(), monitor.interval());
    let permit = permit(&state)?;
    let seen = reader.load_full();
    let watch = Watch {
        state,
        reader,
        seen,
        interval,
        pending: VecDeque::from([CONNECTED.to_owned()]),
        told: Instant::now(),
        _permit: permit,
    };
    let pieces = stream::unfold(watch, |mut watch| async move {
        let piece = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), watch))
    });
    Ok(response("text/event-stream", pieces))
}

/// One client that listens.
struct Watch {
    state: Arc<AdminState>,
    reader: live::Reader<NodesView>,
    /// What was told so far.
    seen: Arc<NodesView>,
    interval: Duration,
    pending: VecDeque<String>,
    told: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// The next piece; `None` once the gateway stops.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(piece) = self.pending.pop_front() {
                self.told = Instant::now();
                return Some(piece);
            }
            tokio::select! {
                () = self.reader.changed() => self.compare(),
                () = tokio::time::sleep(STOP_LOOK) => {
                    if self.state.control.is_stopping() {
                        return None;
                    }
                    if self.told.elapsed() >= HEARTBEAT {
                        self.pending.push_back(HEARTBEAT_LINE.to_owned());
                    }
                }
            }
        }
    }

    fn compare(&mut self) {
        let now = self.reader.load_full();
        let events = changes::between(&self.seen, &now, Timestamp::now(), self.interval);
        self.pending.extend(events.iter().map(changes::NodeEvent::text));
        self.seen = now;
    }
}

/// The options of [`container_log`].
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogOptions {
    /// Go on with what is written from now on.
    #[param(default = false)]
    follow: bool,
    /// Only lines written since then.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only this many of the newest lines; all of them when absent.
    #[param(maximum = 100_000)]
    tail: Option<u32>,
}

/// Reads the log of a container on the gateway's machine.
///
/// An empty line is a sign of life.
#[utoipa::path(
    get,
    path = "/containers/{name}/logs",
    operation_id = "read_container_log",
    tag = "nodes",
    params(
        ("name" = String, Path, description = "The container, by name or id.", example = "ollama"),
        LogOptions,
    ),
    responses(
        (status = 200, body = ContainerLine, content_type = "application/x-ndjson", description = "one line of JSON for each line of the log"),
        (status = 404, body = ErrorBody, description = "`not_found`: no container has that name; `monitor_off`"),
        (status = 409, body = ErrorBody, description = "`conflict`: its log cannot be read"),
        (status = 422, body = ErrorBody, description = "`invalid_query`, `invalid_time`, or `invalid`: tail is out of bounds"),
        (status = 502, body = ErrorBody, description = "`node_failed`: the engine cannot be asked"),
    ),
)]
pub(crate) async fn container_log(
    State(state): Admin,
    Id(name): Id,
    Options(options): Options<LogOptions>,
) -> Result<Response, ApiError> {
    let monitor = state.monitor()?;
    let since = options.since.as_deref().map(Timestamp::parse).transpose();
    let since = since.map_err(|error| ApiError::unparsed("invalid_time", &error))?;
    if options.tail.is_some_and(|tail| tail > LOG_TAIL_MAX) {
        return Err(ApiError::invalid(format!("tail must be at most {LOG_TAIL_MAX}")));
    }
    let permit = permit(&state)?;
    let asked = LogAsked { follow: options.follow, since, tail: options.tail };
    let lines = monitor.container_log(&name, asked).await?;
    let tail =
        Tail { state: Arc::clone(&state), lines, name, told: Instant::now(), _permit: permit };
    let pieces = stream::unfold(tail, |mut tail| async move {
        let piece = tail.next().await?;
        Some((Ok::<_, Infallible>(piece), tail))
    });
    Ok(response("application/x-ndjson", pieces))
}

/// One client that reads a log.
struct Tail {
    state: Arc<AdminState>,
    lines: LogStream,
    name: String,
    told: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Tail {
    /// The next line, or an empty one as a sign of life; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                line = self.lines.next() => {
                    self.told = Instant::now();
                    return self.written(line?);
                }
                () = tokio::time::sleep(STOP_LOOK) => {
                    if self.state.control.is_stopping() {
                        return None;
                    }
                    if self.told.elapsed() >= HEARTBEAT {
                        self.told = Instant::now();
                        return Some(Bytes::from_static(b"\n"));
                    }
                }
            }
        }
    }

    fn written(
        &self,
        line: Result<crate::monitor::LogLine, crate::monitor::MonitorError>,
    ) -> Option<Bytes> {
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                tracing::warn!(container = %self.name, %error, "the log of a container broke off");
                return None;
            }
        };
        let wire = ContainerLine {
            time: line.time,
            container: self.name.clone(),
            stream: if line.is_error { "stderr" } else { "stdout" }.to_owned(),
            line: line.line,
        };
        // Invariant: texts always serialize.
        let mut text = serde_json::to_vec(&wire).unwrap_or_default();
        text.push(b'\n');
        Some(text.into())
    }
}

fn permit(state: &AdminState) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        let message = "too many streams are open";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).retry_after(10)
    })
}

fn response(
    kind: &'static str,
    pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}

/// What a client sees at once, so that it knows it is listened to.
const CONNECTED: &str = ": connected\n\n";
/// A comment, which clients ignore.
const HEARTBEAT_LINE: &str = ": still here\n\n";

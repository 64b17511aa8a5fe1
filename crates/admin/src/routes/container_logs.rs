//! The logs of containers on the gateway's machine, line by line.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use conduit_api::v1::error::ErrorBody;
use conduit_api::v1::nodes::ContainerLine;
use conduit_core::clock::Timestamp;
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::streams::{Open, response};
use super::{Admin, By};
use crate::error::ApiError;
use crate::limits::LOG_TAIL_MAX;
use crate::monitor::{LogAsked, LogLine, LogStream, MonitorError};
use crate::params::{Id, Options};

/// The options of [`read`].
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
pub(crate) async fn read(
    State(state): Admin,
    Extension(caller): By,
    Id(name): Id,
    Options(options): Options<LogOptions>,
) -> Result<Response, ApiError> {
    let monitor = state.monitor()?;
    let since = options.since.as_deref().map(Timestamp::parse).transpose();
    let since = since.map_err(|error| ApiError::unparsed("invalid_time", &error))?;
    if options.tail.is_some_and(|tail| tail > LOG_TAIL_MAX) {
        return Err(ApiError::invalid(format!("tail must be at most {LOG_TAIL_MAX}")));
    }
    let open = Open::new(state.clone(), caller)?;
    let asked = LogAsked { follow: options.follow, since, tail: options.tail };
    let lines = monitor.container_log(&name, asked).await?;
    let tail = Tail { open, lines, name };
    let pieces = stream::unfold(tail, |mut tail| async move {
        let piece = tail.next().await?;
        Some((Ok::<_, Infallible>(piece), tail))
    });
    Ok(response("application/x-ndjson", pieces))
}

/// One client that reads a log.
struct Tail {
    open: Open,
    lines: LogStream,
    name: String,
}

impl Tail {
    /// The next line, or an empty one as a sign of life; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            line = self.lines.next() => {
                self.open.tells();
                self.written(line?)
            }
            is_due = self.open.is_due() => is_due.then_some(Bytes::from_static(b"\n")),
        }
    }

    fn written(&self, line: Result<LogLine, MonitorError>) -> Option<Bytes> {
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

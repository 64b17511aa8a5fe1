//! What is asked of an engine.
//!
//! **Invariant:** every question has a deadline, and what an engine answers cannot make more than
//! that question fail.

use std::collections::HashMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as Failure;
use bollard::models::EventMessage;
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder, StatsOptionsBuilder,
};
use bollard::{BollardRequest, Docker};
use futures_util::{Stream, StreamExt};
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use tokio::time::timeout;

use super::details::Details;
use super::list::{name_of, read_whole_list};
use super::log::LogAsked;
use super::stats::Used;
use super::wire::{ANSWER_BYTES_MAX, Wire};
use crate::reading::container::ContainersReading;
use crate::source::SourceError;

/// An engine that has been talked to; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    docker: Docker,
    wire: Wire,
    name: String,
}

/// What came of asking about one container.
#[derive(Debug)]
pub(super) enum Told {
    /// It is gone.
    Gone,
    /// What is known of it, and whether something is missing.
    Of { details: Option<Details>, used: Option<Used>, is_whole: bool },
}

impl Engine {
    /// Agrees with the engine on a version of its API.
    pub(super) async fn connect(wire: Wire) -> Result<Self, SourceError> {
        wire.check().await?;
        let talk = async {
            let bounded = wire.clone();
            let docker = Docker::connect_with_custom_transport(
                move |request: BollardRequest| {
                    let wire = bounded.clone();
                    async move { wire.send(request, ANSWER_BYTES_MAX).await }
                },
                Some("http://localhost"),
                HEAD_DEADLINE.as_secs(),
                bollard::API_DEFAULT_VERSION,
            )?;
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            Ok((docker, version))
        };
        let (docker, version) = in_time(CONNECT_DEADLINE, talk).await?;
        let first = version.components.as_ref().and_then(|components| components.first());
        let component = first.map(|component| component.name.as_str());
        let name = name_of(component, version.version.as_deref());
        Ok(Self { docker, wire, name })
    }

    /// The engine and its version.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All containers, without their counters.
    ///
    /// Not bollard's own call: its words for states are a closed set, and one new word would lose
    /// the whole list.
    pub(super) async fn list(&self) -> Result<ContainersReading, SourceError> {
        let version = self.docker.client_version();
        let path = format!("/v{version}/containers/json?all=true");
        let ask = async {
            let request = Request::get(path).body(Empty::<Bytes>::new())?;
            let answer = self.wire.send(request, LIST_BYTES_MAX as u64).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LIST_BYTES_MAX).collect().await;
            let body = body.map_err(|error| std::io::Error::other(error.to_string()))?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = in_time(LIST_DEADLINE, ask).await?;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body[..body.len().min(SAID_BYTES_MAX)]);
            let said = said.trim();
            return Err(SourceError::Failed(format!("the engine answers {status}: {said}")));
        }
        // Thousands of containers take tens of milliseconds.
        let parse = move || {
            let text = std::str::from_utf8(&body).map_err(|error| garbled(&error))?;
            read_whole_list(text).map_err(|error| garbled(&error))
        };
        tokio::task::spawn_blocking(parse).await.map_err(|error| garbled(&error))?
    }

    /// What the list does not say of one container.
    pub(super) async fn ask(&self, id: &str, is_running: bool) -> Told {
        let details = in_time(
            ASK_DEADLINE,
            self.docker.inspect_container(id, None::<InspectContainerOptions>),
        );
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let used = async {
            if !is_running {
                return Ok(None);
            }
            let mut answers = std::pin::pin!(self.docker.stats(id, Some(options)));
            let first = async { answers.next().await.transpose() };
            in_time(ASK_DEADLINE, first).await
        };
        match tokio::join!(details, used) {
            (Err(error), _) if error.is_not_found() => Told::Gone,
            (details, used) => Told::Of {
                is_whole: details.is_ok()
                    && matches!(&used, Ok(used) if used.is_some() == is_running),
                details: details.ok().map(|told| Details::of(&told)),
                used: used.ok().flatten().map(|told| Used::of(&told)),
            },
        }
    }

    /// The log of a container, with the time of each line.
    pub(super) fn logs(
        &self,
        container: &str,
        asked: &LogAsked,
    ) -> impl Stream<Item = Result<LogOutput, Failure>> + use<> {
        let since = asked.since.map_or(0, |at| at.seconds());
        let tail = asked.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(asked.follow)
            .since(i32::try_from(since).unwrap_or(i32::MAX))
            .tail(&tail)
            .build();
        self.docker.logs(container, Some(options))
    }

    /// What happens to containers from now on.
    pub(super) fn events(&self) -> impl Stream<Item = Result<EventMessage, Failure>> + use<> {
        let only = HashMap::from([("type", vec!["container"])]);
        let options = EventsOptionsBuilder::new().filters(&only).build();
        self.docker.events(Some(options))
    }
}

/// Why a question was not answered.
enum Unanswered {
    Late(Duration),
    Failed(Failure),
}

impl Unanswered {
    fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Failed(Failure::DockerResponseServerError { status_code: NOT_FOUND, .. })
        )
    }
}

impl From<Unanswered> for SourceError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Late(deadline) => Self::TimedOut(deadline),
            Unanswered::Failed(
                error @ (Failure::JsonDataError { .. }
                | Failure::JsonSerdeError { .. }
                | Failure::APIVersionParseError {}),
            ) => garbled(&error),
            Unanswered::Failed(error) => {
                Self::Failed(format!("the container engine does not answer: {error}"))
            }
        }
    }
}

async fn in_time<T>(
    deadline: Duration,
    ask: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Unanswered> {
    match timeout(deadline, ask).await {
        Ok(answer) => answer.map_err(Unanswered::Failed),
        Err(_) => Err(Unanswered::Late(deadline)),
    }
}

fn garbled(error: &dyn std::fmt::Display) -> SourceError {
    SourceError::Garbled(format!(
        "what answers at the socket does not speak Docker's API: {error}; is it an engine's socket?"
    ))
}

/// How long the first talk may take: Podman runs two programs for it, which a busy machine delays.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the head of any answer may take; the other deadlines are shorter.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// How long the list may take.
const LIST_DEADLINE: Duration = Duration::from_secs(5);
/// How long a question about one container may take; old engines take two seconds for counters.
const ASK_DEADLINE: Duration = Duration::from_secs(3);
/// The longest list, in bytes; 10,000 containers with many labels take about 20 MB.
const LIST_BYTES_MAX: usize = 32 << 20;
/// How much of an engine's complaint is repeated, in bytes.
const SAID_BYTES_MAX: usize = 200;
/// The status of what does not exist.
const NOT_FOUND: u16 = 404;

//! A machine over SSH as a source of readings.
//!
//! **Invariant:** a connection is kept only when an answer was heard to its end. Whatever else
//! happens, also when the future of a read is dropped, the connection is dropped with it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::connection::Connection;
use super::fault::{Fault, clean};
use super::pause::Pause;
use super::{Access, Server, pins, script};
use crate::node::NodeName;
use crate::reading::Reading;
use crate::source::{BoxFuture, Source, SourceError, SourceKind};
use crate::survey::{InvalidSurvey, SURVEY_BYTES_MAX, Survey};

/// Reads one server, again and again.
pub struct SshSource {
    server: Server,
    access: Arc<Access>,
    connection: Option<Connection>,
    pause: Pause,
    /// What the last read failed with.
    failure: Option<SourceError>,
    /// What the files looked like then: when a person mended them, the pause is over.
    stamps: Stamps,
}

/// When key and pins were written, and how long they are.
type Stamps = [Option<(SystemTime, u64)>; 3];

impl SshSource {
    /// A source that connects at its first read.
    pub fn new(server: Server, access: Arc<Access>) -> Self {
        let (connection, pause, failure) = (None, Pause::default(), None);
        Self { server, access, connection, pause, failure, stamps: Stamps::default() }
    }

    /// A source that has its connection already.
    #[cfg(test)]
    pub(super) fn holding(server: Server, access: &Arc<Access>, connection: Connection) -> Self {
        Self { connection: Some(connection), ..Self::new(server, Arc::clone(access)) }
    }

    async fn poll(&mut self) -> Result<Reading, SourceError> {
        if let Some(failure) = self.held_back() {
            return Err(failure);
        }
        // It counts as failed until it has not: this future may be dropped at any point below.
        let place = &self.server.destination;
        self.failure = Some(SourceError::Failed(format!("{place} did not answer in time")));
        self.stamps = self.look_at_files();
        self.pause.fail(Instant::now(), fastrand::f64());
        match self.ask().await {
            Ok(reading) => {
                self.pause.end();
                self.failure = None;
                Ok(reading)
            }
            Err(fault) => {
                let failure = fault.told();
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// What to answer without asking the machine.
    fn held_back(&self) -> Option<SourceError> {
        let left = self.pause.left(Instant::now())?;
        let failure = self.failure.clone().filter(|_| self.stamps == self.look_at_files())?;
        let later = |text: String| format!("{text}; tried again in {} s", left.as_secs() + 1);
        Some(match failure {
            SourceError::Failed(text) => SourceError::Failed(later(text)),
            SourceError::Refused(text) => SourceError::Refused(later(text)),
            SourceError::Garbled(text) => SourceError::Garbled(later(text)),
            other => other,
        })
    }

    fn look_at_files(&self) -> Stamps {
        let paths =
            [Some(&self.access.pins), self.server.known_hosts.as_ref(), self.server.key.as_ref()];
        paths.map(|path| {
            path.map(std::path::PathBuf::as_path).and_then(|path: &Path| pins::stamp(path))
        })
    }

    /// Asks on the connection that is there, or on a new one. A kept one may have died unseen: when
    /// it gives nothing at all, a new one is tried at once.
    async fn ask(&mut self) -> Result<Reading, Fault> {
        if let Some(kept) = self.connection.take().filter(|kept| !kept.is_closed()) {
            match self.ask_on(kept).await {
                Err(Fault::Closed { bytes: 0, .. }) => {}
                asked => return asked,
            }
        }
        let opened = Box::pin(Connection::open(&self.server, &self.access)).await?;
        self.ask_on(opened).await
    }

    async fn ask_on(&mut self, connection: Connection) -> Result<Reading, Fault> {
        let place = self.server.destination.to_string();
        let within = ANSWER_DEADLINE;
        let answered = timeout(within, Box::pin(connection.run(script::SURVEY))).await;
        let timed_out = |_| Fault::TimedOut { place: place.clone(), stage: "answer", within };
        let reading = read(&place, &answered.map_err(timed_out)??)?;
        self.connection = Some(connection);
        Ok(reading)
    }
}

impl Source for SshSource {
    fn node(&self) -> &NodeName {
        &self.server.name
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Ssh
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(self.poll())
    }
}

/// Makes a reading of what a machine printed.
fn read(place: &str, answer: &Answer) -> Result<Reading, Fault> {
    let survey = Survey::parse(&answer.text).map_err(|invalid| explain(place, answer, invalid))?;
    let mut reading = Reading::empty(answer.at);
    script::fill(&survey, &mut reading);
    if !answer.complaint.is_empty() {
        reading.problems.push(format!("the script complained: {}", answer.complaint));
    }
    Ok(reading)
}

fn explain(place: &str, answer: &Answer, invalid: InvalidSurvey) -> Fault {
    let place = place.to_owned();
    match invalid {
        InvalidSurvey::TooLong => Fault::TooLong { place, limit: SURVEY_BYTES_MAX },
        // A shell that is none says so where the script would print.
        InvalidSurvey::NoSection => {
            let said = clean(answer.text.as_bytes());
            Fault::Garbled { place, cause: format!("{invalid} It says {said:?}") }
        }
        InvalidSurvey::Cut => {
            let status = answer.status.map(|status| format!(", status {status}"));
            let cause = format!("{invalid}{}; {}", status.unwrap_or_default(), answer.complaint);
            Fault::Garbled { place, cause: cause.trim_end_matches("; ").to_owned() }
        }
    }
}

/// How long the script may run: each of its commands has a deadline of its own, and all of them
/// together stay below this on any machine that works.
const ANSWER_DEADLINE: Duration = Duration::from_secs(45);

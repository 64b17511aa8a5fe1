//! This machine, read through its own files.

use std::io;
use std::path::Path;

use conduit_core::clock::Timestamp;
use tokio::time::Instant;

use super::aside::{Aside, Unanswered};
use super::space::SpaceAsker;
use super::units::Units;
use super::{files, parse};
use crate::node::NodeName;
use crate::reading::Reading;
use crate::reading::host::HostReading;
use crate::source::{BoxFuture, Source, SourceError, SourceKind};

/// Reads this machine's `/proc` and `/sys`, its file systems and the named units.
///
/// Files are read on one thread and file systems asked on another, so that a driver or a disk that
/// hangs delays nothing else.
#[derive(Debug)]
pub struct HostSource {
    node: NodeName,
    units: Units,
    files: Aside<(), HostReading>,
    /// When the files were last asked for.
    asked_at: Instant,
    space: SpaceAsker,
}

impl HostSource {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(node: NodeName, units: Units) -> io::Result<Self> {
        let files = Aside::start("monitor-host", |()| read_files())?;
        Ok(Self { node, units, files, asked_at: Instant::now(), space: SpaceAsker::start()? })
    }

    async fn read_once(&mut self) -> Result<Reading, SourceError> {
        let at = Timestamp::now();
        let units = self.units.clone();
        let asked_before = std::mem::replace(&mut self.asked_at, Instant::now());
        let files = async {
            let mut host = self.files.ask(()).await?;
            self.space.fill(&mut host).await;
            Ok(host)
        };
        let (host, units) = tokio::join!(files, units.ask());
        let mut host = match host {
            Ok(host) => host,
            Err(Unanswered::Busy) => {
                self.asked_at = asked_before;
                return Err(SourceError::TimedOut(asked_before.elapsed()));
            }
            Err(Unanswered::Ended) => {
                let text = "the thread that reads /proc and /sys ended; restart the gateway";
                return Err(SourceError::Failed(text.to_owned()));
            }
        };
        match units {
            Ok(units) => host.units = units,
            Err(problem) => host.problems.push(problem),
        }
        if host.uptime.is_none() && host.processors.total.is_none() {
            return Err(SourceError::Absent("this machine shows no /proc".to_owned()));
        }
        let problems = host.problems.clone();
        Ok(Reading { host: Some(host), problems, ..Reading::empty(at) })
    }
}

impl Source for HostSource {
    fn node(&self) -> &NodeName {
        &self.node
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Host
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(self.read_once())
    }
}

fn read_files() -> HostReading {
    let mut problems = Vec::new();
    let survey = files::survey(Path::new("/"), &mut problems);
    let mut reading = parse(&survey);
    reading.problems.extend(problems);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::HostFigures;

    #[tokio::test]
    async fn this_machine_is_read_twice_and_has_rates() {
        let node = NodeName::parse("here").expect("a name");
        let mut source = HostSource::start(node, Units::default()).expect("threads");
        let mut host = async || source.read().await.expect("a reading").host.expect("a host");
        let before = host().await;
        assert!(before.uptime.is_some() && before.memory_bytes("MemTotal") > Some(0));
        assert_eq!(before.problems, Vec::<String>::new());
        let mut now = host().await;
        while now.uptime == before.uptime || now.processors.total == before.processors.total {
            now = host().await;
        }
        let figures = HostFigures::between(Some(&before), &now);
        assert!(figures.cores > 0 && figures.memory.total > figures.memory.used);
        assert!(figures.cpu.is_some_and(|share| (0.0..=1.0).contains(&share)), "{figures:?}");
    }
}

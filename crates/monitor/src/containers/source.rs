//! The containers of this machine, read from its engine's socket.
//!
//! **Invariant:** a container that vanishes while it is asked about is left out; one that does not
//! answer is shown without counters, and said so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use conduit_core::tasks::Tasks;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client::{Engine, Told};
use super::events;
use super::wire::Wire;
use crate::node::NodeName;
use crate::reading::Reading;
use crate::reading::container::{Container, ContainersReading};
use crate::source::{BoxFuture, Source, SourceError, SourceKind};

/// Reads a Docker or Podman socket.
#[derive(Debug)]
pub struct ContainersSource {
    node: NodeName,
    wire: Wire,
    engine: Option<Engine>,
    /// Whether there was an engine once: then its absence is a fault.
    was_there: bool,
    /// Who is asked first, so that all have their turn when time is short.
    turn: usize,
}

impl ContainersSource {
    /// Reads the engine that listens at `socket`, as the containers of `node`.
    pub fn new(node: NodeName, socket: PathBuf, tasks: Tasks) -> Self {
        Self { node, wire: Wire::new(socket, tasks), engine: None, was_there: false, turn: 0 }
    }

    /// Follows the engine's events in a task of its own: whoever waits for what is returned is
    /// woken when a reading would show something new, at most a few times in a row.
    pub fn watch(&self, tasks: &Tasks) -> Arc<Notify> {
        events::watch(self.wire.clone(), tasks)
    }

    async fn read_once(&mut self) -> Result<Reading, SourceError> {
        self.wire.check().await?;
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => Engine::connect(self.wire.clone()).await?,
        };
        let mut containers = engine.list().await?;
        engine.name().clone_into(&mut containers.engine);
        let mut reading = Reading::empty(Timestamp::now());
        let silent = self.ask_each(&engine, &mut containers).await;
        if silent > 0 {
            let all = containers.containers.len();
            reading.problems.push(format!(
                "{silent} of {all} containers were not told of in time or in full; their counters are missing"
            ));
        }
        reading.containers = Some(containers);
        self.engine = Some(engine);
        self.was_there = true;
        Ok(reading)
    }

    /// Asks about every container, a few at a time; returns how many did not answer in full.
    async fn ask_each(&mut self, engine: &Engine, reading: &mut ContainersReading) -> usize {
        let all = std::mem::take(&mut reading.containers);
        let deadline = Instant::now() + ROUND_DEADLINE;
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.rotate_left(self.turn.checked_rem(all.len()).unwrap_or(0));
        // Those that run have counters.
        order.sort_by_key(|at| !is_running(&all[*at]));
        let mut asked = stream::iter(order)
            .map(|at| {
                let container = &all[at];
                async move { (at, engine.ask(&container.id, is_running(container)).await) }
            })
            .buffer_unordered(ASKED_AT_ONCE);
        let mut answers: Vec<Option<Told>> = all.iter().map(|_| None).collect();
        loop {
            tokio::select! {
                answer = asked.next() => match answer {
                    Some((at, told)) => answers[at] = Some(told),
                    None => break,
                },
                () = sleep_until(deadline) => break,
            }
        }
        drop(asked);
        self.turn = self.turn.wrapping_add(answers.iter().flatten().count());
        let mut silent = 0;
        for (mut container, answer) in all.into_iter().zip(answers) {
            match answer {
                Some(Told::Gone) => continue,
                Some(Told::Of { details, used, is_whole }) => {
                    silent += usize::from(!is_whole);
                    if let Some(details) = details {
                        details.apply(&mut container);
                    }
                    if let Some(used) = used {
                        used.apply(&mut container);
                    }
                }
                None => silent += 1,
            }
            reading.containers.push(container);
        }
        silent
    }
}

impl Source for ContainersSource {
    fn node(&self) -> &NodeName {
        &self.node
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Containers
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(async {
            match self.read_once().await {
                Err(SourceError::Absent(why)) if self.was_there => {
                    Err(SourceError::Failed(format!("{why}; the engine that was there is gone")))
                }
                outcome => outcome,
            }
        })
    }
}

fn is_running(container: &Container) -> bool {
    container.state == "running" || container.state == "paused"
}

/// How long asking about all containers may take; who is left has no counters this time.
const ROUND_DEADLINE: Duration = Duration::from_secs(3);
/// About how many containers an engine is asked at once: Docker 20.10 answers for counters once a
/// second, however many ask.
const ASKED_AT_ONCE: usize = 64;

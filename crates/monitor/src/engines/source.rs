//! All engines of the catalog, asked side by side.

use std::fmt;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until, timeout};

use super::ask::{Unanswered, get};
use super::plan::{Plan, plan, read};
use super::target::{EngineTarget, TlsFor};
use super::told::Told;
use crate::node::NodeName;
use crate::reading::Reading;
use crate::reading::engine::EngineReading;
use crate::source::{BoxFuture, Source, SourceError, SourceKind};

/// Asks engines for what they tell of themselves.
pub struct EnginesSource {
    node: NodeName,
    targets: Box<dyn Fn() -> Vec<EngineTarget> + Send + Sync>,
    tls: Option<TlsFor>,
    /// Who is asked first, so that all have their turn when time is short.
    turn: usize,
}

impl EnginesSource {
    /// Asks whom `targets` names at each reading; `tls` is for those behind TLS.
    pub fn new(
        node: NodeName,
        targets: impl Fn() -> Vec<EngineTarget> + Send + Sync + 'static,
        tls: Option<TlsFor>,
    ) -> Self {
        Self { node, targets: Box::new(targets), tls, turn: 0 }
    }

    async fn read_once(&mut self) -> Reading {
        let mut targets = (self.targets)();
        let mut reading = Reading::empty(Timestamp::now());
        let all = targets.len();
        targets.rotate_left(self.turn.checked_rem(all).unwrap_or(0));
        targets.truncate(TARGETS_MAX);
        let deadline = Instant::now() + ROUND_DEADLINE;
        let tls = self.tls.as_ref();
        let mut asked = stream::iter(targets)
            .map(|target| async move { ask(&target, tls).await })
            .buffer_unordered(ASKED_AT_ONCE);
        let mut engines = Vec::new();
        loop {
            tokio::select! {
                told = asked.next() => match told {
                    Some(told) => engines.extend(told),
                    None => break,
                },
                () = sleep_until(deadline) => break,
            }
        }
        drop(asked);
        self.turn = self.turn.wrapping_add(engines.len());
        if engines.len() < all {
            let missing = all - engines.len();
            reading.problems.push(format!(
                "{missing} of {all} engines were not asked in time; they come first next time"
            ));
        }
        engines.sort_by(|a, b| (&a.service, &a.upstream).cmp(&(&b.service, &b.upstream)));
        reading.engines = Some(engines);
        reading
    }
}

impl fmt::Debug for EnginesSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnginesSource").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Source for EnginesSource {
    fn node(&self) -> &NodeName {
        &self.node
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Engines
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        Box::pin(async { Ok(self.read_once().await) })
    }
}

/// Asks one engine all its questions; `None` when it is of no kind that is asked.
async fn ask(target: &EngineTarget, tls: Option<&TlsFor>) -> Option<EngineReading> {
    let plan = plan(target.preset)?;
    let (told, problem) =
        timeout(ENGINE_DEADLINE, ask_all(plan, target, tls)).await.unwrap_or_else(|_| {
            let seconds = ENGINE_DEADLINE.as_secs();
            (Told::default(), Some(format!("no answer within {seconds} s")))
        });
    // Some of what can be asked is an option of the engine; that it is off is no fault.
    let problem = problem.filter(|_| told.is_nothing());
    Some(EngineReading {
        service: target.service.clone(),
        upstream: target.upstream.clone(),
        preset: target.preset.as_str(),
        running: told.running,
        waiting: told.waiting,
        cache_used: told.cache_used,
        prompt_tokens: told.prompt_tokens,
        generated_tokens: told.generated_tokens,
        models: told.models,
        problem,
    })
}

/// What an engine tells in all its answers, and what was wrong first.
async fn ask_all(
    plan: Plan,
    target: &EngineTarget,
    tls: Option<&TlsFor>,
) -> (Told, Option<String>) {
    let Plan { questions, mend } = plan;
    let mut told = Told::default();
    let mut problem = None;
    for question in questions {
        let path = question.path;
        let why = match get(target, (path, question.port), tls).await {
            Ok((status, text)) if status.is_success() => {
                let more = read(question.form, &text);
                if !more.is_nothing() {
                    told = told.or(more);
                    continue;
                }
                format!(
                    "answers {path} without anything that is known of {}; {mend}",
                    target.preset
                )
            }
            Ok((status, _)) => format!("answers {path} with {}; {mend}", status.as_u16()),
            Err(error @ Unanswered::Broken(_)) => error.to_string(),
            Err(error @ Unanswered::Unreachable(_)) => {
                problem.get_or_insert_with(|| error.to_string());
                break;
            }
        };
        problem.get_or_insert(why);
    }
    (told, problem)
}

/// The most engines that are asked in one reading; the others come first in the next.
const TARGETS_MAX: usize = 512;
/// How many are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// How long one engine may take with all its answers.
const ENGINE_DEADLINE: Duration = Duration::from_secs(4);
/// How long a reading may take; longer than one engine, so that each one that hangs is told of.
const ROUND_DEADLINE: Duration = Duration::from_millis(4_500);

//! What a question leaves to be done: asking, and waiting for who asks.
//!
//! **Invariant:** whoever waits gets a reply in bounded time, whatever becomes of the asking.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Query;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::answer::{Answer, Ttl};
use super::ask::{self, TOTAL_TIMEOUT};
use super::clients::Place;
use super::flight::{Ticket, Wait};
use super::question::Question;
use super::routes::Route;
use super::{Forwarder, Known, STALE_TTL_S};
use crate::dnssec::Judgement;
use crate::options::Reason;
use crate::query_log::Held;
use crate::reply::{Encoded, Outcome, Pending};

/// A question that is to be asked; run it beside whatever waits for it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(super) forwarder: Forwarder,
    pub(super) ticket: Ticket,
    pub(super) question: Question,
    pub(super) query: Query,
    pub(super) route: Arc<Route>,
    pub(super) keeps_out: bool,
}

impl Flight {
    /// Asks, keeps what was found out, and tells those who wait.
    pub(crate) async fn run(self) {
        let Self { forwarder, ticket, question, query, route, keeps_out } = self;
        let inner = &forwarder.0;
        let validator = inner.validator_of(&question);
        let asked = match validator {
            Some(_) => Question::to_judge(question.name(), question.rtype()),
            None => question,
        };
        // What is left out is missing from what was signed.
        let rules = inner.rules(keeps_out && validator.is_none());
        let found = ask::ask(&route, &asked, &rules, inner.manner()).await;
        let answer = match found {
            Some((mut finding, server)) => {
                let judgement = match validator {
                    Some(validator) => inner.judge(validator, &question, &mut finding).await,
                    None => Judgement::UNCHECKED,
                };
                if keeps_out {
                    finding.keep_out();
                }
                inner.counts.kept_out.add(finding.kept_out);
                Answer::judged(finding, &query, judgement)
                    .map(|answer| answer.said_by(server.address().socket()))
            }
            None => None,
        };
        let answer = answer.or_else(|| Answer::failed(&query, FAILURE_KEPT));
        if let Some(answer) = answer.map(Arc::new) {
            let gone = inner.cache.put(question.key(), &answer, Instant::now());
            inner.counts.evicted.add(gone);
            ticket.land(answer);
        } else {
            drop(ticket);
        }
        ask::probe(&route, &rules, inner.manner()).await;
    }
}

/// A client that waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) forwarder: Forwarder,
    pub(super) pending: Box<Pending>,
    pub(super) wait: Wait,
    /// What it gets when nobody answers soon.
    pub(super) stale: Option<Arc<Answer>>,
    /// For the query log.
    pub(super) noted: Option<Box<Held>>,
    /// One among all, and one among its client's.
    pub(super) _places: (OwnedSemaphorePermit, Place),
}

impl Waiting {
    /// The same, of which the query log is told.
    pub(crate) fn noted(self, noted: Option<Held>) -> Self {
        Self { noted: noted.map(Box::new), ..self }
    }

    /// The reply, as soon as there is one.
    pub(crate) async fn reply(mut self) -> Encoded {
        let noted = self.noted.take();
        let (encoded, known) = self.answered().await;
        if let Some(noted) = noted {
            noted.known(&encoded, known);
        }
        encoded
    }

    async fn answered(mut self) -> (Encoded, Known) {
        let patience = if self.stale.is_some() { STALE_PATIENCE } else { PATIENCE };
        let landed = timeout(patience, self.wait.landed()).await.ok().flatten();
        match (landed, self.stale) {
            (Some(answer), _) if answer.outcome() != Outcome::Failed || answer.is_refuted() => {
                (answer.reply(&self.pending, Ttl::Aged(0)), Known::Forwarder(answer.from()))
            }
            (_, Some(stale)) => {
                let inner = &self.forwarder.0;
                let question = Question::of(&self.pending);
                inner.cache.hold_off(question.key(), Instant::now());
                inner.counts.stale.add(1);
                let reply = stale.reply(&self.pending, Ttl::Stale(STALE_TTL_S));
                (reply, Known::Stale(stale.from()))
            }
            (Some(failed), None) => {
                let known =
                    failed.from().map_or(Known::Nobody, |from| Known::Forwarder(Some(from)));
                (failed.reply(&self.pending, Ttl::Aged(0)), known)
            }
            (None, None) => {
                (self.pending.because(Reason::Unreachable, Outcome::Failed), Known::Nobody)
            }
        }
    }
}

/// For clients whose answer is still there, though no longer good (RFC 8767 §5).
const STALE_PATIENCE: Duration = Duration::from_millis(1_800);
/// For the others: a little more than asking may take.
const PATIENCE: Duration = TOTAL_TIMEOUT.saturating_add(Duration::from_millis(250));
/// How long nobody is asked again what nobody answered (RFC 9520 §3.2).
pub(super) const FAILURE_KEPT: Duration = Duration::from_secs(5);

//! Judging what forwarders say, with their own answers to questions for keys.
//!
//! **Invariant:** questions for keys go the way of all others: to the servers of their names, with their
//! health, their tries and their limits; nobody waits for a judgement longer than [`JUDGING_TIMEOUT`].

use std::sync::Mutex;
use std::time::Duration;

use conduit_core::clock::Timestamp;
use hickory_proto::rr::RecordType;
use tokio::time::{Instant, timeout};

use super::question::Question;
use super::routes::Way;
use super::sanitise::Finding;
use super::{Inner, ask};
use crate::dnssec::chain::{Ask, Chain};
use crate::dnssec::name::{parent, print};
use crate::dnssec::settings::Validation;
use crate::dnssec::zones::Zones;
use crate::dnssec::{Asked, Judgement, Kind, Said, Security, Why};

/// What judging needs and keeps.
#[derive(Debug)]
pub(crate) struct Validator {
    pub(super) settings: Validation,
    pub(super) zones: Zones,
    /// When the log was last told.
    warned: Mutex<Option<Instant>>,
}

impl Validator {
    pub(super) fn new(settings: Validation) -> Self {
        Self { settings, zones: Zones::default(), warned: Mutex::default() }
    }

    /// Whether answers to a question are judged.
    pub(super) fn judges(&self, question: &Question) -> bool {
        !question.checking_disabled() && !self.settings.is_exempt(question.name())
    }

    fn warn(&self, question: &Question, why: &Why) {
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if warned.is_some_and(|before| now < before + WARNING_PAUSE) {
            return;
        }
        *warned = Some(now);
        drop(warned);
        let is_clock = matches!(why.kind, Kind::Expired | Kind::NotYet) && why.name.is_empty();
        let name = print(question.name());
        let why = why.to_string();
        if is_clock {
            let clock = Timestamp::now();
            tracing::warn!(
                %clock,
                why,
                "the root's own signatures are not of this time; is this machine's clock right? (DNSSEC)"
            );
            return;
        }
        tracing::warn!(%name, rtype = %question.rtype(), why, "an answer is not believed (DNSSEC)");
    }
}

impl Inner {
    /// The validator, when this question's answer is to be judged.
    pub(super) fn validator_of(&self, question: &Question) -> Option<&Validator> {
        self.validator.as_ref().filter(|validator| validator.judges(question))
    }

    /// Judges what was found; what is secure is kept no longer than its signatures are good.
    pub(super) async fn judge(
        &self,
        validator: &Validator,
        question: &Question,
        finding: &mut Finding,
    ) -> Judgement {
        let said =
            Said { answers: finding.answers.clone(), authorities: finding.authorities.clone() };
        let asked = Asked {
            name: question.name(),
            rtype: question.rtype().into(),
            outcome: finding.outcome,
            said: &said,
        };
        let lookups = Lookups(self);
        let mut chain = Chain::new(&lookups, &validator.settings, &validator.zones, now_s());
        let judged = timeout(JUDGING_TIMEOUT, chain.judge(&asked)).await;
        let (judgement, ttl, proofs) = judged.unwrap_or_else(|_elapsed| {
            let why = Why { kind: Kind::NoAnswer, name: question.name().into() };
            (Judgement::bogus(why), 0, Vec::new())
        });
        match (judgement.security, &judgement.why) {
            (Security::Secure, _) => {
                finding.cap(ttl);
                finding.keep_proofs(&proofs);
                self.counts.secure.add(1);
            }
            (Security::Bogus, Some(why)) => {
                self.counts.bogus.add(1);
                let is_limit = matches!(why.kind, Kind::TooMuchWork | Kind::TooManyKeys);
                self.counts.overworked.add(usize::from(is_limit));
                validator.warn(question, why);
            }
            _ => self.counts.insecure.add(1),
        }
        if !question.dnssec_ok() {
            finding.leave_proofs_out(question.rtype());
        }
        judgement
    }
}

/// Forwarders, asked for keys.
struct Lookups<'a>(&'a Inner);

impl Ask for Lookups<'_> {
    async fn ask(&self, name: &[u8], rtype: u16) -> Option<Said> {
        let rtype = RecordType::from(rtype);
        // Whoever knows a name's own zone need not know the one above, which has the DS.
        let at = if rtype == RecordType::DS { parent(name) } else { name };
        let Way::Ask { route, .. } = self.0.routes.way(at) else {
            return None;
        };
        let question = Question::to_judge(name, rtype);
        let rules = self.0.rules(false);
        let (finding, _) = ask::ask(&route, &question, &rules, self.0.manner()).await?;
        Some(Said { answers: finding.answers, authorities: finding.authorities })
    }
}

/// Seconds since 1970, as signatures count them.
fn now_s() -> u32 {
    (Timestamp::now().seconds() & i64::from(u32::MAX)) as u32
}

/// For one answer, all questions for keys together. Clients ask again meanwhile, and then it is there.
const JUDGING_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever can make us ask can make answers that are not believed; the log is told this seldom.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

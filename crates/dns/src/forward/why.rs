//! Looking at how a name is answered, without asking anybody.
//!
//! **Invariant:** nothing is counted, kept or marked by a look.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::answer::{Answer, Ttl};
use super::cache::Peeked;
use super::question::Question;
use super::routes::Way;
use super::server::{Server, Standing};
use super::special::Special;
use super::{Forwarder, STALE_TTL_S, here};
use crate::dnssec::Security;
use crate::reply::{Encoded, Pending};
use crate::why::{Cached, Judged, RouteServer, Step};

impl Forwarder {
    /// What is looked at for a name that is not ours.
    pub(crate) fn steps(&self, name: &Name, rtype: RecordType) -> Vec<Step> {
        let question = Question::plain(name, rtype);
        let matched = self.0.routes.named(question.name()).map(ToString::to_string);
        let (route, keeps_out) = match self.0.routes.way(question.name()) {
            Way::Here(special) if matched.is_none() && self.is_special(&question) => {
                return vec![Step::Special { is_loopback: special == Special::Loopback }];
            }
            // Nobody is named for it.
            Way::Here(_) => return vec![Step::Route { matched, servers: Vec::new() }],
            Way::Ask { route, keeps_out } => (route, keeps_out),
        };
        let servers = route.servers.iter().map(shown).collect();
        let cached = self.0.cache.peek(question.key(), Instant::now());
        let mut steps = vec![Step::Route { matched, servers }, Step::Rebind { keeps_out }];
        if let Some(validator) = &self.0.validator {
            steps.push(Step::Dnssec(match validator.judges(&question) {
                true => cached.as_ref().map_or(Judged::NotYet, |peeked| judged(&peeked.answer)),
                false => Judged::Exempt,
            }));
        }
        steps.push(Step::Cache(cached.map_or(Cached::Nothing, |peeked| kept(&peeked))));
        steps
    }

    /// The reply that needs nobody to be asked.
    pub(crate) fn peek(&self, pending: &Pending) -> Option<Encoded> {
        let question = Question::of(pending);
        if let Way::Here(special) = self.0.routes.way(question.name()) {
            return Some(here(special, pending.clone()));
        }
        let peeked = self.0.cache.peek(question.key(), Instant::now())?;
        let age_s = u32::try_from(peeked.age.as_secs()).unwrap_or(u32::MAX);
        match peeked {
            Peeked { answer, is_fresh: true, .. } => Some(answer.reply(pending, Ttl::Aged(age_s))),
            Peeked { answer, may_ask: false, .. } => {
                Some(answer.reply(pending, Ttl::Stale(STALE_TTL_S)))
            }
            Peeked { .. } => None,
        }
    }

    /// Who is asked about a question, the first one first.
    pub(crate) fn servers_for(&self, pending: &Pending) -> Vec<SocketAddr> {
        match self.0.routes.way(Question::of(pending).name()) {
            Way::Here(_) => Vec::new(),
            Way::Ask { route, .. } => {
                route.servers.iter().map(|server| server.address().socket()).collect()
            }
        }
    }

    /// Whether a name is special, rather than that there is no default to ask.
    fn is_special(&self, question: &Question) -> bool {
        super::special::of(question.name(), self.0.settings.canary).is_some()
    }
}

fn judged(answer: &Answer) -> Judged {
    let judgement = answer.judgement();
    let why = judgement.why.as_ref().map(ToString::to_string).unwrap_or_default();
    match judgement.security {
        Security::Unchecked => Judged::NotYet,
        Security::Secure => Judged::Secure,
        Security::Insecure => Judged::Insecure { why },
        Security::Bogus => Judged::Bogus { why },
    }
}

fn kept(peeked: &Peeked) -> Cached {
    let Peeked { answer, left, is_fresh, .. } = peeked;
    let outcome = match answer.is_bogus() {
        true => Security::Bogus.as_str(),
        false => answer.outcome().as_str(),
    };
    let (from, left) = (answer.from(), *left);
    match is_fresh {
        true => Cached::Fresh { outcome, from, left },
        false => Cached::Stale { outcome, from, left },
    }
}

fn shown(server: &Arc<Server>) -> RouteServer {
    RouteServer {
        address: server.address().socket(),
        is_up: server.standing() == Standing::Good,
        latency: server.latency(),
    }
}

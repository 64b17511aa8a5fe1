//! Asking other DNS servers about names that are not ours.
//!
//! A question is looked up in the cache; what is not there is asked once, however many wait for it,
//! of the servers of its route, and what comes back is reduced to what answers it before anybody
//! sees it.
//!
//! **Invariant:** what waits for an answer is bounded in number and in time, and what is kept is
//! bounded in bytes: a slow forwarder costs its own askers, nobody else.

pub mod address;
mod answer;
mod ask;
mod cache;
pub mod check;
mod clients;
mod counts;
mod exchange;
mod flight;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod jar;
mod job;
mod kept;
mod known;
mod line;
mod query;
mod question;
mod rebind;
mod routes;
mod sanitise;
mod server;
pub mod settings;
pub(crate) mod special;
pub mod status;
mod suffix;
pub mod trust;
mod validate;
mod why;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::address::ForwarderAddr;
use self::answer::{Answer, Ttl};
use self::ask::Manner;
use self::cache::{Cache, Found};
use self::clients::Clients;
use self::counts::Counts;
use self::flight::{Flights, Joined, Ticket};
pub(crate) use self::job::{Flight, Waiting};
pub(crate) use self::known::Known;
use self::question::Question;
use self::routes::{Routes, Way};
use self::sanitise::Rules;
use self::server::Server;
use self::settings::ForwardSettings;
use self::special::Special;
pub use self::suffix::Suffix;
use self::validate::Validator;
use crate::answer::RrSet;
use crate::error::DnsError;
use crate::interfaces::Interfaces;
use crate::key::AskedKey;
use crate::options::Reason;
use crate::reply::{Encoded, Outcome, Pending};

/// The configured forwarders behind one cache; cheap to clone.
#[derive(Clone)]
pub struct Forwarder(Arc<Inner>);

struct Inner {
    settings: ForwardSettings,
    routes: Routes,
    servers: Vec<Arc<Server>>,
    cache: Cache,
    validator: Option<Validator>,
    flights: Flights,
    waiters: Arc<Semaphore>,
    clients: Clients,
    counts: Arc<Counts>,
}

/// What becomes of a question.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The reply is known.
    Send(Encoded, Known),
    /// It is, and soon has to be asked for again.
    Refresh(Encoded, Known, Flight),
    /// Somebody else asks already.
    Wait(Waiting),
    /// It has to be asked.
    Ask(Waiting, Flight),
}

impl Forwarder {
    /// Sets up forwarding. What was learned and counted before goes on, and so does what is cached
    /// when nothing changes.
    ///
    /// # Errors
    /// When nobody is named or too many are, or when one of them is this gateway: an address it
    /// listens on, or any of its own addresses where it listens on a wildcard.
    pub fn new(
        settings: ForwardSettings,
        listening: &[SocketAddr],
        interfaces: &Interfaces,
        before: Option<&Self>,
    ) -> Result<Self, DnsError> {
        let lists = || settings.conditional.iter().map(|c| &c.to).chain([&settings.forwarders]);
        let given = lists().map(Vec::len).max().unwrap_or_default();
        let is_nobody = settings.forwarders.is_empty() && settings.conditional.is_empty();
        if is_nobody || given > FORWARDERS_MAX {
            return Err(DnsError::ForwarderCount { given, most: FORWARDERS_MAX });
        }
        let reaches_us = |at| listening.iter().any(|ours| reaches(at, *ours, interfaces));
        let is_ours = |f: &&ForwarderAddr| reaches_us(f.socket());
        if let Some(forwarder) = lists().flatten().find(is_ours) {
            return Err(DnsError::ForwarderLoop { forwarder: forwarder.clone() });
        }
        if let Some(before) = before.filter(|before| before.0.settings == settings) {
            return Ok(before.clone());
        }
        let mut servers: Vec<Arc<Server>> = Vec::new();
        let known = before.map(|before| before.0.servers.as_slice()).unwrap_or_default();
        // What another authority vouched for has to be judged again.
        let is_same_trust = before.is_some_and(|before| before.0.settings.trust == settings.trust);
        let routes = Routes::new(&settings, |address| {
            let at = |all: &[Arc<Server>]| all.iter().find(|s| s.address() == address).cloned();
            at(&servers).unwrap_or_else(|| {
                let known = at(known).filter(|_| is_same_trust || !address.is_encrypted());
                let trust = settings.trust.as_ref();
                let make = || Arc::new(Server::new(address.clone(), trust));
                let server = known.unwrap_or_else(make);
                servers.push(Arc::clone(&server));
                server
            })
        });
        Ok(Self(Arc::new(Inner {
            cache: Cache::new(&settings.cache),
            validator: settings.effective_validation().map(Validator::new),
            routes,
            servers,
            settings,
            flights: Flights::default(),
            waiters: Arc::new(Semaphore::new(WAITING_MAX)),
            clients: Clients::default(),
            counts: before.map(|before| Arc::clone(&before.0.counts)).unwrap_or_default(),
        })))
    }

    /// The servers that are asked, each once.
    pub fn addresses(&self) -> Vec<ForwarderAddr> {
        self.0.servers.iter().map(|server| server.address().clone()).collect()
    }

    /// Forgets every answer that was kept, or those about one name.
    pub fn flush(&self, name: Option<&str>) {
        if let Some(validator) = &self.0.validator {
            // Whoever flushes has mended something, and keys come back soon.
            validator.zones.clear();
        }
        match name.map(Name::from_ascii) {
            None => self.0.cache.clear(),
            Some(Ok(name)) => {
                self.0.cache.forget(AskedKey::of(&name).as_slice());
            }
            // What is no name was never asked.
            Some(Err(_)) => {}
        }
    }

    /// Answers what is known, and says what has to be done about the rest.
    pub(crate) fn begin(&self, pending: Pending) -> Begun {
        let question = Question::of(&pending);
        let (route, keeps_out) = match self.0.routes.way(question.name()) {
            Way::Here(special) => return Begun::Send(here(special, pending), Known::Special),
            Way::Ask { route, keeps_out } => (route, keeps_out),
        };
        let key = question.key();
        let flight = |ticket: Ticket, pending: &Pending| Flight {
            forwarder: self.clone(),
            ticket,
            question,
            query: pending.asked().clone(),
            route,
            keeps_out,
        };
        let counts = &self.0.counts;
        let stale = match self.0.cache.get(key, Instant::now()) {
            Found::Fresh { answer, age_s, is_due } => {
                counts.hits.add(1);
                let reply = answer.reply(&pending, Ttl::Aged(age_s));
                let known = Known::Cache(answer.from());
                if is_due && let Joined::First(ticket, _) = self.0.flights.join(key) {
                    counts.prefetches.add(1);
                    return Begun::Refresh(reply, known, flight(ticket, &pending));
                }
                return Begun::Send(reply, known);
            }
            Found::Stale { answer, may_ask: false } => {
                counts.stale.add(1);
                let reply = answer.reply(&pending, Ttl::Stale(STALE_TTL_S));
                return Begun::Send(reply, Known::Stale(answer.from()));
            }
            Found::Stale { answer, may_ask: true } => Some(answer),
            Found::Nothing => None,
        };
        counts.misses.add(1);
        let permit = Arc::clone(&self.0.waiters).try_acquire_owned().ok();
        let place = self.0.clients.admit(pending.client);
        let Some(places) = permit.zip(place) else {
            return self.too_many(&pending, stale);
        };
        let waiting = |pending, wait, stale| Waiting {
            forwarder: self.clone(),
            pending: Box::new(pending),
            wait,
            stale,
            noted: None,
            _places: places,
        };
        match self.0.flights.join(key) {
            Joined::First(ticket, wait) => {
                let flight = flight(ticket, &pending);
                Begun::Ask(waiting(pending, wait, stale), flight)
            }
            Joined::Later(wait) => {
                counts.joined.add(1);
                Begun::Wait(waiting(pending, wait, stale))
            }
            Joined::Full => self.too_many(&pending, stale),
        }
    }

    fn too_many(&self, pending: &Pending, stale: Option<Arc<Answer>>) -> Begun {
        self.0.counts.overflows.add(1);
        match stale {
            Some(stale) => {
                let reply = stale.reply(pending, Ttl::Stale(STALE_TTL_S));
                Begun::Send(reply, Known::Stale(stale.from()))
            }
            None => {
                let reply = pending.clone().because(Reason::Unreachable, Outcome::Failed);
                Begun::Send(reply, Known::Nobody)
            }
        }
    }
}

impl Inner {
    fn rules(&self, keeps_out: bool) -> Rules<'_> {
        let seconds = |d: std::time::Duration| u32::try_from(d.as_secs()).unwrap_or(u32::MAX);
        let cache = &self.settings.cache;
        Rules {
            ttl_min: seconds(cache.ttl_min),
            ttl_max: seconds(cache.ttl_max),
            negative_ttl_max: seconds(cache.negative_ttl_max),
            keeps_out,
            own: &self.settings.own,
        }
    }

    fn manner(&self) -> Manner {
        Manner { fastest_first: self.settings.fastest_first, mixed_case: self.settings.mixed_case }
    }
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Forwarder").field(&self.addresses()).finish()
    }
}

/// What is said of a name that is nobody's here when there is nobody to ask: `localhost` is there all the same.
pub(crate) fn nowhere(pending: Pending) -> Encoded {
    match is_loopback(pending.asked().name()) {
        true => here(Special::Loopback, pending),
        false => pending.absent(),
    }
}

/// Whether a name is whichever machine asks for it.
pub(crate) fn is_loopback(name: &Name) -> bool {
    special::of(AskedKey::of(name).as_slice(), false) == Some(Special::Loopback)
}

fn here(special: Special, pending: Pending) -> Encoded {
    match (special, pending.asked().query_type()) {
        (Special::Nothing, _) => pending.absent(),
        (Special::Loopback, RecordType::A) => {
            pending.records(&RrSet::A(&[Ipv4Addr::LOCALHOST]), LOOPBACK_TTL_S, Vec::new())
        }
        (Special::Loopback, RecordType::AAAA) => {
            pending.records(&RrSet::Aaaa(&[Ipv6Addr::LOCALHOST]), LOOPBACK_TTL_S, Vec::new())
        }
        (Special::Loopback, _) => pending.plain(Outcome::NoData),
    }
}

/// Whether what is sent to `forwarder` arrives at `listening`.
fn reaches(forwarder: SocketAddr, listening: SocketAddr, interfaces: &Interfaces) -> bool {
    let to = forwarder.ip().to_canonical();
    if forwarder.port() != listening.port() {
        return false;
    }
    if !listening.ip().is_unspecified() {
        return to == listening.ip();
    }
    let is_local = match to {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    };
    to.is_ipv4() == listening.is_ipv4() && (is_local || interfaces.has(to))
}

/// Of one route. Three are usual; more only make waiting longer.
const FORWARDERS_MAX: usize = 8;
/// Clients that wait for answers at once.
const WAITING_MAX: usize = 2048;
/// What an answer that is past its time says (RFC 8767 §4).
const STALE_TTL_S: u32 = 30;
/// `localhost` never changes.
const LOOPBACK_TTL_S: u32 = 86_400;

#[cfg(test)]
pub(crate) mod tests;

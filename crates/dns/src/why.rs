//! Why a name has the answer that it has: what answering looks at, one after the other, in words.
//!
//! The final answer is the handler's own, made from the same tables; the steps before it retrace how
//! it comes about. Nobody is asked for it.
//!
//! **Invariant:** pure: what is told depends on the tables, and looking changes nothing, neither
//! counts nor what is kept.

mod judged;
mod last;
mod listed;
mod step;
pub(crate) mod zone;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

pub use self::judged::Judged;
pub use self::last::Verdict;
pub use self::listed::ListDeed;
pub use self::step::{Cached, HostTarget, Owner, RouteServer, Step};
use crate::access::Policy;
use crate::answer::Answer;
use crate::client::{self, AskError};
use crate::discovery;
use crate::forward::is_loopback;
use crate::interfaces::Local;
use crate::key::AskedKey;
use crate::lists::Said;
use crate::query_log::line::told;
use crate::zone::Zone;

/// What is to be explained.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The name, absolute.
    pub name: Name,
    /// What of it.
    pub rtype: RecordType,
    /// Who asks.
    pub client: IpAddr,
    /// Where the question arrives.
    pub local: Local,
}

impl Asking {
    /// Reads a question as people write it.
    ///
    /// # Errors
    /// Says what is no name or no type.
    pub fn parse(
        name: &str,
        record_type: &str,
        client: IpAddr,
        local: Local,
    ) -> Result<Self, AskError> {
        let (name, rtype) = client::question(name, record_type)?;
        Ok(Self { name, rtype, client, local })
    }
}

/// How an answer comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The name as it is looked up.
    pub name: String,
    /// The type, such as `A`.
    pub rtype: String,
    /// What is looked at, in order.
    pub steps: Vec<Step>,
    /// What is answered.
    pub verdict: Verdict,
}

/// What of our zone an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The service that has this host.
    Service(String),
    /// A record of an operator.
    Record,
    /// Hosts files, with the line in each.
    Hosts(Vec<String>),
    /// A record that the service with this host has by itself.
    Automatic(String),
    /// The gateway itself.
    Gateway,
    /// The zone: what starts it, or that there is nothing.
    Zone,
}

impl Origin {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Record => "record",
            Self::Hosts(_) => "hosts",
            Self::Automatic(_) => "automatic",
            Self::Gateway => "gateway",
            Self::Zone => "zone",
        }
    }

    /// The host of the service that it is about.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Service(host) | Self::Automatic(host) => Some(host),
            Self::Record | Self::Hosts(_) | Self::Gateway | Self::Zone => None,
        }
    }
}

/// Retraces how a question is answered.
pub fn why(asking: &Asking, zone: &Zone, policy: &Policy) -> Explained {
    let Asking { name, rtype, client, local } = asking;
    let local = &zone.facing(*client, *local);
    let answer = zone.answer(name, *rtype, local);
    let is_ours = !matches!(answer, Answer::NotOurs);
    let allowed = policy.access.allows(*client);
    // Looking counts nothing.
    let policy = &Policy { lists: policy.lists.quiet(), ..policy.clone() };
    let mut steps = vec![Step::Name { name: told(name) }];
    steps.extend(zone.steps(name, *rtype, local));
    let mut screens = false;
    if let Answer::Aliased(chain) = &answer
        && let (Some(Answer::NotOurs), Some(last)) = (&chain.end, chain.aliases.last())
        && allowed
    {
        steps.extend(given(&last.target, *rtype, policy));
    }
    if !is_ours {
        steps.push(Step::Access { client: *client, allowed });
        if allowed {
            screens = elsewhere(asking, zone, local, policy, &mut steps);
        }
    }
    let (verdict, listed) = last::verdict(asking, zone, policy);
    if screens && let Some(note) = listed {
        steps.push(Step::Screened { entry: note.text });
    }
    Explained { name: told(name), rtype: rtype.to_string(), steps, verdict }
}

/// What is looked at for a name that is nobody's here; whether the answer of others is judged by lists.
fn elsewhere(
    asking: &Asking,
    zone: &Zone,
    local: &Local,
    policy: &Policy,
    steps: &mut Vec<Step>,
) -> bool {
    let Asking { name, rtype, .. } = asking;
    if discovery::is_under(AskedKey::of(name).as_slice()) {
        steps.push(Step::Discovery);
        return false;
    }
    let table = policy.lists.table();
    let trace = table.as_ref().and_then(|table| table.trace(name, *rtype));
    let said = trace.as_ref().map(|trace| trace.said.clone());
    steps.extend(trace.map(Step::listed));
    let name = match &said {
        // The client comes back over TCP, as if there were no lists.
        None | Some(Said::Pass | Said::Truncated) => name,
        Some(Said::Alias(target)) => target,
        Some(_) => return false,
    };
    if matches!(said, Some(Said::Alias(_)))
        && !matches!(zone.answer(name, *rtype, local), Answer::NotOurs)
    {
        steps.extend(zone.steps(name, *rtype, local));
        return false;
    }
    if matches!(said, Some(Said::Alias(_)))
        && let Some(step) = given(name, *rtype, policy)
    {
        steps.push(step);
        return false;
    }
    steps.extend(match &policy.forwarder {
        Some(forwarder) => forwarder.steps(name, *rtype),
        None if is_loopback(name) => vec![Step::Special { is_loopback: true }],
        None => vec![Step::NoForwarder],
    });
    said.is_none()
}

/// What hosts files, or lists with data, have for the name at the end of an alias.
fn given(name: &Name, rtype: RecordType, policy: &Policy) -> Option<Step> {
    let table = policy.lists.table()?;
    table.given(name, rtype)?;
    table.trace(name, rtype).map(Step::listed)
}

/// The address that a client asks at when it is known where we listen: the first.
pub fn asked_at(listening: &[SocketAddr]) -> IpAddr {
    let first = listening.iter().map(SocketAddr::ip).find(|ip| !ip.is_unspecified());
    first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests;

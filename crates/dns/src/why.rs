//! Why a name has the answer that it has: what answering looks at, one after the other, in words.
//!
//! The final answer is the handler's own, made from the same tables; the steps before it retrace how
//! it comes about. Nobody is asked for it.
//!
//! **Invariant:** pure: what is told depends on the tables, and looking changes nothing, neither
//! counts nor what is kept.

mod judged;
mod last;
mod step;
pub(crate) mod zone;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

pub use self::judged::Judged;
pub use self::last::Verdict;
pub use self::step::{Cached, HostTarget, Owner, RouteServer, Step};
use crate::access::Policy;
use crate::answer::Answer;
use crate::client::{self, AskError};
use crate::interfaces::Local;
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
            Self::Automatic(_) => "automatic",
            Self::Gateway => "gateway",
            Self::Zone => "zone",
        }
    }

    /// The host of the service that it is about.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Service(host) | Self::Automatic(host) => Some(host),
            Self::Record | Self::Gateway | Self::Zone => None,
        }
    }
}

/// Retraces how a question is answered.
pub fn why(asking: &Asking, zone: &Zone, policy: &Policy) -> Explained {
    let Asking { name, rtype, client, local } = asking;
    let local = &zone.facing(*client, *local);
    let is_ours = !matches!(zone.answer(name, *rtype, local), Answer::NotOurs);
    let allowed = policy.access.allows(*client);
    let mut steps = vec![Step::Name { name: told(name) }];
    steps.extend(zone.steps(name, *rtype, local));
    if !is_ours {
        steps.push(Step::Access { client: *client, allowed });
        if allowed {
            steps.extend(match &policy.forwarder {
                Some(forwarder) => forwarder.steps(name, *rtype),
                None => vec![Step::NoForwarder],
            });
        }
    }
    let verdict = last::verdict(asking, zone, policy);
    Explained { name: told(name), rtype: rtype.to_string(), steps, verdict }
}

/// The address that a client asks at when it is known where we listen: the first.
pub fn asked_at(listening: &[SocketAddr]) -> IpAddr {
    let first = listening.iter().map(SocketAddr::ip).find(|ip| !ip.is_unspecified());
    first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests;

//! One thing that answering looks at, and its words.
//!
//! **Invariant:** what a step says is in its fields; the words say nothing more.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::judged::Judged;
use super::listed::ListDeed;

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What is looked up: the name in lower case.
    Name {
        /// It.
        name: String,
    },
    /// The domain of ours that the name is under.
    Domain {
        /// It.
        domain: String,
    },
    /// The name is under no domain of ours.
    NotOurs,
    /// The top of the domain itself has this.
    Start {
        /// The type that was asked.
        rtype: String,
    },
    /// A service has the name as its host.
    Host {
        /// The name.
        host: String,
        /// Whose addresses it answers with.
        target: HostTarget,
        /// What it answers with.
        addresses: Vec<IpAddr>,
    },
    /// Records that stand behind the service of the same name.
    PassedOver {
        /// The name.
        name: String,
        /// Their types.
        types: Vec<String>,
    },
    /// Records of operators.
    Records {
        /// Whose; a wildcard when it covers the name.
        name: String,
        /// Of which type.
        rtype: String,
        /// What they hold.
        data: Vec<String>,
        /// Seconds they may be kept.
        ttl_s: u32,
        /// Where they stand, when hosts files give them.
        places: Vec<String>,
    },
    /// The name is an alias, and what it leads to is looked up next.
    Alias {
        /// Whose.
        name: String,
        /// Of what.
        target: String,
        /// Seconds it may be kept.
        ttl_s: u32,
    },
    /// The aliases lead back, or too far.
    AliasEnds,
    /// The name does not exist, and a wildcard covers it.
    Wildcard {
        /// It.
        name: String,
    },
    /// A record that a host has by itself, since the gateway serves it.
    Automatic {
        /// The host.
        host: String,
        /// What the name holds; none when it only lies between the host and a record.
        rtype: Option<&'static str>,
    },
    /// The name at an address of ours.
    Pointer {
        /// The address.
        address: IpAddr,
        /// The name.
        target: String,
        /// Whose it is.
        owner: Owner,
    },
    /// The name exists, and has nothing of the type.
    NoData {
        /// The name.
        name: String,
        /// The types that it has.
        types: Vec<String>,
    },
    /// There is no such name.
    Missing {
        /// It.
        name: String,
    },
    /// Whether the client may ask for others' names.
    Access {
        /// Who.
        client: IpAddr,
        /// Whether.
        allowed: bool,
    },
    /// An entry of a list or a hosts file has the say.
    Listed {
        /// Whether it is a hosts file.
        is_hosts: bool,
        /// The list; a hosts file by its path.
        list: String,
        /// The line of the entry.
        line: u32,
        /// The name or network that it is about.
        entry: String,
        /// What it comes to.
        does: ListDeed,
    },
    /// What would be answered leads to what a list knows.
    Screened {
        /// The list, the line and the entry.
        entry: String,
    },
    /// The name is how clients find DNS over TLS and HTTPS here.
    Discovery,
    /// Nobody is asked for others' names.
    NoForwarder,
    /// The name is answered here, whoever is asked for others.
    Special {
        /// Whether it is this machine; else it does not exist.
        is_loopback: bool,
    },
    /// Who is asked about the name.
    Route {
        /// What the `[[dns.forward]]` table names; `None` for `dns.forwarders`.
        matched: Option<String>,
        /// Who; nobody means that the name does not exist.
        servers: Vec<RouteServer>,
    },
    /// Whether addresses of the inside are left out of what is answered.
    Rebind {
        /// Whether.
        keeps_out: bool,
    },
    /// Whether the answer is judged by its owner's signatures, and what came of it.
    Dnssec(Judged),
    /// What is kept of a former answer.
    Cache(Cached),
}

/// Whose addresses a host answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostTarget {
    /// The service's own, past the gateway.
    Direct,
    /// The gateway's, as configured.
    Gateway,
    /// The address of ours at which the question arrives.
    Asked,
}

/// Whose name is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The gateway's.
    Gateway,
    /// This service's.
    Service(String),
    /// A record's.
    Record(String),
    /// Of a name in hosts files, with the line in each.
    Hosts(String, Vec<String>),
}

/// One server of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it answers, as far as is known.
    pub is_up: bool,
    /// How long it takes; zero is not known.
    pub latency: Duration,
}

/// What is kept of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// Nothing.
    Nothing,
    /// An answer that is good.
    Fresh {
        /// What it says, such as `nxdomain`.
        outcome: &'static str,
        /// Who said it.
        from: Option<SocketAddr>,
        /// For how much longer.
        left: Duration,
    },
    /// An answer that was good, and is told when nobody answers.
    Stale {
        /// What it says.
        outcome: &'static str,
        /// Who said it.
        from: Option<SocketAddr>,
        /// For how much longer it is told.
        left: Duration,
    },
}

impl Step {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Domain { .. } => "domain",
            Self::NotOurs => "not_ours",
            Self::Start { .. } => "zone",
            Self::Host { .. } => "service",
            Self::PassedOver { .. } => "passed_over",
            Self::Records { .. } => "record",
            Self::Alias { .. } => "alias",
            Self::AliasEnds => "alias_ends",
            Self::Wildcard { .. } => "wildcard",
            Self::Automatic { .. } => "automatic",
            Self::Pointer { .. } => "reverse",
            Self::NoData { .. } => "no_data",
            Self::Missing { .. } => "missing",
            Self::Access { .. } => "access",
            Self::Listed { is_hosts: true, .. } => "hosts",
            Self::Listed { is_hosts: false, .. } => "list",
            Self::Screened { .. } => "screened",
            Self::Discovery => "discovery",
            Self::NoForwarder => "no_forwarder",
            Self::Special { .. } => "special",
            Self::Route { .. } => "route",
            Self::Rebind { .. } => "rebind",
            Self::Dnssec(_) => "dnssec",
            Self::Cache(_) => "cache",
        }
    }
}

impl Step {
    /// The words of steps that say the same whatever is asked.
    fn plain_words(&self) -> &'static str {
        match self {
            Self::Discovery => {
                "it is how clients find DNS over TLS and HTTPS here (RFC 9462), and is not forwarded"
            }
            Self::Special { is_loopback: true } => {
                "it is localhost, which is whoever asks (RFC 6761)"
            }
            Self::Special { is_loopback: false } => {
                "it is a name that no server outside may know, and no [[dns.forward]] table names it"
            }
            _ => "there are no forwarders (dns.forwarders), so that others' names do not exist",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(f, "{name} is looked up; the case does not matter"),
            Self::Domain { domain } => {
                write!(f, "it is under {domain}, a domain of ours: it is never forwarded")
            }
            Self::NotOurs => f.write_str("it is under no domain of ours"),
            Self::Start { rtype } => write!(f, "the domain itself has {rtype}"),
            Self::Host { host, target, addresses } => host_words(f, host, *target, addresses),
            Self::PassedOver { name, types } => write!(
                f,
                "the records {} of {name} are passed over, since it is a host of a service",
                types.join(", ")
            ),
            Self::Records { name, rtype, data, ttl_s, places } => {
                write!(f, "{name} has {rtype} {} for {ttl_s} s", data.join(", "))?;
                from_words(f, places)
            }
            Self::Alias { name, target, ttl_s } => {
                write!(f, "{name} is an alias of {target} for {ttl_s} s, which is looked up next")
            }
            Self::AliasEnds => f.write_str(
                "the aliases lead back to one another, or too far; they are told as they are",
            ),
            Self::Wildcard { name } => {
                write!(f, "there is no such name, and the wildcard {name} covers it")
            }
            Self::Automatic { host, rtype: Some(rtype) } => {
                write!(f, "it has {rtype} by itself, since the gateway serves {host}")
            }
            Self::Automatic { host, rtype: None } => {
                write!(f, "it lies between {host} and a record that this has by itself")
            }
            Self::Pointer { address, target, owner } => pointer_words(f, *address, target, owner),
            Self::NoData { name, types } if types.is_empty() => {
                write!(f, "{name} exists, and has nothing of its own")
            }
            Self::NoData { name, types } => {
                write!(f, "{name} exists, and has only {}", types.join(", "))
            }
            Self::Missing { name } => write!(f, "there is no {name}"),
            Self::Access { client, allowed: true } => {
                write!(f, "{client} is in dns.allow, and may ask for others' names")
            }
            Self::Access { client, allowed: false } => {
                write!(f, "{client} is not in dns.allow: it is refused others' names")
            }
            Self::Listed { list, line, entry, does, .. } => {
                write!(f, "{list}, line {line}, has {entry}: {does}")
            }
            Self::Screened { entry } => {
                write!(f, "that answer leads to what a list knows: {entry}")
            }
            Self::Discovery | Self::NoForwarder | Self::Special { .. } => {
                f.write_str(self.plain_words())
            }
            Self::Route { matched, servers } => route_words(f, matched.as_deref(), servers),
            Self::Rebind { keeps_out: true } => f.write_str(
                "addresses of the inside are left out of the answer (dns.rebind_protection)",
            ),
            Self::Rebind { keeps_out: false } => {
                f.write_str("addresses of the inside may be in the answer")
            }
            Self::Dnssec(judged) => judged.fmt(f),
            Self::Cache(cached) => cached.fmt(f),
        }
    }
}

fn from_words(f: &mut fmt::Formatter<'_>, places: &[String]) -> fmt::Result {
    match places.is_empty() {
        true => Ok(()),
        false => write!(f, ", from {}", places.join(" and ")),
    }
}

fn pointer_words(
    f: &mut fmt::Formatter<'_>,
    address: IpAddr,
    target: &str,
    owner: &Owner,
) -> fmt::Result {
    match owner {
        Owner::Gateway => write!(f, "{address} is the gateway, which is {target}"),
        Owner::Service(name) => write!(f, "{address} is of the service {name}: {target}"),
        Owner::Record(name) => write!(f, "{address} is in a record of {name}"),
        Owner::Hosts(name, places) => {
            write!(f, "{address} is of {name}")?;
            from_words(f, places)
        }
    }
}

fn host_words(
    f: &mut fmt::Formatter<'_>,
    host: &str,
    target: HostTarget,
    addresses: &[IpAddr],
) -> fmt::Result {
    let whose = match target {
        HostTarget::Direct => "its own address",
        HostTarget::Gateway => "the gateway's address",
        HostTarget::Asked => "the address that it is asked at, here",
    };
    write!(f, "{host} is a host of a service, and answers with {whose}")?;
    for (index, address) in addresses.iter().enumerate() {
        write!(f, "{} {address}", if index == 0 { "" } else { "," })?;
    }
    Ok(())
}

fn route_words(
    f: &mut fmt::Formatter<'_>,
    matched: Option<&str>,
    servers: &[RouteServer],
) -> fmt::Result {
    match matched {
        Some(domain) => write!(f, "the [[dns.forward]] table of {domain}")?,
        None => f.write_str("dns.forwarders")?,
    }
    if servers.is_empty() {
        return f.write_str(" names nobody, so that it does not exist");
    }
    for (index, server) in servers.iter().enumerate() {
        let state = if server.is_up { "up" } else { "put aside" };
        write!(f, "{} {} ({state})", if index == 0 { " names" } else { "," }, server.address)?;
    }
    Ok(())
}

impl fmt::Display for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, outcome, from, left) = match self {
            Self::Nothing => return f.write_str("nothing is kept of a former answer"),
            Self::Fresh { outcome, from, left } => ("good", *outcome, from, left),
            Self::Stale { outcome, from, left } => {
                ("past its time but told when nobody answers", *outcome, from, left)
            }
        };
        f.write_str(match outcome {
            "nodata" => "that there is nothing of this type is kept",
            "nxdomain" => "that there is no such name is kept",
            "servfail" => "that nobody answered is kept",
            "bogus" => "that the answer is not believed is kept",
            _ => "an answer is kept",
        })?;
        if let Some(from) = from {
            write!(f, " from {from}")?;
        }
        write!(f, ", {state} for {} s more", left.as_secs())
    }
}

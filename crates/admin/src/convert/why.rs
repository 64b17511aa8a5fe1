//! How an answer comes about, as it goes out; with who added what it comes from.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use conduit_api::v1::dns::ResolveReply;
use conduit_api::v1::why as wire;
use conduit_audit::action::Action;
use conduit_audit::entry::Entry;
use conduit_core::catalog::Catalog;
use conduit_core::name::Host;
use conduit_core::record::Record;
use conduit_dns::why::{Cached, Explained, Judged, ListDeed, Owner, RouteServer, Step, Verdict};

/// Where it can be looked up who added what.
pub(crate) struct Additions {
    pub(crate) catalog: Arc<Catalog>,
    /// What the configuration gives.
    pub(crate) fixed: Arc<[Record]>,
    /// The newest entries of the record.
    pub(crate) entries: Vec<Entry>,
}

/// The whole reply.
pub(crate) fn reply(
    explained: Explained,
    client: IpAddr,
    additions: &Additions,
    asked: Option<ResolveReply>,
) -> wire::WhyReply {
    let is_bogus =
        explained.steps.iter().any(|step| matches!(step, Step::Dnssec(Judged::Bogus { .. })));
    wire::WhyReply {
        steps: explained.steps.iter().map(|found| step(found, additions)).collect(),
        name: explained.name,
        record_type: explained.rtype,
        client: client.to_string(),
        answer: answer(explained.verdict, is_bogus),
        asked,
    }
}

fn step(found: &Step, additions: &Additions) -> wire::WhyStep {
    let mut step = wire::WhyStep {
        step: found.word().to_owned(),
        text: found.to_string(),
        service: None,
        source: None,
        lists: Vec::new(),
        added_by: None,
        added_at: None,
        data: Vec::new(),
        target: None,
        allowed: None,
        servers: Vec::new(),
        state: None,
        seconds: None,
    };
    match found {
        Step::Host { host, addresses, .. } => {
            step.data = addresses.iter().map(ToString::to_string).collect();
            additions.service(host, &mut step);
        }
        Step::Automatic { host, .. } => additions.service(host, &mut step),
        Step::Records { name, rtype, data, ttl_s, places } => {
            step.data.clone_from(data);
            step.seconds = Some(u64::from(*ttl_s));
            match places.is_empty() {
                true => additions.record(name, rtype, &mut step),
                false => hosts(places, &mut step),
            }
        }
        Step::Listed { list, line, entry, does, .. } => {
            step.lists = vec![format!("{list}, line {line}: {entry}")];
            match does {
                ListDeed::Has(data) => step.data.clone_from(data),
                ListDeed::Alias(target) => step.target = Some(target.clone()),
                _ => {}
            }
        }
        Step::Screened { entry } => step.lists = vec![entry.clone()],
        Step::Alias { name, target, ttl_s } => {
            step.target = Some(target.clone());
            step.seconds = Some(u64::from(*ttl_s));
            additions.record(name, "CNAME", &mut step);
        }
        Step::Pointer { target, owner, .. } => {
            step.target = Some(target.clone());
            match owner {
                Owner::Service(name) => step.service = Some(name.clone()),
                Owner::Hosts(_, places) => hosts(places, &mut step),
                Owner::Gateway | Owner::Record(_) => {}
            }
        }
        Step::Access { allowed, .. } => step.allowed = Some(*allowed),
        Step::Route { servers, .. } => step.servers = servers.iter().map(server).collect(),
        Step::Dnssec(judged) => step.state = Some(judged.as_str().to_owned()),
        Step::Cache(cached) => cache(cached, &mut step),
        _ => {}
    }
    step
}

fn hosts(places: &[String], step: &mut wire::WhyStep) {
    step.source = Some("hosts".to_owned());
    step.lists = places.to_vec();
}

fn server(server: &RouteServer) -> wire::WhyServer {
    let known = !server.latency.is_zero();
    wire::WhyServer {
        address: server.address.to_string(),
        up: server.is_up,
        latency_ms: known.then_some(server.latency.as_secs_f64() * 1_000.0),
    }
}

fn cache(cached: &Cached, step: &mut wire::WhyStep) {
    let is_positive = |outcome: &str| outcome == "records";
    let (state, left) = match cached {
        Cached::Nothing => ("none", None),
        Cached::Fresh { outcome, left, .. } if is_positive(outcome) => ("fresh", Some(left)),
        Cached::Fresh { left, .. } => ("negative", Some(left)),
        Cached::Stale { left, .. } => ("stale", Some(left)),
    };
    step.state = Some(state.to_owned());
    step.seconds = left.map(Duration::as_secs);
}

fn answer(verdict: Verdict, is_bogus: bool) -> wire::WhyAnswer {
    match verdict {
        Verdict::Answered { rcode, outcome, authoritative, records } => {
            let whence = if authoritative { " from our own zone" } else { "" };
            let what = match outcome {
                _ if !records.is_empty() => format!(": {}", records.join(", ")),
                "nodata" => ": the name exists, without records of this type".to_owned(),
                "nxdomain" => ": there is no such name".to_owned(),
                "refused" => ": the client may not ask that".to_owned(),
                "servfail" if is_bogus => ": what was answered is not believed (DNSSEC)".to_owned(),
                "servfail" => ": no forwarder answered just now".to_owned(),
                _ => String::new(),
            };
            wire::WhyAnswer {
                text: format!("{rcode}{whence}{what}"),
                status: Some(rcode.to_owned()),
                authoritative,
                records,
            }
        }
        Verdict::Asked { servers } => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            unknown(format!(
                "what {} says, which is not known without asking",
                servers.join(" or ")
            ))
        }
        Verdict::Nothing => unknown("no client can ask that".to_owned()),
    }
}

fn unknown(text: String) -> wire::WhyAnswer {
    wire::WhyAnswer { text, status: None, authoritative: false, records: Vec::new() }
}

impl Additions {
    fn service(&self, host: &str, step: &mut wire::WhyStep) {
        let host = Host::parse(host).ok();
        let Some(service) = host.and_then(|host| self.catalog.by_host(&host)) else {
            return;
        };
        step.service = Some(service.name.to_string());
        step.added_at = Some(service.registered_at.to_string());
        let is_it = |entry: &&Entry| {
            entry.action == Action::ServiceRegister.as_str()
                && entry.details.get("name").is_some_and(|name| name == service.name.as_str())
        };
        self.tell(is_it, "registered", step);
    }

    fn record(&self, name: &str, rtype: &str, step: &mut wire::WhyStep) {
        let is_of_type = |record: &&Record| record.data.kind().as_str() == rtype;
        if let Some(record) = self.catalog.records_at(name).iter().find(is_of_type) {
            step.source = Some("record".to_owned());
            step.added_at = Some(record.added_at.to_string());
            let is_it = |entry: &&Entry| {
                let is = |key, value: &str| entry.details.get(key).is_some_and(|own| own == value);
                entry.action == Action::DnsAdd.as_str() && is("domain", name) && is("type", rtype)
            };
            self.tell(is_it, "added", step);
        } else if self.fixed.iter().any(|r| r.name.as_str() == name && is_of_type(&r)) {
            step.source = Some("config".to_owned());
            step.text.push_str("; the configuration gives it ([[dns.records]])");
        }
    }

    /// Says who did it and when, as far as that is known.
    fn tell(&self, is_it: impl Fn(&&Entry) -> bool, did: &str, step: &mut wire::WhyStep) {
        step.added_by = self.entries.iter().find(is_it).map(|entry| entry.user.clone());
        if let Some(at) = &step.added_at {
            step.text.push_str(&format!("; {did} {at}"));
        }
        if let Some(by) = &step.added_by {
            step.text.push_str(&format!(" by {by}"));
        }
    }
}

//! How our own zone comes to an answer.
//!
//! **Invariant:** what is found here is what `lookup` finds, in the same order; a test holds the two
//! together.

use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};

use super::{HostTarget, Origin, Owner, Step};
use crate::automatic::Kind;
use crate::discovery;
use crate::interfaces::Local;
use crate::key::{AskedKey, NameKey, ancestry};
use crate::nodes::Node;
use crate::pointers::{Pointers, Source};
use crate::presentation::shown;
use crate::query_log::line::told;
use crate::records::{RecordSet, Records};
use crate::reverse::{self, Reversed};
use crate::zone::{Apex, RrSets, Zone, both};

/// What is asked, and what was found on the way.
struct Walk<'a> {
    zone: &'a Zone,
    rtype: RecordType,
    local: &'a Local,
    steps: Vec<Step>,
    origin: Option<Origin>,
}

/// Where a look at one name ended.
enum End {
    Here,
    Alias(Name),
    /// Nothing that answers; whether the name exists.
    Nothing,
}

impl Zone {
    /// What is looked at for a question.
    pub(crate) fn steps(&self, name: &Name, rtype: RecordType, local: &Local) -> Vec<Step> {
        self.walked(name, rtype, local).steps
    }

    /// What the answer to a question comes from.
    pub(crate) fn origin(&self, question: &Query, local: &Local) -> Origin {
        if discovery::is_under(AskedKey::of(question.name()).as_slice()) {
            return Origin::Gateway;
        }
        let walked = self.walked(question.name(), question.query_type(), local);
        walked.origin.unwrap_or(Origin::Zone)
    }

    fn walked<'a>(&'a self, name: &Name, rtype: RecordType, local: &'a Local) -> Walk<'a> {
        let mut walk = Walk { zone: self, rtype, local, steps: Vec::new(), origin: None };
        let mut seen = vec![name.clone()];
        while let Some(owner) = seen.last().cloned() {
            let End::Alias(target) = walk.look(&owner) else {
                break;
            };
            if seen.contains(&target) || seen.len() == ALIASES_MAX {
                walk.steps.push(Step::AliasEnds);
                break;
            }
            seen.push(target);
        }
        walk
    }

    /// The key of the wildcard that covers a name, whether there is one or not.
    fn wildcard_key(&self, key: &[u8], apex: &Apex) -> Option<AskedKey> {
        let exists = |name: &&[u8]| {
            *name == apex.key.as_slice()
                || self.nodes.contains(name)
                || self.automatic_at(name).is_some()
        };
        ancestry(key).skip(1).find(exists).map(AskedKey::wildcard_of)
    }
}

impl Walk<'_> {
    fn look(&mut self, owner: &Name) -> End {
        let zone = self.zone;
        let key = AskedKey::of(owner);
        let key = key.as_slice();
        let Some(apex) = zone.frame.apex_of(key) else {
            return self.look_reverse(owner, key);
        };
        self.steps.push(Step::Domain { domain: text_of(apex.key.as_slice()) });
        let is_apex = apex.key.as_slice() == key;
        if is_apex && matches!(self.rtype, RecordType::SOA | RecordType::NS | RecordType::ANY) {
            self.steps.push(Step::Start { rtype: self.rtype.to_string() });
            return End::Here;
        }
        let node = zone.nodes.get(key);
        let mut types = Vec::new();
        if let Some(node) = node {
            match self.at(node, &told(owner), &mut types) {
                End::Nothing => {}
                found => return found,
            }
        }
        let mut exists = is_apex || node.is_some();
        if let Some((kind, above, _)) = zone.automatic_at(key) {
            let host = told(&owner.trim_to(usize::from(owner.num_labels()) - above));
            if self.automatic(kind, &host, &mut types) {
                return End::Here;
            }
            exists = true;
        }
        if !exists
            && let Some(pattern) = zone.wildcard_key(key, apex)
            && let Some(covering) = zone.nodes.get(pattern.as_slice())
        {
            let name = text_of(pattern.as_slice());
            self.steps.push(Step::Wildcard { name: name.clone() });
            match self.at(covering, &name, &mut types) {
                End::Nothing => exists = true,
                found => return found,
            }
        }
        self.steps.push(match exists {
            true => Step::NoData { name: told(owner), types },
            false => Step::Missing { name: told(owner) },
        });
        End::Nothing
    }

    /// What is at a node; the types it has are added to `types` when none of them answers.
    fn at(&mut self, node: Node<'_>, name: &str, types: &mut Vec<String>) -> End {
        if let Some(rrsets) = node.rrsets {
            let step = self.host(rrsets, name);
            if let Step::Host { addresses, .. } = &step {
                let families = [("A", true), ("AAAA", false)];
                let has = |v4: &bool| addresses.iter().any(|a| a.is_ipv4() == *v4);
                let held = families.iter().filter(|(_, v4)| has(v4));
                types.extend(held.map(|(word, _)| (*word).to_owned()));
            }
            self.steps.push(step);
            self.origin.get_or_insert_with(|| Origin::Service(name.to_owned()));
            if self.zone.addresses_at(node, self.rtype, self.local).is_some() {
                return End::Here;
            }
        }
        match node.records {
            Some(records) => self.records(records, node.rrsets.is_some(), name, types),
            None => End::Nothing,
        }
    }

    fn host(&self, rrsets: &RrSets, name: &str) -> Step {
        let (target, addresses) = match rrsets {
            RrSets::Direct { v4, v6 } => (HostTarget::Direct, both(v4, v6)),
            RrSets::Gateway { .. } => match self.zone.frame.configured(self.local) {
                Some(addresses) => (HostTarget::Gateway, both(addresses.v4, addresses.v6)),
                None => {
                    let local = both(self.local.v4.as_slice(), self.local.v6.as_slice());
                    (HostTarget::Asked, local)
                }
            },
        };
        Step::Host { host: name.to_owned(), target, addresses }
    }

    fn records(
        &mut self,
        records: &Records,
        is_host: bool,
        name: &str,
        types: &mut Vec<String>,
    ) -> End {
        let ttl_s = self.zone.frame.ttl_s;
        let is_behind = |rtype: RecordType| {
            is_host && matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::CNAME)
        };
        let set = match self.rtype {
            RecordType::ANY => records.any(!is_host, ttl_s),
            rtype if is_behind(rtype) => None,
            rtype => records.get(rtype, ttl_s),
        };
        if let Some(set) = set {
            let places = self.zone.places_of(name, records, set.rtype());
            self.origin = Some(origin_of(&places));
            self.steps.push(records_step(name, set, places));
            return End::Here;
        }
        if let Some((target, ttl_s)) = records.alias(ttl_s).filter(|_| !is_host) {
            let step = Step::Alias { name: name.to_owned(), target: told(&target), ttl_s };
            self.steps.push(step);
            self.origin.get_or_insert(Origin::Record);
            return End::Alias(target);
        }
        let (behind, shown): (Vec<_>, Vec<_>) = records.types().partition(|t| is_behind(*t));
        if !behind.is_empty() {
            let types = behind.iter().map(ToString::to_string).collect();
            self.steps.push(Step::PassedOver { name: name.to_owned(), types });
        }
        types.extend(shown.iter().map(ToString::to_string));
        End::Nothing
    }

    /// Whether a record that a host has by itself answers.
    fn automatic(&mut self, kind: Kind<'_>, host: &str, types: &mut Vec<String>) -> bool {
        let is_any = self.rtype == RecordType::ANY;
        let (word, answers) = match kind {
            Kind::Https if self.zone.frame.sites.is_some() => {
                (Some("HTTPS"), is_any || self.rtype == RecordType::HTTPS)
            }
            Kind::Srv(_) => (Some("SRV"), is_any || self.rtype == RecordType::SRV),
            Kind::Https | Kind::Between => (None, false),
        };
        if answers {
            self.origin = Some(Origin::Automatic(host.to_owned()));
        } else {
            types.extend(word.map(str::to_owned));
        }
        if answers || word.is_none() {
            self.steps.push(Step::Automatic { host: host.to_owned(), rtype: word });
        }
        answers
    }

    /// A reverse name that is no address with a name.
    fn look_above(&mut self, owner: &Name, key: &[u8], within: Option<&Apex>) -> End {
        let Some(apex) = within else {
            self.steps.push(Step::NotOurs);
            return End::Nothing;
        };
        let name = told(owner);
        let starts = matches!(self.rtype, RecordType::SOA | RecordType::NS | RecordType::ANY);
        let is_above = reverse::is_network(key) && reverse::parse(key).is_none();
        self.steps.push(match apex.key.as_slice() == key {
            true if starts => Step::Start { rtype: self.rtype.to_string() },
            true => Step::NoData { name, types: vec!["SOA".to_owned(), "NS".to_owned()] },
            false if is_above => Step::NoData { name, types: Vec::new() },
            false => Step::Missing { name },
        });
        End::Nothing
    }

    fn look_reverse(&mut self, owner: &Name, key: &[u8]) -> End {
        let zone = self.zone;
        let within = zone.frame.reverse_of(key).map(|reverse| &reverse.apex);
        if let Some(apex) = within {
            self.steps.push(Step::Domain { domain: text_of(apex.key.as_slice()) });
        }
        let Some(Reversed { address, below }) = reverse::parse(key) else {
            return self.look_above(owner, key, within);
        };
        let above = ancestry(key).nth(below);
        let node = above.and_then(|above| zone.nodes.get(above));
        let given = node.and_then(|node| node.records?.get(RecordType::PTR, zone.frame.ttl_s));
        let step = match given {
            Some(set) => {
                self.origin = Some(Origin::Record);
                records_step(&above.map(text_of).unwrap_or_default(), set, Vec::new())
            }
            None => {
                let Some(target) = zone.name_at(address, self.local) else {
                    return self.look_above(owner, key, within);
                };
                let owner = zone.owner_of(address, self.local);
                self.origin = Some(match &owner {
                    Owner::Gateway => Origin::Gateway,
                    Owner::Service(_) => Origin::Service(told(&target)),
                    Owner::Record(_) => Origin::Record,
                    Owner::Hosts(_, places) => Origin::Hosts(places.clone()),
                });
                Step::Pointer { address, target: told(&target), owner }
            }
        };
        self.steps.push(step);
        let is_start = matches!(self.rtype, RecordType::SOA | RecordType::NS) && within.is_none();
        let is_it = matches!(self.rtype, RecordType::PTR | RecordType::ANY);
        if below > 0 {
            self.steps.push(Step::Missing { name: told(owner) });
        } else if !is_it && !is_start {
            self.steps.push(Step::NoData { name: told(owner), types: vec!["PTR".to_owned()] });
        }
        End::Here
    }
}

impl Zone {
    /// Where in hosts files a set of a name stands; nowhere when it is an operator's.
    fn places_of(&self, name: &str, records: &Records, rtype: RecordType) -> Vec<String> {
        let is_address = matches!(rtype, RecordType::A | RecordType::AAAA);
        let hosts = self.hosts.records().at(name);
        match is_address && !hosts.is_empty() && !records.is_located_without(&[hosts]) {
            true => self.hosts.places(name),
            false => Vec::new(),
        }
    }

    /// Whose name is told for an address.
    fn owner_of(&self, address: std::net::IpAddr, local: &Local) -> Owner {
        let pointers =
            self.pointers.get(address).filter(|_| !self.frame.is_gateway(address, local));
        match pointers.and_then(Pointers::first) {
            Some(Source::Service(name)) => Owner::Service(name.to_string()),
            Some(Source::Record(name)) => {
                let node = self.nodes.get(NameKey::of_record(name).as_slice());
                let records = node.and_then(|node| node.records);
                let places = records.map(|records| {
                    let is_v4 = address.is_ipv4();
                    let rtype = if is_v4 { RecordType::A } else { RecordType::AAAA };
                    self.places_of(name.as_str(), records, rtype)
                });
                match places {
                    Some(places) if !places.is_empty() => Owner::Hosts(name.to_string(), places),
                    _ => Owner::Record(name.to_string()),
                }
            }
            None => Owner::Gateway,
        }
    }
}

fn origin_of(places: &[String]) -> Origin {
    match places.is_empty() {
        true => Origin::Record,
        false => Origin::Hosts(places.to_vec()),
    }
}

fn records_step(name: &str, set: RecordSet<'_>, places: Vec<String>) -> Step {
    Step::Records {
        name: name.to_owned(),
        rtype: set.rtype().to_string(),
        data: set.data().take(RECORDS_MAX).map(|data| shown(&data)).collect(),
        ttl_s: set.ttl_s(),
        places,
    }
}

/// A key as a name is told.
pub(crate) fn text_of(key: &[u8]) -> String {
    Name::from_labels(crate::key::labels(key)).map(|name| told(&name)).unwrap_or_default()
}

/// Names of one chain of aliases, as many as are answered.
const ALIASES_MAX: usize = 8;
/// Records of a set that are told.
const RECORDS_MAX: usize = 16;

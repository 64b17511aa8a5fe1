//! Services that containers ask for by their labels, from one reading to the next.
//!
//! The rules:
//!
//! * A container that runs and has the label `conduit.name` asks for a service of that name.
//!   Several containers with one name are several upstreams of one service; what else they ask for
//!   is taken from the first of them by name, and a difference is said.
//! * An upstream goes away after its container was not running in [`ABSENT_MAX`] readings after
//!   each other, and the service with its last upstream. A reading that left containers out says
//!   nothing about who is absent.
//! * Only services that carry [`LABEL_MARK`] are ever touched; whoever carries out a wish refuses
//!   it for a name that a person registered.
//!
//! **Invariant:** pure: the same readings give the same wishes. A wish is made once, and again only
//! when something about it changed.

use std::collections::BTreeMap;

use conduit_core::catalog::Catalog;
use conduit_core::name::ServiceName;
use conduit_core::upstream::UpstreamAddr;

use super::labels::{Asks, Label, read_labels, upstream_of};
use crate::reading::container::{Container, ContainersReading};

/// Something that a container asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelWish {
    /// This service is to be registered, or to be replaced by this.
    Register(LabelledService),
    /// No container asks for this service any more.
    Deregister(ServiceName),
}

/// A service as labels ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledService {
    /// What it is called.
    pub name: ServiceName,
    /// Each of its containers once, sorted; at least one.
    pub upstreams: Vec<UpstreamAddr>,
    /// The first of its containers, by name: what the registration is tied to.
    pub container: String,
    /// What else is asked for.
    pub asks: Asks,
}

/// What was asked for until now.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    services: BTreeMap<ServiceName, Kept>,
}

/// A service that was asked for.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// As it was wished for last; `None` for one that an earlier run registered.
    wished: Option<LabelledService>,
    /// Its containers by id, with the readings that each was missed in.
    containers: BTreeMap<String, (Member, usize)>,
}

#[derive(Debug, Clone)]
struct Member {
    container: String,
    upstream: UpstreamAddr,
    asks: Asks,
}

/// What comes of a reading.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// What is to be done, by name.
    pub wishes: Vec<LabelWish>,
    /// Labels that cannot be understood, each with its container and its mend.
    pub problems: Vec<String>,
    /// What is asked for now: the `previous` of the next reading.
    pub asked: Asked,
}

impl Asked {
    /// What an earlier run registered: every service of the catalog that carries [`LABEL_MARK`].
    /// Those that no container asks for any more go away as others do.
    pub fn of(catalog: &Catalog) -> Self {
        let marked = |service: &conduit_core::service::Service| {
            service.monitoring.kind.as_deref() == Some(LABEL_MARK)
        };
        let services = catalog.iter().filter(|service| marked(service)).map(|service| {
            let member = |upstream: &UpstreamAddr| Member {
                container: service.monitoring.container_name.clone().unwrap_or_default(),
                upstream: upstream.clone(),
                asks: Asks::default(),
            };
            let members = service.upstreams.iter().map(|u| (u.to_string(), (member(u), 0)));
            (service.name.clone(), Kept { wished: None, containers: members.collect() })
        });
        Self { services: services.collect() }
    }

    /// Forgets that a service was wished for, so that it is wished for again: for one whose
    /// registration was refused.
    pub fn forget(&mut self, name: &ServiceName) {
        if let Some(kept) = self.services.get_mut(name) {
            kept.wished = None;
        }
    }
}

/// What the labels of `now` ask for, after what was asked for before.
pub fn wishes(previous: &Asked, now: &ContainersReading) -> Wishes {
    let mut next = Wishes { asked: previous.clone(), ..Wishes::default() };
    let services = &mut next.asked.services;
    let is_whole = now.left_out == 0;
    for (_, missed) in services.values_mut().flat_map(|kept| kept.containers.values_mut()) {
        *missed += usize::from(is_whole);
    }
    for container in now.containers.iter().filter(|container| runs(container)) {
        match read_labels(container) {
            None => {}
            Some(Err(problem)) => next.problems.push(problem),
            Some(Ok(label)) => match upstream_of(container, label.port) {
                Some(upstream) => join(services, container, label, upstream),
                // One that restarts has no address for a moment.
                None if container.state == "restarting" => {}
                None => next.problems.push(format!(
                    "container {}: port {} is not published, and the container has no address of \
                     its own; publish it, as in -p 127.0.0.1::{}",
                    container.name, label.port, label.port
                )),
            },
        }
    }
    for (name, kept) in services.iter_mut() {
        kept.containers.retain(|_, (_, missed)| *missed < ABSENT_MAX);
        next.problems.extend(kept.differences(name));
        match kept.service(name) {
            None => next.wishes.push(LabelWish::Deregister(name.clone())),
            // What an earlier run registered stays as it is until a container tells more.
            Some(_) if kept.is_only_recalled() => {}
            Some(service) if kept.wished.as_ref() == Some(&service) => {}
            Some(service) => {
                kept.wished = Some(service.clone());
                next.wishes.push(LabelWish::Register(service));
            }
        }
    }
    services.retain(|_, kept| !kept.containers.is_empty());
    next.problems.truncate(PROBLEMS_MAX);
    next
}

fn join(
    services: &mut BTreeMap<ServiceName, Kept>,
    container: &Container,
    label: Label,
    upstream: UpstreamAddr,
) {
    // A container whose name was changed leaves its old service as if it had stopped.
    let kept = services.entry(label.name).or_default();
    if kept.containers.len() >= UPSTREAMS_MAX && !kept.containers.contains_key(&container.id) {
        return;
    }
    // What an earlier run registered for this very address is this container.
    kept.containers.remove(&upstream.to_string());
    let member = Member { container: container.name.clone(), upstream, asks: label.asks };
    kept.containers.insert(container.id.clone(), (member, 0));
}

impl Kept {
    fn members(&self) -> Vec<&Member> {
        let mut members: Vec<_> = self.containers.values().map(|(member, _)| member).collect();
        members.sort_by(|a, b| {
            a.container.cmp(&b.container).then_with(|| a.upstream.cmp(&b.upstream))
        });
        members
    }

    /// The service as it is asked for now; `None` when nobody asks any more.
    fn service(&self, name: &ServiceName) -> Option<LabelledService> {
        let members = self.members();
        let first =
            members.iter().find(|member| !self.is_recalled(member)).or_else(|| members.first())?;
        let mut upstreams: Vec<_> = members.iter().map(|member| member.upstream.clone()).collect();
        upstreams.sort();
        upstreams.dedup();
        Some(LabelledService {
            name: name.clone(),
            upstreams,
            container: first.container.clone(),
            asks: first.asks.clone(),
        })
    }

    /// Whether this is an upstream of an earlier run, whose labels are not known.
    fn is_recalled(&self, member: &Member) -> bool {
        self.containers.contains_key(&member.upstream.to_string())
    }

    fn is_only_recalled(&self) -> bool {
        self.members().iter().all(|member| self.is_recalled(member))
    }

    fn differences(&self, name: &ServiceName) -> Option<String> {
        let members = self.members();
        let told: Vec<_> = members.iter().filter(|member| !self.is_recalled(member)).collect();
        let first = told.first()?;
        let other = told.iter().find(|member| member.asks != first.asks)?;
        Some(format!(
            "container {}: its labels ask for another service {name} than those of {}, which count; \
             give both the same labels",
            other.container, first.container
        ))
    }
}

fn runs(container: &Container) -> bool {
    RUNNING_STATES.contains(&container.state.as_str())
}

/// The `monitoring.kind` of a service that labels asked for: the only ones that wishes touch.
pub const LABEL_MARK: &str = "container-label";
/// After how many readings without it a container's upstream goes away.
pub const ABSENT_MAX: usize = 2;
/// The states in which a container serves, or will again at once.
const RUNNING_STATES: [&str; 3] = ["running", "paused", "restarting"];
/// The most containers of one service.
const UPSTREAMS_MAX: usize = 64;
/// The most problems of one reading.
const PROBLEMS_MAX: usize = 32;

#[cfg(test)]
mod tests;

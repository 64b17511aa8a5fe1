//! What is recorded about a plan: one draft for each service, in the seeds' fields.

use std::collections::HashMap;

use conduit_audit::{Action, Draft, Status};
use conduit_core::actor::Actor;
use conduit_core::catalog::Generation;
use conduit_core::certificate::{Issuance, KeySource};
use conduit_core::clock::Timestamp;
use conduit_core::hold::HoldKind;
use conduit_core::leaf::LeafPair;
use conduit_core::name::ServiceName;
use conduit_core::record::RecordTtl;
use conduit_core::service::{ProbeSpec, Service, TlsMode};
use conduit_core::upstream::UpstreamAddr;
use serde_json::{Map, Value, json};

use crate::mutation::{Cause, Revoking};
use crate::rules::{Act, NodeStep, PasskeyStep, Plan, RecordStep, TokenStep, UserStep};
use crate::token::Token;
use crate::writer::Certificates;

/// What the drafts of one plan have in common.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) now: Timestamp,
    pub(crate) previous: Generation,
    pub(crate) next: Generation,
    pub(crate) leaves: &'a [(ServiceName, LeafPair)],
    /// The token that the plan makes.
    pub(crate) token: Option<&'a Token>,
    pub(crate) certificates: &'a Certificates,
}

/// Drafts one entry for each act of a plan, one after the other: each is several times as large as
/// what it is about.
pub(crate) fn drafts<'a>(
    plan: &'a Plan,
    context: &'a Context<'a>,
) -> impl Iterator<Item = Draft> + 'a {
    let leaves: HashMap<&ServiceName, &LeafPair> =
        context.leaves.iter().map(|(name, pair)| (name, pair)).collect();
    let services = plan.steps.iter().filter_map(move |step| {
        let (action, message, details) = of_act(&step.act, leaves.get(&step.name).copied())?;
        Some(context.draft(action, message, details))
    });
    let token = plan.token.iter().map(move |step| of_token(step, context));
    let node = plan.node.iter().map(move |step| of_node(step, context));
    let user = plan.user.iter().filter_map(move |step| of_user(step, context));
    let records = plan.records.iter().map(move |step| of_record(step, context));
    let issue = plan.issue.iter().filter_map(move |wish| of_issue(wish, context));
    let revoke = plan.revoke.iter().map(move |wish| of_revoke(wish, context));
    // Who asked is known better here than by whoever wrote the draft.
    let own = |draft: &Draft| Draft { actor: context.actor.clone(), ..draft.clone() };
    let record = plan.record.iter().map(move |draft| own(draft));
    let others = token.chain(node).chain(user).chain(records).chain(issue).chain(revoke);
    services.chain(others).chain(record)
}

impl Context<'_> {
    fn draft(&self, action: Action, message: String, mut details: Map<String, Value>) -> Draft {
        if self.next != self.previous {
            details.insert("generation".into(), json!(self.next.0));
            details.insert("previous_generation".into(), json!(self.previous.0));
        }
        Draft {
            at: self.now,
            actor: self.actor.clone(),
            action,
            status: Status::Success,
            message,
            details,
        }
    }
}

fn of_act(act: &Act, leaves: Option<&LeafPair>) -> Option<(Action, String, Map<String, Value>)> {
    Some(match act {
        Act::Keep => return None,
        Act::Create { next } => {
            (Action::ServiceRegister, format!("Registered {}", arrow(next)), facts(next, leaves))
        }
        Act::Replace { previous, next } => {
            let mut details = facts(next, leaves);
            details.insert("previous".into(), Value::Object(facts(previous, None)));
            let message = format!("Updated {}", arrow(next));
            (Action::ServiceUpdate, message, details)
        }
        Act::Deregister { previous } => (
            Action::ServiceDeregister,
            format!("Deregistered {}", arrow(previous)),
            facts(previous, None),
        ),
        Act::Hold { next, upstream, kind, .. } => of_hold(next, upstream, *kind),
        Act::Reissue { service, cause } => {
            let (action, verb) = match cause {
                Cause::Renew => (Action::TlsRenew, "Renewed"),
                Cause::Rotate => (Action::CertRotate, "Rotated"),
            };
            let mut details = facts(service, leaves);
            if let Some(pair) = leaves {
                let not_after = pair.not_after().to_string();
                details.insert("not_after".into(), json!(not_after));
            }
            let message = format!("{verb} the leaves of {}", service.host());
            (action, message, details)
        }
    })
}

fn of_hold(
    service: &Service,
    upstream: &UpstreamAddr,
    kind: Option<HoldKind>,
) -> (Action, String, Map<String, Value>) {
    let (action, verb) = match kind {
        Some(HoldKind::Drain) => (Action::UpstreamDrain, "Drained"),
        Some(HoldKind::Eject) => (Action::UpstreamEject, "Ejected"),
        None => (Action::UpstreamAdmit, "Admitted"),
    };
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("name", json!(service.name.as_str()));
    put("domain", json!(service.host().as_str()));
    put("host", json!(upstream.to_string()));
    put("port", json!(upstream.port()));
    put("upstream", json!(upstream.to_string()));
    let held: Vec<String> = service.holds.iter().map(|hold| hold.upstream.to_string()).collect();
    put("held", json!(held));
    (action, format!("{verb} {upstream} of {}", service.name), details)
}

fn of_token(step: &TokenStep, context: &Context<'_>) -> Draft {
    let (action, message, id, name) = match step {
        TokenStep::Create { name, .. } => {
            let id = context.token.map(|token| token.id.as_str());
            (Action::TokenCreate, format!("Created token {name}"), id, name)
        }
        TokenStep::Revoke { id, name } => {
            let message = format!("Revoked token {name}");
            (Action::TokenRevoke, message, Some(id.as_str()), name)
        }
    };
    let mut details = Map::new();
    details.insert("id".into(), json!(id));
    details.insert("name".into(), json!(name));
    if let TokenStep::Create { role, scopes, expires_at, .. } = step {
        details.insert("role".into(), json!(role.as_str()));
        if !scopes.is_everything() {
            details.insert("scopes".into(), json!(scopes.texts()));
        }
        let expires_at = expires_at.map(|at| at.to_string());
        details.insert("expires_at".into(), json!(expires_at));
    }
    context.draft(action, message, details)
}

fn of_node(step: &NodeStep, context: &Context<'_>) -> Draft {
    let (action, message, node) = match step {
        NodeStep::Add(node) => {
            let message = format!("Added node {}: {}", node.name, node.destination);
            (Action::NodeAdd, message, node)
        }
        NodeStep::Remove(node) => (Action::NodeRemove, format!("Removed node {}", node.name), node),
    };
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("name", json!(node.name.as_str()));
    put("host", json!(node.destination.to_string()));
    if let Some(jump) = &node.jump {
        put("jump", json!(jump.to_string()));
    }
    // Where the key is, never what it is.
    if let Some(key) = &node.key {
        put("key", json!(key));
    }
    if let Some(fingerprint) = &node.fingerprint {
        put("fingerprint", json!(fingerprint));
    }
    if !node.tags.is_empty() {
        put("tags", json!(node.tags));
    }
    context.draft(action, message, details)
}

fn of_record(step: &RecordStep, context: &Context<'_>) -> Draft {
    let record = step.record();
    let (action, verb) = match step {
        RecordStep::Add { replaced: None, .. } => (Action::DnsAdd, "Added the record"),
        RecordStep::Add { replaced: Some(_), .. } => (Action::DnsAdd, "Changed the TTL of"),
        RecordStep::Remove(_) => (Action::DnsRemove, "Removed the record"),
    };
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("domain", json!(record.name.as_str()));
    put("type", json!(record.data.kind().as_str()));
    put("data", json!(record.data.to_string()));
    put("ttl", json!(record.ttl.map(RecordTtl::seconds)));
    if let RecordStep::Add { replaced: Some(replaced), .. } = step {
        put("previous_ttl", json!(replaced.ttl.map(RecordTtl::seconds)));
    }
    context.draft(action, format!("{verb} {record}"), details)
}

fn of_issue(wish: &Issuance, context: &Context<'_>) -> Option<Draft> {
    let signed = context.certificates.signed.as_ref()?;
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("name", json!(wish.holder.as_str()));
    put("kind", json!(wish.kind.as_str()));
    put("purpose", json!(wish.purpose.as_str()));
    put("hosts", json!(texts(&wish.hosts)));
    put("addresses", json!(texts(&wish.addresses)));
    put("key", json!(matches!(wish.key, KeySource::Generate(_)).then_some("generated")));
    put("fingerprint", json!(signed.fingerprint.to_string()));
    put("issuer", json!(signed.issuer.to_string()));
    put("not_after", json!(signed.not_after.to_string()));
    let message = format!("Issued a certificate ({}) to {}", wish.purpose, wish.holder);
    Some(context.draft(Action::TlsIssue, message, details))
}

fn of_revoke(wish: &Revoking, context: &Context<'_>) -> Draft {
    let which = &context.certificates.revoked;
    let mut holders: Vec<&str> = wish.certificates.iter().map(|c| c.holder.as_str()).collect();
    holders.extend(wish.service.as_ref().map(ServiceName::as_str));
    holders.sort_unstable();
    holders.dedup();
    let mut details = Map::new();
    let mut put = |key: &str, value: Value| details.insert(key.to_owned(), value);
    put("name", json!(holders.join(" ")));
    put("reason", json!(wish.reason.as_str()));
    put("fingerprints", json!(texts(which)));
    let message = format!("Revoked {} certificates of {}", which.len(), holders.join(", "));
    context.draft(Action::CertRevoke, message, details)
}

fn of_user(step: &UserStep, context: &Context<'_>) -> Option<Draft> {
    let user = step.user();
    let (name, role) = (&user.name, user.role);
    let (action, message) = match step {
        UserStep::Add(_) => (Action::UserAdd, format!("Added user {name} with the role {role}")),
        UserStep::Remove(_) => (Action::UserRemove, format!("Removed user {name}")),
        UserStep::SetPassword(_) => {
            (Action::UserPasswordSet, format!("Set the password of {name}"))
        }
        UserStep::SetRole { previous, .. } => {
            (Action::UserRoleSet, format!("Changed the role of {name} from {previous} to {role}"))
        }
        UserStep::Passkey(_, step) => match &**step {
            PasskeyStep::Add(passkey) => {
                let label = passkey.label.as_str();
                (Action::PasskeyAdd, format!("Added the passkey {label:?} of {name}"))
            }
            PasskeyStep::Remove(passkey) => {
                let label = passkey.label.as_str();
                (Action::PasskeyRemove, format!("Removed the passkey {label:?} of {name}"))
            }
            // The login that it was used for is on record.
            PasskeyStep::Use(_) => return None,
        },
    };
    let mut details = Map::new();
    details.insert("name".into(), json!(name.as_str()));
    details.insert("role".into(), json!(role.as_str()));
    if let UserStep::SetRole { previous, .. } = step {
        details.insert("previous".into(), json!(previous.as_str()));
    }
    if let UserStep::Add(user) = step {
        details.insert("password".into(), json!(user.password.is_some()));
    }
    if let UserStep::Passkey(_, step) = step
        && let PasskeyStep::Add(passkey) | PasskeyStep::Remove(passkey) = &**step
    {
        details.insert("passkey".into(), json!(passkey.id.as_str()));
        details.insert("host".into(), json!(&*passkey.host));
    }
    Some(context.draft(action, message, details))
}

/// `grafana.internal → 10.0.1.50:3000`, as the seeds print it.
fn arrow(service: &Service) -> String {
    let upstreams: Vec<String> = texts(&service.upstreams);
    format!("{} → {}", service.host(), upstreams.join(", "))
}

/// The union of the fields that the seeds record about a service.
fn facts(service: &Service, leaves: Option<&LeafPair>) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut put = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    put("name", json!(service.name.as_str()));
    if let Some(title) = &service.title {
        put("title", json!(title.as_str()));
    }
    put("domain", json!(service.host().as_str()));
    if service.hosts.len() > 1 {
        put("aliases", json!(texts(&service.hosts[1..])));
    }
    if let Some(upstream) = service.upstreams.first() {
        put("host", json!(upstream.to_string()));
        if upstream.unix().is_none() {
            put("port", json!(upstream.port()));
        }
        put("upstream", json!(upstream.to_string()));
    }
    put("upstreams", json!(texts(&service.upstreams)));
    put("protocol", json!(service.protocol.as_str()));
    put("tls", json!(service.tls == TlsMode::Issued));
    put("dns", json!(true));
    put("dns_mode", json!(service.dns.as_str()));
    if let ProbeSpec::Path(path) = &service.probe {
        put("health_path", json!(path.as_str()));
    }
    if !service.policy.is_empty() {
        // Invariant: texts, numbers and lists of them always serialize.
        let policy = serde_json::to_value(service.policy.without_secrets()).unwrap_or_default();
        put("policy", policy);
    }
    if let Some(pair) = leaves {
        let fingerprints: Map<String, Value> = pair
            .iter()
            .map(|leaf| (leaf.algorithm.to_string(), json!(leaf.fingerprint.to_string())))
            .collect();
        put("fingerprints", Value::Object(fingerprints));
    }
    facts
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

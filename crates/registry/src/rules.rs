//! What is allowed, and what it would change.
//!
//! **Invariant:** pure: the same catalog, wish, settings and time give the same plan, and nothing
//! else is looked at or touched.
//! **Invariant:** a plan's changes keep the catalog's invariant: no host has two services.

mod certificate;
mod hold;
mod import;
mod listen;
mod node;
mod passkey;
mod record;
mod records;
mod register;
mod service;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

use conduit_audit::Draft;
use conduit_core::actor::Role;
use conduit_core::catalog::{Catalog, Change};
use conduit_core::certificate::Issuance;
use conduit_core::clock::Timestamp;
use conduit_core::hold::HoldKind;
use conduit_core::name::ServiceName;
use conduit_core::node::Node;
use conduit_core::passkey::Passkey;
use conduit_core::record::name::RecordName;
use conduit_core::record::{Record, RecordChange};
use conduit_core::scope::Scopes;
use conduit_core::service::{Service, TlsMode};
use conduit_core::upstream::UpstreamAddr;
use conduit_core::user::User;

pub use self::record::RecordStep;
use crate::mutation::{Cause, Mutation, OutcomeKind, Revoking, ServiceOutcome};
use crate::nodes::NodeTable;
use crate::rejection::Rejection;
use crate::settings::Settings;
use crate::token::TokenTable;
use crate::users::UserTable;

pub use service::build;

/// Judges a wish.
///
/// # Errors
/// Says which rule forbids it.
pub fn apply(
    catalog: &Catalog,
    tokens: &TokenTable,
    nodes: &NodeTable,
    users: &UserTable,
    mutation: &Mutation,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Rejection> {
    match mutation {
        Mutation::AddNode(node) => node::add(nodes, node, settings, now),
        Mutation::AddPasskey { name, passkey } => passkey::add(users, name, passkey, now),
        Mutation::AddRecord(asked) => record::add(catalog, asked, settings, now),
        Mutation::AddUser { name, role, password } => {
            user::add(users, name, *role, password.as_ref(), settings, now)
        }
        Mutation::ChangeRecords(asked) => records::change(catalog, asked, settings, now),
        Mutation::CreateToken { name, role, scopes, expires_at } => {
            tokens.may_create(name, *expires_at, settings.limits.tokens_max, now)?;
            Ok(Plan::of_token(TokenStep::Create {
                name: name.clone(),
                role: *role,
                scopes: scopes.clone(),
                expires_at: *expires_at,
            }))
        }
        Mutation::Deregister { name } => deregister(catalog, name),
        Mutation::Hold { name, upstream, kind, by } => {
            hold::apply(catalog, name, upstream, *kind, by, now)
        }
        Mutation::Import(asked) => import::apply(catalog, asked, settings, now),
        Mutation::Record(draft) => Ok(Plan { record: Some(draft.clone()), ..Plan::default() }),
        Mutation::Issue(wish) => certificate::issue(catalog, wish, settings),
        Mutation::Register { services, options } => {
            register::apply(catalog, services, *options, settings, now)
        }
        Mutation::Reissue { names, cause } => reissue(catalog, names, *cause, settings),
        Mutation::RemoveNode { name } => node::remove(nodes, name, settings, now),
        Mutation::RemovePasskey { name, id } => passkey::remove(users, name, id),
        Mutation::RemoveRecords(asked) => record::remove(catalog, asked, settings),
        Mutation::RemoveUser { name } => user::remove(users, name, now),
        Mutation::Revoke(wish) => certificate::revoke(catalog, wish, settings),
        Mutation::RevokeToken { id } => {
            let name = tokens.may_revoke(id)?;
            Ok(Plan::of_token(TokenStep::Revoke { id: id.clone(), name }))
        }
        Mutation::SetPassword { name, password } => user::set_password(users, name, password, now),
        Mutation::SetRole { name, role } => user::set_role(users, name, *role),
        Mutation::UsePasskey { name, id, state, record } => {
            passkey::note_use(users, name, (id, state), record, now)
        }
        Mutation::WhileUnchanged { seen, then } => {
            check_unchanged(catalog, seen)?;
            apply(catalog, tokens, nodes, users, then, settings, now)
        }
    }
}

fn check_unchanged(catalog: &Catalog, seen: &Service) -> Result<(), Rejection> {
    let is_same = |now: &Arc<Service>| now.registered_at == seen.registered_at && now.same_as(seen);
    if catalog.get(&seen.name).is_some_and(is_same) {
        return Ok(());
    }
    Err(changed_meanwhile(&seen.name))
}

/// Says that a service is not what its caller takes it for.
pub fn changed_meanwhile(name: &ServiceName) -> Rejection {
    let message = format!("{name} is not as it was when it was read");
    Rejection::new("changed_meanwhile", message).hint("read it again, and then decide").about(name)
}

/// What a granted wish changes.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What becomes of each service, in the order of the wish.
    pub steps: Vec<Step>,
    /// What becomes of a token.
    pub token: Option<TokenStep>,
    /// What becomes of a node.
    pub node: Option<NodeStep>,
    /// What becomes of a user.
    pub user: Option<UserStep>,
    /// What becomes of records.
    pub records: Vec<RecordStep>,
    /// Records that were asked for and are there.
    pub records_kept: Vec<Record>,
    /// Records of an import that cannot be, by their places in the wish, and why.
    pub refused: Vec<(usize, Rejection)>,
    /// A certificate to sign.
    pub issue: Option<Box<Issuance>>,
    /// What is to be revoked.
    pub revoke: Option<Box<Revoking>>,
    /// A decision to put on record.
    pub record: Option<Box<Draft>>,
    /// Whether this is only to be told, not done.
    pub dry_run: bool,
}

impl Plan {
    fn of_token(step: TokenStep) -> Self {
        Self { token: Some(step), ..Self::default() }
    }

    fn of_node(step: NodeStep) -> Self {
        Self { node: Some(step), ..Self::default() }
    }

    fn of_user(step: UserStep) -> Self {
        Self { user: Some(step), ..Self::default() }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.token.is_none()
            && self.node.is_none()
            && self.user.is_none()
            && self.records.is_empty()
            && self.issue.is_none()
            && self.revoke.is_none()
            && self.record.is_none()
            && self.steps.iter().all(|step| matches!(step.act, Act::Keep))
    }

    /// The changes of the catalog.
    pub fn changes(&self) -> Vec<Change> {
        let change = |step: &Step| match &step.act {
            Act::Create { next } | Act::Replace { next, .. } => Some(Change::Put(Arc::clone(next))),
            Act::Deregister { .. } => Some(Change::Drop(step.name.clone())),
            Act::Hold { previous, next, .. } => {
                (previous.holds != next.holds).then(|| Change::Put(Arc::clone(next)))
            }
            Act::Keep | Act::Reissue { .. } => None,
        };
        self.steps.iter().filter_map(change).collect()
    }

    /// What every name has whose records change.
    pub fn record_changes(&self, catalog: &Catalog) -> Vec<RecordChange> {
        let mut by_name: BTreeMap<&RecordName, Vec<&RecordStep>> = BTreeMap::new();
        for step in &self.records {
            by_name.entry(&step.record().name).or_default().push(step);
        }
        let change = |(name, steps): (&RecordName, Vec<&RecordStep>)| {
            let stays = |record: &&Record| !steps.iter().any(|step| step.record().is_same(record));
            let staying = catalog.records_at(name.as_str()).iter().filter(stays).cloned();
            let added = steps.iter().filter_map(|step| step.added()).cloned();
            RecordChange { name: name.clone(), records: staying.chain(added).collect() }
        };
        by_name.into_iter().map(change).collect()
    }

    /// The records that it is about.
    pub fn records(&self) -> Vec<Record> {
        let changed = self.records.iter().map(RecordStep::record);
        changed.chain(&self.records_kept).cloned().collect()
    }

    /// The services that it puts in force.
    pub fn services(&self) -> Vec<Arc<Service>> {
        let put = |step: &Step| match &step.act {
            Act::Create { next } | Act::Hold { next, .. } | Act::Replace { next, .. } => {
                Some(Arc::clone(next))
            }
            Act::Deregister { .. } | Act::Keep | Act::Reissue { .. } => None,
        };
        self.steps.iter().filter_map(put).collect()
    }

    /// The services whose leaves alone are issued again.
    pub fn reissue(&self) -> Vec<ServiceName> {
        let only_leaves = |step: &&Step| matches!(step.act, Act::Reissue { .. });
        let steps = self.steps.iter().filter(only_leaves);
        steps.map(|step| step.name.clone()).collect()
    }

    /// What to tell the caller.
    pub fn outcomes(&self) -> Vec<ServiceOutcome> {
        let outcome =
            |step: &Step| ServiceOutcome { name: step.name.clone(), kind: step.act.outcome() };
        self.steps.iter().map(outcome).collect()
    }
}

/// What becomes of one service.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which service.
    pub name: ServiceName,
    /// What becomes of it.
    pub act: Act,
}

/// One act on one service.
#[derive(Debug, Clone)]
pub enum Act {
    /// A new active row.
    Create {
        /// The service.
        next: Arc<Service>,
    },
    /// The active row becomes inactive.
    Deregister {
        /// The service that was.
        previous: Arc<Service>,
    },
    /// An upstream is held back, or let in again; the row stays.
    Hold {
        /// The service that was.
        previous: Arc<Service>,
        /// The service that is to be; the same when an upstream is let in that nobody held back.
        next: Arc<Service>,
        /// Which of its upstreams.
        upstream: UpstreamAddr,
        /// Why it is held back; `None` admits it.
        kind: Option<HoldKind>,
    },
    /// Nothing.
    Keep,
    /// New leaves.
    Reissue {
        /// The service, which stays.
        service: Arc<Service>,
        /// Why.
        cause: Cause,
    },
    /// The active row becomes inactive, and a new one is appended.
    Replace {
        /// The service that was.
        previous: Arc<Service>,
        /// The service that is to be.
        next: Arc<Service>,
    },
}

impl Act {
    fn outcome(&self) -> OutcomeKind {
        match self {
            Self::Create { .. } => OutcomeKind::Created,
            Self::Deregister { .. } => OutcomeKind::Deregistered,
            Self::Keep => OutcomeKind::Unchanged,
            Self::Reissue { .. } => OutcomeKind::Reissued,
            Self::Hold { .. } | Self::Replace { .. } => OutcomeKind::Replaced,
        }
    }
}

/// What becomes of a token; its secret is made by the writer, since chance is not pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenStep {
    /// It is made.
    Create {
        /// What it is called.
        name: String,
        /// What its holder may do.
        role: Role,
        /// Of which parts.
        scopes: Scopes,
        /// From when on it is worthless, if ever.
        expires_at: Option<Timestamp>,
    },
    /// It is worthless from now on.
    Revoke {
        /// The token's id.
        id: String,
        /// What it is called.
        name: String,
    },
}

/// What becomes of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStep {
    /// It is watched from now on.
    Add(Arc<Node>),
    /// It is watched no more; the node with the time of its removal.
    Remove(Arc<Node>),
}

/// What becomes of a user; each with the user as they are from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserStep {
    /// They may log in.
    Add(Arc<User>),
    /// They may not any more; with the time of their removal.
    Remove(Arc<User>),
    /// They have another password.
    SetPassword(Arc<User>),
    /// They have another role.
    SetRole {
        /// Who.
        user: Arc<User>,
        /// The role before.
        previous: Role,
    },
    /// One of their passkeys changed.
    Passkey(Arc<User>, Box<PasskeyStep>),
}

/// What becomes of a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasskeyStep {
    /// It opens the door from now on.
    Add(Passkey),
    /// Somebody logged in with it.
    Use(Passkey),
    /// It opens nothing any more.
    Remove(Passkey),
}

impl UserStep {
    /// The user.
    pub fn user(&self) -> &Arc<User> {
        match self {
            Self::Add(user)
            | Self::Remove(user)
            | Self::SetPassword(user)
            | Self::SetRole { user, .. }
            | Self::Passkey(user, _) => user,
        }
    }
}

fn deregister(catalog: &Catalog, name: &ServiceName) -> Result<Plan, Rejection> {
    let previous = active(catalog, name)?;
    let step = Step { name: name.clone(), act: Act::Deregister { previous } };
    Ok(Plan { steps: vec![step], ..Plan::default() })
}

fn reissue(
    catalog: &Catalog,
    names: &[ServiceName],
    cause: Cause,
    settings: &Settings,
) -> Result<Plan, Rejection> {
    if names.is_empty() {
        return Err(Rejection::new("empty", "no service was named"));
    }
    let mut steps: Vec<Step> = Vec::with_capacity(names.len());
    let mut seen = std::collections::HashSet::new();
    for name in names.iter().filter(|name| seen.insert(*name)) {
        let service = match &settings.builtin {
            Some(builtin) if builtin.name == *name => Arc::clone(builtin),
            _ => active(catalog, name)?,
        };
        if service.tls == TlsMode::Off {
            let message = format!("{name} is served without TLS, so it has no leaf");
            return Err(Rejection::new("no_leaf", message).about(name));
        }
        steps.push(Step { name: name.clone(), act: Act::Reissue { service, cause } });
    }
    Ok(Plan { steps, ..Plan::default() })
}

fn active(catalog: &Catalog, name: &ServiceName) -> Result<Arc<Service>, Rejection> {
    catalog.get(name).cloned().ok_or_else(|| {
        Rejection::new("not_found", format!("no active service is called {name}"))
            .hint("`conduit status` lists the services that are active")
            .about(name)
    })
}

#[cfg(test)]
mod tests;

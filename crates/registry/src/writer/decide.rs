//! One decision: judged, prepared, committed, published, answered.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use conduit_audit::Head;
use conduit_core::actor::Actor;
use conduit_core::catalog::{Catalog, Generation, Version};
use conduit_core::certificate::{Revoked, Signed};
use conduit_core::clock::Timestamp;
use conduit_core::leaf::Fingerprint;

use super::{Doubt, Effect, Writer};
use crate::capsule::Context;
use crate::error::RegistryError;
use crate::mutation::{Committed, Mutation, NewToken};
use crate::publisher::{Preparation, PublishError, Publisher, Work};
use crate::registry::Wish;
use crate::rejection::{ApplyError, Rejection};
use crate::rules::{self, Plan, TokenStep};
use crate::store::{CERTIFICATES_MAX, CertificateWrite, CommitError, Drafts, TokenWrite, Writes};
use crate::token::{self, Token, TokenTable};

impl<P: Publisher> Writer<P> {
    pub(super) fn decide(&mut self, wish: Wish) {
        let answer = self.apply(&wish.actor, &wish.mutation, wish.now);
        // Who asked may have gone away; what was decided stays decided.
        wish.reply.send(answer).ok();
    }

    fn apply(
        &mut self,
        actor: &Actor,
        mutation: &Mutation,
        now: Timestamp,
    ) -> Result<Committed, ApplyError> {
        if !self.resolve_doubt() {
            return Err(ApplyError::Unavailable(RegistryError::OutcomeUnknown));
        }
        let previous = self.catalog.current();
        let tokens = self.tokens.current();
        let nodes = self.nodes.current();
        let users = self.users.current();
        let plan = rules::apply(&previous, &tokens, &nodes, &users, mutation, &self.settings, now)?;
        let mut committed = Committed {
            generation: self.version.generation,
            version: self.version,
            changed: false,
            outcomes: plan.outcomes(),
            planned: if plan.dry_run { plan.services() } else { Vec::new() },
            records: plan.records(),
            refused: plan.refused.clone(),
            issued: None,
            token: None,
            sequence: None,
        };
        if plan.dry_run || plan.is_empty() {
            return Ok(committed);
        }
        let minted = mint(&plan).map_err(ApplyError::Unavailable)?;
        let minted_token = minted.as_ref().map(|(token, _)| token);
        let certificates = self.certificates(&plan, now)?;
        let (preparation, catalog, version) = self.prepare(&plan, &previous, now)?;
        let (prepared, leaves) = preparation.map_or((None, Vec::new()), |preparation| {
            (Some(preparation.prepared), preparation.leaves)
        });
        let context = Context {
            actor,
            now,
            previous: self.version.generation,
            next: version.generation,
            leaves: &leaves,
            token: minted_token,
            certificates: &certificates,
        };
        let writes = Writes {
            steps: &plan.steps,
            leaves: &leaves,
            token: token_write(&plan, minted_token, actor),
            node: plan.node.as_ref(),
            user: plan.user.as_ref().map(|step| (step, actor)),
            records: (!plan.records.is_empty()).then_some((&plan.records[..], actor)),
            certificates: certificates.write(&plan).map(|write| (write, actor)),
            drafts: Drafts::OfPlan(&plan, &context),
            generation: catalog.as_ref().map(|catalog| catalog.generation()),
            now,
        };
        let effect = Effect {
            prepared,
            catalog,
            tokens: next_tokens(&plan, minted_token, &tokens),
            nodes: plan.node.as_ref().map(|step| Arc::new(nodes.with(step))),
            users: plan.user.as_ref().map(|step| Arc::new(users.with(step))),
            revoked: certificates.next(&self.revoked.current()),
            version,
        };
        self.commit(&writes, effect)?;
        committed.generation = version.generation;
        committed.version = version;
        committed.changed = true;
        committed.issued = certificates.signed.map(Box::new);
        committed.token = minted.map(|(_, new)| new);
        committed.sequence = self.store.head().count.checked_sub(1);
        Ok(committed)
    }

    /// Signs and looks up what the plan says of certificates.
    fn certificates(&mut self, plan: &Plan, now: Timestamp) -> Result<Certificates, ApplyError> {
        let mut certificates = Certificates::default();
        if let Some(wish) = &plan.issue {
            let count = self.store.certificate_count().map_err(ApplyError::Unavailable)?;
            if count >= CERTIFICATES_MAX {
                let message = format!("there are {count} certificates, as many as there may be");
                return Err(Rejection::new("too_many_certificates", message).into());
            }
            let publisher = &mut self.publisher;
            let signed = catch_unwind(AssertUnwindSafe(|| publisher.sign(wish, now)))
                .unwrap_or_else(|panic| Err(PublishError::new(text_of(&*panic))));
            certificates.signed = Some(signed?);
        }
        if let Some(wish) = &plan.revoke {
            let revoked = self.store.to_revoke(wish).map_err(ApplyError::Unavailable)?;
            certificates.revoked = revoked;
        }
        Ok(certificates)
    }

    /// Lets the publisher prepare; without a change of services or leaves there is nothing to.
    #[expect(clippy::type_complexity, reason = "one caller, which takes it apart at once")]
    fn prepare(
        &mut self,
        plan: &Plan,
        previous: &Arc<Catalog>,
        now: Timestamp,
    ) -> Result<(Option<Preparation<P::Prepared>>, Option<Arc<Catalog>>, Version), ApplyError> {
        let changes = plan.changes();
        let records = plan.record_changes(previous);
        let reissue = plan.reissue();
        if changes.is_empty() && records.is_empty() && reissue.is_empty() {
            return Ok((None, None, self.version));
        }
        let changed = !(changes.is_empty() && records.is_empty());
        let version = next_version(self.version, changed);
        let publisher = &mut self.publisher;
        // A panic here is a bug of ours, and still must cost no more than this one decision:
        // nothing is live or written yet.
        let prepared = catch_unwind(AssertUnwindSafe(|| {
            let next = if changed {
                let next = previous.with(version.generation, changes.clone());
                Arc::new(match records.is_empty() {
                    true => next,
                    false => next.with_records(version.generation, &records),
                })
            } else {
                Arc::clone(previous)
            };
            let preparation = publisher.prepare(&Work {
                previous,
                next: &next,
                changes: &changes,
                records: &records,
                reissue: &reissue,
                version,
                now,
            })?;
            Ok((preparation, next))
        }));
        let (preparation, next) = prepared
            .unwrap_or_else(|panic| Err(PublishError::new(text_of(&*panic))))
            .map_err(ApplyError::from)?;
        Ok((Some(preparation), changed.then_some(next), version))
    }

    fn commit(
        &mut self,
        writes: &Writes<'_>,
        effect: Effect<P::Prepared>,
    ) -> Result<(), ApplyError> {
        match self.store.commit(writes) {
            Ok(()) => {
                self.make_live(effect);
                Ok(())
            }
            Err(CommitError::RolledBack(error)) => Err(ApplyError::Unavailable(error)),
            Err(CommitError::InDoubt { next }) => {
                self.doubt = Some(Doubt { next, effect });
                Err(ApplyError::Unavailable(RegistryError::OutcomeUnknown))
            }
        }
    }

    /// Tries to find out about a commit in doubt; says whether there is none any more.
    pub(super) fn resolve_doubt(&mut self) -> bool {
        let Some(doubt) = self.doubt.take() else {
            return true;
        };
        match self.store.settle(&doubt.next) {
            Some(true) => self.make_live(doubt.effect),
            Some(false) => {}
            None => self.doubt = Some(doubt),
        }
        self.doubt.is_none()
    }

    /// A commit of entries alone is in doubt; nothing becomes live either way.
    pub(super) fn doubt_entries(&mut self, next: Head) {
        let version = self.version;
        let (catalog, tokens, nodes, users, revoked) = (None, None, None, None, None);
        let effect = Effect { prepared: None, catalog, tokens, nodes, users, revoked, version };
        self.doubt = Some(Doubt { next, effect });
    }

    fn make_live(&mut self, effect: Effect<P::Prepared>) {
        if let Some(prepared) = effect.prepared {
            self.publisher.publish(prepared);
        }
        self.version = effect.version;
        if let Some(catalog) = effect.catalog {
            self.catalog.publish(catalog);
        }
        if let Some(tokens) = effect.tokens {
            self.tokens.publish(tokens);
        }
        if let Some(nodes) = effect.nodes {
            self.nodes.publish(nodes);
        }
        if let Some(users) = effect.users {
            self.users.publish(users);
        }
        if let Some(revoked) = effect.revoked {
            self.revoked.publish(revoked);
        }
        self.note_commit();
    }
}

/// What a decision does to the inventory of certificates.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// The one that was signed.
    pub(crate) signed: Option<Signed>,
    /// Those that are to be revoked.
    pub(crate) revoked: Vec<Fingerprint>,
}

impl Certificates {
    fn write<'a>(&'a self, plan: &'a Plan) -> Option<CertificateWrite<'a>> {
        match (&plan.issue, &self.signed, &plan.revoke) {
            (Some(wish), Some(signed), _) => Some(CertificateWrite::Insert { wish, signed }),
            (_, _, Some(wish)) => {
                Some(CertificateWrite::Revoke { which: &self.revoked, reason: wish.reason })
            }
            _ => None,
        }
    }

    /// What is revoked from now on, when that changes.
    fn next(&self, before: &Revoked) -> Option<Arc<Revoked>> {
        let is_some = !self.revoked.is_empty();
        is_some.then(|| Arc::new(before.with(self.revoked.iter().copied())))
    }
}

fn next_version(version: Version, changed: bool) -> Version {
    if changed {
        Version { generation: Generation(version.generation.0 + 1), revision: 0 }
    } else {
        Version { revision: version.revision + 1, ..version }
    }
}

fn mint(plan: &Plan) -> Result<Option<(Token, NewToken)>, RegistryError> {
    match &plan.token {
        Some(TokenStep::Create { name, role, scopes, expires_at }) => {
            token::mint(name, (*role, scopes), *expires_at).map(Some)
        }
        _ => Ok(None),
    }
}

fn token_write<'a>(
    plan: &'a Plan,
    minted: Option<&'a Token>,
    by: &'a Actor,
) -> Option<TokenWrite<'a>> {
    match &plan.token {
        Some(TokenStep::Revoke { id, .. }) => Some(TokenWrite::Revoke { id }),
        _ => minted.map(|token| TokenWrite::Insert { token, by }),
    }
}

fn next_tokens(
    plan: &Plan,
    minted: Option<&Token>,
    tokens: &TokenTable,
) -> Option<Arc<TokenTable>> {
    match &plan.token {
        Some(TokenStep::Revoke { id, .. }) => Some(Arc::new(tokens.without(id))),
        _ => minted.map(|token| Arc::new(tokens.with(token.clone()))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("unknown"))
}

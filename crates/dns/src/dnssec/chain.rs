//! The chain of keys from a trust anchor to a zone (RFC 4035 §5).
//!
//! **Invariant:** each step leads to a shorter name, and each question is paid for, so that every walk ends.
//! What is found out of a zone is kept for as long as what proves it may be.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::crypto;
use super::denial::{Cut, Denial};
use super::fault::{Kind, Why};
use super::judge::Said;
use super::name::{is_below, is_within, parent, with_root};
use super::rdata::{self, Ds, Key};
use super::set::{Set, sets};
use super::settings::Validation;
use super::verify::{KEYS_PER_TAG_MAX, verify};
use super::work::Work;
use super::zones::{State, Zones};

/// Whoever asks others.
pub(crate) trait Ask: Sync {
    /// What is said of a folded name; `None` when nobody answers.
    fn ask(&self, name: &[u8], rtype: u16) -> impl Future<Output = Option<Said>> + Send;
}

/// The judging of one question.
#[derive(Debug)]
pub(crate) struct Chain<'a, A> {
    pub(super) asks: &'a A,
    pub(super) settings: &'a Validation,
    pub(super) zones: &'a Zones,
    /// In seconds since 1970, modulo 2^32.
    pub(super) now_s: u32,
    pub(super) work: Work,
}

/// A state, and for how many seconds it holds.
type Known = (State, u32);

impl<'a, A: Ask> Chain<'a, A> {
    pub(crate) fn new(asks: &'a A, settings: &'a Validation, zones: &'a Zones, now_s: u32) -> Self {
        Self { asks, settings, zones, now_s, work: Work::default() }
    }

    /// What is known of a name: whether a zone begins there, and its keys.
    pub(super) fn zone<'s>(
        &'s mut self,
        name: &'s [u8],
    ) -> Pin<Box<dyn Future<Output = State> + Send + 's>> {
        Box::pin(async move {
            if let Some(known) = self.zones.get(name, Instant::now()) {
                return known;
            }
            // Who has a turn waits for shorter names only, so that nobody waits in a circle.
            let _turn = self.zones.turn(name).await;
            if let Some(known) = self.zones.get(name, Instant::now()) {
                return known;
            }
            let (state, ttl) = self.find(name).await;
            let lifetime = match &state {
                State::Bogus(why) if why.kind == Kind::TooMuchWork => Duration::ZERO,
                State::Bogus(why) if why.kind.is_passing() => PASSING_KEPT,
                State::Bogus(_) => BOGUS_KEPT,
                _ => Duration::from_secs(ttl.into()),
            };
            self.zones.put(name, &state, lifetime, Instant::now());
            state
        })
    }

    /// Whether what is unsigned at a name has to be: an error says why it need not or cannot be believed.
    pub(super) async fn must_be_signed(&mut self, name: &[u8]) -> Result<(), State> {
        if self.settings.is_exempt(name) {
            return Err(State::Insecure(Kind::Exempt.of(name)));
        }
        let Some(anchor) = self.settings.anchors.above(name) else {
            return Err(State::Insecure(Kind::NoAnchor.of(name)));
        };
        let mut way: Vec<&[u8]> =
            with_root(name).take_while(|above| is_within(above, anchor)).collect();
        way.reverse();
        for step in way {
            match self.zone(step).await {
                State::Signed(_) | State::NoCut => {}
                state @ (State::Insecure(_) | State::Bogus(_)) => return Err(state),
            }
        }
        Ok(())
    }

    async fn find(&mut self, name: &[u8]) -> Known {
        if self.settings.is_exempt(name) {
            return (State::Insecure(Kind::Exempt.of(name)), FOREVER_S);
        }
        let settings = self.settings;
        if let Some(anchors) = settings.anchors.at(name) {
            return self.keys_of(name, anchors, FOREVER_S).await;
        }
        if settings.anchors.above(name).is_none() {
            return (State::Insecure(Kind::NoAnchor.of(name)), FOREVER_S);
        }
        match self.delegation(name).await {
            Ok(Delegation::Signed(ds, ttl)) => self.keys_of(name, &ds, ttl).await,
            Ok(Delegation::Other(state, ttl)) => (state, ttl),
            Err(state) => (state, INHERITED_S),
        }
    }

    /// What the zone above says of the keys at a name; an error is a state that is inherited, or bogus.
    async fn delegation(&mut self, name: &[u8]) -> Result<Delegation, State> {
        let said = self.ask(name, rdata::DS).await.map_err(|kind| State::Bogus(kind.of(name)))?;
        let answers = sets(&said.answers);
        let of_name =
            |rtype| answers.iter().find(move |set| set.rtype == rtype && *set.owner == *name);
        if let Some(set) = of_name(rdata::DS) {
            let ttl = self.verified_above(set, name).await?;
            let all = set.data.iter().filter_map(|data| Ds::read(data)).take(DS_MAX).collect();
            return Ok(Delegation::Signed(all, ttl));
        }
        if let Some(set) = of_name(rdata::CNAME) {
            // An alias begins no zone.
            let ttl = self.verified_above(set, name).await?;
            return Ok(Delegation::Other(State::NoCut, ttl));
        }
        let proofs = sets(&said.authorities);
        let is_above = |set: &&Set| set.signer().is_some_and(|signer| is_below(name, signer));
        let proofs: Vec<&Set> =
            proofs.iter().filter(is_proof).filter(is_above).take(PROOFS_MAX).collect();
        let Some(zone) = proofs.first().and_then(|set| set.signer()) else {
            return Err(self.unsigned_above(name).await);
        };
        let keys = self.keys_above(zone, name).await?;
        let ttl = self.proofs(&proofs, zone, &keys).map_err(State::Bogus)?;
        let cut = Denial::new(zone, proofs.iter().copied()).no_ds(name, &mut self.work);
        let state = match cut {
            Ok(Cut::None) => State::NoCut,
            Ok(Cut::Unsigned) => State::Insecure(Kind::Unsigned.of(name)),
            Ok(Cut::OptOut) => State::Insecure(Kind::OptOut.of(name)),
            Err(Kind::Iterations) => State::Insecure(Kind::Iterations.of(zone)),
            Err(kind) => State::Bogus(kind.of(name)),
        };
        Ok(Delegation::Other(state, ttl))
    }

    /// Verifies what proves that something is not there; for how many seconds all of it may be kept.
    pub(super) fn proofs(
        &mut self,
        proofs: &[&Set],
        zone: &[u8],
        keys: &[Key],
    ) -> Result<u32, Why> {
        let mut ttl = FOREVER_S;
        for set in proofs {
            let verified = verify(set, zone, keys, self.now_s, &mut self.work)
                .map_err(|kind| kind.of(&set.owner))?;
            // What a wildcard's own record says of its place is not true of the names that the wildcard stands
            // for: under one of them it would deny what is there (CVE-2017-15105).
            if verified.expanded_from.is_some() {
                return Err(Kind::BadProof.of(&set.owner));
            }
            ttl = ttl.min(verified.ttl);
        }
        Ok(ttl)
    }

    /// Verifies a set at a name that a zone above has signed.
    async fn verified_above(&mut self, set: &Set, name: &[u8]) -> Result<u32, State> {
        let Some(zone) = set.signer().filter(|signer| is_below(name, signer)) else {
            return Err(self.unsigned_above(name).await);
        };
        let keys = self.keys_above(zone, name).await?;
        match verify(set, zone, &keys, self.now_s, &mut self.work) {
            // There are no delegations and aliases of wildcards that matter here.
            Ok(verified) if verified.expanded_from.is_some() => {
                Err(State::Bogus(Kind::NoProof.of(name)))
            }
            Ok(verified) => Ok(verified.ttl),
            Err(kind) => Err(State::Bogus(kind.of(name))),
        }
    }

    /// The keys of the zone that says it has signed something at `name`.
    pub(super) async fn keys_above(
        &mut self,
        zone: &[u8],
        name: &[u8],
    ) -> Result<Arc<[Key]>, State> {
        // Nobody above an anchor can say that what is below it is unsigned.
        let anchor = self.settings.anchors.above(name);
        if anchor.is_some_and(|anchor| !is_within(zone, anchor)) {
            return Err(State::Bogus(Kind::NoSignature.of(name)));
        }
        match self.zone(zone).await {
            State::Signed(keys) => Ok(keys),
            State::NoCut => Err(State::Bogus(Kind::NoKey.of(zone))),
            state @ (State::Insecure(_) | State::Bogus(_)) => Err(state),
        }
    }

    /// The state of what should be signed above a name, and is not.
    async fn unsigned_above(&mut self, name: &[u8]) -> State {
        match self.must_be_signed(parent(name)).await {
            Ok(()) => State::Bogus(Kind::NoSignature.of(name)),
            Err(state) => state,
        }
    }

    /// The keys of a zone, of which some are vouched for.
    async fn keys_of(&mut self, zone: &[u8], ds: &[Ds], ttl: u32) -> Known {
        let usable: Vec<&Ds> = ds
            .iter()
            .filter(|ds| crypto::is_algorithm(ds.algorithm) && crypto::is_digest(ds.digest_type))
            .collect();
        if usable.is_empty() {
            let is_algorithm = ds.iter().any(|ds| crypto::is_algorithm(ds.algorithm));
            let kind = if is_algorithm { Kind::Digest } else { Kind::Algorithm };
            return (State::Insecure(kind.of(zone)), ttl);
        }
        match self.verified_keys(zone, &usable).await {
            Ok((keys, keys_ttl)) => (State::Signed(keys), ttl.min(keys_ttl)),
            Err(kind) => (State::Bogus(kind.of(zone)), 0),
        }
    }

    async fn verified_keys(&mut self, zone: &[u8], ds: &[&Ds]) -> Result<(Arc<[Key]>, u32), Kind> {
        let said = self.ask(zone, rdata::DNSKEY).await?;
        let all = sets(&said.answers);
        let is_keys = |set: &&Set| set.rtype == rdata::DNSKEY && *set.owner == *zone;
        let set = all.iter().find(is_keys).ok_or(Kind::NoKey)?;
        if set.data.len() > KEYS_MAX {
            return Err(Kind::TooManyKeys);
        }
        let keys: Vec<(Key, &[u8])> =
            set.data.iter().filter_map(|data| Key::read(data).zip(Some(&**data))).collect();
        let mut vouched = Vec::new();
        for ds in ds {
            let fits = |(key, _): &&(Key, _)| key.tag == ds.tag && key.algorithm == ds.algorithm;
            for (key, data) in keys.iter().filter(fits).take(KEYS_PER_TAG_MAX) {
                self.work.digest()?;
                let digest = crypto::digest_of(ds.digest_type, zone, data);
                if digest.is_some_and(|digest| digest.as_ref() == &*ds.digest) {
                    vouched.push(key.clone());
                }
            }
        }
        vouched.dedup();
        if vouched.is_empty() {
            return Err(Kind::NoKey);
        }
        let verified = verify(set, zone, &vouched, self.now_s, &mut self.work)?;
        // What verifies nothing is not kept.
        let keys = keys.into_iter().map(|(key, _)| key);
        let keys = keys.filter(|key| crypto::is_key(key.algorithm, &key.public)).collect();
        Ok((keys, verified.ttl))
    }

    async fn ask(&mut self, name: &[u8], rtype: u16) -> Result<Said, Kind> {
        self.work.lookup()?;
        self.asks.ask(name, rtype).await.ok_or(Kind::NoAnswer)
    }
}

/// What a zone says of a name below it.
enum Delegation {
    Signed(Vec<Ds>, u32),
    Other(State, u32),
}

/// Whether a set proves that something does not exist.
pub(super) fn is_proof(set: &&Set) -> bool {
    matches!(set.rtype, rdata::NSEC | rdata::NSEC3)
}

impl State {
    /// The reason, when there is one.
    pub(super) fn why(self) -> Option<(bool, Why)> {
        match self {
            Self::Signed(_) | Self::NoCut => None,
            Self::Insecure(why) => Some((false, why)),
            Self::Bogus(why) => Some((true, why)),
        }
    }
}

/// As long as it is asked for.
const FOREVER_S: u32 = 86_400;
/// What is known of a name since it is known of one above, which has a time of its own.
const INHERITED_S: u32 = 300;
/// What is not believed is looked at again after this: whoever runs the zone mends it, and clients come back.
pub(crate) const BOGUS_KEPT: Duration = Duration::from_secs(60);
/// The same where nobody answered (RFC 9520 §3.2).
const PASSING_KEPT: Duration = Duration::from_secs(5);
/// Of one delegation; a roll-over has four.
const DS_MAX: usize = 16;
/// Keys of one zone; a roll-over of two algorithms has eight.
pub(super) const KEYS_MAX: usize = 24;
/// Sets of one answer that prove that something is not there; three are enough.
pub(super) const PROOFS_MAX: usize = 8;

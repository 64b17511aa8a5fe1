//! A whole answer: every set in it, and that what is missing does not exist.
//!
//! **Invariant:** an answer is as secure as its weakest part, and bogus when one part is.

use hickory_proto::rr::Record;

use super::chain::{Ask, Chain, PROOFS_MAX, is_proof};
use super::denial::{Denial, Denied};
use super::fault::{Judgement, Kind, Security, Why};
use super::name::{is_below, is_within};
use super::rdata;
use super::set::{Set, sets};
use super::verify::verify;
use super::zones::State;
use crate::reply::Outcome;

/// What somebody said to a question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
}

/// A question with what was said to it.
#[derive(Debug)]
pub(crate) struct Asked<'q> {
    /// Folded.
    pub(crate) name: &'q [u8],
    pub(crate) rtype: u16,
    pub(crate) outcome: Outcome,
    pub(crate) said: &'q Said,
}

/// What became of it, for how many seconds it may be kept at most, and what of its authority section was verified
/// because something depends on it.
pub(crate) type Judged = (Judgement, u32, Vec<Proof>);

/// A set that proves that something is not there: its owner and type.
pub(crate) type Proof = (Box<[u8]>, u16);

/// A part that is not secure ends the judging when it is bogus, and is noted when it is insecure.
struct Parts {
    insecure: Option<Why>,
    ttl: u32,
    proofs: Vec<Proof>,
}

impl Parts {
    fn note(&mut self, state: State) -> Result<(), Why> {
        match state.why() {
            Some((true, why)) => Err(why),
            Some((false, why)) => {
                self.insecure.get_or_insert(why);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<A: Ask> Chain<'_, A> {
    /// Judges an answer.
    pub(crate) async fn judge(&mut self, asked: &Asked<'_>) -> Judged {
        if self.settings.is_exempt(asked.name) {
            return (Judgement::insecure(Kind::Exempt.of(asked.name)), u32::MAX, Vec::new());
        }
        let mut parts = Parts { insecure: None, ttl: u32::MAX, proofs: Vec::new() };
        let judgement = match (self.parts(asked, &mut parts).await, parts.insecure.take()) {
            (Err(why), _) => Judgement::bogus(why),
            (Ok(()), Some(why)) => Judgement::insecure(why),
            (Ok(()), None) => Judgement::SECURE,
        };
        // What is not signed has no time of its own.
        let ttl = if judgement.security == Security::Insecure { u32::MAX } else { parts.ttl };
        (judgement, ttl, parts.proofs)
    }

    async fn parts(&mut self, asked: &Asked<'_>, parts: &mut Parts) -> Result<(), Why> {
        let answers = sets(&asked.said.answers);
        let authorities = sets(&asked.said.authorities);
        // Whoever asks for signatures gets them as they are; to others they say nothing.
        let asks_for_them = matches!(asked.rtype, rdata::RRSIG | rdata::ANY);
        if asks_for_them && answers.is_empty() && !asked.said.answers.is_empty() {
            return parts.note(State::Insecure(Kind::Signatures.of(asked.name)));
        }
        for set in &answers {
            if renamed_by(set, &answers) {
                continue;
            }
            match self.set(set, parts).await {
                Ok(Some(labels)) => {
                    let denied = |denial: &mut Denial<'_>, work: &mut _| {
                        denial.expanded(&set.owner, labels, work)
                    };
                    self.denied(&set.owner, &authorities, set.signer(), parts, denied).await?;
                }
                Ok(None) => {}
                Err(state) => parts.note(state)?,
            }
        }
        let last = last_of(asked.name, &answers);
        let rtype = asked.rtype;
        match asked.outcome {
            Outcome::NxDomain => {
                let denied = |denial: &mut Denial<'_>, work: &mut _| denial.absent(last, work);
                self.negative(last, rtype, &authorities, parts, denied).await
            }
            Outcome::NoData => {
                let denied =
                    |denial: &mut Denial<'_>, work: &mut _| denial.no_data(last, rtype, work);
                self.negative(last, rtype, &authorities, parts, denied).await
            }
            _ => Ok(()),
        }
    }

    /// That something is not there, and the SOA that says for how long.
    async fn negative(
        &mut self,
        name: &[u8],
        rtype: u16,
        authorities: &[Set],
        parts: &mut Parts,
        denied: impl FnOnce(&mut Denial<'_>, &mut super::work::Work) -> Result<Denied, Kind>,
    ) -> Result<(), Why> {
        for soa in authorities.iter().filter(|set| set.rtype == rdata::SOA) {
            match self.set(soa, parts).await {
                Ok(_) => {}
                Err(state) => parts.note(state)?,
            }
        }
        let may_deny = |zone: &[u8]| match rtype {
            rdata::DS => name.is_empty() || is_below(name, zone),
            _ => is_within(name, zone),
        };
        // Proofs of wildcards on the way come along; the innermost zone is the one that knows of this name.
        let signers = authorities.iter().filter(is_proof).filter_map(|set| set.signer());
        let zone = signers.filter(|zone| may_deny(zone)).max_by_key(|zone| zone.len());
        self.denied(name, authorities, zone, parts, denied).await
    }

    /// A proof by the NSEC or NSEC3 records of `zone`.
    async fn denied(
        &mut self,
        name: &[u8],
        authorities: &[Set],
        zone: Option<&[u8]>,
        parts: &mut Parts,
        denied: impl FnOnce(&mut Denial<'_>, &mut super::work::Work) -> Result<Denied, Kind>,
    ) -> Result<(), Why> {
        if self.settings.is_exempt(name) {
            return parts.note(State::Insecure(Kind::Exempt.of(name)));
        }
        let is_its = |set: &&Set| set.signatures.iter().any(|s| Some(&*s.signer) == zone);
        let proofs: Vec<&Set> =
            authorities.iter().filter(is_proof).filter(is_its).take(PROOFS_MAX).collect();
        let Some(zone) = zone.filter(|_| !proofs.is_empty()) else {
            return match self.must_be_signed(name).await {
                Ok(()) => Err(Kind::NoProof.of(name)),
                Err(state) => parts.note(state),
            };
        };
        let keys = match self.keys_above(zone, name).await {
            Ok(keys) => keys,
            Err(state) => return parts.note(state),
        };
        parts.ttl = parts.ttl.min(self.proofs(&proofs, zone, &keys)?);
        parts.proofs.extend(proofs.iter().map(|set| (set.owner.clone(), set.rtype)));
        match denied(&mut Denial::new(zone, proofs.iter().copied()), &mut self.work) {
            Ok(Denied::Proven) => Ok(()),
            Ok(Denied::OptOut) => parts.note(State::Insecure(Kind::OptOut.of(name))),
            Err(Kind::Iterations) => parts.note(State::Insecure(Kind::Iterations.of(zone))),
            Err(kind) => Err(kind.of(name)),
        }
    }

    /// One set: how many labels the wildcard had that it comes from, if it does.
    async fn set(&mut self, set: &Set, parts: &mut Parts) -> Result<Option<usize>, State> {
        if self.settings.is_exempt(&set.owner) {
            return Err(State::Insecure(Kind::Exempt.of(&set.owner)));
        }
        let Some(zone) = set.signer() else {
            let owner: &[u8] = match set.rtype {
                rdata::DS => super::name::parent(&set.owner),
                _ => &set.owner,
            };
            self.must_be_signed(owner).await?;
            return Err(State::Bogus(Kind::NoSignature.of(&set.owner)));
        };
        let keys = self.keys_above(zone, &set.owner).await?;
        let verified = verify(set, zone, &keys, self.now_s, &mut self.work)
            .map_err(|kind| State::Bogus(kind.of(&set.owner)))?;
        parts.ttl = parts.ttl.min(verified.ttl);
        Ok(verified.expanded_from)
    }
}

/// Whether an alias follows from a renamed tree, which is what is signed (RFC 6672 §5.3.1).
fn renamed_by(set: &Set, all: &[Set]) -> bool {
    let (rdata::CNAME, [target], false) = (set.rtype, &*set.data, set.is_signed()) else {
        return false;
    };
    all.iter()
        .filter(|other| other.rtype == rdata::DNAME && is_below(&set.owner, &other.owner))
        .any(|dname| {
            let [new] = &*dname.data else { return false };
            let prefix = set.owner.len() - dname.owner.len();
            let follows = [set.owner.get(..prefix).unwrap_or_default(), new].concat();
            *target == follows
        })
}

/// The name at the end of the aliases.
fn last_of<'a>(asked: &'a [u8], answers: &'a [Set]) -> &'a [u8] {
    let mut last = asked;
    for _ in 0..answers.len() {
        let alias = answers.iter().find(|set| set.rtype == rdata::CNAME && *set.owner == *last);
        let Some([target]) = alias.map(|set| &*set.data) else { return last };
        // Canonical, so it is folded and whole.
        last = target.strip_suffix(&[0]).unwrap_or(target);
    }
    last
}

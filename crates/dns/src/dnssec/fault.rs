//! What judging comes to, and why.
//!
//! **Invariant:** every answer that is not believed has a reason, in words that name whose it is, and as a
//! code for clients (RFC 8914).

use super::name;
use crate::options::Reason;

/// How far an answer can be believed (RFC 4035 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Security {
    /// Nobody looked: it is off, or the client does it itself.
    Unchecked,
    /// It is proven that nobody signs there, or that it cannot be verified.
    Insecure,
    /// The owner signed it.
    Secure,
    /// It should be signed, and is not or not rightly.
    Bogus,
}

/// What was found out about one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) security: Security,
    /// What is told of it.
    pub(crate) why: Option<Why>,
}

/// A reason, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) kind: Kind,
    /// A zone, or the owner of records.
    pub(crate) name: Box<[u8]>,
}

impl Judgement {
    pub(crate) const UNCHECKED: Self = Self { security: Security::Unchecked, why: None };
    pub(super) const SECURE: Self = Self { security: Security::Secure, why: None };

    /// It is not believed.
    pub(crate) fn bogus(why: Why) -> Self {
        Self { security: Security::Bogus, why: Some(why) }
    }

    /// It is believed as far as it goes.
    pub(super) fn insecure(why: Why) -> Self {
        Self { security: Security::Insecure, why: Some(why) }
    }
}

impl Security {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Insecure => "insecure",
            Self::Secure => "secure",
            Self::Bogus => "bogus",
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name } = self;
        write!(f, "{}: {}", name::print(name), kind.as_str())
    }
}

macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident => $words:literal, $reason:expr;)+) => {
        /// Why an answer is bogus or insecure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $($(#[$about])* $kind),+ }

        impl Kind {
            /// In words.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $words),+ }
            }

            /// For clients that understand it.
            pub(crate) fn reason(self) -> Option<Reason> {
                match self { $(Self::$kind => $reason),+ }
            }
        }
    };
}

kinds! {
    // Bogus.
    /// A signature does not fit.
    BadSignature => "the signature does not fit the records", Some(Reason::Bogus);
    /// Every signature that could fit has ended.
    Expired => "the signature has expired", Some(Reason::SignatureExpired);
    /// Every one that could begins later.
    NotYet => "the signature is not valid yet", Some(Reason::SignatureNotYetValid);
    /// Nobody signed what should be signed.
    NoSignature => "there is no signature, and the zone is signed", Some(Reason::SignaturesMissing);
    /// No key fits the DS, or the signature.
    NoKey => "no key of the zone fits", Some(Reason::KeyMissing);
    /// Nothing proves that something is not there.
    NoProof => "nothing proves that it does not exist", Some(Reason::ProofMissing);
    /// What should prove that does not.
    BadProof => "what should prove that it does not exist does not", Some(Reason::Bogus);
    /// The keys or the delegation could not be asked for.
    NoAnswer => "its keys or its delegation could not be asked for", Some(Reason::Unreachable);
    /// More pairs of keys and signatures could fit than are tried.
    TooManyKeys => "too many of its keys and signatures could fit each other", Some(Reason::Bogus);
    /// The limits on work were reached.
    TooMuchWork => "judging it would take too much work", Some(Reason::Bogus);
    // Insecure.
    /// Configured so.
    Exempt => "it is configured not to be validated", None;
    /// No anchor is above.
    NoAnchor => "no trust anchor is above it", None;
    /// A zone above says that nobody signs there.
    Unsigned => "it is proven that nobody signs it", None;
    /// The same for every delegation that has no signature of its own.
    OptOut => "the zone above does not say which delegations are signed (opt-out)", None;
    /// The algorithms are unknown here.
    Algorithm => "it is signed with algorithms that are not supported", Some(Reason::AlgorithmUnsupported);
    /// The digests are.
    Digest => "its keys are vouched for with digests that are not supported", Some(Reason::DigestUnsupported);
    /// Names are hashed too often (RFC 9276).
    Iterations => "its proofs hash names too often (NSEC3 iterations)", Some(Reason::Iterations);
    /// Signatures themselves are not signed.
    Signatures => "signatures themselves are not signed", None;
}

impl Kind {
    /// With what it is about.
    pub(super) fn of(self, name: &[u8]) -> Why {
        Why { kind: self, name: name.into() }
    }

    /// Whether asking again soon may find something else.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::NoAnswer | Self::TooMuchWork)
    }
}

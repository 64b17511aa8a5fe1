//! What judging an answer by its owner's signatures came to, for people.
//!
//! **Invariant:** the words say nothing more than the fields.

use std::fmt;

/// What judging comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The name is exempt.
    Exempt,
    /// There is no answer yet.
    NotYet,
    /// The owner signed the answer that is kept.
    Secure,
    /// Nobody signed it, or nobody can verify it.
    Insecure {
        /// Why.
        why: String,
    },
    /// It should be signed, and is not or not rightly.
    Bogus {
        /// What is wrong.
        why: String,
    },
}

impl Judged {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::NotYet => "unknown",
            Self::Secure => "secure",
            Self::Insecure { .. } => "insecure",
            Self::Bogus { .. } => "bogus",
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exempt => f.write_str(
                "its answer is not judged (dns.insecure_domains, dnssec = false of a [[dns.forward]] table, \
                 or a name that nobody can sign)",
            ),
            Self::NotYet => {
                f.write_str("its answer will be judged by its owner's signatures (dns.dnssec)")
            }
            Self::Secure => f.write_str("the owner signed the answer that is kept: it is secure"),
            Self::Insecure { why } => write!(f, "the answer that is kept is insecure; {why}"),
            Self::Bogus { why } => write!(f, "what was answered is not believed; {why}"),
        }
    }
}

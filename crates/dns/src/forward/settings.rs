//! What forwarding is set up with.
//!
//! **Invariant:** plain values; two that are equal make forwarders that behave the same, so that a
//! reload which changes nothing here keeps what is cached.

use std::time::Duration;

use super::address::ForwarderAddr;
use super::suffix::Suffix;
use super::trust::Trust;
use crate::dnssec::settings::Validation;

/// Everything that can be chosen about other people's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSettings {
    /// Who is asked about names that nothing else is said about; none means they do not exist.
    pub forwarders: Vec<ForwarderAddr>,
    /// Who is asked about certain names.
    pub conditional: Vec<Conditional>,
    /// Domains of ours, of which nobody else tells.
    pub own: Vec<Suffix>,
    /// Whether the forwarder that has been fastest is asked first, rather than the first one.
    pub fastest_first: bool,
    /// Whether names are asked in mixed case, as a proof that the answer is to our question.
    pub mixed_case: bool,
    /// Whether addresses of the inside are left out of strangers' answers.
    pub rebind_protection: bool,
    /// Names whose answers may hold them all the same.
    pub rebind_allow: Vec<Suffix>,
    /// Whether browsers are told not to go round this server (`use-application-dns.net`).
    pub canary: bool,
    /// What is kept.
    pub cache: CacheSettings,
    /// What answers are judged by; none is not at all.
    pub validation: Option<Validation>,
    /// What certificates of those are judged with that are asked over TLS or HTTPS.
    pub trust: Option<Trust>,
}

/// Names that are asked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditional {
    /// The names, with everything below them.
    pub domains: Vec<Suffix>,
    /// Who is asked; nobody means that they do not exist.
    pub to: Vec<ForwarderAddr>,
    /// Whether what they say is judged, where answers are.
    pub is_validated: bool,
}

/// What is kept of others' answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// The most bytes.
    pub size: usize,
    /// The shortest that an answer is kept, whatever its TTL.
    pub ttl_min: Duration,
    /// The longest.
    pub ttl_max: Duration,
    /// The longest that the absence of one is.
    pub negative_ttl_max: Duration,
    /// How long past its TTL an answer is told when nobody can be asked; zero is never.
    pub serve_stale: Duration,
    /// Whether what is asked for often is asked for again before it ends.
    pub prefetch: bool,
}

impl ForwardSettings {
    /// What answers are judged by, without the names of those that are not.
    pub(super) fn effective_validation(&self) -> Option<Validation> {
        let mut validation = self.validation.clone()?;
        let unjudged = self.conditional.iter().filter(|given| !given.is_validated);
        validation.insecure.extend(unjudged.flat_map(|given| given.domains.iter().cloned()));
        Some(validation)
    }

    /// Everybody who is asked about anything, each once.
    pub fn servers(&self) -> Vec<ForwarderAddr> {
        let conditional = self.conditional.iter().flat_map(|given| &given.to);
        let mut servers: Vec<ForwarderAddr> = Vec::new();
        for server in self.forwarders.iter().chain(conditional) {
            if !servers.contains(server) {
                servers.push(server.clone());
            }
        }
        servers
    }
}

impl Default for ForwardSettings {
    fn default() -> Self {
        Self {
            forwarders: Vec::new(),
            conditional: Vec::new(),
            own: Vec::new(),
            fastest_first: false,
            mixed_case: true,
            rebind_protection: true,
            rebind_allow: Vec::new(),
            canary: true,
            cache: CacheSettings::default(),
            validation: None,
            trust: None,
        }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            size: 16_000_000,
            ttl_min: Duration::ZERO,
            ttl_max: Duration::from_secs(86_400),
            negative_ttl_max: Duration::from_secs(300),
            serve_stale: Duration::from_secs(86_400),
            prefetch: true,
        }
    }
}

//! The suffixes that belong to this gateway, and the hosts services get under them.

use crate::name::{Host, InvalidHost, ServiceName};

/// The configured internal domains; the first is the default suffix.
///
/// **Invariant:** never empty, no duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains(Vec<Host>);

impl Domains {
    /// Takes the configured suffixes in order; later duplicates are dropped.
    ///
    /// # Errors
    /// When the list is empty.
    pub fn new(suffixes: Vec<Host>) -> Result<Self, NoDomains> {
        let mut unique: Vec<Host> = Vec::with_capacity(suffixes.len());
        for suffix in suffixes {
            if !unique.contains(&suffix) {
                unique.push(suffix);
            }
        }
        if unique.is_empty() { Err(NoDomains) } else { Ok(Self(unique)) }
    }

    /// The suffix a service gets when none is asked for.
    pub fn default_suffix(&self) -> &Host {
        // Invariant: `new` refuses an empty list.
        &self.0[0]
    }

    /// All suffixes, in the configured order.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.0.iter()
    }

    /// The longest configured suffix that `host` is under, if any.
    pub fn suffix_of(&self, host: &Host) -> Option<&Host> {
        self.0.iter().filter(|s| host.is_under(s)).max_by_key(|s| s.as_str().len())
    }

    /// The host a service gets: its label under the default suffix, under the suffix asked for, or
    /// the whole host asked for.
    ///
    /// # Errors
    /// When what was asked for is not a host, is not under a configured domain, or would be too long.
    pub fn host_for(&self, name: &ServiceName, asked: Option<&str>) -> Result<Host, DomainError> {
        let Some(asked) = asked else {
            return self.join(name, self.default_suffix());
        };
        let asked = Host::parse(asked).map_err(DomainError::Invalid)?;
        if self.0.contains(&asked) {
            return self.join(name, &asked);
        }
        match self.suffix_of(&asked) {
            Some(_) => Ok(asked),
            None => Err(DomainError::NotOurs { host: asked, ours: self.listed() }),
        }
    }

    /// The suffixes in a sentence: `internal, local, test`.
    pub fn listed(&self) -> String {
        let all: Vec<&str> = self.0.iter().map(Host::as_str).collect();
        all.join(", ")
    }

    #[expect(clippy::unused_self, reason = "reads as a method of the domains it joins under")]
    fn join(&self, name: &ServiceName, suffix: &Host) -> Result<Host, DomainError> {
        Host::parse(&format!("{}.{suffix}", name.label())).map_err(DomainError::Invalid)
    }
}

/// An empty list of domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at least one domain is needed, such as \"internal\"")]
pub struct NoDomains;

/// Why a service cannot have the host that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// Not a host name at all.
    #[error("the host cannot be used")]
    Invalid(#[source] InvalidHost),
    /// Not under a configured domain.
    #[error("{host} is not under a configured domain ({ours})")]
    NotOurs {
        /// What was asked for.
        host: Host,
        /// The configured suffixes.
        ours: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> Domains {
        let list = ["internal", "local", "lab.internal"];
        Domains::new(list.iter().map(|d| Host::parse(d).expect("valid")).collect()).expect("some")
    }

    #[test]
    fn hosts_are_made_from_name_and_domain() {
        let name = ServiceName::parse("qp_core").expect("valid");
        for (asked, expected) in [
            (None, Some("qp-core.internal")),
            (Some("local"), Some("qp-core.local")),
            (Some("core.internal"), Some("core.internal")),
            (Some("Core.Lab.Internal."), Some("core.lab.internal")),
            (Some("example.com"), None),
            (Some("not a host"), None),
        ] {
            let host = domains().host_for(&name, asked).ok();
            assert_eq!(host.as_ref().map(Host::as_str), expected, "{asked:?}");
        }
    }

    #[test]
    fn the_longest_suffix_wins() {
        let host = Host::parse("a.lab.internal").expect("valid");
        assert_eq!(domains().suffix_of(&host).map(Host::as_str), Some("lab.internal"));
        assert!(Domains::new(Vec::new()).is_err());
    }
}

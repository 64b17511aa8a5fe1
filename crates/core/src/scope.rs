//! What a token is for: parts of the API, and of services those that fit a pattern.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::glob::Glob;
use crate::service::{UnknownWord, words};

/// A part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// Users and tokens.
    Access,
    /// Alerts, rules, silences and channels.
    Alerts,
    /// The record.
    Audit,
    /// Names, answers and the resolver.
    Dns,
    /// The stream of everything that changes.
    Events,
    /// The gateway itself: configuration, backup, upgrade, links to log in.
    Gateway,
    /// What Prometheus scrapes and finds.
    Metrics,
    /// Machines, their history and containers.
    Nodes,
    /// Services, their health, routes and traffic.
    Services,
    /// Certificates and roots.
    Tls,
}

words!(Area, "scope", "access, alerts, audit, dns, events, gateway, metrics, nodes, services, tls",
    "access" => Access, "alerts" => Alerts, "audit" => Audit, "dns" => Dns, "events" => Events,
    "gateway" => Gateway, "metrics" => Metrics, "nodes" => Nodes, "services" => Services, "tls" => Tls);

impl Area {
    /// Every part, by its word.
    pub const ALL: [Self; 10] = [
        Self::Access,
        Self::Alerts,
        Self::Audit,
        Self::Dns,
        Self::Events,
        Self::Gateway,
        Self::Metrics,
        Self::Nodes,
        Self::Services,
        Self::Tls,
    ];
}

/// One part of the API that a token is for, such as `metrics` or `services:web-*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    area: Area,
    /// Which services may be changed; all of them when `None`.
    services: Option<Glob>,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// No part of the API is called so.
    #[error(transparent)]
    Area(#[from] UnknownWord),
    /// What stands after the colon is no pattern, or the part has no services.
    #[error(
        "{0:?} is no scope; only services and tls take a pattern of names, as in services:web-*"
    )]
    Pattern(String),
    /// There are too many.
    #[error("a token has at most {SCOPES_MAX} scopes")]
    TooMany,
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let Some((area, pattern)) = text.split_once(':') else {
            return Ok(Self { area: text.parse()?, services: None });
        };
        let area = area.parse()?;
        let wrong = || InvalidScope::Pattern(text.chars().take(SHOWN_CHARS).collect());
        let is_plain = pattern.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*?".contains(&b));
        if !matches!(area, Area::Services | Area::Tls) || !is_plain || pattern.len() > PATTERN_MAX {
            return Err(wrong());
        }
        let services = Glob::parse(&pattern.to_ascii_lowercase()).map_err(|_| wrong())?;
        Ok(Self { area, services: Some(services) })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.services {
            Some(services) => write!(f, "{}:{services}", self.area),
            None => write!(f, "{}", self.area),
        }
    }
}

/// All that a token is for; none is everything that its role may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Arc<[Scope]>);

impl Scopes {
    /// Takes them as texts.
    ///
    /// # Errors
    /// When one is none, or there are too many.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, InvalidScope> {
        let scopes: Result<Vec<Scope>, _> =
            texts.into_iter().take(SCOPES_MAX + 1).map(|text| text.as_ref().parse()).collect();
        let scopes = scopes?;
        if scopes.len() > SCOPES_MAX { Err(InvalidScope::TooMany) } else { Ok(Self(scopes.into())) }
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// As texts, in the order in which they were given.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether something may be asked of a part.
    pub fn cover(&self, area: Area) -> bool {
        self.is_everything() || self.0.iter().any(|scope| scope.area == area)
    }

    /// Whether a service may be changed in a part; `None` is all of them at once.
    pub fn cover_service(&self, area: Area, service: Option<&str>) -> bool {
        let covers = |scope: &Scope| match (&scope.services, service) {
            (None, _) => scope.area == area,
            (Some(services), Some(service)) => scope.area == area && services.matches(service),
            (Some(_), None) => false,
        };
        self.is_everything() || self.0.iter().any(covers)
    }
}

/// The most scopes of a token.
pub const SCOPES_MAX: usize = 32;
const PATTERN_MAX: usize = 64;
const SHOWN_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_part_and_of_services_a_pattern() {
        for text in ["metrics", "services", "services:web-*", "tls:grafana"] {
            assert_eq!(text.parse::<Scope>().expect(text).to_string(), text);
        }
        assert_eq!(
            "services:WEB-?".parse::<Scope>().expect("folded").to_string(),
            "services:web-?"
        );
        for bad in ["", "everything", "dns:x", "services:", "services:a b", "services:a:b", ":x"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
        assert!(Scopes::parse(vec!["dns"; 33]).is_err());
    }

    #[test]
    fn every_part_has_its_word() {
        for area in Area::ALL {
            assert_eq!(area.as_str().parse::<Area>().ok(), Some(area));
        }
    }

    #[test]
    fn scopes_cover_what_they_name() {
        let all = Scopes::default();
        assert!(all.cover(Area::Tls) && all.cover_service(Area::Services, None));
        let some = Scopes::parse(["services:web-*", "tls", "metrics"]).expect("legal");
        assert!(some.cover(Area::Services) && some.cover(Area::Metrics) && !some.cover(Area::Dns));
        for (area, service, expected) in [
            (Area::Services, Some("web-1"), true),
            (Area::Services, Some("db"), false),
            (Area::Services, None, false),
            (Area::Tls, Some("db"), true),
            (Area::Tls, None, true),
            (Area::Dns, None, false),
        ] {
            assert_eq!(some.cover_service(area, service), expected, "{area} {service:?}");
        }
    }
}

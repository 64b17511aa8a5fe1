//! Who is asked about a name.
//!
//! **Invariant:** the most specific conditional forward wins, then what is special about a name,
//! then the default. A look-up costs one probe for each label.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::address::ForwarderAddr;
use super::server::Server;
use super::settings::ForwardSettings;
use super::special::{self, Special};
use super::suffix::Suffix;
use crate::key::ancestry;

/// The servers for each name.
#[derive(Debug)]
pub(crate) struct Routes {
    default: Arc<Route>,
    conditional: HashMap<Box<[u8]>, Arc<Route>, RandomState>,
    all: Vec<Arc<Route>>,
    allowed_inside: Vec<Suffix>,
    rebind_protection: bool,
    canary: bool,
}

/// Servers that know the same names.
#[derive(Debug)]
pub(crate) struct Route {
    /// What it is for; none is for everything else.
    pub(crate) domains: Vec<Suffix>,
    pub(crate) servers: Vec<Arc<Server>>,
}

/// What is done about a name.
#[derive(Debug)]
pub(crate) enum Way {
    /// These are asked.
    Ask {
        route: Arc<Route>,
        /// Whether addresses of the inside are left out of what they say.
        keeps_out: bool,
    },
    /// It is answered here.
    Here(Special),
}

impl Routes {
    /// Routes for these settings; `server` gives the server at an address.
    pub(crate) fn new(
        settings: &ForwardSettings,
        mut server: impl FnMut(&ForwarderAddr) -> Arc<Server>,
    ) -> Self {
        let mut servers = |to: &[ForwarderAddr]| to.iter().map(&mut server).collect::<Vec<_>>();
        let default =
            Arc::new(Route { domains: Vec::new(), servers: servers(&settings.forwarders) });
        let mut all = vec![Arc::clone(&default)];
        let mut conditional = HashMap::default();
        for given in &settings.conditional {
            let route =
                Arc::new(Route { domains: given.domains.clone(), servers: servers(&given.to) });
            for key in given.domains.iter().flat_map(Suffix::keys) {
                conditional.insert(key.into(), Arc::clone(&route));
            }
            all.push(route);
        }
        Self {
            default,
            conditional,
            all,
            allowed_inside: settings.rebind_allow.clone(),
            rebind_protection: settings.rebind_protection,
            canary: settings.canary,
        }
    }

    /// What is done about a folded name.
    pub(crate) fn way(&self, name: &[u8]) -> Way {
        let named = ancestry(name).find_map(|ancestor| self.conditional.get(ancestor));
        let (route, keeps_out) = match named {
            Some(route) => (route, false),
            None => match special::of(name, self.canary) {
                Some(special) => return Way::Here(special),
                None => (&self.default, self.keeps_out(name)),
            },
        };
        match route.servers.is_empty() {
            true => Way::Here(Special::Nothing),
            false => Way::Ask { route: Arc::clone(route), keeps_out },
        }
    }

    /// The name in a conditional forward that a folded name falls under, as it was written.
    pub(crate) fn named(&self, name: &[u8]) -> Option<&Suffix> {
        let route = ancestry(name).find_map(|ancestor| self.conditional.get(ancestor))?;
        let covers = |suffix: &&Suffix| suffix.covers(name);
        // Of two names of one table the inner one says more.
        route.domains.iter().filter(covers).max_by_key(|suffix| suffix.as_str().len())
    }

    /// Every route, the default first.
    pub(crate) fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    fn keeps_out(&self, name: &[u8]) -> bool {
        self.rebind_protection && !self.allowed_inside.iter().any(|suffix| suffix.covers(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::settings::Conditional;
    use crate::forward::tests::folded;

    fn routes() -> Routes {
        let at = |last: u8| format!("10.0.0.{last}").parse().expect("valid");
        let suffixes =
            |all: &[&str]| all.iter().map(|text| text.parse().expect("valid")).collect::<Vec<_>>();
        let settings = ForwardSettings {
            forwarders: vec![at(1)],
            conditional: vec![
                Conditional {
                    domains: suffixes(&["corp.example", "10.0.0.0/8", "lan"]),
                    to: vec![at(2)],
                    is_validated: true,
                },
                Conditional {
                    domains: suffixes(&["old.corp.example"]),
                    to: Vec::new(),
                    is_validated: true,
                },
                Conditional {
                    domains: suffixes(&["7.0.10.in-addr.arpa"]),
                    to: vec![at(3)],
                    is_validated: true,
                },
            ],
            rebind_allow: suffixes(&["plex.direct"]),
            ..ForwardSettings::default()
        };
        Routes::new(&settings, |address| Arc::new(Server::new(address.clone(), None)))
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = routes();
        for (name, expected) in [
            ("example.com.", "10.0.0.1:53 guarded"),
            ("x.plex.direct.", "10.0.0.1:53"),
            ("corp.example.", "10.0.0.2:53"),
            ("a.b.corp.example.", "10.0.0.2:53"),
            ("old.corp.example.", "Nothing"),
            ("a.old.corp.example.", "Nothing"),
            ("1.1.1.10.in-addr.arpa.", "10.0.0.2:53"),
            ("1.7.0.10.in-addr.arpa.", "10.0.0.3:53"),
            ("1.168.192.in-addr.arpa.", "Nothing"),
            ("localhost.", "Loopback"),
            (".", "10.0.0.1:53 guarded"),
        ] {
            let way = match routes.way(&folded(name)) {
                Way::Here(special) => format!("{special:?}"),
                Way::Ask { route, keeps_out } => {
                    let guarded = if keeps_out { " guarded" } else { "" };
                    format!("{}{guarded}", route.servers[0].address())
                }
            };
            assert_eq!(way, expected, "{name}");
        }
        assert_eq!(routes.all().len(), 4);
    }
}

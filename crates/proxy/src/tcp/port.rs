//! One port of the gateway in the table: whose it is, and what comes before the bytes there.

use std::sync::Arc;

use crate::table::Route;

/// The services on one port.
///
/// **Invariant:** made with the table, so that a connection asks nothing of the services that are
/// not its own, however many share the port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) routes: Box<[Arc<Route>]>,
    /// Whether clients send a PROXY header first.
    pub(crate) expects_header: bool,
    /// Whether some clients ask for TLS as Postgres' do.
    pub(crate) has_postgres: bool,
    /// The only service, when it does without TLS.
    pub(crate) plain: Option<Arc<Route>>,
    /// Who gets cancellations, which name nobody: the only service that is Postgres.
    pub(crate) cancelled: Option<Arc<Route>>,
    /// Who gets connections that name nobody: the only service that TLS is passed through to.
    pub(crate) unnamed: Option<Arc<Route>>,
}

impl Port {
    /// A port with these services.
    pub(crate) fn of(routes: Vec<Arc<Route>>) -> Self {
        let streams = || routes.iter().filter_map(|route| route.policy.stream.as_ref());
        let passing = |route: &&Arc<Route>| {
            route.policy.stream.as_ref().is_some_and(|stream| stream.passes_tls)
        };
        let postgres = |route: &&Arc<Route>| {
            route.policy.stream.as_ref().is_some_and(|stream| stream.is_postgres)
        };
        let plain = |route: &&Arc<Route>| route.leaves.is_none() && !passing(route);
        Self {
            expects_header: streams().any(|stream| stream.expects_header),
            has_postgres: streams().any(|stream| stream.is_postgres),
            plain: single(routes.iter()).filter(plain).cloned(),
            cancelled: single(routes.iter().filter(postgres)).cloned(),
            unnamed: single(routes.iter().filter(passing)).cloned(),
            routes: routes.into(),
        }
    }

    /// The services without this one.
    pub(crate) fn without(&self, route: &Route) -> Vec<Arc<Route>> {
        self.routes.iter().filter(|other| other.service != route.service).cloned().collect()
    }
}

fn single<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

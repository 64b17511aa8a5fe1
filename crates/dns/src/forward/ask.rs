//! One question to the servers of a route, until one of them answers.
//!
//! **Invariant:** bounded by a deadline and by rounds; a server that declined is not asked again
//! for the same question. Servers that were put aside come last, and all the same.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::error::Chain;
use tokio::time::{Instant, timeout};

use super::exchange::{self, Failure};
use super::question::Question;
use super::routes::Route;
use super::sanitise::{Finding, Rules};
use super::server::{Server, Standing};

/// How servers are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) fastest_first: bool,
    pub(crate) mixed_case: bool,
}

/// Asks until somebody answers, and says who did; `None` when nobody did.
pub(crate) async fn ask(
    route: &Route,
    question: &Question,
    rules: &Rules<'_>,
    manner: Manner,
) -> Option<(Finding, Arc<Server>)> {
    let deadline = Instant::now() + TOTAL_TIMEOUT;
    let mut servers = in_order(&route.servers, manner);
    for limit in ROUNDS {
        let mut silent = Vec::with_capacity(servers.len());
        for server in servers {
            let limit = limit.min(deadline.saturating_duration_since(Instant::now()));
            if limit.is_zero() {
                return None;
            }
            match ask_one(&server, question, rules, manner, limit).await {
                Ok(finding) => {
                    let others = route.servers.iter().filter(|other| !Arc::ptr_eq(other, &server));
                    others.for_each(|other| other.passed_over());
                    return Some((finding, server));
                }
                Err(Failure::Declined) => {}
                Err(Failure::Broken | Failure::Io(_)) => silent.push(server),
            }
        }
        servers = silent;
    }
    None
}

/// Tries servers that were put aside long enough; no client waits for this.
pub(crate) async fn probe(route: &Route, rules: &Rules<'_>, manner: Manner) {
    for server in &route.servers {
        if server.claim_probe(Instant::now()) {
            let question = Question::harmless();
            let asked = ask_one(server, &question, rules, manner, PROBE_TIMEOUT).await;
            tracing::debug!(forwarder = %server.address(), ok = asked.is_ok(), "probed");
        }
    }
}

async fn ask_one(
    server: &Server,
    question: &Question,
    rules: &Rules<'_>,
    manner: Manner,
    limit: Duration,
) -> Result<Finding, Failure> {
    let started = Instant::now();
    server.asked();
    let exchange = exchange::ask(server, question, rules, manner.mixed_case);
    let result = match timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Failure::Io(std::io::ErrorKind::TimedOut.into())),
    };
    match &result {
        Ok(_) => server.answered(started.elapsed()),
        Err(Failure::Declined) => server.declined(started.elapsed()),
        Err(failure @ (Failure::Broken | Failure::Io(_))) => {
            let error = Chain(failure).to_string();
            tracing::debug!(forwarder = %server.address(), error, "no answer");
            server.failed(Instant::now());
        }
    }
    result
}

/// Those that answer first, and among them as configured, or the fastest first.
fn in_order(servers: &[Arc<Server>], manner: Manner) -> Vec<Arc<Server>> {
    let mut order = servers.to_vec();
    order.sort_by_key(|server| {
        let is_aside = server.standing() == Standing::Aside;
        (is_aside, manner.fastest_first.then(|| server.latency()))
    });
    order
}

/// For one try at one server, in the first round and in the second.
const ROUNDS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// For everything: shorter than the 5 s that clients usually wait.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(4);
/// For a server that was put aside.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_answer_come_first() {
        let at = |last: u8| {
            let address = format!("10.0.0.{last}").parse().expect("valid");
            Arc::new(Server::new(address, None))
        };
        let servers = [at(1), at(2), at(3)];
        let order = |fastest_first| {
            let manner = Manner { fastest_first, mixed_case: true };
            let last = |server: &Arc<Server>| server.address().to_string().as_bytes()[7] - b'0';
            in_order(&servers, manner).iter().map(last).collect::<Vec<_>>()
        };
        assert_eq!((order(false), order(true)), (vec![1, 2, 3], vec![1, 2, 3]));
        servers[0].answered(Duration::from_millis(30));
        servers[1].answered(Duration::from_millis(20));
        servers[2].answered(Duration::from_millis(10));
        assert_eq!((order(false), order(true)), (vec![1, 2, 3], vec![3, 2, 1]));
        let now = Instant::now();
        (0..3).for_each(|_| servers[2].failed(now));
        assert_eq!((order(false), order(true)), (vec![1, 2, 3], vec![2, 1, 3]));
        // What was slow once is tried again.
        (0..100).for_each(|_| servers[0].passed_over());
        assert_eq!(order(true), [1, 2, 3]);
    }
}

//! Judging what was written: from [`File`] to [`Config`].
//!
//! Pure: the place of the state directory comes in through [`Surroundings`], nothing is opened.
//!
//! **Invariant:** either every value is legal and there is a [`Config`], or every problem is
//! reported.

mod access_log;
mod dnssec;
mod encrypted;
mod forward;
mod gateway;
mod judge;
mod judging;
mod limits;
mod lists;
mod mdns;
mod monitor;
mod oidc;
mod overlap;
mod parse;
mod peers;
mod planes;
mod query_log;
mod records;
mod reverse;
mod strangers;
mod telemetry;
mod views;

use self::judge::Judge;
use super::error::Problem;
use super::file::File;
use super::{Config, Surroundings};

/// Judges every key.
pub(crate) fn resolve(file: &File, surroundings: &Surroundings) -> Result<Config, Vec<Problem>> {
    let mut judge = Judge::default();
    let (gateway, default_state) = gateway::gateway(&mut judge, file, surroundings);
    let admin =
        gateway::admin(&mut judge, &file.admin, &gateway.state_dir, default_state, surroundings);
    let config = Config {
        dns: planes::dns(&mut judge, &file.dns, &gateway.domains, surroundings),
        tls: planes::tls(&mut judge, &file.tls),
        proxy: planes::proxy(&mut judge, &file.proxy),
        upstreams: planes::upstreams(&mut judge, &file.upstreams),
        health: planes::health(&mut judge, &file.health),
        monitor: monitor::monitor(&mut judge, &file.monitor, surroundings),
        log: gateway::log(&mut judge, &file.log),
        access_log: access_log::access_log(&mut judge, file, surroundings),
        query_log: query_log::output(&mut judge, file, surroundings),
        telemetry: telemetry::telemetry(&mut judge, file),
        gateway,
        admin,
    };
    // Defaults stand in for what was wrong; what they would collide with is not worth telling.
    if judge.problems.is_empty() {
        overlap::check(&mut judge, file, &config);
    }
    if judge.problems.is_empty() { Ok(config) } else { Err(judge.problems) }
}

/// What holds when nothing is configured.
pub(crate) fn defaults(surroundings: &Surroundings) -> Config {
    match resolve(&File::default(), surroundings) {
        Ok(config) => config,
        // Invariant: the defaults are legal wherever they are; a test resolves them.
        Err(problems) => unreachable!("the defaults are legal: {problems:?}"),
    }
}

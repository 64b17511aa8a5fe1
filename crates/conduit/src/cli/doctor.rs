//! `conduit doctor`: what is wrong here, and the mend.
//!
//! The gateway looks at itself; beside that, this machine is looked at: whether its resolver leads to
//! the gateway and whether it trusts it. With no gateway, what would be in the way of one.
//!
//! **Invariant:** whatever is broken is a finding; the command fails by findings alone.

mod lines;
mod path;
mod trust;

use conduit_admin::finding::{Check, Finding};
use conduit_admin::limits::DOCTOR_TIMEOUT;
use conduit_api::client::Client;
use conduit_api::v1::doctor as wire;
use conduit_api::v1::status::GatewayStatus;
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;
use tokio::time::timeout;

use super::args::Json;
use super::exit::{Exit, Failure};
use super::session::Session;
use crate::config::{Config, ConfigError, Loaded};
use crate::doctor::aside::Aside;
use crate::doctor::{LOOK_TIMEOUT, Look, clock, config, disk, gather, state, stopped};

/// Looks, and prints what was found.
pub(crate) async fn run(session: &Session, args: Json) -> Result<Exit, Failure> {
    let checked_at = Timestamp::now().to_string();
    let loaded = session.source.load();
    let findings = match reach(session, &loaded).await {
        Ok((client, status)) => beside(session, &client, &status, &loaded).await,
        Err(missing) => alone(session, *missing, &loaded).await,
    };
    let reply = wire::DoctorReply { checked_at, findings };
    let has_failed = reply.findings.iter().any(|f| f.status == wire::FindingStatus::Fail);
    match args.json {
        true => session.printer.json(&reply)?,
        false => session.printer.text(&lines::told(&reply, session.printer.paint))?,
    }
    Ok(if has_failed { Exit::Failed } else { Exit::Success })
}

/// The gateway that answers and how it is, or the finding that there is none.
async fn reach(
    session: &Session,
    loaded: &Result<Loaded, ConfigError>,
) -> Result<(Client, GatewayStatus), Box<Finding>> {
    if loaded.is_err() && session.needs_config_for_socket() {
        let message = "not looked for: the configuration that names its socket cannot be read";
        let hint = "mend that first, or name the socket with --socket";
        return Err(Box::new(Finding::skipped(Check::Gateway, message).hint(hint)));
    }
    let asked = async {
        let client = session.client().await?;
        let status = client.status().await?.value;
        Ok::<_, Failure>((client, status))
    };
    let missing = |message: String| Finding::fail(Check::Gateway, message);
    match timeout(LOOK_TIMEOUT, asked).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(failure)) => {
            let finding = missing(failure.message);
            Err(Box::new(Finding { hint: failure.hint, ..finding }))
        }
        Err(_) => {
            let message = format!("no answer within {} s", LOOK_TIMEOUT.as_secs());
            let hint = "look into its log (`journalctl -u conduit`), and restart it";
            Err(Box::new(missing(message).hint(hint)))
        }
    }
}

/// What a running gateway finds, and what this machine makes of it.
async fn beside(
    session: &Session,
    client: &Client,
    status: &GatewayStatus,
    loaded: &Result<Loaded, ConfigError>,
) -> Vec<wire::Finding> {
    let aside = Aside::default();
    let asking = client.clone().with_timeout(DOCTOR_TIMEOUT);
    let looks = vec![
        Look::new(Check::DnsPath, path::look(status)),
        Look::new(Check::TrustStore, trust::look(status, &aside)),
    ];
    let (told, mut here) = tokio::join!(asking.doctor(), gather(looks));
    if loaded.is_err() {
        here.push(of_config(session, loaded));
    }
    let gateway = Finding::ok(Check::Gateway, format!("answers on {}", client.place()));
    here.push(gateway);
    let told = match told {
        Ok(reply) => reply.value.findings,
        Err(error) => {
            let failure = Failure::from(error);
            let finding = Finding::fail(Check::Gateway, failure.message);
            here.push(Finding { hint: failure.hint, ..finding });
            Vec::new()
        }
    };
    merged(told, &here)
}

/// What would be in the way of a gateway that does not run.
async fn alone(
    session: &Session,
    missing: Finding,
    loaded: &Result<Loaded, ConfigError>,
) -> Vec<wire::Finding> {
    let aside = Aside::default();
    let mut here = vec![missing, of_config(session, loaded)];
    for check in [Check::DnsPath, Check::TrustStore] {
        here.push(Finding::skipped(check, "no gateway to try it with"));
    }
    let of_file = match loaded {
        Ok(loaded) => of_config_alone(&loaded.config, &aside).await,
        Err(_) => Vec::new(),
    };
    here.extend(of_file);
    merged(Vec::new(), &here)
}

async fn of_config_alone(config: &Config, aside: &Aside) -> Vec<Finding> {
    let state_dir = &config.gateway.state_dir;
    let looks = vec![
        Look::new(Check::Ports, stopped::look(config, aside)),
        Look::new(Check::State, state::look(state_dir, aside)),
        Look::new(Check::Disk, disk::look(state_dir, aside)),
        Look::new(Check::Clock, async {
            let is_synchronised = clock::is_synchronised().await;
            let now = Timestamp::now();
            let facts = clock::Facts { now, roots_from: None, newest_entry: None, is_synchronised };
            clock::judge(&facts)
        }),
    ];
    gather(looks).await
}

fn of_config(session: &Session, loaded: &Result<Loaded, ConfigError>) -> Finding {
    let path = session.source.path();
    let finding = match (loaded, &path) {
        (Err(error), _) => config::refused(&Chain(error).to_string(), path.as_deref()),
        (Ok(_), Some(_)) => Finding::ok(Check::Config, "legal"),
        (Ok(_), None) => Finding::ok(Check::Config, "no file; the defaults hold"),
    };
    match path {
        Some(path) => finding.about(path.display().to_string()),
        None => finding,
    }
}

/// What both found, in the fixed order. About one thing that both looked at, the gateway's word
/// stands: it is the one that runs with it.
fn merged(mut told: Vec<wire::Finding>, here: &[Finding]) -> Vec<wire::Finding> {
    for finding in here {
        let finding = wire::Finding::from(finding);
        let is_known = told.iter().any(|other| {
            (&other.check, &other.subject, other.status)
                == (&finding.check, &finding.subject, finding.status)
        });
        if !is_known {
            told.push(finding);
        }
    }
    told.sort_by_cached_key(|finding| {
        // What a newer gateway looks at besides comes last.
        let place = Check::ALL.iter().position(|check| check.as_str() == finding.check);
        let place = place.unwrap_or(Check::ALL.len());
        (place, finding.check.clone(), lines::gravity(finding.status), finding.subject.clone())
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_looked_at_is_told_once_and_in_order() {
        let told = |check: &str, subject: Option<&str>, status| wire::Finding {
            check: check.into(),
            subject: subject.map(str::to_owned),
            status,
            message: "the gateway's word".into(),
            hint: None,
        };
        use wire::FindingStatus::{Fail, Ok};
        let all = merged(
            vec![
                told("phase-of-the-moon", None, Ok),
                told("clock", None, Ok),
                told("config", Some("/c.toml"), Fail),
            ],
            &[
                Finding::fail(Check::Config, "our word").about("/c.toml"),
                Finding::ok(Check::Gateway, "answers"),
                Finding::warn(Check::DnsPath, "no"),
            ],
        );
        let told: Vec<_> = all.iter().map(|f| (f.check.as_str(), f.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("config", "the gateway's word"),
                ("gateway", "answers"),
                ("dns-path", "no"),
                ("clock", "the gateway's word"),
                ("phase-of-the-moon", "the gateway's word"),
            ]
        );
    }
}

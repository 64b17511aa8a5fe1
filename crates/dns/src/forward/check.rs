//! Asking a forwarder once, to see whether it answers.
//!
//! **Invariant:** it is asked as it would be for a client, certificate and all, and about nothing that
//! tells who asks.

use std::time::Duration;

use conduit_core::error::Chain;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use tokio::time::timeout;

use super::address::ForwarderAddr;
use super::exchange;
use super::line::Line;
use super::query::{Chance, Query};
use super::question::Question;
use super::sanitise::Rules;
use super::server::Server;
use super::trust::Trust;
use crate::client::{self, status_word};

/// Asks for the root's keys, and says whether their signatures come along, which judging answers needs.
///
/// # Errors
/// Says why there was no answer within `patience`.
pub async fn passes_signatures(
    forwarder: &ForwarderAddr,
    trust: Option<&Trust>,
    patience: Duration,
) -> Result<bool, String> {
    let server = Server::new(forwarder.clone(), trust);
    let question = Question::to_judge(&[], RecordType::DNSKEY);
    let (ttl_min, ttl_max, negative_ttl_max) = (0, 0, 0);
    let rules = Rules { ttl_min, ttl_max, negative_ttl_max, keeps_out: false, own: &[] };
    let said = timeout(patience, exchange::ask(&server, &question, &rules, false)).await;
    let said = said.map_err(|_elapsed| format!("it did not answer within {patience:?}"))?;
    let finding = said.map_err(|failure| Chain(&failure).to_string())?;
    Ok(finding.answers.iter().any(|record| record.record_type() == RecordType::RRSIG))
}

/// Asks for the root's name servers, on a connection of its own.
///
/// # Errors
/// Says why there was no answer within `patience`.
pub async fn check(
    forwarder: &ForwarderAddr,
    trust: Option<&Trust>,
    patience: Duration,
) -> Result<String, String> {
    if !forwarder.is_encrypted() {
        let asked = client::ask(forwarder.socket(), ".", "NS", patience).await;
        return asked.map(|reply| reply.status).map_err(|error| Chain(&error).to_string());
    }
    let trust = trust.ok_or("nothing is there to judge its certificate with")?;
    let line = Line::new(forwarder.clone(), trust.clone());
    let query = Query::new(&Question::harmless(), &Chance::default(), Some(&[])).padded();
    let reply = timeout(patience, line.ask(query.as_slice())).await;
    let reply = reply.map_err(|_elapsed| format!("it did not answer within {patience:?}"))?;
    let reply = reply.map_err(|error| error.to_string())?;
    let message = Message::from_vec(&reply).map_err(|_| "its answer cannot be read".to_owned())?;
    Ok(status_word(&message))
}

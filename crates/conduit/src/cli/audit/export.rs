//! `conduit audit export`: the whole record, in the lines of `audit.log`.
//!
//! **Invariant:** oldest first, one page in memory at a time; the running gateway is asked, and
//! only when none answers are its files read.

use std::ops::Range;
use std::path::Path;

use conduit_api::client::Client;
use conduit_api::v1::audit::{AuditEntry, PAGE_MAX};
use conduit_audit::{Entry, Status, store};
use conduit_core::clock::Timestamp;
use conduit_core::error::Chain;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::notice;
use crate::cli::session::{DATABASE, Session};

/// Prints every entry.
pub(super) async fn run(session: &Session) -> Result<Exit, Failure> {
    match session.gateway().await? {
        Ok(client) => from_gateway(session, &client).await?,
        Err(unreachable) => {
            let state_dir = session.state_dir().map_err(|failure| {
                let answered = Chain(&unreachable);
                Failure { message: format!("{answered}\n{}", failure.message), ..failure }
            })?;
            notice(&format!("no gateway answers; reading {}", state_dir.display()));
            from_files(session, &state_dir.join(DATABASE))?;
        }
    }
    Ok(Exit::Success)
}

async fn from_gateway(session: &Session, client: &Client) -> Result<(), Failure> {
    let newest = client.audit(1, None).await?.value.entries.first().map(|entry| entry.sequence);
    // What is decided meanwhile is not part of this export.
    let count = newest.map_or(0, |sequence| sequence.saturating_add(1));
    for page in pages(count) {
        let entries = client.audit(PAGE_MAX, Some(page.end)).await?.value.entries;
        let mut text = String::new();
        // Where entries are missing, the page reaches back to what was printed before.
        for entry in entries.into_iter().rev().filter(|entry| page.contains(&entry.sequence)) {
            push_line(&mut text, &entry_of(entry)?);
        }
        session.printer.text(&text)?;
    }
    Ok(())
}

fn from_files(session: &Session, database: &Path) -> Result<(), Failure> {
    let mut next = 0;
    loop {
        let entries = store::from_file(database, next, PAGE_MAX).map_err(|error| {
            Failure::of(&error).hint("`conduit audit verify` says what is wrong with the record")
        })?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        next = last.sequence.saturating_add(1);
        let mut text = String::new();
        for entry in &entries {
            push_line(&mut text, entry);
        }
        session.printer.text(&text)?;
    }
}

/// Sequences of pages that hold all of `count` entries, the last one whole as well.
fn pages(count: u64) -> impl Iterator<Item = Range<u64>> {
    let size = u64::from(PAGE_MAX);
    (0..count.div_ceil(size)).map(move |page| page * size..count.min((page + 1) * size))
}

fn push_line(text: &mut String, entry: &Entry) {
    text.push_str(&entry.to_line());
    text.push('\n');
}

/// An entry as the API tells it, to be written as everywhere else.
fn entry_of(wire: AuditEntry) -> Result<Entry, Failure> {
    let unreadable = || Failure::new(format!("entry {} is not one of this API", wire.sequence));
    Ok(Entry {
        at: Timestamp::parse(&wire.timestamp).map_err(|_| unreadable())?,
        status: Status::parse(&wire.status).ok_or_else(unreadable)?,
        sequence: wire.sequence,
        id: wire.id,
        hash: wire.hash,
        previous_hash: wire.previous_hash,
        action: wire.action,
        message: wire.message,
        user: wire.user,
        details: wire.details,
    })
}

#[cfg(test)]
mod tests;

//! `conduit audit`: the record.

mod export;
mod proof;

use conduit_admin::verdict;
use conduit_api::v1::audit::AuditEntry;
use conduit_audit::Report;

use super::args::AuditAction;
use super::exit::{Exit, Failure};
use super::output::{counted, notice, table};
use super::session::{DATABASE, Session};

/// Shows the newest entries, verifies the files, or exports everything.
pub(crate) fn run(session: &Session, action: AuditAction) -> Result<Exit, Failure> {
    match action {
        AuditAction::Verify(args) => match &args.proof {
            Some(file) => proof::verify(session, file, &args),
            None => verify(session, args.output.json),
        },
        AuditAction::Prove(args) => session.block_on(proof::prove(session, &args)),
        AuditAction::Tail(args) => session.block_on(async {
            let reply = session.client().await?.audit(args.lines, None).await?;
            session.print(args.output.json, &reply, |reply| list(&reply.entries))?;
            Ok(Exit::Success)
        }),
        AuditAction::Export => session.block_on(export::run(session)),
    }
}

/// Reads the files alone: the gateway may be down, or not to be trusted.
fn verify(session: &Session, json: bool) -> Result<Exit, Failure> {
    let state_dir = session.state_dir()?;
    notice(&format!("reading {}", state_dir.display()));
    let report = conduit_audit::verify_file(&state_dir.join(DATABASE), &state_dir.join(SEAL))
        .map_err(|error| {
            Failure::of(&error).hint("name the gateway's configuration with --config")
        })?;
    let valid = report.valid();
    if json {
        session.printer.json(&verdict::report(&report))?;
    } else {
        session.printer.text(&told(&report))?;
    }
    Ok(if valid { Exit::Success } else { Exit::Failed })
}

fn list(entries: &[AuditEntry]) -> String {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .rev()
        .map(|entry| {
            vec![
                entry.sequence.to_string(),
                entry.timestamp.clone(),
                entry.action.clone(),
                entry.status.clone(),
                entry.user.clone(),
                entry.message.clone(),
            ]
        })
        .collect();
    table(&["#", "TIME", "ACTION", "STATUS", "USER", "MESSAGE"], &rows)
}

fn told(report: &Report) -> String {
    let entries = counted(report.entries, "entry").replace("entrys", "entries");
    if report.valid() {
        let head = report.head.as_deref().unwrap_or("none");
        return format!("valid: {entries}, head {head}\n");
    }
    let mut text = format!("NOT VALID: {entries}\n");
    for failure in &report.failures {
        text.push_str(&format!("{failure}\n"));
    }
    if report.failures_omitted > 0 {
        text.push_str(&format!("and {} more\n", report.failures_omitted));
    }
    text
}

/// In the state directory.
const SEAL: &str = "seal";

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_audit::{Failure as Finding, Fault};

    #[test]
    fn a_broken_chain_says_where() {
        let report = Report {
            entries: 1,
            head: Some("ab".into()),
            failures: vec![Finding { index: Some(0), id: None, fault: Fault::Hash }],
            failures_omitted: 2,
        };
        assert_eq!(
            told(&report),
            "NOT VALID: 1 entry\nentry 0: the content does not match its hash\nand 2 more\n"
        );
        assert_eq!(verdict::report(&report).failures[0].sequence, Some(0));
        let good = Report { entries: 2, head: Some("ab".into()), ..Report::default() };
        assert_eq!(told(&good), "valid: 2 entries, head ab\n");
    }

    #[test]
    fn the_tail_ends_with_the_newest() {
        let entry = |sequence: u64| AuditEntry {
            timestamp: "2026-04-04T12:00:00Z".into(),
            action: "service_register".into(),
            status: "success".into(),
            message: format!("Registered s{sequence}"),
            user: "ops".into(),
            details: serde_json::Map::new(),
            sequence,
            id: String::new(),
            hash: String::new(),
            previous_hash: None,
        };
        assert_eq!(
            list(&[entry(1), entry(0)]),
            "#  TIME                  ACTION            STATUS   USER  MESSAGE\n\
             0  2026-04-04T12:00:00Z  service_register  success  ops   Registered s0\n\
             1  2026-04-04T12:00:00Z  service_register  success  ops   Registered s1\n"
        );
    }
}

//! `conduit logs --dns`: what DNS was asked, from the log's files, or from the gateway's memory.
//!
//! **Invariant:** a line is shown once, also when the gateway is another one by now.

use std::time::Duration;

use conduit_api::client::{Client, QueryFilter};
use conduit_api::v1::queries::QueryList;
use conduit_core::clock::Timestamp;

use super::line::Wanted;
use super::{Show, from_files, moment};
use crate::cli::args::LogsArgs;
use crate::cli::exit::Failure;
use crate::cli::output::notice;
use crate::cli::session::Session;
use crate::config::{AccessOutput, QueryFormat, QueryLog};

/// Prints what is there, and then what comes.
pub(super) fn run(session: &Session, args: &LogsArgs, log: &QueryLog) -> Result<(), Failure> {
    if let (AccessOutput::File(path), QueryFormat::Json) = (&log.output, log.format) {
        return from_files(session, args, path, log.keep);
    }
    let since = args.since.as_deref().map(|text| moment(text, Timestamp::now())).transpose()?;
    let wanted = Wanted { service: args.service.clone(), since };
    let show = Show { printer: session.printer, as_it_is: args.json };
    let keep = if since.is_some() { usize::MAX } else { args.lines as usize };
    session.block_on(async {
        let client = session.client().await?;
        let first = newest(&client, None).await?;
        if first.logged == "off" {
            notice(
                "the query log is off; set dns.query_log = \"all\" and run `conduit config reload`",
            );
        }
        let mut last = first.last;
        print(&first, &wanted, &show, keep)?;
        if !args.follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let next = newest(&client, Some(last)).await?;
            // A number that went back is of another process, all of whose lines are new.
            let next = match next.last < last {
                true => newest(&client, None).await?,
                false => next,
            };
            last = next.last;
            print(&next, &wanted, &show, usize::MAX)?;
        }
    })
}

async fn newest(client: &Client, after: Option<u64>) -> Result<QueryList, Failure> {
    let filter = QueryFilter { limit: Some(LINES_MAX), after, ..QueryFilter::default() };
    Ok(client.dns_queries(&filter).await?.value)
}

/// The newest `keep` of them that are wanted, the oldest first.
fn print(list: &QueryList, wanted: &Wanted, show: &Show, keep: usize) -> Result<(), Failure> {
    // Invariant: texts and numbers can be written.
    let lines = list.queries.iter().map(|query| serde_json::to_string(query).unwrap_or_default());
    let fitting: Vec<String> = lines.filter(|line| wanted.fits(line)).take(keep).collect();
    fitting.iter().rev().try_for_each(|line| show.line(line))
}

/// All that a gateway keeps.
const LINES_MAX: u32 = 1_000;
/// Between two looks for new lines.
const PAUSE: Duration = Duration::from_millis(500);

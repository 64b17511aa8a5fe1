//! Which queries are told, and where the lines go.

use conduit_dns::query_log::settings::{Clients, Logged, QueryLogSettings, Share};

use super::super::file::{self, File};
use super::super::{AccessOutput, QueryFormat, QueryLog, Surroundings};
use super::judge::Judge;
use super::{access_log, parse};

/// What of the section `dns` is about the log.
pub(super) fn settings(judge: &mut Judge, given: &file::Dns) -> QueryLogSettings {
    let default = QueryLogSettings::default();
    let share = match &given.query_log_sample {
        None => default.share,
        Some(share) => Share::new(share.value).unwrap_or_else(|| {
            let reason = format!("{} is not a share; use 0.0 to 1.0", share.value);
            judge.refuse("dns.query_log_sample", &share.origin, reason);
            default.share
        }),
    };
    QueryLogSettings {
        logged: judge.take("dns.query_log", &given.query_log, default.logged, |text| {
            Logged::parse(text).ok_or_else(|| {
                format!(
                    "{:?} does not say what is told; use off, errors or all",
                    parse::short(text)
                )
            })
        }),
        share,
        clients: judge.take(
            "dns.query_log_clients",
            &given.query_log_clients,
            default.clients,
            |text| {
                Clients::parse(text).ok_or_else(|| {
                    format!(
                        "{:?} does not say what is told of clients; use full, network or hidden",
                        parse::short(text)
                    )
                })
            },
        ),
    }
}

/// The section `query_log`.
pub(super) fn output(judge: &mut Judge, file: &File, surroundings: &Surroundings) -> QueryLog {
    let given = &file.query_log;
    let to = judge.take("query_log.output", &given.output, AccessOutput::Off, |text| match text {
        "memory" => Ok(AccessOutput::Off),
        "off" => Err("is not a place; use memory, or dns.query_log = \"off\"".to_owned()),
        _ => access_log::output(text, surroundings),
    });
    let keys = ["query_log.rotate_size", "query_log.keep"];
    let (rotate_size, keep, compress) = access_log::rotation(judge, keys, given);
    QueryLog {
        output: to,
        format: judge.take("query_log.format", &given.format, QueryFormat::Json, format),
        rotate_size,
        keep,
        compress,
    }
}

fn format(text: &str) -> Result<QueryFormat, String> {
    match text {
        "json" => Ok(QueryFormat::Json),
        "text" => Ok(QueryFormat::Text),
        _ => Err(format!("{:?} is not a format; use json or text", parse::short(text))),
    }
}

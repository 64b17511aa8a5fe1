//! `conduit import`: files of other programs.
//!
//! **Invariant:** what the registry holds is taken over as one decision of the gateway, which judges it;
//! this only reads, sorts and tells. The configuration is never written.

mod caddyfile;
mod dnsmasq;
mod env;
mod found;
mod hosts;
mod kind;
mod report;
mod settings;
mod source;

use std::path::Path;

use conduit_api::v1::import::ImportRequest;

use self::found::{Found, Place};
use self::source::Lines;
use super::args::{ImportArgs, KindArg};
use super::exit::Failure;
use super::import;
use super::session::Session;

/// Reads, asks the gateway, and tells what became of it.
pub(crate) async fn run(session: &Session, args: &ImportArgs) -> Result<(), Failure> {
    let lines = Lines::read(&args.file)?;
    let kind = match args.kind {
        Some(kind) => kind,
        None => kind::of(&args.file, &lines.text)?,
    };
    let client = session.client().await?;
    let domains = client.dns().await?.value.domains;
    let path = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let mut found = read(&lines, &path, kind, domains)?;
    if found.services.len() > ELEMENTS_MAX || found.records.len() > ELEMENTS_MAX {
        let message = format!("{}: more than {ELEMENTS_MAX} services or records", path.display());
        return Err(Failure::usage(message).hint("split the file"));
    }
    let asked = ImportRequest {
        kind: kind.as_str().to_owned(),
        source: path.display().to_string(),
        services: found.services.iter().map(|(_, service)| service.clone()).collect(),
        records: found.records.iter().map(|(_, record)| record.clone()).collect(),
        replace: args.replace,
        dry_run: args.dry_run,
    };
    let reply = client.import(&asked).await?.value;
    for refused in &reply.refused {
        let at = usize::try_from(refused.index).ok().and_then(|index| found.records.get(index));
        if let Some((place, record)) = at.cloned() {
            let text = format!("{} {} {}", record.name, record.record_type, record.data);
            found.leave(&place, &text, refused.message.clone());
        }
    }
    let report = report::Report::new(kind, &found, &reply);
    match args.output.json {
        true => session.printer.text(&report.json()),
        false => session.printer.text(&report.text()),
    }
}

/// What is in the file.
fn read(lines: &Lines, path: &Path, kind: KindArg, domains: Vec<String>) -> Result<Found, Failure> {
    let mut found = Found::new(domains);
    match kind {
        KindArg::Caddyfile => caddyfile::read(lines, &mut found),
        KindArg::Dnsmasq => dnsmasq::read(lines, path, &mut found),
        KindArg::Env => env::read(lines, &mut found),
        KindArg::Hosts => hosts::read(lines, &path.display().to_string(), &mut found),
        KindArg::Services => {
            let place: Place = lines.place(1);
            let services = import::read(path)?;
            found.services = services.into_iter().map(|service| (place.clone(), service)).collect();
        }
    }
    Ok(found)
}

/// The body of the fuzz target.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzzed(data: &[u8]) {
    use conduit_core::record::data::RecordData;

    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    // What names files of this machine is left out: the same must come of it everywhere.
    let names_files = |line: &&str| {
        ["addn-hosts", "conf-", "hostsdir", "servers-file", "resolv-file"]
            .iter()
            .any(|option| line.contains(option))
    };
    let text: String =
        text.lines().filter(|line| !names_files(line)).map(|line| format!("{line}\n")).collect();
    let kinds = [KindArg::Caddyfile, KindArg::Dnsmasq, KindArg::Env, KindArg::Hosts];
    let kind = kinds[usize::from(*choice) % kinds.len()];
    let lines = Lines::of("fuzzed", text);
    let path = Path::new("fuzzed");
    let found = read(&lines, path, kind, vec!["internal".into()]).unwrap_or_default();
    for (_, record) in &found.records {
        let kind = record.record_type.parse().expect("a type");
        RecordData::parse(kind, &record.data).expect("data that can be read");
    }
    assert!(found.left.iter().all(|left| left.place.line > 0 && !left.reason.is_empty()));
    let configuration = found.settings.toml();
    toml::from_str::<toml::Table>(&configuration).expect("a configuration");
}

/// Of each, in one import.
const ELEMENTS_MAX: usize = 20_000;

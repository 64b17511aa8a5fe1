//! Hosts files and lists: where they are, and what is done about their names.

use std::path::PathBuf;

use conduit_core::domains::Domains;
use conduit_core::record::name::RecordName;
use conduit_dns::lists::settings::{BlockAnswer, Kind, ListSettings, ListSource, Place};

use super::super::value::{Origin, Sourced, Text};
use super::super::{Surroundings, file};
use super::gateway::path;
use super::judge::Judge;
use super::parse;

pub(super) fn lists(
    judge: &mut Judge,
    given: &file::Dns,
    domains: &Domains,
    surroundings: &Surroundings,
) -> ListSettings {
    let hosts_files = hosts_files(judge, given, surroundings);
    // Each is told apart by its name, also in metrics.
    let is_hosts_file = |name: &str| hosts_files.iter().any(|path| path.as_os_str() == name);
    let mut lists: Vec<ListSource> = Vec::new();
    if let Some(given) = &given.lists {
        if given.value.len() > LISTS_MAX {
            let reason = format!("{} are too many; at most {LISTS_MAX}", given.value.len());
            judge.refuse(KEY, &given.origin, reason);
            return ListSettings { hosts_files, lists, domains: domains.clone() };
        }
        for element in &given.value {
            match list(element, surroundings) {
                Ok(list)
                    if lists.iter().any(|other| other.name == list.name)
                        || is_hosts_file(&list.name) =>
                {
                    let reason =
                        format!("{:?} is a list already; name one of them otherwise", list.name);
                    judge.refuse(KEY, &element.origin, reason);
                }
                Ok(list) => lists.push(list),
                Err((origin, reason)) => judge.refuse(KEY, &origin, reason),
            }
        }
    }
    ListSettings { hosts_files, lists, domains: domains.clone() }
}

fn hosts_files(judge: &mut Judge, given: &file::Dns, surroundings: &Surroundings) -> Vec<PathBuf> {
    let all = judge.list(HOSTS_KEY, &given.hosts_files, Vec::new(), HOSTS_FILES_MAX, |text| {
        path(text, surroundings)
    });
    let twice = all.iter().enumerate().find(|(index, path)| all[..*index].contains(path));
    if let (Some((_, path)), Some(given)) = (twice, &given.hosts_files) {
        let reason = format!("{} is named twice; leave one of the two out", path.display());
        judge.refuse(HOSTS_KEY, &given.origin, reason);
    }
    all
}

fn list(
    given: &Sourced<file::DnsListTable>,
    surroundings: &Surroundings,
) -> Result<ListSource, (Origin, String)> {
    let table = &given.value;
    let place = match (&table.file, &table.lines) {
        (Some(file), None) => Place::File(parsed(file, |text| path(text, surroundings))?),
        (None, Some(lines)) if lines.value.len() > LINES_MAX => {
            let reason = format!("{} lines are too many here; use a file", lines.value.len());
            return Err((lines.origin.clone(), reason));
        }
        (None, Some(lines)) => {
            Place::Lines(lines.value.iter().map(|line| line.value.0.clone()).collect())
        }
        (Some(_), Some(lines)) => {
            return Err((lines.origin.clone(), "give file or lines, not both".to_owned()));
        }
        (None, None) => return Err((given.origin.clone(), "give a file, or lines".to_owned())),
    };
    let name = match (&table.name, &place) {
        (Some(name), _) => {
            parsed(name, |text| parse::text(text, NAME_CHARS_MAX, "the name of a list"))?
        }
        (None, Place::File(path)) => {
            let stem = path.file_stem().unwrap_or(path.as_os_str());
            stem.to_string_lossy().chars().take(NAME_CHARS_MAX).collect()
        }
        (None, Place::Lines(_)) => {
            return Err((given.origin.clone(), "lines need a name to be told by".to_owned()));
        }
    };
    let kind = match &table.kind {
        Some(kind) => parsed(kind, |text| match text.parse() {
            Ok(Kind::Hosts) => {
                Err("hosts files are in dns.hosts_files; use block or allow".to_owned())
            }
            other => other,
        })?,
        None => Kind::default(),
    };
    Ok(ListSource {
        name,
        place,
        kind,
        format: table
            .format
            .as_ref()
            .map(|f| parsed(f, str::parse))
            .transpose()?
            .unwrap_or_default(),
        answer: table.answer.as_ref().map(|a| parsed(a, answer)).transpose()?.unwrap_or_default(),
        reason: table
            .reason
            .as_ref()
            .map(|r| parsed(r, str::parse))
            .transpose()?
            .unwrap_or_default(),
    })
}

fn answer(text: &str) -> Result<BlockAnswer, String> {
    match text.parse()? {
        BlockAnswer::Addresses(all) if all.len() > ADDRESSES_MAX => {
            Err(format!("{} addresses are too many; at most {ADDRESSES_MAX}", all.len()))
        }
        // What a list would block again leads nowhere.
        BlockAnswer::Alias(name) if RecordName::reversed(&name).is_some() => {
            Err("the reverse name of an address is no place to lead anybody to".to_owned())
        }
        answer => Ok(answer),
    }
}

fn parsed<T>(
    given: &Sourced<Text>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, (Origin, String)> {
    parse(&given.value.0).map_err(|reason| (given.origin.clone(), reason))
}

const KEY: &str = "dns.lists";
const HOSTS_KEY: &str = "dns.hosts_files";
const HOSTS_FILES_MAX: usize = 64;
/// Each costs every question that is not ours a look-up.
const LISTS_MAX: usize = 64;
/// In the configuration; more belong in a file.
const LINES_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 80;
/// Of a block.
const ADDRESSES_MAX: usize = 8;

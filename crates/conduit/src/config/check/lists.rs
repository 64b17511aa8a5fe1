//! Hosts files and lists: where they are, and what is done about their names.

use std::path::PathBuf;

use conduit_core::domains::Domains;
use conduit_core::record::name::RecordName;
use conduit_dns::lists::settings::{BlockAnswer, Kind, ListSettings, ListSource, Place};

use super::super::file;
use super::super::value::{Origin, Sourced, Text};
use super::judge::Judge;
use super::parse;

pub(super) fn lists(judge: &mut Judge, given: &file::Dns, domains: &Domains) -> ListSettings {
    let hosts_files =
        judge.list("dns.hosts_files", &given.hosts_files, Vec::new(), HOSTS_FILES_MAX, path);
    let mut lists: Vec<ListSource> = Vec::new();
    if let Some(given) = &given.lists {
        if given.value.len() > LISTS_MAX {
            let reason = format!("{} are too many; at most {LISTS_MAX}", given.value.len());
            judge.refuse(KEY, &given.origin, reason);
            return ListSettings { hosts_files, lists, domains: domains.clone() };
        }
        for element in &given.value {
            match list(element) {
                Ok(list) if lists.iter().any(|other| other.name == list.name) => {
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

fn list(given: &Sourced<file::DnsListTable>) -> Result<ListSource, (Origin, String)> {
    let table = &given.value;
    let place = match (&table.file, &table.lines) {
        (Some(file), None) => Place::File(parsed(file, path)?),
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

fn path(text: &str) -> Result<PathBuf, String> {
    match text.trim().is_empty() || text.contains('\0') {
        true => Err("is no path of a file".to_owned()),
        false => Ok(PathBuf::from(text)),
    }
}

fn parsed<T>(
    given: &Sourced<Text>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, (Origin, String)> {
    parse(&given.value.0).map_err(|reason| (given.origin.clone(), reason))
}

const KEY: &str = "dns.lists";
const HOSTS_FILES_MAX: usize = 64;
/// Each costs every question that is not ours a look-up.
const LISTS_MAX: usize = 64;
/// In the configuration; more belong in a file.
const LINES_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 80;
/// Of a block.
const ADDRESSES_MAX: usize = 8;

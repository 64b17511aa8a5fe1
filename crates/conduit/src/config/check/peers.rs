//! Secondaries, and the keys of programs that copy or change zones.

use conduit_core::record::name::RecordName;
use conduit_dns::peers::Notified;
use conduit_monitor::secret::SecretFrom;

use super::super::file;
use super::super::value::{Given, Origin, Sourced, Text};
use super::super::{DnsKey, DnsPeers};
use super::judge::Judge;
use super::parse;

pub(super) fn peers(judge: &mut Judge, given: &file::Dns) -> DnsPeers {
    let keys = keys(judge, &given.keys);
    let notified = |text: &str| {
        let notified: Notified = text.parse().map_err(|error| format!("{error}"))?;
        match &notified.key {
            Some(name) if !keys.iter().any(|key| key.name == *name) => {
                Err(format!("{name} is no key of dns.keys"))
            }
            _ => Ok(notified),
        }
    };
    DnsPeers {
        transfer_to: judge.list(
            "dns.transfer_to",
            &given.transfer_to,
            Vec::new(),
            NETWORKS_MAX,
            parse::network,
        ),
        notify: judge.list("dns.notify", &given.notify, Vec::new(), NOTIFIED_MAX, notified),
        keys,
    }
}

fn keys(judge: &mut Judge, given: &Given<Vec<Sourced<file::DnsKey>>>) -> Vec<DnsKey> {
    let Some(given) = given else {
        return Vec::new();
    };
    if given.value.len() > KEYS_MAX {
        let reason = format!("{} are too many; at most {KEYS_MAX}", given.value.len());
        judge.refuse(KEY, &given.origin, reason);
        return Vec::new();
    }
    let mut keys: Vec<DnsKey> = Vec::with_capacity(given.value.len());
    for element in &given.value {
        let judged = key(&element.value, &element.origin).and_then(|key| {
            match keys.iter().any(|other| other.name == key.name) {
                true => Err((element.origin.clone(), format!("{} is there twice", key.name))),
                false => Ok(key),
            }
        });
        match judged {
            Ok(key) => keys.push(key),
            Err((origin, reason)) => judge.refuse(KEY, &origin, reason),
        }
    }
    keys
}

/// The key, or the place of what is wrong in it.
fn key(given: &file::DnsKey, whole: &Origin) -> Result<DnsKey, (Origin, String)> {
    let secret = match (&given.secret_file, &given.secret_env) {
        (Some(file), None) => SecretFrom::File(file.value.0.clone().into()),
        (None, Some(variable)) => SecretFrom::Variable(variable.value.0.clone()),
        (Some(_), Some(variable)) => {
            let reason = "secret_file is given too; keep one".to_owned();
            return Err((variable.origin.clone(), reason));
        }
        (None, None) => {
            let reason = "has no secret; write secret_file or secret_env, where it is in base 64";
            return Err((whole.clone(), reason.to_owned()));
        }
    };
    if given.update.len() > PATTERNS_MAX {
        let reason = format!("update has {}; at most {PATTERNS_MAX}", given.update.len());
        return Err((whole.clone(), reason));
    }
    let update = given.update.iter().map(|pattern| parsed(pattern, str::parse));
    Ok(DnsKey {
        name: parsed(&given.name, RecordName::parse)?,
        algorithm: parsed(&given.algorithm, str::parse)?,
        secret,
        transfer: given.transfer,
        update: update.collect::<Result<_, _>>()?,
    })
}

fn parsed<T, E: ToString>(
    given: &Sourced<Text>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, (Origin, String)> {
    parse(&given.value.0).map_err(|error| (given.origin.clone(), error.to_string()))
}

const KEY: &str = "dns.keys";
const KEYS_MAX: usize = 64;
/// Of one key.
const PATTERNS_MAX: usize = 64;
const NETWORKS_MAX: usize = 256;
const NOTIFIED_MAX: usize = 16;

//! What containers use, as raw counters.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use conduit_core::clock::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess};

use crate::loose::{Keyed, Many, Number, Part, Take, Text, loose};
use crate::reading::container::{CONTAINERS_MAX, Container};

/// What one container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    cpu: Option<Duration>,
    counted_at: Option<Timestamp>,
    memory: Option<u64>,
    pids: Option<u64>,
}

impl Used {
    /// Of the engine's answer to a single question.
    pub(super) fn of(stats: &ContainerStatsResponse) -> Self {
        let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
        let memory = stats.memory_stats.as_ref();
        let kinds = memory.and_then(|memory| memory.stats.as_ref());
        let kind = |name: &str| kinds.and_then(|kinds| kinds.get(name).copied());
        Self {
            cpu: cpu.and_then(|cpu| cpu.total_usage).map(Duration::from_nanos),
            counted_at: stats.read.as_deref().and_then(time_of),
            memory: memory.and_then(|m| m.usage).map(|usage| without_cache(usage, kind)),
            pids: stats.pids_stats.as_ref().and_then(|pids| pids.current),
        }
        .of_something()
    }

    /// Fills a container that runs; what one that does not run uses means nothing.
    pub(super) fn apply(self, container: &mut Container) {
        if RUNNING_STATES.contains(&container.state.as_str()) {
            container.cpu = self.cpu;
            container.counted_at = self.counted_at;
            container.memory = self.memory;
            container.pids = self.pids;
        }
    }

    /// An engine answers zeros for a container that has just ended.
    fn of_something(self) -> Self {
        let is_nothing = self.cpu == Some(Duration::ZERO) && self.memory.is_none_or(|m| m == 0);
        if is_nothing { Self::default() } else { self }
    }
}

/// What containers use, by the beginning of their ids.
#[derive(Debug, Default)]
pub(super) struct UsedById(BTreeMap<String, Used>);

impl UsedById {
    /// What the container with this id uses.
    pub(super) fn take(&mut self, id: &str) -> Option<Used> {
        // The command lines of some versions shorten the id, whatever they are told.
        let short = id.get(..SHORT_ID_BYTES).and_then(|short| self.0.remove(short));
        self.0.remove(id).or(short)
    }
}

/// Reads an array, or documents on lines; a line that is broken is passed over.
pub(super) fn read_stats(text: &str) -> UsedById {
    let is_array = text.trim_start().starts_with('[');
    let pieces: Vec<&str> = if is_array { vec![text] } else { text.lines().collect() };
    let documents = pieces.into_iter().flat_map(|piece| {
        let documents = serde_json::Deserializer::from_str(piece).into_iter::<OneOrMany>();
        documents.map_while(Result::ok)
    });
    let mut used = UsedById::default();
    for OneOrMany(told) in documents.take(CONTAINERS_MAX) {
        used.0.extend(told.iter().filter_map(|Part(told)| Some((told.id()?, told.used()))));
    }
    used
}

/// A document, or an array of them as `podman stats` prints it.
#[derive(Default)]
struct OneOrMany(Vec<Part<Told>>);

impl<'de> Take<'de> for OneOrMany {
    fn list<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        Many::list(items).map(|many| Self(many.0))
    }

    fn object<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        Part::object(entries).map(|one| Self(vec![one]))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        loose(input)
    }
}

/// One document: the API's, or a line of `docker stats` or `podman stats`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    id: Text,
    /// Podman's API spells it so.
    #[serde(rename = "Id")]
    id_of_podman: Text,
    /// `docker stats` spells it so.
    #[serde(rename = "ID")]
    id_of_docker: Text,
    read: Text,
    cpu_stats: Part<ToldCpu>,
    memory_stats: Part<ToldMemory>,
    pids_stats: Part<ToldPids>,
    /// `1m2.5s`, from `podman stats`.
    cpu_time: Text,
    /// `1.5MiB / 23GiB`, from `docker stats` and `podman stats`.
    #[serde(rename = "MemUsage", alias = "mem_usage")]
    memory_usage: Text,
    #[serde(rename = "PIDs", alias = "pids")]
    pids: Number,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToldCpu {
    cpu_usage: Part<ToldCpuUsage>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToldCpuUsage {
    total_usage: Number,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToldMemory {
    usage: Number,
    stats: Keyed<Number>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToldPids {
    current: Number,
}

impl Told {
    fn id(&self) -> Option<String> {
        let id = [&self.id, &self.id_of_docker, &self.id_of_podman].into_iter().find_map(Text::get);
        id.map(str::to_owned)
    }

    fn used(&self) -> Used {
        let api = self.cpu_stats.0.cpu_usage.0.total_usage.whole();
        let kinds = &self.memory_stats.0.stats.0;
        let kind = |name: &str| kinds.get(name).and_then(|bytes| bytes.whole());
        let usage = self.memory_stats.0.usage.whole();
        Used {
            cpu: api
                .map(Duration::from_nanos)
                .or_else(|| self.cpu_time.get().and_then(parse_duration)),
            counted_at: self.read.get().and_then(time_of),
            memory: usage
                .map(|usage| without_cache(usage, kind))
                .or_else(|| self.memory_usage.get().and_then(parse_bytes)),
            pids: self.pids_stats.0.current.whole().or_else(|| self.pids.whole()),
        }
        .of_something()
    }
}

/// Memory less the page cache that can be given back, which cgroup v1 (of the whole tree) and v2
/// call by different names; as `docker stats` shows it.
fn without_cache(usage: u64, kind: impl Fn(&str) -> Option<u64>) -> u64 {
    let cache = kind("total_inactive_file").or_else(|| kind("inactive_file")).unwrap_or(0);
    usage.checked_sub(cache).unwrap_or(usage)
}

/// Bytes, of `1.5MiB / 23GiB`: the first amount.
fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text.split('/').next()?)?;
    let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(number * factor).filter(|bytes| bytes.is_finite()).map(|bytes| bytes as u64)
}

/// A duration as Go prints it: `1h2m3.5s`, `34.9ms`.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let letter = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit = &rest[letter..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (part, next) = rest.split_at(letter + end);
        let (number, unit) = number_and_unit(part)?;
        let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number * factor;
        rest = next;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

/// An engine writes the year 1 for a container that does not run.
fn time_of(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok().filter(|at| at.seconds() > 0)
}

/// The states in which a container has processes.
const RUNNING_STATES: [&str; 2] = ["running", "paused"];
/// The units of Go's durations, in seconds.
const TIME_UNITS: [(&str, f64); 6] =
    [("h", 3_600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)];
/// How much of an id a shortened one has.
const SHORT_ID_BYTES: usize = 12;
/// The units of memory, in bytes.
const BYTE_UNITS: [(&str, f64); 10] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KiB", 1_024.0),
    ("MB", 1e6),
    ("MiB", 1_048_576.0),
    ("GB", 1e9),
    ("GiB", 1_073_741_824.0),
    ("TB", 1e12),
    ("TiB", 1_099_511_627_776.0),
    ("", 1.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn used(text: &str) -> Used {
        read_stats(text).take("abc").expect("one")
    }

    #[test]
    fn reclaimable_cache_is_not_in_use_in_both_versions_of_control_groups() {
        let of = |kinds: &str| {
            let text = format!(
                r#"{{"id":"abc","read":"2026-04-04T12:00:00Z","cpu_stats":{{"cpu_usage":{{"total_usage":1500000000}}}},
                "memory_stats":{{"usage":1000,"stats":{kinds}}},"pids_stats":{{"current":3}}}}"#
            );
            let text = text.replace('\n', "");
            (used(&text), Used::of(&serde_json::from_str(&text).expect("typed")))
        };
        for (kinds, memory) in [
            (r#"{"total_inactive_file":400,"inactive_file":100}"#, 600),
            (r#"{"inactive_file":100,"anon":7}"#, 900),
            (r#"{"inactive_file":2000}"#, 1_000),
            ("null", 1_000),
        ] {
            let expected = Used {
                cpu: Some(Duration::from_millis(1_500)),
                counted_at: Timestamp::parse("2026-04-04T12:00:00Z").ok(),
                memory: Some(memory),
                pids: Some(3),
            };
            assert_eq!(of(kinds), (expected, expected), "{kinds}");
        }
    }

    #[test]
    fn lines_of_the_command_lines_are_read() {
        let docker =
            r#"{"ID":"abc","Name":"x","CPUPerc":"0.5%","MemUsage":"1.5MiB / 23GiB","PIDs":"4"}"#;
        let expected = Used { memory: Some(1_572_864), pids: Some(4), ..Used::default() };
        assert_eq!(used(docker), expected);
        let podman =
            r#"[{"id":"abc","cpu_time":"1m2.5s","mem_usage":"819.2kB / 25.28GB","pids":"1"}]"#;
        let cpu = Some(Duration::from_millis(62_500));
        let expected = Used { cpu, memory: Some(819_200), pids: Some(1), counted_at: None };
        assert_eq!(used(podman), expected);
        assert_eq!(parse_duration("34.929993ms"), Some(Duration::from_nanos(34_929_993)));
        for bad in ["x", "1", "1y", "-1s", "1e9s", "..s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_missing_or_ended_is_absent() {
        assert_eq!(used(r#"{"id":"abc"}"#), Used::default());
        let ended = r#"{"id":"abc","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}}"#;
        assert_eq!(used(ended), Used::default());
        assert_eq!(used(r#"{"id":"abc","memory_stats":7,"MemUsage":"-- / --"}"#), Used::default());
        assert!(read_stats("garbage").take("abc").is_none());
        let after_broken = "{\"id\":\"x\",\n{\"id\":\"abc\",\"PIDs\":\"2\"}{\"id\":\"d\"}\n";
        assert_eq!(used(after_broken).pids, Some(2));
    }

    #[test]
    fn shortened_ids_are_found() {
        let id = "0123456789abcdef";
        let mut stats = read_stats(r#"{"ID":"0123456789ab","PIDs":"2"}"#);
        assert_eq!(stats.take(id).and_then(|used| used.pids), Some(2));
        assert!(stats.take(id).is_none() && stats.take("ü").is_none());
    }
}

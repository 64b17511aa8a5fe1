//! Memory and paging: `/proc/meminfo`, `/proc/vmstat`, and what the kernel has a limit on.

use super::lines::{self, Nonsense};
use crate::reading::host::{HostReading, Limits, MemoryField};
use crate::survey::Survey;

/// Reads memory, paging and limits.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let problems = &mut reading.problems;
    reading.memory = lines::read(survey, "/proc/meminfo", FIELDS_MAX, problems, |line| {
        let (name, value) = line.split_once(':').ok_or(Nonsense)?;
        let mut words = value.split_ascii_whitespace();
        let number: u64 = lines::number(words.next())?;
        let unit = words.next();
        let value = match unit {
            Some(KIB) => number.checked_mul(KIB_BYTES).ok_or(Nonsense)?,
            None => number,
            Some(_) => return Err(Nonsense),
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_()".contains(c);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_word) {
            return Err(Nonsense);
        }
        Ok(Some(MemoryField { name: name.to_owned(), value, is_bytes: unit.is_some() }))
    });
    let paging = lines::read(survey, "/proc/vmstat", FIELDS_MAX, problems, |line| {
        let (name, value) = line.split_once(' ').ok_or(Nonsense)?;
        if !is_paging(name) {
            return Ok(None);
        }
        Ok(Some((name.to_owned(), lines::number(Some(value.trim()))?)))
    });
    reading.paging = paging.into_iter().collect();
    reading.limits = limits(survey, problems);
}

/// Whether a counter of `/proc/vmstat` is kept: `oom_kill`, and those of pages read, swapped and
/// faulted, which is `^(oom_kill|pgpg|pswp|pg.*fault)`, as `node_exporter` keeps them.
fn is_paging(name: &str) -> bool {
    let starts = ["oom_kill", "pgpg", "pswp"].iter().any(|start| name.starts_with(start));
    let is_fault = name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"));
    let is_word = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    (starts || is_fault) && is_word && name.len() <= NAME_BYTES_MAX
}

fn limits(survey: &Survey, problems: &mut Vec<String>) -> Limits {
    let files = lines::numbers(survey, "/proc/sys/fs/file-nr", problems);
    let mut single = |section| lines::numbers(survey, section, problems).first().copied();
    Limits {
        files: files.first().copied(),
        files_max: files.get(FILES_MAX_COLUMN).copied(),
        hung_tasks: single("/proc/sys/kernel/hung_task_detect_count"),
        processes_max: single("/proc/sys/kernel/pid_max"),
        threads_max: single("/proc/sys/kernel/threads-max"),
        entropy_bits: single("/proc/sys/kernel/random/entropy_avail"),
        entropy_pool_bits: single("/proc/sys/kernel/random/poolsize"),
        connections: single("/proc/sys/net/netfilter/nf_conntrack_count"),
        connections_max: single("/proc/sys/net/netfilter/nf_conntrack_max"),
    }
}

/// The unit of `/proc/meminfo`; it means 1,024 bytes there.
const KIB: &str = "kB";
/// Bytes of a KiB.
const KIB_BYTES: u64 = 1_024;
/// The most fields of `/proc/meminfo`, and the most paging counters.
const FIELDS_MAX: usize = 256;
/// The longest name of a field, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Where `/proc/sys/fs/file-nr` says how many files can be open.
const FILES_MAX_COLUMN: usize = 2;

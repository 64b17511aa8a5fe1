//! Who a machine is, and what time it has.

use std::time::Duration;

use super::lines;
use crate::reading::host::{HostReading, Load, Uname};
use crate::survey::Survey;

/// Reads names, clocks and load.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    read_uname(survey, reading);
    read_clock(survey, reading);
    read_distribution(survey, reading);
    reading.uptime = uptime(survey, &mut reading.problems);
    reading.load = load(survey, &mut reading.problems);
}

fn read_uname(survey: &Survey, reading: &mut HostReading) {
    let Some(text) = survey.get("uname") else {
        return;
    };
    let mut lines = text.lines().map(|line| line.trim().to_owned());
    let mut next = || lines.next().filter(|line| !line.is_empty());
    let whole = (next(), next(), next(), next(), next());
    let (Some(sysname), Some(nodename), Some(release), Some(version), Some(machine)) = whole else {
        reading.problems.push("uname has fewer than five lines".to_owned());
        return;
    };
    let domain = survey.get("/proc/sys/kernel/domainname").map(str::trim);
    let domainname = domain.unwrap_or(DOMAIN_NONE).to_owned();
    reading.hostname.clone_from(&nodename);
    reading.kernel.clone_from(&release);
    reading.uname = Some(Uname { sysname, nodename, release, version, machine, domainname });
}

fn read_clock(survey: &Survey, reading: &mut HostReading) {
    let Some(text) = survey.get("clock") else {
        return;
    };
    let mut lines = text.lines().map(str::trim);
    let seconds = lines::real(lines.next()).ok();
    reading.clock = seconds.filter(|seconds| (0.0..CLOCK_MAX).contains(seconds));
    if reading.clock.is_none() {
        reading.problems.push("clock holds no time".to_owned());
    }
    let ticks = lines::number(lines.next()).ok();
    reading.ticks_per_second = ticks.filter(|ticks| (1..=TICKS_MAX).contains(ticks));
    let page: Option<u64> = lines::number(lines.next()).ok();
    reading.page_bytes = page.filter(|bytes| (1..=PAGE_BYTES_MAX).contains(bytes));
}

fn read_distribution(survey: &Survey, reading: &mut HostReading) {
    let section = "/etc/os-release";
    let fields = lines::read(survey, section, FIELDS_MAX, &mut reading.problems, |line| {
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            return Ok(None);
        };
        let value = value.trim().trim_matches(['"', '\'']);
        Ok(Some((name.to_owned(), value.chars().take(FIELD_CHARS_MAX).collect())))
    });
    reading.distribution = fields.into_iter().collect();
}

fn uptime(survey: &Survey, problems: &mut Vec<String>) -> Option<Duration> {
    let text = survey.get("/proc/uptime")?;
    let seconds = lines::real(text.split_whitespace().next()).ok();
    let uptime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if uptime.is_none() {
        problems.push("/proc/uptime holds no time".to_owned());
    }
    uptime
}

fn load(survey: &Survey, problems: &mut Vec<String>) -> Option<Load> {
    let mut words = survey.get("/proc/loadavg")?.split_whitespace();
    let mut average = || lines::real(words.next()).ok().filter(|load| *load >= 0.0);
    let averages = (average(), average(), average());
    let (Some(one), Some(five), Some(fifteen)) = averages else {
        problems.push("/proc/loadavg has fewer than three numbers".to_owned());
        return None;
    };
    let threads = words.next().and_then(|word| word.split_once('/'));
    let threads = threads.and_then(|(_running, all)| all.parse().ok());
    Some(Load { averages: [one, five, fifteen], threads })
}

/// What the kernel says when there is no NIS domain.
const DOMAIN_NONE: &str = "(none)";
/// The end of civil time as we count it: the year 10000, in seconds since 1970.
const CLOCK_MAX: f64 = 253_402_300_800.0;
/// The most ticks per second that are believed.
const TICKS_MAX: u32 = 10_000;
/// The longest page that is believed, in bytes.
const PAGE_BYTES_MAX: u64 = 1 << 20;
/// The most fields of `/etc/os-release`.
const FIELDS_MAX: usize = 64;
/// The longest value of `/etc/os-release`, in characters.
const FIELD_CHARS_MAX: usize = 200;

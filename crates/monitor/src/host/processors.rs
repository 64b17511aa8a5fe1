//! Processors: `/proc/stat`, `/proc/schedstat` and `/proc/net/softnet_stat`.

use super::lines::{self, Line, Nonsense};
use crate::reading::host::HostReading;
use crate::reading::host::processor::{Processor, ProcessorTimes, Processors, Schedule, Softnet};
use crate::survey::Survey;

/// Reads where processors' time went, and what they handled.
pub(super) fn read(survey: &Survey, reading: &mut HostReading) {
    let HostReading { processors, problems, .. } = reading;
    // What a line says is put where it belongs; only processors are many.
    let each = lines::read(survey, "/proc/stat", PROCESSORS_MAX, problems, |line| {
        stat_line(line, processors)
    });
    processors.each = each;
    processors.schedule =
        lines::read(survey, "/proc/schedstat", PROCESSORS_MAX, problems, schedule_line);
    let mut index = 0;
    let section = "/proc/net/softnet_stat";
    reading.softnet = lines::read(survey, section, PROCESSORS_MAX, problems, |line| {
        index += 1;
        softnet_line(line, index - 1)
    });
}

fn stat_line(line: &str, processors: &mut Processors) -> Line<Processor> {
    let mut words = line.split_ascii_whitespace();
    let Some(name) = words.next() else {
        return Ok(None);
    };
    let single = match name {
        "cpu" => {
            processors.total = Some(times(words)?);
            return Ok(None);
        }
        "intr" => &mut processors.interrupts,
        "ctxt" => &mut processors.context_switches,
        "btime" => &mut processors.boot_time,
        "processes" => &mut processors.forks,
        "procs_running" => &mut processors.running,
        "procs_blocked" => &mut processors.blocked,
        _ => {
            let Some(number) = name.strip_prefix("cpu") else {
                return Ok(None);
            };
            let number = lines::number(Some(number))?;
            return Ok(Some(Processor { number, times: times(words)? }));
        }
    };
    *single = Some(lines::number(words.next())?);
    Ok(None)
}

/// The first four have always been there; a later one that is not there is not known.
fn times<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<ProcessorTimes, Nonsense> {
    let mut first = || lines::number(words.next());
    let (user, nice, system, idle) = (first()?, first()?, first()?, first()?);
    let mut later = || words.next().map(|word| lines::number(Some(word))).transpose();
    Ok(ProcessorTimes {
        user,
        nice,
        system,
        idle,
        iowait: later()?,
        irq: later()?,
        softirq: later()?,
        steal: later()?,
        guest: later()?,
        guest_nice: later()?,
    })
}

/// `cpu0 0 0 0 0 0 0 running waiting slices`; lines about domains are passed over.
fn schedule_line(line: &str) -> Line<Schedule> {
    let mut words = line.split_ascii_whitespace();
    let Some(number) = words.next().and_then(|name| name.strip_prefix("cpu")) else {
        return Ok(None);
    };
    let mut counters = words.skip(SCHEDULE_UNUSED);
    Ok(Some(Schedule {
        number: lines::number(Some(number))?,
        running_ns: lines::number(counters.next())?,
        waiting_ns: lines::number(counters.next())?,
        timeslices: lines::number(counters.next())?,
    }))
}

/// Hexadecimal columns, one line for each processor that is on line; newer kernels say which.
fn softnet_line(line: &str, index: u32) -> Line<Softnet> {
    let columns = line.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16));
    let columns: Vec<u64> = columns.collect::<Result<_, _>>().map_err(|_| Nonsense)?;
    let at = |column: usize| columns.get(column).copied();
    let named = at(SOFTNET_NUMBER).and_then(|number| u32::try_from(number).ok());
    Ok(Some(Softnet {
        number: named.unwrap_or(index),
        processed: at(0).ok_or(Nonsense)?,
        dropped: at(1).ok_or(Nonsense)?,
        squeezed: at(2).ok_or(Nonsense)?,
        received_rps: at(SOFTNET_RPS),
        flow_limit: at(SOFTNET_FLOW_LIMIT),
    }))
}

/// The most processors of a machine that are looked at.
const PROCESSORS_MAX: usize = 4_096;
/// Counters of `/proc/schedstat` before those of interest.
const SCHEDULE_UNUSED: usize = 6;
/// Column of `/proc/net/softnet_stat` that counts wake-ups by other processors.
const SOFTNET_RPS: usize = 9;
/// Column that counts packets of flows that sent too many.
const SOFTNET_FLOW_LIMIT: usize = 10;
/// Column that holds the processor's number.
const SOFTNET_NUMBER: usize = 12;

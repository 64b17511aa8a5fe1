//! Processors, load, scheduling and pressure.

use super::text::{Column, Kind, NS, Text, US, count, scaled};
use crate::reading::host::processor::{ProcessorTimes, Schedule, Softnet};
use crate::reading::host::{HostReading, StallTime};

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    write_times(reading, text);
    write_totals(reading, text);
    let loads = [("node_load1", "1m"), ("node_load5", "5m"), ("node_load15", "15m")];
    for (index, (name, span)) in loads.into_iter().enumerate() {
        let load = reading.load.and_then(|load| load.averages.get(index).copied());
        text.gauge(name, &format!("{span} load average."), load);
    }
    write_schedule(reading, text);
    write_softnet(reading, text);
    write_pressure(reading, text);
}

fn write_times(reading: &HostReading, text: &mut Text) {
    let ticks = f64::from(reading.ticks_per_second.unwrap_or(TICKS_USUAL));
    let seconds = |value: Option<u64>| value.map(|value| value as f64 / ticks);
    let help = "Seconds the CPUs spent in each mode.";
    let mut family = text.family("node_cpu_seconds_total", Kind::Counter, help);
    for processor in &reading.processors.each {
        let number = processor.number.to_string();
        for (mode, value) in modes(&processor.times) {
            family.add(&[("cpu", &number), ("mode", mode)], seconds(value));
        }
    }
    let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
    let mut family = text.family("node_cpu_guest_seconds_total", Kind::Counter, help);
    for processor in &reading.processors.each {
        let number = processor.number.to_string();
        let times = &processor.times;
        family.add(&[("cpu", &number), ("mode", "nice")], seconds(times.guest_nice));
        family.add(&[("cpu", &number), ("mode", "user")], seconds(times.guest));
    }
}

fn modes(times: &ProcessorTimes) -> [(&'static str, Option<u64>); 8] {
    [
        ("idle", Some(times.idle)),
        ("iowait", times.iowait),
        ("irq", times.irq),
        ("nice", Some(times.nice)),
        ("softirq", times.softirq),
        ("steal", times.steal),
        ("system", Some(times.system)),
        ("user", Some(times.user)),
    ]
}

fn write_totals(reading: &HostReading, text: &mut Text) {
    let processors = &reading.processors;
    let value = |value: Option<u64>| value.and_then(count);
    let switches = value(processors.context_switches);
    text.counter("node_context_switches_total", "Total number of context switches.", switches);
    text.counter("node_forks_total", "Total number of forks.", value(processors.forks));
    let help = "Total number of interrupts serviced.";
    text.counter("node_intr_total", help, value(processors.interrupts));
    let help = "Number of processes blocked waiting for I/O to complete.";
    text.gauge("node_procs_blocked", help, value(processors.blocked));
    let help = "Number of processes in runnable state.";
    text.gauge("node_procs_running", help, value(processors.running));
}

fn write_schedule(reading: &HostReading, text: &mut Text) {
    for (name, kind, help, value) in SCHEDULE {
        let mut family = text.family(name, *kind, help);
        for schedule in &reading.processors.schedule {
            family.add(&[("cpu", &schedule.number.to_string())], value(schedule));
        }
    }
}

fn write_softnet(reading: &HostReading, text: &mut Text) {
    for (name, kind, help, value) in SOFTNET {
        let mut family = text.family(name, *kind, help);
        for softnet in &reading.softnet {
            family.add(&[("cpu", &softnet.number.to_string())], value(softnet));
        }
    }
}

fn write_pressure(reading: &HostReading, text: &mut Text) {
    let pressure = &reading.pressure;
    let some = |stall: Option<crate::reading::host::Stall>| stall.and_then(|stall| stall.some);
    let full = |stall: Option<crate::reading::host::Stall>| stall.and_then(|stall| stall.full);
    let counters: [(&str, &str, Option<StallTime>); 6] = [
        (
            "node_pressure_cpu_waiting_seconds_total",
            "Total time in seconds that processes have waited for CPU time",
            some(pressure.cpu),
        ),
        (
            "node_pressure_io_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IO congestion",
            full(pressure.io),
        ),
        (
            "node_pressure_io_waiting_seconds_total",
            "Total time in seconds that processes have waited due to IO congestion",
            some(pressure.io),
        ),
        (
            "node_pressure_irq_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IRQ congestion",
            full(pressure.irq),
        ),
        (
            "node_pressure_memory_stalled_seconds_total",
            "Total time in seconds no process could make progress due to memory congestion",
            full(pressure.memory),
        ),
        (
            "node_pressure_memory_waiting_seconds_total",
            "Total time in seconds that processes have waited for memory",
            some(pressure.memory),
        ),
    ];
    for (name, help, time) in counters {
        text.counter(name, help, time.and_then(|time| scaled(time.total_us, US)));
    }
}

/// Ticks per second where the machine does not say; `node_exporter` knows no other.
const TICKS_USUAL: u32 = 100;
/// What the scheduler counts.
const SCHEDULE: &[Column<Schedule>] = &[
    (
        "node_schedstat_running_seconds_total",
        Kind::Counter,
        "Number of seconds CPU spent running a process.",
        |schedule| scaled(schedule.running_ns, NS),
    ),
    (
        "node_schedstat_timeslices_total",
        Kind::Counter,
        "Number of timeslices executed by CPU.",
        |schedule| count(schedule.timeslices),
    ),
    (
        "node_schedstat_waiting_seconds_total",
        Kind::Counter,
        "Number of seconds spent by processing waiting for this CPU.",
        |schedule| scaled(schedule.waiting_ns, NS),
    ),
];
/// What processors did with packets.
const SOFTNET: &[Column<Softnet>] = &[
    ("node_softnet_dropped_total", Kind::Counter, "Number of dropped packets", |s| {
        count(s.dropped)
    }),
    (
        "node_softnet_flow_limit_count_total",
        Kind::Counter,
        "Number of times flow limit has been reached",
        |softnet| softnet.flow_limit.and_then(count),
    ),
    ("node_softnet_processed_total", Kind::Counter, "Number of processed packets", |s| {
        count(s.processed)
    }),
    (
        "node_softnet_received_rps_total",
        Kind::Counter,
        "Number of times cpu woken up received_rps",
        |softnet| softnet.received_rps.and_then(count),
    ),
    (
        "node_softnet_times_squeezed_total",
        Kind::Counter,
        "Number of times processing packets ran out of quota",
        |softnet| count(softnet.squeezed),
    ),
];

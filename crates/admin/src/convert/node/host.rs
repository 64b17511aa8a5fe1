//! The machine itself, as it goes out.

use conduit_api::v1::nodes as wire;
use conduit_monitor::figures::{HostFigures, Usage};

/// What the machine does.
pub(super) fn host(host: &HostFigures) -> wire::Host {
    wire::Host {
        hostname: host.hostname.clone(),
        kernel: host.kernel.clone(),
        uptime_seconds: host.uptime.map(|uptime| uptime.as_secs_f64()),
        cores: host.cores,
        cpu: host.cpu,
        cpu_per_core: host.cpu_per_core.clone(),
        load: host.load,
        memory: amount(host.memory),
        swap: amount(host.swap),
        file_systems: file_systems(host),
        disks: disks(host),
        interfaces: interfaces(host),
        pressure: host.pressure.map(|pressure| wire::Pressure {
            cpu: pressure.cpu,
            memory: pressure.memory,
            io: pressure.io,
        }),
        temperatures: temperatures(host),
        units: host
            .units
            .iter()
            .map(|unit| wire::Unit { name: unit.name.clone(), state: unit.active.clone() })
            .collect(),
        oom_kills: host.oom_kills,
        clock_offset_seconds: host.clock_offset,
    }
}

fn amount(usage: Usage) -> wire::Amount {
    wire::Amount { total_bytes: usage.total, used_bytes: usage.used }
}

fn file_systems(host: &HostFigures) -> Vec<wire::FileSystem> {
    let all = host.file_systems.iter().map(|file_system| wire::FileSystem {
        device: file_system.device.clone(),
        mount_point: file_system.mount_point.clone(),
        kind: file_system.kind.clone(),
        total_bytes: file_system.usage.total,
        used_bytes: file_system.usage.used,
        read_only: file_system.read_only,
    });
    all.collect()
}

fn disks(host: &HostFigures) -> Vec<wire::Disk> {
    let all = host.disks.iter().map(|disk| wire::Disk {
        name: disk.name.clone(),
        read_bytes_per_second: disk.read,
        written_bytes_per_second: disk.written,
        busy: disk.busy,
    });
    all.collect()
}

fn interfaces(host: &HostFigures) -> Vec<wire::Interface> {
    let all = host.interfaces.iter().map(|interface| wire::Interface {
        name: interface.name.clone(),
        received_bytes_per_second: interface.received,
        sent_bytes_per_second: interface.sent,
        errors_per_second: interface.errors,
    });
    all.collect()
}

fn temperatures(host: &HostFigures) -> Vec<wire::Temperature> {
    let all = host.temperatures.iter().map(|temperature| wire::Temperature {
        sensor: temperature.sensor.clone(),
        celsius: temperature.celsius,
        critical: temperature.critical,
    });
    all.collect()
}

//! A machine's own counters: what its kernel prints, as a reading, and rates between two readings.
//!
//! The local source reads files, a remote machine's script prints them; both make a [`Survey`] of
//! the sections below, and [`parse`] reads it. A section that a machine does not have is left out
//! or empty. Sections in [`FILES`] are the whole text of the file of that name. The others are:
//!
//! | section | text, line by line |
//! |---|---|
//! | `uname` | five lines: what `uname -s`, `-n`, `-r`, `-v` and `-m` print |
//! | `clock` | `date +%s`, with a fraction where it has one; then `getconf CLK_TCK`, then `getconf PAGESIZE`; the last two may be missing |
//! | `df` | `df -kP`, on local file systems only (`-l`) where that is known; under a time limit |
//! | `df-inodes` | `df -iP`, likewise |
//! | `hwmon` | `path:value`, as `grep -H .` prints `/sys/class/hwmon/hwmon*/` with `name`, `temp*_input`, `temp*_label`, `temp*_crit`, `temp*_max`, `temp*_crit_hyst`, `temp*_crit_alarm`, `fan*_input`, `fan*_min`; and for each chip with a device `/sys/class/hwmon/hwmonN/device:` with what `readlink -f` says of it |
//! | `cooling` | `path:value` of `/sys/class/thermal/cooling_device*/` with `type`, `cur_state`, `max_state` |
//! | `power` | `path:value` of `/sys/class/power_supply/*/online` |
//! | `net-sysfs` | `path:value` of `/sys/class/net/*/` with `operstate`, `mtu`, `speed`, `carrier`, `ifindex`, `address`, `broadcast`, `duplex`, `ifalias`, `carrier_changes`, `tx_queue_len`, `flags`, `type`, `statistics/rx_nohandler` |
//! | `units` | `name active-state` for each unit of interest, `not-found` for one that is not there |
//!
//! Some files may be sent in part, since the rest is not looked at: of `/proc/schedstat` the lines
//! that `grep '^cpu'` finds, of `/proc/vmstat` those of `grep -E '^(oom_kill|pgpg|pswp|pg.*fault)'`,
//! of `/proc/stat` all but `intr` after its second word and `softirq`.
//!
//! **Invariant:** [`parse`] never panics, whatever the text; a section that makes no sense is told in
//! the reading's `problems` and takes no other section with it; what is missing is `None`.

mod aside;
mod devices;
mod figures;
mod files;
mod identity;
mod lines;
mod local;
mod memory;
mod network;
mod pressure;
mod processors;
mod sensors;
mod space;
mod storage;
mod units;

pub use self::figures::clock_offset;
pub use self::local::HostSource;
pub use self::units::{InvalidUnit, Units};
use crate::reading::host::HostReading;
use crate::survey::Survey;

/// Reads a survey; it never fails, and tells in `problems` what makes no sense.
pub fn parse(survey: &Survey) -> HostReading {
    let mut reading = HostReading::default();
    identity::read(survey, &mut reading);
    processors::read(survey, &mut reading);
    memory::read(survey, &mut reading);
    pressure::read(survey, &mut reading);
    storage::read(survey, &mut reading);
    network::read(survey, &mut reading);
    sensors::read(survey, &mut reading);
    reading
}

/// The files whose text is a section of the same name. All are small and readable by everybody;
/// which of them exist depends on the kernel.
pub const FILES: &[&str] = &[
    "/etc/os-release",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/mounts",
    "/proc/net/arp",
    "/proc/net/dev",
    "/proc/net/netstat",
    "/proc/net/snmp",
    "/proc/net/snmp6",
    "/proc/net/sockstat",
    "/proc/net/sockstat6",
    "/proc/net/softnet_stat",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/irq",
    "/proc/pressure/memory",
    "/proc/schedstat",
    "/proc/stat",
    "/proc/sys/fs/file-nr",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/hung_task_detect_count",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/random/entropy_avail",
    "/proc/sys/kernel/random/poolsize",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/uptime",
    "/proc/vmstat",
];

#[cfg(test)]
pub(crate) mod tests;

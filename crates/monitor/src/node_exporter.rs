//! A machine's counters as `node_exporter` writes them, so that its dashboards and rules just work.
//!
//! Names, labels, units, types and help are those of `node_exporter`; what Grafana's dashboard 1860
//! ("Node Exporter Full") asks for and Linux tells to everybody is there. What is not there, and
//! why:
//!
//! | metrics | why not |
//! |---|---|
//! | `node_cpu_scaling_frequency_*`, `node_cpu_info`, `node_cpu_core_throttles_total` | reading a clock rate interrupts the processor it belongs to |
//! | `node_interrupts_total`, `node_softirqs_*`, `node_processes_state`, `node_processes_pids`, `node_tcp_connection_states` | off in `node_exporter` too: they cost much, and more the busier a machine is |
//! | `node_udp_queues` | one line for each socket would have to be read |
//! | `node_systemd_units`, `node_systemd_socket_*` | only the named units are asked for |
//! | `node_timex_*` | no file tells it |
//! | `node_kernel_hung_tasks` | that is a slip of the dashboard: the exporter says `node_kernel_hung_tasks_total`, and so does this page |
//! | `node_network_{address_assign_type,carrier_*_changes_total,device_id,dormant,iface_link,iface_link_mode,name_assign_type,net_dev_group}`, `node_nf_conntrack_stat_*` | no panel of that dashboard asks |
//! | `node_scrape_collector_duration_seconds`, `node_textfile_scrape_error`, `process_*`, `go_*`, `promhttp_*` | they are about the exporter's own process |
//! | `node_hwmon_*` but temperatures and fans, `node_disk_ata_*`, `node_edac_*`, `node_zfs_*`, `node_xfs_*`, `node_nfs_*` and other hardware | no panel of that dashboard asks |
//!
//! `conformance/monitor` holds this page against the exporter itself where that is installed.
//!
//! **Invariant:** what is not known is left out, never zero; a metric without a sample is not
//! named; no two samples have the same name and labels; whatever a machine says of itself, the
//! text is well formed.

mod machine;
mod memory;
mod network;
mod processors;
mod sensors;
mod storage;
mod text;

use self::text::Text;
use crate::reading::host::HostReading;

/// The page that Prometheus reads of one machine.
pub fn page(reading: &HostReading) -> String {
    let mut text = Text::default();
    machine::write(reading, &mut text);
    processors::write(reading, &mut text);
    memory::write(reading, &mut text);
    storage::write(reading, &mut text);
    network::write(reading, &mut text);
    sensors::write(reading, &mut text);
    text.finish()
}

/// The media type of [`page`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;

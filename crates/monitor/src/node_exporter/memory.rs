//! Memory and paging.

use super::text::{Kind, Text, count};
use crate::reading::host::HostReading;

pub(super) fn write(reading: &HostReading, text: &mut Text) {
    for field in &reading.memory {
        // `Active(anon)` is written `Active_anon`; what counts bytes says so, pieces do not.
        let name = field.name.replace('(', "_").replace(')', "");
        let name = if field.is_bytes { format!("{name}_bytes") } else { name };
        let help = format!("Memory information field {name}.");
        text.gauge(&format!("node_memory_{name}"), &help, count(field.value));
    }
    for (name, value) in &reading.paging {
        let help = format!("/proc/vmstat information field {name}.");
        let metric = format!("node_vmstat_{name}");
        text.family(&metric, Kind::Untyped, &help).add(&[], count(*value));
    }
}

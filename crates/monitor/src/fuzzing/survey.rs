//! What a machine prints of itself.

use std::collections::HashSet;
use std::time::Duration;

use crate::figures::HostFigures;
use crate::host;
use crate::node_exporter;
use crate::survey::Survey;

/// Whatever a machine prints is refused or read; shares are shares, and its page is well formed.
///
/// # Panics
/// When a property does not hold.
pub fn monitor_survey(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(survey) = Survey::parse(&text) else {
        return;
    };
    let reading = host::parse(&survey);
    let mut later = reading.clone();
    later.uptime = reading.uptime.and_then(|uptime| uptime.checked_add(SECOND));
    for (before, now) in [(None, &reading), (Some(&reading), &later), (Some(&later), &reading)] {
        let figures = HostFigures::between(before, now);
        let shares = figures.cpu.iter().chain(&figures.cpu_per_core);
        let busy = figures.disks.iter().filter_map(|disk| disk.busy.as_ref());
        for share in shares.chain(busy) {
            assert!((0.0..=1.0).contains(share), "{share}");
        }
        for system in &figures.file_systems {
            assert!(system.usage.used <= system.usage.total, "{system:?}");
        }
        assert!(figures.memory.used <= figures.memory.total);
    }
    assert_page(&node_exporter::page(&reading));
}

/// Every line is a comment or a sample of the family before it, with a finite value, and no two
/// samples are the same.
pub(crate) fn assert_page(page: &str) {
    let (mut family, mut seen) = ("", HashSet::new());
    for line in page.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap_or_default();
            assert!(seen.insert(family), "{family} is there twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        let labels = series.strip_prefix(family).expect("a sample of its family");
        assert!(labels.is_empty() || labels.starts_with('{') && labels.ends_with('}'), "{line}");
        assert!(family.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'), "{line}");
        assert!(labels.is_empty() || seen.insert(series), "{series} is there twice");
    }
}

/// How much later the second reading is.
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn monitor_survey(text in "(@@(/proc/stat|/proc/meminfo|/proc/diskstats|/proc/mounts|df|hwmon|/proc/net/dev|/proc/net/snmp|/proc/uptime)\n([a-z]{0,4}[ :0-9/%_-]{0,30}\n){0,5}){0,6}@@end\n") {
            super::monitor_survey(text.as_bytes());
        }
    }
}

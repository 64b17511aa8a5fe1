//! Containers, in the README's table.

use conduit_api::v1::nodes::{Container, Containers};

use super::amounts::{MISSING, memory};
use crate::cli::output::{pad, width};
use crate::cli::status_lines::uptime;

/// The table of one engine; columns are as wide as in the README, or wider when they must be.
pub(super) fn table(found: &Containers) -> String {
    let rows: Vec<[String; 5]> = found.containers.iter().map(row).collect();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let name = NAME_COLUMNS.max(widest(0) + 2);
    let status = STATUS_COLUMNS.max(widest(1));
    let cpu = CPU_COLUMNS.max(widest(2));
    let mut text = format!(
        "{}{}{}   {}UPTIME\n",
        pad("CONTAINER", name),
        pad("STATUS", status + 1),
        pad("CPU", cpu - 1),
        pad("MEM", MEMORY_COLUMNS),
    );
    for [called, state, busy, memory, since] in &rows {
        let memory = pad(&format!("{memory:>MEMORY_DIGITS$}"), MEMORY_COLUMNS);
        let line =
            format!("{}{}{busy:>cpu$}   {memory}{since}", pad(called, name), pad(state, status));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if found.left_out > 0 {
        text.push_str(&format!("and {} more\n", found.left_out));
    }
    text
}

fn row(container: &Container) -> [String; 5] {
    let is_running = container.state == RUNNING;
    let busy = container.cpu.map(|cores| format!("{:.1}%", cores * 100.0));
    let since = container.uptime_seconds.filter(|_| is_running).map(uptime);
    let missing = || MISSING.to_owned();
    [
        container.name.clone(),
        // What its own check says is the better word, unless it says that all is well.
        match container.health.as_deref() {
            Some(health) if is_running && health != HEALTHY => health.to_owned(),
            _ => container.state.clone(),
        },
        busy.filter(|_| is_running).unwrap_or_else(missing),
        if is_running { memory(container.memory_bytes) } else { missing() },
        since.unwrap_or_else(missing),
    ]
}

const RUNNING: &str = "running";
const HEALTHY: &str = "healthy";
/// Columns of the README's table.
const NAME_COLUMNS: usize = 19;
const STATUS_COLUMNS: usize = 10;
const CPU_COLUMNS: usize = 5;
const MEMORY_COLUMNS: usize = 10;
/// An amount of memory ends in this column of its own, unless it is longer.
const MEMORY_DIGITS: usize = 6;

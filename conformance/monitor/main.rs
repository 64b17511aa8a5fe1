//! The monitor's pages against the exporters whose dashboards they are for.

mod node_exporter;

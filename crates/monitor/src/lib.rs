//! What the machines of a site do: hosts, GPUs, containers and engines; history, rules and alerts.
//!
//! A [`source::Source`] reads raw counters on a schedule of its own and hands a
//! [`reading::Reading`] to the one keeper. The keeper makes rates of two readings, publishes the
//! [`view::NodesView`], and takes [`metric::Sample`]s of it to the history and to the rules.
//!
//! **Invariant:** what is not known is `None`, never zero. A source that hangs delays nobody but
//! itself, and says so. Everything kept has a bound. Nothing here decides about traffic.

pub mod alert;
pub mod channel;
pub mod containers;
pub mod dcgm;
pub mod engines;
pub mod figures;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub use conduit_core::glob;
pub mod gpu;
mod growth;
pub mod history;
pub mod host;
pub mod judge;
pub mod keeper;
mod loose;
pub mod metric;
pub mod node;
pub mod node_exporter;
pub mod reading;
pub mod rule;
pub mod sampler;
pub mod samples;
pub mod secret;
pub mod services;
pub mod silence;
pub mod source;
pub mod ssh;
pub mod stamp;
pub mod survey;
pub mod ties;
pub mod view;
pub mod watch;
pub mod window;
pub mod wording;

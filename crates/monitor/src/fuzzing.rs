//! The doors of this crate, with what must hold for any bytes that come through them.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

mod engine;
mod gpu;
mod rules;
mod ssh;
mod survey;

pub use engine::monitor_engine;
pub use gpu::monitor_gpu;
pub use rules::monitor_rules;
pub use ssh::monitor_ssh;
#[cfg(test)]
pub(crate) use survey::assert_page;
pub use survey::monitor_survey;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn seeds_hold() {
        replay("monitor_engine", monitor_engine);
        replay("monitor_gpu", monitor_gpu);
        replay("monitor_rules", monitor_rules);
        replay("monitor_ssh", monitor_ssh);
        replay("monitor_survey", monitor_survey);
    }
}

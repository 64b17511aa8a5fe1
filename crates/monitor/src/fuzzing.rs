//! The doors of this crate, with what must hold for any bytes that come through them.
//!
//! **Invariant:** every target states a property; not panicking is the least of them.

mod engine;

pub use engine::monitor_engine;

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
    }
}

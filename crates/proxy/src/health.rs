//! Active health: who is probed, how, and what follows from the answers.
//!
//! **Invariant:** one task, the [`prober`], writes health; everything else reads or reports. What
//! it decides is decided in [`machine`], which is pure.

pub mod board;
pub mod machine;
pub mod plan;
pub mod probe;
pub mod prober;

//! Health: who is probed, how, and what follows from the answers.
//!
//! **Invariant:** one task, the [`prober`], writes health; everything else reads or reports. What
//! it decides is decided in [`machine`], [`outliers`] and [`probation`], which are pure.

pub mod board;
pub mod machine;
pub mod outliers;
pub mod plan;
pub mod probation;
pub mod probe;
pub mod prober;

mod grpc;

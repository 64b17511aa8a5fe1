//! Capsule Protocol 1.0: the record's bytes, hashes, signatures and chain.
//!
//! The vectors were made from the written specification by `vectors/generate.py`, which shares no
//! code with Conduit. `interop` asks the protocol's reference tool about a chain that we wrote.

mod canonical;
mod capsules;
mod chains;
mod interop;
mod vectors;

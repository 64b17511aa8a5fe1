//! The whole room, from wish to disk and back.

mod atomic;
mod certificates;
mod dns_records;
mod fake;
mod handover;
mod holds;
mod nodes;
mod passkeys;
mod record;
mod restart;
mod users;
mod views;

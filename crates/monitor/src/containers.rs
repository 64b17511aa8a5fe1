//! The containers of a machine: from its engine's socket, or from what a remote machine printed.
//!
//! **Invariant:** counters are raw, and what an engine does not tell is `None`. One parser reads
//! the list of containers of both; one entry of an unknown shape never hides the others.
//!
//! A remote machine prints up to four sections of its [`Survey`](crate::survey::Survey); `containers/survey.sh`
//! ([`SURVEY_SCRIPT`]) is the part of the script that prints them, with the first of these that
//! answers: the Docker or Podman socket by curl, `docker`, `podman`. No engine: no section.
//!
//! | section | holds |
//! |---|---|
//! | `containers/version` | the JSON of `GET /version`, of `docker version --format '{{json .Server}}'`, or of `podman version --format '{{json .Client}}'` |
//! | `containers/list` | the JSON of `GET /containers/json?all=1`, of `podman ps -a --format json`, or a line of JSON for each container, of `docker ps -a --no-trunc --format '{{json .}}'` |
//! | `containers/stats` | JSON documents on lines of their own, in any order, of `GET /containers/ID/stats?stream=false&one-shot=true`, of `docker stats`; or an array, of `podman stats` (both with `--no-stream --format '{{json .}}'`) |
//! | `containers/details` | a line for each container of `inspect`: id, restarts, the limit of memory in bytes (0: none), time of start in JSON, networks in JSON; with a blank between them |
//!
//! Only the list is needed. It may be cut in the middle: what is whole is read, and the rest counts
//! as one container that was left out.

mod client;
mod details;
mod events;
mod labels;
mod list;
mod log;
mod ports;
mod rates;
mod source;
mod stats;
mod survey;
mod wire;
mod wishes;

pub use labels::Asks;
pub use log::{LogAsked, LogLine, log};
pub use rates::figures;
pub use source::ContainersSource;
pub use survey::{SURVEY_SCRIPT, parse};
pub use wishes::{ABSENT_MAX, Asked, LABEL_MARK, LabelWish, LabelledService, Wishes, wishes};

#[cfg(test)]
mod tests;

//! The gate: what a request has to pass before it is forwarded.

pub(crate) mod access;

use std::net::IpAddr;
use std::rc::Rc;

use crate::worker::Worker;

/// Who is at the gate.
#[derive(Debug)]
pub(crate) struct Visitor<'a> {
    /// Where the client is.
    pub(crate) address: IpAddr,
    /// Whether it came with TLS.
    pub(crate) is_tls: bool,
    /// The worker that serves it.
    pub(crate) worker: &'a Rc<Worker>,
}

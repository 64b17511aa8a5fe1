//! The control plane against a real registry, a real authority and real probes, on real sockets;
//! only what the composition does is stood in for.

mod again;
mod auth;
mod dns;
mod dns_told;
mod doctor;
mod document;
mod events;
mod gateway;
mod limits;
mod nodes;
mod oidc;
mod passkeys;
mod scopes;
mod services;
mod sessions;
mod site;
mod users;

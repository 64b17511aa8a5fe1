//! The product from outside: a real gateway, real sockets, clients that know nothing of our code.
#![allow(
    missing_docs,
    clippy::too_many_lines,
    reason = "tests are their own documentation, and tables are long"
)]

// What a registration promises: at once, whole, or not at all.
mod registration;
// Records of operators, from the command to the query.
mod records;
// Streams and tunnels live through publications.
mod streaming;
// Byte streams through the gateway: ports, and real databases behind them.
mod tcp;
// gRPC, spoken by somebody else.
mod grpc;
// Other people's names.
mod forwarding;
// Names over TLS and over HTTPS.
mod encrypted;
// Hosts files and lists.
mod lists;
// Files of other programs, taken over, and what those programs would have answered.
mod import;
// Health: ejection, readmission, neighbours, retries.
mod health;
// Upstreams by hand: drained, ejected, admitted.
mod upstreams;
// Starting, stopping, crashing, and what is refused at the start.
mod life;
// A stop while requests come from everywhere.
mod stopping;
// Each capability alone.
mod alone;
// What a running process is told by signals.
mod signals;
// A new process takes over from a running one.
mod upgrade;
// Many services at once.
mod bulk;
// How an operator asks for a policy, and sees it again.
mod policy;
// The API from outside: who may do what.
mod access;
// What the operating system around it sees: a supervisor, a user to become.
mod system;
// Certificates as a client sees them.
mod certificates;
// Saving the whole state, and getting it back.
mod backup;
// Who asks our DNS for what, and why it answers so.
mod queries;
// Access lines: in a file, across its replacement, and read again.
mod logs;
// What is counted: as documented, and as Prometheus reads it.
mod metrics;
// Traces, as a collector gets them.
mod traces;
// Logins through a provider of identities.
mod oidc;
// The record, exported.
// `conduit doctor`: what is wrong with a gateway, and with a machine that has none.
mod doctor;
mod export;

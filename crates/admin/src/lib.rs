//! The control plane over HTTP, on the Unix socket and on the admin listener.

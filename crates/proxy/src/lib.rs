//! The hot path: TLS listener, routes, pools, probes and forwarding.

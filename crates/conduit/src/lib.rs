//! One binary for the inside of an on-premises network: names, certificates, routes, health, record.

//! The wire types of the admin API, version 1, and a typed client.

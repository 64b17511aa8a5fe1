//! The whole room against a server in the test.

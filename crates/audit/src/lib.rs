//! The hash-chained, signed record: append, read and verify.

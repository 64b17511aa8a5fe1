//! The truth: services and tokens, one writer, one transaction with the record.

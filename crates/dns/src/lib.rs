//! Authoritative answers for our names, over UDP and TCP, and nobody else's names unless told.
